"""What led to an event: from a verdict or a failure back to a rule, a DNS answer.

Goes in: a trace and one of its events. Comes out: the earlier events that led to it.

Rule 1: what an event says itself (`cause`) comes first, and then nothing is guessed.
Rule 2: else `RULES` has what is asked for each kind. A cause is always an earlier
        event: whoever follows causes comes to an end.
Rule 3: where nothing better is known, what happened on a connection was made possible
        by its first SYN.
"""

from collections.abc import Callable
from types import MappingProxyType

from maillab.errors import LabError
from maillab.trace.causing import causes_mail as mail
from maillab.trace.causing import causes_network as network
from maillab.trace.causing import causes_said as said
from maillab.trace.causing.known import Found, Known
from maillab.trace.events import CAUSE, Event

Rule = Callable[[Known, Event], Found]

RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "rule": network.begins,
        "power": network.begins,
        "address": network.begins,
        "fault": network.begins,
        "connect": network.connect,
        "timed_out": network.no_connection,
        "refused": network.no_connection,
        "unreachable": network.no_connection,
        "icmp": network.by_rule,
        "reset": network.reset,
        "cut": network.by_rule,
        "lost": network.lost,
        "syn_fate": network.by_rule,
        "datagram": network.datagram,
        "port_unreachable": network.answer_to_datagram,
        "prohibited": network.answer_to_datagram,
        "tls_failed": network.tls_failed,
        "dns": network.dns,
        "line": said.line,
        "auth": said.auth,
        "policy": said.policy,
        "ban": said.ban,
        "greylist": said.greylist,
        "submitted": mail.submitted,
        "accepted": mail.accepted,
        "attempt": mail.attempt,
        "relayed": mail.relayed,
        "deferred": mail.not_delivered,
        "bounced": mail.not_delivered,
        "queue": mail.queue,
        "mediated": mail.mediated,
        "dsn": mail.dsn,
        "pickup": mail.mediated,
        "delivered": mail.delivered,
        "fetched": mail.fetched,
    }
)


def causes_of(known: Known, event: Event) -> list[Event]:
    """The events that led to this one, the earliest first, each once."""
    told = event.get(CAUSE, None)
    if told is not None:
        return [known.event(n) for n in sorted(set(told)) if known.has(n)]
    rule = RULES.get(event.kind, network.on_connection)
    found = {e.number: e for e in rule(known, event) if e and e.number < event.number}
    return [found[number] for number in sorted(found)]


def causes_in(known: Known, event: Event | int) -> list[Event]:
    """The same, by number. Raises LabError when the event is not among them."""
    return causes_of(known, known.event(as_number(event)))


def as_number(event: Event | int | str) -> int:
    """The number of an event. Raises LabError for something else."""
    if isinstance(event, Event):
        return event.number
    if isinstance(event, int):
        return event
    raise LabError(
        f"why({event!r}): expected an event or its number; type "
        f"trace.of_kind('bounced', 'deferred')[-1], or world.why({event!r})"
    )
