"""Postfix 3.7, with the defaults of its makers (`postconf -d`).

The words are the parameters of `main.cf`; the pages are its programs.
"""

from ipaddress import ip_network

from maillab.policy.settings import (
    MINUTE,
    Access,
    Defence,
    Delivery,
    Limits,
    Relay,
    Settings,
)
from maillab.world.personality import Personality, Word, phrases

SETTINGS = Settings(
    limits=Limits(
        message_size=10_240_000,
        recipients=1000,
        bad_commands=20,
        hops=50,
        connections_per_address=50,
        idle=5 * MINUTE,
    ),
    access=Access(mechanisms=("PLAIN", "LOGIN"), vrfy="tell"),
    relay=Relay(networks=(ip_network("127.0.0.0/8"), ip_network("::1/128"))),
    delivery=Delivery(
        retry=(5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 4000.0),
        max_mx=5,
        concurrency=20,
        recipients=50,
        report_content="full",
    ),
    defence=Defence(tarpit=1.0, tarpit_after=10),
)

SMTPD, SMTP, QMGR, CLEANUP = "smtpd", "smtp", "qmgr", "cleanup"
TRIVIAL, LOCAL, BOUNCE = "trivial-rewrite", "local, virtual", "bounce"

WORDS = (
    Word(
        SMTPD, "message_size_limit", "limits.message_size", "RFC 1870 §4", note="octets"
    ),
    Word(
        SMTPD,
        "smtpd_recipient_limit",
        "limits.recipients",
        "RFC 5321 §4.5.3.1.8",
    ),
    Word(SMTPD, "smtpd_hard_error_limit", "limits.bad_commands", "RFC 5321 §4.5.3"),
    Word(SMTPD, "smtpd_soft_error_limit", "defence.tarpit_after"),
    Word(SMTPD, "smtpd_error_sleep_time", "defence.tarpit", unit="s"),
    Word(SMTPD, "smtpd_timeout", "limits.idle", "RFC 5321 §4.5.3.2.7", "s"),
    Word(
        SMTPD, "smtpd_client_connection_count_limit", "limits.connections_per_address"
    ),
    Word(SMTPD, "mynetworks", "relay.networks", "RFC 5321 §7.9"),
    Word(
        SMTPD,
        "smtpd_relay_restrictions: permit_sasl_authenticated",
        "relay.authenticated",
        "RFC 6409 §4.3",
    ),
    Word(SMTPD, "smtpd_sender_login_maps", "relay.sender_match", "RFC 6409 §6.1"),
    Word(SMTPD, "smtpd_sasl_auth_enable", "access.login_on_port_25", "RFC 4954 §3"),
    Word(
        SMTPD,
        "smtpd_tls_auth_only",
        "access.plain_login",
        "RFC 4954 §4",
        note="no as installed",
        answers=(("yes", "no"), ("no", "yes")),
    ),
    Word(
        SMTPD,
        "smtpd_tls_security_level = encrypt",
        "access.tls_required",
        "RFC 3207 §4",
        note="ports",
    ),
    Word(SMTPD, "reject_rbl_client", "defence.dnsbl", "RFC 5782 §2"),
    Word(
        SMTPD,
        "disable_vrfy_command",
        "access.vrfy",
        "RFC 5321 §3.5",
        answers=(("tell", "no"), ("hide", "no"), ("off", "yes")),
    ),
    Word(
        SMTPD,
        "smtpd_forbid_bare_newline",
        "access.smuggling",
        "RFC 5321 §2.3.8",
        note="no before 3.9",
        answers=(("strict", "yes"), ("keep", "no"), ("vulnerable", "no")),
    ),
    Word(CLEANUP, "hopcount_limit", "limits.hops", "RFC 5321 §6.3"),
    Word(CLEANUP, "virtual_alias_maps", "recipients.aliases", "RFC 5321 §3.9.1"),
    Word(TRIVIAL, "relayhost", "delivery.smart_host", "RFC 5598 §4.3.2"),
    Word(TRIVIAL, "relay_domains, transport_maps", "remote_domains", "RFC 5321 §5"),
    Word(
        SMTP,
        "smtp_tls_security_level",
        "delivery.tls",
        "RFC 7435 §3",
        note="none by default; may in Debian",
    ),
    Word(SMTP, "smtp_mx_address_limit", "delivery.max_mx", "RFC 5321 §5.1"),
    Word(SMTP, "smtp_helo_name", "delivery.helo", "RFC 5321 §4.1.1.1"),
    Word(SMTP, "masquerade_domains", "delivery.masquerade"),
    Word(
        QMGR,
        "minimal_backoff_time",
        "delivery.retry.0",
        "RFC 5321 §4.5.4.1",
        "s",
        "doubled after each try",
    ),
    Word(
        QMGR,
        "maximal_backoff_time",
        "delivery.retry.4",
        "RFC 5321 §4.5.4.1",
        "s",
    ),
    Word(
        QMGR,
        "maximal_queue_lifetime",
        "delivery.expire",
        "RFC 5321 §4.5.4.1",
        "days",
    ),
    Word(
        QMGR,
        "default_destination_concurrency_limit",
        "delivery.concurrency",
    ),
    Word(
        QMGR,
        "default_destination_recipient_limit",
        "delivery.recipients",
        "RFC 5321 §4.5.3.1.10",
    ),
    Word(
        BOUNCE,
        "delay_warning_time",
        "delivery.delay_warning",
        "RFC 3461 §4.1",
        "h",
    ),
    Word(
        BOUNCE,
        "notify_classes = bounce, bounce_notice_recipient",
        "delivery.report_copy",
        "RFC 3464 §1",
    ),
    Word(
        LOCAL,
        "recipient_delimiter",
        "recipients.separator",
        "RFC 5233 §4",
        note="+ in Debian",
    ),
    Word(
        LOCAL,
        "local_recipient_maps",
        "recipients.refuse_unknown",
        "RFC 5321 §3.3",
        note="empty: no",
    ),
    Word(
        LOCAL,
        "(no quota: that is Dovecot's)",
        "recipients.default_quota",
        unit="MB",
    ),
    Word(LOCAL, "mailbox_transport = lmtp:", "delivery.lmtp", "RFC 2033"),
)

PHRASES = phrases(
    ("banner", 220, "", "{hostname} ESMTP Postfix"),
    ("ehlo", 250, "", "{hostname}"),
    ("sender-ok", 250, "2.1.0", "Ok"),
    ("recipient-ok", 250, "2.1.5", "Ok"),
    ("queued", 250, "2.0.0", "Ok: queued as {queue_id}"),
    ("quit", 221, "2.0.0", "Bye"),
    ("rset", 250, "2.0.0", "Ok"),
    ("noop", 250, "2.0.0", "Ok"),
    ("not-implemented", 502, "5.5.1", "{verb} command is disabled"),
    ("unknown-command", 500, "5.5.2", "Error: command not recognized"),
    ("need-ehlo", 503, "5.5.1", "Error: send HELO/EHLO first"),
    ("need-mail", 503, "5.5.1", "Error: need MAIL command"),
    ("need-mail-rcpt", 503, "5.5.1", "Error: need RCPT command"),
    ("no-valid-recipients", 554, "5.5.1", "Error: no valid recipients"),
    ("need-rcpt", 554, "5.5.1", "Error: no valid recipients"),
    ("nested-mail", 503, "5.5.1", "Error: nested MAIL command"),
    ("relaying-denied", 454, "4.7.1", "<{address}>: Relay access denied"),
    (
        "no-such-user",
        550,
        "5.1.1",
        "<{address}>: Recipient address rejected: User unknown in local "
        "recipient table",
    ),
    (
        "list-refused",
        554,
        "5.7.1",
        "<{address}>: Recipient address rejected: Access denied",
    ),
    (
        "sender-not-allowed",
        553,
        "5.7.1",
        "<{address}>: Sender address rejected: not owned by user {user}",
    ),
    ("login-required", 530, "5.7.0", "Authentication required"),
    ("logged-in", 235, "2.7.0", "Authentication successful"),
    (
        "bad-credentials",
        535,
        "5.7.8",
        "Error: authentication failed: authentication failure",
    ),
    ("too-big", 552, "5.3.4", "Message size exceeds fixed limit"),
    ("too-many-recipients", 452, "4.5.3", "Error: too many recipients"),
    ("too-many-hops", 554, "5.4.0", "Error: too many hops"),
    ("too-many-errors", 421, "4.7.0", "{hostname} Error: too many errors"),
    (
        "too-many-connections",
        421,
        "4.7.0",
        "{hostname} Error: too many connections from {client}",
    ),
    ("timeout", 421, "4.4.2", "{hostname} Error: timeout exceeded"),
    (
        "connection-refused",
        554,
        "5.7.1",
        "<unknown[{client}]>: Client host rejected: Access denied",
    ),
    (
        "listed-dnsbl",
        554,
        "5.7.1",
        "Service unavailable; Client host [{client}] blocked using {zone}",
    ),
    ("verified", 252, "2.0.0", "{address}"),
    ("bare-cr-or-lf", 521, "5.5.2", "{hostname} Error: bare <LF> received"),
)

EXTENSIONS = (
    "PIPELINING",
    "SIZE",
    "VRFY",
    "ETRN",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "DSN",
    "SMTPUTF8",
    "CHUNKING",
)

PERSONALITY = Personality("postfix", "Postfix", SETTINGS, WORDS, PHRASES, EXTENSIONS)
