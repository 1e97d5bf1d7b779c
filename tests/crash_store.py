"""A mail store that is killed at any moment, and who remembers what it had promised.

Runs as a program: `python -m tests.crash_store FOLDER KILLS SEED`. Forks a child that
changes mailboxes as fast as it can and says before and after each change what it does;
kills it (SIGKILL) at a random moment; forks the next one, which says first what it
finds. Everything that was said to be done must be there, nothing of what was not begun,
and the change under way as a whole or not at all. Ends with "survived N, changes M".
"""

import json
import os
import random
import select
import signal
import sys
import time
from datetime import UTC, datetime

from maillab.store.mail_store import MailStore
from maillab.store.messages import NewMessage

ANN = "ann@here.example"
NAMES = ("INBOX", "Archive", "Trash")
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$Junk", "later")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


# The child ----------------------------------------------------------------------------


def letter(number):
    return b"Subject: %d\r\n\r\n%s\r\n" % (number, b"%d " % number * 50)


def found(tree):
    """Mailbox -> {UID: [number of the letter, flags]}; every file is read."""
    return {name: of_mailbox(tree.require(name)) for name in NAMES}


def of_mailbox(box):
    return {
        str(one.uid): [number_of(one.content), sorted(one.flags)]
        for one in box.messages
    }


def number_of(content):
    number = int(content.split(b"\r\n")[0].removeprefix(b"Subject: "))
    assert content == letter(number), "torn"
    return number


def child(folder, seed, first, say):
    store = MailStore.open(folder)
    tree = store.tree(ANN)
    say({"found": found(tree), "problems": store.problems})
    dice = random.Random(seed)
    while True:
        change = choose(tree, dice, first)
        first += change["verb"] == "append" and len(change["letters"])
        say({"begin": change})
        say({"done": perform(tree, change)})


def choose(tree, dice, first):
    box = tree.require(dice.choice(NAMES))
    verb = dice.choice(("append", "append", "store", "expunge", "move", "copy"))
    if box.count > 12:
        verb = "expunge"
    if not box.count:
        verb = "append"
    flags = sorted(dice.sample(FLAGS, dice.randrange(3)))
    change = {"verb": verb, "box": box.name, "flags": flags}
    if verb == "append":
        return change | {"letters": [first + n for n in range(dice.choice((1, 1, 3)))]}
    uids = dice.sample(box.uids, dice.randint(1, min(4, box.count)))
    return change | {"uids": uids, "target": dice.choice(NAMES)}


def perform(tree, change):
    """Returns the UIDs of new messages."""
    box, flags = tree.require(change["box"]), frozenset(change["flags"])
    match change["verb"]:
        case "append":
            new = [NewMessage(letter(n), NOW, flags) for n in change["letters"]]
            return box.append_all(new)
        case "store":
            return box.set_all_flags(dict.fromkeys(change["uids"], flags))
        case "expunge":
            box.expunge(change["uids"])
            return None
    how = tree.move if change["verb"] == "move" else tree.copy
    pairs = how(box, change["uids"], tree.require(change["target"]))
    return [new for _, new in pairs]


# The parent ---------------------------------------------------------------------------


class Journal:
    """What was promised. `after`: the change under way, if it was made."""

    def __init__(self):
        self.state = {name: {} for name in NAMES}
        self.under_way = None
        self.changes = 0
        self.letters = 0
        self.owners = {}  # (mailbox, UID) -> letter, for ever
        self.history = []

    def hear(self, line):
        said = json.loads(line)
        if "found" in said:
            self.compare(said["found"])
            assert said["problems"] == [], said["problems"]
        elif "begin" in said:
            self.under_way = said["begin"]
            self.letters += len(self.under_way.get("letters", ()))
        else:
            self.state = self.made(self.under_way, said["done"])
            self.under_way = None
            self.changes += 1
            self.history.append(self.state)

    def compare(self, there):
        """What a new process has found."""
        possible = [self.state]
        if self.under_way is not None:
            possible.append(self.made(self.under_way, self.new_uids(there)))
        assert there in possible, (there, possible, self.under_way)
        self.state, self.under_way = there, None
        for name, messages in there.items():
            for uid, (number, _) in messages.items():
                assert self.owners.setdefault((name, uid), number) == number

    def new_uids(self, there):
        change = self.under_way
        name = change["box"] if change["verb"] == "append" else change["target"]
        return sorted(int(uid) for uid in there[name].keys() - self.state[name].keys())

    def made(self, change, uids):
        state = {name: dict(messages) for name, messages in self.state.items()}
        box, verb = state[change["box"]], change["verb"]
        if verb == "append":
            new = [[number, change["flags"]] for number in change["letters"]]
            box |= zip(map(str, uids), new, strict=False)
            return state
        olds = {str(uid): box[str(uid)] for uid in sorted(change["uids"])}
        if verb == "store":
            box |= {uid: [old[0], change["flags"]] for uid, old in olds.items()}
        if verb in ("move", "copy"):
            target = state[change["target"]]
            order = [box[str(uid)] for uid in change["uids"]]
            target |= zip(map(str, uids), order, strict=False)
        if verb in ("move", "expunge"):
            for uid in olds:
                del box[uid]
        return state


def fork(folder, seed, first):
    """A child; returns its process id and where it speaks."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)

    def say(value):
        os.write(writing, json.dumps(value).encode() + b"\n")

    try:
        child(folder, seed, first, say)
    except BaseException:  # noqa: BLE001  (a forked child must not go on)
        sys.excepthook(*sys.exc_info())
    os._exit(1)


def listen(reading, journal, seconds):
    """Hear what the child says, until that moment. Returns what is left of a line."""
    end, left, heard = time.monotonic() + seconds, b"", False
    while True:
        wait = max(0.0, end - time.monotonic()) if heard else None
        if not select.select([reading], [], [], wait)[0]:
            return left
        data = os.read(reading, 65536)
        assert data, "the child has ended by itself"
        if not heard:
            heard, end = True, time.monotonic() + seconds
        *lines, left = (left + data).split(b"\n")
        for line in lines:
            journal.hear(line)


def run(folder, kills, seed):
    journal, dice = Journal(), random.Random(seed)
    for number in range(kills + 1):
        pid, reading = fork(folder, f"{seed}:{number}", journal.letters + 1)
        left = listen(reading, journal, dice.uniform(0, 0.05))
        os.kill(pid, signal.SIGKILL)
        while data := os.read(reading, 65536):
            left += data
        os.close(reading)
        os.waitpid(pid, 0)
        for line in left.split(b"\n")[:-1]:
            journal.hear(line)
    os.write(1, b"survived %d, changes %d\n" % (kills, journal.changes))


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
