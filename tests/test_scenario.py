"""Scenario files: what is wrong is said with file, line and advice."""

from pathlib import Path

import pytest

from maillab import open_world
from maillab.errors import LabError, ScenarioError
from maillab.world.duration import seconds_of
from maillab.world.files import examine, find_scenario, lab_names, load

HELLO = Path(find_scenario("hello")).read_text()


@pytest.fixture
def lab(tmp_path):
    """A copy of the lab hello, changed as told."""

    def write(*changes):
        folder = tmp_path / "mylab"
        (folder / "zones").mkdir(parents=True, exist_ok=True)
        for zone in (find_scenario("hello").parent / "zones").iterdir():
            (folder / "zones" / zone.name).write_text(zone.read_text())
        text = HELLO
        for old, new in changes:
            assert old in text, "the test must change something"
            text = text.replace(old, new, 1)
        (folder / "world.toml").write_text(text)
        return folder / "world.toml"

    return write


@pytest.mark.parametrize("name", lab_names())
def test_every_lab_is_correct(name):
    _, problems = examine(find_scenario(name))
    assert problems == []


@pytest.mark.parametrize(
    ("old", "new", "line_has", "message"),
    [
        ("latency_ms = 1", "latancy_ms = 1", "latancy", "did you mean 'latency_ms'"),
        ('"192.0.2.101"', '"192.0.2.999"', "192.0.2.999", "is not an IP address"),
        ('"192.0.2.101"', '"192.0.2.102"', "192.0.2.102", "both have the address"),
        ('"imap"]', '"imapp"]', "imapp", "expected 'smtp', 'submission'"),
        ('host = "bob-pc"', 'host = "bobpc"', "bobpc", "there is no host 'bobpc'"),
        ('title = "Hello', 'titel = "Hello', "titel", "did you mean 'title'"),
        ("bob@hello.example", "bob@gmail.com", "gmail", "may belong to somebody"),
        ("bob@hello.example", "bob@else.example", "else", "no host has the mailboxes"),
        ("bob@hello.example", "bob", '"bob"', "is not a mail address"),
        ("zones/root.zone", "zones/rot.zone", "rot.zone", "no zone file"),
        ('password = "sponge"', "password = 7", "= 7", "expected a text in quotes"),
        ('domains = ["hello.example"]', "", "serves", "serves smtp"),
    ],
)
def test_a_mistake_is_said_with_its_line(lab, old, new, line_has, message):
    file = lab((old, new))
    _, problems = examine(file)
    assert message in problems[0].message
    line = file.read_text().splitlines()[problems[0].line - 1]
    assert line_has in line
    assert str(problems[0]).startswith(f"{file}:{problems[0].line}: ")


def test_all_mistakes_are_said_at_once(lab):
    file = lab(("latency_ms = 1", "latancy_ms = 1"), ('"sponge"', "8"))
    assert len(examine(file)[1]) == 2


def test_a_zone_file_mistake_names_the_zone_file(lab):
    file = lab()
    zone = file.parent / "zones" / "hello.example.zone"
    zone.write_text(zone.read_text().replace("192.0.2.25", "192.0.2.256"))
    with pytest.raises(ScenarioError, match=r"hello\.example\.zone:\d+: "):
        load(file)


def test_broken_toml_is_said_with_its_line(lab):
    file = lab(("[hosts.alice-pc]", "[hosts.alice-pc"))
    with pytest.raises(ScenarioError, match=r"world.toml:\d+: is not valid TOML"):
        load(file)


def test_a_file_that_is_no_text_is_said(tmp_path):
    file = tmp_path / "world.toml"
    file.write_bytes(b"\xff\xfe\0")
    with pytest.raises(ScenarioError, match="UTF-8"):
        load(file)


def test_a_world_without_a_root_is_refused(lab):
    file = lab(('"." = "zones/root.zone", ', ""))
    with pytest.raises(ScenarioError, match="no host serves the root zone"):
        load(file)


def test_an_unknown_lab_gets_a_suggestion():
    with pytest.raises(LabError, match="did you mean 'hello'"):
        open_world("helo")


def test_a_scenario_file_of_ones_own_runs(lab):
    with open_world(lab()) as world:
        assert world.send("alice", "bob@hello.example", "x").startswith("250")


@pytest.mark.parametrize("text", ["", "5 parsecs", "days", "1 h and a bit"])
def test_a_length_of_time_must_be_one(text):
    with pytest.raises(LabError, match="is not a length of time"):
        seconds_of(text)


def test_time_does_not_go_back():
    with pytest.raises(LabError, match="cannot go back"):
        seconds_of(-1)
