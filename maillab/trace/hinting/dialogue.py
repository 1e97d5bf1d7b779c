"""What a session tells to somebody who knows its protocol: commands, replies, offers.

Goes in: a session of SMTP, POP3 or IMAP. Comes out: commands with their verbs, the rows
of replies, what the server offered in the clear and inside TLS.

Rule 1: all texts are masked as in every view.
Rule 2: only what was said is known: inside TLS without keys that is nothing.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from maillab.trace.lines import Line
from maillab.trace.session import Session

_SMTP = ("SMTP", "LMTP")
_ASKS_FOR_OFFERS = ("EHLO", "LHLO", "CAPA")
_SMTP_ROW = re.compile(r"250[- ](\S+) ?(.*)")
_IMAP_ROW = re.compile(r"(?:\* |.*\[)CAPABILITY ([^\]]*)", re.I)
_YES = re.compile(r"[23]\d\d|\+|\S+ OK\b")
_GOES_ON = re.compile(r"\d{3}-")


class Command(NamedTuple):
    """Something that the client asked for; `verb` is in capital letters."""

    line: Line
    verb: str
    argument: str


class Dialogue:
    """A session, read."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.protocol = session.protocol
        self.lines = session.lines

    @property
    def is_smtp(self) -> bool:
        """SMTP, or LMTP that is like it."""
        return self.protocol in _SMTP

    @cached_property
    def commands(self) -> list[Command]:
        """What the client asked for, in order."""
        return [
            self._command(line)
            for line in self.lines
            if line.speaker == "C" and line.what == "command"
        ]

    @cached_property
    def is_hidden(self) -> bool:
        """It goes on inside TLS, and nobody can read that."""
        has_tls = self.session.tls or self.session.opened
        return bool(has_tls) and not any(line.secure for line in self.lines)

    @cached_property
    def verbs(self) -> set[str]:
        """The verbs of all commands."""
        return {command.verb for command in self.commands}

    def command_at(self, line: Line) -> Command | None:
        """The command that a line is. Several lines may be of one event."""
        return self._by_offset.get(line.offset) if line.speaker == "C" else None

    @cached_property
    def _by_offset(self) -> dict[int, Command]:
        return {command.line.offset: command for command in self.commands}

    @cached_property
    def replies(self) -> list[Line]:
        """What the server said."""
        return [one for one in self.lines if one.speaker == "S" and not one.is_content]

    def find(self, *verbs: str) -> Command | None:
        """The first command with one of these verbs."""
        return next((one for one in self.commands if one.verb in verbs), None)

    def reply_to(self, line: Line) -> Line | None:
        """What the server said next, at last: the end of its reply."""
        later = (
            one
            for one in self.replies
            if (one.sent_ns, one.number) > (line.sent_ns, line.number)
        )
        return next((one for one in later if not _GOES_ON.match(one.rows[-1])), None)

    def agreed_to(self, command: Command) -> bool:
        """The server said yes."""
        reply = self.reply_to(command.line)
        return reply is not None and bool(_YES.match(reply.rows[-1]))

    @cached_property
    def offers(self) -> dict[bool, dict[str, str]]:
        """Word -> the rest of its row; in the clear (False), inside TLS (True)."""
        found: dict[bool, dict[str, str]] = {False: {}, True: {}}
        for secure, word, rest in self._offered():
            found[secure][word.upper()] = rest
        return found

    def offered(self, word: str) -> bool:
        """The server offered it, in the clear or inside TLS."""
        return any(word in offers for offers in self.offers.values())

    def _command(self, line: Line) -> Command:
        words = line.rows[0].split(" ", 2 if self.protocol == "IMAP" else 1)
        words = words[1:] if self.protocol == "IMAP" else words
        verb, argument = (*words, "", "")[:2]
        return Command(line, verb.upper(), argument)

    def _offered(self) -> Iterator[tuple[bool, str, str]]:
        asked = ""
        for line in self.lines:
            if line.speaker == "C":
                verb = self._command(line).verb
                asked = verb if verb in _ASKS_FOR_OFFERS else ""
                continue
            for row in line.rows:
                for word, rest in self._words(row, asked):
                    yield line.secure, word, rest

    def _words(self, row: str, asked: str) -> list[tuple[str, str]]:
        if self.protocol == "IMAP":
            found = _IMAP_ROW.match(row)
            return [(word, "") for word in found[1].split()] if found else []
        if asked == "CAPA" and not row.startswith(("+OK", "-ERR", ".")):
            word, _, rest = row.partition(" ")
            return [(word, rest)]
        match = _SMTP_ROW.match(row) if asked else None
        return [(match[1], match[2])] if match and asked != "CAPA" else []
