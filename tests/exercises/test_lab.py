"""The lab of a notebook: verdicts, reports, names, sources, and what goes wrong."""

from collections.abc import Iterator
from typing import Any

import pytest

from maillab.errors import LabError
from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt, open_lab
from maillab.grading.verdict import EVIDENCE_TYPE, Verdict, outcomes_of
from tests.exercises.answers_01_reading import first_letter, twice
from tests.exercises.answers_01_sending import no_dot, step_by_step
from tests.exercises.kit import outcome


def test_the_evidence_is_shown_beside_the_line() -> None:
    bundle = outcome("1.1", step_by_step)._repr_mimebundle_()
    line = "✓ 1.1  the envelope delivered, the header only talked  (3/3)"
    assert bundle["text/plain"] == line
    shown: Any = bundle[EVIDENCE_TYPE]
    assert (shown["id"], shown["passed"]) == ("1.1", True)


def test_a_failed_check_fits_on_the_page_and_names_the_section() -> None:
    told = repr(outcome("1.1", no_dot))
    assert max(map(len, told.splitlines())) <= 88
    assert "RFC 5321 §4.1.1.4" in told
    assert told.startswith("✗ 1.1 ")
    assert "(0/3)" in told


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab("01") as lab:
        yield lab


def test_an_exercise_can_be_begun_again(lab: Lab) -> None:
    first_letter(lab, lab.begin("1.3"))
    assert lab.check("1.3").failed
    assert not lab.check("1.3", twice(lab, lab.begin("1.3"))).failed


def test_a_check_before_the_beginning_says_what_to_do(lab: Lab) -> None:
    assert 'lab.begin("1.4")' in str(lab.check("1.4").failed)


def test_the_report_counts_the_points(lab: Lab) -> None:
    step_by_step(lab, lab.begin("1.1"))
    lab.check("1.1")
    lab.check("1.2")
    assert lab.report().describe() == "3 of 12 points."


def test_the_seed_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILLAB_SEED", "ann")
    with open_lab("01") as lab, open_lab("01", "ann") as anns:
        assert repr(lab.begin("1.1")) == repr(anns.begin("1.1"))


@pytest.mark.parametrize(
    ("protocol", "verb", "words"),
    [
        ("SMTP", "rcpt", "def rcpt"),
        ("POP3", "DELE", "def _dele"),
        ("imap", "FETCH", ""),
    ],
)
def test_the_source_of_a_handler_can_be_read(
    lab: Lab, protocol: str, verb: str, words: str
) -> None:
    told = repr(lab.source(verb, protocol))
    assert words in told
    assert "RFC " in told.splitlines()[0]


def test_mistyped_names_are_answered_with_what_there_is(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"'1\.1', '1\.2'"):
        lab.check("1.9")
    with pytest.raises(LabError, match="EHLO"):
        lab.source("HALLO")
    with pytest.raises(LabError, match="'01'"):
        open_lab("1")
    with pytest.raises(AttributeError, match="names has domain, server"):
        _ = lab.names.servant


# Names by lot -------------------------------------------------------------------------


def test_another_seed_gives_the_world_other_names(lab: Lab) -> None:
    with open_lab("01", "another") as other:
        assert lab.names.domain == "post.example"
        assert other.names.domain != lab.names.domain
        assert other.names.server == f"mail.{other.names.domain}"
        assert "post.example" not in " ".join(other.world.users)
        looked_up = other.world.dig(other.names.server, "A").text()
        assert str(other.world.host(other.names.server).addresses[0]) in looked_up


def test_the_same_seed_gives_the_same_names() -> None:
    with open_lab("01", "twice") as one, open_lab("01", "twice") as other:
        assert repr(one.names) == repr(other.names)


# Parts --------------------------------------------------------------------------------


def halves(lab: Lab) -> dict[str, Any]:
    def wrong() -> dict[str, Any]:
        raise Failed("a knot", "a loop", "RFC 5321 §6.3", "it was pulled too early")

    return {"left": attempt(lambda: {"knot": 1}), "right": attempt(wrong)}


TIED = Exercise(
    *("9.9", 5, "both ends are tied", lambda lab: Task("9.9", "Tie"), halves),
    parts=(Part("left", 2, "the left end"), Part("right", 3, "the right end")),
)


def test_a_part_has_points_of_its_own(lab: Lab) -> None:
    verdict = Verdict(TIED, outcomes_of(TIED, halves(lab)))
    assert verdict.points == 2
    assert repr(verdict).splitlines() == [
        "✗ 9.9  both ends are tied  (2/5)",
        "    ✓ left: the left end  (2/2)",
        "    ✗ right: the right end  (0/3)",
        "       expected a knot",
        "       found    a loop",
        "       see      RFC 5321 §6.3",
        "       perhaps  it was pulled too early",
    ]
    left, right = verdict.to_json()["parts"]
    assert left["evidence"] == {"knot": 1}
    assert right["reasons"]["expected"] == "a knot"


def test_a_check_that_fails_as_a_whole_fails_in_every_part() -> None:
    verdict = Verdict(TIED, outcomes_of(TIED, Failed("a rope", "nothing")))
    assert (verdict.points, len(verdict.outcomes)) == (0, 2)


# Why, and which packet ----------------------------------------------------------------


def test_a_failure_that_names_an_event_tells_why_and_in_which_packets(
    lab: Lab,
) -> None:
    with lab.world.console("desk", lab.names.server, 25) as console:
        console.say("EHLO desk", "MAIL FROM:<x@y.example>", "RCPT TO:<z@y.example>")

    def check(lab: Lab) -> dict[str, Any]:
        event = lab.world.trace.of_kind("line")[-1]
        raise Failed("a relay", "none", event=event, at="desk")

    exercise = Exercise("1.1", 1, "relayed", lambda lab: Task("1.1", ""), check)
    told = repr(lab._judge(exercise, ()))  # pyright: ignore[reportPrivateUsage]
    assert "why      " in told
    assert "in the capture of desk" in told
