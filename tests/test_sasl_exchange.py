"""The server's side of SASL for POP3 and IMAP, without either."""

import itertools
import random

import pytest

from maillab.agents.access import Access
from maillab.policy import settings
from maillab.protocol.sasl_exchange import Cancelled, FindSecret, SaslExchange
from maillab.store.accounts import MemoryDirectory
from maillab.store.passwords import Hasher
from maillab.wire import sasl
from maillab.wire.sasl_scram import ScramVerifier

VERIFIER = ScramVerifier.from_password("secret", b"salt", 4096)
SECRETS = {"SCRAM-SHA-256": VERIFIER, "CRAM-MD5": "secret"}


def side() -> sasl.ServerSide:
    counter = itertools.count(1)
    return sasl.ServerSide("mail.example", lambda: f"n{next(counter)}", b"key")


def prove(mechanism: str, password: str, *, known: bool = True) -> sasl.Credentials:
    """A whole exchange with our own client."""
    exchange = SaslExchange(mechanism, side())
    client = sasl.client_mechanism(mechanism, "ann", password, lambda: "c0")
    initial = sasl.encode(client.respond(b"")) if client.client_first else None
    outcome = exchange.begin(initial)
    while not isinstance(outcome, sasl.Credentials):
        if isinstance(outcome, FindSecret):
            assert outcome == FindSecret(mechanism, "ann")
            outcome = exchange.give_secret(SECRETS[mechanism] if known else None)
        else:
            answer = sasl.answer_to(client, outcome)
            outcome = exchange.respond(b"*" if answer is None else sasl.encode(answer))
    return outcome


@pytest.mark.parametrize("mechanism", sasl.MECHANISMS)
def test_every_mechanism_comes_to_credentials(mechanism):
    found = prove(mechanism, "secret")
    assert found.user == "ann"
    assert found.proven or found.password == "secret"


@pytest.mark.parametrize("mechanism", sorted(sasl.WITH_NONCE))
def test_a_wrong_password_and_a_stranger_prove_nothing(mechanism):
    assert not prove(mechanism, "wrong").proven
    assert not prove(mechanism, "secret", known=False).proven


@pytest.mark.parametrize(
    ("mechanism", "initial"),
    [("CRAM-MD5", b"AGFubg=="), ("PLAIN", b"!"), ("PLAIN", b"="), ("LOGIN", b"=")],
)
def test_a_wrong_beginning_is_an_error_in_words(mechanism, initial):
    with pytest.raises(ValueError, match=r"[a-z]"):
        SaslExchange(mechanism, side()).begin(initial)


def test_a_star_cancels():
    exchange = SaslExchange("PLAIN")
    assert exchange.begin() == b""
    with pytest.raises(Cancelled):
        exchange.respond(b"*")


class Machine:
    """A host with dice."""

    name = "mail.example"

    def random(self, use: str) -> random.Random:
        return random.Random(use)


@pytest.mark.parametrize("reversible", [False, True])
def test_access_offers_what_its_directory_can_serve(reversible):
    directory = MemoryDirectory(
        ("x.org",), Hasher(random.Random(1), reversible=reversible)
    )
    directory.add("ann@x.org", "secret")
    access = Access(Machine(), directory)
    assert access.mechanisms == ("PLAIN", "LOGIN", "SCRAM-SHA-256")
    wanted = settings.Access(mechanisms=("CRAM-MD5", "SCRAM-SHA-256"))
    access.settings = lambda: settings.Settings(access=wanted)
    offered = ("CRAM-MD5", "SCRAM-SHA-256") if reversible else ("SCRAM-SHA-256",)
    assert access.mechanisms == offered
    for name in offered:
        assert access.find_secret(FindSecret(name, "ann@x.org")) is not None
    assert access.find_secret(FindSecret("SCRAM-SHA-256", "eve")) is None
    assert access.sasl_side.nonce() != access.sasl_side.nonce()
