"""The words of which an IMAP client makes its commands.

Goes in: what is meant. Comes out: `Words`: octets as they leave, or a literal.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from maillab.wire import imap, mutf7

# Quoted strings are 7-bit (RFC 3501 §9): all else is a literal.
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")


@dataclass(frozen=True, slots=True)
class Words:
    """One argument, or several. `secret`: views must mask it."""

    octets: bytes
    literal: bool = False
    secret: bool = False

    def as_secret(self) -> "Words":
        """The same, to be masked."""
        return replace(self, secret=True)


def raw(language: str) -> Words:
    """Part of the language, as it is. Raises ValueError: a line end would be a command.

    >>> raw("(FLAGS UID)").octets
    b'(FLAGS UID)'
    """
    if "\r" in language or "\n" in language:
        raise ValueError("a command has no line ends")
    return Words(language.encode("utf-8"))


def text(octets: bytes) -> Words:
    """A string: quoted if it can be, else a literal.

    >>> text(b"two words").octets, text(b"gr\\xc3\\xbcn").literal
    (b'"two words"', True)
    """
    if _QUOTABLE.fullmatch(octets):
        return Words(imap.string(octets))
    return Words(octets, literal=True)


def secret(octets: bytes) -> Words:
    """Part of the language that must be masked."""
    return Words(octets, secret=True)


def name(mailbox: str, *, quote: bool = False) -> Words:
    """A mailbox name, or a pattern (`quote`: a wildcard would else end an atom)."""
    octets = mutf7.to_wire(mailbox)
    return Words(imap.string(octets) if quote else imap.astring(octets))


def flags(wanted: Iterable[str]) -> Words:
    """A list of flags.

    >>> flags({"\\\\Seen"}).octets
    b'(\\\\Seen)'
    """
    return raw(imap.flag_list(frozenset(wanted)).decode("ascii"))
