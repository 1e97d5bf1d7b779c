"""What notebook 08 needs beside its exercises: the probes, and the desk of the list."""

from collections.abc import Iterator

import pytest

from maillab.grading import Lab, open_lab
from tests.exercises.answers_08_guarding import ask, close, step_by_step

ALICE = "alice"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab("08") as lab:
        yield lab


def told_by_the_desk(lab: Lab) -> str:
    return lab.world.mailbox(ALICE).messages[-1].content.decode()


def test_there_are_over_two_hundred_ways_to_relay(lab: Lab) -> None:
    from maillab_lab_open_door.checks_relaying import probes  # type: ignore[import-not-found]

    rows = list(probes(lab))
    assert len(rows) > 200
    assert not [row for row in rows if "{" in f"{row.rcpt}{row.mail}{row.before}"]
    assert {"%", "!", '"', "<@", "<>"} <= {
        mark
        for row in rows
        for mark in ("%", "!", '"', "<@", "<>")
        if mark in f"{row.rcpt}{row.mail}"
    }


@pytest.mark.slow
def test_the_desk_says_why_a_server_stays_on_the_list(lab: Lab) -> None:
    task = lab.begin("8.4")
    ask(lab, task)
    assert "still takes mail from strangers" in told_by_the_desk(lab)
    close(lab)
    ask(lab, task)
    assert "Your queue still holds" in told_by_the_desk(lab)


@pytest.mark.slow
def test_who_spams_again_is_listed_again(lab: Lab) -> None:
    task = lab.begin("8.4")
    step_by_step(lab, task)
    assert not lab.check("8.4").failed
    lab.world.send("carol", "trap@oldshop.example", "Hello?")
    assert "taken off the list" in repr(lab.check("8.4"))


@pytest.mark.slow
def test_the_day_can_begin_again(lab: Lab) -> None:
    first = lab.begin("8.4")
    waiting = len(lab.world.server(lab.names.server).queue.entries)
    assert repr(lab.begin("8.4")) == repr(first)
    assert len(lab.world.server(lab.names.server).queue.entries) == waiting > 10
