"""Disks for tests of the mail store: quick ones, and such as fail, end or forget."""

import errno
import os
import shutil
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from maillab.store.mail_disk import MailDisk
from maillab.store.mail_store import MailStore

ANN = "ann@here.example"
NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
LETTER = b"Subject: hi\r\nMessage-ID: <1@a>\r\n\r\nHello\r\n"
OTHER = LETTER.replace(b"hi", b"other")


class QuickDisk(MailDisk):
    """Counts its steps, and syncs nothing."""

    synchronous = "OFF"

    def __init__(self):
        self.steps = 0
        self.commits = 0

    def step(self, what, path):
        self.steps += 1
        self.commits += what == "commit"

    def sync(self, path):
        self.step("sync", path)

    def sync_folder(self, path):
        self.step("sync", path)


class Crash(Exception):
    """The process ends here."""


class CrashingDisk(QuickDisk):
    """The process ends before the step `crash_at`."""

    def __init__(self, crash_at=None):
        super().__init__()
        self.crash_at = crash_at

    def step(self, what, path):
        super().step(what, path)
        if self.crash_at is not None and self.steps >= self.crash_at:
            self.commits -= what == "commit"
            raise Crash


SQLITE = {errno.ENOSPC: "FULL", errno.EROFS: "READONLY", errno.EACCES: "CANTOPEN"}


class FailingDisk(QuickDisk):
    """Says `error` at the step `fail_at`, and at as many as `times`.

    A commit is refused as SQLite says it.
    """

    def __init__(self, error=errno.ENOSPC):
        super().__init__()
        self.error = error
        self.fail_at = None
        self.times = 1
        self.failed = []

    def fail(self, at=1, times=1_000_000):
        self.fail_at = self.steps + at
        self.times = times

    def step(self, what, path):
        super().step(what, path)
        if self.fail_at is None or not 0 <= self.steps - self.fail_at < self.times:
            return
        self.failed.append(what)
        if what == "commit":
            failure = sqlite3.OperationalError("cannot")
            name = f"SQLITE_{SQLITE[self.error]}"
            failure.sqlite_errorcode = getattr(sqlite3, name)
            raise failure
        raise OSError(self.error, os.strerror(self.error), str(path))


class ForgetfulDisk(CrashingDisk):
    """Takes back what was not synced. What is deleted goes into a stash first."""

    def __init__(self, stash, crash_at=None):
        super().__init__(crash_at)
        self.stash = Path(stash)
        self.stash.mkdir(parents=True, exist_ok=True)
        self.unsynced = {}  # file -> octets
        self.undo = []  # (folders, what to do)

    def write(self, path, data, mtime):
        super().write(path, data, mtime)
        self.unsynced[path] = data
        self.undo.append(({path.parent}, lambda: path.unlink()))

    def sync(self, path):
        super().sync(path)
        self.unsynced.pop(path, None)

    def link(self, old, new):
        super().link(old, new)
        self.undo.append(({new.parent}, lambda: new.unlink()))

    def rename(self, old, new):
        kept = self.hidden()
        if new.is_file():
            os.link(new, kept)
        inside = self.inside(old) if new.parent.name == "tmp" else []  # to be removed
        super().rename(old, new)

        def back():
            new.rename(old)
            self.take_back(inside)
            if kept.exists():
                kept.rename(new)

        self.undo.append(({new.parent}, back))

    def remove(self, path):
        kept = self.hidden()
        if path.exists():
            os.link(path, kept)
        super().remove(path)
        if kept.exists():
            self.undo.append(({path.parent}, lambda: kept.rename(path)))

    def make_folder(self, path):
        is_new = not path.exists()
        super().make_folder(path)
        if is_new:
            self.undo.append(({path.parent}, lambda: path.rmdir()))

    def remove_folder(self, path):
        self.step("remove", path)
        kept = self.hidden()
        path.rename(kept)
        inside = self.inside(path)

        def back():
            kept.rename(path)
            self.take_back(inside)

        self.undo.append(({path.parent}, back))

    def inside(self, path):
        """What was changed in a folder; it goes where the folder goes."""
        found = [one for one in self.undo if any(path in f.parents for f in one[0])]
        self.undo = [one for one in self.undo if one not in found]
        return found

    def sync_folder(self, path):
        super().sync_folder(path)
        self.undo = [one for one in self.undo if path not in one[0]]

    def hidden(self):
        return self.stash / str(self.steps)

    def forget(self, fate):
        """What is lost: "torn": octets; "lost": names, too; "kept": nothing."""
        if fate != "kept":
            for path, data in self.unsynced.items():
                if path.exists():
                    path.write_bytes(data[: len(data) // 2])
        if fate == "lost":
            self.take_back(self.undo)
        self.unsynced.clear()
        self.undo.clear()

    @staticmethod
    def take_back(undo):
        for _, back in reversed(undo):
            with suppress(OSError):
                back()


def open_store(folder, disk=None):
    return MailStore.open(folder, lambda: NOW, disk or QuickDisk())


def abandon(store):
    """The process is gone: nothing is closed in order."""
    for _, keeper in store._open.values():
        if keeper._index is not None:
            keeper._index.close()
    store._open.clear()
    store._lock.release()


def fresh(folder):
    """An empty folder in the place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def facts(tree, *, first=None):
    """All that a tree knows, with UIDVALIDITYs counted from that of INBOX."""
    first = tree.inbox.uid_validity if first is None else first
    return {
        "subscriptions": tree.subscriptions,
        "size": tree.size,
        **{box.name: of_mailbox(box, first) for box in tree.mailboxes},
    }


def of_mailbox(box, first):
    return {
        "validity": box.uid_validity - first,
        "use": box.use,
        "next": box.uid_next,
        "modseq": box.highest_modseq,
        "recent": box.recent,
        "size": box.size,
        "vanished": [box.vanished_since(modseq) for modseq in range(4)],
        "messages": [of_message(message) for message in box.messages],
    }


def of_message(message):
    blob = message.blob
    return (
        message.uid,
        message.content,
        blob.read_header(),
        message.size,
        message.internal_date.isoformat(),
        message.save_date.isoformat(),
        message.flags,
        message.modseq,
        message.email_id,
        message.thread_id,
    )


def home(store):
    """The Maildir of Ann."""
    return store.folder / ANN
