"""IMAP from outside: commands with literals, answers with literals, what is secret.

Goes in: lines of both sides. Comes out: what each one is, and how many octets of a
literal follow.

Rule: a literal follows when its announcement says so: at once with "+" (RFC 7888 §3),
      else when the server has agreed (RFC 9051 §4.3).
"""

from maillab.protocol import imap_server
from maillab.protocol.imap_server_commands import HANDLERS, RFC_OF
from maillab.protocol.imap_server_secrets import secret_spans
from maillab.trace.hearing.channel import LINES, WAIT
from maillab.trace.hearing.listeners import Listener, Said, whole
from maillab.wire.imap import announced_literal
from maillab.wire.lines import CRLF, Side

_LOADED = imap_server  # it fills the table of verbs
_LOGINS = frozenset({"LOGIN", "AUTHENTICATE"})
_MOST_TAGS = 1000  # commands without an answer that are remembered


class IMAPListener(Listener):
    """IMAP4: RFC 9051, RFC 3501, RFC 7888, RFC 4978."""

    verbs = HANDLERS
    rfc_of = RFC_OF
    content_ref = "RFC 9051 §4.3"

    def reset(self) -> None:
        """TLS has begun."""
        super().reset()
        self._verbs: dict[bytes, str] = {}  # of commands without an answer, by tag
        self._tag, self._verb = b"", ""  # of the last one
        self._raw = b""  # of a command that logs in, as far as it has come
        self._goes_on = False  # the next line belongs to the command
        self._literal: int | None = None  # announced; the server has not agreed yet
        self._asked = ""  # "idle" or "secret": the server has said "+"
        self._after_login = False  # a login was refused

    # The client -----------------------------------------------------------------------

    def client(self, line: bytes) -> Said:
        """A command, the rest of one, or what the server has asked for."""
        if self._asked:
            return self._answer(line)
        if not self._goes_on and self.login and not self.alone:
            return Said("continuation", whole(line), "RFC 9051 §6.2.2")
        if not self._goes_on:
            self._begin(line)
        said = Said("command", self._secret(line + CRLF), RFC_OF.get(self._verb, ""))
        self._announced(line)
        return said

    def _answer(self, line: bytes) -> Said:
        asked, self._asked = self._asked, ""
        if asked == "idle":
            return Said("continuation", (), "RFC 2177 §3")
        self.wait()
        return Said("continuation", whole(line), "RFC 9051 §6.2.2")

    def _begin(self, line: bytes) -> None:
        words = line.split(b" ", 2)
        verb = words[1].decode("ascii", "replace").upper() if len(words) > 1 else ""
        self._tag, self._verb, self._raw = words[0], verb.strip(), b""
        if len(self._verbs) < _MOST_TAGS:
            self._verbs[words[0]] = self._verb
        self.asks_tls |= self._verb == "STARTTLS"

    def _secret(self, octets: bytes) -> tuple[tuple[int, int], ...]:
        if self._after_login and self._verb not in self.verbs:
            return whole(octets.removesuffix(CRLF))  # it did not wait for the refusal
        if not self._raw or self._verb in _LOGINS:
            return secret_spans(self._raw, octets)
        return ()

    def _announced(self, line: bytes) -> None:
        """What follows the line: a literal, or the next command."""
        found = announced_literal(line)
        self._goes_on = found is not None
        if self._verb in _LOGINS and found:
            self._raw += line + CRLF
        if found is None:
            self._raw = b""
            self.login = self._verb == "AUTHENTICATE"
            if self.login:
                self.wait()
        elif found[1] and not self.alone:
            self._literal = found[0]
            self.wait()
        else:
            self.due["C"] = found[0]

    def block(self, side: Side, octets: bytes) -> Said:
        """A literal, or a piece of it."""
        if side == "S" or self._verb not in _LOGINS:
            return Said("literal", (), self.content_ref)
        secret = secret_spans(self._raw, octets, "literal")
        self._raw += octets
        return Said("literal", secret, self.content_ref)

    def is_command(self, line: bytes) -> bool:
        """Does this look like a tag and a verb?"""
        words = line.split(b" ", 2)
        verb = words[1].decode("ascii", "replace").upper() if len(words) > 1 else ""
        return verb in self.verbs

    # The server -----------------------------------------------------------------------

    def server(self, line: bytes) -> Said:
        """An untagged, a tagged response, or a request to go on."""
        found = announced_literal(line)
        self.due["S"] = found[0] if found else LINES
        if line.startswith(b"+ ") or line == b"+":
            self._asks()
            return Said("continuation")
        tag, _, rest = line.partition(b" ")
        verb = self._verbs.pop(tag, None)
        if verb is not None:
            self._finished(tag, verb, rest[:2].upper() == b"OK")
        return Said("reply")

    def _asks(self) -> None:
        if self._literal is not None:
            self.due["C"], self._literal = self._literal, None
            return
        self.go_on()
        self._asked = "idle" if "IDLE" in self._verbs.values() else "secret"

    def _finished(self, tag: bytes, verb: str, agreed: bool) -> None:
        """The answer to a command: whatever it waited for does not come any more."""
        if tag == self._tag:
            self._literal, self._goes_on, self._raw = None, False, b""
            self.login = False
            self.go_on()
        if verb in ("IDLE", "AUTHENTICATE"):
            self._asked = ""
        self._after_login = verb in _LOGINS and not agreed
        self.agreed |= verb == "STARTTLS" and agreed
        self.compresses |= verb == "COMPRESS" and agreed

    def gap(self, side: Side) -> None:
        """The end of a command, or the answer to it, may be missing."""
        if side == "C":
            self._goes_on, self._raw, self._literal = False, b"", None
        super().gap(side)

    def go_on(self) -> None:
        """Without an answer to an announced literal: it follows, most likely."""
        waits = self.due["C"] == WAIT
        super().go_on()
        if waits and self._literal is not None:
            self.due["C"], self._literal = self._literal, None
