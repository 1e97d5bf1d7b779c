"""What a mail program shows its user: a list of letters, and one of them.

Goes in: what a server gave, octets of strangers. Comes out: views.

Rule 1: letters are named as their protocol does: by UID in IMAP (RFC 9051 §2.3.1.1), by
        their place in the maildrop in POP3 (RFC 1939 §5).
Rule 2: a long mailbox is cut to its newest letters, and says so.
Rule 3: only text is shown: HTML loses its tags, attachments are named.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from maillab.agents.mua_imap import IMAPSession, open_imap
from maillab.agents.mua_imap_folders import Folder
from maillab.agents.mua_reading import read_by_pop3
from maillab.errors import LabError
from maillab.policy.encoded_words import decode_words
from maillab.trace.lines import clean
from maillab.trace.view import Table, View, plural
from maillab.wire.imap_preview import without_tags
from maillab.wire.imap_response import Fetched
from maillab.wire.message import Header
from maillab.wire.mime import Part, parse
from maillab.world.user import User

INBOX = "INBOX"
MOST_LISTED = 200
SHOWN_FIELDS = ("From", "To", "Cc", "Date", "Subject")
_ITEMS = "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM DATE SUBJECT)])"
_COLUMNS = ("number", "new", "from", "subject", "date", "octets")


@dataclass(frozen=True, slots=True)
class Listed:
    """A letter in a list."""

    number: int
    new: bool
    header: Header
    size: int

    @property
    def row(self) -> tuple[str, ...]:
        """As a row of the table."""
        sender, subject, date = (
            readable(self.header.get(name)) for name in ("From", "Subject", "Date")
        )
        new = "new" if self.new else ""
        return (str(self.number), new, sender, subject, date, f"{self.size:,}")


class MailList(View):
    """The letters of one mailbox, oldest first.

    numbers  what `world.letter` takes
    """

    def __init__(
        self, user: User, folder: str, protocol: str, letters: Sequence[Listed]
    ) -> None:
        self.user = user
        self.folder = folder
        self.protocol = protocol
        self.count = len(letters)
        self.letters = letters[-MOST_LISTED:]
        self.numbers = [letter.number for letter in self.letters]

    def describe(self) -> str:
        """One sentence."""
        new = sum(letter.new for letter in self.letters)
        hidden = self.count - len(self.letters)
        cut = f"; the oldest {hidden:,} are not listed" if hidden else ""
        news = f", {new} of them new" if self.protocol == "IMAP" else ""
        return clean(
            f"{self.user.address}, {self.folder}, by {self.protocol}: "
            f"{plural(self.count, 'letter')}{news}{cut}."
        )

    def table(self) -> Table:
        """A row for each letter."""
        caption = clean(f"{self.folder} of {self.user.address}")
        return Table(caption, _COLUMNS, [letter.row for letter in self.letters])

    def text(self) -> str:
        """All of it for a terminal."""
        return f"{self.describe()}\n\n{self.table().text()}"


class Letter(View):
    """One letter as a mail program shows it. `content` is what really came."""

    def __init__(self, user: User, number: int, content: bytes) -> None:
        self.user = user
        self.number = number
        self.content = content

    @cached_property
    def part(self) -> Part:
        """The letter as a tree of MIME parts."""
        return parse(self.content)

    @property
    def body(self) -> list[str]:
        """The text for people, line by line, printable."""
        texts = [p for p in self.part.walk() if p.media_type[0] == "text"]
        plain = [part for part in texts if part.media_type[1] == "plain"] or texts[:1]
        return [clean(row) for part in plain for row in _lines(part)]

    @property
    def attachments(self) -> list[str]:
        """What else is in it: the media types."""
        kinds = ("/".join(part.media_type) for part in self.part.walk())
        return [clean(k) for k in kinds if not k.startswith(("text/", "multipart/"))]

    def describe(self) -> str:
        """One sentence."""
        subject = readable(self.part.header.get("Subject")) or "without a subject"
        sender = readable(self.part.header.get("From")) or "nobody"
        size = plural(len(self.content), "octet")
        who = clean(self.user.address)
        return f"Letter {self.number} to {who} from {sender}: {subject} ({size})."

    def table(self) -> Table:
        """The fields of the header that people look at, and what is attached."""
        header = self.part.header
        rows = [
            (name, readable(value))
            for name in SHOWN_FIELDS
            if (value := header.get(name)) is not None
        ]
        rows += [("Attached", kind) for kind in self.attachments]
        return Table(f"Letter {self.number}", ("field", "value"), rows)

    def text(self) -> str:
        """Header and body for a terminal."""
        rows = [f"{name}: {value}" for name, value in self.table().rows]
        return "\n".join([*rows, "", *self.body])

    def html(self) -> str:
        """Header as a table, body as it is."""
        body = escape("\n".join(self.body))
        return f"{self.table().html()}<pre>{body}</pre>"


def readable(value: str | None) -> str:
    """A field body with its encoded words read, printable."""
    return clean(decode_words(value or ""))


def _lines(part: Part) -> list[str]:
    text = part.text
    if part.media_type[1] != "plain":
        text = without_tags(text)
    return text.splitlines()


# As the user's mail program -----------------------------------------------------------


def _imap(user: User) -> Awaitable[IMAPSession]:
    return open_imap(user.host, user.mua.settings, user.mua.tls)


def _maildrop(user: User) -> Awaitable[list[bytes]]:
    return read_by_pop3(user.host, user.mua.settings, user.mua.tls)


async def folders_by_imap(user: User) -> list[Folder]:
    """All mailboxes, with how many letters are in them. Raises LabError, OSError."""
    async with await _imap(user) as imap:
        return await imap.folders(counts=True)


async def list_by_imap(user: User, folder: str) -> list[Listed]:
    """The letters of a mailbox; nothing becomes read. Raises LabError, OSError."""
    async with await _imap(user) as imap:
        await imap.select(folder, read_only=True)
        uids = sorted(await imap.search("ALL"))
        hidden = uids[:-MOST_LISTED]
        told = await imap.summaries(uids[len(hidden) :], _ITEMS)
        unseen = [Listed(uid, False, Header(()), 0) for uid in hidden]
        return unseen + [_listed(one) for one in told]


def _listed(one: Fetched) -> Listed:
    found = (v for k, v in one.items.items() if k.upper().startswith("BODY["))
    header = next((value for value in found if isinstance(value, bytes)), b"")
    size = one.items.get("RFC822.SIZE")
    return Listed(
        one.uid or 0,
        "\\Seen" not in (one.flags or ()),
        Header.from_wire(header),
        size if isinstance(size, int) else 0,
    )


async def letter_by_imap(user: User, folder: str, uid: int) -> bytes:
    """One letter, which is read then (\\Seen). Raises LabError, OSError."""
    async with await _imap(user) as imap:
        await imap.select(folder)
        return await imap.content(uid, seen=True)


async def list_by_pop3(user: User) -> list[Listed]:
    """The letters of the maildrop, all fetched, as POP3 programs do."""
    letters = await _maildrop(user)
    return [
        Listed(number, False, Header.from_wire(letter), len(letter))
        for number, letter in enumerate(letters, 1)
    ]


async def letter_by_pop3(user: User, number: int) -> bytes:
    """One letter of the maildrop. Raises LabError: there is none of that number."""
    letters = await _maildrop(user)
    if not 1 <= number <= len(letters):
        raise LabError(
            f"letter {number!r}: the maildrop of {user.address} has "
            f"{plural(len(letters), 'letter')}"
        )
    return letters[number - 1]
