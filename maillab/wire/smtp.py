"""SMTP commands and replies as values (RFC 5321 §4.1 and §4.2).

Goes in: lines. Comes out: frozen values, or `Refused` with a server's reply.

Rule 1: a `Reply` can always be sent: whatever its text is, what is sent is grammatical.
Rule 2: `why` is for the trace. It is never sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from maillab.errors import Refused
from maillab.wire.smtp_path import Address

COMMAND_LINE_LIMIT = 512  # RFC 5321 §4.5.3.1.4, with CRLF
REPLY_LINE_LIMIT = 512  # RFC 5321 §4.5.3.1.5, with CRLF
AUTH_LINE_LIMIT = 12288  # RFC 4954 §4, with CRLF

# RFC 1870 §3: SIZE adds 26 octets; RFC 6152 §2: BODY 17; RFC 4954 §3: AUTH 500.
# deviation: RFC 4954 §4 keeps AUTH itself to 512, but clients send whole responses.
LINE_LIMITS = {"MAIL": COMMAND_LINE_LIMIT + 26 + 17 + 500, "AUTH": AUTH_LINE_LIMIT}

PRINTABLE = re.compile(rb"[\t -~]*")
UNPRINTABLE = re.compile(r"[^\t -~]+")
KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")  # RFC 5321 §4.1.2
VALUE = re.compile(r"[!-<>-~]+")

Parameters = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: a code, an enhanced code (RFC 3463) or "", one or more lines of text.

    >>> Reply(250, "2.1.0", "Sender ok").to_wire()
    b'250 2.1.0 Sender ok\\r\\n'
    >>> Reply(250, "", "mx.example.org", "SIZE 1000").to_wire()
    b'250-mx.example.org\\r\\n250 SIZE 1000\\r\\n'
    """

    code: int
    enhanced: str
    lines: tuple[str, ...]
    why: str = ""

    def __init__(self, code: int, enhanced: str, *lines: str, why: str = "") -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "enhanced", enhanced)
        object.__setattr__(self, "lines", lines or ("",))
        object.__setattr__(self, "why", why)

    def because(self, why: str) -> "Reply":
        """The same reply, with a reason for the trace."""
        return Reply(self.code, self.enhanced, *self.lines, why=why)

    @property
    def positive(self) -> bool:
        """2yz: done; 3yz: go on (RFC 5321 §4.2.1)."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """4yz: the same command may work later."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """5yz: do not try this again."""
        return self.code >= 500

    @property
    def text(self) -> str:
        """All lines of text as one."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        return " ".join(filter(None, [str(self.code), self.enhanced, self.text]))

    def to_wire(self) -> bytes:
        """One line per line of text; what cannot be sent becomes `?`."""
        prefix = f"{self.enhanced} " if self.enhanced else ""
        rows = [UNPRINTABLE.sub("?", prefix + line) for line in self.lines]
        rows = [row[: REPLY_LINE_LIMIT - len("250 \r\n")] for row in rows]
        wire = "".join(f"{self.code}-{row}\r\n" for row in rows[:-1])
        return f"{wire}{self.code} {rows[-1]}\r\n".encode("ascii")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent a message, and who gets it (RFC 5321 §2.3.1).

    `parameters` are those of MAIL, such as {"BODY": "8BITMIME"}.
    """

    reverse_path: Address
    forward_paths: tuple[Address, ...]
    parameters: Parameters = field(default_factory=dict[str, str | None])


def parse_command(line: bytes) -> tuple[str, str]:
    """Split a line without its CRLF into verb and argument. Raises Refused.

    >>> parse_command(b"mail FROM:<Ann@example.org>  ")
    ('MAIL', 'FROM:<Ann@example.org>')
    """
    if not PRINTABLE.fullmatch(line):
        raise Refused(
            Reply(500, "5.5.2", "A command is printable US-ASCII in one line")
        )
    # "SMTP servers SHOULD tolerate trailing white space" -- RFC 5321 §4.1.1
    verb, _, argument = line.decode("ascii").rstrip().partition(" ")
    if len(line) + 2 > LINE_LIMITS.get(verb.upper(), COMMAND_LINE_LIMIT):
        raise Refused(Reply(500, "5.5.2", "Command line too long"))
    return verb.upper(), argument.strip(" ")


def parse_parameters(text: str) -> dict[str, str | None]:
    """Read what follows a path. Values keep their case (RFC 5321 §4.1.2).

    >>> parse_parameters(" SIZE=10 smtputf8")
    {'SIZE': '10', 'SMTPUTF8': None}
    """
    parameters: dict[str, str | None] = {}
    if text and text[0] != " ":
        raise Refused(Reply(501, "5.5.4", "Parameters follow the path and a space"))
    for word in text.split():
        keyword, equals, value = word.partition("=")
        correct = KEYWORD.fullmatch(keyword) and (not equals or VALUE.fullmatch(value))
        if not correct or keyword.upper() in parameters:
            raise Refused(Reply(501, "5.5.4", "Syntax: KEYWORD or KEYWORD=value, once"))
        parameters[keyword.upper()] = value if equals else None
    return parameters


def declared_size(parameters: Parameters) -> int:
    """The SIZE parameter of MAIL, 0 when there is none (RFC 1870 §4)."""
    size = parameters.get("SIZE", "0") or ""
    if not re.fullmatch(r"[0-9]{1,20}", size):
        raise Refused(Reply(501, "5.5.4", "Syntax: SIZE=<number>"))
    return int(size)
