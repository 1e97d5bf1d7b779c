"""POP3 commands and replies as values (RFC 1939, RFC 2449).

Goes in: lines. Comes out: frozen values, or `Refused` with a server's reply.

Rule 1: a `Reply` can always be sent: whatever its text is, what is sent is grammatical.
Rule 2: `why` is for the trace. It is never sent.
"""

import hashlib
import re
from dataclasses import dataclass

from maillab.errors import Refused
from maillab.wire.lines import CRLF
from maillab.wire.sasl_prep import prepared
from maillab.wire.smtp_content import stuffed

COMMAND_LINE_LIMIT = 255  # RFC 2449 §4, with CRLF
REPLY_LINE_LIMIT = 512  # RFC 2449 §4, with CRLF
AUTH_LINE_LIMIT = 12288  # RFC 4954 §4; RFC 5034 §4 names none

# What may be in UTF-8: names and passwords (RFC 6856 §2.2).
INTERNATIONAL = {"USER", "APOP"}
# "syntax of the timestamp corresponds to the `msg-id' in [RFC822]" (RFC 1939 §7)
TIMESTAMP = re.compile(r"<[!-;=?-\[\]-~]+@[!-;=?-\[\]-~]+>")

CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
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


def challenge(base64: bytes) -> Reply:
    """Ask for the next SASL response (RFC 5034 §4).

    >>> challenge(b"").to_wire()
    b'+ \\r\\n'
    """
    return Reply(True, base64.decode("ascii"), is_challenge=True)


def find_timestamp(greeting: str) -> str:
    """The timestamp of a greeting, for APOP (RFC 1939 §7); "" when there is none.

    >>> find_timestamp("POP3 server ready <1896.697170952@dbc.mtview.ca.us>")
    '<1896.697170952@dbc.mtview.ca.us>'
    """
    found = TIMESTAMP.search(greeting)
    return found[0] if found else ""


def apop_digest(timestamp: str, password: str) -> str:
    """The proof of APOP; the example of RFC 1939 §7. Raises ValueError.

    "MUST apply SASLprep ... to the username and password used to compute the APOP
    digest" -- RFC 6856 §2.2

    >>> apop_digest("<1896.697170952@dbc.mtview.ca.us>", "tanstaaf")
    'c4c9334bac560ecc979e58001b3e22fb'
    """
    octets = f"{timestamp}{prepared(password, stored=True)}".encode()
    return hashlib.md5(octets, usedforsecurity=False).hexdigest()


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
        return name, _utf8(argument)
    if name in INTERNATIONAL and not CONTROLS.search(line):
        return name, _utf8(argument).strip(" ")
    if not PRINTABLE.fullmatch(line):
        raise Refused(Reply(False, "A command is printable US-ASCII in one line"))
    return name, argument.decode("ascii").strip(" ")


def _utf8(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        text = "Names and passwords are US-ASCII or UTF-8"
        raise Refused(Reply(False, text)) from None


def octets_sent(content: bytes) -> int:
    """The size of a message as RETR sends it, dots not counted.

    >>> octets_sent(b"A: b\\r\\n"), octets_sent(b"A: b")
    (6, 6)
    """
    ended = content.endswith(CRLF) or not content
    return len(content) + (0 if ended else len(CRLF))


def listing(rows: list[str]) -> bytes:
    """The body of LIST, UIDL and CAPA.

    >>> listing(["1 120", "2 200"])
    b'1 120\\r\\n2 200\\r\\n'
    """
    return "".join(f"{row}\r\n" for row in rows).encode("ascii")


def parse_scan(body: bytes) -> dict[int, int]:
    """The answer to LIST: message numbers and sizes (RFC 1939 §5). Raises ValueError.

    >>> parse_scan(b"1 120\\r\\n2 200 octets\\r\\n")
    {1: 120, 2: 200}
    """
    rows = (row.split() for row in body.splitlines())
    return {_number(row[0]): _number(row[1]) for row in rows if _has_two(row)}


def parse_unique_ids(body: bytes) -> dict[int, str]:
    """The answer to UIDL: message numbers and unique-ids. Raises ValueError.

    # deviation: RFC 1939 §7: longer ones than 70 octets are believed.

    >>> parse_unique_ids(b"1 whqtswO00WBw418f9t5JxYwZ\\r\\n2 QhdPYR:00WBw1Ph7x7\\r\\n")
    {1: 'whqtswO00WBw418f9t5JxYwZ', 2: 'QhdPYR:00WBw1Ph7x7'}
    """
    rows = (row.split() for row in body.splitlines())
    return {_number(row[0]): row[1].decode("ascii") for row in rows if _has_two(row)}


def _number(octets: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,18}", octets):
        raise ValueError(f"{octets[:40]!r} is no number")
    return int(octets)


def _has_two(row: list[bytes]) -> bool:
    if len(row) < 2:
        raise ValueError("a line of a listing has a number and a value")
    return True


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
    # Not all of a large body is cut for a few lines of it.
    rows = body.removesuffix(CRLF).split(CRLF, lines)[:lines] if body else []
    return header + CRLF + b"".join(row + CRLF for row in rows)
