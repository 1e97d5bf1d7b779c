"""The messages of a mail program's IMAP session: lists, contents, flags, moves.

Goes in: UIDs. Comes out: `Fetched` values, octets, UIDs.

Rule 1: messages are named by UID, never by number: numbers move.
Rule 2: what a server cannot do is done in another way where that is safe: MOVE is COPY,
        \\Deleted and UID EXPUNGE. Without UIDPLUS nothing is expunged, since other
        people's deleted mail would go too.
Rule 3: a server may tell more than it was asked (flags that somebody has changed), and
        of one message in several pieces; and it may lie about how many there are.
"""

import base64
import binascii
import quopri
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from maillab.agents.mua_imap_folders import IMAPFolders, only
from maillab.errors import LabError
from maillab.protocol.imap_client_commands import Letter
from maillab.protocol.imap_client_events import Completed
from maillab.wire.imap import Status
from maillab.wire.imap_response import Extended, Fetched, Found, Threads
from maillab.wire.imap_response_codes import appended
from maillab.wire.imap_response_trees import BodyPart
from maillab.wire.imap_sets import compact

SUMMARY = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
MOST_FOUND = 1_000_000  # UIDs: "1:4294967295" is short, and long
AT_ONCE = 500  # UIDs of one command


class IMAPMessages(IMAPFolders):
    """The part of `IMAPSession` that is about messages of the open mailbox."""

    # Lists ----------------------------------------------------------------------------

    async def new_since(self, uid: int = 0, items: str = SUMMARY) -> list[Fetched]:
        """Messages with a higher UID, ascending; `Fetched.envelope` and the like."""
        found = await self._fetched(f"{uid + 1}:*", items)
        # "*" is the last message, also when its UID is smaller (RFC 9051 §9, seq-range)
        return [found[one] for one in sorted(found) if one > uid]

    async def summaries(
        self, uids: Sequence[int], items: str = SUMMARY
    ) -> list[Fetched]:
        """These messages, in this order, without those that are gone: one page."""
        found: dict[int, Fetched] = {}
        for messages in in_pieces(uids):
            found |= await self._fetched(messages, items)
        return [found[uid] for uid in uids if uid in found]

    async def changed_since(self, modseq: int) -> list[Fetched]:
        """UID and flags of what has changed (RFC 7162 §3.1.4.1).

        Raises LabError: the server cannot tell.
        """
        if not self.client.offers("CONDSTORE"):
            raise LabError(f"{self.reading.settings.server} has no CONDSTORE")
        # Dovecot looks for changes of others after FETCH: so something comes before it
        self.reading.news += (await self.ask(self.client.noop)).data
        done = await self.ask(
            lambda: self.client.fetch("1:*", "(UID FLAGS)", changed_since=modseq)
        )
        return [*merged(only(done.data, Fetched)).values()]

    async def search(self, *keys: str | bytes) -> list[int]:
        """The UIDs of what fits; `str` is language, `bytes` a text to look for."""
        return _found(await self.ask(lambda: self.client.search(*keys)))

    async def sort(self, order: str, *keys: str | bytes) -> list[int]:
        """The same, in an order such as "REVERSE DATE", "SUBJECT" (RFC 5256 §3).

        Raises LabError: the server cannot sort.
        """
        if not self.client.offers("SORT"):
            raise LabError(f"{self.reading.settings.server} has no SORT")
        return _found(await self.ask(lambda: self.client.sort(order, *keys)))

    async def threads(self, *keys: str | bytes) -> tuple[Any, ...]:
        """Conversations: (2, (3, 4), (5,)) forks at 2 (RFC 5256 §4).

        Raises LabError: the server cannot tell.
        """
        names = ("REFERENCES", "ORDEREDSUBJECT")
        offered = [one for one in names if self.client.offers(f"THREAD={one}")]
        if not offered:
            raise LabError(f"{self.reading.settings.server} has no THREAD")
        done = await self.ask(lambda: self.client.thread(offered[0], *keys))
        return tuple(one for told in only(done.data, Threads) for one in told.threads)

    async def _fetched(self, messages: str, items: str) -> dict[int, Fetched]:
        done = await self.ask(lambda: self.client.fetch(messages, items))
        return merged(only(done.data, Fetched))

    # Contents -------------------------------------------------------------------------

    async def content(
        self, uid: int, section: str = "", *, seen: bool = False
    ) -> bytes:
        """The octets of a message, or of one section. `seen`: set \\Seen.

        Raises LabError: there is no such message, or section.
        """
        peek = "" if seen else ".PEEK"
        found = await self._fetched(str(uid), f"(UID BODY{peek}[{section}])")
        if uid not in found:
            raise LabError(f"there is no message with UID {uid} here (any more)")
        wanted = f"BODY[{section}]".upper()
        for name, value in found[uid].items.items():
            if name.replace('"', "") == wanted and isinstance(value, bytes):
                return value
        raise LabError(f"the message with UID {uid} has no section {section!r}")

    async def part(self, uid: int, part: BodyPart, *, seen: bool = False) -> bytes:
        """What a part of `Fetched.structure` holds, base64 and the like taken off.

        Octets that are wrongly encoded come as they are.
        """
        octets = await self.content(uid, part.section, seen=seen)
        return decoded(octets, part.encoding)

    # Changes --------------------------------------------------------------------------

    async def set_flags(
        self,
        uids: Iterable[int],
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
    ) -> None:
        """Change flags."""
        wanted = (("+FLAGS.SILENT", {*add}), ("-FLAGS.SILENT", {*remove}))
        for messages in in_pieces([*uids]):
            for mode, flags in wanted:
                if flags:
                    await self.ask(partial(self.client.store, messages, mode, flags))

    async def copy(self, uids: Sequence[int], folder: str) -> None:
        """Copy messages to another mailbox."""
        for messages in in_pieces(uids):
            await self.ask(partial(self.client.copy, messages, folder))

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """Move messages to another mailbox."""
        if not self.has("MOVE"):
            await self.copy(uids, folder)
            await self.delete(uids)
            return
        for messages in in_pieces(uids):
            await self.ask(partial(self.client.move, messages, folder))

    async def delete(self, uids: Sequence[int]) -> None:
        """Remove messages for ever; without UIDPLUS they are only marked (rule 2)."""
        await self.set_flags(uids, add={"\\Deleted"})
        if self.has("UIDPLUS"):
            for messages in in_pieces(uids):
                await self.ask(partial(self.client.expunge, messages))

    async def exchange(
        self, uid: int, folder: str, content: bytes, flags: Iterable[str] = ()
    ) -> int | None:
        """Put a new draft in the place of an old one (RFC 8508, or append and delete).

        Returns the new UID, if the server tells it.
        """
        if not self.client.offers("REPLACE"):
            new = await self.append(folder, content, flags)
            await self.delete([uid])
            return new
        letter = Letter(content, tuple(flags))
        done = await self.ask(lambda: self.client.replace(str(uid), folder, letter))
        told = (appended(one) for one in [*only(done.data, Status), done.status])
        added = next(filter(None, told), None)
        return next(iter(added[1]), None) if added else None

    async def append(
        self, folder: str, content: bytes, flags: Iterable[str] = ()
    ) -> int | None:
        """Put a message into a mailbox. Returns its UID, if the server tells it."""
        kept = tuple(flags)
        done = await self.ask(lambda: self.client.append(folder, content, kept))
        added = appended(done.status)
        return next(iter(added[1]), None) if added else None

    async def append_to_sent(self, content: bytes) -> int | None:
        """Keep a copy of what was sent. Raises LabError: there is no place for it."""
        sent = await self.find_use("\\Sent")
        if sent is None:
            raise LabError("there is no mailbox for sent mail: create one named Sent")
        return await self.append(sent.name, content, {"\\Seen"})


def merged(found: Iterable[Fetched]) -> dict[int, Fetched]:
    """By UID; what came in pieces is put together (rule 3).

    >>> told = [Fetched(1, {"UID": 7, "BODY[]": b"x"}), Fetched(1, {"UID": 7, "X": 1})]
    >>> merged([*told, Fetched(2, {"FLAGS": ()})])[7].items
    {'UID': 7, 'BODY[]': b'x', 'X': 1}
    """
    together: dict[int, Fetched] = {}
    for one in found:
        if one.uid:
            before = together.get(one.uid, one)
            together[one.uid] = replace(one, items=before.items | one.items)
    return together


def in_pieces(uids: Sequence[int]) -> list[str]:
    """Sets of UIDs that fit into a command: servers take lines of 8,000 octets.

    >>> in_pieces([3, 1, 2]), in_pieces([]), len(in_pieces(range(1, 5001, 2)))
    (['1:3'], [], 5)
    """
    starts = range(0, len(uids), AT_ONCE)
    return [compact(uids[at : at + AT_ONCE]) for at in starts]


def decoded(octets: bytes, encoding: str) -> bytes:
    """Without its Content-Transfer-Encoding (RFC 2045 §6); as it is when it has none.

    >>> decoded(b"R3L8w59l", "base64"), decoded(b"a=3Db=\\r\\n", "quoted-printable")
    (b'Gr\\xfc\\xc3\\x9fe', b'a=b')
    """
    try:
        if encoding == "base64":
            return base64.b64decode(octets)
    except binascii.Error:
        return octets
    return quopri.decodestring(octets) if encoding == "quoted-printable" else octets


def _found(done: Completed) -> list[int]:
    """The UIDs of SEARCH, SORT or ESEARCH. Raises LabError: nobody has so many."""
    sets = [one.all for one in only(done.data, Extended)]
    if sum(map(len, sets)) > MOST_FOUND:
        raise LabError("the server says that it has found more than a million messages")
    found = [uid for one in only(done.data, Found) for uid in one.numbers]
    return found + [uid for one in sets for uid in one]
