"""IMAP4rev1 on the wire: the tokens of RFC 3501 §9, read and written.

Goes in: one whole command or response, its literals where they stood. Comes out: words,
numbers, strings, lists, one after the other. And back.

Rule 1: a `Scanner` raises `BadSyntax` and nothing else, whatever it is given.
Rule 2: strings are octets. Only mailbox names (modified UTF-7) and flags become text.
Rule 3: a string is written quoted when it can be, and as a literal when it must be.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from maillab.wire import mutf7

_NUMBER = re.compile(rb"\d{1,10}")
_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")  # ATOM-CHAR
_ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")  # ATOM-CHAR or "]"
_LIST_CHARS = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"\\]+")  # with "%" and "*"
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]+")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\r\n")
_ANNOUNCED = re.compile(rb"\{(\d{1,10})(\+?)\}$")
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7e]{0,1000}")

LARGEST = 2**32 - 1  # number, nz-number: "(0 <= n < 4,294,967,296)" (RFC 3501 §9)

SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
RECENT = "\\Recent"
_CANONICAL = {flag.lower(): flag for flag in SYSTEM_FLAGS}


class BadSyntax(ValueError):
    """A command breaks the grammar. The text says how, and may be shown to the peer."""


@dataclass(frozen=True, slots=True)
class Status:
    """A status response (RFC 3501 §7.1): OK, NO, BAD, BYE or PREAUTH.

    `code` is the response code without its brackets; `why` is never sent.

    >>> Status("NO", "No such mailbox", "TRYCREATE").to_wire("a7")
    b'a7 NO [TRYCREATE] No such mailbox\\r\\n'
    """

    condition: str
    text: str
    code: str = ""
    why: str = field(default="", compare=False)

    def to_wire(self, tag: str = "*") -> bytes:
        """Return the response line. "*" is the tag of untagged responses."""
        code = f"[{self.code}] " if self.code else ""
        line = f"{tag} {self.condition} {code}{self.text}"
        return line.encode("ascii", "replace") + b"\r\n"

    def __str__(self) -> str:
        return self.to_wire().decode().rstrip()


def ok(text: str, code: str = "") -> Status:
    """The command worked."""
    return Status("OK", text, code)


def no(text: str, code: str = "", why: str = "") -> Status:
    """The command was understood and did not work."""
    return Status("NO", text, code, why)


def bad(text: str, why: str = "") -> Status:
    """The command was not understood, or is not legal now."""
    return Status("BAD", text, "", why)


def announced_literal(line: bytes) -> tuple[int, bool] | None:
    """Which literal a line says will follow: its size, and whether it must not wait.

    >>> announced_literal(b"a LOGIN {3}"), announced_literal(b"a LOGIN bob {5+}")
    ((3, True), (5, False))

    The second value is True for a synchronizing literal; `{5+}` is RFC 7888 §3.
    """
    found = _ANNOUNCED.search(line[-13:])
    return (int(found[1]), not found[2]) if found else None


def split_literals(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """Cut what our side says into text and literals, for the record.

    >>> list(split_literals(b"* 1 FETCH (RFC822 {2}\\r\\nhi)\\r\\n"))[1:]
    [('literal', b'hi'), ('reply', b')\\r\\n')]
    """
    at = 0
    while found := _LITERAL.search(octets, at):
        end = found.end() + int(found[1])
        yield "reply", octets[at : found.end()]
        yield "literal", octets[found.end() : end]
        at = end
    yield "reply", octets[at:]


class Scanner:
    """Reads a command from left to right.

    >>> words = Scanner(b'STORE 2 +FLAGS (\\\\seen $Work)')
    >>> words.atom(), words.space(), words.number(), words.space(), words.atom()
    ('STORE', None, 2, None, '+FLAGS')
    >>> words.space(), words.flag_list()
    (None, ('\\\\Seen', '$Work'))
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.at = 0

    # Punctuation ----------------------------------------------------------------------

    def space(self) -> None:
        """Exactly one space."""
        if not self.take(b" "):
            raise BadSyntax("Missing argument" if self.at_end else "Expected a space")

    def end(self) -> None:
        """Nothing more may come."""
        if not self.at_end:
            raise BadSyntax("Too many arguments, or a character that must be quoted")

    @property
    def at_end(self) -> bool:
        """Was everything read?"""
        return self.at >= len(self._octets)

    def take(self, octets: bytes) -> bool:
        """Skip `octets` if they come next, in any case."""
        end = self.at + len(octets)
        if self._octets[self.at : end].upper() != octets:
            return False
        self.at = end
        return True

    def peek(self, octets: bytes) -> bool:
        """Do `octets` come next?"""
        return self._octets[self.at : self.at + len(octets)].upper() == octets

    def expect(self, octets: bytes) -> None:
        """Skip `octets`, which must come next."""
        if not self.take(octets):
            raise BadSyntax(f"Expected {octets.decode()}")

    def rest(self) -> bytes:
        """Everything that was not read."""
        rest = self._octets[self.at :]
        self.at = len(self._octets)
        return rest

    # Words ----------------------------------------------------------------------------

    def tag(self) -> str:
        """The client's name for its command."""
        return self.word(_TAG, "a tag").decode("ascii")

    def atom(self) -> str:
        """A word without special characters, as it was written."""
        return self.word(_ATOM, "a word").decode("ascii")

    def keyword(self) -> str:
        """An atom that is part of the language: upper case."""
        return self.atom().upper()

    def number(self) -> int:
        """A number of 32 bits."""
        number = int(self.word(_NUMBER, "a number"))
        if number > LARGEST:
            raise BadSyntax("Number too large")
        return number

    def string(self) -> bytes:
        """A quoted string or a literal."""
        if self.peek(b'"'):
            found = _QUOTED.match(self._octets, self.at)
            if not found:
                raise BadSyntax("A quoted string does not end, or has a wrong escape")
            self.at = found.end()
            return re.sub(rb"\\(.)", rb"\1", found[1])
        return self._literal()

    def astring(self) -> bytes:
        """An atom (that may have "]") or a string."""
        if self.peek(b'"') or self.peek(b"{"):
            return self.string()
        return self.word(_ASTRING, "a word or a string")

    def text(self) -> str:
        """An astring that people read, such as a user name."""
        try:
            return self.astring().decode("utf-8")  # deviation: 8-bit only if UTF-8
        except UnicodeDecodeError:
            raise BadSyntax("A string is not valid UTF-8") from None

    def mailbox(self) -> str:
        """A mailbox name. INBOX in any case is INBOX (RFC 3501 §5.1)."""
        return _mailbox_name(self.astring())

    def list_mailbox(self) -> str:
        """A mailbox name with wildcards (RFC 3501 §6.3.8)."""
        quoted = self.peek(b'"') or self.peek(b"{")
        octets = self.string() if quoted else self.word(_LIST_CHARS, "a mailbox name")
        return _mailbox_name(octets)

    def flag(self) -> str:
        """A flag, the system's in their usual spelling (RFC 3501 §2.3.2)."""
        flag = self.word(_FLAG, "a flag").decode("ascii")
        if flag.startswith("\\") and flag.lower() not in _CANONICAL:
            raise BadSyntax(f"{flag} is not a flag that a client can set")
        return _CANONICAL.get(flag.lower(), flag)

    def flag_list(self) -> tuple[str, ...]:
        """Flags in parentheses, perhaps none."""
        self.expect(b"(")
        flags: list[str] = []
        while not self.take(b")"):
            if flags:
                self.space()
            flags.append(self.flag())
        return tuple(dict.fromkeys(flags))

    def word(self, pattern: re.Pattern[bytes], expected: str) -> bytes:
        """What `pattern` matches here; `expected` names it for the peer."""
        found = pattern.match(self._octets, self.at)
        if not found:
            raise BadSyntax(f"Expected {expected}")
        self.at = found.end()
        return found[0]

    def _literal(self) -> bytes:
        found = _LITERAL.match(self._octets, self.at)
        if not found or found.end() + int(found[1]) > len(self._octets):
            raise BadSyntax("Expected a quoted string or a literal")
        self.at = found.end() + int(found[1])
        return self._octets[found.end() : self.at]


def _mailbox_name(octets: bytes) -> str:
    try:
        name = mutf7.from_wire(octets)
    except ValueError as error:
        raise BadSyntax(str(error)) from None
    return "INBOX" if name.upper() == "INBOX" else name


# Writing ------------------------------------------------------------------------------


def string(octets: bytes) -> bytes:
    """Write a string: quoted if it can be, else as a literal.

    >>> string(b'say "hi"'), string(b"two\\r\\nlines")
    (b'"say \\\\"hi\\\\""', b'{10}\\r\\ntwo\\r\\nlines')
    """
    if _QUOTABLE.fullmatch(octets):
        return b'"' + re.sub(rb'(["\\])', rb"\\\1", octets) + b'"'
    return literal(octets)


def literal(octets: bytes) -> bytes:
    """Write a literal: octets as they are, after their count."""
    return b"{%d}\r\n%b" % (len(octets), octets)


def nstring(octets: bytes | None) -> bytes:
    """Write a string, or NIL for nothing."""
    return b"NIL" if octets is None else string(octets)


def astring(octets: bytes) -> bytes:
    """Write a word as it is when it is an atom, else as a string."""
    plain = _ATOM.fullmatch(octets) and octets.upper() != b"NIL"
    return octets if plain else string(octets)


def mailbox(name: str) -> bytes:
    """Write a mailbox name."""
    return astring(mutf7.to_wire(name))


def flag_list(flags: frozenset[str] | tuple[str, ...]) -> bytes:
    """Write flags: the system's in the order of RFC 3501 §2.3.2, then keywords."""
    known = [flag for flag in (*SYSTEM_FLAGS, RECENT) if flag in flags]
    keywords = sorted(set(flags) - set(known))
    return b"(" + " ".join(known + keywords).encode() + b")"
