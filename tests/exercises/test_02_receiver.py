"""What notebook 02 gives to students: a disk that fails, a receiver of their pieces."""

from collections.abc import Iterator

import pytest

from maillab.grading import Lab, open_lab
from maillab.grading.failing_disk import Crash, FailingDisk
from maillab.grading.receiving import Pieces, Receiver, Reception
from tests.exercises import answers_02_keeping as keeping
from tests.exercises.answers_02_engine import ByPartition, StepByStep

CLIENT = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<grace@here.example>\r\nDATA\r\n"
PEOPLE = ["grace@here.example"]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab("02") as lab:
        yield lab


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


def pieces(**other: object) -> Pieces:
    given = {
        "on_command": StepByStep(PEOPLE),
        "data_reader": ByPartition,
        "accept": keeping.write_sync_rename,
        **other,
    }
    return Pieces(**given)  # type: ignore[arg-type]


def heard(disk: FailingDisk, octets: bytes, **other: object) -> list[str]:
    said: list[str] = []
    Reception(pieces(**other), disk, said.append).receive(octets)
    return [reply[:3] for reply in said]


# The disk -----------------------------------------------------------------------------


def test_a_power_cut_leaves_what_was_synced(disk: FailingDisk) -> None:
    for name in ("octets", "name", "both"):
        disk.write(name, b"Dear Grace")
    disk.sync("both")
    disk.sync_names()
    disk.sync("octets")
    disk.rename("octets", "elsewhere")
    disk.remove("name")
    disk.fail("power")
    found = {name: disk.read(name) for name in disk.names()}
    assert found == {"octets": b"Dear Grace", "name": b"", "both": b"Dear Grace"}


def test_names_may_be_on_the_disk_before_octets(disk: FailingDisk) -> None:
    disk.write("letter", b"Dear Grace")
    disk.fail("power-names")
    assert (disk.names(), disk.read("letter")) == (["letter"], b"")


def test_a_process_that_dies_while_it_writes_leaves_a_half(disk: FailingDisk) -> None:
    disk.crash_at(1)
    with pytest.raises(Crash):
        disk.write("letter", b"Dear Grace")
    disk.fail("process")
    assert disk.read("letter") == b"Dear "


def test_what_is_written_anew_is_not_safe_any_more(disk: FailingDisk) -> None:
    disk.write("letter", b"first")
    disk.sync("letter")
    disk.sync_names()
    disk.write("letter", b"second")
    disk.fail("power")
    assert disk.read("letter") == b""


def test_a_full_disk_and_a_missing_file_are_real_errors(disk: FailingDisk) -> None:
    disk.full = True
    with pytest.raises(OSError, match="No space left"):
        disk.write("letter", b"Dear Grace")
    with pytest.raises(FileNotFoundError):
        disk.sync("letter")


# The receiver -------------------------------------------------------------------------


def test_what_stands_behind_a_letter_is_commands_again(disk: FailingDisk) -> None:
    codes = heard(disk, CLIENT + b"Hi\r\n.\r\nRCPT TO:<x>\r\nQUIT\r\nNOOP\r\n")
    assert codes == ["250", "250", "250", "354", "250", "503", "221"]
    assert disk.read(disk.names()[0]).endswith(b"grace@here.example\r\nHi\r\n")


def test_a_piece_that_fails_is_451_and_the_session_goes_on(disk: FailingDisk) -> None:
    session = Reception(pieces(accept=None), disk, (said := []).append)
    session.receive(CLIENT + b"Hi\r\n.\r\n")
    session.receive(b"NOOP\r\n")
    assert [reply[:3] for reply in said][-2:] == ["451", "250"]
    assert isinstance(session.failed[0], TypeError)


def test_half_a_line_waits_for_the_other_half(disk: FailingDisk) -> None:
    assert heard(disk, b"EHLO x\r") == []


def test_a_letter_that_waits_is_taken_when_somebody_listens(
    lab: Lab, disk: FailingDisk
) -> None:
    people = lab.begin("2.1").mailboxes
    lab.world.send("alice", people[0], "The lamp")
    with Receiver(
        lab.world, lab.names.first, pieces(on_command=StepByStep(people)), disk
    ):
        lab.world.advance("30 min")
    assert [disk.read(name).count(b"The lamp") for name in disk.names()] == [1]


def test_cells_can_be_run_again(lab: Lab, disk: FailingDisk) -> None:
    first = Receiver(lab.world, lab.names.first, pieces(), disk)
    with Receiver(lab.world, lab.names.first, pieces(), disk):
        first.close()
        with lab.world.console("desk", lab.names.first, 25) as smtp:
            assert smtp.say("NOOP")[:3] == "250"
    lab.begin("2.4")
    with pytest.raises(ConnectionRefusedError):
        lab.world.console("desk", lab.names.first, 25)


def test_who_says_nothing_for_five_minutes_is_left(lab: Lab, disk: FailingDisk) -> None:
    with Receiver(lab.world, lab.names.first, pieces(), disk):
        console = lab.world.console("desk", lab.names.first, 25)
        lab.world.advance("6 min")
        assert console.say("NOOP") == ""
        console.close()


# The evidence -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept", [keeping.promise_first, keeping.write_in_place, keeping.no_sync_names]
)
def test_evidence_is_wrong_when_the_checks_are_silenced(lab: Lab, accept) -> None:
    parts = (StepByStep(lab.begin("2.1").mailboxes), ByPartition)
    lab.begin("2.3")
    right = lab.check("2.3", keeping.write_sync_rename, *parts).evidence
    (check,) = [e.check for e in lab.exercises if e.id == "2.3"]
    silenced = dict(check.__globals__)
    try:
        for name in ("demand_whole", "demand_stored"):
            check.__globals__[name] = lambda *_: None
        wrong = lab.check("2.3", accept, *parts).evidence
    finally:
        check.__globals__.update(silenced)
    assert wrong["computer"] != right["computer"]
