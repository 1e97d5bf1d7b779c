"""SOCKS5: the octets by themselves, and real clients that come in by them."""

import ipaddress
import socket
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab import open_world
from maillab.errors import LabError
from maillab.gateway.live import Live
from maillab.gateway.socks import Broken, Reply, Request, find_request, take_greeting
from tests.worlds import Journal

HELLO = b"\x05\x01\x00"
MX, MX_ADDRESS = "mx.beta.example", "203.0.113.25"


def asked(host, port, command=1):
    """A request in octets."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode()
        return bytes([5, command, 0, 3, len(name)]) + name + struct.pack("!H", port)
    kind = 1 if address.version == 4 else 4
    return bytes([5, command, 0, kind]) + address.packed + struct.pack("!H", port)


# The octets ---------------------------------------------------------------------------


@pytest.mark.parametrize("host", [MX, MX_ADDRESS, "2001:db8::25", "a" * 255])
def test_a_request_is_found_however_it_is_cut(host):
    whole = asked(host, 25)
    for end in range(len(whole)):
        assert find_request(bytearray(whole[:end])) is None
    data = bytearray(whole + b"early")
    assert find_request(data) == Request(host, 25)
    assert data == b"early"


def test_a_greeting_is_taken_once_it_is_whole():
    data = bytearray(b"\x05\x02\x02")
    assert not take_greeting(data)
    data += b"\x00rest"
    assert take_greeting(data)
    assert data == b"rest"


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (asked(MX, 25, command=2), Reply.COMMAND_NOT_SUPPORTED),
        (asked(MX, 25, command=3), Reply.COMMAND_NOT_SUPPORTED),
        (b"\x05\x01\x00\x02\x00", Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        (b"\x05\x01\x00\x03\x00\x00\x19", Reply.HOST_UNREACHABLE),
        (b"\x05\x01\x00\x03\x02\xc3\xbc\x00\x19", Reply.HOST_UNREACHABLE),
        (b"\x05\x01\x00\x03\x03a\x00b\x00\x19", Reply.HOST_UNREACHABLE),
    ],
)
def test_what_cannot_be_done_has_its_reply(octets, code):
    with pytest.raises(Broken) as caught:
        find_request(bytearray(octets))
    assert caught.value.answer[:4] == bytes([5, code, 0, 1])


@given(st.binary(max_size=600))
def test_no_octets_raise_anything_else(octets):
    for take in (take_greeting, find_request):
        data = bytearray(octets)
        with suppress(Broken):
            take(data)


# Real clients -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live():
    with open_world("two-domains") as world:
        with Live(world, rate=100) as opened:
            yield opened
        assert Journal(world).failures == []


@pytest.fixture
def dial(live):
    """Opens a real connection to the SOCKS port of a seat."""
    opened, ports = [], {}

    def connect(seat="your-computer"):
        if seat not in ports:
            ports[seat] = live.open_socks(seat).real_port
        real = socket.create_connection(("127.0.0.1", ports[seat]), timeout=30)
        opened.append(real)
        return real

    yield connect
    for real in opened:
        real.close()


def heard(real):
    """Everything until the other side hangs up."""
    data = b""
    while piece := real.recv(1000):
        data += piece
    return data


def exactly(real, count):
    data = b""
    while len(data) < count:
        piece = real.recv(count - len(data))
        assert piece, f"hung up after {data!r}"
        data += piece
    return data


def request(real, host, port, command=1):
    """Negotiate; return the reply code, and where we are bound."""
    real.sendall(HELLO)
    assert exactly(real, 2) == b"\x05\x00"
    real.sendall(asked(host, port, command))
    version, code, _, kind = exactly(real, 4)
    assert version == 5
    bound = ipaddress.ip_address(exactly(real, 4 if kind == 1 else 16))
    exactly(real, 2)
    return code, str(bound)


@pytest.mark.parametrize("host", [MX, MX_ADDRESS])
def test_a_name_and_an_address_lead_to_the_server(live, dial, host):
    real = dial("alice-pc")
    assert request(real, host, 25) == (Reply.SUCCEEDED, "192.0.2.101")
    assert real.recv(100).startswith(b"220 mx.beta.example ")
    session = live.world.trace.find_sessions(client="alice-pc")[-1]
    assert session.server == MX


def test_everything_may_come_in_one_piece_or_octet_by_octet(dial):
    whole = HELLO + asked(MX, 25) + b"QUIT\r\n"
    in_one, piecemeal = dial(), dial()
    in_one.sendall(whole)
    for octet in whole:
        piecemeal.sendall(bytes([octet]))
    for real in (in_one, piecemeal):
        said = heard(real)
        assert said.startswith(b"\x05\x00\x05\x00\x00\x01")
        assert b"\r\n221 2.0.0 " in said


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        (MX, 26, Reply.CONNECTION_REFUSED),
        ("nobody.beta.example", 25, Reply.HOST_UNREACHABLE),
        ("203.0.113.99", 25, Reply.HOST_UNREACHABLE),
        ("2001:db8::25", 25, Reply.NETWORK_UNREACHABLE),  # the seat has no IPv6
    ],
)
def test_the_reply_says_why_not(dial, host, port, code):
    real = dial()
    assert request(real, host, port)[0] == code
    assert heard(real) == b""


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("prohibit", Reply.NOT_ALLOWED),
        ("reject", Reply.CONNECTION_REFUSED),
        ("drop", Reply.TTL_EXPIRED),
    ],
)
def test_the_firewall_of_the_seat_is_met(live, dial, action, code):
    keys = {"action": action, "direction": "out", "protocol": "tcp", "ports": 25}
    rule = live.world.add_rule("alice-pc", **keys)
    try:
        assert request(dial("alice-pc"), MX, 25)[0] == code
        assert request(dial("bob-pc"), MX, 25)[0] == Reply.SUCCEEDED
    finally:
        live.world.remove_rule("alice-pc", rule)


def test_silence_is_127_seconds_of_the_world(live, dial):
    host = live.world.host("ns.beta.example")
    host.up = False
    began = live.world.time
    try:
        assert request(dial(), host.addresses[0], 25)[0] == Reply.TTL_EXPIRED
    finally:
        host.up = True
    assert 127 <= live.world.time - began < 160


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (b"\x04\x01\x00\x19\xcb\x00\x71\x19\x00", b""),  # SOCKS4
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\x05\x01\x02", b"\x05\xff"),  # wants a password
        (b"\x05\x00", b"\x05\xff"),
        (HELLO + b"\x06\x01\x00\x01" + bytes(6), b"\x05\x00"),
        (HELLO + asked(MX, 25, command=2), b"\x05\x00\x05\x07\x00\x01" + bytes(6)),
    ],
)
def test_who_makes_no_sense_is_hung_up_on(dial, octets, answer):
    real = dial()
    real.sendall(octets)
    said = b""
    try:
        said = heard(real)
    except ConnectionResetError:  # there were octets that nobody read
        assert answer == b""
        return
    assert said == answer


def test_who_goes_away_is_dialled_for_no_longer(live, dial):
    world = live.world
    host = world.host("ns.beta.example")
    host.up = False
    try:
        real = dial()
        real.sendall(HELLO + asked(host.addresses[0], 4242))
        wait_until(live, lambda: attempts(world, 4242))
        real.close()
        wait_until(live, lambda: not live.visits)
        before = len(attempts(world, 4242))
        live.call(world.hosts["alice-pc"].sleep(200))
        assert len(attempts(world, 4242)) == before
    finally:
        host.up = True


def attempts(world, port):
    """The SYNs to a port."""
    dialled = [e for e in world.trace.of_kind("connect") if e["dst"][1] == port]
    again = [
        e
        for one in dialled
        for e in world.trace.of_kind("syn")
        if e.connection == one.connection
    ]
    return dialled + again


def wait_until(live, condition):
    async def wait():
        for _ in range(10_000):
            if condition():
                return
            await live.world.hosts["alice-pc"].sleep(0.5)
        raise AssertionError("it never came true")

    live.call(wait())


def test_a_seat_that_does_not_exist_is_named(live):
    with pytest.raises(LabError, match="carol-pc"):
        live.open_socks("carol-pc")
