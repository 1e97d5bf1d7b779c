"""Unmodified curl through SOCKS5 meets what the network has for it."""

import shutil

import pytest

from maillab import open_world
from maillab.gateway.live import Live
from tests.interop.conftest import run
from tests.worlds import Journal, arrived

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]

BOB = "bob@beta.example"
MX = "mx.beta.example"
UNREACHED = 97  # CURLE_PROXY: the proxy could not connect
REFUSED, HOST_UNREACHABLE, TTL_EXPIRED, NOT_ALLOWED = 5, 4, 6, 2


@pytest.fixture(scope="module")
def live():
    with open_world("two-domains") as world:
        with Live(world, rate=60) as live:
            yield live
        assert Journal(world).failures == []


@pytest.fixture
def curl(live, tmp_path):
    """curl that sits on alice-pc."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(live.world.ca.pem)
    proxy = f"127.0.0.1:{live.open_socks('alice-pc').real_port}"

    def call(*words, code=0):
        options = ("-sSv", "--socks5-hostname", proxy, "--cacert", ca)
        return run("curl", *options, *words, code=code)

    return call


def letter(folder):
    file = folder / "letter"
    file.write_bytes(b"Subject: by SOCKS\r\n\r\nHello\r\n")
    return ("--mail-from", "alice@alpha.example", "--mail-rcpt", BOB, "-T", file)


def test_curl_sends_by_the_name_of_the_server(live, curl, tmp_path):
    curl("--ssl-reqd", f"smtp://{MX}", *letter(tmp_path))
    stored = live.call(arrived(live.world.mailbox(BOB), b"Subject: by SOCKS\r\n", 600))
    assert b"[192.0.2.101]" in stored.content
    assert b"with ESMTPS id" in stored.content


def test_curl_reads_by_the_name_of_the_server(curl):
    said = curl("imaps://imap.beta.example/", "--user", f"{BOB}:sponge")
    assert "INBOX" in said


def test_the_line_that_the_command_prints_gets_an_answer(curl):
    assert "220 mx.beta.example" in curl(f"smtp://{MX}")


@pytest.mark.parametrize(
    ("url", "reply"),
    [
        (f"smtp://{MX}:26", REFUSED),
        ("smtp://nobody.beta.example", HOST_UNREACHABLE),
        ("smtp://203.0.113.99", HOST_UNREACHABLE),
    ],
)
def test_curl_is_told_why_not(curl, url, reply):
    assert f"({reply})" in curl(url, code=UNREACHED)


@pytest.mark.parametrize(
    ("action", "reply"),
    [("drop", TTL_EXPIRED), ("reject", REFUSED), ("prohibit", NOT_ALLOWED)],
)
def test_curl_meets_the_firewall_of_its_seat(live, curl, action, reply):
    began = live.world.time
    keys = {"action": action, "direction": "out", "protocol": "tcp", "ports": 25}
    rule = live.world.add_rule("alice-pc", **keys)
    try:
        assert f"({reply})" in curl(f"smtp://{MX}", code=UNREACHED)
    finally:
        live.world.remove_rule("alice-pc", rule)
    passed = live.world.time - began
    assert (passed >= 127) == (action == "drop")


# swaks knows no SOCKS, but takes any program for its wire -----------------------------

PIPE_BROKE = 6  # exit code of swaks


@pytest.fixture
def swaks(live):
    """swaks on bob-pc, by way of curl as a pipe through SOCKS5."""
    if shutil.which("swaks") is None:
        pytest.skip("swaks is not installed")
    proxy = f"127.0.0.1:{live.open_socks('bob-pc').real_port}"

    def call(server, code):
        pipe = f"curl -sSN --socks5-hostname {proxy} telnet://{server}"
        people = ("--to", BOB, "--from", "carol@gamma.example")
        return run("swaks", "--pipe", pipe, *people, "--timeout", "20s", code=code)

    return call


def test_swaks_sends_through_socks(live, swaks):
    assert "250 2.0.0 Queued" in swaks(f"{MX}:25", 0)
    stored = live.call(arrived(live.world.mailbox(BOB), b"From: carol", 600))
    assert b"[203.0.113.101]" in stored.content


@pytest.mark.parametrize(
    ("server", "reply"),
    [
        (f"{MX}:26", REFUSED),
        ("nobody.beta.example:25", HOST_UNREACHABLE),
        (f"{MX}:2525", TTL_EXPIRED),
    ],
)
def test_swaks_meets_a_refusal_an_unknown_name_and_a_drop(live, swaks, server, reply):
    keys = {"action": "drop", "direction": "out", "protocol": "tcp", "ports": 2525}
    rule = live.world.add_rule("bob-pc", **keys)
    try:
        assert f"({reply})" in swaks(server, PIPE_BROKE)
    finally:
        live.world.remove_rule("bob-pc", rule)


def test_swaks_meets_a_drop_behind_a_door(live):
    if shutil.which("swaks") is None:
        pytest.skip("swaks is not installed")
    door = live.open_door(MX, 25, seat="bob-pc")
    keys = {"action": "drop", "direction": "out", "protocol": "tcp", "ports": 25}
    rule = live.world.add_rule("bob-pc", **keys)
    server = ("--server", "127.0.0.1", "--port", str(door.real_port))
    try:
        said = run("swaks", *server, "--to", BOB, "--timeout", "1s", code=21)
    finally:
        live.world.remove_rule("bob-pc", rule)
    assert "timeout" in said.lower()
