"""Much at once through the doors: nothing is lost, and nobody waits for the slow."""

import asyncio
import imaplib
import smtplib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from maillab import open_world
from maillab.gateway.live import Live
from tests.worlds import Journal, arrived

HERE = "127.0.0.1"
BOB = "bob@beta.example"
MX = "mx.beta.example"
MUCH = 10_000_000


@pytest.fixture(scope="module")
def live():
    with open_world("two-domains") as world:
        with Live(world) as opened:
            yield opened
        assert Journal(world).failures == []


def enter(live, port):
    door = live.open_door(MX, port)
    return socket.create_connection((HERE, door.real_port), timeout=60)


def pieces(size):
    """So many octets, no two thousand of which are alike."""
    return b"".join(b"%09d\n" % number for number in range(size // 10))


@pytest.mark.slow
def test_ten_megabytes_pass_in_each_direction_at_once(live):
    there, back = pieces(MUCH), pieces(MUCH)[::-1]
    got = bytearray()

    async def serve(stream):
        stream.write(back)
        while data := await stream.read():
            got.extend(data)

    live.call(live.world.host(MX).listen(5000, serve))
    with enter(live, 5000) as real, ThreadPoolExecutor() as pool:
        sent = pool.submit(send_and_end, real, there)
        assert heard(real) == back
        sent.result()
    assert bytes(got) == there


def send_and_end(real, data):
    real.sendall(data)
    real.shutdown(socket.SHUT_WR)


def heard(real):
    data = bytearray()
    while piece := real.recv(1 << 16):
        data += piece
    return bytes(data)


@pytest.mark.slow
def test_a_slow_reader_holds_up_its_server_and_nobody_else(live):
    block, total, written = b"x" * 100_000, 150, []

    async def serve(stream):
        for number in range(total):
            stream.write(block)
            await stream.drain()
            written.append(number)

    live.call(live.world.host(MX).listen(5001, serve))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        slow.settimeout(60)
        slow.connect((HERE, live.open_door(MX, 5001).real_port))
        letter = b"Subject: in the meantime\r\n\r\nHello\r\n"
        with smtplib.SMTP(HERE, live.door(MX, 25).real_port, timeout=30) as client:
            client.sendmail("x@nowhere.example", [BOB], letter)
        live.call(stands_still(written))
        assert len(written) < total
        assert len(heard(slow)) == total * len(block)


async def stands_still(written):
    """Wait until every buffer on the way is full."""
    before = -1
    while len(written) > before:
        before = len(written)
        await asyncio.sleep(0.1)


def test_a_server_that_reads_slowly_holds_up_its_client(live):
    go_on = threading.Event()
    got = []

    async def serve(stream):
        while not go_on.is_set():
            await live.world.host(MX).sleep(0.01)
        while data := await stream.read():
            got.append(len(data))

    live.call(live.world.host(MX).listen(5002, serve))
    with enter(live, 5002) as real:
        sent = send_until_it_stalls(real, bytes(5 * MUCH))
        assert sent < 5 * MUCH
        go_on.set()
        real.settimeout(60)
        real.shutdown(socket.SHUT_WR)
        assert heard(real) == b""
    assert sum(got) == sent


def send_until_it_stalls(real, data):
    real.settimeout(0.3)
    sent = 0
    try:
        while sent < len(data):
            sent += real.send(data[sent : sent + 100_000])
    except TimeoutError:
        pass
    return sent


@pytest.mark.slow
def test_a_letter_of_eleven_megabytes_goes_in_and_out(live):
    line = b"0123456789" * 7 + b"\r\n"
    body = line * (11_000_000 // len(line))
    big = b"Subject: eleven\r\n\r\n" + body
    with smtplib.SMTP(HERE, live.door(MX, 25).real_port, timeout=60) as client:
        client.sendmail("x@nowhere.example", [BOB], big)
    stored = live.call(arrived(live.world.mailbox(BOB), b"Subject: eleven\r\n"))
    assert stored.content.endswith(body)
    with reader(live) as client:
        data = client.uid("fetch", str(stored.uid), "(BODY.PEEK[])")[1]
        assert data[0][1] == stored.content


def reader(live):
    client = imaplib.IMAP4(HERE, live.door(MX, 143).real_port, timeout=60)
    client.login(BOB, "sponge")
    client.select("INBOX")
    return client


def test_fifty_letters_and_ten_readers_side_by_side(live):
    start = threading.Barrier(60)
    port = live.door(MX, 25).real_port

    def bring(number):
        with smtplib.SMTP(HERE, port, timeout=60) as client:
            start.wait(60)
            letter = f"Subject: crowd {number}\r\n\r\nHello\r\n"
            client.sendmail("x@nowhere.example", [BOB], letter)

    def watch(number):
        with reader(live) as client:
            start.wait(60)
            return client.noop()[0], client.status("INBOX", "(MESSAGES)")[0]

    with ThreadPoolExecutor(60) as pool:
        letters = [pool.submit(bring, number) for number in range(50)]
        readers = [pool.submit(watch, number) for number in range(10)]
        assert {one.result() for one in readers} == {("OK", "OK")}
        assert {one.result() for one in letters} == {None}
    inbox = live.world.mailbox(BOB)
    for number in range(50):
        live.call(arrived(inbox, f"Subject: crowd {number}\r\n".encode()))
