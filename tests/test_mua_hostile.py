"""A mail program against servers that lie, break off, or say more than they were asked.

The server is a list of what it says, each piece as soon as the client waits.
"""

import asyncio
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.agents.mua import MailSettings
from maillab.agents.mua_imap import open_imap
from maillab.agents.mua_reading import read_by_pop3
from maillab.errors import LabError, RemoteProtocolError
from maillab.wire.imap_response import Exists, Expunged

SETTINGS = MailSettings(
    "ann", "ann", "secret", "mail.example", allow_plain=True, mechanisms=("PLAIN",)
)
OK = [b"a3 OK\r\n", b"a4 OK\r\n"]
USUAL = "IMAP4rev1 AUTH=PLAIN SASL-IR"


class Impostor:
    """A machine that knows one server; `said` is what the client said to it."""

    name = "desk"

    def __init__(self, *words: bytes, capabilities: str = USUAL) -> None:
        code = f"[CAPABILITY {capabilities}]"
        self.words = [f"* OK {code} hi\r\n".encode(), f"a1 OK {code}\r\n".encode()]
        self.words += words
        self.woken = 0
        self.said = b""
        self.id = "c1"

    async def connect(self, _address, _port):
        return self

    def emit(self, *_words, **_facts):
        pass

    def random(self, use):
        return random.Random(use)

    async def read(self):
        piece = self.words.pop(0) if self.words else b""
        if piece is None:
            self.meanwhile()
        return piece

    def write(self, data):
        self.said += data

    async def drain(self, _patience=0.0):
        pass

    async def start_tls(self, _context, **_options):
        pass

    def interrupt(self):
        self.woken += 1

    async def close(self):
        pass


def use(impostor: Impostor, work, *, implicit: bool = False):
    async def session():
        tls = object() if implicit else None
        async with await open_imap(impostor, SETTINGS, tls, implicit=implicit) as imap:
            return await work(imap)

    return asyncio.run(session())


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (b"* BYE go away\r\n", RemoteProtocolError, "the server said .*go away"),
        (b"", RemoteProtocolError, "closed the connection"),
        (b"a7 OK done\r\n", LabError, "not understood"),
        (b"* 1 FETCH (BODY[] {99999999999}\r\n", LabError, "not understood"),
        (b"a2 NO [REFERRAL imap://eve.example/] go\r\n", LabError, "REFERRAL"),
        (b"a2 BAD what\r\n", LabError, "failed: BAD what"),
        (b"a2 NO \x1b[2J\x07\r\n", LabError, r"failed: NO \?\[2J\?"),
        (b"* ESEARCH UID ALL 1:4294967295\r\na2 OK\r\n", LabError, "a million"),
    ],
)
def test_what_a_server_says_wrongly_is_one_of_our_errors(said, error, words):
    with pytest.raises(error, match=words):
        use(Impostor(said), lambda imap: imap.search("ALL"))


TAGS = st.sampled_from(["a2", "a3", "a4", "a5", "a6", "*", "+"])
WORDS = st.sampled_from(
    "OK\nOK [APPENDUID 1 9:1]\nOK [UIDVALIDITY x] y\nNO\nBAD\nBYE\n3 EXISTS\n0 EXISTS\n"
    "9999999999 EXPUNGE\nVANISHED 1:4294967295\n1 FETCH (UID 3 FLAGS NIL)\n"
    '2 FETCH (UID 4 ENVELOPE "x" BODY[] "y")\nLIST (\\Sent) NIL x\nLIST () "/" {1}\n'
    "STATUS x (MESSAGES NIL)\nSEARCH 1 2 (MODSEQ 3)\nESEARCH (TAG a) ALL 9:3\n"
    "THREAD (1)\nCAPABILITY QRESYNC IDLE SORT\nENABLED QRESYNC\ngo".splitlines()
)
PIECES = st.lists(st.tuples(TAGS, WORDS) | st.just(("a2", "OK")), max_size=8)


@settings(max_examples=150, deadline=None)
@given(PIECES)
def test_whatever_is_said_every_method_ends_in_a_value_or_one_of_our_errors(pieces):
    impostor = Impostor(*(f"{tag} {words}\r\n".encode() for tag, words in pieces))

    async def work(imap):
        await imap.folders(counts=True)
        await imap.select("INBOX")
        await imap.set_flags([uid.uid for uid in await imap.new_since()], add={"x"})
        await imap.search("ALL")
        await imap.exchange(3, "INBOX", b"x")
        await imap.idle(1)

    with suppress(LabError, RemoteProtocolError):
        use(impostor, work)


def test_flags_that_come_between_take_nothing_from_a_message():
    said = (
        b"+ go on\r\n* 3 FETCH (UID 9 BODY[] {2}\r\nHi)\r\n* 1 EXISTS\r\n"
        b"* 3 FETCH (UID 9 FLAGS (\\Seen))\r\n* 4 FETCH (FLAGS ())\r\n"
        b"* 77 FETCH (UID 4 BODY[] {3}\r\nold)\r\n* 5 EXPUNGE\r\na2 OK\r\n"
    )
    impostor = Impostor(said)

    async def work(imap):
        found = await imap.new_since(5, "(UID BODY[])")
        return found, imap.take_news()

    [found], news = use(impostor, work)
    assert found.items == {"UID": 9, "BODY[]": b"Hi", "FLAGS": ("\\Seen",)}
    assert news == [Exists(1), Expunged(5)]


def test_mail_that_is_told_beside_another_answer_ends_the_next_wait_at_once():
    impostor = Impostor(
        b"* 7 EXISTS\r\na2 OK\r\n",
        b"+ idling\r\n",
        b"a3 OK\r\n",
        capabilities=f"{USUAL} IDLE",
    )

    async def work(imap):
        await imap.search("ALL")
        return await imap.idle(9999)

    assert use(impostor, work) == [Exists(7)]


def test_waiting_ends_when_somebody_else_wants_the_session():
    impostor = Impostor(
        b"+ idling\r\n",
        None,  # the interruption
        b"a2 OK\r\n",
        None,  # one that was meant for it, and comes too late
        b"* 2 EXISTS\r\na3 OK\r\n",
        capabilities=f"{USUAL} IDLE",
    )

    async def work(imap):
        impostor.meanwhile = imap.wake
        return await imap.idle(9999), await imap.look()

    assert use(impostor, work) == ([], [Exists(2)])
    assert impostor.woken == 1  # who does not wait is not woken


def test_a_literal_that_is_refused_never_leaves():
    impostor = Impostor(b"a2 NO [OVERQUOTA] full\r\n", b"a3 OK\r\n")
    letter = b"Subject: x\r\n\r\na3 DELETE INBOX\r\n"

    async def work(imap):
        with pytest.raises(LabError, match="OVERQUOTA"):
            await imap.append("INBOX", letter)

    use(impostor, work)
    assert b"DELETE" not in impostor.said


def test_nobody_is_asked_to_believe_an_extension_that_was_not_enabled():
    impostor = Impostor(b"* ENABLED UTF8=ACCEPT\r\na2 OK\r\n", *OK)

    async def work(imap):
        await imap.search("ALL")
        await imap.create("Entwürfe")

    use(impostor, work)
    assert b"CREATE Entw&APw-rfe\r\n" in impostor.said


def test_whom_the_server_knows_by_tls_does_not_log_in():
    impostor = Impostor()
    impostor.words = [b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", b"a1 OK\r\n"]
    use(impostor, lambda imap: imap.search("ALL"), implicit=True)
    assert impostor.said.startswith(b"a1 UID SEARCH ALL\r\n")


@pytest.mark.parametrize("answer", [b"a1 BAD no\r\n", b"a1 NO no\r\n", b"* BYE\r\n"])
def test_who_offers_tls_and_refuses_it_hears_no_password(answer):
    impostor = Impostor()
    code = f"[CAPABILITY {USUAL} STARTTLS]"
    impostor.words = [f"* OK {code} hi\r\n".encode(), answer]
    with pytest.raises((LabError, RemoteProtocolError)):
        asyncio.run(open_imap(impostor, SETTINGS, object()))
    assert impostor.said == b"a1 STARTTLS\r\n"


def test_what_is_said_between_the_agreement_and_tls_is_not_heard():
    impostor = Impostor()
    impostor.words = [
        f"* OK [CAPABILITY {USUAL} STARTTLS] hi\r\n".encode(),
        b"a1 OK begin\r\n* CAPABILITY IMAP4rev1 EVIL\r\na2 OK\r\n",  # by somebody
        f"* CAPABILITY {USUAL}\r\na2 OK\r\n".encode(),  # inside TLS
        b"a3 OK [CAPABILITY IMAP4rev1]\r\n",
        b"a4 OK\r\n",
    ]

    async def session():
        async with await open_imap(impostor, SETTINGS, object()) as imap:
            return imap.client.offers("EVIL")

    assert not asyncio.run(session())
    assert b"\r\na2 CAPABILITY\r\na3 AUTHENTICATE PLAIN " in impostor.said


def test_a_greeting_by_preauth_in_the_clear_is_an_attack():
    impostor = Impostor()
    impostor.words[0] = b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n"
    with pytest.raises(LabError, match="may be an attacker"):
        use(impostor, lambda imap: imap.folders())
    assert impostor.said == b""


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (b"+OK lots\r\n", LabError, "tells no number"),
        (b"+OK\r\n", LabError, "tells no number"),
        (b"-ERR [SYS/TEMP] \x1b[2J\r\n", LabError, r"STAT failed: .*\?\[2J"),
        (b"hello\r\n", LabError, "not understood"),
        (b"+OK" + b"x" * 5000 + b"\r\n", LabError, "not understood"),
        (b"", RemoteProtocolError, "closed the connection"),
    ],
)
def test_what_a_pop3_server_says_wrongly_is_one_of_our_errors(said, error, words):
    impostor = Impostor()
    impostor.words = [b"+OK hi\r\n", b"+OK\r\n.\r\n", b"+OK\r\n", b"+OK\r\n", said]
    with pytest.raises(error, match=words):
        asyncio.run(read_by_pop3(impostor, SETTINGS, None))


def test_many_messages_are_named_in_several_commands():
    impostor = Impostor(*(f"a{n} OK\r\n".encode() for n in range(2, 6)))
    uids = range(1, 2001, 2)
    use(impostor, lambda imap: imap.set_flags(uids, add={"\\Seen"}))
    lines = impostor.said.split(b"\r\n")
    assert sum(b"STORE" in line for line in lines) == 2
    assert max(map(len, lines)) < 8000
