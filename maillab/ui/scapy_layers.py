r"""SMTP, POP3 and IMAP as layers of scapy.

    from maillab.ui.scapy_layers import SMTP, SMTPCommand
    IP() / TCP(dport=25) / SMTP(lines=[SMTPCommand(verb="EHLO", argument="me")])

Goes in: the payload of TCP segments. Comes out: scapy packets: SMTP, POP3 and IMAP have
a list `lines`; a line has fields such as `verb` and `argument`, `code` and `text`.

Rule 1: building gives the same octets again, whatever they were.
Rule 2: scapy takes seconds to load: the layers are made when one of them is asked for.
Rule 3: one segment alone is read as well as that is possible; scapy's `TCPSession` puts
        segments together, and then content is told from commands.
"""

import re
from functools import cache
from typing import Any, NamedTuple

from maillab.ui.scapy_speech import Kind, Piece, Side, Speech

PORTS = {"SMTP": (25, 587, 24), "POP3": (110,), "IMAP": (143,)}
_END = rb"(\r\n)?\Z"


class _Form(NamedTuple):
    """The fields of a kind of line, and the pattern whose groups they are."""

    fields: str
    pattern: re.Pattern[bytes]


def _form(fields: str, pattern: bytes) -> _Form:
    return _Form(fields, re.compile(pattern + _END, re.DOTALL))


_COMMAND = _form("verb space argument end", rb"([A-Za-z0-9]*)( *)(.*?)")
_TEXT = _form("text end", rb"(.*?)")
LINES = {
    "SMTPCommand": _COMMAND,  # RFC 5321 §4.1.1
    "SMTPReply": _form("code separator text end", rb"(\d{3})([ -]?)(.*?)"),
    "SMTPText": _TEXT,
    "POP3Command": _COMMAND,  # RFC 1939 §3
    "POP3Reply": _form("status space text end", rb"(\+OK|-ERR|\+)( *)(.*?)"),
    "POP3Text": _TEXT,
    "IMAPCommand": _form(  # RFC 9051 §2.2.1
        "tag gap verb space argument end", rb"([^ ]*)( *)([A-Za-z]*)( *)(.*?)"
    ),
    "IMAPReply": _form("tag space text end", rb"([^ ]*)( *)(.*?)"),  # RFC 9051 §2.2.2
    "IMAPText": _TEXT,
    "MailContent": _Form("data", re.compile(rb"(.*)\Z", re.DOTALL)),
}
_CLASSES: dict[Kind, str] = {"command": "Command", "reply": "Reply", "text": "Text"}
_SPACES = {"space": "argument text", "gap": "verb"}  # None: one if that is not empty
_DEFAULTS = {"end": b"\r\n", "separator": b" "}


def __getattr__(name: str) -> Any:
    if name in LINES or name in PORTS:
        return layers()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def layers() -> dict[str, Any]:
    """All classes by their names, bound to the ports of their protocols."""
    from scapy.layers.inet import TCP
    from scapy.packet import Packet, bind_bottom_up, bind_top_down

    metaclass: Any = type(Packet)
    found: dict[str, Any] = {}
    for name, form in LINES.items():
        found[name] = metaclass(name, (Packet,), _line_class(name, form))
    for name, ports in PORTS.items():
        made = found[name] = metaclass(name, (Packet,), _layer_class(name))
        for port in ports:
            bind_bottom_up(TCP, made, sport=port)
            bind_bottom_up(TCP, made, dport=port)
        bind_top_down(TCP, made, dport=ports[0])
    return found


# Lines --------------------------------------------------------------------------------


def _line_class(name: str, form: _Form) -> dict[str, Any]:
    fields = [_field(field) for field in form.fields.split()]
    return {
        "__module__": __name__,
        "name": name,
        "fields_desc": fields,
        "do_dissect": _dissect_line,
        "extract_padding": _no_padding,
    }


def _field(name: str) -> Any:
    from scapy.fields import StrField

    found: Any = StrField(name, _DEFAULTS.get(name, b""))
    if name in _SPACES:
        found = _space_field()(name, None)
    return found


@cache
def _space_field() -> Any:
    """A field of spaces; None means one, if there is something to keep apart."""
    from scapy.fields import StrField

    return type("SpaceField", (StrField,), {"i2m": _spaces})


def _spaces(self: Any, packet: Any, value: Any) -> bytes:
    if value is None:
        behind = (getattr(packet, name, "") for name in _SPACES[self.name].split())
        return b" " if any(behind) else b""
    return value if isinstance(value, bytes) else str(value).encode()


def _dissect_line(self: Any, octets: bytes) -> bytes:
    """Set the fields from the groups of the pattern."""
    form = LINES[type(self).__name__]
    found = form.pattern.match(octets)
    names = form.fields.split()
    # What does not follow the grammar stands in the last field that takes any text
    values = found.groups(b"") if found else [b""] * len(names)
    for name, value in zip(names, values, strict=True):
        self.fields[name] = value
    if not found:
        self.fields[names[-2 if len(names) > 1 else -1]] = octets
    self.raw_packet_cache_fields = {}
    self.raw_packet_cache = octets
    self.explicit = 1
    return b""


def _no_padding(self: Any, octets: bytes) -> tuple[bytes, bytes]:
    del self
    return b"", octets


# Layers -------------------------------------------------------------------------------


def _layer_class(name: str) -> dict[str, Any]:
    from scapy.fields import PacketListField

    return {
        "__module__": __name__,
        "name": name,
        "fields_desc": [PacketListField("lines", [])],
        "do_dissect": _dissect_layer,
        "extract_padding": _no_padding,
        "mysummary": _summary,
        "dispatch_hook": classmethod(_dispatch),
        "tcp_reassemble": classmethod(_reassemble),
    }


def _dispatch(cls: Any, octets: bytes | None = None, *args: Any, **keys: Any) -> Any:
    """TLS is not for us."""
    del args, keys
    from scapy.config import conf

    hidden = octets and Speech(cls.__name__).cut("C", octets, True)[0][0][0] == "hidden"
    return conf.raw_layer if hidden else cls


def _dissect_layer(self: Any, octets: bytes) -> bytes:
    """One segment alone: nobody knows what was said before."""
    name = type(self).__name__
    side = _side(self.underlayer, name)
    pieces, _ = Speech(name, whole=False).cut(side, octets, True)
    self.fields["lines"] = [_line(name, piece) for piece in pieces]
    self.raw_packet_cache_fields = {}
    self.raw_packet_cache = octets
    self.explicit = 1
    return b""


def _reassemble(cls: Any, octets: bytes, metadata: Any, session: Any) -> Any:
    """What scapy's TCPSession calls with the octets of one side not used yet."""
    from scapy.config import conf
    from scapy.layers.inet import TCP

    name: str = cls.__name__
    speech: Speech = session.setdefault("maillab", Speech(name))
    side = _side(metadata["original"][TCP], name) if "original" in metadata else None
    side = side or session.get("side", "C")
    session["side"] = side
    pieces, rest = speech.cut(side, octets, bool(metadata.get("tcp_end")))
    if not pieces:
        return None
    if speech.hidden and pieces[0][0] == "hidden":
        return conf.raw_layer(octets)
    made = cls(lines=[_line(name, piece) for piece in pieces])
    return made / conf.padding_layer(rest) if rest else made


def _line(name: str, piece: Piece) -> Any:
    kind, octets = piece
    found = f"{name}{_CLASSES[kind]}" if kind in _CLASSES else "MailContent"
    return layers()[found](octets)


def _side(tcp: Any, name: str) -> Side:
    """Who says it: the side with the port of the protocol is the server."""
    return "S" if tcp is not None and tcp.sport in PORTS[name] else "C"


def _summary(self: Any) -> str:
    """Verbs and codes, without arguments: those may be secrets."""
    told: list[str] = []
    for line in self.lines:
        shown = next((line.fields[n] for n in _SHOWN if line.fields.get(n)), b"")
        told.append(shown.decode("ascii", "replace") or "…")
    return f"{type(self).__name__} {' '.join(dict.fromkeys(told))}".strip()


_SHOWN = ("verb", "code", "status", "tag")
