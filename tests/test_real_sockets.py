"""The servers of a world run on real sockets too: the same agents, no world."""

import asyncio
import imaplib
import poplib
import smtplib
import ssl
import threading

import pytest

from maillab.agents.imap_access import ImapAccess
from maillab.agents.mta import MTA
from maillab.agents.pop3_access import Pop3Access
from maillab.agents.reception import SMTPReception
from maillab.agents.reception_options import Entrance
from maillab.agents.relay import Relay
from maillab.agents.serving import Security
from maillab.gateway.real import RealHost
from maillab.net.ca import LabCA
from maillab.net.sockets import WorldLoop
from maillab.store.accounts import MemoryDirectory
from maillab.trace import Trace
from tests.worlds import arrived

HERE, NAME = "127.0.0.1", "mail.real.example"
ANN, SECRET = "ann@real.example", "tea"
LETTER = b"Subject: real\r\n\r\nThrough the loopback interface.\r\n"


class RealServer:
    """SMTP, POP3 and IMAP for ann on ports that the system chose."""

    def __init__(self):
        self.loop = WorldLoop()
        self.loop.go_live()
        self.trace = Trace(strict=True)
        self.host = RealHost(NAME, self.loop, observer=self.trace.emit)
        self.directory = MemoryDirectory(("real.example",))
        self.inbox = self.directory.add(ANN, SECRET).mailboxes.inbox
        self.ca = LabCA()
        self.ports = {}
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.call(self.start())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def make_mta(self):
        relay = Relay(self.host, NAME, resolver=None, tls=None)  # nothing is sent on
        return MTA(self.host, NAME, self.directory, relay)

    async def start(self):
        mta = self.make_mta()
        context = self.ca.server_context(NAME)
        upgrade, implicit = Security(context), Security(context, implicit=True)
        services = {
            25: SMTPReception(mta, Entrance("relay", 25, upgrade)),
            587: SMTPReception(mta, Entrance("submission", 587, upgrade)),
            465: SMTPReception(mta, Entrance("submission", 465, implicit)),
            110: Pop3Access(self.host, self.directory, upgrade),
            995: Pop3Access(self.host, self.directory, implicit),
            143: ImapAccess(self.host, self.directory, upgrade),
            993: ImapAccess(self.host, self.directory, implicit),
        }
        self.listeners = []
        for number, service in services.items():
            listener = await self.host.listen(0, service.serve)
            self.listeners.append(listener)
            self.ports[number] = listener.port

    async def stop(self):
        for listener in self.listeners:
            listener.close()

    def close(self):
        self.call(self.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.cancel_all_tasks()
        self.loop.close()
        self.ca.close()


@pytest.fixture(scope="module")
def server():
    server = RealServer()
    yield server
    failures = [event["traceback"] for event in server.trace.of_kind("failure")]
    server.close()
    assert failures == []


@pytest.fixture(scope="module")
def tls(server):
    return ssl.create_default_context(cadata=server.ca.pem.decode())


@pytest.mark.parametrize("number", [25, 587, 465])
def test_smtplib_hands_in_a_letter(server, tls, number):
    port = server.ports[number]
    if number == 465:
        client = smtplib.SMTP_SSL(HERE, port, context=tls, timeout=30)
    else:
        client = smtplib.SMTP(HERE, port, timeout=30)
    subject = f"Subject: real {number}\r\n".encode()
    with client:
        if number == 587:
            client.starttls(context=tls)
        if number != 25:
            client.login(ANN, SECRET)
        assert client.sendmail(ANN, [ANN], subject + LETTER) == {}
    stored = server.call(arrived(server.inbox, subject))
    assert f"by {NAME} with ESMTP".encode() in stored.content


@pytest.mark.parametrize("number", [110, 995])
def test_poplib_reads(server, tls, number):
    server.call(put(server.inbox))
    if number == 995:
        client = poplib.POP3_SSL(HERE, server.ports[995], context=tls, timeout=30)
    else:
        client = poplib.POP3(HERE, server.ports[110], timeout=30)
        client.stls(context=tls)
    client.user(ANN)
    client.pass_(SECRET)
    count, _ = client.stat()
    assert b"\r\n".join(client.retr(count)[1]) + b"\r\n" == LETTER
    client.quit()


@pytest.mark.parametrize("number", [143, 993])
def test_imaplib_reads(server, tls, number):
    server.call(put(server.inbox))
    if number == 993:
        client = imaplib.IMAP4_SSL(HERE, server.ports[993], ssl_context=tls, timeout=30)
    else:
        client = imaplib.IMAP4(HERE, server.ports[143], timeout=30)
        client.starttls(ssl_context=tls)
    client.login(ANN, SECRET)
    client.select("INBOX")
    assert client.fetch("*", "(BODY[])")[1][0][1] == LETTER
    client.logout()


async def put(inbox):
    from datetime import UTC, datetime

    inbox.append(LETTER, datetime.now(UTC))


def test_plain_text_at_a_tls_port_ends_the_session_and_nothing_else(server, tls):
    for number in (465, 995, 993):
        with smtplib.socket.create_connection((HERE, server.ports[number])) as real:
            real.settimeout(30)
            real.sendall(b"EHLO plain\r\n")
            while real.recv(1000):
                pass
    test_smtplib_hands_in_a_letter(server, tls, 465)


def test_what_was_said_is_in_the_trace(server, tls):
    test_smtplib_hands_in_a_letter(server, tls, 587)
    said = [event["octets"] for event in server.trace.of_kind("line")]
    assert any(line.startswith(b"ehlo ") for line in said)
    assert any(line.startswith(b"250 2.0.0 Queued as ") for line in said)
