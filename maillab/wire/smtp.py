"""SMTP commands and replies as values (RFC 5321 §4.1 and §4.2).

Goes in: lines. Comes out: frozen values, or ValueError with what was expected.

Rule 1: a `Reply` can always be sent: whatever its text is, what is sent is grammatical.
Rule 2: `why` and `ref` are for the trace. They are never sent.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from maillab.wire.smtp_path import NON_ASCII, Address

COMMAND_LINE_LIMIT = 512  # RFC 5321 §4.5.3.1.4, with CRLF
REPLY_LINE_LIMIT = 512  # RFC 5321 §4.5.3.1.5, with CRLF
AUTH_LINE_LIMIT = 12288  # RFC 4954 §4, with CRLF

# By how much extensions make command lines longer.
LONGER: dict[str, dict[str, int]] = {
    "SIZE": {"MAIL": 26},  # RFC 1870 §3
    "8BITMIME": {"MAIL": 17},  # RFC 6152 §2
    "AUTH": {"MAIL": 500},  # RFC 4954 §3
    # RFC 3461 §4.1 to §4.4: " RET=HDRS ENVID=" and 100 octets;
    # " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=" and 500
    "DSN": {"MAIL": 116, "RCPT": 536},
    "SMTPUTF8": {"MAIL": 10, "VRFY": 9, "EXPN": 9},  # RFC 6531 §3.1
    "REQUIRETLS": {"MAIL": 11},  # RFC 8689 §2
    "DELIVERBY": {"MAIL": 17},  # RFC 2852 §3
    "FUTURERELEASE": {"MAIL": 34},  # RFC 4865 §3
    "MT-PRIORITY": {"MAIL": 15},  # RFC 6710 §3
}

PRINTABLE = re.compile(r"[\t -~]*")
PRINTABLE_UTF8 = re.compile(rf"[\t -~{NON_ASCII}]*")
UNPRINTABLE = re.compile(r"[^\t -~]+")
UNPRINTABLE_UTF8 = re.compile(rf"[^\t -~{NON_ASCII}]+")
KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")  # RFC 5321 §4.1.2
VALUE = re.compile(rf"[!-<>-~{NON_ASCII}]+")  # RFC 6531 §3.3

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
    ref: str = field(default="", repr=False, compare=False)

    def __init__(
        self, code: int, enhanced: str, *lines: str, why: str = "", ref: str = ""
    ) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "enhanced", enhanced)
        object.__setattr__(self, "lines", lines or ("",))
        object.__setattr__(self, "why", why)
        object.__setattr__(self, "ref", ref)

    def because(self, why: str) -> "Reply":
        """The same reply, with a reason for the trace."""
        return Reply(self.code, self.enhanced, *self.lines, why=why, ref=self.ref)

    def without_enhanced_code(self) -> "Reply":
        """The same reply for a session without RFC 2034."""
        return Reply(self.code, "", *self.lines, why=self.why, ref=self.ref)

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

    def to_wire(self, *, utf8: bool = False) -> bytes:
        """One line per line of text; what cannot be sent becomes `?`.

        `utf8`: the client has asked for UTF-8 (RFC 6531 §3.7.4).
        """
        wrong = UNPRINTABLE_UTF8 if utf8 else UNPRINTABLE
        prefix = f"{self.enhanced} " if self.enhanced else ""
        rows = [wrong.sub("?", prefix + line) for line in self.lines]
        cut = [_cut(row, REPLY_LINE_LIMIT - len("250 \r\n")) for row in rows]
        wire = b"".join(b"%d-%b\r\n" % (self.code, row) for row in cut[:-1])
        return wire + b"%d %b\r\n" % (self.code, cut[-1])


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent a message, and who gets it (RFC 5321 §2.3.1).

    `parameters` are those of MAIL, such as {"BODY": "8BITMIME"};
    `recipient_parameters` those of each RCPT, in the order of `forward_paths`; empty:
    none of them had any.

    >>> ann = Address("ann", "example.org")
    >>> letter = Envelope(ann, (ann,), {}, ({"NOTIFY": "NEVER"},))
    >>> letter.recipients[ann]
    {'NOTIFY': 'NEVER'}
    """

    reverse_path: Address
    forward_paths: tuple[Address, ...]
    parameters: Parameters = field(default_factory=dict[str, str | None])
    recipient_parameters: tuple[Parameters, ...] = ()

    @property
    def recipients(self) -> dict[Address, Parameters]:
        """Each recipient once, with what RCPT said about him the first time."""
        found: dict[Address, Parameters] = {}
        nothing: Parameters = {}
        given = self.recipient_parameters or (nothing,) * len(self.forward_paths)
        for path, parameters in zip(self.forward_paths, given, strict=False):
            found.setdefault(path, parameters)
        return found


def line_limit(verb: str, extensions: Collection[str]) -> int:
    """How long a command line may be, with its CRLF (RFC 5321 §4.5.3.1.4).

    >>> line_limit("MAIL", ["SIZE"]), line_limit("NOOP", ["SIZE"])
    (538, 512)
    """
    if verb == "AUTH":
        # deviation: RFC 4954 §4 keeps AUTH itself to 512; clients send whole responses.
        return AUTH_LINE_LIMIT
    return COMMAND_LINE_LIMIT + sum(
        LONGER.get(extension, {}).get(verb, 0) for extension in extensions
    )


def parse_command(line: bytes, *, utf8: bool = False) -> tuple[str, str]:
    """Split a line without its CRLF into verb and argument. Raises ValueError.

    `utf8`: paths and names may be internationalized (RFC 6531 §3.3).

    >>> parse_command(b"mail FROM:<Ann@example.org>  ")
    ('MAIL', 'FROM:<Ann@example.org>')
    """
    text = line.decode("utf-8", "replace")
    allowed = PRINTABLE_UTF8 if utf8 else PRINTABLE
    if not allowed.fullmatch(text) or "\ufffd" in text:
        what = "UTF-8" if utf8 else "US-ASCII"
        raise ValueError(f"A command is printable {what} in one line")
    # "SMTP servers SHOULD tolerate trailing white space" -- RFC 5321 §4.1.1
    verb, _, argument = text.rstrip(" \t").partition(" ")
    return verb.upper(), argument.strip(" ")


def parse_parameters(text: str) -> dict[str, str | None]:
    """Read what follows a path. Values keep their case (RFC 5321 §4.1.2).

    Raises ValueError.

    >>> parse_parameters(" SIZE=10 smtputf8")
    {'SIZE': '10', 'SMTPUTF8': None}
    """
    parameters: dict[str, str | None] = {}
    if text and text[0] != " ":
        raise ValueError("Parameters follow the path and a space")
    for word in re.findall(r"[^ \t]+", text):
        keyword, equals, value = word.partition("=")
        correct = KEYWORD.fullmatch(keyword) and (not equals or VALUE.fullmatch(value))
        if not correct or keyword.upper() in parameters:
            raise ValueError("Syntax: KEYWORD or KEYWORD=value, once")
        parameters[keyword.upper()] = value if equals else None
    return parameters


def declared_size(parameters: Parameters) -> int:
    """The SIZE parameter of MAIL, 0 when there is none (RFC 1870 §4).

    Raises ValueError.
    """
    size = parameters.get("SIZE", "0") or ""
    if not re.fullmatch(r"[0-9]{1,20}", size):
        raise ValueError("Syntax: SIZE=<number>")
    return int(size)


def _cut(row: str, size: int) -> bytes:
    """At most `size` octets, and no half of a character."""
    return row.encode()[:size].decode("utf-8", "ignore").encode()
