"""tshark reads what a whole world recorded, from both ends, and finds no fault."""

import shutil

import pytest

from maillab import open_world
from tests.interop.test_tshark import (
    complaints,
    followed,
    malformed,
    tshark,
    write,
)
from tests.worlds import plain_world

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]

BOB = "bob@beta.example"
SEATS = ("alice-pc", "mail.alpha.example", "mx.beta.example", "bob-pc")
SECRETS = ("rabbit-hole", "sponge")


def live_a_day(world):
    """Letters small and large, both ways of reading, a bounce, a server that is off."""
    world.send("alice", BOB, "Hello", "How are you?\n.\n")
    world.send("alice", BOB, "Large", "A line of some length.\n" * 10_000)
    world.read("bob", "POP3")
    world.read("bob", "IMAP")
    world.send("alice", "nobody@beta.example", "Anybody?")
    world.hosts["mx.beta.example"].up = False
    world.user("alice").send(BOB, "Later")
    world.advance("10 min")
    world.hosts["mx.beta.example"].up = True
    world.advance("1 h")
    with world.console("bob-pc", "mx.beta.example", 143) as console:
        console.say("a LOGOUT")


@pytest.fixture(scope="module", params=["plain", "TLS"])
def world(request):
    opened = plain_world() if request.param == "plain" else open_world("two-domains")
    with opened:
        live_a_day(opened)
        yield opened


@pytest.fixture(params=SEATS)
def seat(request):
    return request.param


@pytest.fixture
def file(world, seat, tmp_path):
    return write(world.trace, seat, tmp_path)


def sessions_at(world, seat):
    """The sessions of a host that were made, in the order of tshark's streams."""
    found = []
    for session in world.trace.find_sessions(host=seat):
        latency = 0 if session.client == seat else session.latency_ns
        found.append((session.began_ns + latency, session))
    return [session for _, session in sorted(found, key=lambda pair: pair[0])]


def test_nothing_is_malformed_and_no_checksum_is_bad(file):
    assert malformed(file) == ""


def test_the_experts_of_tshark_have_no_complaint(file):
    assert complaints(file) == []


def test_each_stream_is_what_the_trace_says(world, seat, file):
    sessions = sessions_at(world, seat)
    assert sessions
    for stream, session in enumerate(sessions):
        if session.outcome == "timed out":
            continue
        client, server = followed(file, stream)
        assert client == session.wire("C"), session
        assert server == session.wire("S"), session


def commands(file, protocol):
    """What tshark's dissectors take for commands, inside TLS too."""
    fields = {
        "SMTP": ["smtp.command_line"],
        "POP3": ["pop.request.command", "pop.request.parameter"],
        "IMAP": ["imap.request"],
    }[protocol]
    shown = [f"-e{field}" for field in fields]
    return tshark(file, "-Tfields", *shown, "-Y", fields[0]).replace("\t", " ")


def test_tshark_understands_every_protocol(world, tmp_path):
    at_beta = write(world.trace, "mx.beta.example", tmp_path)
    assert f"RCPT TO:<{BOB}>" in commands(at_beta, "SMTP")
    assert "RETR 1" in commands(at_beta, "POP3")
    assert "SELECT" in commands(at_beta, "IMAP")
    subjects = tshark(at_beta, "-Tfields", "-eimf.subject", "-Yimf").split()
    assert {"Hello", "Large", "Later"} <= set(",".join(subjects).split(","))


def test_tshark_understands_the_dns(world, file):
    names = tshark(file, "-Tfields", "-edns.qry.name", "-Ydns").split()
    asked = {event["question"] for event in world.trace.of_kind("dns")}
    assert set(names) <= asked
    assert tshark(file, "-Y", "dns && _ws.expert.severity >= 0x600000") == ""


def test_passwords_can_be_read_in_the_capture_only_with_its_keys(world, tmp_path):
    """A capture is exact; TLS is opened by the keys in the file."""
    at_pc = write(world.trace, "bob-pc", tmp_path)
    readable = commands(at_pc, "IMAP") + commands(at_pc, "POP3")
    assert "sponge" in readable
    octets = b"".join(s.wire("C") for s in world.trace.find_sessions(client="bob-pc"))
    secure = world.server("mx.beta.example").tls is not None
    assert (b"sponge" in octets) != secure


def test_tls_is_decrypted_by_the_keys_in_the_file(world, seat, file):
    secured = [s for s in world.trace.find_sessions(host=seat) if s.tls]
    opened = tshark(file, "-Y", "tls.app_data && (smtp || pop || imap)")
    assert bool(opened) == bool(secured)
    for stream, session in enumerate(sessions_at(world, seat)):
        if session.tls:
            said = tshark(file, "-q", f"-zfollow,tls,ascii,{stream}")
            assert "EHLO" in said or "LOGIN" in said or "USER" in said, session
