"""A maildrop during one POP3 session (RFC 1939 §5).

Goes in: messages, and the numbers that clients give. Comes out: messages and listings.

Rule 1: numbers count from 1 and stay as they are until the end, whatever is deleted.
Rule 2: only sizes and unique-ids are here: ten thousand messages are a short list.
"""

import re
from collections.abc import Callable, Sequence

from maillab.errors import Refused
from maillab.protocol.pop3_server_events import DropMessage
from maillab.wire.pop3 import Reply, listing


class Maildrop:
    """A snapshot of messages, some of which are marked as deleted."""

    def __init__(self, messages: Sequence[DropMessage] = ()) -> None:
        self._messages = messages
        self._deleted: set[int] = set()
        self.retrieved: set[str] = set()  # unique-ids

    def find(self, number: str) -> DropMessage:
        """The message with this number. Raises Refused."""
        if not re.fullmatch(r"[0-9]{1,9}", number):
            raise Refused(Reply(False, "Syntax: a message number"))
        index = int(number)
        if not 0 < index <= len(self._messages) or index in self._deleted:
            raise Refused(Reply(False, "No such message"))
        return self._messages[index - 1]

    def delete(self, number: str) -> None:
        """Mark a message as deleted. Raises Refused."""
        self.find(number)
        self._deleted.add(int(number))

    def undelete(self) -> None:
        """Remove all marks."""
        self._deleted.clear()

    @property
    def deleted(self) -> tuple[str, ...]:
        """The unique-ids of what is marked."""
        return tuple(self._messages[n - 1].unique_id for n in sorted(self._deleted))

    @property
    def sizes(self) -> list[int]:
        """The octets of each message that is not marked."""
        return [message.size for _, message in self._present()]

    @property
    def totals(self) -> str:
        """How much there is, for people."""
        sizes = self.sizes
        return f"{len(sizes)} messages ({sum(sizes)} octets)"

    def listed(self, argument: str, show: Callable[[DropMessage], str]) -> Reply:
        """The answer to LIST and UIDL, for one message or for all."""
        if argument:
            shown = show(self.find(argument))
            return Reply(True, f"{int(argument)} {shown}")
        rows = [f"{number} {show(message)}" for number, message in self._present()]
        return Reply(True, self.totals, body=listing(rows))

    def _present(self) -> list[tuple[int, DropMessage]]:
        numbered = enumerate(self._messages, 1)
        return [pair for pair in numbered if pair[0] not in self._deleted]
