"""What the SMTP client engine makes of extensions, offered or not."""

from email import message_from_bytes

import pytest

from maillab.protocol.smtp_client import SMTPClient
from maillab.protocol.smtp_client_events import RecipientReply, Replied, Sent
from maillab.protocol.smtp_client_plan import Wishes
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_limits import (
    ALL_EXTENSIONS,
    EXTENSIONS,
    MORE_EXTENSIONS,
    SMTPServerOptions,
)
from maillab.wire.sasl_scram import ScramVerifier
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_downgrade import downgraded
from maillab.wire.smtp_path import Address
from tests import smtp_player
from tests.test_smtp_client import ANN, BOB, CAROL, LETTER, ZOE, Line, heard

JOERG = Address("jörg", "exämple.org")
EIGHT_BIT = "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode()
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")


def session(wishes=None, lmtp=False, cut=0, implicit_tls=False, **options) -> Line:
    """A client that has said EHLO to a server with these options."""
    options = {"extensions": ALL_EXTENSIONS, "nonce": smtp_player.nonces()} | options
    server = SMTPServer(
        SMTPServerOptions("mx.example.org", lmtp=lmtp, **options),
        implicit_tls=implicit_tls,
    )
    client = SMTPClient(
        wishes=wishes, lmtp=lmtp, nonce=lambda: "ours", implicit_tls=implicit_tls
    )
    talk = Line(client, server, cut)
    client.ehlo("c.example")
    talk.run()
    return talk


def send(talk: Line, envelope: Envelope, content: bytes = LETTER) -> Sent:
    talk.client.send(envelope, content)
    events = talk.run()
    while event := talk.client.next_event():  # what our own side has said
        events.append(event)
    [sent] = [event for event in events if isinstance(event, Sent)]
    return sent


# Parameters -------------------------------------------------------------------------

DSN = Envelope(
    ZOE,
    (ANN, BOB),
    {"RET": "HDRS", "ENVID": "x+2B", "FOO": "bar"},
    ({"NOTIFY": "NEVER"}, {"NOTIFY": "DELAY", "ORCPT": "rfc822;b@example.org"}),
)


def test_parameters_of_dsn_arrive_where_they_are_offered():
    talk = session()
    send(talk, DSN)
    [message] = talk.messages
    assert message.envelope.parameters == {"RET": "HDRS", "ENVID": "x+2B", "SIZE": "26"}
    assert message.envelope.recipients[ANN] == {"NOTIFY": "NEVER"}
    assert message.envelope.recipients[BOB]["ORCPT"] == "rfc822;b@example.org"


def test_parameters_of_dsn_are_left_out_where_they_are_not():
    talk = session(extensions=())
    assert send(talk, DSN).accepted == (ANN, BOB)
    assert talk.messages[0].envelope.parameters == {}


def test_who_asked_for_requiretls_gets_it_or_nothing():
    envelope = Envelope(ZOE, (ANN,), {"REQUIRETLS": None})
    sent = send(session(), envelope)
    assert (sent.reply.code, sent.reply.enhanced) == (550, "5.7.30")
    talk = session(extensions=MORE_EXTENSIONS, implicit_tls=True)
    assert send(talk, envelope).accepted == (ANN,)
    assert talk.messages[0].envelope.parameters == {"REQUIRETLS": None}


# Internationalized mail -------------------------------------------------------------


@pytest.mark.parametrize("envelope", [Envelope(JOERG, (ANN,)), Envelope(ZOE, (JOERG,))])
def test_an_address_beyond_ascii_is_sent_with_smtputf8_or_not_at_all(envelope):
    talk = session(extensions=EXTENSIONS)
    sent = send(talk, envelope)
    assert (sent.reply.code, sent.reply.enhanced) == (553, "5.6.7")
    assert talk.server.messages == 0
    talk = session()
    assert send(talk, envelope).accepted == envelope.forward_paths
    assert "SMTPUTF8" in talk.messages[0].envelope.parameters


def test_a_header_in_utf8_asks_for_smtputf8():
    talk = session()
    content = "Subject: Grüße\r\n\r\n".encode()
    send(talk, Envelope(ZOE, (ANN,)), content)
    expected = {"SMTPUTF8": None, "BODY": "8BITMIME", "SIZE": str(len(content))}
    assert talk.messages[0].envelope.parameters == expected


def test_a_message_submitted_as_international_is_not_sent_as_another():
    envelope = Envelope(ZOE, (ANN,), {"SMTPUTF8": None})
    talk = session(extensions=EXTENSIONS)
    assert send(talk, envelope, "Subject: é\r\n\r\n".encode()).reply.enhanced == "5.6.9"
    assert send(talk, envelope).accepted == (ANN,)  # an ASCII message needs nothing


# 8 bits and binary ------------------------------------------------------------------


def test_8_bit_content_is_encoded_for_a_7_bit_server():
    talk = session(extensions=())
    assert send(talk, Envelope(ZOE, (ANN,)), EIGHT_BIT).accepted == (ANN,)
    content = talk.messages[0].content
    assert content.isascii()
    message = message_from_bytes(content)
    assert message.get_payload(decode=True).decode() == "Grüße\r\n"


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: \xff\r\n\r\nHi\r\n",
        b"Content-Type: multipart/signed; boundary=x\r\n\r\n"
        b"--x\r\n\r\n\xfc\r\n--x--\r\n",
    ],
)
def test_what_cannot_be_encoded_is_refused_at_home(content):
    talk = session(extensions=())
    sent = send(talk, Envelope(ZOE, (ANN,)), content)
    assert (sent.reply.code, sent.reply.enhanced) == (554, "5.6.3")
    assert talk.server.messages == 0
    assert send(talk, Envelope(ZOE, (ANN,))).accepted == (ANN,)


def test_parts_that_are_nested_a_thousand_times_are_refused_at_home():
    nested = b"Content-Type: message/rfc822\r\n\r\n" * 1000
    with pytest.raises(ValueError, match="nested too deeply"):
        downgraded(nested + b"Subject: x\r\n\r\n\xff\r\n")


def test_only_the_parts_that_need_it_are_encoded():
    content = (
        b"Content-Type: multipart/mixed; boundary=x\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n"
        b"--x\r\n\r\nplain\r\n--x\r\nContent-Type: text/plain; charset=latin1\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n\xfc\r\n--x--\r\n"
    )
    seven = downgraded(content)
    assert seven.isascii()
    assert b"\r\nplain\r\n" in seven
    first, second = message_from_bytes(seven).get_payload()
    assert first.get("Content-Transfer-Encoding") is None
    assert second.get_payload(decode=True) == b"\xfc"


BINARY = b"Content-Transfer-Encoding: binary\r\n\r\na\nb\0\xff"


@pytest.mark.parametrize("cut", [0, 1])
def test_binary_content_leaves_in_chunks_octet_for_octet(cut):
    talk = session(cut=cut)
    assert send(talk, Envelope(ZOE, (ANN,)), BINARY).accepted == (ANN,)
    assert talk.messages[0].content == BINARY
    assert talk.messages[0].envelope.parameters["BODY"] == "BINARYMIME"


def test_binary_content_is_encoded_where_binarymime_is_missing():
    talk = session(extensions=("CHUNKING",))
    assert send(talk, Envelope(ZOE, (ANN,)), BINARY).accepted == (ANN,)
    message = message_from_bytes(talk.messages[0].content)
    assert message.get_payload(decode=True) == b"a\nb\0\xff"


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("pipelining", [True, False])
def test_chunks_have_any_size(size, pipelining):
    talk = session(
        Wishes(chunking="always"), extensions=ALL_EXTENSIONS[not pipelining :]
    )
    content = (b"x" * 70 + b"\r\n") * (size // 72) + b"y" * (size % 72)
    assert send(talk, Envelope(ZOE, (ANN,)), content).accepted == (ANN,)
    assert [message.content for message in talk.messages] == [content]


def test_a_refused_chunk_ends_the_transaction():
    talk = session(Wishes(chunking="always"), max_size=100_000)
    talk.client.capabilities["SIZE"] = "0"
    del talk.client.capabilities["SIZE"]
    content = (b"x" * 70 + b"\r\n") * 3000
    assert send(talk, Envelope(ZOE, (ANN,)), content).reply.code == 552
    assert send(talk, Envelope(ZOE, (ANN,))).accepted == (ANN,)


def test_nobody_gets_chunks_when_all_recipients_are_refused():
    talk = session(Wishes(chunking="always"))
    assert send(talk, Envelope(ZOE, (CAROL,))).reply.code == 550
    assert send(talk, Envelope(ZOE, (CAROL, ANN))).accepted == (ANN,)
    assert len(talk.messages) == 1


# Limits -----------------------------------------------------------------------------


def test_no_more_recipients_are_named_than_the_server_takes():
    talk = session(max_recipients=1)
    talk.client.send(Envelope(ZOE, (ANN, BOB)), LETTER)
    events = talk.run()
    answers = {e.path: e.reply for e in events if isinstance(e, RecipientReply)}
    assert (answers[BOB].code, answers[BOB].ref) == (452, "RFC 9422 §4.2")
    assert events[-1].accepted == (ANN,)
    assert talk.server.bad_commands == 0


def test_limits_are_told_to_the_agent():
    assert session(max_messages=5).client.mail_max == 5
    assert session(extensions=()).client.mail_max == 0


def test_many_messages_leave_in_one_session():
    talk = session()
    for _ in range(5):
        assert send(talk, Envelope(ZOE, (ANN,))).accepted == (ANN,)


# Login ------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    ("user", "password", "code"),
    [("ann", "secret", 235), ("ann", "wrong", 535), ("eve", "secret", 535)],
)
def test_a_login_by_each_mechanism(mechanism, user, password, code, cut):
    talk = session(mechanisms=MECHANISMS, auth_needs_tls=False, cut=cut)
    talk.client.login(mechanism, user, password)
    [event] = talk.run()
    assert event.reply.code == code
    assert talk.server.user == talk.client.user == ("ann" if code == 235 else "")
    said = talk.client.lines_spoken()
    assert all(password.encode() not in line.octets for line in said)


def test_a_server_that_does_not_know_the_password_is_not_believed():
    client, _ = heard(b"220 x\r\n", b"250-x\r\n250 AUTH SCRAM-SHA-256\r\n")
    client._nonce = lambda: "ours"
    client.login("SCRAM-SHA-256", "ann", "secret")
    client.receive(b"235 2.7.0 Welcome\r\n")
    event = client.next_event()
    assert isinstance(event, Replied)
    assert (event.reply.code, client.user, client.closed) == (535, "", True)


def test_a_wrong_signature_cancels_the_login():
    client, _ = heard(b"220 x\r\n", b"250-x\r\n250 AUTH SCRAM-SHA-256\r\n")
    client._nonce = lambda: "ours"
    client.login("SCRAM-SHA-256", "ann", "secret")
    verifier = ScramVerifier.from_password("secret", b"salt")
    assert verifier.iterations == 4096
    client.receive(b"334 cj1vdXJzMSxzPWMyRnNkQT09LGk9NDA5Ng==\r\n334 dj1BQUFB\r\n")
    client.next_event()
    assert client.data_to_send().endswith(b"\r\n*\r\n")


@pytest.mark.parametrize("challenge", [b"334 !\r\n", b"334 AAAA\r\n", b"334\r\n"])
def test_an_odd_challenge_cancels_the_login(challenge):
    client, _ = heard(b"220 x\r\n", b"250-x\r\n250 AUTH SCRAM-SHA-256\r\n")
    client._nonce = lambda: "ours"
    client.login("SCRAM-SHA-256", "ann", "secret")
    client.receive(challenge)
    client.next_event()
    assert client.data_to_send().endswith(b"\r\n*\r\n")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_a_server_that_never_ends_the_login_is_left(mechanism):
    client, _ = heard(b"220 x\r\n", b"250-x\r\n250 AUTH %s\r\n" % mechanism.encode())
    client._nonce = lambda: "ours"
    client.login(mechanism, "ann", "secret")
    for _ in range(9):
        client.receive(b"334 AAAA\r\n")
        client.next_event()
    assert client.ended == "the server goes on with a login that was cancelled"


# LMTP -------------------------------------------------------------------------------


@pytest.mark.parametrize("chunking", ["binary", "always"])
@pytest.mark.parametrize("cut", [0, 1])
def test_lmtp_answers_for_each_recipient(chunking, cut):
    talk = session(Wishes(chunking=chunking), lmtp=True, cut=cut)
    sent = send(talk, Envelope(ZOE, (CAROL, ANN, BOB)))
    assert [(path, reply.code) for path, reply in sent.results] == [
        (ANN, 250),
        (BOB, 452),
    ]
    assert sent.accepted == (ANN,)
    assert send(talk, Envelope(ZOE, (ANN,))).accepted == (ANN,)


def test_lmtp_does_not_fall_back_to_helo():
    client = SMTPClient(lmtp=True)
    client.ehlo("c.example")
    client.receive(b"220 x\r\n500 what?\r\n")
    while client.next_event():
        pass
    assert client.data_to_send() == b"LHLO c.example\r\n"
    assert not client.greeted
