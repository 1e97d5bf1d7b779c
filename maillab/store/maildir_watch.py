"""What other programs did to the folders of one user.

Goes in: folders as they are, the index as it was. Comes out: steps that make the index
(and then all sessions) agree with the folders.

Rule 1: other programs may bring mail (into new/ or cur/), change its flags (by
        renaming), remove it, and make and remove folders; whatever they do wins.
Rule 2: a message is gone only when two looks did not find it: a name that changes while
        one looks may be missed.
Rule 3: a folder is looked at when its time has changed, and again when that was just
        now: a second change within one tick of the clock leaves no other trace.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from maillab.store.changes import Added, Deleted, Flagged, Made, Removed
from maillab.store.mail_index import MailboxRow, MailIndex, split
from maillab.store.mail_index_steps import Observed, Octets
from maillab.store.mailbox_tree import STANDARD_FOLDERS, valid_name
from maillab.store.maildir_files import PLACES, Listing, UserFiles, has_lf, to_crlf
from maillab.store.maildir_following import KEYWORDS
from maillab.store.maildir_names import (
    FLAGS,
    from_file_name,
    from_folder,
    from_letters,
    identity,
    order_of,
)
from maillab.store.messages import (
    MailboxError,
    NewMessage,
    limited,
    stored,
)

MAX_FILE = 256 * 1024 * 1024  # octets; nobody mails such a file, and it fills memory
TICK = 2_000_000_000  # ns; file systems know the time of a change no better than so


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a folder, and when it had been changed last."""

    times: tuple[int, ...]
    settled: bool
    listing: Listing | None = None


class Watch:
    """Looks at the folders of one user. Raises OSError.

    problems   what a person should know is put here
    """

    def __init__(
        self, files: UserFiles, index: MailIndex, problems: Callable[[str], None]
    ) -> None:
        self.files = files
        self.index = index
        self._tell = problems
        self._seen: dict[str, Look] = {}
        self._folders: Look | None = None

    # Folders --------------------------------------------------------------------------

    def folders(self) -> list[str] | None:
        """All folders but INBOX; None: they are those of before."""
        look = self._look([self.files.root])
        before = self._folders
        if before is not None and before.settled and before.times == look.times:
            return None
        if not self._is_maildir(""):  # not even INBOX: the disk is gone
            raise FileNotFoundError(errno.ENOENT, "no Maildir", str(self.files.root))
        self._folders = look
        return sorted(name for name in self._names() if self._is_maildir(name))

    def _names(self) -> Iterator[str]:
        for name in self.files.disk.names(self.files.root):
            if name.startswith(".") and name not in (".", ".."):
                yield name

    def _is_maildir(self, name: str) -> bool:
        """No link: it may lead out of the store."""
        paths = [self.files.root / name / place for place in PLACES]
        if any(path.is_symlink() for path in (self.files.root / name, *paths) if name):
            self._tell(f"the folder {name!r} is ignored: it is a link")
            return False
        return all(path.is_dir() for path in paths)

    def folder_news(
        self, known: Iterable[MailboxRow], next_validity: int
    ) -> list[Observed]:
        """Mailboxes that other programs made or removed."""
        there = self.folders()
        if there is None:
            return []
        known = list(known)
        folders = {row.folder for row in known} | {""}
        gone = [row for row in known if row.folder and row.folder not in there]
        names = {row.name for row in known} - {row.name for row in gone}
        steps = [Observed(Deleted(row.validity)) for row in gone]
        for folder in there:
            name = self._name_of(folder)
            if folder in folders or not name:
                continue
            if name in names:
                self._tell(f"the folder {folder} is ignored: there is a second {name}")
                continue
            use = STANDARD_FOLDERS.get(name, "")
            steps.append(Observed(Made(next_validity, name, use), folder=folder))
            names.add(name)
            next_validity += 1
        return steps

    def _name_of(self, folder: str) -> str:
        try:
            return valid_name(from_folder(folder))
        except (ValueError, MailboxError):
            self._tell(f"the folder {folder!r} is ignored: it is no name of a mailbox")
            return ""

    # Messages -------------------------------------------------------------------------

    def look_at(self, folder: str) -> Look | None:
        """What is in a folder, unless it is what we expect."""
        paths = [self.files.root / folder / place for place in PLACES]
        before = self._seen.get(folder)
        look = self._look(paths)
        if before is not None and before.settled and before.times == look.times:
            return None
        listing = self.files.listing(folder)
        if listing.twice:
            self.files.separate(folder, listing.twice)
            listing = self.files.listing(folder)
        if listing.digest == self.files.digests.get(folder):
            self._seen[folder] = look
            return None
        return Look(look.times, look.settled, listing)

    def _look(self, paths: list[Path]) -> Look:
        now = self.files.disk.now_ns()
        times = tuple(self.files.disk.stat(path).st_mtime_ns for path in paths)
        return Look(times, now - max(times) > TICK)

    def agreed(self, folder: str, look: Look) -> None:
        """The index has now all that was seen."""
        self._seen[folder] = Look(look.times, look.settled)
        if look.listing is not None:
            self.files.digests[folder] = look.listing.digest

    def forget(self) -> None:
        """Look at all folders again, whatever their times say."""
        self._seen.clear()
        self._folders = None

    def news(self, mailbox: MailboxRow, listing: Listing) -> list[Observed]:
        """What happened to the messages of a mailbox."""
        left = dict(listing.files)
        keywords = self.keywords(mailbox)
        modseq = mailbox.modseq + 1
        missing: list[tuple[int, str]] = []
        steps: list[Observed] = []
        for uid, base, flags, written in self.index.names(mailbox.validity):
            found = left.pop(identity(base), None)
            if found is None:
                missing.append((uid, base))
            elif found[1] not in split(written) or _base_of(found) != base:
                new = _merged(found[1], self.index.flags(flags), keywords)
                step = Flagged(mailbox.validity, uid, new, modseq)
                steps.append(Observed(step, found[1], base=_base_of(found)))
        steps += self._gone(mailbox, missing, modseq)
        return [*steps, *self._new(mailbox, left, keywords)]

    def _gone(
        self, mailbox: MailboxRow, missing: list[tuple[int, str]], modseq: int
    ) -> list[Observed]:
        if not missing:
            return []
        again = self.files.listing(mailbox.folder).files
        waiting = set(self.files.leftovers())
        return [
            Observed(Removed(mailbox.validity, uid, modseq))
            for uid, base in missing
            if identity(base) not in again and base not in waiting
        ]

    def _new(
        self,
        mailbox: MailboxRow,
        files: Mapping[str, tuple[str, str, str]],
        keywords: Mapping[str, str],
    ) -> list[Observed]:
        found: list[Observed] = []
        here = mailbox.folder
        doomed = {identity(o.base) for o in self.index.doomed() if o.folder == here}
        for name in sorted(files.keys() - doomed, key=order_of):
            place, letters, file_name = files[name]
            base, _ = from_file_name(file_name)
            path = self.files.root / mailbox.folder / place / file_name
            read = self._read(path)
            if read is None:
                continue
            content, status = read
            uid = mailbox.uid_next + len(found)
            flags = from_letters(letters, keywords)
            new = _new_message(base, content, status, flags)
            message = stored(new, uid, mailbox.modseq + 1)
            octets = Octets(base, message.blob.read_header(), has_lf(base, content))
            step = Added(mailbox.validity, message)
            found.append(Observed(step, letters, octets))
        return found

    def _read(self, path: Path) -> tuple[bytes, os.stat_result] | None:
        """A file of another program; None when it is no message."""
        try:
            status = path.lstat()
            problem = _oddity(path, status)
            content = b"" if problem else self.files.disk.read(path)
        except FileNotFoundError:  # renamed or removed right now
            return None
        except PermissionError as error:
            content, status, problem = b"", os.stat_result([0] * 10), str(error)
        if problem:
            self._tell(f"{str(path)!r} is ignored: {problem}")
            return None
        return content, status

    # Keywords -------------------------------------------------------------------------

    def keywords(self, mailbox: MailboxRow) -> Mapping[str, str]:
        """The letters of keywords, with those that another program gave."""
        known = dict(self.index.keywords(mailbox.validity))
        for letter, name in self.foreign_keywords(mailbox).items():
            known[name] = letter
        return known

    def foreign_keywords(self, mailbox: MailboxRow) -> dict[str, str]:
        """Letter -> name, where the file knows more than the index."""
        path = self.files.root / mailbox.folder / KEYWORDS
        known = self.index.keywords(mailbox.validity)
        try:
            lines = self.files.disk.read(path).decode("ascii", "replace").splitlines()
        except FileNotFoundError:
            return {}
        pairs = (line.partition(" ") for line in lines)
        return {
            letter: name
            for at, _, name in pairs
            if (letter := to_letter(at)) and name and name not in known
            if letter not in known.values()
        }


def to_letter(number: str) -> str:
    """The letter of a keyword; "" when there is none.

    >>> to_letter("0"), to_letter("25"), to_letter("26")
    ('a', 'z', '')
    """
    at = int(number) if number.isascii() and number.isdigit() else 26
    return chr(ord("a") + at) if at < 26 else ""


def _oddity(path: Path, status: os.stat_result) -> str:
    """Why a name in a Maildir is no message; "" when it is one."""
    if not stat.S_ISREG(status.st_mode):  # a link could lead out of the store
        return "it is no file, but a folder, a link or a pipe"
    if status.st_size > MAX_FILE:
        return f"it is larger than {MAX_FILE} octets"
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    return ""


def _merged(
    letters: str, before: frozenset[str], keywords: Mapping[str, str]
) -> frozenset[str]:
    """What stands in the name, and what cannot stand there."""
    cannot = {flag for flag in before if flag not in FLAGS and flag not in keywords}
    return from_letters(letters, keywords) | cannot


def _new_message(
    base: str, content: bytes, status: os.stat_result, flags: frozenset[str]
) -> NewMessage:
    date = datetime.fromtimestamp(int(status.st_mtime), UTC)
    return NewMessage(to_crlf(base, content), date, limited(flags))


def _base_of(found: tuple[str, str, str]) -> str:
    return from_file_name(found[2])[0]
