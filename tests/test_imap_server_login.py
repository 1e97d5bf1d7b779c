"""AUTHENTICATE with every mechanism of `wire.sasl` (RFC 9051 §6.2.2)."""

import pytest

from maillab.protocol.engine import Question
from maillab.protocol.imap_server import IMAPServer
from maillab.protocol.imap_server_events import Done, FindSecret, LogIn, SecretFound
from maillab.protocol.imap_server_options import IMAPServerOptions
from maillab.wire.imap import no
from maillab.wire.sasl import (
    MECHANISMS,
    ScramVerifier,
    ServerSide,
    client_mechanism,
    encode,
)
from maillab.wire.sasl import decode as decoded

SIDE = ServerSide("mx.alpha.example", lambda: "nonce", b"key")
SECRETS = {
    "CRAM-MD5": "wonderland",
    "SCRAM-SHA-256": ScramVerifier.from_password("wonderland", b"salt"),
}


def new_engine(**options) -> IMAPServer:
    return IMAPServer(
        IMAPServerOptions(
            "mx", plain_login=True, mechanisms=MECHANISMS, sasl_side=SIDE, **options
        )
    )


def hear(engine: IMAPServer, line: bytes, asked: list) -> bytes:
    engine.receive(line + b"\r\n")
    while event := engine.next_event():
        if not isinstance(event, Question):
            continue
        asked.append(event)
        match event:
            case FindSecret(mechanism, "ann"):
                engine.answer(SecretFound(SECRETS[mechanism]))
            case FindSecret():
                engine.answer(SecretFound(None))
            case LogIn(credentials):
                right = credentials.proven or credentials.password == "wonderland"
                engine.answer(Done() if right else no("Wrong"))
    return engine.data_to_send()


def log_in(name: str, user: str, password: str, *, initial: bool) -> tuple[bytes, list]:
    """The whole exchange; the last line, and what the agent was asked."""
    engine, asked = new_engine(), []
    engine.next_event()
    engine.data_to_send()
    client = client_mechanism(name, user, password, lambda: "abc")
    command = b"a AUTHENTICATE " + name.encode()
    if initial:
        command += b" " + encode(client.respond(b""))
    said = hear(engine, command, asked)
    while said.startswith(b"+ "):
        challenge = said[2:].rstrip()
        said = hear(engine, encode(client.respond(decoded(challenge))), asked)
    return said, asked


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_mechanism_lets_the_right_one_in(name):
    said, asked = log_in(name, "ann", "wonderland", initial=False)
    assert said.startswith(b"a OK [CAPABILITY ")
    login = asked[-1]
    assert (login.mechanism, login.credentials.user) == (name, "ann")


@pytest.mark.parametrize("name", ["PLAIN", "SCRAM-SHA-256"])
def test_an_initial_response_saves_a_round_trip(name):
    said, _ = log_in(name, "ann", "wonderland", initial=True)
    assert said.startswith(b"a OK ")


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("user", ["ann", "nobody"])
def test_a_wrong_password_and_an_unknown_user_sound_the_same(name, user):
    said, _ = log_in(name, user, "wrong", initial=False)
    assert said == b"a NO Wrong\r\n"


def test_a_mechanism_where_the_server_begins_has_no_initial_response():
    engine, asked = new_engine(), []
    said = hear(engine, b"a AUTHENTICATE CRAM-MD5 AAAA", asked)
    assert b"a BAD Wrong response: CRAM-MD5 has no initial response\r\n" in said
    assert not asked


def test_without_sasl_ir_there_is_no_initial_response():
    engine, asked = new_engine(without=("SASL-IR",)), []
    assert b"a BAD" in hear(engine, b"a AUTHENTICATE PLAIN AGFubgB4", asked)
    assert not asked


def test_a_refusal_while_the_secret_is_looked_for_ends_the_exchange():
    engine = new_engine()
    engine.receive(b"a AUTHENTICATE SCRAM-SHA-256 biwsbj1hbm4scj1hYmM=\r\n")
    assert isinstance(engine.next_event(), FindSecret)
    engine.answer(no("Later", "UNAVAILABLE"))
    assert engine.data_to_send().endswith(b"a NO [UNAVAILABLE] Later\r\n")
