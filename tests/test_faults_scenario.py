"""Planned faults in scenario files, and that two runs with them are the same."""

import shutil
from contextlib import suppress

import pytest

from maillab.errors import LabError, RemoteProtocolError
from maillab.world.files import LAB_FOLDERS, examine, load
from maillab.world.scenario import LoadedScenario
from maillab.world.world import World
from tests.worlds import Journal, plain_world

TROUBLE = (LabError, RemoteProtocolError, OSError)
FAULTS = """
[[faults]]
host = "mx.beta.example"
stage = "RCPT"
recipient = "bob@*"
reply = "451 4.7.1 Come back later"
times = 1
comment = "greylisting"

[[faults]]
host = "mx.*.example"
stage = "greeting"
protocol = "pop3"
delay = "2 min"
"""


@pytest.fixture
def lab(tmp_path):
    """A copy of the lab two-domains with these lines at its end."""

    def write(lines):
        folder = next(labs / "two-domains" for labs in LAB_FOLDERS if labs.is_dir())
        copy = tmp_path / "faulty"
        shutil.copytree(folder, copy)
        file = copy / "world.toml"
        file.write_text(file.read_text("utf-8") + lines, "utf-8")
        return file

    return write


def test_a_scenario_plans_faults(lab):
    with World(load(lab(FAULTS))) as world:
        world.send("alice", "bob@beta.example", "Hello")
        [reason] = Journal(world).reasons("deferred")
        assert reason == "mx.beta.example said 451 4.7.1 Come back later"
        world.advance("1 h")
        began = world.time
        assert len(world.read("bob", "POP3")) == 1
        assert world.time - began > 120
        assert [planned.hits for planned in world.faults.plan.planned] == [1, 1]


@pytest.mark.parametrize(
    ("old", "new", "line_has", "message"),
    [
        ('stage = "RCPT"', 'stage = "RCTP"', "RCTP", "did you mean 'RCPT'"),
        ('stage = "RCPT"\n', "", "[[faults]]", "needs the key 'stage'"),
        ("times = 1", "time = 1", "time = 1", "did you mean 'times'"),
        ("times = 1", "reset = true", "RCPT", "stage: found reply and reset, expected"),
        ('"451 4', '"250 4', "250 4.7.1", "reply: '250 4.7.1 Come back later' is no"),
        ("mx.beta", "mx.bta", "mx.bta", "did you mean 'mx.beta.example'"),
        ("mx.*.example", "*.gamma.example", "gamma", "host: no mail server is called"),
        ('"pop3"', '"pop"', '"pop"', "write smtp, pop3, imap or *"),
        ('"2 min"', '"2 parsecs"', "parsecs", "is not a length of time"),
        ('delay = "2 min"', "", '"greeting"', "stage: found no effect, expected"),
        ("times = 1", "chance = 7", "chance", "at most 1"),
        ('recipient = "bob@*"', 'client = "bob-pc"', "bob-pc", "is no address"),
    ],
)
def test_a_mistake_is_said_with_its_line(lab, old, new, line_has, message):
    assert old in FAULTS
    file = lab(FAULTS.replace(old, new, 1))
    _, [problem] = examine(file)
    assert message in problem.message
    text = file.read_text().splitlines()
    assert line_has in text[problem.line - 1]
    assert problem.line > text.index("[[faults]]")


CHANCES = """
[[faults]]
stage = "*"
protocol = "smtp"
chance = 0.05
reply = "451 4.3.0 Bad luck"
[[faults]]
stage = "*"
chance = 0.05
delay = 3.3
[[faults]]
stage = "*"
chance = 0.04
half_reply = true
[[faults]]
stage = "*"
every = 11
reset = true
"""


def play(file, seed):
    """Ten letters through bad weather, as far as they come; the trace as text."""
    loaded = load(file)
    plain = {"tls": False, "plain_login": True}
    hosts = {
        name: table.model_copy(update=plain)
        for name, table in loaded.scenario.hosts.items()
    }
    scenario = loaded.scenario.model_copy(update={"hosts": hosts})
    with World(LoadedScenario(loaded.file, loaded.text, scenario), seed) as world:
        for number in range(10):
            with suppress(*TROUBLE):
                world.send("alice", "bob@beta.example", f"{number}")
            for protocol in ("POP3", "IMAP"):
                with suppress(*TROUBLE):
                    world.read("bob", protocol)
        world.advance("5 h")
        assert Journal(world).failures == []
        hits = [planned.hits for planned in world.faults.plan.planned]
        assert all(hits), "every kind of fault struck"
        return world.trace.to_jsonl()


def test_two_runs_with_faults_are_the_same_and_another_seed_is_another_run(lab):
    file = lab(CHANCES)
    first, second, other = play(file, "1"), play(file, "1"), play(file, "2")
    assert first == second
    assert first != other


def test_nothing_is_lost_and_nothing_is_twice_but_for_a_lost_250():
    for seed in range(5):
        with plain_world(seed=str(seed)) as world:
            for stage in ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"):
                for effect in ("disconnect", "reset", "half_reply"):
                    keys = {"port": 25, "chance": 0.1, effect: True}
                    world.fault(stage, **keys)
            lost = world.fault("message", port=25, chance=0.1, disconnect=True)
            for number in range(20):
                world.send("alice", "bob@beta.example", f"letter {number}")
            world.advance("1 day")
            found = [message.content for message in world.mailbox("bob").messages]
            for number in range(20):
                subject = f"Subject: letter {number}\r\n".encode()
                assert any(subject in content for content in found)
            assert len(found) == 20 + lost.hits
            assert len(world.server("mail.alpha.example").mta.queue) == 0
