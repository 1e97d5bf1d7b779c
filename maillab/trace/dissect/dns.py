"""A DNS message, octet by octet (RFC 1035 §4).

Goes in: a cursor at the beginning of a message. Comes out: ranges.

Rule 1: a pointer leads back to an earlier name, at most `_JUMPS` times: no loops.
Rule 2: records whose type is not known here are shown as octets.
"""

from collections.abc import Callable
from ipaddress import ip_address

from maillab.trace.dissect.ranges import Cursor
from maillab.trace.lines import printable

_HEADER, _QUESTION, _RECORD = (f"RFC 1035 §4.1.{n}" for n in (1, 2, 3))
_NAME = "RFC 1035 §4.1.4"
_JUMPS = 32
_LONGEST = 255  # octets of a name: RFC 1035 §3.1
TYPES = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    41: "OPT",
    43: "DS",
    46: "RRSIG",
    47: "NSEC",
    48: "DNSKEY",
    52: "TLSA",
    99: "SPF",
    255: "ANY",
    257: "CAA",
}
CLASSES = {1: "IN", 3: "CH", 254: "NONE", 255: "ANY"}
OPCODES = {0: "query", 4: "notify", 5: "update"}
RCODES = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
}
_SECTIONS = ("answer", "authority", "additional")


def message(cursor: Cursor) -> str:
    """Walk over a message. Returns it in a few words."""
    return _Message(cursor).read()


class _Message:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.start = cursor.at

    def read(self) -> str:
        cursor = self.cursor
        with cursor.layer("DNS", "RFC 1035 §4.1") as layer:
            number = cursor.peek(2).hex()
            cursor.raw(2, "id", f"0x{number}", _HEADER)
            is_answer, rcode = self._flags()
            names = ("questions", *(f"{name} records" for name in _SECTIONS))
            asked, *counts = [cursor.number(2, n, None, _HEADER) for n in names]
            what = "answer" if is_answer else "query"
            layer.value = f"{what} 0x{number}"
            for _ in range(asked):
                layer.value += f" {self._question()}"
            if is_answer:
                layer.value += f" {RCODES.get(rcode, rcode)}"
            for section, count in zip(_SECTIONS, counts, strict=True):
                for _ in range(count):
                    told = self._record(section)
                    layer.value += f", {told}" if section == "answer" else ""
        return layer.value

    def _flags(self) -> tuple[int, int]:
        one = {0: "not set", 1: "set"}
        parts = [
            (1, "response", {0: "query", 1: "response"}),
            (4, "opcode", OPCODES),
            *((1, name, one) for name in ("authoritative", "truncated")),
            *((1, f"recursion {what}", one) for what in ("desired", "available")),
            *((1, name, one) for name in ("reserved", "authentic", "not checked")),
            (4, "rcode", RCODES),
        ]
        found = self.cursor.bits(2, parts, _HEADER)
        return found[0], found[-1]

    def _question(self) -> str:
        with self.cursor.layer("question", _QUESTION) as layer:
            name = self.name("name", _QUESTION)
            kind = self.cursor.number(2, "type", TYPES, _QUESTION)
            self.cursor.number(2, "class", CLASSES, _QUESTION)
            layer.value = f"{TYPES.get(kind, kind)} {name}"
        return layer.value

    def _record(self, section: str) -> str:
        cursor = self.cursor
        with cursor.layer(f"{section} record", _RECORD) as layer:
            name = self.name("name", _RECORD)
            kind = cursor.number(2, "type", TYPES, _RECORD)
            if kind == 41:
                self._opt()
            else:
                cursor.number(2, "class", CLASSES, _RECORD)
                cursor.number(4, "TTL", lambda n: f"{n} s", _RECORD)
            size = cursor.number(2, "length of the data", None, _RECORD)
            with cursor.within(size):
                told = self._data(kind)
                cursor.rest("data", _RECORD)
            layer.value = f"{TYPES.get(kind, kind)} {told or name}"
        return layer.value

    def _opt(self) -> None:
        """EDNS keeps other things in class and TTL (RFC 6891 §6.1.3)."""
        ref = "RFC 6891 §6.1.3"
        self.cursor.number(2, "size of datagrams", None, ref)
        self.cursor.number(1, "more of the rcode", None, ref)
        self.cursor.number(1, "version", None, ref)
        self.cursor.bits(2, [(1, "DNSSEC OK", None), (15, "reserved", None)], ref)

    def _data(self, kind: int) -> str:
        reader = _DATA.get(kind)
        return reader(self) if reader and self.cursor.left else ""

    # Data -----------------------------------------------------------------------------

    def address(self) -> str:
        """A and AAAA."""
        size = self.cursor.left
        octets = self.cursor.peek(size)
        told = str(ip_address(octets)) if size in (4, 16) else octets.hex(" ")
        ref = "RFC 1035 §3.4.1" if size == 4 else "RFC 3596 §2.2"
        self.cursor.raw(size, "address", told, ref)
        return told

    def host(self) -> str:
        """NS, CNAME, PTR: one name."""
        return self.name("host", "RFC 1035 §3.3")

    def mail(self) -> str:
        """MX."""
        first = self.cursor.number(2, "preference", None, "RFC 1035 §3.3.9")
        return f"{first} {self.name('mail exchange', 'RFC 1035 §3.3.9')}"

    def start_of_authority(self) -> str:
        """SOA."""
        ref = "RFC 1035 §3.3.13"
        told = self.name("first server", ref)
        self.name("responsible", ref)
        for name in ("serial", "refresh", "retry", "expire", "minimum"):
            self.cursor.number(4, name, None, ref)
        return told

    def texts(self) -> str:
        """TXT: strings, each with its length before it."""
        found: list[str] = []
        while self.cursor.left:
            size = self.cursor.number(1, "length", None, "RFC 1035 §3.3.14")
            octets = self.cursor.text(size, "text", "RFC 1035 §3.3.14")
            found.append(f'"{printable(octets)}"')
        return " ".join(found)

    def service(self) -> str:
        """SRV."""
        names = ("priority", "weight", "port")
        told = [self.cursor.number(2, name, None, "RFC 2782") for name in names]
        return f"{' '.join(map(str, told))} {self.name('target', 'RFC 2782')}"

    # Names ----------------------------------------------------------------------------

    def name(self, name: str, ref: str) -> str:
        """A domain name, which may end in a pointer to an earlier one."""
        told, size = self._name_at(self.cursor.at)
        self.cursor.raw(size, name, told, ref)
        return told

    def _name_at(self, at: int) -> tuple[str, int]:
        """The name that begins here, and how many octets it has here."""
        octets, labels = self.cursor.octets, list[str]()
        size, jumps, total = 0, 0, 0
        while at < self.cursor.end or jumps:
            first = octets[at] if at < len(octets) else 0
            here = 2 if first >= 0xC0 else 1 + first
            size += 0 if jumps else here
            if first >= 0xC0:  # RFC 1035 §4.1.4
                jumps += 1
                at = self.start + (int.from_bytes(octets[at : at + 2]) & 0x3FFF)
                if jumps > _JUMPS:
                    return "(a loop of pointers)", size
                continue
            total += here
            if not first or total > _LONGEST:
                break
            labels.append(_label(octets[at + 1 : at + here]))
            at += here
        return ".".join(labels) + ".", max(size, 1)


def _label(octets: bytes) -> str:
    return printable(octets).replace(".", "\\.")


_DATA: dict[int, Callable[[_Message], str]] = {
    1: _Message.address,
    28: _Message.address,
    2: _Message.host,
    5: _Message.host,
    12: _Message.host,
    15: _Message.mail,
    6: _Message.start_of_authority,
    16: _Message.texts,
    99: _Message.texts,
    33: _Message.service,
}
