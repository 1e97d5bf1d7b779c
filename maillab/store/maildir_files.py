"""The Maildir folders of one user: files go where the index says.

Goes in: rows of the index. Comes out: files in tmp/, new/ and cur/.

Rule 1: whatever is new is written to tmp/ of the user first. From there it is renamed:
        nobody ever sees half of a message.
Rule 2: a message is in new/ until it has a flag; then in cur/, for ever.
Rule 3: other programs rename files at any time. What is not where it was is looked for.
Rule 4: `dirty` folders have changes that a crash could take back; `digests` say which
        names we expect in a folder, so that changes by others can be told from ours.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maillab.store.mail_disk import MailDisk
from maillab.store.mail_index import FileRow
from maillab.store.maildir_names import MARK, from_file_name, identity, with_info

PLACES = ("new", "cur")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in new/ and cur/ of a folder.

    files   identity -> ("new" or "cur", letters, name of the file)
    digest  of all names
    twice   folder and name of files of which there is another with the same base
    """

    files: dict[str, tuple[str, str, str]]
    digest: int
    twice: tuple[tuple[str, str], ...] = ()


class UserFiles:
    """The folders of one user. Everything raises OSError."""

    def __init__(self, root: Path, disk: MailDisk) -> None:
        self.root = root
        self.disk = disk
        self.tmp = root / "tmp"
        self.dirty: set[Path] = set()
        self.digests: dict[str, int] = {}

    # Folders --------------------------------------------------------------------------

    def make(self, folder: str) -> None:
        """Make a Maildir folder, or what it lacks."""
        path = self.root / folder
        self.disk.make_folder(path)
        for name in ("tmp", *PLACES):
            self.disk.make_folder(path / name)
        mark = path / "maildirfolder"
        if folder and not mark.exists():
            self.disk.write(mark, b"", self.disk.now_ns() / 1e9)
        self.dirty |= {path, self.root if folder else self.root.parent}

    def rename_folder(self, old: str, new: str) -> None:
        """A mailbox has another name; nothing happens where that is so already."""
        if old != new and (self.root / old).is_dir():
            try:
                self.disk.rename(self.root / old, self.root / new)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                self._merge(old, new)
            self.dirty.discard(self.root / old)
            self.dirty.add(self.root)
            self.digests.pop(old, None)

    def _merge(self, old: str, new: str) -> None:
        """Another program has just made a folder of the new name: one has all."""
        self.make(new)
        for place, name in [*self._names(old)]:
            if not (self.root / new / place / name).exists():
                self.disk.rename(
                    self.root / old / place / name, self.root / new / place / name
                )
        self.dirty |= {self.root / new / place for place in PLACES}
        self.remove_folder(old)

    def is_free(self, folder: str) -> bool:
        """Can a mailbox be renamed so?"""
        path = self.root / folder
        return not path.exists()

    def remove_folder(self, folder: str) -> None:
        """Remove a folder, unless there is mail in it that nobody has seen yet.

        It is put aside first: then nobody brings mail between the look and the end.
        """
        path, aside = self.root / folder, self.tmp / f"removed{folder}"
        if path.is_dir() and not aside.exists() and not self._has_mail(path):
            self.disk.rename(path, aside)
        if aside.is_dir():
            if not self._has_mail(aside):
                self.disk.remove_folder(aside)
            elif not path.exists():
                self.disk.rename(aside, path)
        self.dirty = {one for one in self.dirty if not one.is_relative_to(path)}
        self.dirty |= {self.root, self.tmp}
        self.digests.pop(folder, None)

    def _has_mail(self, path: Path) -> bool:
        for place in PLACES:
            with suppress(FileNotFoundError):  # another program removed it
                names = self.disk.names(path / place)
                if any(not name.startswith(".") for name in names):
                    return True
        return False

    def listing(self, folder: str) -> Listing:
        """What is there."""
        files: dict[str, tuple[str, str, str]] = {}
        digest = 0
        twice: list[tuple[str, str]] = []
        for place, name in self._names(folder):
            base, letters = from_file_name(name)
            if identity(base) in files:
                twice.append((place, name))
                continue
            files[identity(base)] = (place, letters, name)
            digest += hash((place, name))
        return Listing(files, digest, tuple(twice))

    def separate(self, folder: str, names: Iterable[tuple[str, str]]) -> None:
        """Two files claim to be one message, as when one was copied (`cp`).

        A second name for the same octets goes; other octets are another message.
        """
        here = self.root / folder
        for place, name in names:
            path, base = here / place / name, from_file_name(name)[0]
            others = [one for one in self._paths(folder, identity(base)) if one != path]
            with suppress(FileNotFoundError):  # it was only renamed while we looked
                if not others or not path.is_file():
                    continue
                if any(path.samefile(other) for other in others):
                    self.disk.remove(path)
                else:
                    number = self.disk.stat(path).st_ino
                    base, letters = from_file_name(name)
                    base = f"{base.split('.')[0]}.I{number}P{os.getpid()}.twice"
                    self.disk.rename(path, path.with_name(with_info(base, letters)))

    def _paths(self, folder: str, wanted: str) -> list[Path]:
        return [
            self.root / folder / place / name
            for place, name in self._names(folder)
            if identity(from_file_name(name)[0]) == wanted
        ]

    def names(self, folder: str) -> Iterator[str]:
        """The names of all files of a folder."""
        return (name for _, name in self._names(folder))

    def _names(self, folder: str) -> Iterator[tuple[str, str]]:
        for place in PLACES:
            for name in self.disk.names(self.root / folder / place):
                if not name.startswith("."):
                    yield place, name

    # Messages -------------------------------------------------------------------------

    def find(self, row: FileRow) -> Path | None:
        """Where a message is now; None: nowhere."""
        likely = (Path(path) for path in self.likely(row) if os.path.isfile(path))  # noqa: PTH113
        return next(likely, None) or self.search(row)

    def likely(self, row: FileRow) -> Iterator[str]:
        """Where it should be, the likeliest place first; a `Path` is slow to make."""
        folder = f"{self.root}/{row.folder}" if row.folder else f"{self.root}"
        for letters in reversed(row.written):
            yield f"{folder}/cur/{with_info(row.base, letters)}"
            if not letters:
                yield f"{folder}/new/{row.base}"
                yield f"{folder}/new/{with_info(row.base, letters)}"  # mbsync
        yield f"{self.tmp}/{row.base}"

    def search(self, row: FileRow) -> Path | None:
        """Look at all names for a message."""
        wanted = identity(row.base)
        for place, name in self._names(row.folder):
            path = self.root / row.folder / place / name
            if identity(from_file_name(name)[0]) == wanted and path.is_file():
                return path
        return None

    def read(self, row: FileRow) -> bytes | None:
        """The octets of a message, with the line ends of mail; None: it is nowhere."""
        octets = self._read_file(row)
        return to_crlf(row.base, octets) if octets and row.lf else octets

    def _read_file(self, row: FileRow) -> bytes | None:
        for path in self.likely(row):
            with suppress(FileNotFoundError, IsADirectoryError):
                return self.disk.read(Path(path))
        with suppress(FileNotFoundError):
            found = self.search(row)
            return self.disk.read(found) if found else None
        return None

    def place(self, row: FileRow) -> None:
        """Give the file of a message the name that it should have."""
        letters = row.written[-1]
        for _ in range(3):  # another program may rename it at the same time
            source = self.find(row)
            if source is None:
                return
            if source.parent != self.tmp:
                letters = self._with_news(row, from_file_name(source.name)[1])
            is_new = not letters and source.parent.name != "cur"
            base = from_file_name(source.name)[0]
            name = base if is_new else with_info(base, letters)
            target = self.root / row.folder / ("new" if is_new else "cur") / name
            if source == target:
                return
            with suppress(FileNotFoundError):
                self._rename(row.folder, source, target)
                return

    def _with_news(self, row: FileRow, found: str) -> str:
        """What another program did to the letters since we wrote them stays done."""
        wanted = row.written[-1]
        if found in row.written:
            return wanted
        before = set(row.written[-2] if len(row.written) > 1 else wanted)
        self.digests.pop(row.folder, None)  # the index is to hear of it
        new, gone = set(found) - before, before - set(found)
        return "".join(sorted(set(wanted) - gone | new))

    def _rename(self, folder: str, source: Path, target: Path) -> None:
        try:
            self.disk.rename(source, target)
        except FileNotFoundError:
            if source.exists():
                self.make(folder)
            raise
        if source.parent != self.tmp:
            self._expect(folder, source, -1)
        self._expect(folder, target, 1)
        self.dirty |= {source.parent, target.parent}

    def discard(self, row: FileRow) -> None:
        """Delete the file of a message that is gone."""
        with suppress(FileNotFoundError):  # another program removed the folder
            source = self.find(row)
            if source is not None:
                self.disk.remove(source)
                self.dirty.add(source.parent)
                if source.parent != self.tmp:
                    self._expect(row.folder, source, -1)

    def _expect(self, folder: str, path: Path, times: int) -> None:
        if folder in self.digests:
            self.digests[folder] += times * hash((path.parent.name, path.name))

    # New octets -----------------------------------------------------------------------

    def write(self, base: str, octets: bytes, mtime: float) -> None:
        """A new message, in tmp/."""
        self.disk.write(self.tmp / base, octets, mtime)
        self.disk.sync(self.tmp / base)

    def link(self, row: FileRow, base: str, mtime: float) -> bool:
        """The same octets once more, in tmp/. False: that cannot be."""
        source = self.find(row)
        if source is None or row.lf:
            return False
        if int(self.disk.stat(source).st_mtime) != int(mtime):
            return False
        try:
            self.disk.link(source, self.tmp / base)
        except FileNotFoundError:
            return False
        return True

    def undo(self, bases: list[str]) -> None:
        """Nothing was written."""
        for base in bases:
            with suppress(OSError):
                self.disk.remove(self.tmp / base)

    def leftovers(self) -> list[str]:
        """Files of ours in tmp/."""
        return [name for name in self.disk.names(self.tmp) if MARK in name]

    def rescue(self, name: str) -> None:
        """A whole message in tmp/ that no index knows: better twice than never."""
        source = self.tmp / name
        if name.endswith(f"{MARK}S={self.disk.stat(source).st_size}"):
            self.make("")
            self.disk.rename(source, self.root / "new" / name)

    def write_list(self, path: Path, lines: list[str]) -> None:
        """A small text file for other programs, whole or not at all."""
        data = "".join(f"{line}\n" for line in lines).encode()
        with suppress(FileNotFoundError):
            if self.disk.read(path) == data:
                return
        partial = self.tmp / f"list{MARK}{path.name}"
        self.disk.write(partial, data, self.disk.now_ns() / 1e9)
        self.disk.sync(partial)
        self.disk.rename(partial, path)
        self.dirty.add(path.parent)

    def sync(self) -> None:
        """What was changed survives."""
        for path in sorted(self.dirty):
            with suppress(FileNotFoundError):  # another program removed it
                self.disk.sync_folder(path)
            self.dirty.discard(path)


def has_lf(base: str, content: bytes) -> bool:
    """Lines of mail end with CRLF; those of local programs often with LF alone.

    What we wrote ourselves is as it should be, to the octet.
    """
    return MARK not in base and content.count(b"\n") != content.count(b"\r\n")


def to_crlf(base: str, content: bytes) -> bytes:
    """A file as a message, with the line ends of mail."""
    if not has_lf(base, content):
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
