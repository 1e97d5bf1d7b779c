"""What must hold for the IMAP client with every possible server."""

import re
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.imap_client_commands import Letter, Resync
from maillab.wire.imap import Status
from maillab.wire.imap_response import BadResponse, Data, Fetched, Other, parse_untagged
from maillab.wire.imap_response_codes import appended, code_number, copied, modified
from tests.test_engine_properties import hear

WORDS = [
    b"* OK [CAPABILITY IMAP4rev2 LITERAL- IDLE SASL-IR] hi",
    b"* PREAUTH hi",
    b"* BYE",
    b"* 3 EXISTS",
    b"* 1 FETCH (UID 7 FLAGS (\\Seen) ENVELOPE NIL)",
    b"* 1 FETCH (BODY[] {3}",
    b"abc)",
    b"* 2 FETCH (BINARY[1] ~{2}",
    b"* 1 FETCH (BODYSTRUCTURE ((1)(2)))",
    b"* ESEARCH (TAG a1) ALL 1:4294967295",
    b"* VANISHED (EARLIER) 1:99999999999",
    b"* THREAD (1 (2 (3)))",
    b"* SEARCH 1 2 (MODSEQ x)",
    b"* STATUS x (MESSAGES 99999999999999999999999)",
    b"* NAMESPACE ((NIL",
    b"* ENABLED UTF8=ACCEPT",
    b"* " + b"(" * 300,
    b"* SEARCH " + b"9" * 5000,
    b"* LIST () NIL {9999999999}",
    b"* OK text {5}",
    b"+ ",
    b"+ !",
    b"+ cj1jMCxzPWMsaT00MDk2",
    b"a1 OK",
    b"a1 OK [COPYUID 1 1:999999999 1:999999999] x",
    b"a2 NO [TRYCREATE]",
    b"a3 BAD",
    b"a4 OK [READ-WRITE]",
    b"a5 OK x",
    b"",
    b"\r",
    b"y" * 300,
]
CALLS = [
    lambda c: c.authenticate("SCRAM-SHA-256", "ann", "x", lambda: "c0"),
    lambda c: c.authenticate("PLAIN", "ann", "ü"),
    lambda c: c.login("änn", "x"),
    lambda c: c.select("Entwürfe", resync=Resync(1, 2)),
    lambda c: c.enable("UTF8=ACCEPT"),
    lambda c: c.append_all("x", [Letter(b"a" * 5000), Letter(b"\0")]),
    lambda c: c.search("TEXT", "ü".encode(), tell="ALL"),
    lambda c: c.idle(),
    lambda c: c.starttls(),
    lambda c: c.logout(),
]

word = st.sampled_from(WORDS)
odd = st.tuples(word, st.binary(max_size=4)).map(b"".join)
lines = st.lists(word | word | odd | st.binary(max_size=9), max_size=20)
streams = lines.map(lambda some: b"\r\n".join([WORDS[0], *some, b""]))
cuts = st.lists(st.integers(1, 50), min_size=1, max_size=6)
calls = st.lists(st.sampled_from(CALLS), max_size=5)
quick = settings(derandomize=True, max_examples=150, deadline=None)


def converse(stream: bytes, sizes: list[int], asked) -> tuple[list[object], bytes]:
    """Ask for all at once; hear the stream in pieces. Returns events and octets."""
    client = IMAPClient()
    for call in asked:
        call(client)
    return hear(client, stream, sizes)


@quick
@given(streams, cuts, calls)
def test_the_client_never_raises_and_chunking_does_not_matter(stream, sizes, asked):
    whole, said = converse(stream, [1_000_000], asked)
    pieces, said_in_pieces = converse(stream, sizes, asked)
    assert pieces == whole
    assert said_in_pieces == said


@quick
@given(streams, calls)
def test_all_that_the_client_says_is_commands_and_continuations(stream, asked):
    _, said = converse(stream, [1_000_000], asked)
    assert said == b"" or said.endswith((b"\r\n", b"a" * 5000)), said[-40:]
    tags = [int(tag) for tag in re.findall(rb"(?:^|\r\n)a(\d+) [A-Z]", said)]
    assert tags == list(range(1, len(tags) + 1))


@quick
@given(word | odd | st.binary(max_size=60))
def test_a_response_is_a_value_whatever_it_is(octets):
    data = parse_untagged(octets.removeprefix(b"* "))
    assert isinstance(data, Data)
    if isinstance(data, Fetched):
        for kind in ("uid", "flags", "modseq", "envelope", "structure"):
            with suppress(BadResponse):
                getattr(data, kind)


TOKENS = st.sampled_from(
    [b"(", b")", b" ", b"NIL", b'"a"', b"12", b"x", b'"', b"{1}\r\nz", b"~{0}\r\n"]
)
VERBS = [b"LIST ", b"STATUS ", b"ESEARCH ", b"THREAD ", b"NAMESPACE ", b"ID ", b"SORT "]
VERBS += [b"1 FETCH (ENVELOPE ", b"1 FETCH (BODYSTRUCTURE ", b"QUOTA ", b"QUOTAROOT "]
VERBS += [b"VANISHED ", b"FLAGS ", b"ENABLED ", b"CAPABILITY "]


@quick
@given(st.sampled_from(VERBS), st.lists(TOKENS, max_size=25).map(b"".join))
def test_lists_of_all_shapes_are_values_or_as_they_were(verb, words):
    data = parse_untagged(verb + words)
    if isinstance(data, Other):
        assert data.octets == verb + words
    if isinstance(data, Fetched):
        for tree in ("envelope", "structure"):
            with suppress(BadResponse):
                getattr(data, tree)


@quick
@given(st.text(max_size=30))
def test_codes_are_read_or_not_there(text):
    for name in ("APPENDUID", "COPYUID", "MODIFIED", "UIDNEXT"):
        status = Status("OK", "", f"{name} {text}")
        assert name == "APPENDUID" or appended(status) is None
        assert name == "COPYUID" or copied(status) is None
        assert name == "MODIFIED" or not modified(status)
        assert name == "UIDNEXT" or code_number(status, "UIDNEXT") is None
