"""The POP3 engines, together and against odd peers."""

import pytest

from maillab.errors import LocalProtocolError
from maillab.protocol import pop3_server
from maillab.protocol.engine import Event, StartTLS
from maillab.protocol.pop3_client import Garbled, POP3Client
from maillab.protocol.pop3_server_events import Login, Retrieved
from maillab.wire.pop3 import Reply, parse_status, top_of
from tests.pop3_player import LETTERS, new_session


class Line:
    """A client engine and the player's server, with nothing between them."""

    def __init__(self, *, pipelining: bool = True, cut: int = 0, **settings) -> None:
        self.session = new_session(**settings)
        self.client = POP3Client(pipelining=pipelining)
        self.cut = cut
        self.flights: list[bytes] = []
        self.client.receive(self.session.greeting(1))
        self.run()

    @property
    def server(self):
        return self.session.servers[1]

    def run(self) -> list[Event]:
        heard: list[Event] = []
        while True:
            heard += self.hear()
            data = self.client.data_to_send()
            if not data:
                return heard
            self.flights.append(data)
            answer = self.session.hear(1, data)
            size = self.cut or max(1, len(answer))
            for at in range(0, len(answer), size):
                self.client.receive(answer[at : at + size])
                heard += self.hear()

    def hear(self) -> list[Event]:
        heard: list[Event] = []
        while event := self.client.next_event():
            heard.append(event)
            if isinstance(event, StartTLS):
                self.session.starttls(1)
                self.client.tls_started()
        return heard

    def say(self, verb: str, argument: str = "") -> Reply:
        self.client.command(verb, argument)
        [event] = self.run()
        return event.reply


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("cut", [0, 1])
def test_messages_arrive_octet_for_octet(pipelining, cut):
    talk = Line(pipelining=pipelining, cut=cut)
    talk.say("CAPA")
    talk.client.login("ann", "secret")
    assert talk.run()[-1].reply.positive
    for number in range(1, 4):
        talk.client.command("RETR", str(number))
    bodies = [event.reply.body for event in talk.run()]
    assert bodies[:2] == [letter.content for letter in LETTERS[:2]]
    assert bodies[2] == LETTERS[2].content + b"\r\n"
    assert (len(talk.flights[-1].split(b"\r\n")) == 4) == pipelining


def test_the_capabilities_are_kept():
    talk = Line()
    talk.say("CAPA")
    assert talk.client.capabilities["SASL"] == "PLAIN LOGIN"
    assert "TOP" in talk.client.capabilities


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_authenticate_logs_in(mechanism):
    talk = Line()
    talk.client.authenticate(mechanism, "ann", "secret")
    [event] = talk.run()
    assert event.reply.positive
    assert talk.server.user == talk.client.user == "ann"


def test_a_password_is_marked_on_both_sides():
    talk = Line()
    talk.client.login("ann", "secret")
    talk.run()
    for engine in (talk.client, talk.server):
        marked = [s.octets[a:b] for s in engine.lines_spoken() for a, b in s.secret]
        assert marked == [b"secret"]


def test_a_wrong_password_is_told_once():
    talk = Line()
    talk.client.login("ann", "wrong")
    [event] = talk.run()
    assert (event.verb, event.reply.code) == ("PASS", "AUTH")
    assert talk.client.user == ""


def test_stls_forgets_what_was_known():
    talk = Line(starttls="yes", login_needs_tls="yes")
    assert "STLS" in str(talk.say("CAPA").body)
    talk.client.starttls()
    assert talk.run() == [StartTLS()]
    assert talk.client.capabilities == {}
    talk.client.login("ann", "secret")
    assert talk.run()[-1].reply.positive


def test_listings_have_a_body_and_single_answers_have_none():
    talk = Line()
    talk.client.login("ann", "secret")
    talk.run()
    assert talk.say("LIST").body == b"1 28\r\n2 30\r\n3 29\r\n"
    assert talk.say("LIST", "2") == Reply(True, "2 30")
    assert talk.say("UIDL").body == b"1 u1\r\n2 u2\r\n3 u3\r\n"
    assert talk.say("TOP", "1 0").body == b"Subject: One\r\n\r\n"
    assert talk.say("RETR", "9") == Reply(False, "No such message")
    assert talk.say("QUIT").positive
    assert talk.client.closed
    assert talk.client.ended == ""


def test_the_agent_hears_what_was_retrieved():
    talk = Line()
    talk.client.login("ann", "secret")
    talk.run()
    talk.server.receive(b"RETR 2\r\n")
    assert talk.server.next_event() == Retrieved(LETTERS[1])


@pytest.mark.parametrize(
    "noise", [b"220 SMTP here\r\n", b"\r\n", b"+OKAY\r\n", b"x" * 5000 + b"\r\n"]
)
def test_noise_ends_the_session_with_an_event(noise):
    client = POP3Client()
    client.receive(noise)
    assert isinstance(client.next_event(), Garbled)
    assert client.closed
    assert "does not speak POP3" in client.ended


def test_what_cannot_be_said_is_an_error_of_ours():
    client = POP3Client()
    with pytest.raises(LocalProtocolError):
        client.command("DELE", "1\r\nQUIT")


def test_only_the_right_answer_opens_a_maildrop():
    server = Line().server
    server.receive(b"USER ann\r\nPASS secret\r\n")
    server.next_event()
    assert isinstance(server.next_event(), Login)
    with pytest.raises(LocalProtocolError):
        server.next_event()
    with pytest.raises(LocalProtocolError):
        server.answer(Reply(True, "come in"))
    with pytest.raises(LocalProtocolError):
        server.open_maildrop([])


@pytest.mark.parametrize(
    ("content", "lines", "top"),
    [
        (b"A: b\r\n\r\none\r\n\r\nthree\r\n", 2, b"A: b\r\n\r\none\r\n\r\n"),
        (b"A: b\r\n\r\none", 5, b"A: b\r\n\r\none\r\n"),
        (b"A: b\r\n", 5, b"A: b\r\n\r\n"),
        (b"\r\nbody\r\n", 1, b"\r\nbody\r\n"),
        (b"", 1, b"\r\n\r\n"),
    ],
)
def test_top_gives_header_empty_line_and_lines(content, lines, top):
    assert top_of(content, lines) == top


def test_replies_are_read_as_they_are_written():
    for reply in (Reply(True, "ok"), Reply(False, "no", "SYS/TEMP"), Reply(True, "")):
        assert parse_status(reply.status_line[:-2]) == reply


def test_every_command_names_its_rfc_section():
    assert set(pop3_server.RFC_OF) == set(pop3_server.HANDLERS)
    assert set(pop3_server.LEGAL_STATES) <= set(pop3_server.HANDLERS)


def test_a_big_message_is_given_at_once():
    talk = Line()
    talk.client.login("ann", "secret")
    talk.run()
    big = b".line\r\n" * 1_500_000
    talk.server._maildrop._messages = [pop3_server.DropMessage("big", big)]
    assert talk.say("RETR", "1").body == big
