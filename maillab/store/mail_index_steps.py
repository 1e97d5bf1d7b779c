"""Steps as changes of the index of a user (`mail_index`).

Goes in: steps, within a transaction. Comes out: rows.

Rule 1: what we do ourselves is not settled: files have to follow. What other programs
        did (`Observed`) is settled: their files are the reason.
Rule 2: keywords get the letters a to z of their mailbox as they come up, as Dovecot
        does; the 27th is in the index only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_lowercase

from maillab.store.changes import (
    Added,
    Claimed,
    Deleted,
    Flagged,
    Made,
    Removed,
    Renamed,
    Step,
    Subscribed,
)
from maillab.store.mail_index import MailIndex, split
from maillab.store.mailboxes import MAX_VANISHED
from maillab.store.maildir_names import FLAGS, to_folder, to_letters

MAX_CACHED_HEADER = 8192  # octets of one message; longer ones are read from the file


@dataclass(frozen=True, slots=True)
class Octets:
    """The file of a new message. `lf`: its lines end with LF alone."""

    base: str
    header: bytes
    lf: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What another program did. `letters` as they stand in the name of the file."""

    step: Step
    letters: str = ""
    octets: Octets | None = None
    folder: str = ""
    base: str = ""  # of a file that was renamed


class IndexSteps:
    """Writes steps into an index. Raises sqlite3.Error."""

    def __init__(self, index: MailIndex) -> None:
        self._index = index
        self._do = index.sql.execute

    # Our own steps --------------------------------------------------------------------

    def keep(self, step: Step, octets: Octets | None = None) -> None:
        """One step of ours; `octets` of `Added`."""
        match step:
            case Added(mailbox, message) if octets is not None:
                letters = self._letters(mailbox, message.flags)
                self._add(step, octets, letters, settled=False)
            case Flagged(mailbox, uid, flags, _):
                self._flag(step, self._with(mailbox, uid, flags), settled=False)
            case Removed(mailbox, uid, _):
                self._doom("m.mailbox = ? AND uid = ?", (mailbox, uid))
                self._remove(step)
            case Claimed(mailbox, uids):
                self._claim(mailbox, uids)
            case _:
                self._keep_name(step)

    def _keep_name(self, step: Step) -> None:
        match step:
            case Made(_, name, _):
                self._make(step, to_folder(name), settled=False)
            case Renamed(mailbox, name):
                self._do(
                    "UPDATE mailboxes SET name = ?, settled = 0, folder = ?,"
                    " folder_was = coalesce(folder_was, folder) WHERE validity = ?",
                    (name, to_folder(name), mailbox),
                )
            case Deleted(mailbox):
                self._doom("m.mailbox = ?", (mailbox,))
                self._do(
                    "INSERT OR REPLACE INTO doomed SELECT folder, '', ''"
                    " FROM mailboxes WHERE validity = ?",
                    (mailbox,),
                )
                self._delete(mailbox)
            case Subscribed(name, True):
                self._do("INSERT OR IGNORE INTO subscriptions VALUES (?)", (name,))
            case Subscribed(name, _):
                self._do("DELETE FROM subscriptions WHERE name = ?", (name,))
            case _:
                raise AssertionError(f"no step to keep: {step}")

    # Steps of other programs ----------------------------------------------------------

    def observe(self, observed: Observed) -> None:
        """What another program did is so in the index, too."""
        match observed.step:
            case Added() as step if observed.octets is not None:
                self._add(step, observed.octets, observed.letters, settled=True)
            case Flagged() as step:
                self._flag(step, observed.letters, settled=True)
                self._do(
                    "UPDATE messages SET base = ? WHERE mailbox = ? AND uid = ?",
                    (observed.base, step.mailbox, step.uid),
                )
            case Removed() as step:
                self._remove(step)
            case Made() as step:
                self._make(step, observed.folder, settled=True)
            case Deleted(mailbox):
                self._delete(mailbox)
            case _:
                self._keep_name(observed.step)

    def name_keyword(self, mailbox: int, letter: str, name: str) -> None:
        """A letter has a meaning, if it has none yet."""
        self._do(
            "INSERT OR IGNORE INTO keywords VALUES (?, ?, ?)", (mailbox, letter, name)
        )
        self._index.forget_keywords()

    # Files have followed --------------------------------------------------------------

    def settle_messages(self, done: Iterable[tuple[int, int, str]]) -> None:
        """The files have these letters, for ever."""
        self._index.sql.executemany(
            "UPDATE messages SET settled = 1, written = ? WHERE mailbox = ?"
            " AND uid = ? AND substr(',' || written, -length(?) - 1) = ',' || ?",
            ((new, mailbox, uid, new, new) for mailbox, uid, new in done),
        )

    def settle_doomed(self, done: Iterable[tuple[str, str]]) -> None:
        """These files are gone, for ever."""
        self._index.sql.executemany(
            "DELETE FROM doomed WHERE folder = ? AND base = ?", done
        )

    def settle_mailboxes(self) -> None:
        """All mailboxes have their folders."""
        self._do(
            "UPDATE mailboxes SET settled = 1, folder_was = NULL WHERE NOT settled"
        )

    def unsettle(self) -> None:
        """All files are to be looked at; nothing is to be deleted: for copies."""
        self._do("UPDATE messages SET settled = 0")
        self._do("UPDATE mailboxes SET settled = 0, folder_was = NULL")
        self._do("DELETE FROM doomed")

    def forget_vanished(self) -> None:
        """Remember only so many expunged messages of a mailbox (MAX_VANISHED)."""
        many = self._do(
            "SELECT mailbox FROM vanished GROUP BY mailbox HAVING count(*) > ?",
            (MAX_VANISHED,),
        ).fetchall()
        for (mailbox,) in many:
            floor = self._do(
                "SELECT modseq FROM vanished WHERE mailbox = ?"
                " ORDER BY modseq DESC, uid DESC LIMIT 1 OFFSET ?",
                (mailbox, MAX_VANISHED // 2),
            ).fetchone()[0]
            self._do(
                "DELETE FROM vanished WHERE mailbox = ? AND modseq <= ?",
                (mailbox, floor),
            )
            self._do(
                "UPDATE mailboxes SET floor = ? WHERE validity = ?", (floor, mailbox)
            )

    # Rows -----------------------------------------------------------------------------

    def _add(self, step: Added, octets: Octets, letters: str, *, settled: bool) -> None:
        message, mailbox = step.message, step.mailbox
        saved = message.save_date or message.internal_date
        self._do(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
            (
                mailbox,
                message.uid,
                octets.base,
                " ".join(sorted(message.flags)),
                message.modseq,
                message.internal_date.isoformat(),
                saved.isoformat(),
                message.size,
                message.email_id,
                message.thread_id,
                letters,
                octets.lf,
                settled,
            ),
        )
        if len(octets.header) <= MAX_CACHED_HEADER:
            self._do(
                "INSERT INTO headers VALUES (?, ?, ?)",
                (mailbox, message.uid, octets.header),
            )
        self._do(
            "UPDATE mailboxes SET uid_next = ?, modseq = max(modseq, ?)"
            " WHERE validity = ?",
            (message.uid + 1, message.modseq, mailbox),
        )

    def _flag(self, step: Flagged, written: str, *, settled: bool) -> None:
        flags = " ".join(sorted(step.flags))
        self._do(
            "UPDATE messages SET flags = ?, modseq = ?, written = ?, settled = ?"
            " WHERE mailbox = ? AND uid = ?",
            (flags, step.modseq, written, settled, step.mailbox, step.uid),
        )
        self._changed(step.mailbox, step.modseq)

    def _changed(self, mailbox: int, modseq: int) -> None:
        self._do(
            "UPDATE mailboxes SET modseq = max(modseq, ?) WHERE validity = ?",
            (modseq, mailbox),
        )

    def _with(self, mailbox: int, uid: int, flags: frozenset[str]) -> str:
        """The letters that the file may have had, and at the end the new ones."""
        ask = "SELECT written FROM messages WHERE mailbox = ? AND uid = ?"
        found = self._do(ask, (mailbox, uid)).fetchone()
        letters = self._letters(mailbox, flags)
        before = [one for one in split(found[0]) if one != letters] if found else []
        return ",".join([*before, letters])

    def _letters(self, mailbox: int, flags: frozenset[str]) -> str:
        known = self._index.keywords(mailbox)
        for flag in sorted(flags):
            if flag not in FLAGS and flag not in known and _can_be_written(flag):
                free = [one for one in ascii_lowercase if one not in known.values()]
                if free:
                    self.name_keyword(mailbox, free[0], flag)
                    known = self._index.keywords(mailbox)
        return to_letters(flags, known)

    def _claim(self, mailbox: int, uids: frozenset[int]) -> None:
        self._index.sql.executemany(
            "UPDATE messages SET recent = 0 WHERE mailbox = ? AND uid = ? AND recent",
            ((mailbox, uid) for uid in uids),
        )

    def _doom(self, where: str, values: tuple[int, ...]) -> None:
        self._do(
            "INSERT OR REPLACE INTO doomed SELECT folder, base, written"
            f" FROM messages m JOIN mailboxes ON validity = m.mailbox WHERE {where}",
            values,
        )

    def _remove(self, step: Removed) -> None:
        place = (step.mailbox, step.uid)
        self._do("DELETE FROM messages WHERE mailbox = ? AND uid = ?", place)
        self._do("DELETE FROM headers WHERE mailbox = ? AND uid = ?", place)
        gone = (step.mailbox, step.modseq, step.uid)
        self._do("INSERT INTO vanished VALUES (?, ?, ?)", gone)
        self._changed(step.mailbox, step.modseq)

    def _make(self, step: Made, folder: str, *, settled: bool) -> None:
        self._do(
            "INSERT INTO mailboxes (validity, name, folder, use, settled)"
            " VALUES (?, ?, ?, ?, ?)",
            (step.mailbox, step.name, folder, step.use, settled),
        )
        self._do(
            "INSERT INTO meta VALUES ('last_validity', ?) ON CONFLICT (key)"
            " DO UPDATE SET value = max(value, excluded.value)",
            (step.mailbox,),
        )

    def _delete(self, mailbox: int) -> None:
        for table in ("messages", "headers", "vanished", "keywords"):
            self._do(f"DELETE FROM {table} WHERE mailbox = ?", (mailbox,))
        self._do("DELETE FROM mailboxes WHERE validity = ?", (mailbox,))
        self._index.forget_keywords()


def _can_be_written(flag: str) -> bool:
    """One word of printable ASCII, in a file with one keyword a line."""
    return flag.isascii() and flag.isprintable() and " " not in flag
