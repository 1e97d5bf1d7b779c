"""POP3 commands and replies as values (RFC 1939, RFC 2449).

Goes in: lines. Comes out: frozen values, or `Refused` with a server's reply.

Rule 1: a `Reply` can always be sent: whatever its text is, what is sent is grammatical.
Rule 2: `why` is for the trace. It is never sent.
"""

import re
from dataclasses import dataclass

from maillab.errors import Refused
from maillab.wire.lines import CRLF
from maillab.wire.sasl import encode
from maillab.wire.smtp_content import stuffed

COMMAND_LINE_LIMIT = 255  # RFC 2449 §4, with CRLF
REPLY_LINE_LIMIT = 512  # RFC 2449 §4, with CRLF
AUTH_LINE_LIMIT = 12288  # RFC 4954 §4; RFC 5034 §4 names none

PRINTABLE = re.compile(rb"[ -~]*")
UNPRINTABLE = re.compile(r"[^ -~]+")
STATUS = re.compile(r"(\+OK|-ERR)(?: (?:\[([!-Z^-~]+)\] ?)?(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """`+OK` or `-ERR`, and for some commands a body of many lines.

    code  the response code of RFC 2449 §8 without brackets, such as "IN-USE"; or ""
    body  None for a reply of one line; otherwise lines with CRLF, dots not stuffed

    >>> Reply(False, "Maildrop is locked", "IN-USE").to_wire()
    b'-ERR [IN-USE] Maildrop is locked\\r\\n'
    >>> Reply(True, "2 messages", body=b"1 120\\r\\n2 200\\r\\n").to_wire()
    b'+OK 2 messages\\r\\n1 120\\r\\n2 200\\r\\n.\\r\\n'
    """

    positive: bool
    text: str
    code: str = ""
    body: bytes | None = None
    why: str = ""
    is_challenge: bool = False  # `+ base64` (RFC 5034 §4)

    @property
    def status_line(self) -> bytes:
        """The first line, with its CRLF."""
        if self.is_challenge:
            return f"+ {self.text}".encode("ascii") + CRLF
        code = f"[{self.code}]" if self.code else ""
        words = ("+OK" if self.positive else "-ERR", code, self.text)
        text = UNPRINTABLE.sub("?", " ".join(filter(None, words)))
        return text[: REPLY_LINE_LIMIT - len(CRLF)].encode("ascii") + CRLF

    def to_wire(self) -> bytes:
        """All lines, dots stuffed, with the final dot of a body (RFC 1939 §3)."""
        body = b"" if self.body is None else stuffed(self.body)
        return self.status_line + body

    def __str__(self) -> str:
        return self.status_line.decode().rstrip()


def challenge(data: bytes) -> Reply:
    """Ask for the next SASL response.

    >>> challenge(b"").to_wire()
    b'+ \\r\\n'
    """
    return Reply(True, encode(data).decode(), is_challenge=True)


def parse_status(line: bytes) -> Reply:
    """Read the first line of a reply. Raises ValueError.

    >>> parse_status(b"-ERR [AUTH] No").code
    'AUTH'
    """
    text = line.decode("utf-8", "backslashreplace")
    if text == "+" or text.startswith("+ "):
        return Reply(True, text[2:], is_challenge=True)
    match = STATUS.fullmatch(text)
    if match is None:
        raise ValueError("a reply begins with +OK or -ERR")
    return Reply(match[1] == "+OK", match[3] or "", match[2] or "")


def parse_command(line: bytes) -> tuple[str, str]:
    """Split a line without its CRLF. PASS keeps all its spaces (RFC 1939 §7).

    >>> parse_command(b"pass a  b ")
    ('PASS', 'a  b ')
    """
    verb, _, argument = line.partition(b" ")
    name = verb.decode("ascii", "replace").upper()
    limit = AUTH_LINE_LIMIT if name == "AUTH" else COMMAND_LINE_LIMIT
    if len(line) + len(CRLF) > limit:
        raise Refused(Reply(False, "Command line too long"))
    if name == "PASS" and b"\0" not in argument:
        return name, argument.decode("utf-8", "backslashreplace")
    if not PRINTABLE.fullmatch(line):
        raise Refused(Reply(False, "A command is printable US-ASCII in one line"))
    return name, argument.decode("ascii").strip(" ")


def listing(rows: list[str]) -> bytes:
    """The body of LIST, UIDL and CAPA.

    >>> listing(["1 120", "2 200"])
    b'1 120\\r\\n2 200\\r\\n'
    """
    return "".join(f"{row}\r\n" for row in rows).encode("ascii")


def top_of(content: bytes, lines: int) -> bytes:
    """The header, the empty line, and the first lines of the body (RFC 1939 §7, TOP).

    >>> top_of(b"A: b\\r\\n\\r\\none\\r\\ntwo\\r\\n", 1)
    b'A: b\\r\\n\\r\\none\\r\\n'
    """
    if content.startswith(CRLF):
        header, body = b"", content[len(CRLF) :]
    else:
        header, _, body = content.partition(CRLF + CRLF)
        header = header.removesuffix(CRLF) + CRLF
    rows = body.removesuffix(CRLF).split(CRLF)[:lines] if body else []
    return header + CRLF + b"".join(row + CRLF for row in rows)
