"""The one serving loop of all server agents: SMTP, POP3 and IMAP alike.

Goes in: a connection and a `Session` that decides. Comes out: nothing; it ends with the
session.

Rule: whatever fails while deciding is caught here and nowhere else. The trace gets the
traceback, the peer gets the protocol's word for "our fault".
"""

import ssl
import traceback
from dataclasses import dataclass
from typing import Protocol

from maillab.agents.conversation import Conversation
from maillab.agents.faults import Faults, FaultyConversation
from maillab.agents.machine import Machine, Stream
from maillab.policy.verdict import Verdict
from maillab.protocol.engine import Event, Pause, Question, StartTLS
from maillab.protocol.server import Server


@dataclass(frozen=True, slots=True)
class Security:
    """How a port uses TLS.

    context   None: not at all
    implicit  the handshake comes first (RFC 8314 §3), instead of STARTTLS
    """

    context: ssl.SSLContext | None = None
    implicit: bool = False

    @property
    def offers_upgrade(self) -> bool:
        """STARTTLS (STLS) makes sense."""
        return self.context is not None and not self.implicit


class Service(Protocol):
    """What listens at a port: one `serve` for each connection."""

    async def serve(self, stream: Stream) -> None:
        """Hold one session, from the greeting to the end of the connection."""
        ...


class Session(Protocol):
    """The agent of one connection."""

    @property
    def engine(self) -> Server:
        """What speaks."""
        ...

    @property
    def timeout(self) -> float | None:
        """How long to wait for the peer now, in seconds; None: for ever."""
        ...

    async def decide(self, question: Question) -> None:
        """Answer a question of the engine."""
        ...

    def notice(self, event: Event) -> None:
        """The engine told something that needs no answer."""
        ...

    def fail(self) -> None:
        """Answer the question that `decide` could not answer: it is our fault."""
        ...

    def end(self) -> None:
        """The session is over: leave nothing behind."""
        ...


async def serve(
    machine: Machine,
    stream: Stream,
    session: Session,
    security: Security,
    faults: Faults | None = None,
) -> None:
    """Hold one session, from the greeting to the end of the connection."""
    conversation = Conversation(machine, stream, session.engine)
    if faults is not None:
        conversation = FaultyConversation(faults, machine, stream, session.engine)
    try:
        if security.implicit and security.context is not None:
            await conversation.start_tls(security.context)
        await answer_all(conversation, session, security)
    except OSError:  # the network ended it; the trace has seen how
        stream.abort()
    else:
        await stream.close()
    finally:
        session.end()


async def answer_all(
    conversation: Conversation, session: Session, security: Security
) -> None:
    """Answer until the session ends. Raises what the network raises."""
    while True:
        event = await conversation.next_event(session.timeout)
        match event:
            case None if conversation.interrupted:
                continue  # the engine has news for its peer
            case None:
                return
            case StartTLS():
                assert security.context is not None, "it was offered"
                await conversation.start_tls(security.context)
                session.engine.tls_started()
            case Pause():
                await conversation.breathe()
            case Question():
                await answer(conversation, session, event)
            case _:
                session.notice(event)


async def answer(
    conversation: Conversation, session: Session, question: Question
) -> None:
    """Let the agent decide; on a failure of ours say so."""
    try:
        await session.decide(question)
    except Exception as error:  # noqa: BLE001  (the agent's top loop)
        tell_failure(conversation.machine, error, conversation.stream.id)
        session.fail()


def tell_verdict(
    machine: Machine, subject: str, verdict: Verdict, connection: str = ""
) -> None:
    """The trace gets what a policy decided, and why."""
    machine.emit(
        "policy",
        connection,
        subject=subject,
        verdict="accept" if verdict.accepted else "refuse",
        reason=verdict.reason,
        ref=verdict.rfc,
        rule=verdict.rule,
        setting=verdict.setting,
    )


def tell_failure(machine: Machine, error: Exception, connection: str = "") -> None:
    """Put an exception of ours into the trace."""
    text = "".join(traceback.format_exception(error))
    machine.emit("failure", connection, error=repr(error), traceback=text)
