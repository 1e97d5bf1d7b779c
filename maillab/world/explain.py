"""Would it get through? Which rule decides, and what the sender will see.

Goes in: a host and a destination. Comes out: an `Explanation`: the way hop by hop, in
words and as a picture. Nothing is sent, nothing is counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from maillab.net.handshake import NO_HOST_WAIT, SYN_WAITS
from maillab.net.host import Host
from maillab.net.network import icmp_error
from maillab.net.path import Address, FiveTuple, Path, Step, shown
from maillab.trace.view import Table, View
from maillab.world.explain_svg import Box, draw

EPHEMERAL = 49152
_COLUMNS = ("hop", "place", "direction", "what happens", "rule", "from", "to")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of it: in a few words for pictures, and what the sender sees."""

    ok: bool
    short: str
    sees: str


class Explanation(View):
    """The way of a connection that nobody has opened yet.

    path      the way there; None when the name has no address
    answer    the way back, when it would arrive; else None
    """

    def __init__(
        self,
        source: Host,
        wanted: str,
        target: Address,
        protocol: str,
        addresses: list[str],
    ) -> None:
        self.source = source
        self.wanted = wanted
        self.target = target
        self.protocol = protocol
        self.path: Path | None = None
        self.answer: Path | None = None
        local = source.address_for(target[0]) if target[0] else ""
        self.addresses = addresses
        if local:
            flow = FiveTuple(protocol, (local, EPHEMERAL), target)
            self.path = source.network.probe(source, flow)
            if self.path.fate == "delivered":
                self.answer = source.network.probe_answer(self.path)

    # What it comes to -----------------------------------------------------------------

    @cached_property
    def outcome(self) -> Outcome:
        """What becomes of the connection."""
        path = self.path
        if path is None:
            return self._no_address()
        rtt = f"{2 * path.latency * 1000:g} ms"
        match path.fate:
            case "lost":
                return Outcome(False, "dropped", self._silence(self._who(path)))
            case "no host":
                return Outcome(
                    False,
                    "nobody there",
                    f"no host: nobody has the address {self.target[0]}; after "
                    f"{NO_HOST_WAIT:g} s: No route to host",
                )
            case "refused":
                return Outcome(
                    False,
                    "refused",
                    f"reject: a RST comes from {self._who(path)} after {rtt}: "
                    f"Connection refused",
                )
            case "prohibited":
                return Outcome(
                    False,
                    "prohibited",
                    f"prohibit: ICMP comes from {self._who(path)} after {rtt}: "
                    f"{icmp_error(path).strerror}",
                )
            case "tarpit":
                return Outcome(
                    False,
                    "tarpit",
                    f"tarpit: connected after {rtt}, and then nothing, for ever; the "
                    f"program gives up when its own patience ends",
                )
            case _:
                return self._arrived(path)

    def _no_address(self) -> Outcome:
        if not self.addresses:
            return Outcome(
                False,
                "no such name",
                f"the DNS has no address for {self.wanted}: Name or service not known",
            )
        return Outcome(
            False,
            "no address",
            f"{self.source.name} has no address of the same IP version as "
            f"{self.target[0]}: Network is unreachable",
        )

    def _silence(self, who: str) -> str:
        if self.protocol != "tcp":
            return f"drop by {who}: no answer"
        times: list[int] = [sum(SYN_WAITS[:n]) for n in range(len(SYN_WAITS))]
        syns = ", ".join(map(str, times[:-1]))
        return (
            f"drop by {who}: {sum(SYN_WAITS)} s, then timed out (SYN at {syns} and "
            f"{times[-1]} s, no answer)"
        )

    def _arrived(self, path: Path) -> Outcome:
        node, back = path.node, self.answer
        assert node is not None, "it arrived"
        assert back is not None, "it was probed"
        if back.fate != "delivered":
            who = self._who(back)
            return Outcome(
                False, "answer lost", f"the answer is lost: {self._silence(who)}"
            )
        if not back.answers(path):
            return self._wrong_answer(back)
        rtt = f"{(path.latency + back.latency) * 1000:g} ms"
        port = path.arrives.dst[1]
        ports = node.tcp_ports if self.protocol == "tcp" else node.udp_ports
        if port not in ports:
            return Outcome(
                False,
                "closed port",
                f"nobody listens at port {port} of {node.name}; after {rtt}: "
                f"Connection refused",
            )
        effects = "".join(f"; but: {step.rule}" for step in self._effects(path))
        return Outcome(True, "arrives", f"connected after {rtt}{effects}")

    def _wrong_answer(self, back: Path) -> Outcome:
        """It comes past the place that changed the addresses on the way there."""
        who = f"{shown(back.arrives.src)}, whom nobody asked"
        silence = f"{sum(SYN_WAITS)} s, then timed out"
        if self.protocol != "tcp":
            silence = "no answer that is taken"
        sees = f"the answer comes from {who}: {silence}"
        return Outcome(False, "wrong answer", sees)

    def _effects(self, path: Path) -> Iterator[Step]:
        """Rules that let it pass and do something to it."""
        for step in path.steps:
            if step.rule is not None and step.rule.action != "accept":
                yield step

    def _who(self, path: Path) -> str:
        """The place that ended it, and why."""
        if path.verdict is not None:
            step = path.verdict
            if step.rule is None:
                return f"{step.place} ({step.what})"
            number = self.source.network.hosts[step.place].firewall.number(step.rule)
            return f"{step.place}, rule {number}"
        return f"{path.off.name} (it is off)" if path.off else path.lost_at

    # The view -------------------------------------------------------------------------

    def describe(self) -> str:
        """One sentence: the alt text."""
        where = f"{self.wanted}, {self.protocol} port {self.target[1]}"
        return f"From {self.source.name} to {where}: {self.outcome.sees}."

    def table(self) -> Table:
        """One row for each place that looked at the packet."""
        return Table("The way hop by hop", _COLUMNS, list(self._rows()))

    def _rows(self) -> Iterator[tuple[str, ...]]:
        path = self.path
        if path is None:
            return
        yield self._row(1, self.source.name, "", "leaves", "", path.sent)
        number = 1
        for number, step in enumerate(path.steps, 2):
            rule = str(step.rule) if step.rule is not None else ""
            what = step.what
            yield self._row(number, step.place, step.direction, what, rule, step.after)
        if path.node is not None and path.fate == "delivered":
            last = (path.node.name, "", self.outcome.short, "")
            yield self._row(number + 1, *last, path.arrives)
        elif path.fate == "no host" or path.verdict is None:
            place = path.off.name if path.off else ""
            last = (place, "", self.outcome.short, "")
            yield self._row(number + 1, *last, path.arrives)

    def _row(  # noqa: PLR0913 — the columns
        self, hop: int, place: str, way: str, what: str, rule: str, flow: FiveTuple
    ) -> tuple[str, ...]:
        source = flow.src[0] if flow.src[1] == EPHEMERAL else shown(flow.src)
        return (str(hop), place, way, what, rule, source, shown(flow.dst))

    def text(self) -> str:
        """All of it for a terminal."""
        parts = [self.describe()]
        others = [text for text in self.addresses if text != self.target[0]]
        if others:
            parts.append(f"({self.wanted} has other addresses: {', '.join(others)}.)")
        if self.path is not None:
            parts += ["", self.table().text()]
        return "\n".join(parts)

    def svg(self) -> str:
        """The places in a row, and where it ends."""
        return draw(joined(list(self._boxes())), self.describe())

    def _boxes(self) -> Iterator[Box]:
        path, ok = self.path, self.outcome.ok
        if path is None:
            yield Box(self.source.name, [], self.outcome.short, False)
            return
        yield Box(self.source.name, [shown(path.sent.src)], "", True)
        ended = path.verdict
        for step in path.steps:
            rule = [str(step.rule)] if step.rule is not None else []
            notes = [step.what, *rule]
            if step.before != step.after:
                notes.append(f"{shown(step.after.src)} → {shown(step.after.dst)}")
            stopped = step is ended
            end = self.outcome.short if stopped else ""
            yield Box(step.place, notes, end, not stopped)
        if ended is None:
            arrives = path.fate == "delivered" and path.node is not None
            node = path.node if arrives else path.off
            name = node.name if node else self.target[0]
            yield Box(name, [shown(path.arrives.dst)], self.outcome.short, ok)


def joined(boxes: list[Box]) -> list[Box]:
    """One box for each place: a host and its firewall are one."""
    found: list[Box] = []
    for box in boxes:
        if found and found[-1].name == box.name:
            last = found.pop()
            box = Box(box.name, [*last.notes, *box.notes], box.end, box.passes)
        found.append(box)
    return found
