"""Planned faults on real sockets, and what Python's libraries make of them."""

import imaplib
import poplib
import smtplib
import socket

import pytest

from maillab.agents.faults import Faults
from maillab.agents.imap_access import ImapAccess
from maillab.agents.pop3_access import Pop3Access
from maillab.agents.reception import SMTPReception
from maillab.agents.reception_options import Entrance
from maillab.agents.serving import Security
from maillab.policy.fault_plan import Fault
from tests.test_real_sockets import ANN, HERE, LETTER, NAME, SECRET, RealServer

NOT_THERE = smtplib.SMTPServerDisconnected


class FaultyServer(RealServer):
    """The same servers, with a plan."""

    def __init__(self):
        self.faults = Faults()
        super().__init__()

    async def start(self):
        await super().start()
        upgrade = Security(self.ca.server_context(NAME))
        mta = self.make_mta()
        entrance = Entrance("relay", 25, upgrade)
        access = {"plain_login": True, "faults": self.faults}
        services = {
            "smtp": SMTPReception(mta, entrance, faults=self.faults),
            "pop3": Pop3Access(self.host, self.directory, upgrade, **access),
            "imap": ImapAccess(self.host, self.directory, upgrade, **access),
        }
        for name, service in services.items():
            listener = await self.host.listen(0, service.serve)
            self.listeners.append(listener)
            self.ports[name] = listener.port


@pytest.fixture(scope="module")
def server():
    server = FaultyServer()
    yield server
    failures = [event["traceback"] for event in server.trace.of_kind("failure")]
    server.close()
    assert failures == []


@pytest.fixture
def plan(server):
    """Plan one fault, for one test."""
    planned = []

    def add(stage, **keys):
        planned.append(server.faults.plan.add(Fault(stage, **keys)))
        return planned[-1]

    yield add
    for one in planned:
        one.remove()
        assert one.hits == 1


def send(server):
    with smtplib.SMTP(HERE, server.ports["smtp"], timeout=30) as client:
        client.sendmail(ANN, [ANN], LETTER)


@pytest.mark.parametrize(
    ("stage", "effect", "error"),
    [
        ("greeting", {"disconnect": True}, NOT_THERE),
        ("EHLO", {"reset": True}, NOT_THERE),
        ("greeting", {"reply": "554 5.3.2 No"}, smtplib.SMTPConnectError),
        ("EHLO", {"half_reply": True}, NOT_THERE),
        ("MAIL", {"reply": "451 4.3.0 No"}, smtplib.SMTPSenderRefused),
        ("RCPT", {"reply": "451 4.3.0 No"}, smtplib.SMTPRecipientsRefused),
        ("DATA", {"reply": "451 4.3.0 No"}, smtplib.SMTPDataError),
        ("message", {"reply": "451 4.3.0 No"}, smtplib.SMTPDataError),
        ("message", {"disconnect": True}, NOT_THERE),
        ("message", {"reset": True}, NOT_THERE),
    ],
)
def test_smtplib(server, plan, stage, effect, error):
    plan(stage, **effect)
    with pytest.raises(error):
        send(server)


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "message", "QUIT"])
def test_smtplib_waits_for_a_late_reply(server, plan, stage):
    plan(stage, delay=0.05)
    send(server)


@pytest.mark.parametrize(
    ("stage", "effect", "words"),
    [
        ("PASS", {"reply": "-ERR [SYS/TEMP] No"}, "SYS/TEMP"),
        ("STAT", {"disconnect": True}, "EOF"),
        ("CAPA", {"half_reply": True}, "CAPA not supported"),
    ],
)
def test_poplib(server, plan, stage, effect, words):
    plan(stage, **effect)
    with pytest.raises(poplib.error_proto, match=words):
        pop3_session(server)


def pop3_session(server):
    client = poplib.POP3(HERE, server.ports["pop3"], timeout=30)
    try:
        client.capa()
        client.user(ANN)
        client.pass_(SECRET)
        client.stat()
    finally:
        client.close()


@pytest.mark.parametrize(
    ("stage", "effect", "words"),
    [
        ("greeting", {"disconnect": True}, "EOF"),
        ("greeting", {"reply": "BYE [UNAVAILABLE] No"}, "UNAVAILABLE"),
        ("LOGIN", {"reply": "NO [UNAVAILABLE] No"}, "UNAVAILABLE"),
        ("SELECT", {"half_reply": True}, "unterminated line"),
        ("SELECT", {"disconnect": True}, "EOF"),
    ],
)
def test_imaplib(server, plan, stage, effect, words):
    plan(stage, **effect)
    with pytest.raises(imaplib.IMAP4.error, match=words):
        imap_session(server)


def imap_session(server):
    client = imaplib.IMAP4(HERE, server.ports["imap"], timeout=30)
    try:
        client.login(ANN, SECRET)
        client.select()
    finally:
        client.shutdown()


@pytest.mark.parametrize(
    ("protocol", "half"), [("smtp", b"220 "), ("pop3", b"+OK "), ("imap", b"* OK ")]
)
def test_half_a_greeting_is_on_the_wire(server, plan, protocol, half):
    plan("greeting", protocol=protocol, half_reply=True)
    with socket.create_connection((HERE, server.ports[protocol]), 30) as real:
        octets = b"".join(iter(lambda: real.recv(1000), b""))
    assert octets.startswith(half)
    assert not octets.endswith(b"\n")


def test_a_reset_is_a_reset_on_real_sockets_too(server, plan):
    plan("NOOP", reset=True)
    with socket.create_connection((HERE, server.ports["smtp"]), 30) as real:
        real.recv(1000)
        real.sendall(b"NOOP\r\n")
        with pytest.raises(ConnectionResetError):
            real.recv(1000)


@pytest.mark.parametrize("stage", ["tls", "NOOP"])
def test_tls_breaks_off_on_real_sockets_too(server, plan, stage):
    plan(stage, truncated_tls=True, protocol="smtp")
    client = smtplib.SMTP(HERE, server.ports["smtp"], timeout=30)
    with pytest.raises((OSError, NOT_THERE)):  # noqa: PT012
        client.starttls()
        client.noop()
    client.close()
