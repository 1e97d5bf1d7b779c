"""IMAP on the wire: the tokens of RFC 3501 §9 and RFC 9051 §9, read and written.

Goes in: one whole command or response, its literals where they stood. Comes out: words,
numbers, strings, lists, one after the other. And back.

Rule 1: a `Scanner` raises `BadSyntax` and nothing else, whatever it is given.
Rule 2: strings are octets. Only mailbox names and flags become text.
Rule 3: a string is written quoted when it can be, and as a literal when it must be.
Rule 4: `utf8` says what the client has enabled: UTF-8 in quoted strings and in mailbox
        names (RFC 6855 §3, RFC 9051 §5.1). Without it names are modified UTF-7.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from maillab.wire import mutf7

_NUMBER = re.compile(rb"\d{1,19}")
_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")  # ATOM-CHAR
_ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")  # ATOM-CHAR or "]"
_LIST_CHARS = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"\\]+")  # with "%" and "*"
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]+")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{(\d{1,19})\+?\}\r\n")
_ANNOUNCED = re.compile(rb"\{0*(\d+)(\+?)\}")
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # RFC 9051 §5.1
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7e]{0,1000}")
_QUOTABLE_UTF8 = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7e\x80-\xff]{0,1000}")

LARGEST = 2**32 - 1  # number, nz-number: "(0 <= n < 4,294,967,296)" (RFC 3501 §9)
LARGEST64 = 2**63 - 1  # number64: "unsigned 63-bit integer" (RFC 9051 §9)

SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
RECENT = "\\Recent"
_CANONICAL = {flag.lower(): flag for flag in SYSTEM_FLAGS}


class BadSyntax(ValueError):
    """A command breaks the grammar. The text says how, and may be shown to the peer."""


class BadName(BadSyntax):
    """A string that no mailbox name can be spelled like."""


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

    >>> announced_literal(b"a LOGIN {3}"), announced_literal(b"a APPEND x ~{5+}")
    ((3, True), (5, False))

    The second value is True for a synchronizing literal; `{5+}` is RFC 7888 §3, `~{5}`
    the literal8 of RFC 3516. A size of any length is an announcement: what follows it
    must not be read as a command.
    """
    found = _ANNOUNCED.fullmatch(line, max(0, line.rfind(b"{")))
    if not found:
        return None
    size = int(found[1]) if len(found[1]) <= 19 else LARGEST64
    return min(size, LARGEST64), not found[2]


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

    def __init__(self, octets: bytes, utf8: bool = False) -> None:
        self._octets = octets
        self.utf8 = utf8
        self.at = 0
        self.old_name = ""  # a mailbox name as it was given, if it is really another

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

    def read_from(self, start: int) -> bytes:
        """What was read since `start`, an earlier value of `at`."""
        return self._octets[start : self.at]

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
        return self._number(LARGEST)

    def number64(self) -> int:
        """A number of 63 bits: sizes (RFC 9051 §9) and modseqs (RFC 7162 §7)."""
        return self._number(LARGEST64)

    def string(self) -> bytes:
        """A quoted string or a literal."""
        if not self.peek(b'"'):
            return self._literal("a quoted string or a literal")
        found = _QUOTED.match(self._octets, self.at)
        if not found:
            raise BadSyntax("A quoted string does not end, or has a wrong escape")
        self.at = found.end()
        if self.utf8:  # deviation: without it 8-bit octets are taken as they are
            _decoded(found[1])
        return re.sub(rb"\\(.)", rb"\1", found[1])

    def literal(self) -> bytes:
        """A literal, which may be a literal8: `~{3}` (RFC 3516 §7)."""
        self.take(b"~")
        return self._literal("a literal")

    def astring(self) -> bytes:
        """An atom (that may have "]") or a string."""
        if self.peek(b'"') or self.peek(b"{"):
            return self.string()
        return self.word(_ASTRING, "a word or a string")

    def text(self) -> str:
        """An astring that people read, such as a user name."""
        return _decoded(self.astring())  # deviation: 8-bit without `utf8`, if UTF-8

    def mailbox(self) -> str:
        """A mailbox name. INBOX in any case is INBOX (RFC 3501 §5.1)."""
        return self._mailbox_name(self.astring())

    def list_mailbox(self) -> str:
        """A mailbox name with wildcards (RFC 3501 §6.3.8)."""
        quoted = self.peek(b'"') or self.peek(b"{")
        octets = self.string() if quoted else self.word(_LIST_CHARS, "a mailbox name")
        return self._mailbox_name(octets)

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
        by_key = {flag.lower(): flag for flag in reversed(flags)}  # the first stays
        return tuple(reversed(by_key.values()))

    def word(self, pattern: re.Pattern[bytes], expected: str) -> bytes:
        """What `pattern` matches here; `expected` names it for the peer."""
        found = pattern.match(self._octets, self.at)
        if not found:
            raise BadSyntax(f"Expected {expected}")
        self.at = found.end()
        return found[0]

    def _number(self, largest: int) -> int:
        number = int(self.word(_NUMBER, "a number"))
        if number > largest:
            raise BadSyntax("Number too large")
        return number

    def _literal(self, expected: str) -> bytes:
        found = _LITERAL.match(self._octets, self.at)
        if not found or self.peek(b"~"):
            raise BadSyntax(f"Expected {expected}")
        self.at = found.end() + int(found[1])
        if self.at > len(self._octets):
            raise BadSyntax("A literal is shorter than announced")
        return self._octets[found.end() : self.at]

    def _mailbox_name(self, octets: bytes) -> str:
        """Names are Net-Unicode (RFC 5198 §2): composed, without control characters.

        "Mailbox names MUST NOT contain control characters ..., a line separator, or a
        paragraph separator" (RFC 6855 §3).
        """
        try:
            name = _decoded(octets) if self.utf8 else mutf7.from_wire(octets)
        except ValueError as error:
            raise BadName(str(error)) from None
        if _NO_NAME.search(name):
            raise BadName("A mailbox name has no control characters")
        normal = unicodedata.normalize("NFC", name)
        if name.isascii() and name.upper() == "INBOX":
            normal = "INBOX"
        if normal != name:
            self.old_name = name
        return normal


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("A string is not valid UTF-8") from None


# Writing ------------------------------------------------------------------------------


def string(octets: bytes, utf8: bool = False) -> bytes:
    """Write a string: quoted if it can be, else as a literal.

    >>> string(b'say "hi"'), string(b"two\\r\\nlines")
    (b'"say \\\\"hi\\\\""', b'{10}\\r\\ntwo\\r\\nlines')
    """
    if _QUOTABLE.fullmatch(octets) or (utf8 and _is_quotable_utf8(octets)):
        return b'"' + re.sub(rb'(["\\])', rb"\\\1", octets) + b'"'
    return literal(octets)


def literal(octets: bytes) -> bytes:
    """Write a literal: octets as they are, after their count.

    "A 'binary string' is any string with NUL characters", and not permitted here (RFC
    3501 §4.3.1): NUL becomes 0x80, so that counts and offsets stay true.

    >>> literal(b"a\\0")
    b'{2}\\r\\na\\x80'
    """
    return b"{%d}\r\n%b" % (len(octets), octets.replace(b"\0", b"\x80"))


def literal8(octets: bytes) -> bytes:
    """Write octets of any kind, NUL too (RFC 3516 §7, RFC 9051 §4.3)."""
    return b"~{%d}\r\n%b" % (len(octets), octets)


def nstring(octets: bytes | None, utf8: bool = False) -> bytes:
    """Write a string, or NIL for nothing."""
    return b"NIL" if octets is None else string(octets, utf8)


def astring(octets: bytes, utf8: bool = False) -> bytes:
    """Write a word as it is when it is an atom, else as a string."""
    plain = _ATOM.fullmatch(octets) and octets.upper() != b"NIL"
    return octets if plain else string(octets, utf8)


def mailbox(name: str, utf8: bool = False) -> bytes:
    """Write a mailbox name: as UTF-8, or as modified UTF-7.

    >>> mailbox("Entwürfe"), mailbox("Entwürfe", utf8=True).decode()
    (b'Entw&APw-rfe', '"Entwürfe"')
    """
    return astring(name.encode() if utf8 else mutf7.to_wire(name), utf8)


def _is_quotable_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(_QUOTABLE_UTF8.fullmatch(octets))


def flag_list(flags: frozenset[str] | tuple[str, ...]) -> bytes:
    """Write flags: the system's in the order of RFC 3501 §2.3.2, then keywords."""
    known = [flag for flag in (*SYSTEM_FLAGS, RECENT) if flag in flags]
    keywords = sorted(set(flags) - set(known))
    return b"(" + " ".join(known + keywords).encode() + b")"
