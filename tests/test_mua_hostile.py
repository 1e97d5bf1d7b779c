"""A mail program against servers that lie, break off, or say more than they were asked.

The server is a list of what it says, each piece as soon as the client waits.
"""

import asyncio
import random

import pytest

from maillab.agents.mua import MailSettings
from maillab.agents.mua_imap import open_imap
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
        self.said = b""
        self.id = "c1"

    async def connect(self, _address, _port):
        return self

    def emit(self, *_words, **_facts):
        pass

    def random(self, use):
        return random.Random(use)

    async def read(self):
        return self.words.pop(0) if self.words else b""

    def write(self, data):
        self.said += data

    async def drain(self, _patience=0.0):
        pass

    async def start_tls(self, _context, **_options):
        pass

    def interrupt(self):
        pass

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


def test_a_greeting_by_preauth_in_the_clear_is_an_attack():
    impostor = Impostor()
    impostor.words[0] = b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n"
    with pytest.raises(LabError, match="may be an attacker"):
        use(impostor, lambda imap: imap.folders())
    assert impostor.said == b""


def test_many_messages_are_named_in_several_commands():
    impostor = Impostor(*(f"a{n} OK\r\n".encode() for n in range(2, 6)))
    uids = range(1, 2001, 2)
    use(impostor, lambda imap: imap.set_flags(uids, add={"\\Seen"}))
    lines = impostor.said.split(b"\r\n")
    assert sum(b"STORE" in line for line in lines) == 2
    assert max(map(len, lines)) < 8000
