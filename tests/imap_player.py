"""The stage for tests/transcripts/imap: clients, one user's mailboxes, no network."""

import random
import zlib
from datetime import UTC, datetime, timedelta

from maillab.agents.conversation import Conversation
from maillab.agents.imap_access import ImapAccess, ImapSession
from maillab.agents.serving import Security, answer
from maillab.policy.recipient_settings import Recipients
from maillab.policy.settings import Reading, Settings
from maillab.protocol.engine import Question, StartTLS
from maillab.store.accounts import Login
from maillab.store.mailbox_tree import STANDARD_FOLDERS, MailboxTree
from maillab.wire.sasl import ScramVerifier

LETTER = b"""\
From: Zoe <zoe@gamma.example>\r
To: ann@alpha.example\r
Subject: Letter %d\r
Date: Thu, 1 Jan 2026 09:00:00 +0000\r
Message-ID: <%d@gamma.example>\r
\r
Hello %d\r
"""


class FakeMachine:
    name = "mx.alpha.example"

    def __init__(self) -> None:
        self.seconds = 0
        self.events = []

    def time(self):
        return float(self.seconds)

    def random(self, use):
        return random.Random(use)

    def now(self):
        return datetime(2026, 1, 1, 9, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def emit(self, kind, connection="", **facts):
        self.events.append((kind, connection, facts))


class FakeStream:
    """Nothing is written or read here; only `interrupt` is called, and not needed."""

    def __init__(self, name: str) -> None:
        self.id = name

    def interrupt(self):
        pass


class Account:
    address = "ann@alpha.example"

    def __init__(self, letters: int) -> None:
        self.mailboxes = MailboxTree(STANDARD_FOLDERS)
        date = datetime(2026, 1, 1, 9, tzinfo=UTC)
        for number in range(1, letters + 1):
            letter = LETTER % (number, number, number)
            self.mailboxes.inbox.append(letter, date)


class Directory:
    def __init__(self, letters: int = 0) -> None:
        self.ann = Account(letters)

    def verify(self, credentials):
        right = (credentials.user, credentials.password) == ("ann", "wonderland")
        right = right or (credentials.user == "ann" and credentials.proven)
        return Login(self.ann) if right else Login(None, "wrong password")

    def secret_for(self, mechanism, user):
        if user != "ann":
            return None
        if mechanism == "CRAM-MD5":
            return "wonderland"
        return ScramVerifier.from_password("wonderland", b"salt of ann")

    def watch(self, watcher):
        return lambda: None


def at_once(coroutine):
    """Run a coroutine that waits for nobody."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")


class Session:
    """Several connections to one service. `words`: other settings of `--- WITH`."""

    def __init__(self, letters: int, tls: bool, plain: bool, **words: str) -> None:
        self.machine = FakeMachine()
        self.directory = Directory(letters)
        security = Security(object() if tls else None)
        self.service = ImapAccess(
            self.machine, self.directory, security, plain_login=plain
        )
        reading = Reading(
            hide=tuple(filter(None, words.get("without", "").split(","))),
            short_literals=words.get("literals") == "minus",
            append_limit=int(words.get("append_limit", 25 * 1024 * 1024)),
        )
        recipients = Recipients(default_quota=int(words.get("quota", 0)))
        settings = Settings(reading=reading, recipients=recipients)
        self.service.settings = lambda: settings
        self.sessions = {}
        self.last_heard = {}
        self.zlib = {}  # of clients that compress

    def greeting(self, connection: int) -> bytes:
        stream = FakeStream(f"c{connection}")
        self.sessions[connection] = ImapSession(self.service, stream)
        self.last_heard[connection] = self.machine.seconds
        return self.hear(connection, b"")

    def compress(self, connection: int) -> None:
        """From here on this client speaks through zlib (RFC 4978)."""
        raw = -zlib.MAX_WBITS
        packer = zlib.compressobj(wbits=raw)
        self.zlib[connection] = packer, zlib.decompressobj(raw)

    def hear(self, connection: int, data: bytes) -> bytes:
        if data and connection in self.zlib:
            packer = self.zlib[connection][0]
            data = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
        said = self.hear_octets(connection, data)
        if connection in self.zlib:
            return self.zlib[connection][1].decompress(said)
        if self.sessions[connection].engine.compressed:
            self.compress(connection)
        return said

    def hear_octets(self, connection: int, data: bytes) -> bytes:
        session = self.sessions[connection]
        if data:
            self.last_heard[connection] = self.machine.seconds
            session.engine.receive(data)
        while event := session.engine.next_event():
            if isinstance(event, StartTLS):
                break
            if isinstance(event, Question):
                talk = Conversation(self.machine, session.stream, session.engine)
                at_once(answer(talk, session, event))
        return session.engine.data_to_send()

    def starttls(self, connection: int) -> None:
        self.sessions[connection].engine.tls_started()

    def advance(self, seconds: int) -> None:
        self.machine.seconds += seconds
        for connection, session in self.sessions.items():
            silent = self.machine.seconds - self.last_heard[connection]
            if silent >= session.timeout and not session.engine.closed:
                session.engine.time_out()

    def closed(self, connection: int) -> bool:
        return self.sessions[connection].engine.closed


def new_session(letters="0", tls="no", plain="yes", **words) -> Session:
    return Session(int(letters), tls == "yes", plain == "yes", **words)
