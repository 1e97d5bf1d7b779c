"""Nothing is left of connections that end in an awkward moment."""

import asyncio
import socket
from contextlib import suppress

import pytest

from maillab import open_world
from maillab.gateway.live import Live
from maillab.net.handshake import Dial
from tests.worlds import Journal

MX, MX_ADDRESS = "mx.beta.example", "203.0.113.25"


@pytest.fixture
def world():
    with open_world("two-domains") as opened:
        yield opened
        assert Journal(opened).failures == []


@pytest.mark.parametrize("turns", range(4))
def test_who_comes_in_while_the_doors_close_is_let_out(world, turns):
    with Live(world, usual_doors=False) as live:
        door = live.open_door(MX, 25)

        async def knock_and_close():
            client = socket.create_connection(("127.0.0.1", door.real_port))
            for _ in range(turns):  # accepted, not yet welcomed: that is one of them
                await asyncio.sleep(0)
            await live._close_doors()
            return client

        with live.call(knock_and_close()) as client:
            client.settimeout(10)
            with suppress(ConnectionResetError):  # or a FIN, when it was just let in
                assert client.recv(1) == b""
        assert not live.visits


def test_an_answer_that_nobody_wants_any_more_is_hung_up_on(world):
    pc = world.host("alice-pc")

    async def cancel_in_that_moment():
        dial = Dial(pc, (MX_ADDRESS, 25))
        task = asyncio.ensure_future(dial.connect(asyncio.Protocol))
        dial._answer.add_done_callback(lambda _: task.cancel())
        with pytest.raises(asyncio.CancelledError):
            await task

    world.run(cancel_in_that_moment(), on="alice-pc")
    world.advance("1 s")
    assert not world.network.endpoints
    assert not pc.busy_ports


def test_who_says_nothing_more_before_tls_is_not_waited_for(world):
    context = world.ca.server_context(MX)
    failed = []

    async def late(stream):
        await asyncio.sleep(1)
        began = world.loop.time()
        with pytest.raises(ConnectionError):
            await stream.start_tls(context, server_side=True)
        failed.append(world.loop.time() - began)

    async def knock():
        await world.host(MX).listen(4650, late)
        stream = await world.host("alice-pc").connect(MX_ADDRESS, 4650)
        stream.send_eof()
        assert await stream.read() == b""

    world.run(knock(), on="alice-pc")
    assert failed == [0.0]
    (told,) = world.trace.of_kind("tls_failed")
    assert told["reason"] == "the connection ended"
