"""The IMAP client against words that the RFCs' servers say in their examples."""

import pytest

from maillab.errors import LocalProtocolError
from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.imap_client_commands import Letter, Resync
from maillab.protocol.imap_client_events import Completed, Garbled, Idling, News
from maillab.protocol.imap_server_compression import Deflate
from maillab.wire.imap_response import (
    Enabled,
    Expunged,
    Extended,
    Found,
    Listed,
    Namespaces,
    Quota,
    QuotaRoots,
    ServerId,
    Threads,
    Vanished,
)
from maillab.wire.imap_response_codes import NumberSet, appended, copied, modified
from maillab.wire.message import DateTime

ALL = "IMAP4rev1 LITERAL+ SASL-IR ENABLE BINARY"


class Canned:
    """A client, and a server that says what the test says."""

    def __init__(self, capabilities: str = ALL) -> None:
        self.client = IMAPClient()
        greeting = f"* OK [CAPABILITY {capabilities}] hi\r\n"
        self.client.receive(greeting.encode())
        self.client.next_event()

    def hear(self) -> bytes:
        return self.client.data_to_send()

    def say(self, *lines: bytes) -> list[object]:
        self.client.receive(b"".join(line + b"\r\n" for line in lines))
        events = []
        while event := self.client.next_event():
            events.append(event)
        return events

    def done(self, *lines: bytes) -> Completed:
        """Untagged lines, then the status of the only command."""
        *untagged, status = lines
        (done,) = self.say(*(b"* " + line for line in untagged), b"a1 " + status)
        assert isinstance(done, Completed)
        return done


CALLS = [
    (lambda c: c.identify(), b"ID NIL"),
    (lambda c: c.identify({"name": "mail lab"}), b'ID ("name" "mail lab")'),
    (lambda c: c.enable("CONDSTORE", "X"), b"ENABLE CONDSTORE X"),
    (lambda c: c.namespace(), b"NAMESPACE"),
    (lambda c: c.select("a b", condstore=True), b'SELECT "a b" (CONDSTORE)'),
    (
        lambda c: c.select("INBOX", resync=Resync(67890007, 9, "41,43:211")),
        b"SELECT INBOX (QRESYNC (67890007 9 41,43:211))",
    ),
    (
        lambda c: c.select(
            "INBOX", read_only=True, resync=Resync(1, 2, numbers=("1", "5"))
        ),
        b"EXAMINE INBOX (QRESYNC (1 2 (1 5)))",
    ),
    (lambda c: c.create("S", "\\Sent"), b"CREATE S (USE (\\Sent))"),
    (lambda c: c.list(), b'LIST "" "*"'),
    (
        lambda c: c.list(
            "", ["INBOX", "Dr%"], only="SUBSCRIBED", tell="STATUS (MESSAGES)"
        ),
        b'LIST (SUBSCRIBED) "" ("INBOX" "Dr%") RETURN (STATUS (MESSAGES))',
    ),
    (lambda c: c.subscribe("x", wanted=False), b"UNSUBSCRIBE x"),
    (lambda c: c.get_quota_root("INBOX"), b"GETQUOTAROOT INBOX"),
    (lambda c: c.get_quota(), b'GETQUOTA ""'),
    (lambda c: c.set_quota("", {"STORAGE": 512}), b'SETQUOTA "" (STORAGE 512)'),
    (lambda c: c.unselect(), b"UNSELECT"),
    (lambda c: c.expunge("4,7:9"), b"UID EXPUNGE 4,7:9"),
    (
        lambda c: c.search("FROM", b"ann", tell="MIN COUNT"),
        b'UID SEARCH RETURN (MIN COUNT) FROM "ann"',
    ),
    (
        lambda c: c.search("SINCE 1-Feb-1994", uid=False, tell=""),
        b"SEARCH RETURN () SINCE 1-Feb-1994",
    ),
    (lambda c: c.sort("REVERSE DATE"), b"UID SORT (REVERSE DATE) UTF-8 ALL"),
    (
        lambda c: c.thread("REFERENCES", "SUBJECT", b"x", uid=False),
        b'THREAD REFERENCES UTF-8 SUBJECT "x"',
    ),
    (
        lambda c: c.fetch("1:*", "(FLAGS)", changed_since=12345, vanished=True),
        b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
    ),
    (
        lambda c: c.store("7", "+FLAGS", {"\\Seen"}, unchanged_since=12),
        b"UID STORE 7 (UNCHANGEDSINCE 12) +FLAGS (\\Seen)",
    ),
    (lambda c: c.move("1", "Entwürfe"), b"UID MOVE 1 Entw&APw-rfe"),
    (
        lambda c: c.replace("4", "Drafts", Letter(b"Hi", ("\\Draft",))),
        b"UID REPLACE 4 Drafts (\\Draft) {2+}\r\nHi",
    ),
    (
        lambda c: c.append_all("S", [Letter(b"a"), Letter(b"b\0", ("\\Seen",))]),
        b"APPEND S () {1+}\r\na (\\Seen) ~{2+}\r\nb\0",
    ),
    (
        lambda c: c.append("S", b"x", date=DateTime(1994, 2, 7, 21, 52, 25, -480)),
        b'APPEND S () " 7-Feb-1994 21:52:25 -0800" {1+}\r\nx',
    ),
    (lambda c: c.command("xyz", "(1)"), b"XYZ (1)"),
]


@pytest.mark.parametrize(("say", "expected"), CALLS)
def test_every_command_is_said_as_the_rfc_writes_it(say, expected):
    canned = Canned()
    say(canned.client)
    assert canned.hear() == b"a1 " + expected + b"\r\n"


def test_search_and_sort_answers_are_values():
    canned = Canned()
    canned.client.search("ALL")
    done = canned.done(
        b"SEARCH 2 5 6 (MODSEQ 917162500)",
        b'ESEARCH (TAG "a1") UID MIN 7 MAX 3800 COUNT 4 ALL 7,9:10,3800 MODSEQ 5',
        b"ESEARCH (TAG x) PARTIAL (-1:-100 200:201)",
        b"ESEARCH",
        b"SORT 5 3 4 1 2",
        b"THREAD (2)(3 6 (4 23)(44 7 96))",
        b"OK done",
    )
    assert done.data == (
        Found((2, 5, 6), "SEARCH", 917162500),
        Extended(
            "a1",
            True,
            {
                "MIN": 7,
                "MAX": 3800,
                "COUNT": 4,
                "ALL": NumberSet(((7, 7), (9, 10), (3800, 3800))),
                "MODSEQ": 5,
            },
        ),
        Extended("x", False, {"PARTIAL": ("-1:-100", NumberSet(((200, 201),)))}),
        Extended("", False),
        Found((5, 3, 4, 1, 2), "SORT"),
        Threads(((2,), (3, 6, (4, 23), (44, 7, 96)))),
    )
    assert list(done.data[1].all) == [7, 9, 10, 3800]


def test_answers_about_mailboxes_are_values():
    canned = Canned()
    canned.client.list()
    done = canned.done(
        b'LIST (\\Marked \\Subscribed) "/" "foo" ("CHILDINFO" ("SUBSCRIBED"))',
        b"LIST () NIL NIL",
        b"STATUS x (MESSAGES 2 MAILBOXID (F1) APPENDLIMIT NIL SIZE 0)",
        b'NAMESPACE (("" "/")("~" "/" "X-P" ("a" "b"))) NIL (("#news." "."))',
        b"ENABLED CONDSTORE X-Y",
        b'ID ("name" "Cyrus" "version" NIL)',
        b'QUOTA "" (STORAGE 10 512 MESSAGE 1 2)',
        b'QUOTAROOT INBOX ""',
        b"VANISHED (EARLIER) 300:310,405",
        b"VANISHED 1:4294967295",
        b"OK done",
    )
    listed, nil, counted, *rest = done.data
    assert listed.extended == {"CHILDINFO": (b"SUBSCRIBED",)}
    assert nil == Listed("LIST", (), "", "NIL")
    assert counted.items == {
        "MESSAGES": 2,
        "MAILBOXID": "F1",
        "APPENDLIMIT": None,
        "SIZE": 0,
    }
    assert rest == [
        Namespaces((("", "/"), ("~", "/")), (), (("#news.", "."),)),
        Enabled(("CONDSTORE", "X-Y")),
        ServerId({"name": "Cyrus", "version": ""}),
        Quota("", {"STORAGE": (10, 512), "MESSAGE": (1, 2)}),
        QuotaRoots("INBOX", ("",)),
        Vanished(NumberSet(((300, 310), (405, 405))), True),
        Vanished(NumberSet(((1, 4294967295),))),
    ]


def test_codes_of_uidplus_and_condstore_are_values():
    canned = Canned()
    canned.client.append("x", b"y")
    done = canned.done(b"OK [APPENDUID 38505 3955:3956] done")
    assert appended(done.status) == (38505, NumberSet(((3955, 3956),)))
    assert copied(done.status) is None
    canned.client.store("7,5,9", "FLAGS", (), unchanged_since=1)
    (done,) = canned.say(b"a2 OK [MODIFIED 7,9] Conditional STORE failed")
    assert list(modified(done.status)) == [7, 9]


@pytest.mark.parametrize(
    ("capabilities", "size", "waits"),
    [
        ("LITERAL+", 5000, False),
        ("LITERAL-", 4096, False),
        ("LITERAL-", 4097, True),
        ("IMAP4rev2", 4096, False),
        ("IMAP4rev2", 4097, True),
        ("IMAP4rev1", 1, True),
    ],
)
def test_which_literals_wait(capabilities, size, waits):
    canned = Canned(capabilities)
    canned.client.append("x", b"z" * size)
    plus = b"" if waits else b"+"
    said = canned.hear()
    assert said.startswith(b"a1 APPEND x () {%d%b}\r\n" % (size, plus))
    assert said.endswith(b"}\r\n") == waits
    if waits:
        assert canned.say(b"+ go on") == []
        assert canned.hear() == b"z" * size + b"\r\n"


def test_a_literal_that_is_refused_is_not_sent_and_the_next_command_is():
    canned = Canned("IMAP4rev1")
    canned.client.append("x", b"a secret letter")
    canned.client.noop()
    assert canned.hear() == b"a1 APPEND x () {15}\r\n"
    (done,) = canned.say(b"a1 NO [TRYCREATE] No such mailbox")
    assert not done.ok
    assert canned.hear() == b"a2 NOOP\r\n"
    assert canned.say(b"+ now really") == []
    assert canned.hear() == b""


def test_yes_to_a_command_that_was_not_said_to_its_end_is_no_imap():
    canned = Canned("IMAP4rev1")
    canned.client.append("x", b"a letter")
    (garbled,) = canned.say(b"a1 OK done")
    assert isinstance(garbled, Garbled)


def test_after_enable_names_are_utf8():
    canned = Canned()
    canned.client.enable("UTF8=ACCEPT")
    canned.hear()
    canned.done(b"ENABLED UTF8=ACCEPT", b"OK done")
    canned.client.select("Entwürfe")
    assert canned.hear() == 'a2 SELECT "Entwürfe"\r\n'.encode()
    canned.say(b"a2 OK done")
    canned.client.list("", "Ü%")
    assert canned.hear() == 'a3 LIST "" "Ü%"\r\n'.encode()
    (done,) = canned.say('* LIST () "/" "Entw&APw-ü"'.encode(), b"a3 OK")
    assert done.data[0].name == "Entw&APw-ü"
    canned.client.append("x", "Subject: ü\r\n\r\nHi".encode())
    assert canned.hear() == (
        "a4 APPEND x () UTF8 (~{17+}\r\nSubject: ü\r\n\r\nHi)\r\n".encode()
    )


def test_scram_has_to_be_proved_to_the_end():
    for last in (b"a1 OK come in", b"a1 OK [CAPABILITY X] in"):
        canned = Canned()
        canned.client.authenticate("SCRAM-SHA-256", "ann", "x", lambda: "c0ffee")
        assert canned.hear().startswith(b"a1 AUTHENTICATE SCRAM-SHA-256 biwsbj1hbm4s")
        (garbled,) = canned.say(last)
        assert isinstance(garbled, Garbled)
        assert canned.client.closed
        assert canned.client.capabilities != {"X"}


def test_a_hostile_challenge_is_cancelled_once():
    canned = Canned()
    canned.client.authenticate("PLAIN", "ann", "x")
    canned.hear()
    assert canned.say(b"+ more") == []
    assert canned.hear() == b"*\r\n"
    assert isinstance(canned.say(b"+ and more")[0], Garbled)


def test_idle_tells_news_at_once_and_those_of_the_end_with_it():
    canned = Canned()
    canned.client.idle()
    assert canned.hear() == b"a1 IDLE\r\n"
    assert canned.say(b"+ idling", b"* 4 EXPUNGE") == [Idling(), News(Expunged(4))]
    canned.client.done()
    assert canned.hear() == b"DONE\r\n"
    (done,) = canned.say(b"* 3 EXPUNGE", b"a1 OK done")
    assert done.data == (Expunged(3),)
    with pytest.raises(LocalProtocolError):
        canned.client.done()


def test_a_text_may_end_like_a_literal():
    canned = Canned()
    canned.client.noop()
    done = canned.done(b"OK still here {5}", b"OK done {7}")
    assert done.status.text == "done {7}"
    assert done.data[0].text == "still here {5}"


def test_compression_begins_behind_the_ok_and_what_came_with_it():
    canned, server = Canned(), Deflate()
    canned.client.compress()
    assert canned.hear() == b"a1 COMPRESS DEFLATE\r\n"
    canned.client.receive(b"a1 OK go\r\n" + server.compressed(b"* 1 EXPUNGE\r\n"))
    assert canned.client.next_event().ok
    assert canned.client.next_event() == News(Expunged(1))
    canned.client.noop()
    server.receive(canned.hear())
    assert server.next_piece() == b"a2 NOOP\r\n"
    for octet in server.compressed(b"a2 OK done\r\n"):
        canned.client.receive(bytes([octet]))
    assert canned.client.next_event().verb == "NOOP"
    canned.client.receive(b"this is no deflate stream")
    assert isinstance(canned.client.next_event(), Garbled)


def test_nothing_is_said_after_the_end():
    canned = Canned()
    canned.client.receive_eof()
    assert "closed the connection" in canned.client.ended
    with pytest.raises(LocalProtocolError):
        canned.client.noop()


@pytest.mark.parametrize(
    "greeting", [b"* BAD no", b"* NO", b"+ hi", b"a1 OK", b"* OKAY"]
)
def test_what_is_no_greeting_ends_the_session(greeting):
    client = IMAPClient()
    client.receive(greeting + b"\r\n")
    assert isinstance(client.next_event(), Garbled)


def test_a_flood_of_answers_ends_the_session(monkeypatch):
    monkeypatch.setattr("maillab.protocol.imap_client.DATA_LIMIT", 10_000)
    canned = Canned()
    canned.client.noop()
    events = canned.say(*[b"* 1 EXISTS"] * 100)
    assert isinstance(events[-1], Garbled)
    assert canned.client.closed


def test_a_literal_that_is_too_long_is_not_waited_for():
    canned = Canned()
    canned.client.noop()
    assert isinstance(canned.say(b"* 1 FETCH (BODY[] {99999999999}")[-1], Garbled)
