"""The server in its own clothes: the words are those of the RFCs, or plain ones."""

from maillab.world.personality import Personality, Word

LIMITS, ACCESS, RELAYING, QUEUE = "Limits", "Access", "Relaying", "Queue"
RECIPIENTS, DEFENCE = "Recipients", "Defence"
TRIES = "RFC 5321 §4.5.4.1"

WORDS = (
    Word(LIMITS, "size of a message", "limits.message_size", "RFC 1870 §4", "MB"),
    Word(LIMITS, "size of all messages of a session", "limits.session_size", "", "MB"),
    Word(LIMITS, "messages of a session", "limits.messages", "RFC 9422 §4"),
    Word(LIMITS, "recipients of a message", "limits.recipients", "RFC 5321 §4.5.3.1.8"),
    Word(LIMITS, "bad commands", "limits.bad_commands", "RFC 5321 §4.5.3"),
    Word(LIMITS, "Received fields", "limits.hops", "RFC 5321 §6.3"),
    Word(LIMITS, "messages an hour", "limits.messages_per_hour"),
    Word(LIMITS, "silence", "limits.idle", "RFC 5321 §4.5.3.2.7", "min"),
    Word(ACCESS, "only these networks", "access.grant"),
    Word(ACCESS, "all but these networks", "access.deny"),
    Word(ACCESS, "mechanisms of AUTH", "access.mechanisms", "RFC 4954 §4"),
    Word(ACCESS, "AUTH without TLS", "access.plain_login", "RFC 4954 §4"),
    Word(ACCESS, "ports that need TLS", "access.tls_required", "RFC 3207 §4"),
    Word(ACCESS, "VRFY", "access.vrfy", "RFC 5321 §3.5"),
    Word(RELAYING, "networks", "relay.networks", "RFC 5321 §7.9"),
    Word(RELAYING, "after a login", "relay.authenticated", "RFC 6409 §4.3"),
    Word(RELAYING, "sender of a login", "relay.sender_match", "RFC 6409 §6.1"),
    Word(RELAYING, "for everybody", "relay.open", "RFC 5321 §7.9"),
    Word(RELAYING, "remote domains", "remote_domains", "RFC 5321 §5"),
    Word(RECIPIENTS, "aliases", "recipients.aliases", "RFC 5321 §3.9.1"),
    Word(RECIPIENTS, "lists", "recipients.lists", "RFC 5321 §3.9.2"),
    Word(RECIPIENTS, "catch-all", "recipients.catch_all"),
    Word(RECIPIENTS, "forwarding", "recipients.forwards", "RFC 5321 §3.4.1"),
    Word(RECIPIENTS, "vacation", "recipients.vacations", "RFC 3834 §2"),
    Word(RECIPIENTS, "refuse unknown ones", "recipients.refuse_unknown"),
    Word(QUEUE, "intervals", "delivery.retry", TRIES, "min"),
    Word(
        QUEUE, "tell the sender after", "delivery.delay_warning", "RFC 3461 §4.1", "h"
    ),
    Word(QUEUE, "give up after", "delivery.expire", TRIES, "days"),
    Word(QUEUE, "TLS", "delivery.tls", "RFC 7435 §3"),
    Word(QUEUE, "smart host", "delivery.smart_host", "RFC 5598 §4.3.2"),
    Word(DEFENCE, "DNS lists", "defence.dnsbl", "RFC 5782 §2"),
    Word(DEFENCE, "greylisting", "defence.greylisting.delay", "RFC 6647 §5", "min"),
    Word(DEFENCE, "wrong logins until a ban", "defence.autoblock.attempts"),
)

PERSONALITY = Personality("maillab", "maillab", words=WORDS)
