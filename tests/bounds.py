"""Real connections for tests of limits: raw octets to a server on real ports.

Goes in: a port, perhaps TLS. Comes out: what the server says, until it hangs up.
"""

import asyncio
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.interop.mail_server import SECRET, MailServer, User

HERE = "127.0.0.1"
PATIENCE = 20.0  # seconds; more is a failure
TLS_PORTS = {"submissions", "pop3s", "imaps"}
NO_PROOF = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
NO_PROOF.check_hostname = False
NO_PROOF.verify_mode = ssl.CERT_NONE


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = MailServer(Path(folder))
        try:
            yield server
        finally:
            server.close()


class Peer:
    """One connection, which is not polite."""

    def __init__(self, server: MailServer, service: str, *, plain: bool = False):
        self.socket = socket.create_connection((HERE, server.ports[service]), PATIENCE)
        if service in TLS_PORTS and not plain:
            self.socket = NO_PROOF.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self.file.close()
            self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def line(self) -> bytes:
        return self.file.readline()

    def until(self, begin: bytes) -> list[bytes]:
        """Lines up to one that begins so; literals are read as lines."""
        lines = []
        while not lines or not lines[-1].startswith(begin):
            lines.append(self.line())
            assert lines[-1], f"no {begin!r} in {lines[-5:]}"
        return lines

    def ask(self, command: bytes) -> list[bytes]:
        """An IMAP command: all lines of the answer."""
        self.send(b"t " + command + b"\r\n")
        return self.until(b"t ")

    def throw(self, octets: bytes) -> bytes:
        """Send all of it and no more; what was heard until the server hung up."""
        thrower = threading.Thread(target=self._throw, args=(octets,))
        thrower.start()
        heard = bytearray()
        with suppress(ConnectionError, ssl.SSLError):  # it may hang up in the middle
            while data := self._hear():
                heard += data
        thrower.join()
        return bytes(heard)

    def _hear(self) -> bytes:
        while True:
            # Python 3.13 confuses errors of two threads at one TLS connection.
            with suppress(BlockingIOError):
                return self.socket.recv(1 << 16)

    def _throw(self, octets: bytes) -> None:
        with suppress(OSError, ValueError):
            self.socket.sendall(octets)
            self.socket.shutdown(socket.SHUT_WR)


def imap_of(user: User, service: str = "imap", box: str = "INBOX") -> Peer:
    """Logged in, with a mailbox open."""
    peer = Peer(user.server, service)
    peer.line()
    login = f"LOGIN {user.address} {SECRET}".encode()
    assert peer.ask(login)[-1].startswith(b"t OK")
    assert peer.ask(b"SELECT " + box.encode())[-1].startswith(b"t OK")
    return peer


def serve_somebody(user: User) -> None:
    """SMTP, POP3 and IMAP still do what they are for, at all ports."""
    name = user.address.encode()
    for service in ("smtp", "submission", "submissions"):
        with Peer(user.server, service) as peer:
            peer.until(b"220 ")
            peer.send(b"EHLO here.example\r\n")
            peer.until(b"250 ")
    for service in ("pop3", "pop3s"):
        with Peer(user.server, service) as peer:
            peer.until(b"+OK")
            peer.send(b"USER %b\r\nPASS %b\r\nQUIT\r\n" % (name, SECRET.encode()))
            assert all(peer.line().startswith(b"+OK") for _ in range(3))
    for service in ("imap", "imaps"):
        imap_of(user, service).close()


def everything_is_closed(server: MailServer) -> None:
    """No session is left: each has a task, and nothing else has."""

    async def wait() -> None:
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    server.call(wait())
