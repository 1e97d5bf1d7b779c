"""The top loop of every server agent: SMTP, POP3 and IMAP alike.

Goes in: a conversation and somebody who decides. Comes out: nothing; it ends with the
session.

Rule: whatever fails while deciding is caught here and nowhere else. The trace gets the
traceback, the peer gets the protocol's word for "our fault".
"""

import ssl
import traceback
from typing import Protocol

from maillab.agents.conversation import Conversation
from maillab.protocol.engine import Question, StartTLS


class Decider(Protocol):
    """The agent of one session."""

    async def decide(self, question: Question) -> None:
        """Answer a question of the engine."""
        ...

    def fail(self) -> None:
        """Answer the question that `decide` could not answer."""
        ...


async def serve(
    conversation: Conversation,
    decider: Decider,
    tls_context: ssl.SSLContext | None,
    timeout: float,
) -> None:
    """Answer until the session ends. `timeout` in seconds for each wait."""
    try:
        while (event := await conversation.next_event(timeout)) is not None:
            if isinstance(event, StartTLS):
                await start_tls(conversation, tls_context)
            elif isinstance(event, Question):
                await answer(conversation, decider, event)
    except OSError:  # the network ended it; the trace has seen how
        conversation.stream.abort()
    else:
        await conversation.stream.close()


async def answer(
    conversation: Conversation, decider: Decider, question: Question
) -> None:
    """Let the agent decide; on a failure of ours say so."""
    try:
        await decider.decide(question)
    except Exception as error:  # noqa: BLE001  (the agent's top loop)
        report_failure(conversation, error)
        decider.fail()


def report_failure(conversation: Conversation, error: Exception) -> None:
    """Put an exception of ours into the trace."""
    conversation.machine.emit(
        "failure",
        conversation.stream.id,
        error=repr(error),
        traceback="".join(traceback.format_exception(error)),
    )


async def start_tls(conversation: Conversation, context: ssl.SSLContext | None) -> None:
    """Do the handshake that the engine agreed to. Raises OSError when it fails."""
    assert context is not None, "the engine offers STARTTLS only with a certificate"
    await conversation.stream.start_tls(context, server_side=True)
    conversation.engine.tls_started()
