"""What one session knows about its mailbox, and what it must still be told.

Goes in: the mailbox as it was when the session opened it, then every change of it.
Comes out: message numbers, and the untagged responses that keep the client in step.

Rule 1: the client's numbers change only by what it is told: a message that others
        removed keeps its number until EXPUNGE is sent (RFC 3501 §7.4.1).
Rule 2: nothing is told twice, and not what the client knows because it asked for it.
Rule 3: in which words is for the client to say (`enabled`): with MODSEQ (RFC 7162
        §3.1), VANISHED instead of EXPUNGE (RFC 7162 §3.2.10), without \\Recent
        (RFC 9051 App. E).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Set

from maillab.protocol.imap_server_events import Opened
from maillab.wire.imap import RECENT, flag_list
from maillab.wire.imap_sets import compact

NO_FLAGS: frozenset[str] = frozenset()


class View:
    """The numbers, flags and news of one session.

    saved           UIDs of `$`, the result of the last SEARCH (RFC 5182 §2.1)
    highest_modseq  of the mailbox (RFC 7162 §3.1.2.1)
    """

    def __init__(
        self,
        name: str,
        opened: Opened,
        enabled: Set[str] = frozenset(),
        *,
        read_only: bool,
    ) -> None:
        self.name = name
        self.read_only = read_only
        self.uids: list[int] = list(opened.messages)  # number n is uids[n - 1]
        self.saved: tuple[int, ...] = ()
        self.highest_modseq = opened.highest_modseq
        self._enabled = enabled
        self._recent: set[int] = set(opened.recent)
        self._known = dict(opened.messages)  # flags as the client knows them
        self._flags = dict(opened.messages)  # flags as they are
        self._modseqs = dict(opened.modseqs)
        self._changed: set[int] = set()
        self._arrived: dict[int, None] = {}  # in the order of their UIDs
        self._gone: dict[int, int] = {}  # with the modseq of the expunge
        self._holds_back = False  # the client was told that we do

    @property
    def count(self) -> int:
        """How many messages the client knows."""
        return len(self.uids)

    @property
    def recent(self) -> Set[int]:
        """The UIDs that are \\Recent in this session; in IMAP4rev2 none are."""
        return set[int]() if "IMAP4REV2" in self._enabled else self._recent

    def number(self, uid: int) -> int:
        """The message number of a UID that the client knows."""
        return bisect_left(self.uids, uid) + 1

    def flags(self, uid: int, flags: frozenset[str]) -> frozenset[str]:
        """Flags as the client sees them: with \\Recent, which is the session's."""
        return flags | {RECENT} if uid in self.recent else flags

    def exists(self, uid: int) -> bool:
        """Is the message still in the mailbox?"""
        return uid not in self._gone

    def modseq(self, uid: int) -> int:
        """The modseq of a message (RFC 7162 §3.1), as far as the session knows."""
        return self._modseqs.get(uid, 1)

    @property
    def deleted(self) -> tuple[int, ...]:
        """The UIDs of all messages that are marked \\Deleted."""
        marked = (u for u in self.uids if "\\Deleted" in self._flags.get(u, NO_FLAGS))
        return tuple(marked)

    @property
    def keywords(self) -> set[str]:
        """All keywords in use."""
        used = (flag for flags in self._flags.values() for flag in sorted(flags))
        keywords = (flag for flag in used if not flag.startswith("\\"))
        # "Foo" and "foo" are the same (RFC 9051 §9, note 1)
        return set({keyword.lower(): keyword for keyword in keywords}.values())

    @property
    def first_unseen(self) -> int | None:
        """The number of the first message without \\Seen."""
        unseen = (uid for uid in self.uids if "\\Seen" not in self._flags[uid])
        first = next(unseen, None)
        return None if first is None else self.number(first)

    # Changes --------------------------------------------------------------------------

    def added(
        self, uid: int, flags: frozenset[str], *, recent: bool, modseq: int = 0
    ) -> None:
        """A message arrived."""
        self._arrived[uid] = None
        self._flags[uid] = flags
        self._note(uid, modseq)
        if recent:
            self._recent.add(uid)

    def flagged(self, uid: int, flags: frozenset[str], modseq: int = 0) -> None:
        """The flags of a message changed."""
        self._flags[uid] = flags
        self._note(uid, modseq)
        self._changed.add(uid)

    def removed(self, uid: int, modseq: int = 0) -> None:
        """A message was expunged."""
        self._gone[uid] = modseq
        self.highest_modseq = max(self.highest_modseq, modseq)

    def told(self, uid: int, flags: frozenset[str], modseq: int = 0) -> None:
        """The client knows these flags: they were sent, or it set them itself.

        `modseq`: it knows this too. 0: it does not.
        """
        self._known[uid] = flags
        if flags == self._flags.get(uid) and modseq >= self.modseq(uid):
            self._changed.discard(uid)

    def known(self, uid: int) -> frozenset[str]:
        """The flags of a message as the client was last told."""
        return self._known.get(uid, NO_FLAGS)

    # News -----------------------------------------------------------------------------

    def news(self, *, expunge: bool) -> Iterator[bytes]:
        """The untagged responses that are due. `expunge`: EXPUNGE may be sent now."""
        self._forget_unheard()
        yield from self._fetches()
        if expunge and self._gone:
            yield from self._expunges()
        yield from self._modseq_until_expunge()
        if self._arrived:
            self.uids += self._arrived
            for uid in self._arrived:
                self._known[uid] = self._flags.get(uid, NO_FLAGS)
            self._arrived.clear()
            yield b"* %d EXISTS\r\n" % len(self.uids)
            if "IMAP4REV2" not in self._enabled:
                yield b"* %d RECENT\r\n" % len(self._recent)

    def flags_response(self, uid: int) -> bytes:
        """An untagged FETCH with the flags of a message, as they are.

        With the UID: "All unsolicited FETCH updates are required to include UID" (RFC
        9051 App. E), and for clients that want modseqs too (RFC 7162 §3.2.4).
        """
        flags = self._flags.get(uid, NO_FLAGS)
        items = [b"FLAGS %b" % flag_list(self.flags(uid, flags))]
        modseq = "CONDSTORE" in self._enabled
        if modseq or "IMAP4REV2" in self._enabled:
            items.insert(0, b"UID %d" % uid)
        if modseq:
            items.append(b"MODSEQ (%d)" % self.modseq(uid))
        self.told(uid, flags, self.modseq(uid) if modseq else 0)
        return b"* %d FETCH (%b)\r\n" % (self.number(uid), b" ".join(items))

    def _fetches(self) -> Iterator[bytes]:
        changed, self._changed = sorted(self._changed), set[int]()
        modseqs = "CONDSTORE" in self._enabled
        for uid in changed:
            told = self.known(uid) == self._flags.get(uid) and not modseqs
            if not (told or uid in self._gone or uid in self._arrived):
                yield self.flags_response(uid)

    def _expunges(self) -> Iterator[bytes]:
        gone = sorted(self._gone)
        for uid in gone:
            self._forget(uid)
        if "QRESYNC" in self._enabled:
            if gone:
                yield b"* VANISHED %b\r\n" % compact(gone).encode()
        else:
            for before, uid in enumerate(gone):  # each makes the later ones one less
                yield b"* %d EXPUNGE\r\n" % (self.number(uid) - before)
        self.uids = _without(self.uids, self._gone.keys())
        # "the server MUST remove it" from the result of the last SEARCH (RFC 5182 §2.1)
        self.saved = tuple(_without(self.saved, self._gone.keys()))
        self._gone = {}

    def _modseq_until_expunge(self) -> Iterator[bytes]:
        """Up to which modseq the client knows all, while an expunge must wait.

        "The server MUST send the HIGHESTMODSEQ response code with a lower value than
        the EXPUNGE's mod-sequence" (RFC 7162 §3.2); and the real one afterwards, as
        the client believes the last one it was told (RFC 7162 §6).
        """
        if "QRESYNC" not in self._enabled:
            return
        waiting = min(self._gone.values(), default=0)
        if waiting or self._holds_back:
            known = waiting - 1 if waiting else self.highest_modseq
            yield b"* OK [HIGHESTMODSEQ %d] All is told up to here\r\n" % known
        self._holds_back = bool(waiting)

    def _forget_unheard(self) -> None:
        """What came and went before the client heard of it never had a number."""
        for uid in self._gone.keys() & self._arrived.keys():
            del self._arrived[uid]
            self._forget(uid)
            del self._gone[uid]

    def _note(self, uid: int, modseq: int) -> None:
        self._modseqs[uid] = max(modseq, self.modseq(uid))
        self.highest_modseq = max(self.highest_modseq, modseq)

    def _forget(self, uid: int) -> None:
        self._recent.discard(uid)
        self._changed.discard(uid)
        for facts in (self._flags, self._known, self._modseqs):
            facts.pop(uid, None)


def _without(uids: Iterable[int], gone: Set[int]) -> list[int]:
    return [uid for uid in uids if uid not in gone]
