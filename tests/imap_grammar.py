"""What an IMAP server may say, read strictly: from RFC 9051 §9, not from maillab.

Goes in: all that a server has said. Comes out: nothing, or an AssertionError that shows
the place. UTF-8 in quoted strings is allowed behind `* ENABLED` only.
"""

import re

ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]+")
TEXT = re.compile(rb"[^\r\n\x00]*")
NUMBER = re.compile(rb"(?:0|[1-9]\d{0,18})(?!\d)")
FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
QUOTED = re.compile(rb'"(?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*"')
QUOTED_UTF8 = re.compile(rb'"(?:[^"\\\r\n\x00]|\\["\\])*"')
LITERAL = re.compile(rb"(~?)\{(\d+)\}\r\n")
SET = re.compile(rb"\d+(?::\d+)?(?:,\d+(?::\d+)?)*(?=[ )\r])")
CODE = re.compile(rb"\[[A-Z][A-Z0-9=-]*(?: [^\]\r\n]+)?\] ")
ITEM = re.compile(rb"[A-Z][A-Z0-9.]*(?:\[[^\]\r\n]*\])?(?:<\d+>)?")
STATUS = (b"OK", b"NO", b"BAD")


class Reader:
    """Reads what was said from left to right."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0
        self.utf8 = False

    def take(self, octets: bytes) -> bool:
        found = self.octets.startswith(octets, self.at)
        self.at += len(octets) * found
        return found

    def need(self, what: bytes | re.Pattern[bytes]) -> bytes:
        if isinstance(what, bytes):
            assert self.take(what), self.place(what)
            return what
        found = what.match(self.octets, self.at)
        assert found, self.place(what.pattern)
        self.at = found.end()
        return found[0]

    def place(self, expected: bytes) -> str:
        before = self.octets[max(0, self.at - 60) : self.at]
        return f"{before!r} | {self.octets[self.at : self.at + 60]!r}: no {expected!r}"

    # Values

    def astring(self) -> None:
        if self.octets[self.at : self.at + 1] in b'"{~':
            self.string()
        else:
            self.need(re.compile(ATOM.pattern.replace(rb"\]", b"")))

    def string(self) -> None:
        found = LITERAL.match(self.octets, self.at)
        if not found:
            self.need(QUOTED_UTF8 if self.utf8 else QUOTED).decode("utf-8")
            return
        self.at = found.end() + int(found[2])
        assert self.at <= len(self.octets), "a literal is cut"
        assert found[1] or b"\0" not in self.octets[found.end() : self.at]

    def value(self) -> None:
        """A string, a number, NIL, or a list of them with single spaces or none."""
        if not self.take(b"("):
            if self.octets[self.at : self.at + 1] in (b'"', b"{", b"~"):
                self.string()
            else:
                self.need(FLAG)
            return
        while not self.take(b")"):
            self.value()
            if not self.take(b" "):
                assert self.octets[self.at : self.at + 1] in b"()", self.place(b")")

    def flags(self) -> None:
        self.need(b"(")
        while not self.take(b")"):
            self.need(FLAG)
            self.take(b" ")

    def pairs(self, name: re.Pattern[bytes]) -> None:
        """`(NAME value NAME value)`."""
        self.need(b"(")
        while True:
            self.need(name)
            self.need(b" ")
            self.value()
            if self.take(b")"):
                return
            self.need(b" ")

    # Responses

    def all(self) -> None:
        while self.at < len(self.octets):
            if self.take(b"+ "):
                self.need(TEXT)
            elif self.take(b"* "):
                self.untagged()
            else:
                self.need(TAG)
                self.need(b" ")
                self.status(self.need(ATOM))
            self.need(b"\r\n")

    def status(self, condition: bytes) -> None:
        assert condition in STATUS, condition
        self.need(b" ")
        if self.octets[self.at : self.at + 1] == b"[":
            self.need(CODE)
        assert self.need(TEXT), "a response needs a text"

    def untagged(self) -> None:
        number = NUMBER.match(self.octets, self.at)
        if number:
            self.need(NUMBER)
            self.need(b" ")
            self.numbered(self.need(ATOM), int(number[0]))
            return
        word = self.need(ATOM)
        if word in STATUS:
            self.status(word)
        elif word == b"BYE":
            self.status(b"OK")
        else:
            RESPONSES[word](self)

    def numbered(self, word: bytes, number: int) -> None:
        assert word in (b"EXISTS", b"RECENT", b"EXPUNGE", b"FETCH"), word
        assert number or word in (b"EXISTS", b"RECENT"), "messages count from 1"
        if word == b"FETCH":
            self.need(b" ")
            self.pairs(ITEM)

    def words(self) -> None:
        while self.take(b" "):
            self.need(ATOM)

    def enabled(self) -> None:
        start = self.at
        self.words()
        said = self.octets[start : self.at]
        self.utf8 = self.utf8 or b"IMAP4rev2" in said or b"UTF8=ACCEPT" in said

    def numbers(self) -> None:
        while self.take(b" "):
            if self.take(b"("):  # (MODSEQ 5)
                self.need(re.compile(rb"MODSEQ \d+\)"))
            else:
                self.need(NUMBER)

    def esearch(self) -> None:
        if self.take(b" (TAG "):
            self.need(QUOTED)
            self.need(b")")
        self.take(b" UID")
        while self.take(b" "):
            name = self.need(ATOM)
            self.need(b" ")
            self.need(SET if name == b"ALL" else NUMBER)

    def thread(self) -> None:
        if self.take(b" "):
            while self.octets[self.at : self.at + 1] == b"(":
                self.value()

    def listing(self) -> None:
        self.need(b" ")
        self.flags()
        self.need(b' "/" ')
        self.astring()
        if self.take(b" ("):
            while not self.take(b")"):
                self.astring()
                self.need(b" ")
                self.value()
                self.take(b" ")

    def counts(self) -> None:
        self.need(b" ")
        self.astring()
        self.need(b" ")
        self.pairs(ATOM)

    def vanished(self) -> None:
        self.take(b" (EARLIER)")
        self.need(b" ")
        self.need(SET)

    def quotaroot(self) -> None:
        while self.take(b" "):
            self.astring()

    def values(self) -> None:
        while self.take(b" "):
            self.value()

    def only_flags(self) -> None:
        self.need(b" ")
        self.flags()


RESPONSES = {
    b"CAPABILITY": Reader.words,
    b"ENABLED": Reader.enabled,
    b"ESEARCH": Reader.esearch,
    b"FLAGS": Reader.only_flags,
    b"ID": Reader.values,
    b"LIST": Reader.listing,
    b"LSUB": Reader.listing,
    b"NAMESPACE": Reader.values,
    b"QUOTA": Reader.values,
    b"QUOTAROOT": Reader.quotaroot,
    b"SEARCH": Reader.numbers,
    b"SORT": Reader.numbers,
    b"STATUS": Reader.counts,
    b"THREAD": Reader.thread,
    b"VANISHED": Reader.vanished,
}


def check(said: bytes) -> None:
    """Everything that was said is grammatical."""
    Reader(said).all()
