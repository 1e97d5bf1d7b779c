"""Message numbers: what three clients of one mailbox believe never drifts.

Each client only knows what it was told: EXISTS, EXPUNGE, VANISHED, and UIDs that it has
fetched (RFC 3501 §7.4.1, RFC 7162 §3.2.10).
"""

import re
from pathlib import Path
from runpy import run_path

from hypothesis import example, given, settings
from hypothesis import strategies as st

HERE = Path(__file__)
new_session = run_path(str(HERE.with_name("imap_player.py")))["new_session"]
NEWS = re.compile(
    rb"^\* (?:(\d+) (EXISTS|EXPUNGE)|(\d+) FETCH \(.*?UID (\d+)|VANISHED ([\d:,]+))",
    re.M,
)
MODES = (b"", b"QRESYNC", b"IMAP4rev2")
COMMANDS = (
    b"STORE 1 +FLAGS (\\Deleted)",
    b"STORE 2:* +FLAGS.SILENT (\\Deleted)",
    b"UID STORE 1:4 FLAGS (\\Flagged)",
    b"EXPUNGE",
    b"UID EXPUNGE 1:*",
    b"APPEND INBOX {2+}\r\nhi",
    b"APPEND INBOX {2+}\r\nhi (\\Deleted) {2+}\r\nho",
    b"MOVE 1 Archive",
    b"UID MOVE * INBOX",
    b"COPY 1 INBOX",
    b"REPLACE 1 INBOX {3+}\r\nnew",
    b"UID REPLACE 2 Archive {3+}\r\nold",
    b"FETCH 1 FLAGS",
    b"SEARCH ALL",
    b"UID SEARCH ALL",
    b"NOOP",
    b"SELECT INBOX",
)


class Client:
    """What one client believes: a UID for each number, None where it never asked."""

    def __init__(self, stage, number: int) -> None:
        self.stage, self.number = stage, number
        self.uids: list[int | None] = []
        stage.greeting(number)
        self.say(b"LOGIN ann wonderland")
        if MODES[number - 1]:
            self.say(b"ENABLE " + MODES[number - 1])
        self.say(b"SELECT INBOX")

    def say(self, command: bytes) -> None:
        if command.startswith(b"SELECT"):
            self.uids = []
        self.hear(self.stage.hear(self.number, b"t " + command + b"\r\n"), command)

    def hear(self, said: bytes, command: bytes) -> None:
        for number, word, fetched, uid, vanished in NEWS.findall(said):
            if word == b"EXISTS":
                assert int(number) >= len(self.uids)
                self.uids += [None] * (int(number) - len(self.uids))
            elif word == b"EXPUNGE":
                assert not command.startswith((b"FETCH", b"STORE", b"SEARCH"))
                del self.uids[int(number) - 1]
            elif vanished:
                self.vanish(members(vanished))
            else:
                assert self.uids[int(fetched) - 1] in (None, int(uid))
                self.uids[int(fetched) - 1] = int(uid)

    def vanish(self, gone: set[int]) -> None:
        assert gone <= {uid for uid in self.uids if uid}
        self.uids = [uid for uid in self.uids if uid not in gone]

    def learn(self) -> None:
        """Ask which UIDs there are."""
        if self.uids:
            self.say(b"FETCH 1:* (UID)")


def members(octets: bytes) -> set[int]:
    ranges = [part.split(b":") for part in octets.split(b",")]
    return {n for r in ranges for n in range(int(r[0]), int(r[-1]) + 1)}


SCRIPTS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(COMMANDS)), max_size=25)
# A message that came and went before the second client could hear of either.
UNHEARD = [
    (0, b"APPEND INBOX {2+}\r\nhi"),
    (0, b"UID MOVE * INBOX"),
    (1, b"STORE 1 +FLAGS (\\Deleted)"),
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(SCRIPTS)
@example(UNHEARD)
def test_numbers_never_drift(script):
    stage = new_session(letters=4)
    clients = [Client(stage, number) for number in (1, 2, 3)]
    for client in clients:
        client.learn()
    for who, command in script:
        clients[who].say(command)
        clients[who].learn()
    inbox = stage.directory.ann.mailboxes.inbox
    for client in clients:
        client.say(b"NOOP")
        client.learn()
        assert client.uids == list(inbox.uids)
