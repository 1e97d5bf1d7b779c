"""A middlebox that hides STARTTLS, as some firewalls do to "inspect" mail.

Goes in: the octets of one direction of a connection, burst by burst. Comes out: as many
octets. `250-STARTTLS` of a server becomes `250-XXXXXXXA`, and the command STARTTLS of a
client that asks anyway becomes `XXXXXXXX`. The same for IMAP, and STLS of POP3.

Rule 1: no octet more, no octet less: TCP's sequence numbers stay right.
Rule 2: what has passed has passed: of a word that TCP cut in two, the end is replaced.
Rule 3: it reads plain text only: behind a TLS record it leaves everything alone.
"""

import re

from maillab.net.path import InFlight

TLS_RECORDS = b"\x14\x15\x16\x17"  # RFC 8446 §5.1: the first octet of a record
LONGEST_LINE = 1024

# What a server offers, and what a client asks for.
OFFERED = re.compile(
    rb"^(?:250[- ]|\* (?:OK \[)?CAPABILITY .*?|\S+ OK \[CAPABILITY .*?|)"
    rb"(STARTTLS|STLS)(?=[\s\]]|$)",
    re.IGNORECASE,
)
ASKED = re.compile(rb"^(?:\S+ )?(STARTTLS|STLS)\s*$", re.IGNORECASE)


class Stripper:
    """One direction of one connection. `offers`: this is the server's side."""

    def __init__(self, *, offers: bool) -> None:
        self._pattern = OFFERED if offers else ASKED
        self._last = b"A" if offers else b"X"
        self._line = b""  # of the line that is under way, what has passed
        self._encrypted = False

    def work_on(self, packet: InFlight) -> None:
        """Replace what this packet has of the word."""
        if packet.data and not self._encrypted:
            packet.data = self.rewrite(packet.data)

    def rewrite(self, data: bytes) -> bytes:
        """The octets that go on in the place of `data`.

        >>> Stripper(offers=True).rewrite(b"250-SIZE\\r\\n250 STARTTLS\\r\\n")
        b'250-SIZE\\r\\n250 XXXXXXXA\\r\\n'
        """
        out: list[bytes] = []
        for piece in data.splitlines(keepends=True):
            if not self._line and piece[:1] and piece[0] in TLS_RECORDS:
                self._encrypted = True
            out.append(piece if self._encrypted else self._masked(piece))
        return b"".join(out)

    def _masked(self, piece: bytes) -> bytes:
        """A piece of a line, with the word masked as far as it is in it."""
        passed = len(self._line)
        whole = self._line + piece
        found = self._pattern.search(whole.rstrip(b"\r\n"))
        if found:
            start, end = found.span(1)
            mask = b"X" * (end - start - 1) + self._last
            whole = whole[:start] + mask + whole[end:]
        self._line = b"" if piece.endswith(b"\n") else whole[-LONGEST_LINE:]
        return whole[passed:]
