"""The MUA agent on real sockets: the same at a real Dovecot and at maillab's server."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import TypeVar

import pytest

from maillab.agents.mua import MailSettings
from maillab.agents.mua_imap import IMAPSession, open_imap
from maillab.agents.mua_reading import read_by_imap, read_by_pop3
from maillab.errors import LabError
from maillab.gateway.real import RealHost
from maillab.net.sockets import WorldLoop
from maillab.wire.imap_response import Exists, Expunged, Fetched, Vanished
from tests.interop.dovecot_mail import PASSWORD, serving_dovecot
from tests.interop.mail_server import DOMAIN, SECRET, MailServer
from tests.interop.odd_messages import MESSAGES, lines

pytestmark = pytest.mark.interop

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
ODD = list(MESSAGES.values())
MIXED = MESSAGES["mixed"]
Made = TypeVar("Made")


class Desk(RealHost):
    """A computer with a mail program; each port of the server is somewhere else."""

    ports: dict[int, int]

    async def connect(self, address: str, port: int):
        return await super().connect(address, self.ports[port])


class Server:
    """One of both, and somebody who reads mail there."""

    def __init__(self, name: str, desk: Desk, settings: MailSettings, tls) -> None:
        self.name = name
        self.desk = desk
        self.settings = settings
        self.tls = tls

    def call(self, work: Awaitable[Made]) -> Made:
        async def waited() -> Made:
            async with asyncio.timeout(30):
                return await work

        return asyncio.run_coroutine_threadsafe(waited(), self.desk.loop).result(60)

    def use(self, work: Callable[[IMAPSession], Awaitable[Made]], **options) -> Made:
        """What a session makes."""
        settings = replace(self.settings, **options)

        async def session() -> Made:
            async with await self.open(settings) as imap:
                return await work(imap)

        return self.call(session())

    def open(self, settings: MailSettings | None = None):
        return open_imap(self.desk, settings or self.settings, self.tls)


@pytest.fixture(scope="module")
def loop() -> Iterator[WorldLoop]:
    loop = WorldLoop()
    loop.go_live()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.cancel_all_tasks()
    loop.close()


@pytest.fixture(scope="module")
def dovecot(loop):
    with serving_dovecot(mechanisms=" ".join(MECHANISMS).lower()) as running:
        desk = Desk("desk.real.example", loop)
        desk.ports = {143: running.imap, 110: running.pop3}
        number = count(1)

        def newcomer() -> Server:
            who = f"m{next(number)}"
            settings = MailSettings(who, who, PASSWORD, "127.0.0.1", allow_plain=True)
            return Server("dovecot", desk, settings, None)

        yield newcomer


@pytest.fixture(scope="module")
def ours(loop, tmp_path_factory):
    server = MailServer(tmp_path_factory.mktemp("ours"))
    desk = Desk("desk.real.example", loop)
    desk.ports = {143: server.ports["imap"], 110: server.ports["pop3"]}
    number = count(1)

    def newcomer() -> Server:
        who = f"m{next(number)}@{DOMAIN}"
        server.add(who)
        settings = MailSettings(who, who, SECRET, "127.0.0.1", allow_plain=True)
        return Server("ours", desk, settings, None)

    yield newcomer
    server.close()


@pytest.fixture(params=["dovecot", "ours"])
def server(request) -> Server:
    return request.getfixturevalue(request.param)()


def facts(one: Fetched):
    """What both servers must tell alike; of a folded subject they keep other spaces."""
    envelope = one.envelope
    subject = b" ".join(envelope.subject.split())
    folded = replace(envelope, subject=subject)
    return one.uid, one.items["RFC822.SIZE"], folded, one.structure


async def fill(imap: IMAPSession, contents=ODD, folder: str = "INBOX") -> list[int]:
    return [await imap.append(folder, content) for content in contents]


def test_odd_messages_come_back_octet_for_octet(server):
    async def work(imap):
        uids = await fill(imap)
        opened = await imap.select("INBOX")
        return opened, [await imap.content(uid) for uid in uids]

    opened, contents = server.use(work)
    assert opened.messages == len(ODD)
    assert contents == ODD
    assert server.call(read_by_imap(server.desk, server.settings, None)) == ODD


def test_pop3_brings_what_imap_has(server):
    server.use(fill)
    brought = server.call(read_by_pop3(server.desk, server.settings, None))
    ended = [one if one.endswith(b"\r\n") else one + b"\r\n" for one in ODD]
    utf8 = ODD.index(MESSAGES["utf-8"])  # Dovecot sends it as it is
    assert (
        brought[utf8].partition(b"\r\n\r\n")[2] == ended[utf8].partition(b"\r\n\r\n")[2]
    )
    assert brought[:utf8] + brought[utf8 + 1 :] == ended[:utf8] + ended[utf8 + 1 :]


def test_the_same_envelopes_and_structures_as_at_the_other_server(dovecot, ours):
    async def work(imap):
        uids = await fill(imap)
        await imap.select("INBOX", read_only=True)
        summaries = await imap.summaries(uids[::-1])
        return list(map(facts, summaries))

    theirs, mine = dovecot().use(work), ours().use(work)
    assert [one[0] for one in mine] == list(range(len(ODD), 0, -1))
    for one, other in zip(mine, theirs, strict=True):
        assert one == other


def test_parts_come_decoded(server):
    async def work(imap):
        [uid] = await fill(imap, [MIXED])
        await imap.select("INBOX")
        [summary] = await imap.new_since()
        parts = {part.section: part for part in summary.structure.walk()}
        header = await imap.content(uid, "HEADER.FIELDS (SUBJECT X-None)")
        with suppress(LabError):  # it has no such section, or an empty one (Dovecot)
            assert await imap.content(uid, "9.9") == b""
        return await imap.part(uid, parts["2"]), parts["2"].filename, header

    picture, name, header = server.use(work)
    assert (picture, name) == (bytes(range(256)) * 2, "a picture.png")
    assert header.startswith(b"Subject: =?UTF-8?B?R3LDvMOfZQ==?=")


def test_folders_are_made_named_counted_and_removed(server):
    async def work(imap):
        await imap.create("Ordner/Grüße & Küsse")
        await imap.append("Ordner/Grüße & Küsse", lines("Subject: x", ""))
        await imap.rename("Ordner/Grüße & Küsse", "Ordner/Größe")
        folders = {one.name: one for one in await imap.folders(counts=True)}
        status = await imap.status("Ordner/Größe")
        await imap.remove("Ordner/Größe")
        names = {one.name for one in await imap.folders()}
        return folders, status, names, await imap.find_use("\\Trash")

    folders, status, names, trash = server.use(work)
    assert (folders["Ordner/Größe"].messages, folders["Ordner/Größe"].unseen) == (1, 1)
    assert (status["MESSAGES"], status["UIDNEXT"]) == (1, 2)
    assert "Ordner/Größe" not in names
    assert "INBOX" in names
    assert trash is None or trash.name == "Trash"  # Dovecot makes it when it is needed


def test_flags_search_sort_and_threads(server):
    async def work(imap):
        uids = await fill(imap)
        await imap.select("INBOX")
        await imap.set_flags(uids[:2], add={"\\Seen", "$Forwarded"})
        await imap.set_flags(uids[:1], remove={"\\Seen"})
        return (
            await imap.search("SEEN"),
            await imap.search("KEYWORD $Forwarded"),
            await imap.search("SUBJECT", "grüße".encode()),
            await imap.sort("REVERSE SUBJECT", "SUBJECT plain"),
            await imap.threads("SUBJECT plain"),
        )

    seen, forwarded, found, ordered, threads = server.use(work)
    assert (seen, forwarded) == ([2], [1, 2])
    assert found == [ODD.index(MIXED) + 1]
    assert sorted(ordered) == sorted(ordered, reverse=True)[::-1]
    assert len(ordered) > 3
    assert threads


def test_messages_move_are_copied_exchanged_and_deleted(server):
    async def work(imap):
        await imap.create("There")
        uids = await fill(imap, ODD[:4])
        await imap.select("INBOX")
        await imap.move(uids[:2], "There")
        await imap.copy(uids[2:], "There")
        await imap.delete(uids[3:])
        new = await imap.exchange(uids[2], "INBOX", ODD[5], {"\\Draft"})
        left = await imap.search("ALL")
        await imap.select("There")
        there = [await imap.content(uid) for uid in await imap.search("ALL")]
        with pytest.raises(LabError, match="no message with UID"):
            await imap.content(99)
        with pytest.raises(LabError, match="failed"):
            await imap.move([1], "Nowhere")
        return new, left, there

    new, left, there = server.use(work)
    assert left == [new]
    assert there == ODD[:4]


def test_what_has_changed_is_told_after_a_pause(server):
    async def work(imap):
        await fill(imap, ODD[:6])
        before = await imap.select("INBOX")
        async with await server.open() as other:
            await other.select("INBOX")
            await other.set_flags([2], add={"\\Flagged"})
            await other.delete([4, 5])
        changed = await imap.changed_since(before.highest_modseq)
        again = await imap.resume("INBOX", before.uid_validity, before.highest_modseq)
        other_life = await imap.resume("INBOX", before.uid_validity + 1, 1)
        with pytest.raises(LabError):
            await imap.select("Nowhere")
        return changed, again, other_life, imap.opened

    changed, again, other_life, opened = server.use(work)
    assert [one.uid for one in changed] == [2]
    assert "\\Flagged" in changed[0].flags
    assert [one.uid for one in again.changed] == [2]
    assert [uid for gone in again.vanished for uid in gone] == [4, 5]
    assert again.opened.messages == 4
    assert (other_life.changed, other_life.vanished, opened) == ([], (), None)


def test_idle_brings_what_a_second_connection_does(server):
    async def work(imap):
        await fill(imap, ODD[:1])
        await imap.select("INBOX")
        async with await server.open() as other:
            await other.select("INBOX")
            told = []
            for change in (
                lambda: other.append("INBOX", ODD[1]),
                lambda: other.set_flags([1], add={"\\Answered"}),
                lambda: other.delete([1]),
            ):
                task = asyncio.ensure_future(imap.idle(20))
                await asyncio.sleep(0)
                await change()
                told.append(await task)
                told[-1] += await imap.idle(0.01)
        return told

    new, flagged, gone = server.use(work)
    assert Exists(2) in new
    assert any(isinstance(one, Fetched) for one in flagged)
    assert any(isinstance(one, Expunged | Vanished) for one in gone + flagged)


@pytest.mark.parametrize("mechanism", [*MECHANISMS, "nonsense"])
def test_every_mechanism_logs_in_and_a_wrong_password_does_not(server, mechanism):
    async def nothing(_):
        return True

    assert server.use(nothing, mechanisms=(mechanism,))
    with pytest.raises(LabError, match="failed"):
        server.use(nothing, mechanisms=(mechanism,), password="wrong")


def test_without_tls_no_password_leaves(dovecot):
    server = dovecot()
    with pytest.raises(LabError, match="offers no TLS"):
        server.use(fill, allow_plain=False)
    settings = replace(server.settings, allow_plain=False)
    with pytest.raises(LabError, match="offers no TLS"):
        server.call(read_by_pop3(server.desk, settings, None))
