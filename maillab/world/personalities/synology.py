"""The mail server of a Synology NAS (DSM): Postfix and Dovecot behind four pages."""

from maillab.policy.settings import (
    DAY,
    MB,
    MINUTE,
    Access,
    AutoBlock,
    Defence,
    Delivery,
    Limits,
    Settings,
)
from maillab.world.personalities.postfix import EXTENSIONS as POSTFIX_EXTENSIONS
from maillab.world.personalities.postfix import PHRASES as POSTFIX_PHRASES
from maillab.world.personality import Personality, Word, phrases

SETTINGS = Settings(
    limits=Limits(message_size=10 * MB, recipients=1000, bad_commands=20, hops=50),
    access=Access(login_on_port_25=True, mechanisms=("PLAIN", "LOGIN"), vrfy="off"),
    delivery=Delivery(
        retry=(5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 4000.0),
        concurrency=20,
        recipients=50,
        report_content="full",
    ),
    defence=Defence(
        autoblock=AutoBlock(attempts=10, window=5 * MINUTE, ban=DAY),
        tell_bans="drop",
    ),
)

SMTP, RELAY, SECURITY = "SMTP", "SMTP, SMTP Relay", "Security"
BLOCK, USERS = "Control Panel, Auto Block", "Account"

WORDS = (
    Word(SMTP, "Enable SMTP", note="the roles of the host: serves"),
    Word(SMTP, "SMTP authentication is required", "relay.authenticated", "RFC 4954 §4"),
    Word(
        SMTP,
        "Ignore authentication for LAN connections",
        "relay.networks",
        "RFC 5321 §7.9",
    ),
    Word(
        SMTP,
        "Verify that the sender belongs to the login",
        "relay.sender_match",
        "RFC 6409 §6.1",
    ),
    Word(
        SMTP, "Maximum size per email (MB)", "limits.message_size", "RFC 1870 §4", "MB"
    ),
    Word(SMTP, "Host name (FQDN)", "delivery.helo", "RFC 5321 §4.1.1.1"),
    Word(RELAY, "Enable SMTP relay: server", "delivery.smart_host", "RFC 5598 §4.3.2"),
    Word(RELAY, "Always use a secure connection (TLS)", "delivery.tls", "RFC 3207 §4"),
    Word("IMAP/POP3", "Enable POP3, IMAP", note="the roles of the host: serves"),
    Word(SECURITY, "Enable DNS-based blackhole list", "defence.dnsbl", "RFC 5782 §2"),
    Word(
        SECURITY, "Enable greylist", "defence.greylisting.delay", "RFC 6647 §5", "min"
    ),
    Word(BLOCK, "Login attempts", "defence.autoblock.attempts"),
    Word(BLOCK, "Within (minutes)", "defence.autoblock.window", unit="min"),
    Word(
        BLOCK,
        "Enable block expiration, unblock after (days)",
        "defence.autoblock.ban",
        unit="days",
    ),
    Word(USERS, "Auto forward", "recipients.forwards", "RFC 5321 §3.4.1"),
    Word(USERS, "Auto reply", "recipients.vacations", "RFC 3834 §2"),
    Word(USERS, "Alias", "recipients.aliases", "RFC 5321 §3.9.1"),
    Word(USERS, "Quota", "recipients.quotas"),
)

# It is Postfix that speaks, as its administrator has set it up.
PHRASES = POSTFIX_PHRASES | phrases(
    ("banner", 220, "", "{hostname} ESMTP Postfix"),
    ("relaying-denied", 554, "5.7.1", "<{address}>: Relay access denied"),
)

PERSONALITY = Personality(
    "synology",
    "the mail server of a Synology NAS",
    SETTINGS,
    WORDS,
    PHRASES,
    POSTFIX_EXTENSIONS,
)
