"""The SMTP client engine: against our server engine, and against odd servers."""

from itertools import product

import pytest

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import Event, Question, StartTLS
from maillab.protocol.smtp_client import SMTPClient
from maillab.protocol.smtp_client_events import (
    Garbled,
    Greeting,
    RecipientReply,
    Replied,
    Sent,
)
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_events import Message
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import NULL_PATH, Address
from tests.smtp_player import respond

ZOE = Address("zoe", "example.net")
ANN, BOB = Address("ann", "example.org"), Address("bob", "example.org")
CAROL = Address("carol", "example.org")
SPAMMER = Address("eve", "spam.example")
LETTER = b"Subject: Hi\r\n\r\n.\r\n..dots\r\n"


class Line:
    """A client engine and a server engine, with nothing between them."""

    def __init__(self, client: SMTPClient, server: SMTPServer, cut: int = 0) -> None:
        self.client, self.server, self.cut = client, server, cut
        self.events: list[Event] = []
        self.messages: list[Message] = []
        self.flights: list[bytes] = []  # what the client sent at one time
        self.answer()  # says the greeting
        self.run()

    def run(self) -> list[Event]:
        """Let both talk until nobody has more to say; what the client heard."""
        heard: list[Event] = []
        while (data := self.client.data_to_send()) or self.server._out:
            self.pass_on(self.server, data)
            if data:
                self.flights.append(data)
            self.answer()
            self.pass_on(self.client, self.server.data_to_send())
            while event := self.client.next_event():
                heard.append(event)
                if isinstance(event, StartTLS):
                    self.server.tls_started()
                    self.client.tls_started()
        self.events += heard
        return heard

    def pass_on(self, engine: SMTPClient | SMTPServer, data: bytes) -> None:
        size = self.cut or max(1, len(data))
        for at in range(0, len(data), size):
            engine.receive(data[at : at + size])
            if engine is self.server:
                self.answer()

    def answer(self) -> None:
        while event := self.server.next_event():
            if isinstance(event, Message):
                self.messages.append(event)
            if isinstance(event, Question):
                respond(self.server, event)


def line(*, pipelining: bool = True, cut: int = 0, **options) -> Line:
    server = SMTPServer(SMTPServerOptions("mx.example.org", **options))
    return Line(SMTPClient(pipelining=pipelining), server, cut)


def greeted(**options) -> Line:
    talk = line(**options)
    talk.client.ehlo("c.example")
    talk.run()
    return talk


def heard(*replies: bytes) -> tuple[SMTPClient, list[Event]]:
    """A client that said EHLO to a server which says these lines."""
    client = SMTPClient()
    client.ehlo("c.example")
    events = []
    for reply in replies:
        client.receive(reply)
        while event := client.next_event():
            events.append(event)
    return client, events


every_way = pytest.mark.parametrize(
    ("wanted", "offered", "cut"), list(product([True, False], [True, False], [0, 1]))
)


def way(wanted: bool, offered: bool, cut: int) -> Line:
    extensions = ("SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING")
    return greeted(pipelining=wanted, cut=cut, extensions=extensions[: 3 + offered])


@every_way
def test_a_letter_arrives_octet_for_octet(wanted, offered, cut):
    talk = way(wanted, offered, cut)
    talk.client.send(Envelope(ZOE, (ANN, BOB)), LETTER)
    *_, sent = talk.run()
    assert isinstance(sent, Sent)
    assert sent.accepted == (ANN, BOB)
    [message] = talk.messages
    assert message.content == LETTER
    assert message.envelope.forward_paths == (ANN, BOB)


@every_way
def test_a_refused_recipient_does_not_hinder_the_others(wanted, offered, cut):
    talk = way(wanted, offered, cut)
    talk.client.send(Envelope(ZOE, (CAROL, ANN)), LETTER)
    events = talk.run()
    answers = [(e.path, e.reply.code) for e in events if isinstance(e, RecipientReply)]
    assert answers == [(CAROL, 550), (ANN, 250)]
    assert events[-1].accepted == (ANN,)


@every_way
@pytest.mark.parametrize(
    ("sender", "recipients"), [(SPAMMER, (ANN, BOB)), (ZOE, (CAROL, CAROL))]
)
def test_after_a_refused_transaction_the_next_one_works(
    wanted, offered, cut, sender, recipients
):
    talk = way(wanted, offered, cut)
    talk.client.send(Envelope(sender, recipients), LETTER)
    events = talk.run()
    [sent] = [event for event in events if isinstance(event, Sent)]
    assert sent.reply.permanent
    assert sent.accepted == ()
    talk.client.send(Envelope(NULL_PATH, (ANN,)), LETTER)
    assert talk.run()[-1].accepted == (ANN,)
    assert len(talk.messages) == 1
    talk.client.quit()
    assert talk.run()[-1].reply.code == 221
    assert talk.client.closed
    assert talk.client.ended == ""


def test_pipelining_sends_the_envelope_in_one_flight():
    talk = greeted()
    talk.client.send(Envelope(ZOE, (ANN, BOB)), LETTER)
    talk.run()
    assert talk.flights[-2].count(b"\r\n") == 4
    assert talk.flights[-2].endswith(b"DATA\r\n")


def test_the_size_is_declared_and_8_bit_content_named():
    talk = greeted()
    talk.client.send(Envelope(ZOE, (ANN,)), b"\xfc\r\n")
    talk.run()
    [message] = talk.messages
    assert message.envelope.parameters == {"SIZE": "3", "BODY": "8BITMIME"}


def test_a_content_that_is_refused_was_accepted_for_nobody():
    talk = greeted(max_size=10, extensions=())
    talk.client.send(Envelope(ZOE, (ANN,)), LETTER)
    sent = talk.run()[-1]
    assert (sent.reply.code, sent.accepted) == (552, ())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("password", ["secret", "wrong", "x" * 600])
def test_a_login_is_answered_once_and_marked_secret(mechanism, password):
    talk = greeted(mechanisms=("PLAIN", "LOGIN"), auth_needs_tls=False)
    talk.client.lines_spoken()
    talk.client.login(mechanism, "ann", password)
    [event] = talk.run()
    right = password == "secret"
    assert (event.verb, event.reply.code) == ("AUTH", 235 if right else 535)
    assert talk.client.user == ("ann" if right else "")
    marked = [s for s in talk.client.lines_spoken() if s.speaker == "C" and s.secret]
    assert marked
    assert talk.server.user == talk.client.user


def test_after_tls_everything_is_forgotten():
    talk = greeted(starttls=True, mechanisms=("PLAIN",))
    assert not talk.client.offers("AUTH")
    talk.client.starttls()
    assert StartTLS() in talk.run()
    assert talk.client.capabilities == {}
    with pytest.raises(LocalProtocolError):
        talk.client.send(Envelope(ZOE, (ANN,)), LETTER)
    talk.client.ehlo("c.example")
    talk.run()
    assert talk.client.offers("AUTH")
    assert not talk.client.offers("STARTTLS")


def test_starttls_may_be_refused():
    talk = greeted()
    talk.client.starttls()
    assert [(e.verb, e.reply.code) for e in talk.run()] == [("STARTTLS", 502)]


def test_an_old_server_is_greeted_with_helo():
    client, events = heard(b"220 old\r\n", b"502 what?\r\n", b"250 old\r\n")
    assert client.data_to_send() == b"EHLO c.example\r\nHELO c.example\r\n"
    assert [getattr(event, "verb", "") for event in events] == ["", "HELO"]
    assert client.greeted


def test_a_refused_greeting_is_no_reason_for_helo():
    client, _ = heard(b"220 x\r\n", b"550 go away\r\n")
    assert client.data_to_send() == b"EHLO c.example\r\n"
    assert not client.greeted


def test_the_client_says_nothing_before_the_greeting():
    client, _ = heard()
    assert client.data_to_send() == b""


@pytest.mark.parametrize(
    "noise",
    [
        b"\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x16\x03\x01\r\n",
        b"x" * 5000 + b"\r\n",
        b"220-one\r\n250 two\r\n",
        b"220-x\r\n" * 300,
    ],
)
def test_noise_ends_the_session_with_an_event(noise):
    client, events = heard(noise)
    assert isinstance(events[-1], Garbled)
    assert client.closed
    assert "does not speak SMTP" in client.ended


def test_a_reply_that_nobody_asked_for_ends_the_session():
    client, events = heard(b"220 x\r\n", b"250 x\r\n", b"250 y\r\n")
    assert isinstance(events[-1], Garbled)
    assert client.closed


def test_421_may_come_at_any_time():
    client, events = heard(b"220 x\r\n", b"250 x\r\n", b"421 4.3.2 bye\r\n")
    assert events[-1] == Replied("", events[-1].reply)
    assert client.closed


def test_421_within_a_transaction_ends_it():
    client, _ = heard(b"220 x\r\n", b"250 x\r\n")
    client.send(Envelope(ZOE, (ANN,)), LETTER)
    client.receive(b"421 4.3.2 bye\r\n")
    events = [client.next_event(), client.next_event()]
    assert isinstance(events[1], Sent)
    assert events[1].reply.code == 421
    assert client.closed
    assert client.next_event() is None


def test_a_server_that_waits_for_unwanted_content_gets_a_single_dot():
    # RFC 2920 §3.1: all recipients are refused, and DATA is not.
    client, _ = heard(b"220 x\r\n", b"250-x\r\n250 PIPELINING\r\n")
    client.send(Envelope(ZOE, (ANN,)), LETTER)
    client.data_to_send()
    client.receive(b"250 ok\r\n550 no\r\n354 go\r\n")
    while client.next_event():
        pass
    assert client.data_to_send() == b".\r\n"
    client.receive(b"554 nobody\r\n")
    sent = client.next_event()
    assert isinstance(sent, Sent)
    assert (sent.reply.code, sent.accepted) == (550, ())
    assert client.data_to_send() == b""


def test_after_421_nothing_more_is_said():
    client, _ = heard(b"220 x\r\n", b"250 x\r\n")
    client.send(Envelope(ZOE, (ANN, BOB)), LETTER)
    client.receive(b"250 ok\r\n421 4.3.2 bye\r\n")
    while client.next_event():
        pass
    assert client.data_to_send().endswith(b"RCPT TO:<ann@example.org>\r\n")


def test_silence_and_hanging_up_are_told_apart():
    client, _ = heard(b"220 x\r\n")
    client.time_out()
    assert client.ended == "the server did not answer in time"
    client, _ = heard(b"220 x\r\n")
    client.receive_eof()
    assert client.ended == "the server closed the connection"


def test_misuse_is_an_error_of_ours():
    talk = line()
    with pytest.raises(LocalProtocolError):
        talk.client.send(Envelope(ZOE, (ANN,)), LETTER)
    talk.client.ehlo("c.example")
    talk.run()
    with pytest.raises(LocalProtocolError):
        talk.client.send(Envelope(ZOE, ()), LETTER)
    with pytest.raises(LocalProtocolError):
        talk.client.login("PLAIN", "ann", "secret")
    with pytest.raises(LocalProtocolError):
        talk.client.command("NOOP", "x\r\nQUIT")
    talk.client.send(Envelope(ZOE, (ANN,)), LETTER)
    with pytest.raises(LocalProtocolError):
        talk.client.send(Envelope(ZOE, (ANN,)), LETTER)
    talk.run()
    talk.client.quit()
    talk.run()
    with pytest.raises(LocalProtocolError):
        talk.client.command("NOOP")


def test_other_commands_have_their_reply():
    talk = greeted()
    talk.client.command("vrfy", "ann")
    talk.client.command("RSET")
    talk.client.command("NOOP")
    assert [event.verb for event in talk.run()] == ["VRFY", "RSET", "NOOP"]


def test_the_greeting_is_the_first_event():
    talk = line()
    assert isinstance(talk.events[0], Greeting)
    assert talk.events[0].reply.code == 220
