"""SEARCH: what it reads, what it finds, and where it stops."""

from pathlib import Path
from runpy import run_path

import pytest

from maillab.protocol import imap_server_searching
from maillab.protocol.imap_server_events import ReadMessages
from maillab.wire.imap import Scanner
from maillab.wire.imap_matching import CONTENT, Candidate, Circumstances, Verdict
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_search import TooManyKeys, scan_keys, scan_search
from maillab.wire.message import DateTime

new_session = run_path(str(Path(__file__).with_name("imap_player.py")))["new_session"]

LETTER = (
    b"From: =?iso-8859-1?Q?J=FCrgen?= <j@x.example>\r\n"
    b"Subject: Gr\xc3\xbc\xc3\x9fe\r\nX-Empty:\r\n"
    b"Date: Thu, 1 Jan 2026 23:59:00 -1200\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain; charset=koi8-r\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n8NLJ18XU\r\n--b\r\n"
    b"Content-Type: text/plain; charset=idna\r\n\r\nsecond part\r\n--b--\r\n"
)


def candidate(content=LETTER, **facts):
    data = MessageData(7, frozenset({"\\Seen"}), DateTime(2026, 1, 2), content, **facts)
    around = Circumstances(1, 7, frozenset({7}), DateTime(2026, 1, 3).epoch)
    return Candidate(data, number=1, flags=data.flags, known=CONTENT, around=around)


FOUND = [
    *("ALL", "$", "1", "UID 7", "UID $", "SEEN", "NOT UNSEEN", "OR 1 2", "(1 $) SEEN"),
    *(
        'FROM "JÜRGEN"',
        "SUBJECT gru\u0308ße",
        "HEADER x-empty {0}\r\n",
        'BODY "привет"',
    ),
    *("TEXT ПРИВ", "BODY SECOND", "SENTON 1-Jan-2026", "ON 2-Jan-2026", "MODSEQ 1"),
    *("OLDER 86400", "YOUNGER 86400", "SAVEDSINCE 2-Jan-2026", "LARGER 10"),
    'MODSEQ "/flags/\\\\draft" all 0',
]
MISSED = [
    *("UNSEEN", "NOT ALL", "SUBJECT GRÜSSE", "BODY JÜRGEN", "BODY 8NLJ", "SMALLER 10"),
    *("OLDER 86401", "YOUNGER 86399", "SENTON 2-Jan-2026", "HEADER X-None {0}\r\n"),
    *("SAVEDATESUPPORTED", "EMAILID M1", "LARGER 9223372036854775807", "KEYWORD $x"),
]


def quoted(text):
    """Words that are no atoms, as strings."""
    words = text.split(" ")
    return " ".join(w if w.isascii() else '"' + w.strip('"') + '"' for w in words)


@pytest.mark.parametrize("text", FOUND)
def test_what_is_there_is_found(text):
    assert candidate().verdict(scan_keys(Scanner(quoted(text).encode()))) is Verdict.YES


@pytest.mark.parametrize("text", MISSED)
def test_what_is_not_there_is_not_found(text):
    assert candidate().verdict(scan_keys(Scanner(quoted(text).encode()))) is Verdict.NO


def test_words_come_in_the_charset_of_the_command():
    command = b'CHARSET KOI8-R BODY "\xf0\xd2\xc9\xd7"'
    assert candidate().verdict(scan_search(Scanner(command))) is Verdict.YES


def read_by(command, letters=20):
    """Which UIDs are read for a command, and how much of them."""
    session = new_session(letters=letters)
    session.greeting(1)
    engine = session.sessions[1].engine
    seen = []
    plain = engine.next_event

    def next_event():
        event = plain()
        if isinstance(event, ReadMessages):
            seen.append((event.need, len(event.uids)))
        return event

    engine.next_event = next_event
    session.hear(1, b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n")
    session.hear(1, b"c STORE 1:18 +FLAGS.SILENT (\\Seen)\r\n")
    answer = session.hear(1, b"d " + command + b"\r\n")
    return seen, answer


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (b"SEARCH ALL", []),
        (b"SEARCH NOT 2:*", []),
        (b"SEARCH UNSEEN BODY hello", [("facts", 20), ("content", 2)]),
        (b"SEARCH OR SEEN BODY hello", [("facts", 20), ("content", 2)]),
        (b'SEARCH SUBJECT "letter 2"', [("header", 20)]),
        (b"SEARCH 3:4 SUBJECT letter", [("header", 2)]),
        (b"SEARCH BODY x NOT ALL", []),
        (b"SORT (SIZE) UTF-8 1:2", [("facts", 2)]),
        (b"SORT (SUBJECT) UTF-8 1:2", [("header", 2)]),
        (b"THREAD REFERENCES UTF-8 3", [("header", 1)]),
        (b"FETCH 1 (FLAGS RFC822.SIZE)", [("facts", 1)]),
        (b"FETCH 1 (ENVELOPE BODY.PEEK[HEADER.FIELDS (To)])", [("header", 1)]),
        (b"FETCH 1 (UID BODYSTRUCTURE)", [("content", 1)]),
    ],
)
def test_no_more_is_read_than_a_command_needs(command, expected):
    seen, answer = read_by(command)
    assert seen == expected
    assert answer.splitlines()[-1].startswith(b"d OK")


def test_the_same_text_is_looked_for_once():
    once, often = candidate(), candidate()
    once.verdict(scan_keys(Scanner(b"NOT TEXT nowhere")))
    often.verdict(scan_keys(Scanner(b" ".join([b"NOT TEXT nowhere"] * 300))))
    assert often.work < once.work + 300 * 500


def test_too_much_work_ends_in_a_clear_no(monkeypatch):
    monkeypatch.setattr(imap_server_searching, "MAX_WORK", 5000)
    keys = b" ".join(b"NOT TEXT nowhere%d" % n for n in range(20))
    _, answer = read_by(b"SEARCH " + keys)
    assert answer == b"d NO [LIMIT] That is too much to look for at once\r\n"


def test_keys_have_a_limit():
    with pytest.raises(TooManyKeys):
        scan_keys(Scanner(b"ALL " * 1001 + b"ALL"))
    _, answer = read_by(b"SEARCH " + b"ALL " * 1001 + b"ALL")
    assert answer.startswith(b"d NO [LIMIT]")
