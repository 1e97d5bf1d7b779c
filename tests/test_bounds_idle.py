"""A thousand connections that wait: what they cost, and that nobody waits for them."""

import asyncio
import resource
import tracemalloc
from contextlib import ExitStack

import pytest

from tests.bounds import (
    SECRET,
    Peer,
    everything_is_closed,
    imap_of,
    mail_server,
    serve_somebody,
)

FILES = 4096  # both ends of each connection are in this process
IDLE = 500  # and as many who have not logged in
MEASURED = 50
OTHERS = ("smtp", "submission", "pop3")
MEMORY = 64 * 1024  # octets of Python objects for both ends of a connection


@pytest.fixture(scope="module", autouse=True)
def files():
    """As many as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server():
    with mail_server() as opened:
        yield opened


@pytest.fixture
def crowd():
    with ExitStack() as stack:
        yield stack


def idle(user):
    peer = Peer(user.server, "imap")
    words = f"a LOGIN {user.address} {SECRET}\r\nb SELECT INBOX\r\nc IDLE\r\n"
    peer.send(words.encode())
    return peer


def come(server, user, crowd):
    """One stranger, who only connects, and one who waits for mail of this user."""
    assert crowd.enter_context(Peer(server, "imap")).line().startswith(b"* OK")
    peer = crowd.enter_context(idle(user))
    peer.until(b"+ idling")
    return peer


def test_a_thousand_wait_and_each_who_is_idle_hears_of_a_new_letter(server, crowd):
    ann, bob = server.newcomer(), server.newcomer()
    waiting = [come(server, ann, crowd) for _ in range(IDLE - MEASURED)]
    tracemalloc.start()
    try:
        waiting += [come(server, ann, crowd) for _ in range(MEASURED)]
        cost = tracemalloc.get_traced_memory()[0] / MEASURED
    finally:
        tracemalloc.stop()
    assert cost < 2 * MEMORY
    serve_somebody(bob)
    ann.put(b"Subject: for all of you\r\n\r\n")
    for peer in waiting:
        peer.until(b"* 1 EXISTS")
    for peer in waiting[::7]:
        peer.send(b"DONE\r\n")
        peer.until(b"c OK")
    crowd.close()
    everything_is_closed(server)


@pytest.mark.parametrize("service", OTHERS)
def test_a_crowd_at_another_port_keeps_nobody_waiting(server, crowd, service):
    tracemalloc.start()
    try:
        peers = [crowd.enter_context(Peer(server, service)) for _ in range(80)]
        for peer in peers:
            assert peer.line()
        assert tracemalloc.get_traced_memory()[0] / 80 < MEMORY
    finally:
        tracemalloc.stop()
    serve_somebody(server.newcomer())
    crowd.close()
    everything_is_closed(server)


def test_others_have_turns_while_somebody_has_many_commands_carried_out(server):
    ann = server.newcomer()
    ann.put(*[b"Subject: %d\r\n\r\n%b" % (n, b"text " * 40) for n in range(900)])
    turns = server.call(nobody_yet(ann))
    with imap_of(ann) as busy:
        many = b"x SEARCH TEXT nothing\r\n" * 30
        busy.send(b"w CREATE begun\r\n" + many + b"y CREATE done\r\n")
        busy.until(b"y OK")
    assert server.do(turns.result) >= 2


async def nobody_yet(ann):
    """Start to count the turns of others."""
    return asyncio.get_running_loop().create_task(turns_between(ann.tree))


async def turns_between(tree):
    """How often others had a turn between the first command and the last."""
    turns = 0
    while "done" not in tree.names:
        turns += "begun" in tree.names
        await asyncio.sleep(0)
    return turns
