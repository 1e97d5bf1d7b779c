"""The POP3 access agent, with a fake machine and a stream that is told what to say."""

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from maillab.agents.pop3_access import AUTOLOGOUT, BEFORE_LOGIN, Pop3Access, Pop3Session
from maillab.agents.pop3_locks import LOCKS
from maillab.policy.settings import Access, LoginDelay, Reading, Settings
from maillab.protocol.engine import Question
from maillab.store.accounts import DirectoryUnavailable, MemoryDirectory
from maillab.store.messages import Octets, StoreUnavailable
from maillab.store.passwords import Hasher
from maillab.wire.pop3 import apop_digest, find_timestamp

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
LOGIN = b"USER ann\r\nPASS secret\r\n"


class FakeStream:
    """A connection: what the client says, in pieces; then it hangs up."""

    id = "c1"

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = [*pieces, b""]
        self.said = b""
        self.ended = ""

    async def read(self) -> bytes:
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def write(self, data: bytes) -> None:
        self.said += data

    async def drain(self, patience: float = 300.0) -> None:
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


@dataclass
class FakeMachine:
    """A host that remembers what it was told."""

    name: str = "pop.example.org"

    def __post_init__(self) -> None:
        self.told: list[tuple[str, dict[str, object]]] = []
        self.clock = 0.0

    def time(self) -> float:
        return self.clock

    def now(self) -> datetime:
        return WHEN + timedelta(seconds=self.clock)

    def random(self, use: str) -> random.Random:
        return random.Random(use)

    def emit(self, kind: str, connection: str = "", **facts: object) -> None:
        self.told.append((kind, facts))

    def facts(self, kind: str) -> list[dict[str, object]]:
        return [facts for name, facts in self.told if name == kind]


BOTH = Settings(access=Access(mechanisms=("PLAIN", "CRAM-MD5")))


class World:
    """One server, with ann's two letters."""

    def __init__(self, *, reversible: bool = False, **options: bool) -> None:
        self.machine = FakeMachine()
        hasher = Hasher(random.Random(1), reversible=reversible)
        self.directory = MemoryDirectory(("example.org",), hasher)
        self.inbox = self.directory.add("ann@example.org", "secret").mailboxes.inbox
        for number in (1, 2):
            content = f"Message-ID: <{number}@x>\r\n\r\nHi\r\n".encode()
            self.inbox.append(content, WHEN)
        options = {"plain_login": True, **options}
        self.access = Pop3Access(self.machine, self.directory, **options)

    def configure(self, **reading: object) -> None:
        settings = Settings(reading=Reading(**reading))
        self.access.settings = lambda: settings

    def serve(self, *pieces: bytes | Exception) -> FakeStream:
        stream = FakeStream(*pieces)
        asyncio.run(self.access.serve(stream))
        return stream


def test_a_letter_is_fetched_and_deleted_at_quit():
    world = World()
    stream = world.serve(LOGIN + b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
    assert b"+OK pop.example.org signing off, 1 messages deleted\r\n" in stream.said
    assert [message.uid for message in world.inbox.messages] == [2]
    assert [f["message"] for f in world.machine.facts("fetched")] == ["<1@x>"]
    assert [f["ok"] for f in world.machine.facts("auth")] == [True]
    assert stream.ended == "closed"


def test_without_quit_nothing_is_deleted_and_the_lock_is_released():
    world = World()
    assert world.serve(LOGIN + b"DELE 1\r\n").ended == "closed"
    assert world.serve(LOGIN + b"DELE 1\r\n", ConnectionResetError()).ended == "aborted"
    assert len(world.inbox.messages) == 2
    assert LOCKS.take(world.inbox)


def test_two_sessions_cannot_have_one_maildrop():
    world = World()
    assert LOCKS.take(world.inbox)
    stream = world.serve(LOGIN + b"QUIT\r\n")
    assert b"-ERR [IN-USE]" in stream.said
    assert not LOCKS.take(world.inbox)


def test_two_ports_share_the_lock():
    world = World()
    other = Pop3Access(world.machine, world.directory, plain_login=True)
    first = Pop3Session(world.access, FakeStream())
    first.engine.receive(LOGIN)
    serve_all(first)
    stream = FakeStream(LOGIN)
    asyncio.run(other.serve(stream))
    assert b"-ERR [IN-USE]" in stream.said
    first.end()
    stream = FakeStream(LOGIN)
    asyncio.run(other.serve(stream))
    assert b"IN-USE" not in stream.said


def serve_all(session: Pop3Session) -> bytes:
    """Answer what the engine asks now."""
    while event := session.engine.next_event():
        if isinstance(event, Question):
            asyncio.run(session.decide(event))
    return session.engine.data_to_send()


def test_a_wrong_password_and_a_stranger_hear_the_same():
    said = [
        World().serve(login + b"QUIT\r\n").said
        for login in (b"USER ann\r\nPASS x\r\n", b"USER nobody\r\nPASS x\r\n")
    ]
    assert said[0] == said[1]
    assert b"-ERR [AUTH] Wrong login\r\n" in said[0]


def test_a_unique_id_outlives_the_session():
    world = World()
    listed = world.serve(LOGIN + b"UIDL\r\nDELE 1\r\nQUIT\r\n").said
    again = world.serve(LOGIN + b"UIDL\r\nQUIT\r\n").said
    unique_id = listed.split(b"\r\n2 ")[1].split(b"\r\n")[0]
    assert b"\r\n1 " + unique_id + b"\r\n" in again


def test_without_tls_no_password_is_taken_unless_that_is_allowed():
    stream = World(plain_login=False).serve(b"CAPA\r\nUSER ann\r\n")
    assert b"\r\nUSER\r\n" not in stream.said
    assert stream.said.endswith(b"-ERR No passwords in plain text: use STLS\r\n")


def test_a_failure_of_ours_is_told_as_temporary(monkeypatch):
    world = World()
    monkeypatch.setattr(world.directory, "verify", lambda credentials: 1 / 0)
    stream = world.serve(LOGIN + b"QUIT\r\n")
    assert b"-ERR [SYS/TEMP] Local error, try again later\r\n" in stream.said
    assert "ZeroDivisionError" in world.machine.facts("failure")[0]["error"]
    assert stream.ended == "closed"


class Broken:
    """A blob that cannot be read, or a store that takes nothing."""

    size = 9

    def read(self) -> bytes:
        raise StoreUnavailable("the disk is gone")

    read_header = read


def test_a_message_that_cannot_be_read_now_is_a_temporary_failure():
    world = World()
    world.inbox.append(b"A: b\r\n\r\nHi", WHEN)
    session = Pop3Session(world.access, FakeStream())
    session.engine.receive(LOGIN)
    serve_all(session)
    message = world.inbox.get(3)
    world.inbox._messages[3] = type(message)(3, Broken(), WHEN)
    session.engine.receive(b"RETR 3\r\nTOP 3 0\r\nRETR 1\r\n")
    said = serve_all(session)
    assert said.count(b"-ERR [SYS/TEMP] The message cannot be read now\r\n") == 2
    assert said.count(b"+OK ") == 1


def test_top_of_no_lines_reads_the_header_only():
    world = World()
    session = Pop3Session(world.access, FakeStream())
    session.engine.receive(LOGIN)
    serve_all(session)
    blob = Octets(b"A: b\r\n\r\nHi")
    message = world.inbox.get(1)
    world.inbox._messages[1] = type(message)(1, HeaderOnly(blob), WHEN)
    session.engine.receive(b"TOP 1 0\r\n")
    assert b"A: b\r\n\r\n.\r\n" in serve_all(session)


class HeaderOnly(Broken):
    """Only the header can be read."""

    def __init__(self, blob: Octets) -> None:
        self.read_header = blob.read_header


def test_what_imap_has_expunged_is_gone_and_the_numbers_stay():
    world = World()
    session = Pop3Session(world.access, FakeStream())
    session.engine.receive(LOGIN)
    serve_all(session)
    world.inbox.expunge([1])
    session.engine.receive(b"RETR 1\r\nSTAT\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n")
    said = serve_all(session)
    assert b"-ERR Another program has removed it\r\n+OK 2 " in said
    assert b"2 messages deleted\r\n" in said
    assert world.inbox.uids == ()


def test_when_the_store_takes_nothing_quit_says_so_and_nothing_is_lost(monkeypatch):
    world = World()

    def full(uids: object) -> None:
        raise StoreUnavailable("no space left")

    monkeypatch.setattr(world.inbox, "expunge", full)
    stream = world.serve(LOGIN + b"DELE 1\r\nQUIT\r\n")
    assert b"-ERR [SYS/TEMP] some deleted messages not removed\r\n" in stream.said
    assert world.inbox.uids == (1, 2)
    assert LOCKS.take(world.inbox)


def test_who_was_here_just_now_has_to_wait():
    world = World()
    world.configure(login_delay=60)
    assert b"\r\nLOGIN-DELAY 60\r\n" in world.serve(LOGIN + b"CAPA\r\n").said
    world.machine.clock = 45.5
    assert b"-ERR [LOGIN-DELAY] Wait 15 s\r\n" in world.serve(LOGIN).said
    world.machine.clock = 60
    assert b"+OK Maildrop has 2" in world.serve(LOGIN).said


def test_a_delay_of_some_users_is_told_as_the_longest_and_then_as_their_own():
    world = World()
    some = (LoginDelay("ann@example.org", 5),)
    world.configure(login_delay=60, login_delays=some)
    said = world.serve(b"CAPA\r\n" + LOGIN + b"CAPA\r\n").said
    assert b"\r\nLOGIN-DELAY 60 USER\r\n" in said
    assert b"\r\nLOGIN-DELAY 5\r\n" in said


@pytest.mark.parametrize(
    ("days", "said", "left"), [("never", b"RETR 1", (1, 2, 3)), (30, b"NOOP", (3,))]
)
def test_old_mail_goes_at_quit_when_that_is_the_setting(days, said, left):
    world = World()
    world.configure(expire_days=days)
    world.machine.clock = 40 * 86400
    world.inbox.append(b"new\r\n", world.machine.now())
    world.serve(LOGIN + said + b"\r\nQUIT\r\n")
    assert world.inbox.uids == left


def test_expire_0_removes_what_was_retrieved_and_nothing_without_quit():
    world = World()
    world.configure(expire_days=0)
    world.serve(LOGIN + b"RETR 2\r\n")
    assert world.inbox.uids == (1, 2)
    assert b"EXPIRE 0\r\n" in world.serve(b"CAPA\r\n").said
    world.serve(LOGIN + b"RETR 2\r\nTOP 1 1\r\nQUIT\r\n")
    assert world.inbox.uids == (1,)


def test_apop_is_offered_where_passwords_are_kept():
    world = World(reversible=True)
    session = Pop3Session(world.access, FakeStream())
    session.engine.next_event()
    timestamp = find_timestamp(session.engine.data_to_send().decode())
    digest = apop_digest(timestamp, "secret")
    session.engine.receive(f"APOP ann {'0' * 32}\r\nAPOP ann {digest}\r\n".encode())
    said = serve_all(session)
    assert said.startswith(b"-ERR [AUTH]")
    assert b"+OK Maildrop has 2" in said
    assert [fact["mechanism"] for fact in world.machine.facts("auth")] == ["APOP"] * 2


def test_without_them_there_is_no_apop_and_no_cram_md5():
    for reversible in (True, False):
        world = World(reversible=reversible)
        world.access.settings = lambda: BOTH
        stream = world.serve(b"CAPA\r\nAPOP ann " + b"0" * 32 + b"\r\n")
        assert (b"<" in stream.said.split(b"\r\n")[0]) == reversible
        assert (b"CRAM-MD5" in stream.said) == reversible
        assert (b"No APOP here" in stream.said) != reversible


def test_a_timestamp_is_never_used_twice():
    world = World(reversible=True)
    said = [world.serve().said for _ in range(3)]
    assert len(set(said)) == 3


def test_a_directory_out_of_reach_is_temporary_for_every_way_to_log_in(monkeypatch):
    world = World(reversible=True)

    def gone(*_: object) -> None:
        raise DirectoryUnavailable("no route")

    monkeypatch.setattr(world.directory, "find_login", gone)
    for said in (
        LOGIN,
        b"APOP ann " + b"0" * 32 + b"\r\n",
        b"AUTH SCRAM-SHA-256 biwsbj1hbm4scj1jMA==\r\n",
    ):
        assert b"-ERR [SYS/TEMP] Logins fail at the moment" in world.serve(said).said


def test_strangers_may_stay_a_shorter_time():
    world = World()
    session = Pop3Session(world.access, FakeStream())
    assert session.timeout == BEFORE_LOGIN < AUTOLOGOUT
    session.engine.receive(LOGIN)
    serve_all(session)
    assert session.timeout == AUTOLOGOUT >= 600
