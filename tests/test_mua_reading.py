"""A mail program reads: in a world, by both protocols, and all that an MUA does."""

from dataclasses import replace

import pytest

from maillab import open_world
from maillab.agents.mua_imap import open_imap
from maillab.agents.mua_reading import read_by_imap, read_by_pop3
from maillab.agents.pop3_access import Pop3Access
from maillab.errors import LabError
from maillab.policy.settings import Reading, Settings
from maillab.wire.imap_response import Exists, Fetched
from tests.worlds import Journal


@pytest.fixture(scope="module")
def two():
    with open_world("two-domains") as world:
        for subject in ("One", "Two"):
            world.user("alice").send("bob@beta.example", subject, "Hi")
            world.settle()
        yield world
        assert Journal(world).failures == []


def run(world, coroutine):
    return world.run(coroutine, on=world.user("bob").host)


def settings_of(world, name="bob"):
    mua = world.user(name).mua
    return mua.machine, mua.settings, mua.tls


@pytest.mark.parametrize("reader", [read_by_imap, read_by_pop3])
@pytest.mark.parametrize("implicit", [False, True])
def test_mail_is_read_and_stays(two, reader, implicit):
    letters = run(two, reader(*settings_of(two), implicit=implicit))
    assert [b"Subject: One" in letters[0], b"Subject: Two" in letters[1]] == [True] * 2
    assert two.mailbox("bob").count == 2


@pytest.mark.parametrize("reader", [read_by_imap, read_by_pop3])
def test_without_tls_no_password_leaves(two, reader):
    machine, settings, _ = settings_of(two)
    settings = replace(settings, allow_plain=False)
    with pytest.raises(LabError, match="offers no TLS"):
        run(two, reader(machine, settings, None))
    with pytest.raises(LabError, match="TLS context"):
        run(two, reader(machine, settings, None, implicit=True))


def test_folders_new_mail_flags_and_content(two):
    async def look():
        async with await open_imap(*settings_of(two)) as imap:
            folders = await imap.folders(counts=True)
            opened = await imap.select("INBOX", read_only=True)
            new = await imap.new_since(1)
            text = await imap.content(2, "TEXT")
            none = await imap.new_since(opened.uid_next - 1)
            return folders, opened, new, text, none

    folders, opened, new, text, none = run(two, look())
    names = {folder.name: folder for folder in folders}
    assert names["INBOX"].messages == 2
    assert names["Sent"].use == "\\Sent"
    assert (opened.messages, opened.uid_next, opened.read_only) == (2, 3, True)
    assert [one.uid for one in new] == [2]
    assert new[0].envelope.subject == b"Two"
    assert str(new[0].envelope.from_[0]) == "alice@alpha.example"
    assert new[0].structure.kind == "text/plain"
    assert text == b"Hi\r\n"
    assert none == []


def test_flags_search_move_and_sent(two):
    async def work():
        async with await open_imap(*settings_of(two, "alice"), implicit=True) as imap:
            uid = await imap.append(
                "Drafts", b"Subject: x\r\n\r\nDraft\r\n", {"\\Draft"}
            )
            await imap.select("Drafts")
            await imap.set_flags([uid], add={"\\Flagged"}, remove={"\\Draft"})
            flagged = await imap.search("FLAGGED")
            await imap.move([uid], "Trash")
            await imap.move([], "Trash")
            left = await imap.search("ALL")
            sent = await imap.append_to_sent(b"Subject: y\r\n\r\nSent\r\n")
            with pytest.raises(LabError, match="no message with UID"):
                await imap.content(999)
            return uid, flagged, left, sent

    uid, flagged, left, sent = run(two, work())
    assert flagged == [uid]
    assert left == []
    tree = two.user("alice").account.mailboxes
    (trash,) = tree.require("Trash").messages
    assert trash.flags == {"\\Flagged"}
    assert tree.require("Sent").get(sent).flags == {"\\Seen"}


def test_idle_brings_news_or_ends_in_time(two):
    async def wait():
        async with await open_imap(*settings_of(two)) as imap:
            await imap.select("INBOX")
            before = two.network.loop.time()
            silence = await imap.idle(30)
            waited = two.network.loop.time() - before
            two.network.loop.call_later(
                5, lambda: two.mailbox("bob").set_flags(1, {"\\Flagged"})
            )
            news = await imap.idle(600)
            return silence, waited, news, two.network.loop.time() - before - waited

    silence, waited, news, until = run(two, wait())
    assert silence == []
    assert 30 <= waited < 31
    assert [one.number for one in news if isinstance(one, Fetched)] == [1]
    assert 5 <= until < 6


def test_new_mail_ends_the_wait(two):
    async def wait():
        async with await open_imap(*settings_of(two)) as imap:
            opened = await imap.select("INBOX")
            inbox = two.mailbox("bob")
            now = two.user("bob").host.now()
            two.network.loop.call_later(1, lambda: inbox.append(b"A: b\r\n\r\n", now))
            news = await imap.idle(600)
            return opened.messages, news

    before, news = run(two, wait())
    assert Exists(before + 1) in news


def test_a_wrong_password_is_told_in_the_words_of_the_server(two):
    machine, settings, tls = settings_of(two)
    with pytest.raises(LabError, match="AUTHENTICATE failed"):
        run(two, open_imap(machine, replace(settings, password="wrong"), tls))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "nonsense"])
def test_the_mechanism_of_the_settings_is_used_or_else_login(two, mechanism):
    machine, settings, tls = settings_of(two)
    wanted = replace(settings, mechanisms=(mechanism,))

    async def who():
        async with await open_imap(machine, wanted, tls) as imap:
            return imap.client.tls_active

    assert run(two, who())
    told = two.trace.of_kind("auth")[-1]["mechanism"]
    assert told == ("LOGIN" if mechanism == "nonsense" else mechanism)


class Impostor:
    """Says what it was told to, to everybody."""

    def __init__(self, *words: bytes) -> None:
        self.words = list(words)

    async def serve(self, stream):
        for word in self.words:
            stream.write(word)
            await stream.drain()
            await stream.read()
        await stream.close()


def test_a_server_that_says_preauth_before_tls_hears_nothing(two):
    machine, settings, tls = settings_of(two)

    async def visit():
        listener = await machine.listen(143, Impostor(b"* PREAUTH hi\r\n").serve)
        try:
            await open_imap(machine, replace(settings, server="127.0.0.1"), tls)
        finally:
            listener.close()

    with pytest.raises(LabError, match="logged in already"):
        run(two, visit())


OLD = frozenset({"IMAP4REV1", "UIDPLUS"})


def test_an_old_server_is_good_enough(two):
    async def work():
        async with await open_imap(*settings_of(two, "alice")) as imap:
            imap.client.capabilities = OLD
            folders = await imap.folders(counts=True)
            uid = await imap.append("Archive", b"Subject: z\r\n\r\n")
            await imap.select("Archive")
            await imap.move([uid], "Junk")
            left = await imap.search("ALL")
            before = two.network.loop.time()
            news = await imap.idle(60)
            return folders, left, news, two.network.loop.time() - before

    folders, left, news, waited = run(two, work())
    assert {one.name: one.messages for one in folders}["Archive"] == 0
    assert (left, news) == ([], [])
    assert 60 <= waited < 61
    assert two.user("alice").account.mailboxes.require("Junk").count == 1


def test_without_uidplus_nothing_of_others_is_expunged(two):
    async def work():
        async with await open_imap(*settings_of(two, "alice")) as imap:
            imap.client.capabilities = frozenset({"IMAP4REV1"})
            await imap.append("Drafts", b"Subject: z\r\n\r\n")
            await imap.select("Drafts")
            uids = await imap.search("ALL")
            await imap.delete(uids)
            return uids

    uids = run(two, work())
    drafts = two.user("alice").account.mailboxes.require("Drafts")
    assert drafts.uids == tuple(uids)
    assert "\\Deleted" in drafts.get(uids[0]).flags


@pytest.mark.parametrize(
    ("said", "seconds"), [([], 180), ([b"USER bob\r\n", b"PASS %s\r\n"], 600)]
)
def test_a_silent_pop3_session_ends_without_a_word(two, said, seconds):
    machine, settings, _ = settings_of(two)

    async def wait():
        stream = await machine.connect(settings.server, 110)
        await stream.read()
        for line in said:
            line = line.replace(b"%s", settings.password.encode())
            stream.write(line.replace(b"bob", settings.login.encode()))
            await stream.read()
        before = two.network.loop.time()
        last = await stream.read()
        await stream.close()
        return last, two.network.loop.time() - before

    last, waited = run(two, wait())
    assert last == b""
    assert seconds - 1e-6 <= waited < seconds + 1


def test_login_delay_is_counted_on_the_clock_of_the_world(two):
    machine, settings, _ = settings_of(two)
    here = replace(settings, server="127.0.0.1", allow_plain=True)
    directory = two.user("bob").server.directory
    pop3 = Pop3Access(machine, directory, plain_login=True)
    pop3.settings = lambda: Settings(reading=Reading(login_delay=300))

    async def read():
        listener = await machine.listen(110, pop3.serve)
        await machine.sleep(300)  # since the tests before this one
        await read_by_pop3(machine, here, None)
        await machine.sleep(250)
        with pytest.raises(LabError, match="LOGIN-DELAY"):
            await read_by_pop3(machine, here, None)
        await machine.sleep(60)
        letters = await read_by_pop3(machine, here, None)
        listener.close()
        return letters

    assert len(run(two, read())) == two.mailbox("bob").count
