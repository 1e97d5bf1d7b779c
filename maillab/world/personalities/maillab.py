"""The server in its own clothes."""

from maillab.world.personality import Personality, Word

PERSONALITY = Personality(
    "maillab",
    "maillab",
    words=(
        Word("Limits", "size of a message", "limits.message_size", "RFC 1870 §4", "MB"),
        Word("Limits", "size of all messages of a session", "limits.session_size"),
        Word("Limits", "messages of a session", "limits.messages", "RFC 9422 §4"),
        Word(
            "Limits",
            "recipients of a message",
            "limits.recipients",
            "RFC 5321 §4.5.3.1.8",
        ),
        Word("Limits", "bad commands", "limits.bad_commands", "RFC 5321 §4.5.3"),
        Word("Limits", "Received fields", "limits.hops", "RFC 5321 §6.3"),
        Word("Limits", "silence", "limits.idle", "RFC 5321 §4.5.3.2.7", "min"),
        Word("Relaying", "networks", "relay.networks", "RFC 5321 §7.9"),
        Word("Relaying", "after a login", "relay.authenticated", "RFC 6409 §4.3"),
        Word("Relaying", "for everybody", "relay.open", "RFC 5321 §7.9"),
        Word("Queue", "intervals", "delivery.retry", "RFC 5321 §4.5.4.1", "min"),
        Word(
            "Queue", "tell the sender after", "delivery.delay_warning", "RFC 3461", "h"
        ),
        Word("Queue", "give up after", "delivery.expire", "RFC 5321 §4.5.4.1", "days"),
        Word("Queue", "TLS", "delivery.tls", "RFC 7435 §3"),
        Word("Queue", "smart host", "delivery.smart_host", "RFC 5598 §4.3.3"),
    ),
)
