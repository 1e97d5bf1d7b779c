"""Two runs of a world are the same, octet by octet."""

import subprocess
import sys
from pathlib import Path

import pytest

from maillab import open_world
from tests.worlds import plain_world

ROOT = Path(__file__).parents[1]
SIZES = ("bytes", "datagram")


def play(world):
    """A letter, both ways of reading, a bounce, a retry, a lost host, TLS or not."""
    world.send("alice", "bob@beta.example", "Hello", "How are you?")
    world.read("bob", "POP3")
    world.read("bob", "IMAP")
    world.send("alice", "nobody@beta.example", "Is anybody there?")
    world.read("alice", "IMAP")
    world.hosts["mx.beta.example"].up = False
    world.user("alice").send("bob@beta.example", "Later", "and later\n" * 9999)
    world.advance("20 min")
    world.hosts["mx.beta.example"].up = True
    world.advance("1 h")
    assert len(world.mailbox("bob").messages) == 2
    world.advance("1 day")
    world.close()
    return world


def test_two_plain_runs_are_identical():
    first, second = play(plain_world()), play(plain_world())
    assert first.trace.to_jsonl() == second.trace.to_jsonl()
    for host in ("alice-pc", "mx.beta.example", "ns.alpha.example"):
        pairs = [world.trace.capture(host).to_bytes() for world in (first, second)]
        assert pairs[0] == pairs[1]


def shape(trace):
    """What remains equal when the secrets of TLS differ."""
    return [
        (
            event.time_ns,
            event.kind,
            event.host,
            event.connection,
            len(event["data"]) if event.kind in SIZES else "",
        )
        for event in trace
        if event.kind != "keylog"
    ]


def test_two_runs_with_tls_differ_in_the_secrets_only():
    first, second = play(open_world("two-domains")), play(open_world("two-domains"))
    assert first.trace.of_kind("tls")
    assert shape(first.trace) == shape(second.trace)
    for one, other in zip(first.trace, second.trace, strict=True):
        if one.kind not in ("bytes", "keylog"):
            assert one == other


def queue_ids(world):
    return [event["queue_id"] for event in world.trace.of_kind("accepted")]


def test_another_seed_gives_other_queue_ids():
    first, second = play(plain_world(seed="1")), play(plain_world(seed="2"))
    assert len(queue_ids(first)) == len(queue_ids(second))
    assert not set(queue_ids(first)) & set(queue_ids(second))


@pytest.fixture(scope="module")
def other_processes():
    """What two other processes see whose hashes of strings differ."""
    code = (
        "import hashlib; from tests.test_repeatable import play; "
        "from tests.worlds import plain_world; "
        "text = play(plain_world()).trace.to_jsonl(); "
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    return [process.communicate(timeout=60)[0] for process in running]


def test_the_hash_seed_of_python_changes_nothing(other_processes):
    first, second = other_processes
    assert len(first.strip()) == 64
    assert first == second
