"""Several IMAP clients on one mailbox, in an order that a seed chooses.

Each client believes what it is told, and nothing else: which message has which number,
and which flags. `Schedule.run` interleaves octets, answers and deliveries; whatever a
client is told must agree with what it was told before, and at the end with the mailbox.
"""

import random
import re
from dataclasses import dataclass, field

from maillab.agents.imap_access import ImapSession
from maillab.protocol.engine import Question, StartTLS
from tests.imap_player import LETTER, FakeStream, at_once
from tests.imap_player import Session as Stage

# RFC 3501 §7.4.1: no EXPUNGE while one of these is answered (their UID forms may).
KEEPS_NUMBERS = ("FETCH", "STORE", "SEARCH", "SORT", "THREAD")
MODES = ("", "CONDSTORE", "QRESYNC", "IMAP4rev2")
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "$Work")
FETCHED = re.compile(r"\* (\d+) FETCH \((.*)\)")


@dataclass(eq=False)
class Entry:
    """What a client knows of a message."""

    uid: int | None = None
    flags: frozenset[str] | None = None


@dataclass
class Client:
    """One connection, and what it believes."""

    session: ImapSession
    mode: str
    entries: list[Entry] = field(default_factory=list)
    waiting: bytes = b""  # octets that have not left yet
    verb: str = ""  # of the command that is not completed
    heard: bytes = b""
    commands: int = 0
    selected: bool = False
    log: list[str] = field(default_factory=list)

    def begin(self, text: str) -> None:
        self.commands += 1
        self.verb = text.split()[0]
        self.log.append(f"C: {text}")
        self.waiting += f"a{self.commands} {text}\r\n".encode()

    # What it is told ------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        *lines, self.heard = (self.heard + data).split(b"\r\n")
        for line in lines:
            text = line.decode()
            self.log.append(f"S: {text}")
            if text.startswith("* "):
                self.untagged(text)
            elif text.startswith("+ "):
                self.verb = "IDLING"
            elif text.startswith(f"a{self.commands} "):
                assert " BAD " not in text, "\n".join(self.log[-9:])
                self.selected |= self.verb == "SELECT"
                self.verb = ""

    def untagged(self, text: str) -> None:
        words = text.split()
        if words[-1] == "EXISTS":
            count = int(words[1])
            assert count >= len(self.entries), self.told("EXISTS went down")
            self.entries += [Entry() for _ in range(count - len(self.entries))]
        elif words[-1] == "EXPUNGE":
            assert self.verb not in KEEPS_NUMBERS, self.told("EXPUNGE comes too soon")
            assert self.mode != "QRESYNC", self.told("VANISHED is expected")
            assert int(words[1]) <= len(self.entries), self.told("no such number")
            del self.entries[int(words[1]) - 1]
        elif words[1] == "VANISHED":
            assert self.verb not in KEEPS_NUMBERS, self.told("VANISHED comes too soon")
            for uid in numbers(words[2]):
                self.entries.remove(self.entry_of(uid))
        elif found := FETCHED.fullmatch(text):
            assert int(found[1]) <= len(self.entries), self.told("no such number")
            self.fetched(self.entries[int(found[1]) - 1], found[2])
        elif words[1] == "SEARCH":
            found_now = [int(word) for word in words[2:]]
            assert found_now == sorted(set(found_now)), self.told("not ascending")

    def fetched(self, entry: Entry, items: str) -> None:
        uid = re.search(r"UID (\d+)", items)
        flags = re.search(r"FLAGS \(([^)]*)\)", items)
        if uid:
            known = entry.uid in (None, int(uid[1]))
            assert known, self.told(f"this number was UID {entry.uid}")
            entry.uid = int(uid[1])
            uids = [one.uid for one in self.entries if one.uid is not None]
            assert uids == sorted(set(uids)), self.told("UIDs do not rise")
        else:
            assert self.mode != "QRESYNC", self.told("QRESYNC: UID must be there")
        if flags:
            entry.flags = frozenset(flags[1].split()) - {"\\Recent"}
        news = self.verb not in ("FETCH", "UID")  # not what the client asked for
        if self.mode in ("CONDSTORE", "QRESYNC") and flags and news:
            assert "MODSEQ" in items, self.told("CONDSTORE: MODSEQ must be there")

    def entry_of(self, uid: int) -> Entry:
        """The entry of a UID; one that was never fetched may be it."""
        strangers: list[Entry] = []
        for entry in self.entries:
            if entry.uid is None:
                strangers.append(entry)
            elif entry.uid == uid:
                return entry
            elif entry.uid < uid:
                strangers.clear()  # UIDs rise: it stands behind this one
            else:
                break
        assert strangers, self.told(f"nobody has told of UID {uid}")
        return strangers[0]

    def told(self, what: str) -> str:
        return "\n".join([f"{what}:", *self.log[-70:]])


class Schedule:
    """`clients` connections, and a seed."""

    def __init__(self, clients: int, seed: int) -> None:
        self.chance = random.Random(f"{clients} {seed}")
        self.stage = Stage(6, False, True)
        self.tree = self.stage.directory.ann.mailboxes
        self.inbox = self.tree.inbox
        self.clients = [self.client(number) for number in range(clients)]
        self.letters = 100

    def client(self, number: int) -> Client:
        session = ImapSession(self.stage.service, FakeStream(f"c{number}"))
        client = Client(session, self.chance.choice(MODES))
        start = ["LOGIN ann wonderland", "SELECT INBOX"]
        if client.mode:
            start.insert(1, f"ENABLE {client.mode}")
        for command in start:
            client.begin(command)
            self.finish(client)
        assert client.selected, client.log
        return client

    # Steps ----------------------------------------------------------------------------

    def run(self, commands: int) -> None:
        """Let each client give about so many commands, then compare."""
        for _ in range(commands * len(self.clients) * 4):
            if self.chance.random() < 0.03:
                self.deliver()
            self.step(self.chance.choice(self.clients))
        for client in self.clients:
            self.finish(client)
        for client in self.clients:
            client.begin("NOOP")
            self.finish(client)
        for client in self.clients:
            self.compare(client)

    def deliver(self) -> None:
        self.letters += 1
        letter = LETTER % ((self.letters,) * 3)
        self.inbox.append(letter, self.stage.machine.now())

    def step(self, client: Client) -> None:
        """An octet or some, or one event."""
        if not client.verb:
            client.begin(self.command(client))
        elif client.verb == "IDLING" and not client.waiting:
            if self.chance.random() < 0.3:
                client.waiting = b"DONE\r\n"
        elif client.waiting:
            size = self.chance.choice((1, 7, 100))
            client.session.engine.receive(client.waiting[:size])
            client.waiting = client.waiting[size:]
        self.event(client)

    def event(self, client: Client) -> bool:
        engine = client.session.engine
        event = engine.next_event()
        client.hear(engine.data_to_send())
        assert not isinstance(event, StartTLS)
        if isinstance(event, Question):
            at_once(client.session.decide(event))
            client.hear(engine.data_to_send())
        return event is not None

    def finish(self, client: Client) -> None:
        """Let it complete its command, alone."""
        if client.verb == "IDLING":
            client.waiting += b"DONE\r\n"
        client.session.engine.receive(client.waiting)
        client.waiting = b""
        while self.event(client):
            pass
        if client.verb == "IDLING":
            self.finish(client)
        assert not client.verb, client.told("the command is not completed")

    # Commands -------------------------------------------------------------------------

    def command(self, client: Client) -> str:
        chance = self.chance
        kind = chance.choice(
            (
                *("FETCH", "FETCH", "STORE", "STORE", "STORE", "EXPUNGE", "NOOP"),
                *("COPY", "MOVE", "IDLE", "SEARCH", "APPEND", "DELETE SOME"),
            )
        )
        uids = [entry.uid for entry in client.entries if entry.uid]
        by_uid = bool(uids) and chance.random() < 0.5
        if kind in ("EXPUNGE", "NOOP", "IDLE"):
            return kind
        if kind == "APPEND":
            return "APPEND INBOX (\\Seen) {15+}\r\nSubject: x\r\n\r\ny"
        if kind == "SEARCH":
            return ("UID " if by_uid else "") + "SEARCH ALL"
        if not client.entries:
            return "NOOP"
        some = self.some(uids if by_uid else range(1, len(client.entries) + 1))
        prefix = "UID " if by_uid else ""
        if kind == "FETCH":
            return f"{prefix}FETCH {some} (UID FLAGS)"
        if kind in ("COPY", "MOVE"):
            return f"{prefix}{kind} {some} {chance.choice(('INBOX', 'Archive'))}"
        return self.store(client, prefix, some, kind)

    def store(self, client: Client, prefix: str, some: str, kind: str) -> str:
        mode = self.chance.choice(("+", "-", ""))
        flags = {self.chance.choice(FLAGS), self.chance.choice(FLAGS)}
        if kind == "DELETE SOME":
            mode, flags = "+", {"\\Deleted"}
        silent = self.chance.random() < 0.5
        if silent:  # the client knows what it does
            self.believe(client, prefix, some, mode, frozenset(flags))
        quiet = ".SILENT" if silent else ""
        return f"{prefix}STORE {some} {mode}FLAGS{quiet} ({' '.join(sorted(flags))})"

    def believe(self, client, prefix, some, mode, flags) -> None:
        wanted = set(numbers(some))
        for number, entry in enumerate(client.entries, 1):
            if prefix and entry.uid is None:
                entry.flags = None  # perhaps it is meant: who knows its UID?
            if entry.flags is not None and (entry.uid if prefix else number) in wanted:
                changed = {"+": entry.flags | flags, "-": entry.flags - flags}
                entry.flags = changed.get(mode, flags)

    def some(self, known) -> str:
        one, other = sorted((self.chance.choice(known), self.chance.choice(known)))
        return f"{one}:{other}" if self.chance.random() < 0.5 else f"{one}"

    # At the end -----------------------------------------------------------------------

    def compare(self, client: Client) -> None:
        """What it believes is what is there; what it never heard, it can fetch."""
        uids = self.inbox.uids
        assert len(client.entries) == len(uids), client.told("the count is wrong")
        for entry, uid in zip(client.entries, uids, strict=True):
            assert entry.uid in (None, uid), client.told("the numbers have drifted")
            flags = self.inbox.get(uid).flags
            missed = f"a change of UID {uid} was missed: {set(flags)}, {entry}"
            assert entry.flags in (None, flags), client.told(missed)
        if uids:
            client.begin("FETCH 1:* (UID FLAGS)")
            self.finish(client)
        assert [entry.uid for entry in client.entries] == list(uids)


def numbers(text: str) -> list[int]:
    """The numbers of a set without "*"."""
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        found += range(int(low), int(high or low) + 1)
    return found
