"""Modified UTF-7: how IMAP4rev1 spells mailbox names (RFC 3501 §5.1.3).

Goes in: a name as text, or as it stands on the wire. Comes out: the other one.

Rule 1: "&" shifts to modified base64 of UTF-16 (with "," for "/"), "-" shifts back,
        and "&-" is "&" itself. Printable US-ASCII stands for itself.
Rule 2: one name, one spelling: what is not spelled the shortest way is refused.
"""

import re
from base64 import b64decode, b64encode

_PLAIN = re.compile(r"([\x20-\x7e]+)")
_SHIFT = re.compile(rb"&([A-Za-z0-9+,]*)-")


def to_wire(name: str) -> bytes:
    """Spell a mailbox name for the wire.

    >>> to_wire("Entwürfe & mehr")
    b'Entw&APw-rfe &- mehr'
    """
    pieces = _PLAIN.split(name)
    return b"".join(
        piece.replace("&", "&-").encode("ascii") if at % 2 else _shifted(piece)
        for at, piece in enumerate(pieces)
    )


def from_wire(octets: bytes) -> str:
    """Read a mailbox name. Raises ValueError when it is not modified UTF-7.

    >>> from_wire(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-")
    '~peter/mail/台北/日本語'
    """
    try:
        name = _unshifted(octets)
        if to_wire(name) == octets:
            return name
    except ValueError:  # not ASCII, not base64, not UTF-16
        pass
    raise ValueError("A mailbox name must be modified UTF-7")


def _shifted(text: str) -> bytes:
    if not text:
        return b""
    coded = b64encode(text.encode("utf-16-be")).rstrip(b"=")
    return b"&" + coded.replace(b"/", b",") + b"-"


def _unshifted(octets: bytes) -> str:
    pieces = _SHIFT.split(octets)
    return "".join(
        _decoded(piece) if at % 2 else piece.decode("ascii")
        for at, piece in enumerate(pieces)
    )


def _decoded(coded: bytes) -> str:
    if not coded:
        return "&"
    padded = coded.replace(b",", b"/") + b"=" * (-len(coded) % 4)
    return b64decode(padded, validate=True).decode("utf-16-be")
