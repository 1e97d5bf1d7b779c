"""The queue on disk loses nothing that was acknowledged, wherever the crash comes.

A disk that forgets stands in for the real one: the world stops before each of its
steps, and what was not synced is lost, kept, or torn.
"""

import errno

import pytest

from maillab.errors import LabError
from maillab.store.disk import RealDisk
from maillab.store.queue import QueueEntry, Recipient
from maillab.store.spool import Spool
from maillab.store.spool_lock import SpoolLock
from maillab.wire.smtp_path import NULL_PATH, Address

ANN, BOB = Address("ann", "alpha.example"), Address("bob", "beta.example")
EVE = Address("eve or not", "[192.0.2.1]")
FATES = ("lost", "kept", "torn", "names lost")


class Crash(Exception):
    """The world ends here."""


class File:
    def __init__(self, data=b""):
        self.now = data
        self.synced = b""


class ForgetfulDisk:
    """A directory in memory that knows what would survive."""

    def __init__(self, files=None, crash_at=None):
        self.files = {name: File(data) for name, data in (files or {}).items()}
        for file in self.files.values():
            file.synced = file.now
        self.synced_names = dict(self.files)
        self.steps = 0
        self.crash_at = crash_at

    def step(self):
        self.steps += 1
        if self.steps == self.crash_at:
            raise Crash

    def names(self):
        return sorted(self.files)

    def read(self, name):
        return self.files[name].now

    def write(self, name, data):
        self.step()
        self.files[name] = File(data)

    def append(self, name, data):
        self.step()
        self.files[name].now += data

    def truncate(self, name, size):
        self.step()
        self.files[name].now = self.files[name].now[:size]

    def sync(self, name):
        self.step()
        self.files[name].synced = self.files[name].now

    def rename(self, old, new):
        self.step()
        self.files[new] = self.files.pop(old)

    def remove(self, name):
        self.step()
        self.files.pop(name, None)

    def sync_names(self):
        self.step()
        self.synced_names = dict(self.files)

    def after_the_crash(self, fate):
        names = self.synced_names if "lost" in fate else self.files
        return ForgetfulDisk({name: self.left(f, fate) for name, f in names.items()})

    @staticmethod
    def left(file, fate):
        if fate == "lost":
            return file.synced
        if fate != "torn" or file.now == file.synced:
            return file.now
        written = len(file.now) - len(file.synced)
        return file.now[: len(file.synced) + written // 2]


def letter(number, *to, **more):
    content = b"Subject: %d\r\n\r\n{\x00\xff\r\n}\r\n" % number
    recipients = [Recipient(one) for one in to]
    return QueueEntry(f"ID{number}", f"m{number}", ANN, recipients, content, 5, **more)


class Oracle:
    """Does with a spool what servers do, and remembers what was promised."""

    def __init__(self):
        self.waiting = {}  # queue id -> addresses that nobody has served
        self.unsure = set()  # ... whose promise was under way

    def run(self, spool):
        first, second = letter(1, BOB, EVE), letter(2, BOB)
        self.add(spool, first)
        self.settle(spool, first, 0)
        self.add(spool, second)
        second.recipients[0].attempts = 3
        spool.note(second)
        self.settle(spool, first, 0)
        self.settle(spool, second, 0)
        self.add(spool, letter(3, EVE))

    def add(self, spool, entry):
        self.unsure = {(entry.id, one.address) for one in entry.recipients}
        spool.add(entry)
        self.unsure = set()
        self.waiting[entry.id] = {one.address for one in entry.recipients}

    def settle(self, spool, entry, at):
        one = entry.recipients[at]
        self.unsure = {(entry.id, one.address)}
        self.waiting[entry.id].discard(one.address)
        spool.settle(entry, [one])
        self.unsure = set()

    @property
    def promised(self):
        return {(id, one) for id, them in self.waiting.items() for one in them}


def waiting(spool):
    return {(e.id, one.address) for e in spool.entries.values() for one in e.recipients}


def steps_of_a_whole_run():
    disk = ForgetfulDisk()
    Oracle().run(Spool(disk))
    return disk.steps


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("crash_at", range(1, steps_of_a_whole_run() + 1))
def test_a_crash_before_any_step_loses_nothing(crash_at, fate):
    disk, oracle = ForgetfulDisk(crash_at=crash_at), Oracle()
    with pytest.raises(Crash):
        oracle.run(Spool(disk))
    again = Spool(disk.after_the_crash(fate))
    found = waiting(again)
    assert oracle.promised - oracle.unsure <= found <= oracle.promised | oracle.unsure
    assert again.damaged == []
    for id, entry in again.entries.items():
        assert entry.content == letter(int(id[2:])).content


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("crash_at", range(1, 4))
def test_a_crash_while_recovering_from_a_crash_loses_nothing(crash_at, fate):
    disk = ForgetfulDisk(crash_at=11)
    oracle = Oracle()
    with pytest.raises(Crash):
        oracle.run(Spool(disk))
    second = disk.after_the_crash("torn")
    second.crash_at = crash_at
    try:
        Spool(second)
    except Crash:
        second = second.after_the_crash(fate)
    second.crash_at = None
    found = waiting(Spool(second))
    assert oracle.promised - oracle.unsure <= found <= oracle.promised | oracle.unsure


def test_everything_about_a_message_comes_back(tmp_path):
    spool = Spool(RealDisk(tmp_path), offset=1000.0)
    asked = frozenset({"SUCCESS", "DELAY"})
    entry = letter(7, EVE, body="8BITMIME", ret="HDRS", envid="x+2By", utf8=True)
    entry.recipients.append(Recipient(BOB, asked, "rfc822;b@x.example"))
    entry.reverse_path = NULL_PATH
    spool.add(entry)
    one = entry.recipients[1]
    one.attempts, one.next_try, one.warned = 2, 60.0, True
    one.reason, one.code, one.reply, one.host = "why", "4.0.0", "451 no", "mx"
    entry.held = True
    spool.note(entry)
    [again] = Spool(RealDisk(tmp_path), offset=2000.0).entries.values()
    assert (again.arrived, again.recipients[1].next_try) == (-995.0, -940.0)
    assert again.recipients[0].next_try == 0.0
    ignored = {"arrived", "recipients"}
    for name in set(QueueEntry.__slots__) - ignored:
        assert getattr(again, name) == getattr(entry, name), name
    for name in set(Recipient.__slots__) - {"next_try"}:
        there = [getattr(one, name) for one in again.recipients]
        assert there == [getattr(one, name) for one in entry.recipients], name


def test_a_file_that_cannot_be_read_stays_and_harms_nobody(tmp_path):
    disk = RealDisk(tmp_path)
    Spool(disk).add(letter(1, BOB))
    disk.write("ID0.mail", b"what is this?")
    disk.write("ID9.mail.part", b"half a mess")
    spool = Spool(disk)
    assert list(spool.entries) == ["ID1"]
    assert spool.damaged == ["ID0.mail"]
    assert disk.names() == ["ID0.mail", "ID1.mail"]


def test_what_is_appended_after_a_torn_line_counts(tmp_path):
    disk = RealDisk(tmp_path)
    Spool(disk).add(letter(1, BOB, EVE))
    disk.append("ID1.mail", b'{"recipients":[{"addr')
    spool = Spool(disk)
    [entry] = spool.entries.values()
    spool.settle(entry, [entry.recipients[0]])
    assert waiting(Spool(disk)) == {("ID1", EVE)}


class FullDisk(ForgetfulDisk):
    """Has no room at the step `full_at`: half of it is written."""

    full_at = 0

    def step(self):
        super().step()
        if self.steps == self.full_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, name, data):
        self.files[name] = File(data[: len(data) // 2])
        super().write(name, data)

    def append(self, name, data):
        file = self.files[name]
        before, file.now = file.now, file.now + data[: len(data) // 2]
        self.step()
        file.now = before + data


@pytest.mark.parametrize("full_at", range(1, 5))
def test_a_full_disk_leaves_nothing_of_a_message_that_was_not_taken(full_at):
    disk = FullDisk()
    spool = Spool(disk)
    disk.full_at = disk.steps + full_at
    with pytest.raises(OSError, match="No space left"):
        spool.add(letter(1, BOB))
    assert len(spool) == 0
    assert disk.names() == []
    spool.add(letter(1, BOB))
    assert waiting(Spool(disk)) == {("ID1", BOB)}


@pytest.mark.parametrize("full_at", [1, 2])
def test_what_is_noted_after_the_disk_was_full_counts(full_at):
    disk = FullDisk()
    spool = Spool(disk)
    entry = letter(1, BOB, EVE)
    spool.add(entry)
    disk.full_at = disk.steps + full_at
    with pytest.raises(OSError, match="No space left"):
        spool.note(entry)
    entry.held = True
    spool.note(entry)
    spool.settle(entry, [entry.recipients[0]])
    again = Spool(disk)
    assert waiting(again) == {("ID1", EVE)}
    assert again.entries["ID1"].held
    assert again.damaged == []


def test_a_damaged_file_is_not_overwritten_when_its_id_comes_up_again(tmp_path):
    disk = RealDisk(tmp_path)
    disk.write("ID1.mail", b"what is this?")
    spool = Spool(disk)
    spool.add(letter(1, BOB))
    assert waiting(Spool(disk)) == {("ID1", BOB)}
    assert disk.read("ID1.mail.damaged") == b"what is this?"
    assert spool.damaged == ["ID1.mail.damaged"]


def test_two_processes_cannot_open_one_spool(tmp_path):
    lock = SpoolLock(tmp_path)
    with pytest.raises(LabError, match=r"open in another process \(pid \d+\)"):
        SpoolLock(tmp_path)
    lock.release()
    SpoolLock(tmp_path).release()


def test_a_spool_is_opened_by_one_at_a_time_and_closed(tmp_path):
    spool = Spool.open(tmp_path)
    spool.add(letter(1, BOB))
    with pytest.raises(LabError, match="give this one another directory"):
        Spool.open(tmp_path)
    spool.close()
    again = Spool.open(tmp_path)
    assert waiting(again) == {("ID1", BOB)}
    again.close()
