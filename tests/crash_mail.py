"""A mail server that is killed at any moment, and clients who remember its promises.

Runs as a program: `python -m tests.crash_mail FOLDER KILLS SEED`. Forks a server (SMTP,
queue, IMAP, POP3 on real sockets; `crash_mail_server`), speaks to all ports at once,
kills it (SIGKILL) at a random octet of what is said, a moment after a command, or
between two steps of its disk, and lets the next server tell what it has found
(`crash_mail_book`). At the end one server empties the queue. Says "survived N, changes
M, letters L".
"""

import json
import os
import random
import re
import select
import signal
import socket
import sys

from tests.crash_mail_book import DELETED, Book
from tests.crash_mail_server import ANN, BOB, PASSWORD, fork, letter

FLAGS = ("\\Seen", "\\Flagged", DELETED, "$Junk", "later")
NAMES = ("w", "w/x", "w/x/y", "v", "v/z", "Archive", "Trash")
MANY = 8  # messages in a mailbox, after which some are removed
READ = b""  # what a client yields that waits for a line


# Clients: they yield what they send, and READ for a line of the answer ----------------


def smtp(book, dice, names, quiet):
    """Letters from outside. `quiet`: none for Ann."""
    yield from replied(b"EHLO pc.example\r\n", 2)
    while True:
        name = f"S{next(names)}"
        to = dice.choice(((BOB,), (BOB,) if quiet else (ANN,), (BOB, ANN)[: 2 - quiet]))
        book.begin_letter(name, to)
        lines = b"".join(b"RCPT TO:<%s>\r\n" % one.encode() for one in to)
        yield from replied(b"MAIL FROM:<eve@far.example>\r\n" + lines, 1 + len(to))
        yield from replied(b"DATA\r\n", 1)
        yield from replied(letter(name, dice.choice((1, 1, 9))) + b".\r\n", 1)
        book.letter_taken(name, to)


def replied(data, count):
    yield data
    while count:
        line = yield READ
        assert line[:1] in b"23", line
        count -= line[3:4] == b" "


def pop3(book, dice, _names, _quiet):
    """Takes some letters away."""
    uids = sorted(book.trees[BOB].boxes["INBOX"])
    for line in (f"USER {BOB}", f"PASS {PASSWORD}"):
        yield from agreed(line, 1 + line.startswith("USER"))
    yield b"UIDL\r\n"
    said = []
    while said[-1:] != [b".\r\n"]:
        said.append((yield READ))
    told = [int(line.rpartition(b".")[2]) for line in said[1:-1]]
    assert told[: len(uids)] == uids, (said, uids)
    numbers = dice.sample(range(len(uids)), dice.randint(0, len(uids)))
    for number in numbers:
        yield from agreed(f"DELE {number + 1}")
    book.begin(
        BOB, {"verb": "remove", "box": "INBOX", "uids": [uids[n] for n in numbers]}
    )
    yield from agreed("QUIT")
    book.done(BOB)


def agreed(line, answers=1):
    yield line.encode() + b"\r\n"
    for _ in range(answers):
        answer = yield READ
        assert answer.startswith(b"+OK"), answer


class Imap:
    """A client of Ann's mailboxes."""

    def __init__(self, book, dice, names, quiet):
        self.book, self.dice, self.names, self.quiet = book, dice, names, quiet
        self.tag = 0
        self.selected = ""

    @property
    def boxes(self):
        return self.book.trees[ANN].boxes

    def run(self):
        yield READ
        yield from self.say(f"LOGIN {ANN} {PASSWORD}")
        yield from self.say("ENABLE CONDSTORE")
        while True:
            if command := self.choose():
                yield from self.perform(command)

    def say(self, line, contents=()):
        self.tag += 1
        tag = f"a{self.tag} ".encode()
        line, *flags = line.split(" (", 1) if contents else [line]
        words = f" ({flags[0]}".encode() if flags else b""  # of each message
        literals = (words + b" {%d+}\r\n%s" % (len(one), one) for one in contents)
        yield tag + line.encode() + b"".join(literals) + b"\r\n"
        said = []
        while not (said and said[-1].startswith(tag)):
            said.append((yield READ))
        assert said[-1].startswith(tag + b"OK"), (line, said)
        return b"".join(said)

    def perform(self, command):
        box, uids = command["box"], command.get("uids", ())
        if uids and self.selected != box:
            self.selected = box
            yield from self.say(f"SELECT {box}")
        if command["verb"] in ("delete", "rename") and self.selected:
            self.selected = ""
            yield from self.say("UNSELECT")
        line = getattr(self, "line_" + command["verb"])(command)
        names = command.get("letters", ())
        self.book.begin(ANN, command)
        said = yield from self.say(line, [letter(one) for one in names])
        self.book.done(ANN, self.new_uids(command, said))
        for modseq in re.findall(rb"MODSEQ \(?(\d+)", said):
            self.book.has_modseq(ANN, box, int(modseq))

    def new_uids(self, command, said):
        """As APPENDUID and COPYUID tell them (RFC 4315 §3)."""
        found = re.search(rb"(?:APPENDUID (\d+)|COPYUID (\d+) \S+) ([0-9:,]+)", said)
        if not found:
            return ()
        uids = [uid for part in found[3].decode().split(",") for uid in spread(part)]
        if names := command.get("letters"):
            self.book.given(ANN, int(found[1]), uids, names)
        return uids

    # Commands -------------------------------------------------------------------------

    def choose(self):
        """A command that must succeed, or None."""
        verbs = ("append", "store", "expunge", "move", "copy", "replace", "names")
        full = [n for n, found in self.boxes.items() if len(found) > MANY]
        box = self.dice.choice(full or list(self.boxes))
        verb = self.dice.choice(verbs)
        if full:
            verb = self.dice.choice(("store", "expunge"))
        if verb == "names":
            verb = self.dice.choice(("create", "delete", "rename", "subscribe"))
            if verb == "subscribe":
                return {"verb": verb, "box": self.dice.choice(NAMES)}
            return getattr(self, "choose_" + verb)()
        if verb != "append" and not self.boxes[box]:
            return None
        return self.choose_message(verb, box, some=6 if full else 3)

    def choose_message(self, verb, box, some):
        dice, there = self.dice, self.boxes[box]
        flags = dice.sample(FLAGS, dice.randrange(3))
        command = {"verb": verb, "box": box, "flags": flags}
        if verb in ("append", "replace"):
            count = dice.choice((1, 1, 3)) if verb == "append" else 1
            command["letters"] = [f"A{next(self.names)}" for _ in range(count)]
        if verb != "append":
            most = 1 if verb == "replace" else min(some, len(there))
            command["uids"] = sorted(dice.sample(sorted(there), dice.randint(1, most)))
        if verb == "store":
            command["sign"] = dice.choice(("+", "-", ""))
            if some > 3:
                command |= {"sign": "+", "flags": [DELETED]}
        if verb in ("move", "copy"):  # letters in INBOX come from outside
            others = [name for name in self.boxes if name not in ("INBOX", box)]
            if not others:
                return None
            command["target"] = dice.choice(others)
        if verb == "replace":
            command["target"] = dice.choice(list(self.boxes))
        return command

    def choose_create(self):
        free = [name for name in NAMES if name not in self.boxes]
        return {"verb": "create", "box": self.dice.choice(free)} if free else None

    def choose_delete(self):
        names = [name for name in self.boxes if name != "INBOX"]
        few = len(names) < 3
        return None if few else {"verb": "delete", "box": self.dice.choice(names)}

    def choose_rename(self):
        old = self.dice.choice(list(self.boxes))
        new = self.dice.choice(NAMES)
        family = [n for n in self.boxes if n == old or n.startswith(old + "/")]
        if old == "INBOX":
            family = ["INBOX"] if self.quiet else []
        clash = {new + name[len(old) :] for name in family} & self.boxes.keys()
        if not family or clash or (new + "/").startswith(old + "/"):
            return None
        return {"verb": "rename", "box": old, "target": new}

    def line_append(self, command):
        return f"APPEND {command['box']} ({' '.join(command['flags'])})"

    def line_replace(self, command):
        flags = " ".join(command["flags"])
        return f"UID REPLACE {command['uids'][0]} {command['target']} ({flags})"

    def line_store(self, command):
        flags = " ".join(command["flags"])
        return f"UID STORE {numbers(command)} {command['sign']}FLAGS ({flags})"

    def line_expunge(self, command):
        return f"UID EXPUNGE {numbers(command)}"

    def line_move(self, command):
        return f"UID MOVE {numbers(command)} {command['target']}"

    def line_copy(self, command):
        return f"UID COPY {numbers(command)} {command['target']}"

    def line_create(self, command):
        return f"{command['verb']} {command['box']}"

    line_delete = line_create

    def line_rename(self, command):
        return f"RENAME {command['box']} {command['target']}"

    def line_subscribe(self, command):
        known = command["box"] in self.book.trees[ANN].subscriptions
        return f"{'UNSUBSCRIBE' if known else 'SUBSCRIBE'} {command['box']}"


def numbers(command):
    return ",".join(map(str, command["uids"]))


def spread(part):
    first, _, last = part.partition(":")
    return range(int(first), int(last or first) + 1)


CLIENTS = {
    "smtp": smtp,
    "pop3": pop3,
    "imap": lambda *known: Imap(*known).run(),
}


# Talking ------------------------------------------------------------------------------


class Line:
    """A connection and the client at its end."""

    def __init__(self, port, client):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.client = client
        self.out, self.heard, self.ended = b"", b"", False
        self.advance(None)

    def fileno(self):
        return self.socket.fileno()

    def advance(self, line):
        """Give the client a line; go on until it waits for the next one."""
        try:
            while data := self.client.send(line):
                self.out += data
                line = None
        except StopIteration:
            self.ended = True

    def send(self, limit):
        """The number of octets; 0 when nobody takes them."""
        try:
            sent = self.socket.send(self.out[:limit])
        except (BrokenPipeError, ConnectionResetError):
            sent, self.out = 0, b""
        self.out = self.out[sent:]
        return sent

    def receive(self, limit):
        """The number of octets; 0 at the end."""
        try:
            data = self.socket.recv(limit)
        except ConnectionResetError:
            return 0
        self.heard += data
        while b"\n" in self.heard and not self.ended:
            line, _, self.heard = self.heard.partition(b"\n")
            self.advance(line + b"\n")
        return len(data)


def talk(lines, octets, commands):
    """Until so many octets went to and fro, or so many whole commands went out, or the
    server is dead.
    """
    while octets > 0 and commands > 0 and lines:
        wanting = [line for line in lines if line.out]
        reading, writing, _ = select.select(lines, wanting, [], 30)
        assert reading or writing, "the server does not answer"
        for line in writing:
            octets -= line.send(octets)
            commands -= not line.out
        for line in reading:
            if octets > 0 and commands > 0:
                count = line.receive(min(octets, 4096))
                octets -= count
                lines = lines if count else [one for one in lines if one is not line]


def hear_the_rest(lines):
    """What was said before the end was said."""
    for line in lines:
        while line.receive(65536):
            pass
        line.socket.close()


# Killing ------------------------------------------------------------------------------

# How a server ends: when so many octets went to and fro; a moment after so many
# commands; before so many steps of its disk.
ENDS = ("octets", "commands", "steps")
FOREVER = 1_000_000


def one_life(reading, ports, known, end):
    """Clients speak until the server is to be killed, or is dead."""
    book, dice, _ = known
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.readline()
    if not found:
        assert end == "steps", "the server did not start"
        return []
    book.compare(json.loads(found))
    known = (*known, dice.random() < 0.3 and all(to != ANN for _, to in book.queue))
    try:
        lines = [Line(ports[name], make(*known)) for name, make in CLIENTS.items()]
    except ConnectionError:
        assert end == "steps"
        return []
    if end == "octets":
        talk(lines, dice.randrange(12_000), FOREVER)
    elif end == "steps":
        talk(lines, FOREVER, FOREVER)
    else:
        talk(lines, FOREVER, dice.randrange(60))
        for _ in range(dice.randrange(300)):
            select.select(lines, [], [], 0)
    return lines


def one_kill(folder, book, dice, names):
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in CLIENTS}
    ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    for one in sockets.values():
        one.setblocking(False)
    end = dice.choice(ENDS)
    steps = dice.randrange(1, 250) if end == "steps" else 0
    pid, reading = fork(folder, sockets, steps)
    for one in sockets.values():
        one.close()
    try:
        lines = one_life(reading, ports, (book, dice, names), end)
    finally:
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status), "the server ended by itself"
    hear_the_rest(lines)


def heard(reading, pid):
    """What a server found at its beginning, and at its end."""
    with os.fdopen(reading, "rb") as pipe:
        said = [json.loads(line) for line in iter(pipe.readline, b"")]
    assert os.waitpid(pid, 0)[1] == 0, "the server did not start or end well"
    return said


def run(folder, kills, seed):
    book, names = Book(), iter(range(1, 1_000_000))
    for number in range(kills):
        one_kill(folder, book, random.Random(f"{seed}:{number}"), names)
    pid, reading = fork(folder, {})
    for found in heard(reading, pid):
        book.compare(found)
    assert not book.queue
    letters = sum(book.sent.values())
    said = f"survived {kills}, changes {book.changes}, letters {letters}\n"
    os.write(1, said.encode())


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
