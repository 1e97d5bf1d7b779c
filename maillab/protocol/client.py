"""What the clients of SMTP and POP3 share: commands, and replies in their order.

Goes in: steps, each a command and what to do with its reply. Comes out: octets, as soon
as the protocol lets them leave; events.

Rule 1: commands may be given at any time. They leave one after the other, or in groups
        where the server offers PIPELINING (RFC 2920 §3.1, RFC 2449 §6.8).
Rule 2: replies come in the order of the commands.
"""

from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Generic, TypeVar

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import Engine, Event, StartTLS
from maillab.wire import sasl
from maillab.wire.lines import CRLF, LineTooLong

Reply = TypeVar("Reply")
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Step(Generic[Reply]):
    """A command, and what to do with its reply; `many_lines`: the reply has a body."""

    verb: str
    octets: bytes
    on_reply: Callable[[Reply], None]
    secret: Spans = ()
    many_lines: bool = False


@dataclass(frozen=True, slots=True)
class Garbled(Event):
    """The server said what its protocol does not allow. The session is over."""

    octets: bytes
    why: str


class Client(Engine, Generic[Reply]):
    """One session, seen from the client.

    capabilities  keyword to parameters, as the server told them last
    user          who has logged in, "" for nobody
    ended         why the session ended without QUIT, in words; "" otherwise
    """

    protocol = ""
    ends_group: Set[str] = frozenset()  # commands behind which nothing may be sent yet
    rfc_of: Mapping[str, str] = {}
    usual_rfc = ""  # of commands that `rfc_of` does not name

    def __init__(
        self, line_limit: int, *, pipelining: bool, implicit_tls: bool
    ) -> None:
        super().__init__("C", line_limit)
        self.tls_active = implicit_tls
        self.capabilities: dict[str, str] = {}
        self.user = ""
        self.ended = ""
        self._may_pipeline = pipelining
        self._events: deque[Event] = deque()
        self._unsent: deque[Step[Reply]] = deque()
        self._sent_steps: deque[Step[Reply]] = deque()  # their replies are to come
        self._in_handshake = False
        self._cancelled = False  # a login; what comes now is its refusal

    def offers(self, extension: str) -> bool:
        """Did the server say that it can do this?"""
        return extension.upper() in self.capabilities

    def next_event(self) -> Event | None:
        """What the server said."""
        while not self._events:
            if self.closed or self._in_handshake or not self._read():
                break
        return self._events.popleft() if self._events else None

    def time_out(self) -> None:
        """The server is silent: hang up."""
        self._end("the server did not answer in time")

    def receive_eof(self) -> None:
        """The server has hung up."""
        self._end("the server closed the connection")

    def tls_started(self) -> None:
        """Forget what the server said in plain text (RFC 3207 §4.2, RFC 2595 §4)."""
        super().tls_started()
        self._in_handshake = False
        self.capabilities = {}

    # For the protocols ----------------------------------------------------------------

    def _read(self) -> bool:
        """Understand something of what came; False: more bytes are needed."""
        try:
            line = self._lines.next_line()
        except LineTooLong as error:
            self._garbled(b"", str(error))
            return True
        if line is None:
            return False
        self._heard(line + CRLF, "reply", ref=self._ref)
        self._hear(line)
        return True

    def _hear(self, line: bytes) -> None:
        """Understand one line."""
        raise NotImplementedError

    @property
    def _ref(self) -> str:
        """The section of the command that is being answered."""
        verb = self._sent_steps[0].verb if self._sent_steps else ""
        return self.rfc_of.get(verb, self.usual_rfc)

    def _ask_for_tls(self, verb: str, refused: Callable[[Reply], Event]) -> None:
        """Say STARTTLS or STLS; `refused` makes the event of a refusal."""
        if self.tls_active:
            raise LocalProtocolError("TLS is active already")

        def on_reply(reply: Reply) -> None:
            self._in_handshake = self._agrees_to_tls(reply)
            self._events.append(StartTLS() if self._in_handshake else refused(reply))

        self._add(Step(verb, verb.encode() + CRLF, on_reply))

    def _agrees_to_tls(self, reply: Reply) -> bool:
        raise NotImplementedError

    def _add(self, step: Step[Reply], *, first: bool = False) -> None:
        """Send a step when it may leave; `first`: before all that waits."""
        if self.closed:
            raise LocalProtocolError("the session is over")
        if first:
            self._unsent.appendleft(step)
        else:
            self._unsent.append(step)
        self._send_what_may_leave()

    def _send_what_may_leave(self) -> None:
        while self._unsent and not self.closed and self._may_send_now():
            self._send_step(self._unsent.popleft())

    def _may_send_now(self) -> bool:
        if self._in_handshake or not self._sent_steps:
            return not self._in_handshake
        pipelining = self._may_pipeline and self.offers("PIPELINING")
        return pipelining and self._sent_steps[-1].verb not in self.ends_group

    def _send_step(self, step: Step[Reply], what: str = "command") -> None:
        ref = self.rfc_of.get(step.verb, self.usual_rfc)
        self._say(step.octets, what, secret=step.secret, ref=ref)
        self._cancelled &= what == "continuation"
        self._sent_steps.append(step)

    def _say_response(
        self, response: bytes | None, on_reply: Callable[[Reply], None]
    ) -> None:
        """Answer a challenge; None cancels (RFC 4954 §4, RFC 5034 §4)."""
        if self._cancelled:  # else a hostile server keeps us for ever
            self._end("the server goes on with a login that was cancelled")
            return
        self._cancelled = response is None
        line = b"*" if response is None else sasl.encode(response)
        step = Step("AUTH", line + CRLF, on_reply, ((0, len(line)),))
        self._send_step(step, "continuation")

    def _garbled(self, octets: bytes, why: str) -> None:
        self._events.append(Garbled(octets, why))
        self._end(f"the server does not speak {self.protocol}: {why}")

    def _end(self, why: str) -> None:
        if not self.closed:
            self.ended = why
            self.closed = True
