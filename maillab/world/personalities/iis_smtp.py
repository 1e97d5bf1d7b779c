"""The SMTP virtual server of Windows Server (IIS 6 Manager).

The replies were written after the dialogues that this server is known for.
"""

from maillab.policy.settings import (
    DAY,
    HOUR,
    MINUTE,
    Access,
    Delivery,
    Limits,
    Recipients,
    Settings,
)
from maillab.world.personalities.microsoft import PHRASES as MICROSOFT
from maillab.world.personality import Personality, Word, phrases

SETTINGS = Settings(
    limits=Limits(
        message_size=2048 * 1024,
        session_size=10_240 * 1024,
        recipients=100,
        hops=15,
        idle=10 * MINUTE,
    ),
    access=Access(login_on_port_25=True, mechanisms=("LOGIN",), plain_login=True),
    recipients=Recipients(refuse_unknown=False),
    delivery=Delivery(
        retry=(15 * MINUTE, 30 * MINUTE, 60 * MINUTE, 240 * MINUTE),
        delay_warning=12 * HOUR,
        expire=2 * DAY,
        tls="none",
        concurrency=100,
        messages=20,
        recipients=100,
        report_content="full",
    ),
)

GENERAL, ACCESS, MESSAGES, DELIVERY = "General", "Access", "Messages", "Delivery"
OUTBOUND, ADVANCED = "Delivery, Outbound Connections", "Delivery, Advanced"
SECURITY, DOMAINS = "Delivery, Outbound Security", "Domains"

WORDS = (
    Word(GENERAL, "IP address and port", note="the ports of the roles: 25, 587, 465"),
    Word(GENERAL, "Limit number of connections to", "limits.connections"),
    Word(
        GENERAL,
        "Connection time-out (minutes)",
        "limits.idle",
        "RFC 5321 §4.5.3.2.7",
        "min",
    ),
    Word(GENERAL, "Enable logging", note="always: it is the trace"),
    Word(
        ACCESS, "Authentication: Anonymous access", "access.anonymous", "RFC 6409 §4.3"
    ),
    Word(
        ACCESS,
        "Authentication: Basic authentication",
        "access.mechanisms",
        "RFC 4954 §4",
        note="not ticked in IIS",
    ),
    Word(
        ACCESS,
        "Basic authentication without TLS encryption",
        "access.plain_login",
        "RFC 4954 §4",
    ),
    Word(
        ACCESS,
        "Secure communication: Require TLS encryption, at ports",
        "access.tls_required",
        "RFC 3207 §4",
    ),
    Word(ACCESS, "Connection: Only the list below", "access.grant"),
    Word(ACCESS, "Connection: All except the list below", "access.deny"),
    Word(ACCESS, "Relay: Only the list below", "relay.networks", "RFC 5321 §7.9"),
    Word(
        ACCESS,
        "Relay: Allow all computers which successfully authenticate to relay",
        "relay.authenticated",
        "RFC 6409 §4.3",
    ),
    Word(
        ACCESS,
        "Relay: All except the list below (an empty list: open relay)",
        "relay.open",
        "RFC 5321 §7.9",
    ),
    Word(
        MESSAGES,
        "Limit message size to (KB)",
        "limits.message_size",
        "RFC 1870 §4",
        "KB",
    ),
    Word(MESSAGES, "Limit session size to (KB)", "limits.session_size", "", "KB"),
    Word(
        MESSAGES,
        "Limit number of messages per connection to",
        "delivery.messages",
        note="going out, then it connects anew",
    ),
    Word(
        MESSAGES,
        "Limit number of recipients per message to",
        "limits.recipients",
        "RFC 5321 §4.5.3.1.8",
        note="the rest gets a transaction of its own",
    ),
    Word(
        MESSAGES,
        "Send copy of Non-Delivery Report to",
        "delivery.report_copy",
        "RFC 3464 §1",
    ),
    Word(MESSAGES, "Badmail directory", note="Mailroot, Badmail"),
    Word(
        DELIVERY,
        "First retry interval (minutes)",
        "delivery.retry.0",
        "RFC 5321 §4.5.4.1",
        "min",
    ),
    Word(
        DELIVERY,
        "Second retry interval (minutes)",
        "delivery.retry.1",
        "RFC 5321 §4.5.4.1",
        "min",
    ),
    Word(
        DELIVERY,
        "Third retry interval (minutes)",
        "delivery.retry.2",
        "RFC 5321 §4.5.4.1",
        "min",
    ),
    Word(
        DELIVERY,
        "Subsequent retry interval (minutes)",
        "delivery.retry.3",
        "RFC 5321 §4.5.4.1",
        "min",
    ),
    Word(
        DELIVERY,
        "Delay notification",
        "delivery.delay_warning",
        "RFC 3461 §4.1",
        "h",
    ),
    Word(
        DELIVERY,
        "Expiration time-out",
        "delivery.expire",
        "RFC 5321 §4.5.4.1",
        "days",
    ),
    Word(
        SECURITY,
        "TLS encryption",
        "delivery.tls",
        "RFC 3207 §4",
        answers=(("none", "no"), ("encrypt", "yes")),
    ),
    Word(OUTBOUND, "Limit number of connections to", note="1000; not counted here"),
    Word(OUTBOUND, "Time-out (minutes)", note="10; here RFC 5321 §4.5.3.2"),
    Word(OUTBOUND, "Limit number of connections per domain to", "delivery.concurrency"),
    Word(OUTBOUND, "TCP port", "delivery.port", "RFC 5321 §4.5.4"),
    Word(ADVANCED, "Maximum hop count", "limits.hops", "RFC 5321 §6.3"),
    Word(ADVANCED, "Masquerade domain", "delivery.masquerade", "RFC 5321 §4.1.1.2"),
    Word(
        ADVANCED,
        "Fully-qualified domain name",
        "delivery.helo",
        "RFC 5321 §4.1.1.1",
        note="none: the name of the host",
    ),
    Word(ADVANCED, "Smart host", "delivery.smart_host", "RFC 5598 §4.3.2"),
    Word(
        ADVANCED,
        "Attempt direct delivery before sending to smart host",
        "delivery.direct_first",
        "RFC 5321 §5.1",
    ),
    Word(DOMAINS, "Local domain, alias", "recipients.alias_domains"),
    Word(DOMAINS, "Remote domain", "remote_domains", "RFC 5321 §5"),
)

PHRASES = MICROSOFT | phrases(
    ("sender-ok", 250, "2.1.0", "{address}....Sender OK"),
    ("recipient-ok", 250, "2.1.5", "{address}"),
    ("queued", 250, "2.6.0", "{message} Queued mail for delivery"),
    ("quit", 221, "2.0.0", "{hostname} Service closing transmission channel"),
    ("help", 214, "2.0.0", "This server supports the following commands:\n{commands}"),
    ("need-mail", 503, "5.5.2", "Need mail command."),
    ("need-mail-rcpt", 503, "5.5.2", "Need Rcpt command."),
    ("nested-mail", 503, "5.5.2", "Sender already specified"),
    ("relaying-denied", 550, "5.7.1", "Unable to relay for {address}"),
    ("too-many-hops", 554, "5.4.6", "Hop count exceeded - possible mail loop"),
    (
        "cannot-verify",
        252,
        "2.1.5",
        "Cannot VRFY user, but will take message for <{address}>",
    ),
    ("login-required", 530, "5.7.3", "Client was not authenticated"),
    ("timeout", 421, "4.4.1", "Connection timed out"),
)

EXTENSIONS = (
    "TURN",
    "SIZE",
    "ETRN",
    "PIPELINING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "VRFY",
    "OK",
)

PERSONALITY = Personality(
    "iis-smtp", "the SMTP virtual server of IIS", SETTINGS, WORDS, PHRASES, EXTENSIONS
)
