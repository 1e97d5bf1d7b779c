"""The client engine, against our own server engine and against odd servers."""

from pathlib import Path
from runpy import run_path

import pytest

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import StartTLS
from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.imap_client_commands import Letter, Resync
from maillab.protocol.imap_client_events import (
    Completed,
    Garbled,
    Greeting,
    Idling,
    News,
)
from maillab.wire.imap import Status
from maillab.wire.imap_response import (
    Counted,
    Exists,
    Expunged,
    Extended,
    Fetched,
    Found,
    Listed,
    Namespaces,
    QuotaRoots,
    ServerId,
    Threads,
    Vanished,
)
from maillab.wire.imap_response_codes import (
    NumberSet,
    appended,
    code_number,
    modified,
)
from maillab.wire.message import DateTime

new_session = run_path(str(Path(__file__).with_name("imap_player.py")))["new_session"]


class Pair:
    """A client and a server, without network."""

    def __init__(self, **settings):
        self.session = new_session(**settings)
        self.client = IMAPClient()
        self.client.receive(self.session.greeting(1))

    def run(self):
        """Everything the client hears until it is quiet."""
        events = []
        while True:
            while event := self.client.next_event():
                events.append(event)
                if isinstance(event, StartTLS):
                    self.client.tls_started()
                    self.session.starttls(1)
            data = self.client.data_to_send()
            answer = self.session.hear_octets(1, data)  # `hear` unpacks by itself
            if not data and not answer:
                return events
            self.client.receive(answer)

    def last(self) -> Completed:
        return [event for event in self.run() if isinstance(event, Completed)][-1]


def opened(*enabled: str, **settings) -> Pair:
    pair = Pair(**settings)
    pair.client.login("ann", "wonderland")
    if enabled:  # before a mailbox is open (RFC 9051 §6.3.1)
        pair.client.enable(*enabled)
    pair.client.select("INBOX")
    assert pair.last().ok
    return pair


def test_a_session_from_greeting_to_logout():
    pair = Pair(letters=2)
    pair.client.login("ann", "wonderland")
    pair.client.list()
    pair.client.select("INBOX")
    pair.client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    pair.client.logout()
    greeting, login, listed, select, fetch, logout = pair.run()
    assert isinstance(greeting, Greeting)
    assert [c.ok for c in (login, listed, select, fetch, logout)] == [True] * 5
    assert listed.data[0] == Listed("LIST", ("\\HasNoChildren",), "/", "INBOX")
    assert Exists(2) in select.data
    assert fetch.data[0] == Fetched(
        1,
        {
            "UID": 1,
            "FLAGS": ("\\Recent",),
            "BODY[HEADER.FIELDS (SUBJECT)]": b"Subject: Letter 1\r\n\r\n",
        },
    )
    assert pair.client.closed


def test_what_cannot_be_quoted_leaves_as_a_literal():
    pair = opened()
    content = b"Subject: \xc3\xbc\r\n\r\nHi\r\n"
    date = DateTime(1996, 7, 17, 2, 44, 25, -420)
    pair.client.append("INBOX", content, {"\\Seen"}, date)
    assert pair.last().status.code == "APPENDUID 1 1"
    pair.client.fetch("1", "(INTERNALDATE FLAGS BODY.PEEK[])")
    items = pair.last().data[0].items
    assert items["BODY[]"] == content
    assert items["INTERNALDATE"] == b"17-Jul-1996 02:44:25 -0700"
    for keys in ("CHARSET UTF-8 SUBJECT", "SUBJECT"):
        pair.client.search(keys, "ü".encode())
        assert pair.last().data == (Found((1,)),)


def test_a_literal_waits_where_the_server_has_no_literal_plus():
    pair = Pair()
    pair.run()
    pair.client.capabilities = frozenset()
    pair.client.login("änn", "pass\nword")
    assert pair.client.data_to_send() == b"a1 LOGIN {4}\r\n"
    pair.client.receive(b"+ go\r\n")
    assert pair.client.next_event() is None
    assert pair.client.data_to_send() == "änn".encode() + b" {9}\r\n"


def test_a_password_is_secret_in_the_record_also_as_a_literal():
    for password in ("wonderland", "wonderländ"):
        pair = Pair()
        pair.client.login("ann", password)
        pair.run()
        said = [s for s in pair.client.lines_spoken() if s.speaker == "C"]
        for spoken in said:
            octets = bytearray(spoken.octets)
            for start, end in spoken.secret:
                octets[start:end] = b"#" * (end - start)
            assert b"wonder" not in octets


def test_authenticate_with_and_without_initial_response():
    for mechanism in ("PLAIN", "LOGIN"):
        for told in (True, False):
            pair = Pair()
            pair.run()
            if not told:
                pair.client.capabilities = frozenset()
            pair.client.authenticate(mechanism, "ann", "wonderland")
            assert pair.last().ok


def test_starttls_forgets_what_was_offered():
    pair = Pair(tls="yes", plain="no")
    pair.run()
    assert pair.client.offers("LOGINDISABLED")
    pair.client.starttls()
    pair.client.capability()
    assert pair.last().ok
    assert not pair.client.offers("LOGINDISABLED")
    with pytest.raises(LocalProtocolError):
        pair.client.starttls()


def test_idle_brings_news_until_done():
    pair = opened(letters=1)
    pair.client.idle()
    assert pair.run() == [Idling()]
    pair.session.directory.ann.mailboxes.inbox.expunge([1])
    assert pair.run() == [News(Expunged(1))]
    pair.client.done()
    assert pair.last().verb == "IDLE"


def test_store_copy_expunge_and_status():
    pair = opened(letters=3)
    pair.client.copy("1:2", "Archive")
    assert pair.last().status.code == "COPYUID 2 1:2 1:2"
    pair.client.store("1:3", "+FLAGS.SILENT", {"\\Deleted"})
    pair.client.expunge("2")
    assert Expunged(2) in pair.last().data
    pair.client.status("Archive", "MESSAGES UIDNEXT")
    assert pair.last().data == (Counted("Archive", {"MESSAGES": 2, "UIDNEXT": 3}),)


@pytest.mark.parametrize(
    "noise",
    [b"\r\n", b"nonsense\r\n", b"* 1 EXISTS\r\n", b"x" * 1_100_000 + b"\r\n"],
)
def test_a_server_that_speaks_no_imap_ends_the_session(noise):
    client = IMAPClient()
    client.receive(noise)
    assert isinstance(client.next_event(), Garbled)
    assert client.closed


@pytest.mark.parametrize(
    "odd",
    [b"* 1 FETCH (((", b"* LIST", b"* SEARCH x", b'* FLAGS "', b"* " + b"(" * 5000],
)
def test_odd_responses_are_kept_as_they_are(odd):
    client = IMAPClient()
    client.receive(b"* OK hi\r\n" + odd + b"\r\n")
    assert isinstance(client.next_event(), Greeting)
    news = client.next_event()
    assert news == News(type(news.data)(odd[2:]))


# What came after IMAP4rev1, against our own server ------------------------------------


def asked(pair: Pair, say) -> Completed:
    say(pair.client)
    done = pair.last()
    assert done.ok, done
    return done


def only(done: Completed, kind):
    return [one for one in done.data if isinstance(one, kind)]


def test_names_and_ids_are_told():
    pair = opened()
    assert only(asked(pair, lambda c: c.identify({"name": "x"})), ServerId)
    assert only(asked(pair, lambda c: c.namespace()), Namespaces)[0].personal


def test_folders_come_with_their_numbers():
    pair = opened(letters=2)
    done = asked(pair, lambda c: c.list(tell="SPECIAL-USE STATUS (MESSAGES)"))
    assert Counted("INBOX", {"MESSAGES": 2}) in done.data
    done = asked(pair, lambda c: c.list("", ["INBOX", "Arch%"], only="SUBSCRIBED"))
    assert {one.name for one in only(done, Listed)} >= {"INBOX"}


def test_what_has_changed_is_asked_for_by_modseq():
    pair = opened(letters=3)
    done = asked(pair, lambda c: c.select("INBOX", condstore=True))
    statuses = only(done, Status)
    (modseq,) = [n for s in statuses if (n := code_number(s, "HIGHESTMODSEQ"))]
    asked(pair, lambda c: c.store("2", "+FLAGS", {"\\Flagged"}))
    done = asked(pair, lambda c: c.fetch("1:*", "(FLAGS)", changed_since=modseq))
    (changed,) = only(done, Fetched)
    assert changed.uid == 2
    assert changed.modseq > modseq
    pair.client.store("2", "+FLAGS", {"x"}, unchanged_since=modseq)
    assert list(modified(pair.last().status)) == [2]


def test_a_mailbox_is_resynchronized():
    pair = opened("QRESYNC", letters=3)
    assert "QRESYNC" in pair.client.enabled
    done = asked(pair, lambda c: c.select("INBOX"))
    numbers = [code_number(s, "UIDVALIDITY") for s in only(done, Status)]
    (validity,) = [n for n in numbers if n]
    asked(pair, lambda c: c.store("2", "+FLAGS.SILENT", {"\\Deleted"}))
    done = asked(pair, lambda c: c.expunge())
    assert only(done, Vanished) == [Vanished(NumberSet(((2, 2),)))]
    resync = Resync(validity, 1, "1:3")
    done = asked(pair, lambda c: c.select("INBOX", resync=resync))
    assert only(done, Vanished) == [Vanished(NumberSet(((2, 2),)), True)]


def test_searches_are_summed_up_sorted_and_threaded():
    pair = opened(letters=3)
    done = asked(pair, lambda c: c.search("ALL", tell="MIN MAX COUNT ALL"))
    (found,) = only(done, Extended)
    assert (found.items["COUNT"], list(found.all)) == (3, [1, 2, 3])
    if pair.client.offers("SORT"):
        done = asked(pair, lambda c: c.sort("REVERSE ARRIVAL"))
        assert sorted(only(done, Found)[0].numbers) == [1, 2, 3]
    if pair.client.offers("THREAD=REFERENCES"):
        done = asked(pair, lambda c: c.thread("REFERENCES"))
        assert len(only(done, Threads)[0].threads) == 3


def test_several_messages_come_at_once_and_one_goes_for_another():
    pair = opened()
    letters = [Letter(b"Subject: a\r\n\r\n\0", ("\\Seen",)), Letter(b"b\r\n")]
    done = asked(pair, lambda c: c.append_all("INBOX", letters))
    assert list(appended(done.status)[1]) == [1, 2]
    done = asked(pair, lambda c: c.fetch("1", "(BINARY.PEEK[])"))
    assert only(done, Fetched)[0].items["BINARY[]"] == letters[0].content
    done = asked(pair, lambda c: c.replace("2", "INBOX", Letter(b"c\r\n")))
    done = asked(pair, lambda c: c.search("ALL"))
    assert only(done, Found)[0].numbers == (1, 3)


def test_quotas_are_told():
    pair = opened()
    if pair.client.offers("QUOTA"):
        assert only(asked(pair, lambda c: c.get_quota_root("INBOX")), QuotaRoots)


def test_after_compression_all_is_as_before():
    pair = opened(letters=2)
    asked(pair, lambda c: c.compress())
    done = asked(pair, lambda c: c.fetch("1:2", "(ENVELOPE BODYSTRUCTURE)"))
    assert [f.envelope.subject for f in only(done, Fetched)] == [
        b"Letter 1",
        b"Letter 2",
    ]
    assert {f.structure.kind for f in only(done, Fetched)} == {"text/plain"}


def test_names_are_utf8_after_enable():
    pair = opened("UTF8=ACCEPT")
    asked(pair, lambda c: c.create("Entwürfe"))
    names = {one.name for one in only(asked(pair, lambda c: c.list()), Listed)}
    assert "Entwürfe" in names


def test_scram_logs_in_where_it_is_offered():
    pair = Pair()
    pair.run()
    if not pair.client.offers("AUTH=SCRAM-SHA-256"):
        pytest.skip("this server has no SCRAM")
    pair.client.authenticate("SCRAM-SHA-256", "ann", "wonderland", lambda: "c0ffee")
    assert pair.last().ok
