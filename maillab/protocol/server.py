"""What the servers of SMTP, POP3 and IMAP share: a greeting, questions, and one place
where somebody may overrule them.

Goes in: bytes, answers, and perhaps an `Overrule`. Comes out: questions, events, bytes.

Rule: a command that is overruled is not carried out. The server really does not have
      the recipient to which somebody else's 451 was said.
"""

from collections.abc import Callable
from typing import Any

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import Engine, Event, Question

# Asked before anything is said: with the stage ("greeting", a verb, or "message" for
# the final dot of SMTP) and the argument. Returns a reply in the words of the protocol
# to say instead; None: go on as usual.
Overrule = Callable[[str, str], Any]


def nobody(_stage: str, _argument: str) -> None:
    """The usual `Overrule`."""


class Server(Engine):
    """One session, seen from the server. `language` is "smtp", "pop3" or "imap"."""

    language = ""

    def __init__(self, line_limit: int) -> None:
        super().__init__("S", line_limit)
        self.overrule: Overrule = nobody
        self._greeted = False
        self._question: Question | None = None

    def next_event(self) -> Event | None:
        """The next question, or what was answered without one; None: wait for bytes."""
        if self._question is not None:
            raise LocalProtocolError(f"answer {type(self._question).__name__} first")
        if not self._greeted:
            self._greeted = True
            self._question = self._say_greeting(self.overrule("greeting", ""))
            if self._question is not None:
                return self._question
        return self._go_on_reading()

    def refuse(self, refusal: Any) -> None:
        """Instead of a greeting, say this and hang up: the agent wants no session."""
        self._greeted = True
        self._say_greeting(refusal)

    def _say_greeting(self, refusal: Any) -> Question | None:
        """Say the first line, or ask; when it is a refusal, hang up behind it."""
        raise NotImplementedError

    def _go_on_reading(self) -> Event | None:
        raise NotImplementedError
