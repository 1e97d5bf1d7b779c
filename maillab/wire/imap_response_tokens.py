"""The words of an IMAP response: atoms, strings, numbers, lists (RFC 9051 §4).

Goes in: octets of a stranger. Comes out: values, or `BadResponse`.

Rule 1: strings stay octets; atoms become text; NIL is None; lists are tuples. `str` and
        `bytes` differ, so "NIL" in quotes is never taken for None.
Rule 2: whatever comes in, nothing but `BadResponse` comes out: depth, digits and
        literals are bounded.
"""

import re
from typing import Any

MAX_DEPTH = 100

_SPACES = re.compile(rb" *")
# An atom, perhaps with a section: BODY[HEADER.FIELDS (TO "CC")]<0>.
_ATOM = re.compile(rb'(?:[^\x00-\x20\x7f"()\[\]{]|\[(?:"[^"\r\n]*"|[^\]"\r\n])*\])+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{(\d{1,10})\}\r\n")
_NUMBER = re.compile(r"[0-9]{1,20}")


class BadResponse(ValueError):
    """This is no response of IMAP, whatever it is."""


class Tokens:
    """Reads values from the front."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def values(self, depth: int = 0) -> tuple[Any, ...]:
        """All values up to the end, or up to the parenthesis that closes this list."""
        if depth > MAX_DEPTH:
            raise BadResponse("lists are nested too deeply")
        found: list[Any] = []
        while not self._skip_spaces() and self.octets[self.at] != ord(")"):
            found.append(self._value(depth))  # "((a)(b))" has no spaces
        return tuple(found)

    def _value(self, depth: int) -> Any:
        first = self.octets[self.at : self.at + 1]
        if first == b"(":
            self.at += 1
            inside = self.values(depth + 1)
            if self.octets[self.at : self.at + 1] != b")":
                raise BadResponse("a list does not end")
            self.at += 1
            return inside
        if first == b'"':
            quoted = self._match(_QUOTED, "a quoted string does not end")[1]
            return re.sub(rb'\\(["\\])', rb"\1", quoted)
        if first in (b"{", b"~") and _LITERAL.match(self.octets, self.at):
            return self._literal()
        return _atom(self._match(_ATOM, "no value can begin so")[0])

    def _literal(self) -> bytes:
        size = int(self._match(_LITERAL, "a literal")[1])
        end = self.at + size
        if end > len(self.octets):
            raise BadResponse("a literal is longer than the response")
        octets, self.at = self.octets[self.at : end], end
        return octets

    def _match(self, pattern: re.Pattern[bytes], why: str) -> re.Match[bytes]:
        found = pattern.match(self.octets, self.at)
        if found is None:
            raise BadResponse(why)
        self.at = found.end()
        return found

    def _skip_spaces(self) -> bool:
        """True: this was the end."""
        self._match(_SPACES, "never")
        return self.at >= len(self.octets)


def _atom(octets: bytes) -> Any:
    text = octets.decode("utf-8", "replace")
    if text.upper() == "NIL":
        return None
    return int(text) if _NUMBER.fullmatch(text) else text


def values(octets: bytes) -> tuple[Any, ...]:
    r"""Read values with spaces between them. Raises BadResponse.

    >>> values(b'(\\Seen) NIL 12 "a b" ~{2}\r\n\x00\x01')
    (('\\Seen',), None, 12, b'a b', b'\x00\x01')
    """
    tokens = Tokens(octets)
    found = tokens.values()
    if tokens.at < len(octets):
        raise BadResponse("a list ends that has not begun")
    return found


def text_of(value: Any) -> str:
    """An nstring or atom as text; NIL is ""."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str | int):
        return str(value)
    raise BadResponse("a list stands where a text was expected")


def number_of(value: Any) -> int:
    """A number; NIL is 0 (some servers say it for the size of nothing)."""
    if value is None:
        return 0
    if not isinstance(value, int):
        raise BadResponse("a number was expected")
    return value


def list_of(value: Any) -> tuple[Any, ...]:
    """A list; NIL is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, tuple):
        raise BadResponse("a list was expected")
    return value  # pyright: ignore[reportUnknownVariableType]


def pairs_of(value: Any) -> list[tuple[Any, Any]]:
    """A list of keys and values, by turns."""
    items = list_of(value)
    if len(items) % 2:
        raise BadResponse("a key has no value")
    return list(zip(items[::2], items[1::2], strict=True))
