"""A real server is killed at any point of acceptance: nothing acknowledged is lost.

A message is for ann, who is local (her mail goes into Drop), and for bob, to whom no
way leads (he must stay in the queue). RFC 5321 §6.1; twice is allowed (RFC 1047).
"""

import json
import os
import random
import signal
import smtplib
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from maillab.store.disk import RealDisk
from maillab.store.spool import Spool
from tests.crash_server import DIED

if not hasattr(os, "fork"):
    pytest.skip("this system has no fork", allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
ANN, BOB = "ann@here.example", "bob@far.example"
LETTERS = 4
STEPS = 42  # more than what four letters take
GREETING = (
    b"EHLO pc\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n"
)


class Servers:
    """Starts servers that may die, one after the other."""

    def __init__(self):
        command = [sys.executable, "-m", "tests.crash_server"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT)
        self.closed = socket.socket()
        self.closed.bind(("127.0.0.1", 0))  # and nobody listens there

    def start(self, folder, die_at=0, *, drain=False):
        """Returns the port and the process id; (0, 0) when it died at once."""
        order = {"folder": str(folder), "die_at": die_at, "drain": drain}
        order["closed_port"] = self.closed.getsockname()[1]
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().split()
        if said[0] == b"ended":
            self.status = int(said[1])
            return 0, 0
        return int(said[1]), int(said[2])

    def wait(self):
        """Until the server has ended; its exit status."""
        said = self.process.stdout.readline().split()
        assert said[0] == b"ended"
        return int(said[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.closed.close()


@pytest.fixture(scope="module")
def servers():
    started = Servers()
    yield started
    started.close()


def letter(number):
    return b"Subject: %06d\r\n\r\nHello\r\n" % number


def send_all(port, acknowledged):
    """Send letters until the server dies; note what it has acknowledged."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            for number in range(LETTERS):
                client.sendmail("a@b.example", [ANN, BOB], letter(number))
                acknowledged.add(number)
    except (OSError, smtplib.SMTPException):
        return


def check(servers, folder, acknowledged):
    """Start again; then everything that was acknowledged is where it belongs."""
    servers.start(folder, drain=True)
    assert servers.wait() == 0
    dropped = [file.read_bytes() for file in (folder / "Drop").iterdir()]
    waiting = [
        entry.content
        for entry in Spool(RealDisk(folder / "Queue")).entries.values()
        if [str(one) for one in entry.recipients] == [BOB]
    ]
    for number in acknowledged:
        subject = letter(number).split(b"\r\n")[0]
        assert any(subject in content for content in dropped), number
        assert sum(subject in content for content in waiting) == 1, number
    assert all(content.endswith(b"\r\n\r\nHello\r\n") for content in dropped + waiting)


@pytest.mark.parametrize("die_at", range(1, STEPS + 1))
def test_a_server_that_dies_before_any_step_of_its_disk(servers, tmp_path, die_at):
    port, pid = servers.start(tmp_path, die_at)
    acknowledged = set()
    if port:
        send_all(port, acknowledged)
        if len(acknowledged) == LETTERS:
            with suppress(ProcessLookupError):  # it may be dead by its own hand
                os.kill(pid, signal.SIGKILL)
        assert servers.wait() in (DIED, -signal.SIGKILL)
    else:
        assert servers.status == DIED
    check(servers, tmp_path, acknowledged)


class RawClient:
    """Sends a session octet by octet, and may kill the server on the way."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.socket.makefile("rb")
        self.file.readline()

    def say(self, data, replies):
        self.socket.sendall(data)
        lines = 0
        while lines < replies:
            line = self.file.readline()
            lines += line[3:4] == b" "
        return line

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.mark.parametrize("seed", range(40))
def test_a_server_that_is_killed_at_any_moment(servers, tmp_path, seed):
    generator = random.Random(f"killed at any moment {seed}")
    port, pid = servers.start(tmp_path)
    client, acknowledged = RawClient(port), set()
    before = generator.randrange(3)
    greeting = GREETING % (ANN.encode(), BOB.encode())
    for number in range(before):
        client.say(greeting, 5)
        assert client.say(letter(number) + b".\r\n", 1).startswith(b"250")
        acknowledged.add(number)
    client.say(greeting, 5)
    last = letter(before) + b".\r\n"
    cut = len(last) if seed % 2 else generator.randrange(len(last))
    client.socket.sendall(last[:cut])
    client.socket.settimeout(generator.uniform(0.0001, 0.006))
    try:
        if client.file.readline().startswith(b"250"):
            acknowledged.add(before)
    except TimeoutError:
        pass
    os.kill(pid, signal.SIGKILL)
    client.close()
    assert servers.wait() == -signal.SIGKILL
    check(servers, tmp_path, acknowledged)
