"""Doors of live mode: any host and port, seats, rates, and real servers behind."""

import asyncio
import errno
import smtplib
import socket
import struct
import sys
import threading
from datetime import UTC, datetime, timedelta

import dns.message
import dns.query
import pytest
from aiosmtpd.controller import Controller

from maillab import open_world
from maillab.errors import LabError
from maillab.gateway.entrances import parse_door, parse_outside
from maillab.gateway.live import Live
from tests.worlds import Journal, world_with_gamma

HERE = "127.0.0.1"
MX = "mx.beta.example"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: RST instead of FIN


class Recorder:
    """A virtual server that keeps what it gets and notes how it ends."""

    def __init__(self, live, port, host=MX):
        self.live = live
        self.streams = []
        self.got = bytearray()
        self.end = ""
        machine = live.world.host(host)
        live.call(machine.listen(port, self.serve))

    async def serve(self, stream):
        self.streams.append(stream)
        try:
            while data := await stream.read():
                self.got += data
            self.end = "end of stream"
            stream.write(b"I heard you")
        except ConnectionResetError:
            self.end = "reset"

    def wait_for(self, condition):
        async def wait():
            async with asyncio.timeout(60):
                while not condition():
                    await asyncio.sleep(0.01)

        self.live.call(wait())


@pytest.fixture(scope="module")
def live():
    with open_world("two-domains") as world:
        with Live(world, rate=20) as opened:
            yield opened
        assert Journal(world).failures == []


@pytest.fixture
def enter():
    """Opens a real connection to a door."""
    opened = []

    def connect(door):
        real = socket.create_connection((HERE, door.real_port), timeout=30)
        opened.append(real)
        return real

    yield connect
    for real in opened:
        real.close()


# Where they lead ----------------------------------------------------------------------


def test_a_door_leads_to_any_port_of_any_host(live, enter):
    recorder = Recorder(live, 4000, "ns.beta.example")
    door = live.open_door("ns.beta.example", 4000)
    enter(door).sendall(b"knock knock")
    recorder.wait_for(lambda: recorder.got == b"knock knock")
    assert live.door("ns.beta.example", 4000) == door
    assert door.protocol == "TCP"


@pytest.mark.parametrize("where", ["203.0.113.25", "smtp.beta.example", MX])
def test_a_door_leads_to_an_address_and_to_a_name_in_the_dns(live, enter, where):
    door = live.open_door(where, 25)
    assert enter(door).recv(100).startswith(b"220 mx.beta.example ")


def test_a_door_to_port_53_has_two_halves(live, enter):
    door = live.open_door("smtp.beta.example", 53, seat="alice-pc")
    with pytest.raises(ConnectionResetError):  # the host has no name server
        enter(door).recv(100)
    with socket.socket(type=socket.SOCK_DGRAM) as udp, pytest.raises(OSError) as error:
        udp.bind((HERE, door.real_port))
    assert error.value.errno == errno.EADDRINUSE


def test_a_door_to_port_53_answers_by_udp_and_by_tcp(live):
    door = live.open_door("ns.beta.example", 53, seat="alice-pc")
    question = dns.message.make_query("beta.example", "MX")
    for ask in (dns.query.udp, dns.query.tcp):
        response = ask(question, HERE, timeout=30, port=door.real_port)
        assert "10 mx.beta.example." in response.to_text()
    asked = [event for event in live.world.trace.datagrams if event.host == "alice-pc"]
    assert asked[-1]["dst"] == ("203.0.113.53", 53)


def test_the_virtual_port_of_a_quiet_udp_client_is_given_back(live):
    door = live.open_door("ns.beta.example", 53, seat="bob-pc")
    dns.query.udp(dns.message.make_query("x", "A"), HERE, 30, door.real_port)
    pc = live.world.host("bob-pc")
    assert len(pc.udp_ports) == 1
    live.call(pc.sleep(31))
    assert not pc.udp_ports


def test_the_client_of_a_door_sits_where_the_door_says(live, enter):
    door = live.open_door(MX, 25, seat="alice-pc")
    enter(door).recv(100)
    session = live.world.trace.find_sessions(client="alice-pc")[-1]
    assert (session.server, session.port) == (MX, 25)


def test_a_door_that_cannot_be_is_refused(live):
    with pytest.raises(LabError, match=r"mx\.delta\.example"):
        live.open_door("mx.delta.example", 25)
    with pytest.raises(LabError, match="carol-pc"):
        live.open_door(MX, 25, seat="carol-pc")
    taken = live.open_door(MX, 25).real_port
    with pytest.raises(LabError, match=str(taken)):
        live.open_door(MX, 25, taken)
    with pytest.raises(LabError, match="0-65535"):
        live.open_door(MX, 25, 65_536)


@pytest.mark.parametrize(
    ("text", "door"),
    [
        ("mx.beta.example:25", ("mx.beta.example", 25, 0, "your-computer")),
        ("mx.beta.example:25=2525", ("mx.beta.example", 25, 2525, "your-computer")),
        ("mx.beta.example:25@pc", ("mx.beta.example", 25, 0, "pc")),
        ("[2001:db8::25]:25=2525@pc", ("2001:db8::25", 25, 2525, "pc")),
    ],
)
def test_doors_are_typed_so(text, door):
    parsed = parse_door(text)
    assert (parsed.host, parsed.port, parsed.real_port, parsed.seat) == door


@pytest.mark.parametrize(
    "text", ["", "mx", "mx:", ":25", "mx:0", "mx:65536", "mx:smtp", "mx:25=x", "::1:25"]
)
def test_doors_are_not_typed_so(text):
    with pytest.raises(LabError, match="HOST:PORT"):
        parse_door(text)


def test_doors_open_while_live_only():
    with open_world("hello") as world, pytest.raises(LabError, match="with Live"):
        Live(world).open_door("mail.hello.example", 25)


# How they end -------------------------------------------------------------------------


def test_a_half_close_passes_and_the_answer_comes_back(live, enter):
    recorder = Recorder(live, 4001)
    real = enter(live.open_door(MX, 4001))
    real.sendall(b"all I have to say")
    real.shutdown(socket.SHUT_WR)
    assert real.recv(100) == b"I heard you"
    assert real.recv(100) == b""
    assert recorder.end == "end of stream"
    assert bytes(recorder.got) == b"all I have to say"
    wait_until_empty(live)


def wait_until_empty(live):
    """Until everybody whose connection has ended is forgotten."""

    async def wait():
        async with asyncio.timeout(30):
            while any(visit.transport.is_closing() for visit in live.visits):
                await asyncio.sleep(0.01)

    live.call(wait())


def test_a_reset_of_the_real_client_is_a_reset_in_the_world(live, enter):
    recorder = Recorder(live, 4002)
    real = enter(live.open_door(MX, 4002))
    real.sendall(b"x")
    recorder.wait_for(lambda: recorder.got)
    real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    real.close()
    recorder.wait_for(lambda: recorder.end)
    assert recorder.end == "reset"


def test_a_reset_in_the_world_is_a_reset_for_the_real_client(live, enter):
    recorder = Recorder(live, 4003)
    real = enter(live.open_door(MX, 4003))
    recorder.wait_for(lambda: recorder.streams)

    async def kick():
        recorder.streams[0]._transport.reset()

    live.call(kick())
    with pytest.raises(ConnectionResetError):
        real.recv(100)


def test_a_closed_port_resets_who_comes_in(live, enter):
    real = enter(live.open_door(MX, 4999))
    with pytest.raises(ConnectionResetError):
        real.recv(100)


def test_who_goes_away_at_a_door_is_dialled_for_no_longer(live, enter):
    world = live.world
    world.host("ns.alpha.example").up = False
    door = live.open_door("ns.alpha.example", 4004)
    try:
        hung_up, reset, waits = enter(door), enter(door), enter(door)
        await_dials(live, 3)
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        reset.close()
        await_dials(live, 2)
        hung_up.shutdown(socket.SHUT_WR)  # it may have said all: it has 3 seconds
        await_dials(live, 1)
        waits.close()
        await_dials(live, 0)
    finally:
        world.host("ns.alpha.example").up = True


def await_dials(live, count):
    """Until so many visitors are being dialled for."""

    async def wait():
        async with asyncio.timeout(30):
            while dials() != count:
                await asyncio.sleep(0.01)

    def dials():
        names = [task.get_name() for task in asyncio.all_tasks(live.loop)]
        return names.count("a real client")

    live.call(wait())


# Time ---------------------------------------------------------------------------------


def test_the_clock_runs_as_fast_as_it_is_told():
    with open_world("hello") as world, Live(world, rate=3600) as live:
        today = datetime.now(UTC)
        assert abs(world.network.now() - today) < timedelta(hours=6)
        began = world.time
        live.call(world.host("alice-pc").sleep(1800))  # half a second
        assert 1800 <= world.time - began < 3600 * 10


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_time_cannot_pass_so(rate):
    with open_world("hello") as world, pytest.raises(LabError, match="rate"):
        Live(world, rate=rate)


def test_the_world_can_be_driven_while_it_is_live(live):
    before = live.world.time
    assert live.world.send("alice", "bob@beta.example", "Hello").startswith("250")
    live.world.advance(0.05)
    assert live.world.time >= before + 0.05


# Real servers -------------------------------------------------------------------------


class Keeper:
    """What aiosmtpd does with a letter."""

    def __init__(self):
        self.letters = []
        self.came = threading.Event()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.letters.append(envelope)
        self.came.set()
        return "250 kept"


@pytest.fixture
def real_server():
    keeper = Keeper()
    controller = Controller(keeper, hostname=HERE, port=0, server_hostname="real.test")
    controller.port = free_port()
    controller.start()
    keeper.address = f"{HERE}:{controller.port}"
    yield keeper
    controller.stop()


def free_port():
    with socket.create_server((HERE, 0)) as probe:
        return probe.getsockname()[1]


def test_a_server_of_the_world_relays_to_a_real_server(tmp_path, real_server):
    with world_with_gamma(tmp_path, "@ MX 10 mx1\n") as world:
        world.add_host("mx1.gamma.example", "198.51.100.71")
        with Live(world) as live:
            outside = live.open_outside("mx1.gamma.example", 25, real_server.address)
            assert outside.real_port == int(real_server.address.rpartition(":")[2])
            world.send("alice", "zoe@gamma.example", "Into reality", "How is it?")
            assert real_server.came.wait(30)
        assert Journal(world).failures == []
    (letter,) = real_server.letters
    assert letter.mail_from == "alice@alpha.example"
    assert letter.rcpt_tos == ["zoe@gamma.example"]
    assert b"Subject: Into reality\r\n" in letter.original_content


def test_a_real_server_that_is_not_there_resets_the_virtual_client(live):
    nobody = f"{HERE}:{free_port()}"
    live.open_outside("ns.alpha.example", 2500, nobody)
    with pytest.raises(ConnectionResetError):
        live.call(talk(live.world.host("alice-pc"), "192.0.2.53", 2500))
    (told,) = live.world.trace.of_kind("note")
    assert nobody in told["text"]


async def talk(host, address, port):
    stream = await host.connect(address, port)
    return await stream.read()


@pytest.mark.parametrize(
    "real", ["192.0.2.1:25", "mail.example.org:25", "0.0.0.0:25", "[2001:db8::1]:25"]
)
def test_a_world_reaches_no_real_server_but_on_loopback(live, real):
    with pytest.raises(LabError, match="loopback only"):
        live.open_outside("ns.alpha.example", 2501, real)
    with pytest.raises(LabError, match="loopback only"):
        parse_outside(f"ns.alpha.example:2501={real}")


@pytest.mark.parametrize("real", ["localhost:25", "127.9.9.9:25", "[::1]:25"])
def test_loopback_has_many_names(real):
    assert parse_outside(f"ns.alpha.example:2501={real}").real_port == 25


def test_a_port_that_is_served_already_leads_nowhere_else(live):
    with pytest.raises(LabError, match="open already"):
        live.open_outside(MX, 25, f"{HERE}:25")


# Beyond this computer -----------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address here")
def test_doors_listen_where_they_are_told():
    with open_world("hello") as world, Live(world, listen="127.0.0.2") as live:
        door = live.door("mail.hello.example", 25)
        assert door.real_host == "127.0.0.2"
        with smtplib.SMTP("127.0.0.2", door.real_port, timeout=30) as client:
            assert client.noop()[0] == 250
        with pytest.raises(ConnectionRefusedError):
            smtplib.SMTP(HERE, door.real_port)


def test_an_address_to_listen_on_must_be_one():
    with open_world("hello") as world, pytest.raises(LabError, match="everywhere"):
        Live(world, listen="everywhere")
