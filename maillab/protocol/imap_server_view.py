"""What one session knows about its mailbox, and what it must still be told.

Goes in: the mailbox as it was when the session opened it, then every change of it.
Comes out: message numbers, and the untagged responses that keep the client in step.

Rule 1: the client's numbers change only by what it is told: a message that others
        removed keeps its number until EXPUNGE is sent (RFC 3501 §7.4.1).
Rule 2: nothing is told twice, and not what the client knows because it asked for it.
"""

from bisect import bisect_left
from collections.abc import Iterator

from maillab.protocol.imap_server_events import Opened
from maillab.wire.imap import RECENT, flag_list

NO_FLAGS: frozenset[str] = frozenset()


class View:
    """The numbers, flags and news of one session."""

    def __init__(self, name: str, opened: Opened, *, read_only: bool) -> None:
        self.name = name
        self.read_only = read_only
        self.uids: list[int] = list(opened.messages)  # number n is uids[n - 1]
        self.recent: set[int] = set(opened.recent)
        self._known = dict(opened.messages)  # flags as the client knows them
        self._flags = dict(opened.messages)  # flags as they are
        self._changed: set[int] = set()
        self._arrived: list[int] = []
        self._gone: set[int] = set()

    @property
    def count(self) -> int:
        """How many messages the client knows."""
        return len(self.uids)

    def number(self, uid: int) -> int:
        """The message number of a UID that the client knows."""
        return bisect_left(self.uids, uid) + 1

    def flags(self, uid: int, flags: frozenset[str]) -> frozenset[str]:
        """Flags as the client sees them: with \\Recent, which is the session's."""
        return flags | {RECENT} if uid in self.recent else flags

    def exists(self, uid: int) -> bool:
        """Is the message still in the mailbox?"""
        return uid not in self._gone

    @property
    def deleted(self) -> tuple[int, ...]:
        """The UIDs of all messages that are marked \\Deleted."""
        marked = (u for u in self.uids if "\\Deleted" in self._flags.get(u, NO_FLAGS))
        return tuple(marked)

    @property
    def keywords(self) -> set[str]:
        """All keywords in use."""
        used = (flag for flags in self._flags.values() for flag in flags)
        return {flag for flag in used if not flag.startswith("\\")}

    @property
    def first_unseen(self) -> int | None:
        """The number of the first message without \\Seen."""
        unseen = (uid for uid in self.uids if "\\Seen" not in self._flags[uid])
        first = next(unseen, None)
        return None if first is None else self.number(first)

    # Changes --------------------------------------------------------------------------

    def added(self, uid: int, flags: frozenset[str], *, recent: bool) -> None:
        """A message arrived."""
        self._arrived.append(uid)
        self._flags[uid] = flags
        if recent:
            self.recent.add(uid)

    def flagged(self, uid: int, flags: frozenset[str]) -> None:
        """The flags of a message changed."""
        self._flags[uid] = flags
        self._changed.add(uid)

    def removed(self, uid: int) -> None:
        """A message was expunged."""
        self._gone.add(uid)

    def told(self, uid: int, flags: frozenset[str]) -> None:
        """The client knows these flags: they were sent, or it set them itself."""
        self._known[uid] = flags

    def known(self, uid: int) -> frozenset[str]:
        """The flags of a message as the client was last told."""
        return self._known.get(uid, NO_FLAGS)

    # News -----------------------------------------------------------------------------

    def news(self, *, expunge: bool) -> Iterator[bytes]:
        """The untagged responses that are due. `expunge`: EXPUNGE may be sent now."""
        yield from self._fetches()
        if expunge:
            yield from self._expunges()
        if self._arrived:
            self.uids += self._arrived
            for uid in self._arrived:
                self._known[uid] = self._flags.get(uid, NO_FLAGS)
            self._arrived = []
            yield b"* %d EXISTS\r\n" % len(self.uids)
            yield b"* %d RECENT\r\n" % len(self.recent)

    def _fetches(self) -> Iterator[bytes]:
        changed, self._changed = sorted(self._changed), set[int]()
        for uid in changed:
            flags = self._flags[uid]
            if uid in self._gone or uid in self._arrived or self.known(uid) == flags:
                continue
            self._known[uid] = flags
            shown = flag_list(self.flags(uid, flags))
            yield b"* %d FETCH (FLAGS %b)\r\n" % (self.number(uid), shown)

    def _expunges(self) -> Iterator[bytes]:
        gone, self._gone = sorted(self._gone), set[int]()
        for uid in gone:
            self._forget(uid)
            if uid in self._arrived:  # came and went before the client heard of it
                self._arrived.remove(uid)
                continue
            number = self.number(uid)
            del self.uids[number - 1]
            yield b"* %d EXPUNGE\r\n" % number

    def _forget(self, uid: int) -> None:
        self.recent.discard(uid)
        self._flags.pop(uid, None)
        self._known.pop(uid, None)
