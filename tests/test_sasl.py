"""SASL mechanisms (RFC 4422, RFC 4616)."""

import re
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.wire import sasl
from maillab.wire.sasl import (
    Credentials,
    NeedSecret,
    ServerSide,
    client_mechanism,
    server_mechanism,
)
from maillab.wire.sasl_prep import prepared
from maillab.wire.sasl_scram import ScramClient, ScramServer, ScramVerifier

texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1
)


SALT = b"salt of ann"


def side() -> ServerSide:
    numbers = count(1)
    return ServerSide("mx.example.org", lambda: f"n{next(numbers)}", b"key")


def negotiate(client, server, secrets) -> Credentials:
    """Let both speak until the server knows; `secrets` is what it has stored."""
    outcome = server.first_challenge
    if server.client_first:
        outcome = server.respond(client.respond(b""))
    while not isinstance(outcome, Credentials):
        if isinstance(outcome, NeedSecret):
            outcome = server.give_secret(secrets.get(outcome.user))
        else:
            outcome = server.respond(client.respond(outcome))
    return outcome


def login(name: str, user: str, password: str, secrets) -> Credentials:
    client = client_mechanism(name, user, password, lambda: "ours")
    server = server_mechanism(name, side())
    if name == "LOGIN":  # a client that waits for the first challenge
        server.client_first = False
    return negotiate(client, server, secrets)


@settings(derandomize=True, max_examples=50)
@given(st.sampled_from(["PLAIN", "LOGIN"]), texts, texts)
def test_what_a_client_answers_is_what_a_server_reads_prepared(name, user, password):
    try:
        expected = Credentials("", prepared(user), prepared(password))
    except ValueError:
        expected = None
    if expected and expected.user and expected.password:
        assert login(name, user, password, {}) == expected
    else:
        with pytest.raises(ValueError):
            login(name, user, password, {})


def test_a_name_and_a_password_are_the_same_however_they_are_composed():
    said = login("PLAIN", "jo\u0308rg", "gro\u0308\xdfe", {})
    assert (said.user, said.password) == ("j\xf6rg", "gr\xf6\xdfe")
    proof = negotiate(
        client_mechanism("CRAM-MD5", "jo\u0308rg", "x"),
        server_mechanism("CRAM-MD5", side()),
        {"j\xf6rg": "x"},
    )
    assert proof == Credentials("", "j\xf6rg", proven=True)


def stored(name: str, password: str):
    if name == "CRAM-MD5":
        return password
    return ScramVerifier.from_password(password, SALT)


@pytest.mark.parametrize("name", ["CRAM-MD5", "SCRAM-SHA-256"])
@pytest.mark.parametrize(
    ("user", "password", "proven"),
    [("ann", "secret", True), ("ann", "Secret", False), ("eve", "secret", False)],
)
def test_a_proof_is_right_only_for_the_right_password(name, user, password, proven):
    credentials = login(name, user, password, {"ann": stored(name, "secret")})
    assert credentials == Credentials("", user, "", proven)


def test_scram_knows_names_with_commas_and_passwords_in_any_script():
    verifier = ScramVerifier.from_password("\u2168 pass\u00adword é", SALT)
    assert login("SCRAM-SHA-256", "a,b=c", "IX password é", {"a,b=c": verifier}).proven


def test_scram_takes_y_and_an_identity_to_act_for():
    client = ScramClient("ann", "secret", "ours", flag="y")
    server = ScramServer("theirs", b"key")
    client._header = "y,a=root,"
    secrets = {"ann": stored("SCRAM-SHA-256", "secret")}
    assert negotiate(client, server, secrets) == Credentials("root", "ann", "", True)


def test_scram_tells_nobody_which_names_exist():
    def challenge(user: str, nonce: str = "n"):
        server = ScramServer(nonce, b"key")
        server.respond(f"n,,n={user},r=x".encode())
        return server.give_secret(None)

    assert challenge("eve") == challenge("eve")
    assert challenge("eve") != challenge("bob")
    assert re.fullmatch(rb"r=xn,s=[A-Za-z0-9+/=]{24},i=4096", challenge("eve"))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,n=ann",
        b"n,,n=,r=x",
        b"n,,r=x,n=ann",
        b"n,,m=must,n=ann,r=x",
        b"p=tls-unique,,n=ann,r=x",
        b"q,,n=ann,r=x",
        b"n,,n=a=2Db,r=x",
        b"n,,n=a\x07,r=x",
        b"n,,n=ann,r=",
        b"n,,n=\xff,r=x",
        b"n,a=x=y,n=ann,r=x",
    ],
)
def test_scram_refuses_a_wrong_first_message(message):
    with pytest.raises(ValueError, match=r"."):
        ScramServer("n", b"key").respond(message)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"c=biws,r=xn",
        b"c=eSws,r=xn,p=AAAA",
        b"c=biws,r=x,p=AAAA",
        b"c=biws,r=xm,p=AAAA",
        b"c=!,r=xn,p=AAAA",
        b"c=biws,r=xn,p=A",
    ],
)
def test_scram_refuses_a_wrong_final_message(message):
    server = ScramServer("n", b"key")
    server.respond(b"n,,n=ann,r=x")
    server.give_secret(stored("SCRAM-SHA-256", "secret"))
    with pytest.raises(ValueError, match=r"."):
        server.respond(message)


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"r=ours,s=AAAA,i=4096",
        b"r=other,s=AAAA,i=4096",
        b"r=ours1,s=AAAA,i=1",
        b"r=ours1,s=AAAA,i=999999999",
        b"r=ours1,s=!,i=4096",
    ],
)
def test_a_scram_client_cancels_when_the_server_is_odd(challenge):
    client = ScramClient("ann", "secret", "ours")
    client.respond(b"")
    with pytest.raises(ValueError, match=r"."):
        client.respond(challenge)


@pytest.mark.parametrize("final", [b"", b"v=AAAA", b"e=other-error"])
def test_a_server_that_proves_nothing_is_not_believed(final):
    client = ScramClient("ann", "secret", "ours")
    client.respond(b"")
    client.respond(b"r=ours1,s=AAAA,i=4096")
    with pytest.raises(ValueError, match="does not know the password"):
        client.respond(final)
    assert not client.satisfied


def test_a_verifier_is_kept_as_text_and_shows_no_key():
    verifier = stored("SCRAM-SHA-256", "secret")
    assert ScramVerifier.from_text(verifier.to_text()) == verifier
    assert "key" not in repr(verifier)
    with pytest.raises(ValueError, match="expected SCRAM"):
        ScramVerifier.from_text("secret")


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_client_says_no_more_than_its_mechanism_has(name):
    client = client_mechanism(name, "ann", "secret")
    for _ in range(2 if name == "LOGIN" else 1):
        client.respond(b"x")
    with pytest.raises(ValueError, match="is over"):
        client.respond(b"x")


def test_plain_may_name_an_authorization_identity():
    credentials = server_mechanism("plain").respond(b"root\0ann\0secret")
    assert credentials == Credentials("root", "ann", "secret")


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"ann",
        b"ann\0secret",
        b"\0ann\0",
        b"\0\0secret",
        b"\0a\0b\0c",
        b"\0a\0\xff",
    ],
)
def test_plain_refuses_what_rfc_4616_does_not_allow(response):
    with pytest.raises(ValueError, match=r"PLAIN wants|UTF-8"):
        server_mechanism("PLAIN").respond(response)


@pytest.mark.parametrize("response", [b"", b"\xff", b"a\0b"])
def test_login_refuses_an_empty_or_broken_name(response):
    with pytest.raises(ValueError, match=r"LOGIN wants|UTF-8"):
        server_mechanism("LOGIN").respond(response)


def test_an_unknown_mechanism_is_named_on_neither_side():
    with pytest.raises(ValueError, match="unknown mechanism"):
        server_mechanism("SCRAM-SHA-1")
    with pytest.raises(ValueError, match="unknown mechanism"):
        client_mechanism("SCRAM-SHA-1", "ann", "secret")


@pytest.mark.parametrize("text", [b"not base64!", b"YQ", b"Y Q=", b"\xff"])
def test_only_strict_base64_is_read(text):
    with pytest.raises(ValueError, match="not base64"):
        sasl.decode(text)


def test_a_password_is_not_printed():
    assert "secret" not in repr(Credentials("", "ann", "secret"))
