"""hMailServer 5, as many ran it on a PC at home.

Its defaults for addresses ("IP ranges"), and a ban that is nothing but a range which
expires.
"""

from maillab.policy.ip_ranges import INTERNET, INTERNET_IPV6, MY_COMPUTER
from maillab.policy.settings import (
    MINUTE,
    Access,
    AutoBlock,
    Defence,
    Delivery,
    Limits,
    Settings,
)
from maillab.world.personality import Personality, Word, phrases

SETTINGS = Settings(
    limits=Limits(
        message_size=20_480 * 1024,
        recipients=50_000,
        bad_commands=0,
        idle=10 * MINUTE,
    ),
    access=Access(
        login_on_port_25=True,
        mechanisms=("LOGIN",),
        plain_login=True,
        vrfy="off",
        ip_ranges=(INTERNET, INTERNET_IPV6, MY_COMPUTER),
    ),
    delivery=Delivery(
        retry=(60 * MINUTE,),
        expire=240 * MINUTE,
        recipients=100,
        max_mx=15,
        report_content="full",
    ),
    defence=Defence(
        autoblock=AutoBlock(attempts=3, window=30 * MINUTE, ban=60 * MINUTE),
        tell_bans="drop",
    ),
)

SMTP, DELIVERY, RFC = "Protocols, SMTP", "Protocols, SMTP, Delivery", "Protocols, RFC"
RANGES, AUTOBAN = "Advanced, IP Ranges", "Advanced, Auto-ban"
DOMAIN, ACCOUNT, SPAM = "Domains", "Accounts", "Anti-spam"

WORDS = (
    Word(SMTP, "Max message size (KB)", "limits.message_size", "RFC 1870 §4", "KB"),
    Word(SMTP, "Rule loop limit", "recipients.rule_loops", "RFC 5321 §6.3"),
    Word(SMTP, "Maximum number of connections", "limits.connections"),
    Word(
        DELIVERY,
        "Number of retries",
        note="as many as fit into the time below: 4 as installed",
    ),
    Word(
        DELIVERY,
        "Minutes between every retry",
        "delivery.retry.0",
        "RFC 5321 §4.5.4.1",
        "min",
    ),
    Word(
        DELIVERY,
        "Minutes until it is returned",
        "delivery.expire",
        "RFC 5321 §4.5.4.1",
        "min",
        "what the two above make",
    ),
    Word(DELIVERY, "Local host name", "delivery.helo", "RFC 5321 §4.1.1.1"),
    Word(
        DELIVERY,
        "SMTP Relayer: remote host name",
        "delivery.smart_host",
        "RFC 5598 §4.3.2",
    ),
    Word(
        DELIVERY,
        "Max number of recipients in batch",
        "delivery.recipients",
        "RFC 5321 §4.5.3.1.10",
    ),
    Word(
        DELIVERY,
        "Use STARTTLS if available",
        "delivery.tls",
        "RFC 7435 §3",
        answers=(("may", "yes"), ("none", "no")),
    ),
    Word(DELIVERY, "Max number of MX hosts", "delivery.max_mx", "RFC 5321 §5.1"),
    Word(
        RFC,
        "Allow plain text authentication",
        "access.mechanisms",
        "RFC 4616 §2",
        answers=(("LOGIN", "no"), ("LOGIN, PLAIN", "yes"), ("PLAIN, LOGIN", "yes")),
    ),
    Word(
        RFC,
        "Disconnect client after too many invalid commands",
        "limits.bad_commands",
        "RFC 5321 §4.5.3",
        note="100 when it is switched on",
    ),
    Word(RANGES, "IP ranges", "access.ip_ranges", "RFC 5321 §7.9"),
    Word(
        RANGES,
        "Require SSL/TLS for authentication",
        "access.plain_login",
        "RFC 4954 §4",
        note="for all ranges",
        answers=(("yes", "no"), ("no", "yes")),
    ),
    Word(RANGES, "Internet: priority", "access.ip_ranges.0.priority"),
    Word(
        RANGES,
        "Internet: Require SMTP authentication",
        "access.ip_ranges.0.login_for",
        "RFC 6409 §4.3",
    ),
    Word(RANGES, "My computer: priority", "access.ip_ranges.2.priority"),
    Word(
        RANGES,
        "My computer: Require SMTP authentication",
        "access.ip_ranges.2.login_for",
        "RFC 6409 §4.3",
    ),
    Word(AUTOBAN, "Max invalid logon attempts", "defence.autoblock.attempts"),
    Word(
        AUTOBAN,
        "Minutes before reset",
        "defence.autoblock.window",
        unit="min",
    ),
    Word(AUTOBAN, "Minutes to auto-ban", "defence.autoblock.ban", unit="min"),
    Word(DOMAIN, "Names (domain aliases)", "recipients.alias_domains"),
    Word(DOMAIN, "Catch-all address", "recipients.catch_all"),
    Word(DOMAIN, "Plus addressing, character", "recipients.separator", "RFC 5233 §4"),
    Word(DOMAIN, "Aliases", "recipients.aliases", "RFC 5321 §3.9.1"),
    Word(DOMAIN, "Distribution lists", "recipients.lists", "RFC 5321 §3.9.2"),
    Word(ACCOUNT, "Forwarding", "recipients.forwards", "RFC 5321 §3.4.1"),
    Word(ACCOUNT, "Auto-reply", "recipients.vacations", "RFC 3834 §2"),
    Word(ACCOUNT, "Rules", "recipients.rules"),
    Word(ACCOUNT, "Maximum size", "recipients.quotas"),
    Word("Routes", "Routes", "remote_domains", "RFC 5321 §5"),
    Word(SPAM, "DNS blacklists", "defence.dnsbl", "RFC 5782 §2"),
    Word(
        SPAM,
        "Greylisting: minutes to defer",
        "defence.greylisting.delay",
        "RFC 6647 §5",
        "min",
        "30 when it is switched on",
    ),
    Word(
        SPAM,
        "Greylisting: days before removing unused records",
        "defence.greylisting.window",
        "RFC 6647 §5",
        "days",
    ),
    Word(
        SPAM,
        "Greylisting: days before removing used records",
        "defence.greylisting.keep",
        "RFC 6647 §5",
        "days",
    ),
)

PHRASES = phrases(
    ("banner", 220, "", "{hostname} ESMTP"),
    ("ehlo", 250, "", "{hostname}"),
    ("helo", 250, "", "Hello."),
    ("sender-ok", 250, "", "OK"),
    ("recipient-ok", 250, "", "OK"),
    ("data", 354, "", "OK, send."),
    ("queued", 250, "", "Queued ({duration} seconds)"),
    ("quit", 221, "", "goodbye"),
    ("rset", 250, "", "OK"),
    ("noop", 250, "", "OK"),
    ("help", 211, "", "DATA HELO EHLO MAIL NOOP QUIT RCPT RSET SAML TURN VRFY"),
    ("not-implemented", 502, "", "{verb} disallowed."),
    ("unknown-command", 502, "", "Unimplemented command."),
    ("need-ehlo", 503, "", "Bad sequence of commands"),
    ("need-mail", 503, "", "must have sender first."),
    ("need-mail-rcpt", 503, "", "Must have sender and recipient first."),
    ("nested-mail", 503, "", "Issue a reset if you want to start over"),
    ("relaying-denied", 550, "", "Delivery is not allowed to this address."),
    ("login-required", 530, "", "SMTP authentication is required."),
    ("no-such-user", 550, "", "Unknown user"),
    ("too-many-recipients", 550, "", "Too many recipients."),
    ("too-big", 552, "", "Message size exceeds fixed maximum message size"),
    ("logged-in", 235, "", "authenticated."),
    (
        "bad-credentials",
        535,
        "",
        "Authentication failed. Restarting authentication process.",
    ),
    ("ready-for-tls", 220, "", "Ready to start TLS"),
    ("greylisted", 451, "", "Please try again later."),
    ("too-many-errors", 421, "", "Too many invalid commands. Bye!"),
    ("timeout", 421, "", "Connection timeout."),
)

EXTENSIONS = (
    "SIZE",
    "HELP",
)

PERSONALITY = Personality(
    "hmailserver", "hMailServer", SETTINGS, WORDS, PHRASES, EXTENSIONS
)
