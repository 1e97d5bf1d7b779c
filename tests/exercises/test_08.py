"""What notebook 08 needs beside its exercises: the probes, and the desk of the list."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maillab.grading import Lab, open_lab
from tests.exercises.answers_08_guarding import ask, close, step_by_step

ALICE = "alice"
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "08-who-may-send.ipynb"


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


def test_an_unsolved_exercise_does_not_spoil_the_next_round(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, Any] = {}
    for start in ("from base64", "def knock", 'task = lab.begin("8.1")', "anybody ="):
        exec(cell_that_begins(start), names)
    names["lab"].close()
    assert (
        capsys.readouterr().out.rstrip().endswith("530 5.7.0 Authentication required")
    )


def cell_that_begins(start: str) -> str:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    return next(source for source in sources if source.startswith(start))


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
