"""What must hold for every possible client."""

import re
from pathlib import Path
from runpy import run_path

from hypothesis import given, settings
from hypothesis import strategies as st

new_session = run_path(str(Path(__file__).with_name("imap_player.py")))["new_session"]

WORDS = st.sampled_from(
    [
        *(b"FETCH", b"STORE", b"SEARCH", b"UID", b"COPY", b"MOVE", b"EXPUNGE"),
        *(b"SELECT", b"EXAMINE", b"CLOSE", b"LIST", b"LSUB", b"STATUS", b"APPEND"),
        *(b"CREATE", b"DELETE", b"RENAME", b"IDLE", b"NOOP", b"LOGIN", b"AUTHENTICATE"),
        *(b"1", b"1:*", b"2,1", b"*", b"0", b"99", b"4294967296", b"INBOX", b"Archive"),
        *(b"FLAGS", b"+FLAGS", b"-FLAGS.SILENT", b"\\Deleted", b"(\\Seen $x)", b"()"),
        *(b"(FLAGS UID)", b"ALL", b"FULL", b"BODY[]", b"BODY[1.2.MIME]<0.9>", b"BODY["),
        *(b"BODYSTRUCTURE", b"ENVELOPE", b"RFC822", b"BODY.PEEK[HEADER.FIELDS (To)]"),
        *(b"NOT", b"OR", b"FROM", b"zoe", b"SINCE", b"1-Jan-2026", b"31-Feb-2026"),
        *(b"CHARSET", b"UTF-8", b"KEYWORD", b"HEADER", b"(MESSAGES UNSEEN)", b'""'),
        *(b"{2+}\r\nhi", b"{0+}\r\n", b"{2}", b"{99999+}", b"{", b'"', b'"a b"', b"("),
        *(b")", b"\0", b"\n", b"\r", b"\xff", b"*", b"%", b"DONE", b"=", b"&AGE-"),
    ]
)
NOISE = st.binary(max_size=6)
LINES = st.lists(WORDS | NOISE, max_size=6).map(b" ".join).map(b"t ".__add__)
STREAMS = st.lists(LINES, max_size=8).map(b"\r\n".join)

START = b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n"

TEXT = rb"(?:[^\r\n\"{]|\"(?:[^\r\n\"\\]|\\.)*\")*"
RESPONSE = re.compile(
    rb"\* (?:OK|NO|BAD|BYE) [^\r\n]+\r\n"
    rb"|\+ [^\r\n]*\r\n"
    rb"|[^\x00-\x20\x7f-\xff(){%*\"\\+]+ (?:OK|NO|BAD) [^\r\n]+\r\n"
    rb"|\* " + TEXT + rb"(?:\r\n|\{(\d+)\}\r\n)"
)
GOES_ON = re.compile(TEXT + rb"(?:\r\n|\{(\d+)\}\r\n)")


def converse(*chunks: bytes) -> bytes:
    session = new_session(letters=2)
    said = session.greeting(1)
    for chunk in chunks:
        said += session.hear(1, chunk)
    assert not [e for e in session.machine.events if e[0] == "failure"]
    return said


def rest_of_responses(said: bytes) -> bytes:
    """What is left when every well-formed response is taken away."""
    at = 0
    while found := RESPONSE.match(said, at):
        while found and found.lastindex:  # a literal, then the rest of the response
            found = GOES_ON.match(said, found.end() + int(found[1]))
        if not found:
            break
        at = found.end()
    return said[at:]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(STREAMS)
def test_every_answer_is_grammatical_and_nothing_raises(stream):
    assert rest_of_responses(converse(START + stream + b"\r\n")) == b""


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(STREAMS)
def test_how_tcp_cuts_the_stream_does_not_matter(stream):
    stream = START + stream + b"\r\n"
    octets = (stream[at : at + 1] for at in range(len(stream)))
    assert converse(*octets) == converse(stream)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=60), st.integers(0, 4))
def test_noise_never_raises(noise, place):
    lines = [b"a LOGIN ann wonderland", b"b SELECT INBOX", b"c IDLE", b"DONE"]
    converse(b"\r\n".join([*lines[:place], noise, *lines[place:], b""]))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=a",
                b"--a",
                b"--a--",
                b"",
                b"Content-Type: message/rfc822",
                b"From: (a (b) <x@y>, :;",
                b"\0",
                b'To: "a',
                b"Cc: g: a@b, c@d;",
                b"x\ny",
                b"\xff\xfe",
                b"Subject: {3}",
                b"--b",
                b"Content-Type: multipart/digest; boundary=b",
                b"Content-Disposition: ;=",
            ]
        ),
        max_size=14,
    ).map(b"\r\n".join)
)
def test_any_message_can_be_described(content):
    append = b"c APPEND INBOX {%d+}\r\n%b\r\n" % (len(content), content)
    fetch = b"d FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY[1] BODY[1.2] BODY[2.HEADER])\r\n"
    search = b'e SEARCH OR TEXT "x" BODY "y"\r\n'
    assert rest_of_responses(converse(START + append + fetch + search)) == b""
