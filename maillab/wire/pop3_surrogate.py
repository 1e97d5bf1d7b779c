"""An internationalized message for a client that knows only ASCII headers (RFC 6858).

Goes in: octets with a header in UTF-8. Comes out: a surrogate: the same body, and a
header that any program can read.

Rule 1: an address that cannot be written in ASCII is gone, and says so; what was
        written around it comes in encoded words.
Rule 2: what cannot be said at all is left out (RFC 6858 §2.4).
"""

import re
from email.header import Header
from email.utils import formataddr
from itertools import islice

from maillab.wire.imap_addresses import EnvelopeAddress, parse_addresses
from maillab.wire.lines import CRLF
from maillab.wire.smtp_downgrade import has_utf8_header, header_of

NOBODY = "invalid@internationalized-address.invalid"  # RFC 6858 §2.1
_ADDRESSES = {"from", "sender", "reply-to", "to", "cc", "bcc"}
ADDRESSES = _ADDRESSES | {f"resent-{name}" for name in _ADDRESSES} | {"return-path"}
TEXTS = {"subject", "comments"}  # RFC 6858 §2.3
MOST_ADDRESSES = 1000  # of one field
MOST_CHARACTERS = 64 * 1024  # of one field that are read
WITH_PARAMETERS = {"content-type", "content-disposition"}
LONGEST_NAME = 150  # characters: then an encoded word fits into a line
_FIELD = re.compile(rb"[^\n]+\n(?:[ \t][^\n]*\n)*")
_PARAMETER = re.compile(r';(?:[^;"]|"(?:[^"\\]|\\.)*")*', re.DOTALL)
_DOT_ATOM = re.compile(r'[^\s"(),:;<>@\[\\\]]+')  # UTF-8 is in it (RFC 6532 §3.2)


def surrogate(content: bytes) -> bytes:
    """The message with an ASCII header; itself when it has one already.

    # deviation: RFC 6858 §2.2: headers of the parts inside stay as they are.

    >>> letter = "Subject: é\\r\\nX-Mood: é\\r\\nTo: ü@b.de\\r\\n\\r\\n".encode()
    >>> surrogate(letter).splitlines()[0]
    b'Subject: =?utf-8?b?w6k=?='
    >>> surrogate(letter).splitlines()[1]
    b'To: =?utf-8?b?w7xAYi5kZQ==?= <invalid@internationalized-address.invalid>'
    """
    if not has_utf8_header(content):
        return content
    header = header_of(content)
    fields = map(_field, _FIELD.findall(header))
    return b"".join(fields) + content[len(header) :]


def _field(row: bytes) -> bytes:
    if row.isascii():
        return row
    name, colon, value = row.decode("utf-8").partition(":")
    kind = name.strip().lower()
    if not colon or not name.isascii():
        return b""
    shown = _value(kind, value)
    return f"{name}: {shown}".encode("ascii") + CRLF if shown else b""


def _value(kind: str, value: str) -> str:
    """The value in ASCII; "" when it cannot be said."""
    text = " ".join(value.split())[:MOST_CHARACTERS]
    if kind in ADDRESSES:
        # Not Python's `getaddresses`: it calls itself for each "(" of a bomb.
        found = islice(parse_addresses([text.encode()]), MOST_ADDRESSES)
        return ",\r\n ".join(filter(None, map(_address, found)))
    if kind in TEXTS:
        return Header(text, "utf-8").encode(linesep="\r\n")
    return _with_parameters(value) if kind in WITH_PARAMETERS else ""


def _with_parameters(value: str) -> str:
    """What is in ASCII of it (RFC 6858 §2.2).

    >>> _with_parameters('multipart/mixed; name="é"; boundary="a  b"')
    'multipart/mixed; boundary="a  b"'
    """
    kept = _PARAMETER.sub(lambda one: one[0] if one[0].isascii() else "", value)
    return kept.strip() if kept.isascii() else ""


def _address(found: EnvelopeAddress) -> str:
    """One address; "" for the name and the end of a group."""
    if found.host is None:
        return ""
    name, local, host = (
        (part or b"").decode("utf-8", "replace")
        for part in (found.name, found.mailbox, found.host)
    )
    local = _local_part(local)
    name, address = name[:LONGEST_NAME], "@".join(filter(None, (local, host)))
    if address.isascii():
        return formataddr((name, address))
    words = Header(name or address[:LONGEST_NAME], "utf-8", maxlinelen=998).encode()
    return f"{words} <{NOBODY}>"


def _local_part(local: str) -> str:
    """With the quotes that it needs (RFC 5322 §3.4.1)."""
    if not local or _DOT_ATOM.fullmatch(local):
        return local
    return '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
