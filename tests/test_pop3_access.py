"""The POP3 access agent, with a fake machine and a stream that is told what to say."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from maillab.agents.pop3_access import Pop3Access
from maillab.store.accounts import MemoryDirectory

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

    def emit(self, kind: str, connection: str = "", **facts: object) -> None:
        self.told.append((kind, facts))

    def facts(self, kind: str) -> list[dict[str, object]]:
        return [facts for name, facts in self.told if name == kind]


class World:
    """One server, with ann's two letters."""

    def __init__(self, **options: bool) -> None:
        self.machine = FakeMachine()
        self.directory = MemoryDirectory(("example.org",))
        self.inbox = self.directory.add("ann@example.org", "secret").mailboxes.inbox
        for number in (1, 2):
            content = f"Message-ID: <{number}@x>\r\n\r\nHi\r\n".encode()
            self.inbox.append(content, WHEN)
        options = {"plain_login": True, **options}
        self.access = Pop3Access(self.machine, self.directory, **options)

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
    assert world.access.locked == set()


def test_two_sessions_cannot_have_one_maildrop():
    world = World()
    world.access.locked.add("ann@example.org")
    stream = world.serve(LOGIN + b"QUIT\r\n")
    assert b"-ERR [IN-USE]" in stream.said
    assert world.access.locked == {"ann@example.org"}


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
