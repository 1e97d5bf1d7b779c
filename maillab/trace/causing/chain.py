"""Why did this happen? From an event back to where it began, step by step, in words.

Goes in: a trace, one of its events, perhaps a capture. Comes out: a view: each step
with what led to it, the numbers of its packets, and where it is configured if the world
is at hand.

Rule 1: each event stands here once; the decisive cause comes before the others.
Rule 2: that a message had been put off before is a step, and not explained again: its
        own chain does that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from maillab.trace.causing.causes import as_number, causes_of
from maillab.trace.causing.chain_words import is_bad, ref_of, told
from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.view import Table, View, clock, filled

if TYPE_CHECKING:
    from maillab.trace.causing.packet_finder import PacketFinder
    from maillab.trace.packet_list import PacketList
    from maillab.trace.recorder import Trace

Origin = Callable[[Event], str]  # where it is configured; "" when nowhere
MOST_PACKETS = 8  # that are named for one step
_COLUMNS = (
    "step",
    "led to",
    "event",
    "time",
    "connection",
    "what happened",
    "packets",
    "configured",
    "RFC",
)
_WIDTH, _DEEPEST = 80, 12
# What decides comes first; steps on the way come last.
_DECISIVE = (
    *("rule", "policy", "ban", "fault", "failure", "greylist", "auth"),
    *("power", "address", "cut", "prohibited", "port_unreachable"),
    *("timed_out", "refused", "unreachable", "tls_failed", "reset", "lost"),
    *("bounced", "deferred", "dns", "datagram", "line"),
)


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One event of the chain.

    number, led_to   this step, and the step to which it led (0: it is the question)
    depth            how many steps away from the question
    packets          as the capture numbers them
    configured       where what decided is written down
    """

    number: int
    led_to: int
    depth: int
    event: Event
    text: str
    packets: tuple[int, ...] = ()
    configured: str = ""

    @property
    def ref(self) -> str:
        """The section of the RFC."""
        return ref_of(self.event)


class Chain(View):
    """The way back from one event."""

    def __init__(
        self,
        trace: "Trace",
        event: Event | int,
        capture: "PacketList | str | None" = None,
        origin: Origin | None = None,
    ) -> None:
        self.known = trace.known
        self.event = self.known.event(as_number(event))
        self.capture = trace.capture(capture) if isinstance(capture, str) else capture
        self._origin = origin

    @cached_property
    def steps(self) -> list[ChainStep]:
        """The question first; then what led to it, and so on, each event once."""
        found: list[ChainStep] = []
        seen: set[int] = set()
        waiting = [(self.event, 0, 0)]
        while waiting:
            event, led_to, depth = waiting.pop()
            if event.number in seen:
                continue
            seen.add(event.number)
            step = self._step(event, len(found) + 1, led_to, depth)
            found.append(step)
            causes = self._causes(event, self._before(found, led_to))
            waiting += [(one, step.number, depth + 1) for one in reversed(causes)]
        return found

    @property
    def root(self) -> Event:
        """What decided: the last bad thing along the first causes, or the ban.

        Of what went well: with what it began.
        """
        if not is_bad(self.event):
            began = [s.event for s in self.steps if s.event.kind == "submitted"]
            first = min(self.steps, key=lambda step: step.event.number)
            return (began or [first.event])[0]
        found = at = self.steps[0]
        for step in self.steps[1:]:
            if step.led_to == at.number and found.event.kind != "ban":
                if step.event.kind == "attempt":
                    break  # an earlier one that failed is not why this one did
                at = step
                found = step if is_bad(step.event) else found
        return found.event

    def describe(self) -> str:
        """One sentence: the alt text."""
        question, root = _clause(self.steps[0].text), self.root
        if root is self.event:
            return f"{question}.{self._alone()}"
        word = ", because" if is_bad(self.event) else "; it began when"
        return f"{question}{word} {_clause(told(self.known, root))}.".replace(
            " ..", " ."
        )

    def _alone(self) -> str:
        """What can be said of an event that decided itself."""
        question = self.steps[0]
        origin = question.configured or _setting(question.event)
        if origin:
            return f" That is configured: {origin}."
        return "" if len(self.steps) > 1 else " Nothing else in the trace led to it."

    def table(self) -> Table:
        """A row for each step; without columns of which nothing is known."""
        rows = [self._row(step) for step in self.steps]
        known = [at for at, cells in enumerate(zip(*rows, strict=True)) if any(cells)]
        columns = [_COLUMNS[at] for at in known]
        cells = [[row[at] for at in known] for row in rows]
        return Table(f"Why event {self.event.number} happened", columns, cells)

    def text(self) -> str:
        """All of it for a terminal: "because" stands below what it explains."""
        return "\n".join(line for step in self.steps for line in self._lines(step))

    # One step -------------------------------------------------------------------------

    def _causes(self, event: Event, above: Event | None) -> list[Event]:
        if event.kind == "deferred" and above is not None and above.kind == "attempt":
            return []
        return sorted(causes_of(self.known, event), key=_decisiveness)

    def _before(self, found: list[ChainStep], number: int) -> Event | None:
        return found[number - 1].event if number else None

    def _step(self, event: Event, number: int, led_to: int, depth: int) -> ChainStep:
        text = told(self.known, event)
        origin = self._origin(event) if self._origin else ""
        packets = self._finder.numbers(event) if self._finder else ()
        return ChainStep(number, led_to, depth, event, text, packets, origin)

    @cached_property
    def _finder(self) -> "PacketFinder | None":
        from maillab.trace.causing.packet_finder import PacketFinder

        return PacketFinder(self.capture) if self.capture is not None else None

    def _row(self, step: ChainStep) -> tuple[str, ...]:
        event = step.event
        return (
            str(step.number),
            str(step.led_to or ""),
            str(event.number),
            clock(event.time_ns),
            clean(event.connection),
            step.text,
            numbers_text(step.packets),
            step.configured or _setting(event),
            step.ref,
        )

    def _lines(self, step: ChainStep) -> Iterator[str]:
        indent = "  " * min(step.depth, _DEEPEST)
        below = [one for one in self.steps if one.led_to == step.led_to]
        word = "because " if step.led_to else ""
        if step.led_to and below[0] is not step:
            word = "and because "
        told = f"{indent}{word}{step.text}"
        yield filled(told, _WIDTH, below=f"{indent}    ")
        details = f"{indent}    ({self._details(step)})"
        yield filled(details, _WIDTH, below=f"{indent}     ")

    def _details(self, step: ChainStep) -> str:
        event = step.event
        origin = step.configured or _setting(event)
        parts = (
            f"event {event.number}",
            clean(event.connection),
            f"at {clock(event.time_ns)}",
            _packets_text(step.packets),
            f"configured: {origin}" if origin else "",
            step.ref,
            self._own_chain(step),
        )
        return "; ".join(filter(None, parts))

    def _own_chain(self, step: ChainStep) -> str:
        event = step.event
        if event.kind != "deferred" or not step.led_to:
            return ""
        return f"why: trace.why({event.number})"


def numbers_text(numbers: tuple[int, ...]) -> str:
    """Packet numbers, not too many of them.

    >>> numbers_text((3, 4)), numbers_text(tuple(range(1, 12)))
    ('3, 4', '1, 2, 3, 4, 5, 6, 7, 8 … 11')
    """
    shown = ", ".join(map(str, numbers[:MOST_PACKETS]))
    return shown if len(numbers) <= MOST_PACKETS else f"{shown} … {numbers[-1]}"


def _packets_text(numbers: tuple[int, ...]) -> str:
    word = "packet" if len(numbers) == 1 else "packets"
    return f"{word} {numbers_text(numbers)}" if numbers else ""


def _setting(event: Event) -> str:
    return clean(event.get("setting"))


def _clause(text: str) -> str:
    """Without the full stop of whoever is quoted; that of a zone ("0 .") stays."""
    return text[:-1] if text.endswith(".") and not text.endswith(" .") else text


def _decisiveness(event: Event) -> tuple[bool, int, bool, int]:
    kinds = _DECISIVE
    place = kinds.index(event.kind) if event.kind in kinds else len(kinds)
    empty = event.kind == "dns" and not event["answers"]
    return not is_bad(event), place, empty, -event.number
