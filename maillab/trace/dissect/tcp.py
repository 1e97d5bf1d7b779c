"""TCP with its options, and UDP, octet by octet.

Goes in: a cursor behind an IP header. Comes out: ranges, and the size of the header.

Rule: sequence numbers are shown as they are, and counted from the SYN where the
connection is known, as Wireshark shows them.
"""

from typing import NamedTuple

from maillab.trace.dissect.ip import Datagram, checked, pseudo_header
from maillab.trace.dissect.ranges import Cursor, Layer, Told
from maillab.trace.packets import WORD

_TCP, _OPTIONS, _UDP = "RFC 9293 §3.1", "RFC 9293 §3.2", "RFC 768"
_FLAGS = "CWR ECE URG ACK PSH RST SYN FIN"


class Origin(NamedTuple):
    """The first sequence numbers of both directions; None where not known."""

    seq: int | None = None
    ack: int | None = None


def tcp(cursor: Cursor, found: Datagram, origin: Origin) -> None:
    """Walk over the header of a segment."""
    covered = cursor.peek(cursor.left)
    covered = pseudo_header(found, len(covered)) + covered if found.whole else b""
    with cursor.layer("TCP", _TCP) as layer:
        _ports(cursor, layer, _TCP)
        cursor.number(4, "sequence number", relative(origin.seq), _TCP)
        cursor.number(4, "acknowledgment number", relative(origin.ack), _TCP)
        offsets = [(4, "data offset", _words), (4, "reserved", None)]
        size = cursor.bits(1, offsets, _TCP)[0] * 4
        layer.value += f" [{_flags(cursor)}]"
        cursor.number(2, "window", None, _TCP)
        cursor.raw(2, "checksum", checked(cursor.peek(2), covered), _TCP)
        cursor.number(2, "urgent pointer", None, _TCP)
        with cursor.within(size - 20):
            while cursor.left:
                _option(cursor)


def _ports(cursor: Cursor, layer: Layer, ref: str) -> tuple[int, int]:
    source = cursor.number(2, "source port", None, ref)
    target = cursor.number(2, "destination port", None, ref)
    layer.value = f"{source} → {target}"
    return source, target


def _flags(cursor: Cursor) -> str:
    told = flag_names(cursor.peek(1)[0]) if cursor.left else ""
    with cursor.layer("flags", _TCP) as layer:
        layer.value = told
        one = {0: "not set", 1: "set"}
        cursor.bits(1, [(1, name, one) for name in _FLAGS.split()], _TCP)
    return told


def flag_names(flags: int) -> str:
    """The flags that are set, as Wireshark writes them: "SYN, ACK"."""
    names = _FLAGS.split()[::-1]
    return ", ".join(n for i, n in enumerate(names) if flags >> i & 1) or "none"


def relative(first: int | None) -> Told:
    """Names numbers by their distance from the first one."""
    if first is None:
        return None
    return lambda number: f"relative {(number - first) & WORD}"


def _option(cursor: Cursor) -> None:
    kind = cursor.peek(1)[0]
    name, ref = _KINDS.get(kind, (f"option {kind}", _OPTIONS))
    if kind < 2:
        cursor.raw(1, name, str(kind), ref)
        if kind == 0:  # end of the list: what follows is padding
            cursor.rest("padding", _OPTIONS)
        return
    with cursor.layer(name, ref) as layer:
        cursor.number(1, "kind", None, _OPTIONS)
        size = cursor.number(1, "length", None, _OPTIONS)
        with cursor.within(size - 2):
            layer.value = _option_value(cursor, kind)
            cursor.rest("value", ref)


def _option_value(cursor: Cursor, kind: int) -> str:
    ref = _KINDS.get(kind, ("", ""))[1]
    if kind == 2:
        return f"{cursor.number(2, 'octets', None, ref)} octets"
    if kind == 3:
        shift = cursor.number(1, "shift", None, ref)
        return f"windows count × {1 << min(shift, 14)}"
    if kind == 5:
        blocks = [_block(cursor, ref) for _ in range(cursor.left // 8)]
        return ", ".join(blocks)
    if kind == 8:
        stamp = cursor.number(4, "value", None, ref)
        echo = cursor.number(4, "echo reply", None, ref)
        return f"{stamp}, echo of {echo}"
    return ""


def _block(cursor: Cursor, ref: str) -> str:
    left = cursor.number(4, "left edge", None, ref)
    return f"{left}–{cursor.number(4, 'right edge', None, ref)}"


_KINDS = {
    0: ("end of options", _OPTIONS),
    1: ("no operation", _OPTIONS),
    2: ("maximum segment size", "RFC 9293 §3.7.1"),
    3: ("window scale", "RFC 7323 §2.2"),
    4: ("SACK permitted", "RFC 2018 §2"),
    5: ("SACK", "RFC 2018 §3"),
    8: ("timestamps", "RFC 7323 §3.2"),
}


def udp(cursor: Cursor, found: Datagram) -> tuple[int, int]:
    """Walk over the header of a datagram. Returns its two ports."""
    octets = cursor.peek(cursor.left)
    covered = pseudo_header(found, len(octets)) + octets if found.whole else b""
    with cursor.layer("UDP", _UDP) as layer:
        ports = _ports(cursor, layer, _UDP)
        cursor.number(2, "length", None, _UDP)
        check = cursor.peek(2)
        told = checked(check, covered) if any(check) else "0x0000 (there is none)"
        cursor.raw(2, "checksum", told, _UDP)
    return ports


def _words(number: int) -> str:
    return f"{4 * number} octets"
