"""Two runs of a world are the same, octet by octet."""

import subprocess
import sys
from pathlib import Path

import pytest

from maillab import open_world
from maillab.net.effects import Loss
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


def play_badly(seed):
    """A bad line, planned faults, a power cut, a new address: all at once."""
    world = plain_world("home-server", seed)
    world.firewall("provider").clear()
    for effects in (world.host("home-router").uplink, world.host("bob-pc").downlink):
        effects.append(Loss(0.05))
    world.add_rule("provider", action="lose", probability=0.03, ports=25)
    mx = "mx.bigmail.example"
    world.fault("RCPT", host=mx, port=25, reply="451 4.3.0 Later", chance=0.5)
    world.fault("DATA", host=mx, port=25, delay="2 s", chance=0.5)
    ns = "ns.bigmail.example"
    world.dns_fault(ns, name="bigmail.example", kind="timeout", chance=0.3)
    for number in range(5):
        world.send("alice", "bob@bigmail.example", f"Hello {number}", "x" * 20_000)
        world.send("bob", "alice@home.example", f"Hello {number}")
    world.power_off(mx)
    world.advance("10 min")
    world.power_on(mx)
    world.change_address("home-router", "203.0.113.99")
    world.advance("1 day")
    world.close()
    return world


def test_two_runs_with_loss_and_faults_are_identical():
    first, second, other = (play_badly(seed) for seed in ("1", "1", "2"))
    kinds = {event.kind for event in first.trace}
    assert {"fault", "rule", "nat", "power", "address", "deferred"} <= kinds
    assert any(e["latency"] < 0 for e in first.trace.of_kind("bytes"))
    assert len(first.mailbox("bob").messages) == 5
    assert first.trace.to_jsonl() == second.trace.to_jsonl()
    assert first.trace.to_jsonl() != other.trace.to_jsonl()


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
