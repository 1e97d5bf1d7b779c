"""What must hold for every possible client."""

import zlib
from pathlib import Path
from runpy import run_path

from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__)
new_session = run_path(str(HERE.with_name("imap_player.py")))["new_session"]
check = run_path(str(HERE.with_name("imap_grammar.py")))["check"]

WORDS = st.sampled_from(
    [
        *(b"FETCH", b"STORE", b"SEARCH", b"UID", b"COPY", b"MOVE", b"EXPUNGE"),
        *(b"SELECT", b"EXAMINE", b"CLOSE", b"LIST", b"LSUB", b"STATUS", b"APPEND"),
        *(b"CREATE", b"DELETE", b"RENAME", b"IDLE", b"NOOP", b"LOGIN", b"AUTHENTICATE"),
        *(b"ENABLE", b"REPLACE", b"GETQUOTA", b"GETQUOTAROOT", b"SORT", b"THREAD"),
        *(b"CONDSTORE", b"QRESYNC", b"IMAP4rev2", b"UTF8=ACCEPT", b"RETURN", b"(SAVE)"),
        *(b"(UNCHANGEDSINCE 3)", b"(CONDSTORE)", b"(QRESYNC (1 1))", b"(MODSEQ 2)"),
        *(b"1", b"1:*", b"2,1", b"*", b"0", b"99", b"4294967296", b"INBOX", b"Archive"),
        *(b"FLAGS", b"+FLAGS", b"-FLAGS.SILENT", b"\\Deleted", b"(\\Seen $x)", b"()"),
        *(b"(FLAGS UID)", b"ALL", b"FULL", b"BODY[]", b"BODY[1.2.MIME]<0.9>", b"BODY["),
        *(b"BODYSTRUCTURE", b"ENVELOPE", b"RFC822", b"BODY.PEEK[HEADER.FIELDS (To)]"),
        *(b"NOT", b"OR", b"FROM", b"zoe", b"SINCE", b"1-Jan-2026", b"31-Feb-2026"),
        *(
            b"CHARSET",
            b"UTF-8",
            b"KEYWORD",
            b"HEADER",
            b"(MESSAGES UNSEEN)",
            b'""',
            b"$",
        ),
        *(b"{2+}\r\nhi", b"{0+}\r\n", b"{2}", b"{99999+}", b"{", b'"', b'"a b"', b"("),
        *(
            b")",
            b"\0",
            b"\n",
            b"\r",
            b"\xff",
            b"*",
            b"%",
            b"DONE",
            b"=",
            b"&AGE-",
            b"~",
        ),
    ]
)
NOISE = st.binary(max_size=6)
NONSENSE = st.lists(WORDS | NOISE, max_size=6).map(b" ".join)

# Commands that mean something, most of them.
SETS = st.sampled_from([b"1", b"2", b"1:*", b"*", b"2:1", b"$", b"1:3,5"])
NAMES = st.sampled_from(
    [
        b"INBOX",
        b"Archive",
        b"a/b",
        b'"&AOk-"',
        b'"\xc3\xa9"',
        b"nowhere",
        b"{3+}\r\nnew",
    ]
)
LITERALS = st.sampled_from(
    [b"{2+}\r\nhi", b"~{3+}\r\na\0b", b"(\\Seen) {9+}\r\nTo: ann\r\n", b"{0+}\r\n"]
)
FLAGS = st.sampled_from([b"(\\Deleted)", b"\\Seen", b"($x)", b"()", b"(\\Flagged)"])
MODES = st.sampled_from(
    [b"FLAGS", b"+FLAGS", b"-FLAGS.SILENT", b"(UNCHANGEDSINCE 3) +FLAGS.SILENT"]
)
FORMS = {
    b"ENABLE %b": (
        st.sampled_from([b"CONDSTORE", b"QRESYNC", b"IMAP4rev2", b"UTF8=ACCEPT x"]),
    ),
    b"SELECT %b%b": (
        NAMES,
        st.sampled_from([b"", b" (CONDSTORE)", b" (QRESYNC (1 1 1:9 (1:2 1:2)))"]),
    ),
    b"EXAMINE %b": (NAMES,),
    b"CREATE %b": (NAMES,),
    b"CREATE %b (USE (\\Sent))": (NAMES,),
    b"DELETE %b": (NAMES,),
    b"RENAME %b %b": (NAMES, NAMES),
    b"SUBSCRIBE %b": (NAMES,),
    b"LSUB %b %b": (st.just(b'""'), st.sampled_from([b"*", b"%", b"a/%"])),
    b'LIST %b "" %b': (
        st.sampled_from([b"()", b"(SUBSCRIBED RECURSIVEMATCH)", b"(SPECIAL-USE)"]),
        st.sampled_from([b"*", b"%", b'("a%" INBOX)', b'""']),
    ),
    b'LIST "" * RETURN (%b)': (
        st.sampled_from([b"CHILDREN", b"SUBSCRIBED STATUS (SIZE MAILBOXID)"]),
    ),
    b"STATUS %b (MESSAGES HIGHESTMODSEQ DELETED)": (NAMES,),
    b"APPEND %b %b": (NAMES, LITERALS),
    b"APPEND %b %b %b": (NAMES, LITERALS, LITERALS),
    b"REPLACE %b %b %b": (SETS, NAMES, LITERALS),
    b"UID REPLACE %b %b %b": (SETS, NAMES, LITERALS),
    b"STORE %b %b %b": (SETS, MODES, FLAGS),
    b"UID STORE %b %b %b": (SETS, MODES, FLAGS),
    b"COPY %b %b": (SETS, NAMES),
    b"UID MOVE %b %b": (SETS, NAMES),
    b"MOVE %b %b": (SETS, NAMES),
    b"UID EXPUNGE %b": (SETS,),
    b"UID SEARCH %b": (SETS,),
    b"FETCH %b (FLAGS UID)": (SETS,),
    b"GETQUOTAROOT %b": (NAMES,),
    b"EXPUNGE": (),
    b"CLOSE": (),
    b"UNSELECT": (),
    b"CHECK": (),
    b"NOOP": (),
    b"NAMESPACE": (),
    b'ID ("name" "x")': (),
}


@st.composite
def commands(draw):
    """One of the commands above, filled in."""
    form = draw(st.sampled_from(list(FORMS)))
    return form % tuple(draw(words) for words in FORMS[form])


LINES = (commands() | NONSENSE).map(b"t ".__add__)
STREAMS = st.lists(LINES, max_size=8).map(b"\r\n".join)

START = b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n"


def converse(*chunks: bytes) -> bytes:
    session = new_session(letters=2, quota=9999)
    said = session.greeting(1)
    for chunk in chunks:
        said += session.hear(1, chunk)
    assert not [e for e in session.machine.events if e[0] == "failure"]
    return said


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(STREAMS)
def test_every_answer_is_grammatical_and_nothing_raises(stream):
    check(converse(START + stream + b"\r\n"))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(STREAMS)
def test_how_tcp_cuts_the_stream_does_not_matter(stream):
    stream = START + stream + b"\r\n"
    octets = (stream[at : at + 1] for at in range(len(stream)))
    assert converse(*octets) == converse(stream)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(STREAMS, st.integers(1, 50))
def test_compression_changes_nothing_however_it_is_cut(stream, size):
    lines = START + stream + b"\r\n"
    session = new_session(letters=2, quota=9999)
    login, rest = lines.split(b"\r\n", 1)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(rest) + packer.flush(zlib.Z_SYNC_FLUSH)
    session.greeting(1)
    session.hear(1, login + b"\r\n")
    session.hear_octets(1, b"z COMPRESS DEFLATE\r\n")
    parts = (packed[at : at + size] for at in range(0, len(packed), size))
    said = b"".join(session.hear_octets(1, part) for part in parts)
    unpacked = zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(said)
    plain = converse(login + b"\r\n", rest)
    assert plain.endswith(unpacked)
    assert bool(unpacked) == bool(rest.strip())


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
    check(converse(START + append + fetch + search))
