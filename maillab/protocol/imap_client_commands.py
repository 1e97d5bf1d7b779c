"""The words of which an IMAP client makes its commands.

Goes in: what is meant. Comes out: `Words`: octets as they leave, or a literal.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from maillab.wire import imap, imap_dates, mutf7
from maillab.wire.message import DateTime

# Quoted strings are 7-bit (RFC 3501 §9): all else is a literal.
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")


@dataclass(frozen=True, slots=True)
class Words:
    """One argument, or several.

    literal  leaves as `{size}` and the octets; `binary`: as `~{size}` (RFC 3516 §4.4)
    secret   views must mask it
    tight    no space stands before it
    """

    octets: bytes
    literal: bool = False
    secret: bool = False
    binary: bool = False
    tight: bool = False

    def as_secret(self) -> "Words":
        """The same, to be masked."""
        return replace(self, secret=True)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message for APPEND. No `date`: the server takes its own."""

    content: bytes
    flags: Sequence[str] = ()
    date: DateTime | None = None


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client still knows of a mailbox (RFC 7162 §3.2.5).

    known    the UIDs that it has, "" for all
    numbers  pairs of sets, message numbers and their UIDs: ("1,9", "5,27")
    """

    uid_validity: int
    modseq: int
    known: str = ""
    numbers: tuple[str, str] | None = None

    def to_text(self) -> str:
        """As it stands in SELECT.

        >>> Resync(67890007, 90060115194045000, "41,43:211").to_text()
        '(QRESYNC (67890007 90060115194045000 41,43:211))'
        """
        pairs = f"({' '.join(self.numbers)})" if self.numbers else ""
        words = (str(self.uid_validity), str(self.modseq), self.known, pairs)
        return f"(QRESYNC ({' '.join(filter(None, words))}))"


def raw(language: str) -> Words:
    """Part of the language, as it is. Raises ValueError: a line end would be a command.

    >>> raw("(FLAGS UID)").octets
    b'(FLAGS UID)'
    """
    if "\r" in language or "\n" in language:
        raise ValueError("a command has no line ends")
    return Words(language.encode("utf-8"))


def text(octets: bytes, utf8: bool = False) -> Words:
    """A string: quoted if it can be, else a literal.

    >>> text(b"two words").octets, text(b"gr\\xc3\\xbcn").literal
    (b'"two words"', True)
    >>> text("grün".encode(), utf8=True).octets.decode()
    '"grün"'
    """
    if _QUOTABLE.fullmatch(octets):
        return Words(imap.string(octets))
    if utf8:
        quoted = imap.string(octets, utf8=True)
        if quoted.startswith(b'"'):
            return Words(quoted)
    return Words(octets, literal=True)


def secret(octets: bytes) -> Words:
    """Part of the language that must be masked."""
    return Words(octets, secret=True)


def name(mailbox: str, *, quote: bool = False, utf8: bool = False) -> Words:
    """A mailbox name, or a pattern (`quote`: a wildcard would else end an atom)."""
    octets = mailbox.encode() if utf8 else mutf7.to_wire(mailbox)
    if utf8 and not octets.isascii():
        return text(octets, utf8=True)
    word = imap.string(octets) if quote else imap.astring(octets)
    return text(octets) if word.startswith(b"{") else Words(word)


def names(patterns: str | Sequence[str], *, utf8: bool = False) -> list[Words]:
    """One pattern, or several in parentheses (RFC 5258 §3)."""
    if isinstance(patterns, str):
        return [name(patterns, quote=True, utf8=utf8)]
    return in_parentheses([name(one, quote=True, utf8=utf8) for one in patterns])


def in_parentheses(words: Sequence[Words]) -> list[Words]:
    """A list. Nothing in it: `()`."""
    if not words:
        return [Words(b"()")]
    return [Words(b"("), replace(words[0], tight=True), *words[1:], CLOSE]


OPEN, CLOSE = Words(b"("), Words(b")", tight=True)


def flags(wanted: Iterable[str]) -> Words:
    """A list of flags.

    >>> flags({"\\\\Seen"}).octets
    b'(\\\\Seen)'
    """
    return raw(imap.flag_list(frozenset(wanted)).decode("ascii"))


def letter(message: Letter, *, binary: bool, utf8: bool) -> list[Words]:
    """One message of APPEND, with its flags and date.

    binary  the server takes literal8 (RFC 3516 §4.4): for what has NUL
    utf8    ... and headers in UTF-8, in `UTF8 (~{…})` (RFC 6855 §4)
    """
    words = [flags(message.flags)]
    if message.date:
        words.append(Words(imap_dates.date_time(message.date)))
    content = message.content
    if utf8 and not content.partition(b"\r\n\r\n")[0].isascii():
        content8 = Words(content, literal=True, binary=True, tight=True)
        return [*words, raw("UTF8"), OPEN, content8, CLOSE]
    has_nul = binary and b"\0" in content
    return [*words, Words(content, literal=True, binary=has_nul)]
