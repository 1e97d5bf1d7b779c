"""What a rule for hints is made of.

Goes in: a dialogue, or a whole trace. Comes out: `Found` values, each pointing to a
line or an event.

Rule: rules are data. `what` may name facts of what was found: "no answer to {count}".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from maillab.trace.events import Event
from maillab.trace.hinting.dialogue import Dialogue
from maillab.trace.lines import Line, clean
from maillab.trace.view import clip

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

Severity = Literal["error", "warning", "note"]
WHO = {"C": "client", "S": "server"}
_POINTER = 100  # characters


@dataclass(frozen=True, slots=True)
class Found:
    """Where a rule applies: the time and number of an event, and what stands there."""

    time_ns: int
    number: int
    points_to: str
    facts: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule about sessions.

    ref  the RFC section; `refs` where it depends on the protocol
    """

    name: str
    severity: Severity
    what: str
    why: str
    ref: str
    look: Callable[[Dialogue], Iterator[Found]]
    refs: dict[str, str] = field(default_factory=dict[str, str])

    def ref_for(self, protocol: str) -> str:
        """The RFC section for one protocol."""
        return self.refs.get(protocol, self.ref)


@dataclass(frozen=True, slots=True)
class TraceRule:
    """One rule about what belongs to no session: DNS, datagrams, the queue."""

    name: str
    severity: Severity
    what: str
    why: str
    ref: str
    look: "Callable[[Trace], Iterator[Found]]"


def at_line(line: Line, **facts: object) -> Found:
    """What was found in something that was said."""
    said = clip(line.text, _POINTER)
    points_to = f"{line.speaker}: {said}"
    return Found(line.sent_ns, line.number, points_to, _cleaned(facts))


def at_event(event: Event, **facts: object) -> Found:
    """What was found in an event."""
    where = f" at {clean(event.host)}" if event.host else ""
    points_to = f"event {event.kind}{where}"
    return Found(event.time_ns, event.number, points_to, _cleaned(facts))


def _cleaned(facts: dict[str, object]) -> dict[str, str]:
    return {name: clip(clean(value), _POINTER) for name, value in facts.items()}
