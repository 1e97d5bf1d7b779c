"""Reading messages part by part, however many they are.

Goes in: a question. Comes out: messages, one after the other, to whoever uses them.

Rule 1: the agent answers in parts (`Messages.rest`); between two of them there is a
        `Pause`: what was said leaves, slow readers are waited for, others have a turn.
Rule 2: no message is kept here after it was used.
"""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from maillab.protocol.engine import Pause
from maillab.protocol.imap_server_events import Messages, ReadMessages
from maillab.wire.imap_message import MessageData


def read(
    question: ReadMessages, use: Callable[[MessageData], None]
) -> Generator[ReadMessages | Pause, Any, int]:
    """Ask until all parts are here, and `use` each message (for `yield from`).

    Returns how many there were: fewer than asked for when others have expunged some.

        count = yield from read(ReadMessages(uids, "header"), use=candidates.look_at)
    """
    count = 0
    while question.uids:
        answer: Messages = yield question
        for data in answer.messages:
            use(data)
        count += len(answer.messages)
        question = replace(question, uids=answer.rest)
        if answer.rest:
            yield Pause()
    return count
