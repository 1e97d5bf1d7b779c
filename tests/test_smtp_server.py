"""What transcripts cannot say of the SMTP server engine."""

from time import process_time

import pytest

from maillab.errors import LabError, LocalProtocolError
from maillab.protocol import smtp_server
from maillab.protocol.engine import Question, StartTLS
from maillab.protocol.smtp_phrases import PHRASES
from maillab.protocol.smtp_server import SMTPServer, State
from maillab.protocol.smtp_server_events import (
    Connected,
    FindSecret,
    Hello,
    MailFrom,
    Message,
)
from maillab.protocol.smtp_server_limits import ALL_EXTENSIONS, SMTPServerOptions
from maillab.wire.smtp import Reply
from tests.smtp_player import respond

OPEN = b"EHLO c.example\r\nMAIL FROM:<z@c.example>\r\nRCPT TO:<ann@example.org>\r\n"


SENDER_OK = PHRASES["sender-ok"].reply({})


def server(**options) -> SMTPServer:
    engine = SMTPServer(SMTPServerOptions("mx.example.org", **options))
    engine.next_event()
    engine.answer(engine.phrases.reply("banner"))
    return engine


def greeted(**options) -> SMTPServer:
    engine = server(**options)
    tell(engine, b"EHLO c.example\r\n")
    return engine


def tell(engine: SMTPServer, data: bytes) -> list[Message]:
    """Say this; return the messages that were accepted."""
    engine.receive(data)
    messages = []
    while event := engine.next_event():
        if isinstance(event, Message):
            messages.append(event)
        if isinstance(event, Question):
            respond(engine, event)
    return messages


def test_the_content_is_given_as_the_author_wrote_it():
    content = b"Subject: \xff\x00\r\n\r\n.dot\r\n..\r\n \r\n"
    data = content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    [message] = tell(server(), OPEN + b"DATA\r\n" + data)
    assert message.content == content
    assert str(message.envelope.reverse_path) == "z@c.example"
    assert [str(path) for path in message.envelope.forward_paths] == ["ann@example.org"]


def test_a_refused_message_is_forgotten_and_the_session_goes_on():
    engine = server()
    engine.receive(OPEN + b"DATA\r\nHi\r\n.\r\nNOOP\r\n")
    while event := engine.next_event():
        if isinstance(event, Message):
            engine.answer(Reply(554, "5.7.1", "No"))
        elif isinstance(event, Question):
            respond(engine, event)
    assert engine.state is State.GREETED
    assert engine.data_to_send().endswith(b"554 5.7.1 No\r\n250 2.0.0 Nothing done\r\n")


def test_nothing_goes_on_before_a_question_is_answered():
    engine = greeted()
    engine.receive(b"MAIL FROM:<z@c.example>\r\n")
    assert isinstance(engine.next_event(), MailFrom)
    with pytest.raises(LocalProtocolError):
        engine.next_event()


def test_an_answer_needs_a_question():
    with pytest.raises(LocalProtocolError):
        server().answer(SENDER_OK)


def test_an_answer_after_the_end_is_ignored():
    engine = greeted()
    engine.receive(b"MAIL FROM:<z@c.example>\r\n")
    assert isinstance(engine.next_event(), MailFrom)
    engine.shut_down("the power fails")
    engine.answer(SENDER_OK)
    assert engine.data_to_send().endswith(
        b"421 4.3.2 mx.example.org closing the connection\r\n"
    )
    assert engine.closed
    assert engine.lines_spoken()[-1].why == "the power fails"


def test_starttls_stops_the_session_until_the_handshake_is_done():
    engine = greeted(starttls=True)
    engine.receive(b"STARTTLS\r\nNOOP\r\n")
    assert engine.next_event() == StartTLS()
    assert engine.next_event() is None
    engine.tls_started()
    assert engine.next_event() is None
    assert [s.octets for s in engine.lines_spoken() if s.what == "noise"] == [
        b"NOOP\r\n"
    ]


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        (b"AUTH PLAIN AGFubgBzZWNyZXQ=", b"AGFubgBzZWNyZXQ="),
        (b"auth  plain  AGFu", b"AGFu"),
        (b"AUTH PLAIN", b""),
    ],
)
def test_passwords_are_marked_in_the_record(line, masked):
    engine = server(mechanisms=("PLAIN",), auth_needs_tls=False)
    tell(engine, b"EHLO c.example\r\n" + line + b"\r\n")
    [spoken] = [
        s for s in engine.lines_spoken() if s.octets.upper().startswith(b"AUTH")
    ]
    assert b"".join(spoken.octets[a:b] for a, b in spoken.secret) == masked


def test_responses_of_auth_are_marked_in_the_record():
    engine = server(mechanisms=("LOGIN",), auth_needs_tls=False)
    tell(engine, b"EHLO c.example\r\nAUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\n")
    marked = [s.octets[a:b] for s in engine.lines_spoken() for a, b in s.secret]
    assert marked == [b"YW5u", b"c2VjcmV0"]
    assert engine.user == "ann"
    assert engine.protocol == "ESMTPA"


def test_the_record_is_the_stream():
    engine = server()
    stream = OPEN + b"DATA\r\nHi\r\n..\r\n.\r\nQUIT\r\n"
    tell(engine, stream)
    spoken = engine.lines_spoken()
    for side, octets in (("C", stream), ("S", engine.data_to_send())):
        mine = [s for s in spoken if s.speaker == side]
        assert b"".join(s.octets for s in mine) == octets
        assert [s.offset for s in mine] == [octets.index(s.octets) for s in mine]
        assert all(s.ref for s in mine)


def test_what_was_said_before_a_connection_broke_is_on_record():
    engine = server()
    tell(engine, OPEN + b"DATA\r\nHalf a lett")
    engine.receive_eof()
    assert engine.lines_spoken()[-1].octets == b"Half a lett"
    assert engine.closed


def test_a_recipient_too_many_is_no_bad_command():
    engine = server(max_recipients=1)
    tell(engine, OPEN + b"RCPT TO:<bob@example.org>\r\n" * 50)
    assert not engine.closed
    assert engine.data_to_send().count(b"452 4.5.3") == 50


def test_big_content_costs_neither_time_nor_memory():
    line = b"." + b"x" * 76 + b"\r\n"
    block = line * 1000
    engine = server(max_size=20_000_000)
    tell(engine, OPEN + b"DATA\r\n")
    started = process_time()
    for _ in range(140):
        tell(engine, block)
    [message] = tell(engine, b".\r\n")
    assert process_time() - started < 1
    assert len(message.content) == 140 * 1000 * 78


@pytest.mark.parametrize("line", [b"\r\n", b"..\r\n", b"x" * 50_000])
def test_content_that_is_too_big_is_thrown_away_as_it_comes(line):
    engine = server(max_size=100_000)
    tell(engine, OPEN + b"DATA\r\n")
    block = line * (1 + 60_000 // len(line))
    for _ in range(50):
        assert tell(engine, block) == []
        engine.lines_spoken()
        assert len(engine._reader._raw) + len(engine._lines) < 300_000
    tell(engine, b"\r\n.\r\n")
    assert engine.data_to_send().endswith(
        b"552 5.3.4 Message size exceeds the maximum\r\n"
    )


def test_a_complete_session_may_be_cut_anywhere():
    session = OPEN + b"DATA\r\nSubject: One\r\n\r\n..\r\n.\r\nQUIT\r\n"
    end_of_content = session.index(b"\r\n.\r\n") + 5
    for cut in range(len(session)):
        engine = server()
        accepted = tell(engine, session[:cut])
        engine.receive_eof()
        assert engine.closed
        assert len(accepted) == (cut >= end_of_content)
        assert (b" octets for" in engine.data_to_send()) == bool(accepted)


def test_every_command_names_its_rfc_section():
    assert set(smtp_server.RFC_OF) == set(smtp_server.HANDLERS)
    assert all(
        ref.startswith("RFC ") and "§" in ref for ref in smtp_server.RFC_OF.values()
    )
    assert set(smtp_server.LEGAL_STATES) <= set(smtp_server.HANDLERS)


def test_a_password_behind_a_refused_auth_is_masked():
    engine = server()
    tell(engine, b"EHLO x\r\nAUTH PLAIN\r\nAGFubgBzZWNyZXQ=\r\nNOOP\r\n")
    said = [line for line in engine.lines_spoken() if line.speaker == "C"]
    assert [line.secret for line in said] == [(), (), ((0, 16),), ()]


def test_no_commands_are_read_behind_an_unreadable_bdat():
    engine = server()
    tell(engine, b"EHLO x\r\nBDAT 7 \x80\r\nRSET\r\nX")
    assert engine.closed
    said = [line.octets for line in engine.lines_spoken() if line.speaker == "C"]
    assert said == [b"EHLO x\r\n", b"BDAT 7 \x80\r\n"]


def test_a_name_and_a_password_behind_a_refused_auth_are_masked():
    engine = server()
    tell(engine, b"EHLO x\r\nAUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\nNOOP\r\nHUH\r\n")
    said = [line for line in engine.lines_spoken() if line.speaker == "C"]
    spans = [line.secret for line in said]
    assert spans == [(), (), ((0, 4),), ((0, 8),), (), ()]


# Who may stay ------------------------------------------------------------------------


def connected(refusal: Reply) -> SMTPServer:
    """A server whose agent answers a new client like this."""
    engine = SMTPServer(SMTPServerOptions("mx.example.org"))
    assert engine.next_event() == Connected()
    engine.answer(refusal)
    return engine


def test_after_554_a_client_may_only_say_quit():
    # RFC 5321 §3.1
    engine = connected(Reply(554, "5.7.1", "Go away"))
    tell(engine, b"EHLO x\r\nNOOP\r\nXYZZY\r\nBDAT 6\r\nQUIT\r\nQUIT\r\n")
    assert engine.data_to_send().splitlines() == [
        b"554 5.7.1 Go away",
        *[b"503 5.5.1 No SMTP service here: say QUIT"] * 4,
        b"221 2.0.0 mx.example.org closes the connection",
    ]
    assert engine.closed


@pytest.mark.parametrize("code", [421, 450, 451])
def test_after_a_temporary_refusal_the_connection_ends(code):
    engine = connected(Reply(code, "4.7.0", "Later"))
    assert engine.closed
    assert engine.data_to_send() == b"%d 4.7.0 Later\r\n" % code
    assert engine.next_event() is None


def test_a_refused_hello_is_answered_and_the_agent_is_asked_again():
    engine = server()
    engine.receive(b"EHLO a.example\r\nEHLO b.example\r\n")
    assert engine.next_event() == Hello("a.example", extended=True)
    engine.answer(Reply(550, "5.7.1", "Not you"))
    assert (engine.client_name, engine.state) == ("", State.CONNECTED)
    assert engine.next_event() == Hello("b.example", extended=True)
    engine.answer(engine.phrases.reply("ehlo").because("an old friend"))
    assert (engine.client_name, engine.state) == ("b.example", State.GREETED)
    assert engine.lines_spoken()[-1].why == "an old friend"


def test_the_address_that_a_proxy_tells_is_given_to_the_agent():
    engine = SMTPServer(SMTPServerOptions("mx.example.org", proxy=True))
    assert engine.next_event() is None
    engine.receive(b"PROXY TCP6 2001:DB8::7 2001:db8::25 4000 25\r\n")
    assert engine.next_event() == Connected(("2001:db8::7", 4000))


@pytest.mark.parametrize("line", [b"PROXY", b"PROXY TCP4 x y 1 2", b"x" * 20_000])
def test_what_is_no_proxy_line_ends_the_connection(line):
    engine = SMTPServer(SMTPServerOptions("mx.example.org", proxy=True))
    tell(engine, line + b"\r\nNOOP\r\n")
    assert engine.data_to_send().startswith(b"421 4.7.0")
    assert engine.closed


# Secrets -----------------------------------------------------------------------------


def test_a_mechanism_that_needs_a_nonce_is_not_offered_without_one():
    with pytest.raises(LabError, match="CRAM-MD5 need a nonce"):
        SMTPServerOptions("mx.example.org", mechanisms=("CRAM-MD5", "PLAIN"))


def test_an_agent_may_end_a_login_when_it_cannot_look_up_secrets():
    engine = greeted(
        mechanisms=("SCRAM-SHA-256",), auth_needs_tls=False, nonce=lambda: "n"
    )
    engine.receive(b"AUTH SCRAM-SHA-256 biwsbj1hbm4scj1jMA==\r\nNOOP\r\n")
    assert engine.next_event() == FindSecret("SCRAM-SHA-256", "ann")
    with pytest.raises(LocalProtocolError):
        engine.answer(engine.phrases.reply("logged-in"))
    engine = greeted(
        mechanisms=("SCRAM-SHA-256",), auth_needs_tls=False, nonce=lambda: "n"
    )
    tell(engine, b"AUTH SCRAM-SHA-256 biwsbj1kb3duLHI9YzA=\r\nNOOP\r\n")
    assert engine.data_to_send().endswith(
        b"454 4.7.0 Temporary authentication failure\r\n250 2.0.0 Nothing done\r\n"
    )


def test_a_secret_is_given_only_when_it_was_asked_for():
    with pytest.raises(LocalProtocolError):
        server().give_secret("secret")


# LMTP --------------------------------------------------------------------------------


def test_lmtp_wants_a_reply_for_each_recipient():
    engine = server(lmtp=True)
    stream = OPEN.replace(b"EHLO", b"LHLO") + b"DATA\r\n.\r\n"
    engine.receive(stream)
    while not isinstance(event := engine.next_event(), Message):
        if isinstance(event, Question):
            respond(engine, event)
    with pytest.raises(LocalProtocolError):
        engine.answer_each([Reply(250, "2.0.0", "one"), Reply(250, "2.0.0", "two")])


@pytest.mark.parametrize(
    ("greeting", "options", "word"),
    [
        (b"HELO x", {}, "SMTP"),
        (b"EHLO x", {}, "ESMTP"),
        (b"LHLO x", {"lmtp": True}, "LMTP"),
    ],
)
def test_the_protocol_is_named_for_received_fields(greeting, options, word):
    engine = server(extensions=ALL_EXTENSIONS, **options)
    tell(engine, greeting + b"\r\n")
    assert engine.protocol == word
    if word != "SMTP":
        tell(engine, b"MAIL FROM:<z@c.example> SMTPUTF8\r\n")
        assert engine.protocol == word.replace("ESMTP", "SMTP").replace(
            word[-4:], f"UTF8{word[-4:]}"
        )


def test_a_refusal_has_the_section_of_its_reason():
    engine = server()
    tell(engine, OPEN + b"RCPT TO:<x@elsewhere.example>\r\n")
    assert engine.lines_spoken()[-1].ref == "RFC 5321 §3.6.2"


def test_a_chunk_too_big_costs_no_memory():
    engine = server(extensions=ALL_EXTENSIONS, max_size=1000)
    tell(engine, OPEN + b"BDAT 100000000 LAST\r\n")
    for _ in range(50):
        tell(engine, b"x" * 100_000)
        engine.lines_spoken()
        assert len(engine._lines) + len(engine._chunk.octets) < 200_000
    assert not engine.closed


def test_a_client_that_leaves_within_a_chunk_has_sent_no_message():
    engine = server(extensions=ALL_EXTENSIONS)
    assert tell(engine, OPEN + b"BDAT 10 LAST\r\nabc") == []
    engine.receive_eof()
    assert engine.lines_spoken()[-1].octets == b"abc"
    assert engine.next_event() is None
