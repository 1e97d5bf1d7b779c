"""The POP3 engines, together and against odd peers."""

import pytest

from maillab.errors import LocalProtocolError
from maillab.protocol import pop3_server
from maillab.protocol.engine import Event, StartTLS
from maillab.protocol.pop3_client import Garbled, POP3Client
from maillab.protocol.pop3_server_events import DropMessage, Login, Retrieved
from maillab.wire.pop3 import Reply, apop_digest, parse_status, parse_unique_ids, top_of
from maillab.wire.pop3_surrogate import surrogate
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
    talk.say("UTF8")
    talk.client.login("ann", "secret")
    assert talk.run()[-1].reply.positive
    for number in range(1, 4):
        talk.client.command("RETR", str(number))
    bodies = [event.reply.body for event in talk.run()]
    assert bodies == [LETTERS["u1"], LETTERS["u2"], LETTERS["u3"] + b"\r\n"]
    assert (len(talk.flights[-1].split(b"\r\n")) == 4) == pipelining


def test_the_capabilities_are_kept():
    talk = Line()
    talk.say("CAPA")
    assert talk.client.capabilities["SASL"] == "PLAIN LOGIN"
    assert "TOP" in talk.client.capabilities


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_authenticate_logs_in(mechanism):
    talk = Line(mechanisms=mechanism)
    talk.client.authenticate(mechanism, "ann", "secret", lambda: "c0ffee")
    [event] = talk.run()
    assert event.reply.positive
    assert talk.server.user == talk.client.user == "ann"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_wrong_password_is_refused_by_every_mechanism(mechanism):
    talk = Line(mechanisms=mechanism)
    talk.client.authenticate(mechanism, "ann", "wrong", lambda: "c0ffee")
    [event] = talk.run()
    assert event.reply.code == "AUTH"
    assert talk.client.user == ""


def test_an_initial_response_leaves_with_the_command_if_it_fits():
    short, long = Line(), Line()
    short.client.authenticate("PLAIN", "ann", "secret")
    long.client.authenticate("PLAIN", "ann", "x" * 300)
    for talk in (short, long):
        talk.run()
    assert short.flights == [b"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"]
    assert long.flights[0] == b"AUTH PLAIN\r\n"
    assert len(long.flights[1]) > 400


def test_a_server_that_does_not_prove_itself_is_not_believed():
    client = POP3Client()
    client.receive(b"+OK hello\r\n")
    client.next_event()
    client.authenticate("SCRAM-SHA-256", "ann", "secret", lambda: "c0ffee")
    client.receive(b"+OK come in\r\n")
    assert isinstance(client.next_event(), Garbled)
    assert client.user == ""
    assert "not proved" in client.ended


def test_apop_proves_the_password_with_the_timestamp():
    talk = Line(apop="yes")
    talk.client.apop("ann", "secret")
    [event] = talk.run()
    assert (event.verb, event.reply.positive) == ("APOP", True)
    assert b"secret" not in b"".join(talk.flights)


@pytest.mark.parametrize(
    "greeting", [b"+OK hello", b"+OK <no at sign>", b"+OK <a\xff@b>", b"+OK <a b@c>"]
)
def test_apop_wants_a_timestamp_that_is_one(greeting):
    client = POP3Client()
    client.receive(greeting + b"\r\n")
    client.next_event()
    with pytest.raises(LocalProtocolError):
        client.apop("ann", "secret")


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
    talk.session.decide(talk.server, talk.server.next_event())
    assert talk.server.next_event() == Retrieved("u2", LETTERS["u2"])


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
    talk.client.command("RETR", "1")
    talk.server.receive(talk.client.data_to_send())
    talk.server.next_event()
    talk.server.give_message(big)
    talk.client.receive(talk.server.data_to_send())
    assert talk.client.next_event().reply.body == big


def test_a_maildrop_is_a_list_of_sizes_and_nothing_is_read_before_it_is_wanted():
    talk = Line()
    talk.session.read = None
    talk.session.maildrops["ann"] = ["u1"]
    talk.client.login("ann", "secret")
    assert talk.run()[-1].reply.positive
    many = [DropMessage(f"1.{uid}", 7_000_000_000) for uid in range(1, 10_001)]
    talk.server._maildrop._messages = many
    assert talk.say("STAT").text == "10000 70000000000000"
    ids = parse_unique_ids(talk.say("UIDL").body)
    assert len(set(ids.values())) == 10_000
    talk.say("DELE", "9")
    assert talk.say("STAT").text == "9999 69993000000000"


def test_a_password_may_be_composed_in_any_way_and_must_be_utf_8():
    # "aã": "ã" of one or of two code points; the digests are those of RFC 6856 §2.2
    stamp = "<1.2@b>"
    assert apop_digest(stamp, "a\u0303") == apop_digest(stamp, "\xe3")
    client = POP3Client()
    client.receive(f"+OK hi {stamp}\r\n".encode())
    client.next_event()
    with pytest.raises(LocalProtocolError, match="no APOP with this password"):
        client.apop("ann", "\ue000")
    talk = Line()
    for line in (b"USER ann\r\n", b"PASS \xff\r\n", b"PASS secret\r\n"):
        answer = talk.session.hear(1, line)
        assert answer.startswith(b"-ERR") == (b"\xff" in line)


def test_a_language_that_was_chosen_in_plain_text_is_forgotten_with_tls():
    talk = Line(starttls="yes")
    talk.say("LANG", "en")
    talk.client.starttls()
    talk.run()
    assert talk.say("LANG", "xx").text.startswith("i-default ")


def test_of_a_large_message_top_reads_a_few_lines():
    content = b"A: b\r\n\r\n" + b"x\r\n" * 1_000_000
    lines = content[8:].split(b"\r\n", 2)[:2]
    assert top_of(content, 2) == b"A: b\r\n\r\n" + b"".join(x + b"\r\n" for x in lines)
    assert top_of(content, 10**9) == content


def test_the_size_that_is_told_is_the_size_that_comes():
    talk = Line()
    talk.client.login("ann", "secret")
    talk.run()
    for number in ("1", "2"):
        size = int(talk.say("LIST", number).text.split()[1])
        reply = talk.say("RETR", number)
        assert int(reply.text.split()[0]) == size == len(reply.body)
    reply = talk.say("RETR", "3")  # has no CRLF at its end, and a surrogate
    assert int(reply.text.split()[0]) == len(reply.body)


def test_languages_and_mechanisms_are_lists():
    talk = Line()
    assert talk.say("LANG").body.splitlines()[0] == b"en English"
    assert talk.say("LANG", "*").text == "en Language changed"
    assert talk.say("AUTH").body == b"PLAIN\r\nLOGIN\r\n"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("From: Zoë <zoe@b.org>", "From: =?utf-8?q?Zo=C3=AB?= <zoe@b.org>"),
        (
            "To: a@b.org, Jörg <jörg@b.org>",
            "To: a@b.org,\r\n "
            "=?utf-8?b?SsO2cmc=?= <invalid@internationalized-address.invalid>",
        ),
        ("X-Mood: größer", ""),
        ("Subject: a\r\n é", "Subject: =?utf-8?q?a_=C3=A9?="),
        ("Grüße: x", ""),
        (
            "Return-Path: <ü@b.org>",
            "Return-Path: "
            "=?utf-8?b?w7xAYi5vcmc=?= <invalid@internationalized-address.invalid>",
        ),
        (
            'Content-Type: multipart/mixed;\r\n name="é;";\r\n boundary="a  b"',
            'Content-Type: multipart/mixed;\r\n boundary="a  b"',
        ),
        ('Content-Type: text/plain; name="é', ""),
        ("To: Grüße: ;", ""),
    ],
)
def test_a_surrogate_says_in_ascii_what_can_be_said(header, said):
    letter = f"A: b\r\n{header}\r\nC: d\r\n\r\nBödy\r\n".encode()
    rest = "\r\n\r\nBödy\r\n".encode()
    expected = f"A: b\r\n{said}\r\nC: d" if said else "A: b\r\nC: d"
    assert surrogate(letter) == expected.encode() + rest


def test_what_is_ascii_or_nothing_known_is_no_internationalized_message():
    for letter in (b"Subject: x\r\n\r\n\xc3\xbc", b"Subject: \xff\r\n\r\n", b""):
        assert surrogate(letter) == letter


@pytest.mark.parametrize("body", [b"1\r\n", b"x y\r\n", b"1 \xff\r\n"])
def test_a_listing_that_is_none_is_a_value_error(body):
    with pytest.raises(ValueError, match=r"."):
        parse_unique_ids(body)


@pytest.mark.parametrize(("verb", "many"), [("LIST", 60), ("RETR", 160)])
def test_a_body_without_end_is_not_taken(verb, many, monkeypatch):
    monkeypatch.setattr("maillab.protocol.pop3_client.MAX_LISTING", 500)
    monkeypatch.setattr("maillab.protocol.pop3_client.MAX_BODY", 1500)
    client = POP3Client()
    client.receive(b"+OK hi\r\n")
    client.next_event()
    client.command(verb, "1" if verb == "RETR" else "")
    client.receive(b"+OK\r\n" + b"1 2345678\r\n" * (many // 2))
    assert client.next_event() is None
    client.receive(b"1 2345678\r\n" * many)
    assert isinstance(client.next_event(), Garbled)
    assert client.closed


def test_what_is_pipelined_behind_stls_is_not_sent():
    talk = Line(starttls="yes")
    talk.say("CAPA")
    talk.client.starttls()
    talk.client.command("NOOP")
    assert talk.client.data_to_send() == b"STLS\r\n"
