"""The mailboxes of a mail program's IMAP session: which there are, and changing them.

Goes in: names, as people read them. Comes out: `Folder`s, numbers, quotas.

Rule: what the server cannot tell at once (LIST-EXTENDED, LIST-STATUS) is asked for one
      by one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from maillab.agents.mua_reading import Reading
from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.imap_client_events import Completed
from maillab.wire.imap_response import (
    Counted,
    Data,
    Exists,
    Expunged,
    Fetched,
    Listed,
    Quota,
    Vanished,
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox on the server. `use` is its special use ("\\\\Sent") or ""."""

    name: str
    delimiter: str
    attributes: tuple[str, ...]
    use: str = ""
    messages: int | None = None
    unseen: int | None = None

    @property
    def selectable(self) -> bool:
        """Messages can be in it."""
        lower = {attribute.lower() for attribute in self.attributes}
        return lower.isdisjoint(("\\noselect", "\\nonexistent"))


USES = ("\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\All")


class IMAPFolders:
    """The part of `IMAPSession` that is about mailboxes."""

    def __init__(self, reading: Reading, client: IMAPClient) -> None:
        self.reading = reading
        self.client = client

    async def ask(self, say: Callable[[], None]) -> Completed:
        """Say one command, and return how it went. Raises LabError: it was refused."""
        say()
        done = await self.reading.wait_for(Completed)
        self.reading.news += told_beside(done)
        return done

    def has(self, extension: str) -> bool:
        """The server offers it, or revision 2, which has it built in (RFC 9051 App. E).

        For such extensions only.
        """
        return self.client.offers(extension) or self.client.offers("IMAP4REV2")

    async def folders(self, *, counts: bool = False) -> list[Folder]:
        """All mailboxes; `counts`: with how many messages, and how many unseen."""
        client = self.client
        tell = "SPECIAL-USE" if client.offers("SPECIAL-USE") else ""
        extended, with_status = self.has("LIST-EXTENDED"), self.has("LIST-STATUS")
        if counts and with_status:
            tell = f"{tell} STATUS (MESSAGES UNSEEN)".strip()
        done = await self.ask(lambda: client.list(tell=tell if extended else ""))
        counted = {one.name: one.items for one in only(done.data, Counted)}
        found = [_folder(one, counted) for one in only(done.data, Listed)]
        if counts and not (extended and with_status):
            return [await self._counted(folder) for folder in found]
        return found

    async def _counted(self, folder: Folder) -> Folder:
        if not folder.selectable:
            return folder
        done = await self.ask(
            lambda: self.client.status(folder.name, "MESSAGES UNSEEN")
        )
        items = {one.name: one.items for one in only(done.data, Counted)}
        listed = Listed("LIST", folder.attributes, folder.delimiter, folder.name)
        return _folder(listed, items)

    async def find_use(self, use: str) -> Folder | None:
        """The mailbox for "\\\\Sent" and the like; by its name if nobody says so."""
        folders = await self.folders()
        usual = use.removeprefix("\\").lower()
        marked = (one for one in folders if one.use.lower() == use.lower())
        named = (one for one in folders if one.name.lower() == usual)
        return next(marked, None) or next(named, None)

    async def status(
        self, name: str, items: str = "MESSAGES UNSEEN UIDNEXT UIDVALIDITY"
    ) -> dict[str, Any]:
        """Numbers of a mailbox that need not be open: {"UNSEEN": 2, …}."""
        done = await self.ask(lambda: self.client.status(name, items))
        return {
            key: value
            for one in only(done.data, Counted)
            for key, value in one.items.items()
        }

    async def create(self, name: str, use: str = "") -> None:
        """Make a mailbox; `use` is said where the server takes it (RFC 6154 §3)."""
        told = use if self.client.offers("CREATE-SPECIAL-USE") else ""
        await self.ask(lambda: self.client.create(name, told))
        await self.subscribe(name)

    async def rename(self, old: str, new: str) -> None:
        """Give a mailbox another name, and the subscription with it."""
        await self.ask(lambda: self.client.rename(old, new))
        await self.subscribe(old, wanted=False)
        await self.subscribe(new)

    async def remove(self, name: str) -> None:
        """Delete a mailbox with all that is in it."""
        await self.ask(lambda: self.client.delete(name))
        await self.subscribe(name, wanted=False)

    async def subscribe(self, name: str, *, wanted: bool = True) -> None:
        """Other mail programs show what is subscribed."""
        await self.ask(lambda: self.client.subscribe(name, wanted=wanted))

    async def quotas(self, name: str = "INBOX") -> list[Quota]:
        """How full it is (RFC 9208); [] where the server does not say."""
        if not self.client.offers("QUOTA"):
            return []
        done = await self.ask(lambda: self.client.get_quota_root(name))
        return only(done.data, Quota)


Kind = TypeVar("Kind")


# Which news belong to a command, or are told to whoever gave it.
_ANSWERS: dict[str, tuple[type[Data], ...]] = {
    "SELECT": (Exists, Vanished, Fetched),
    "EXAMINE": (Exists, Vanished, Fetched),
    "IDLE": (Exists, Expunged, Vanished, Fetched),
    "NOOP": (Exists, Expunged, Vanished, Fetched),
    "UID FETCH": (Fetched,),
    "UID STORE": (Fetched,),
    "UID EXPUNGE": (Expunged, Vanished),
    "UID MOVE": (Expunged, Vanished),
    "UID REPLACE": (Expunged, Vanished),
}


def told_beside(done: Completed) -> list[Data]:
    """What somebody else did meanwhile: nobody will tell it again (RFC 9051 §7).

    >>> from maillab.wire.imap import Status
    >>> done = Status("OK", "done")
    >>> told_beside(Completed("UID FETCH", done, (Exists(7), Fetched(1, {}))))
    [Exists(count=7)]
    """
    answers = _ANSWERS.get(done.verb, ())
    news = (Exists, Expunged, Vanished, Fetched)
    beside = [one for one in done.data if isinstance(one, news)]
    return [one for one in beside if not isinstance(one, answers)]


def only(data: Iterable[object], kind: type[Kind]) -> list[Kind]:
    """Those of one kind."""
    return [one for one in data if isinstance(one, kind)]


def _folder(listed: Listed, counted: dict[str, dict[str, object]]) -> Folder:
    uses = {use.lower(): use for use in USES}
    use = next((uses[a.lower()] for a in listed.attributes if a.lower() in uses), "")
    items = counted.get(listed.name, {})
    messages, unseen = items.get("MESSAGES"), items.get("UNSEEN")
    return Folder(
        listed.name,
        listed.delimiter,
        listed.attributes,
        use,
        messages if isinstance(messages, int) else None,
        unseen if isinstance(unseen, int) else None,
    )
