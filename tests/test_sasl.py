"""SASL mechanisms (RFC 4422, RFC 4616)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.wire import sasl
from maillab.wire.sasl import Credentials, client_responses, server_mechanism

texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1
)


@settings(derandomize=True, max_examples=50)
@given(st.sampled_from(sorted(sasl.MECHANISMS)), texts, texts)
def test_what_a_client_answers_is_what_a_server_reads(name, user, password):
    mechanism = server_mechanism(name)
    for response in client_responses(name, user, password):
        outcome = mechanism.respond(sasl.decode(sasl.encode(response)))
    assert outcome == Credentials("", user, password)


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
        server_mechanism("CRAM-MD5")
    with pytest.raises(ValueError, match="unknown mechanism"):
        client_responses("CRAM-MD5", "ann", "secret")


@pytest.mark.parametrize("text", [b"not base64!", b"YQ", b"Y Q=", b"\xff"])
def test_only_strict_base64_is_read(text):
    with pytest.raises(ValueError, match="not base64"):
        sasl.decode(text)


def test_a_password_is_not_printed():
    assert "secret" not in repr(Credentials("", "ann", "secret"))
