"""Octets with numbered ranges that say what they are: of a packet, a line, a message.

Goes in: octets, and what is known about them. Comes out: a `Dissection`, a view: a hex
dump with numbers, and a table that explains them.

Rule 1: every number in the dump is a row of the table; an octet has the number of the
        smallest range that it is in.
Rule 2: secrets are `**` in the dump and `********` in the table, unless asked for.
Rule 3: long ranges are folded in the dump, and the fold says how much it hides.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape

from maillab.errors import LabError
from maillab.trace.dissect import dns as dissect_dns
from maillab.trace.dissect import lines as dissect_lines
from maillab.trace.dissect import mime as dissect_mime
from maillab.trace.dissect import tls as dissect_tls
from maillab.trace.dissect.conversations import Place, Stretch, conversations
from maillab.trace.dissect.ip import Datagram, internet
from maillab.trace.dissect.link import ETHERTYPES, IPV4, IPV6, link
from maillab.trace.dissect.ranges import Cursor, Range, Span, Truncated
from maillab.trace.dissect.tcp import Origin, tcp, udp
from maillab.trace.lines import Line, clean, printable
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import TCP
from maillab.trace.reading.dns_over_tcp import DNS_PORT
from maillab.trace.reading.link_layers import RAW
from maillab.trace.view import Table, View, clip, plural

FOLD = 8  # rows of the dump within one range
_ROW = 16  # octets of a row of the dump
_COLUMNS = ("No.", "Octets", "Field", "Value", "RFC")
_WIDTH = 72  # of a value in the text
_Reader = Callable[[Cursor], None]


@dataclass(frozen=True, repr=False)
class Dissection(View):
    """Octets and what they mean. `title` says what they are.

    fold    how many rows of the dump one range gets (None: all)
    opened  secrets are shown
    """

    title: str
    octets: bytes
    ranges: Sequence[Range]
    secret: Sequence[Span] = ()
    fold: int | None = FOLD
    opened: bool = False

    # Questions ------------------------------------------------------------------------

    def find(self, name: str) -> Range:
        """The first range of this name. Raises LabError when there is none.

        `within` a layer: find("IPv4/source"), find("TCP/window").
        """
        found = next(self.all(name), None)
        if found is None:
            known = ", ".join(dict.fromkeys(r.name for r in self.ranges))
            raise LabError(f"find({name!r}): there is none; there are {known}")
        return found

    def all(self, name: str) -> Iterator[Range]:
        """All ranges of this name; "IPv4/source" looks only inside IPv4."""
        layer, _, inner = name.rpartition("/")
        open_until = -1
        for one in self.ranges:
            if one.name == layer:
                open_until = one.end
            inside = not layer or one.end <= open_until
            if one.name == (inner or name) and inside:
                yield one

    def at(self, offset: int) -> list[Range]:
        """The ranges that an octet is in, from the outermost to the innermost."""
        return [one for one in self.ranges if one.start <= offset < one.end]

    def shown(self, *, secrets: bool = False, fold: int | None = FOLD) -> "Dissection":
        """The same, with secrets or without, folded or not (fold=None)."""
        return replace(self, opened=secrets, fold=fold)

    # Views ----------------------------------------------------------------------------

    def describe(self) -> str:
        """One sentence: the alt text."""
        layers = [r.name for r in self.ranges if r.level == 0 and r.size]
        names = ", ".join(dict.fromkeys(layers)) or "nothing that is known here"
        size, count = plural(len(self.octets), "octet"), len(self.ranges)
        return clean(f"{self.title}: {size} in {plural(count, 'range')}: {names}.")

    def text(self) -> str:
        """The dump and the table."""
        rows = [(*row[:3], clip(row[3], _WIDTH), row[4]) for row in self.table().rows]
        table = Table(self.title, _COLUMNS, rows).text()
        return f"{self.describe()}\n\n{self.dump()}\n\n{table}"

    def table(self) -> Table:
        """A row for each range; what is inside another one is indented."""
        rows = [self._row(n, one) for n, one in enumerate(self.ranges, 1)]
        return Table(clean(self.title), _COLUMNS, rows)

    def html(self) -> str:
        """The sentence, the table, and the dump to unfold."""
        return (
            f"<p>{escape(self.describe())}</p>{self.table().html()}"
            f"<details><summary>The octets, with these numbers</summary>"
            f"<pre>{escape(self.dump())}</pre></details>"
        )

    def dump(self) -> str:
        """The octets in hexadecimal; below them the numbers of the ranges."""
        width = max(2, len(str(len(self.ranges)))) + 1
        rows = range(0, len(self.octets), _ROW)
        shown: list[str] = []
        hidden = 0
        for run, start in enumerate(rows):
            if self._is_folded(run):
                hidden += min(_ROW, len(self.octets) - start)
                continue
            shown += _fold_row(hidden)
            hidden = 0
            shown += self._dump_row(start, width)
        return "\n".join([*shown, *_fold_row(hidden)])

    def _row(self, number: int, one: Range) -> tuple[str, ...]:
        place = f"{one.start}–{one.end - 1}" if one.size > 1 else str(one.start)
        value = clean(one.value)
        if self.opened and one.secret:
            value = printable(self.octets[one.start : one.end].removesuffix(b"\r\n"))
        octets = f"{place} {one.bits}" if one.bits else place if one.size else "–"
        return str(number), octets, f"{'· ' * one.level}{one.name}", value, one.ref

    # The dump -------------------------------------------------------------------------

    @cached_property
    def _smallest(self) -> "array[int]":
        """For each octet the number of the smallest range that it is in, or 0."""
        found = array("I", bytes(4 * len(self.octets)))
        for number, one in enumerate(self.ranges, 1):
            twice = one.bits and one.size and found[one.start] > 0
            if twice and self.ranges[found[one.start] - 1].bits:
                continue  # the first of the fields that share these octets
            found[one.start : one.end] = array("I", [number]) * one.size
        return found

    @cached_property
    def _hidden(self) -> set[int]:
        """Offsets of secret octets."""
        if self.opened:
            return set()
        return {at for start, end in self.secret for at in range(start, end)}

    def _is_folded(self, row: int) -> bool:
        """Deep inside a long range: as many rows before, and one behind, are too."""
        if self.fold is None:
            return False
        first = max(0, row - self.fold + 1) * _ROW
        last = (row + 2) * _ROW - 1
        if row < self.fold - 1 or last >= len(self.octets):
            return False
        known = self._smallest
        if known[first] != known[last]:
            return False
        cells = known[first : last + 1]
        return cells.count(cells[0]) == len(cells)

    def _dump_row(self, start: int, width: int) -> list[str]:
        octets = range(start, min(start + _ROW, len(self.octets)))
        cells = [self._cell(at).rjust(width) for at in octets]
        text = "".join(self._character(at) for at in octets)
        hexed = f"{start:06x} {''.join(cells).ljust(_ROW * width)}   {text}"
        numbers = [self._mark(at, start).rjust(width) for at in octets]
        return [hexed, f"       {''.join(numbers)}".rstrip()]

    def _mark(self, at: int, start: int) -> str:
        """A number where a range begins, or a row."""
        number = self._smallest[at]
        begins = at == start or number != self._smallest[at - 1]
        return str(number) if begins and number else ""

    def _cell(self, at: int) -> str:
        return "**" if at in self._hidden else f"{self.octets[at]:02x}"

    def _character(self, at: int) -> str:
        octet = self.octets[at]
        if at in self._hidden:
            return "*"
        return chr(octet) if 0x20 <= octet < 0x7F else "."


def _fold_row(octets: int) -> list[str]:
    return [f"       … {octets:,} octets of the same"] if octets else []


# Taking apart -------------------------------------------------------------------------


def dissect_frame(packets: PacketList, number: int) -> Dissection:
    """One frame of a capture, with what its connection tells about its octets."""
    packet = packets.packets[number - 1]
    place = conversations(packets).place(number) if packet.data else None
    said = " | ".join(packet.comment.splitlines())
    told = f" ({clean(said)})" if said else ""
    octets = packets.frame(number)
    if not packet.data and octets.startswith(b"__"):
        return _dissect(f"Log entry {number}", octets, _journal)
    known = _Known(packets, place)
    kind = packets.link_of(number)
    return _dissect(f"Packet {number}{told}", octets, lambda c: known.frame(c, kind))


def dissect_octets(octets: bytes, link_type: int = RAW) -> Dissection:
    """A frame without its connection: what it carries is only octets."""
    known = _Known(None, None)
    return _dissect("A frame", octets, lambda c: known.frame(c, link_type))


def dissect_line(said: Line) -> Dissection:
    """One line of a session, secrets masked."""
    title = clean(f"A {said.what} of {said.protocol or 'a session'}")
    read: _Reader = lambda c: dissect_lines.line(c, said)  # noqa: E731
    return _dissect(title, said.octets, read, said.secret)


def dissect_message(octets: bytes) -> Dissection:
    r"""A message: its header fields, and its MIME parts.

    >>> dissect_message(b"Subject: Hi\r\n\r\nAnn").find("Subject field").value
    'Hi'
    """
    return _dissect("A message", octets, dissect_mime.message)


def dissect_dns_message(octets: bytes) -> Dissection:
    """A DNS message, as it stands in a datagram."""

    def read(cursor: Cursor) -> None:
        dissect_dns.message(cursor)
        cursor.rest("octets")

    return _dissect("A DNS message", octets, read)


def _dissect(
    title: str, octets: bytes, read: _Reader, secret: Sequence[Span] = ()
) -> Dissection:
    cursor = Cursor(octets, secret=list(secret))
    try:
        read(cursor)
        cursor.end = len(octets)
        cursor.rest("octets")
    except Truncated as error:
        cursor.level, cursor.end = 0, len(octets)
        cursor.rest("octets")
        cursor.missing(error.missing)
    return Dissection(title, octets, tuple(cursor.ranges), tuple(cursor.secret))


def _journal(cursor: Cursor) -> None:
    """An entry of a systemd journal, in its export format: a field on each line."""
    with cursor.layer("journal entry"):
        while cursor.left:
            row = cursor.peek(cursor.left).partition(b"\n")[0]
            name, _, value = row.partition(b"=")
            size = min(len(row) + 1, cursor.left)
            cursor.raw(size, printable(name), printable(value))


class _Known:
    """What the packets around one packet tell about it."""

    def __init__(self, packets: PacketList | None, place: Place | None) -> None:
        self._packets = packets
        self._place = place

    def frame(self, cursor: Cursor, link_type: int) -> None:
        """The link layer, and what follows."""
        found = link(cursor, link_type)
        if found in (IPV4, IPV6):
            internet(cursor, self._transport)
        else:
            cursor.rest(ETHERTYPES.get(found, "octets"))

    def _transport(self, cursor: Cursor, found: Datagram) -> None:
        if found.protocol == TCP and found.quoted and cursor.left < 20:
            cursor.rest("the first octets of a TCP header", "RFC 792")
        elif found.protocol == TCP:
            here = None if found.quoted else self._place
            tcp(cursor, found, here.origin if here else Origin())
            if here and not cursor.level:
                self._segment(cursor, here)
        else:
            ports = udp(cursor, found)
            if DNS_PORT in ports and cursor.left:
                dissect_dns.message(cursor)

    def _segment(self, cursor: Cursor, place: Place) -> None:
        """What a segment carries: lines, TLS records, DNS, or octets."""
        packets = self._packets
        state = conversations(packets).state(place) if packets else None
        if state is None or place.offset is None or not cursor.left:
            return
        if state.session.protocol == "DNS":
            _dns_over_tcp(cursor)
            return
        start, end = place.offset, place.offset + cursor.left
        zero = cursor.at - place.offset  # where offset 0 would stand
        if start < 0:  # before the first octet of the stream: a keep-alive
            cursor.raw(min(-start, cursor.left), "sent before", ref="RFC 9293 §3.8.4")
        stretches = state.stretches(place.side, max(start, 0), end)
        cursor.secret += _secrets(stretches, zero, (cursor.at, cursor.end))
        for one in stretches:
            _stretch(cursor, one, zero)
        for line in state.inside(place.side, start, end):
            who = f"inside: {line.protocol} {line.what}"
            cursor.raw(0, who, f"{line.speaker}: {_short(line)}", line.ref)


def _secrets(stretches: list[Stretch], zero: int, here: Span) -> Iterator[Span]:
    """The spans of this packet that text must not show."""
    for one in stretches:
        spans = one.line.secret if one.line else ()
        if one.is_secret:
            spans = ((0, one.end - one.start),)
        for a, b in spans:
            start = max(here[0], zero + one.start + a)
            end = min(here[1], zero + one.start + b)
            if start < end:
                yield start, end


def _stretch(cursor: Cursor, one: Stretch, zero: int) -> None:
    """One line or record, as far as this packet has it."""
    begins = zero + one.start >= cursor.at
    size = min(zero + one.end, cursor.end) - cursor.at
    whole = begins and zero + one.end <= cursor.end
    if one.is_record and begins:
        with cursor.within(size):
            dissect_tls.record(cursor, hidden=one.is_hidden)
            cursor.rest("octets")
    elif one.is_record:
        cursor.raw(size, "more of a TLS record", ref="RFC 8446 §5.1")
    elif one.line and one.line.is_content:
        _content(cursor, one.line, size)
    elif one.line and whole:
        dissect_lines.line(cursor, one.line)
    elif one.line:
        cursor.text(
            size, f"part of a {one.line.protocol} {one.line.what}", one.line.ref
        )
    else:
        cursor.text(size, "octets")


def _content(cursor: Cursor, line: Line, size: int) -> None:
    with cursor.layer(f"{line.protocol} {line.what}", line.ref) as layer:
        layer.value = plural(size, "octet")
        with cursor.within(size):
            dissect_lines.content(cursor)


def _short(line: Line) -> str:
    """A line; of content only how much it is."""
    sized = line.is_content and not line.secret
    return plural(len(line.octets), "octet") if sized else line.text


def _dns_over_tcp(cursor: Cursor) -> None:
    """Each message has its length before it (RFC 1035 §4.2.2)."""
    size = cursor.number(2, "length of the message", None, "RFC 1035 §4.2.2")
    with cursor.within(size):
        dissect_dns.message(cursor)
