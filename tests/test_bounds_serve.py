"""`maillab serve` among strangers: limits act, and the log keeps what is secret."""

import imaplib
import poplib
import socket
from contextlib import ExitStack

import pytest

from tests.serving import ANN, HOST, PASSWORD, PATIENCE, Serving, add_users
from tests.serving import write_settings as write

LIMITS = """
[log]
level = "debug"
file = "log.jsonl"
[mail.limits]
connections_per_address = 3
[mail.defence.autoblock]
attempts = 4
"""
REQUESTS = [
    b"x" * 200_000,
    b"\0" * 5000 + b"\r\n\r\n",
    b"GET " + b"/" * 4000 + b" HTTP/1.1\r\n\r\n",
    b"GET /health/../../etc/passwd HTTP/1.1\r\n\r\n",
    b"POST /health HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
    b"\r\n\r\n",
    b"GET /health HTTP/1.1\r\nX: y\r\n" * 500,
    b"GET /hea",
]


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    write(folder, rest=LIMITS)
    add_users(folder)
    with Serving(folder) as server:
        yield server


def connect(server, name):
    return socket.create_connection((HOST, server.ports[name]), PATIENCE)


def heard(sock, octets=b""):
    """What comes after this until the server hangs up."""
    data = bytearray()
    try:
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
        while more := sock.recv(1 << 16):
            data += more
    except OSError:  # it hung up before it had read everything
        pass
    return bytes(data)


def test_the_health_page_answers_whatever_came_before(serving):
    for request in REQUESTS:
        with connect(serving, "health") as sock:
            first = heard(sock, request)[:12]
            assert first in (b"", b"HTTP/1.0 404", b"HTTP/1.0 405", b"HTTP/1.0 200")
    assert serving.health()[0] == 200


@pytest.mark.parametrize(
    ("name", "refusal"), [("imap", b"* BYE"), ("pop3", b"-ERR"), ("smtp", b"421 ")]
)
def test_one_address_has_so_many_connections_and_no_more(serving, name, refusal):
    with ExitStack() as stack:
        three = [stack.enter_context(connect(serving, name)) for _ in range(3)]
        for sock in three:
            assert sock.recv(4) not in (b"", refusal[:4])
        with connect(serving, name) as fourth:
            assert heard(fourth).startswith(refusal)
        heard(three[0])  # until it is closed
        assert any(is_served(serving, name, refusal) for _ in range(100))


def is_served(server, name, refusal):
    """At once, or as soon as the server has counted the end of the other one."""
    with connect(server, name) as sock:
        return not heard(sock, b"QUIT\r\n").startswith(refusal)


def test_the_log_has_no_password_at_any_level(serving):
    with imaplib.IMAP4(HOST, serving.ports["imap"], PATIENCE) as client:
        client.starttls(serving.tls)
        client.login(ANN, PASSWORD)
    with imaplib.IMAP4_SSL(
        HOST, serving.ports["imaps"], ssl_context=serving.tls
    ) as one:
        one.authenticate("PLAIN", lambda _: f"\0{ANN}\0{PASSWORD}".encode())
    client = poplib.POP3(HOST, serving.ports["pop3"], PATIENCE)
    client.stls(serving.tls)
    client.user(ANN)
    client.pass_(PASSWORD)
    client.quit()
    with serving.submission() as client:
        client.noop()
    log = (serving.folder / "log.jsonl").read_text("utf-8")
    assert log.count('"event": "auth"') >= 4
    for secret in (PASSWORD, "Y29ycmVjdCBob3JzZQ", "bwBjb3JyZWN0IGhvcnNl"):
        assert secret not in log


def test_who_guesses_is_stopped_though_all_guesses_came_at_once(serving):
    """The last test: this address is banned from here on."""
    guesses = b"".join(
        b"a%d LOGIN %b %d\r\n" % (n, ANN.encode(), n) for n in range(999)
    )
    with serving.imap() as client:
        client.logout()
    sock = socket.create_connection((HOST, serving.ports["imaps"]), PATIENCE)
    with serving.tls.wrap_socket(sock, server_hostname=HOST) as inside:
        inside.sendall(guesses)
        data = bytearray()
        while more := inside.recv(1 << 16):
            data += more
    assert data.count(b"AUTHENTICATIONFAILED") == 4
    assert b"* BYE Too many wrong passwords" in data
    with connect(serving, "pop3") as sock:
        assert not heard(sock).startswith(b"+OK")
