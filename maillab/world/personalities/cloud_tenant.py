"""A tenant in a large provider's cloud (Office 365).

Nobody configures the engine here: what cannot be changed is said as a note.
"""

from maillab.policy.settings import (
    DAY,
    HOUR,
    MB,
    MINUTE,
    Access,
    Delivery,
    Limits,
    Relay,
    Settings,
)
from maillab.world.personalities.microsoft import PHRASES as MICROSOFT
from maillab.world.personality import Personality, Word, phrases

SETTINGS = Settings(
    limits=Limits(
        message_size=35 * MB,
        recipients=500,
        bad_commands=10,
        hops=30,
        messages_per_hour=1800,
        idle=5 * MINUTE,
    ),
    access=Access(mechanisms=("LOGIN",), tls_required=(587,)),
    relay=Relay(sender_match="account"),
    delivery=Delivery(
        retry=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE),
        delay_warning=4 * HOUR,
        expire=DAY,
        concurrency=20,
        report_content="headers",
    ),
)

SUBMIT, FLOW, USERS = "SMTP client submission", "Mail flow", "Recipients"

WORDS = (
    Word(SUBMIT, "Server and port", note="587 with STARTTLS"),
    Word(SUBMIT, "TLS is required at port", "access.tls_required", "RFC 3207 §4"),
    Word(
        SUBMIT,
        "Authenticated SMTP (SMTP AUTH)",
        "access.mechanisms",
        "RFC 4954 §4",
        note="XOAUTH2 too, outside",
    ),
    Word(SUBMIT, "Send As", "relay.sender_match", "RFC 6409 §6.1"),
    Word(
        SUBMIT,
        "Message rate limit",
        "limits.messages_per_hour",
        note="an hour; 30 a minute",
    ),
    Word(SUBMIT, "Recipient limit", "limits.recipients", "RFC 5321 §4.5.3.1.8"),
    Word(SUBMIT, "Recipient rate limit", note="10,000 a day; not counted here"),
    Word(SUBMIT, "Maximum send size", "limits.message_size", "RFC 1870 §4", "MB"),
    Word(FLOW, "Accepted domains", note="domains of the host"),
    Word(FLOW, "Connectors: to a smart host", "delivery.smart_host", "RFC 5598 §4.3.2"),
    Word(FLOW, "Connectors: for some domains", "remote_domains", "RFC 5321 §5"),
    Word(FLOW, "Message expiration", "delivery.expire", "RFC 5321 §4.5.4.1", "h"),
    Word(FLOW, "Delay notification", "delivery.delay_warning", "RFC 3461 §4.1", "h"),
    Word(
        FLOW,
        "Directory-based edge blocking",
        "recipients.refuse_unknown",
        "RFC 5321 §3.3",
    ),
    Word(FLOW, "Mail flow rules", "recipients.rules"),
    Word(USERS, "Distribution groups", "recipients.lists", "RFC 5321 §3.9.2"),
    Word(USERS, "Forwarding", "recipients.forwards", "RFC 5321 §3.4.1"),
    Word(USERS, "Automatic replies", "recipients.vacations", "RFC 3834 §2"),
    Word(USERS, "POP3 and IMAP", note="995 and 993, TLS from the first octet"),
)

PHRASES = MICROSOFT | phrases(
    ("sender-ok", 250, "2.1.0", "Sender OK"),
    ("recipient-ok", 250, "2.1.5", "Recipient OK"),
    ("queued", 250, "2.0.0", "OK {message} [Hostname={hostname}]"),
    ("quit", 221, "2.0.0", "Service closing transmission channel"),
    ("need-mail", 503, "5.5.2", "Need mail command"),
    ("need-mail-rcpt", 503, "5.5.2", "Need rcpt command"),
    ("relaying-denied", 550, "5.7.64", "TenantAttribution; Relay Access Denied"),
    ("no-such-user", 550, "5.4.1", "Recipient address rejected: Access denied"),
    ("login-required", 530, "5.7.57", "Client not authenticated to send mail"),
    (
        "sender-not-allowed",
        550,
        "5.7.60",
        "SMTP; Client does not have permissions to send as this sender",
    ),
    ("too-many-hops", 554, "5.4.14", "Hop count exceeded - possible mail loop"),
    (
        "listed-dnsbl",
        550,
        "5.7.1",
        "Service unavailable, Client host [{client}] blocked using {zone}",
    ),
)

EXTENSIONS = (
    "SIZE",
    "PIPELINING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "SMTPUTF8",
)

PERSONALITY = Personality(
    "cloud-tenant", "Office 365", SETTINGS, WORDS, PHRASES, EXTENSIONS
)
