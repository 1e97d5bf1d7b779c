"""IMAP as a test speaks it: a command as octets, and all that a server says to it.

Goes in: commands. Comes out: untagged responses and the tagged one, each parsed.

An atom is a `str`, a quoted string or literal is `bytes`, a list is a `tuple`; so it
does not matter in which form a server sends a string (RFC 3501 §4.3).
"""

import re
import socket
from dataclasses import dataclass
from typing import BinaryIO

Value = str | bytes | tuple["Value", ...]

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
TOKEN = re.compile(
    rb"""(?P<space>[ ]+) | (?P<open>\() | (?P<close>\))
    | ~?\{(?P<size>\d+)\}\r\n
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | (?P<atom>(?:[^\s()"\[]|\[(?:[^\]"]|"[^"]*")*\])+)""",
    re.VERBOSE | re.DOTALL,
)
STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: \[([^\]]*)\])?", re.IGNORECASE)


@dataclass(frozen=True)
class Response:
    """A response of a server.

    status  "OK", "NO" …, with its response code; "" when it is data
    data    the parsed words of data
    """

    status: str = ""
    code: tuple[Value, ...] = ()
    data: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Reply:
    """All that was said to one command."""

    untagged: tuple[Response, ...]
    tagged: Response
    raw: bytes


def parse(octets: bytes) -> tuple[Value, ...]:
    """The words of a response. Raises ValueError: a server must not say that.

    >>> parse(b'LIST (\\\\Marked) "/" INBOX')
    ('LIST', ('\\\\Marked',), b'/', 'INBOX')
    """
    stack: list[list[Value]] = [[]]
    at = 0
    while at < len(octets):
        found = TOKEN.match(octets, at)
        if found is None:
            raise ValueError(f"not IMAP at {at}: {octets!r}")
        at = found.end() + int(found["size"] or 0)
        if found["open"]:
            stack.append([])
        elif found["close"]:
            last = tuple(stack.pop())
            stack[-1].append(last)
        elif not found["space"]:
            stack[-1].append(word(found, octets))
    if len(stack) != 1:
        raise ValueError(f"unbalanced: {octets!r}")
    return tuple(stack[0])


def word(found: re.Match[bytes], octets: bytes) -> Value:
    """An atom or a string."""
    if found["size"]:
        return octets[found.end() : found.end() + int(found["size"])]
    if found["quoted"] is not None:
        return re.sub(rb"\\(.)", rb"\1", found["quoted"], flags=re.DOTALL)
    return found["atom"].decode("utf-8", "surrogateescape")


def response(octets: bytes) -> Response:
    """One response without its tag and its CRLF."""
    found = STATUS.match(octets)
    if not found:
        return Response(data=parse(octets))
    code = parse(found[2]) if found[2] else ()
    return Response(found[1].decode().upper(), code)


class Wire:
    """A connection to an IMAP server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file: BinaryIO = self._socket.makefile("rb")
        self._tags = 0
        self.greeting = response(self._line()[2:].rstrip(b"\r\n"))

    def say(self, command: bytes) -> Reply:
        """Say a command, read to its tagged response. IDLE is ended at once."""
        self._tags += 1
        tag = b"t%d" % self._tags
        self._socket.sendall(tag + b" " + command + b"\r\n")
        untagged: list[Response] = []
        raw: list[bytes] = []
        while True:
            octets = self._line()
            raw.append(octets)
            first, _, rest = octets.partition(b" ")
            if first == b"+":
                self._socket.sendall(b"DONE\r\n")
            elif first == b"*":
                untagged.append(response(rest.removesuffix(b"\r\n")))
            elif first == tag:
                tagged = response(rest.removesuffix(b"\r\n"))
                return Reply(tuple(untagged), tagged, b"".join(raw))
            else:
                raise ValueError(f"whose is this? {octets!r}")

    def _line(self) -> bytes:
        """A response, with its literals."""
        octets = b""
        while True:
            line = self._file.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError(f"the server hung up after {octets + line!r}")
            octets += line
            literal = LITERAL.search(line)
            if literal is None:
                return octets
            octets += self._file.read(int(literal[1]))

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()
