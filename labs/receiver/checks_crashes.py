"""Exercise 2.3 of notebook 02: acknowledged means stored, whatever breaks.

The line is cut after every octet; the computer fails before every step of the disk and
before every reply, in three ways; the disk is full.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.grading.failing_disk import ENDINGS, Crash, Ending, FailingDisk
from maillab.grading.receiving import Pieces, Reception, Say
from maillab.wire.smtp_content import stuffed

NEW = "new/"
FIELDS = ("return-path:", "delivered-to:")
Accept = Callable[..., object]


class Posted(NamedTuple):
    """A letter with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    letter: bytes


def begin_2_3(lab: Lab) -> Task:
    return Task("2.3", "Lose no letter", mailbox=NEW)


def check_2_3(
    lab: Lab,
    accept: object = None,
    on_command: object = None,
    data_reader: object = None,
) -> Parts:
    lab.task("2.3")
    given = {"accept": accept, "on_command": on_command, "DataReader": data_reader}
    for name, value in given.items():
        if not callable(value):
            wrong = Failed(f"{name}, a function or a class", repr(value))
            return {part.name: wrong for part in PARTS}
    pieces: Any = Pieces(on_command, data_reader, accept)  # type: ignore[arg-type]
    post = letters(lab)
    return {
        "line": attempt(check_line, pieces, post),
        "computer": attempt(check_computer, accept, post),
        "disk": attempt(check_full_disk, accept, post),
    }


def letters(lab: Lab) -> list[Posted]:
    """Three letters; the second has the first one's text, and goes to somebody else."""
    one, two = lab.words("2.3", 2)
    domain = lab.names.domain
    grace, master = f"grace@{domain}", f"postmaster@{domain}"
    first = f"Subject: {one}\r\n\r\n..dots\r\n.\r\nand the {one}\r\n".encode()
    second = f"Subject: {two}\r\n\r\nReturn-Path: is no header here\r\n".encode()
    return [
        Posted("alice@office.example", (grace,), first),
        Posted("", (master,), first),
        Posted("zoe@there.example", (grace, master), second),
    ]


# What lies in the mailbox -------------------------------------------------------------


def stored(disk: FailingDisk) -> list[Posted]:
    """Every file in new/, read back."""
    files = [name for name in disk.names() if name.startswith(NEW)]
    return [unpacked(disk.read(name)) for name in files]


def unpacked(octets: bytes) -> Posted:
    """Return-Path, Delivered-To, and then the letter."""
    sender, recipients, rest = "", [], octets
    while rest.lower().startswith(tuple(field.encode() for field in FIELDS)):
        row, _, rest = rest.partition(b"\r\n")
        name, _, value = row.decode("latin-1").partition(":")
        if name.lower() == "return-path":
            sender = value.strip().strip("<>").lower()
        else:
            recipients.append(value.strip().strip("<>").lower())
    return Posted(sender, tuple(sorted(recipients)), rest)


def demand_whole(disk: FailingDisk, posted: Iterable[Posted], when: str) -> None:
    """Nobody finds half a letter in new/."""
    whole = set(posted)
    for found in stored(disk):
        if found in whole:
            continue
        if found.letter in {one.letter for one in whole}:
            raise Failed(
                "Return-Path and a Delivered-To for each recipient above the letter",
                f"from <{found.sender}> to {', '.join(found.recipients) or 'nobody'}",
                "RFC 5321 §4.4",
                "the file begins with the lines that the scaffold makes",
            )
        raise Failed(
            "only whole letters in new/",
            f"{found.letter[:40]!r}, {when}",
            "RFC 5321 §4.2.5",
            UNSYNCED if b"" in map(disk.read, disk.names()) else ELSEWHERE,
        )


ELSEWHERE = "somebody may look while you write: write elsewhere, sync, then rename"
UNSYNCED = "what is in a file is safe after sync, and not before"


def demand_stored(disk: FailingDisk, promised: Sequence[Posted], when: str) -> None:
    """What was answered by 250 is there."""
    found = stored(disk)
    for one in promised:
        if one not in found:
            raise Failed(
                "a letter that was answered by 250 in new/",
                f"it is not there, {when}; there are {disk.names() or 'no files'}",
                "RFC 5321 §6.1",
                lost_because(disk, one),
            )


def lost_because(disk: FailingDisk, lost: Posted) -> str:
    """The likely mistake."""
    elsewhere = [disk.read(name) for name in disk.names() if not name.startswith(NEW)]
    if any(octets.endswith(lost.letter) for octets in elsewhere):
        return "under which name a file lies is safe after sync_names, and not before"
    if any(name.startswith(NEW) and not disk.read(name) for name in disk.names()):
        return UNSYNCED
    return (
        "250 is a promise: say it last, when nothing is left to do; and each letter "
        "needs a name that no other has, or had"
    )


def evidence(seen: Iterable[Posted], **more: Any) -> Evidence:
    rows = {hashlib.sha256(repr(one).encode()).hexdigest()[:16] for one in seen}
    return {"in new/": sorted(rows), **more}


# The line is cut ----------------------------------------------------------------------


def check_line(pieces: Pieces, post: Sequence[Posted]) -> Evidence:
    """A session of three letters, which may end after every octet."""
    disk, heard, promised = FailingDisk(), list[str](), list[Posted]()

    def watched(disk: FailingDisk, state: Any, letter: bytes, say: Say) -> None:
        heard.clear()
        pieces.accept(disk, state, letter, say)
        if len(heard) != 1:
            raise Failed(
                "one reply to each letter", f"{heard}", "RFC 5321 §4.1.1.4", ONE_REPLY
            )
        if heard[0].startswith("2"):
            promised.append(post[len(promised)])

    parts = Pieces(pieces.on_command, pieces.data_reader, watched)
    session = Reception(parts, disk, heard.append)
    seen, counts = set[Posted](), list[int]()
    for number, octet in enumerate(conversation(post)):
        session.receive(bytes([octet]))
        if session.failed:
            raise in_words(session.failed[0])
        when = f"when the line is cut after {number + 1} octets"
        demand_whole(disk, post, when)
        demand_stored(disk, promised, when)
        seen |= set(stored(disk))
        counts.append(len(promised))
    if len(promised) != len(post):
        raise Failed(
            f"a session with {len(post)} letters, each answered by 250",
            f"{len(promised)} letters; the last reply was {heard[-1:]}",
            "RFC 5321 §3.3",
            "this part needs your on_command of 2.1 and your DataReader of 2.2",
        )
    return evidence(seen, promised=[counts.count(n) for n in range(len(post) + 1)])


def conversation(post: Sequence[Posted]) -> bytes:
    """What the client sends."""
    octets = b"EHLO mail.office.example\r\n"
    for one in post:
        octets += f"MAIL FROM:<{one.sender}>\r\n".encode()
        octets += b"".join(f"RCPT TO:<{r}>\r\n".encode() for r in one.recipients)
        octets += b"DATA\r\n" + stuffed(one.letter)
    return octets + b"QUIT\r\n"


def in_words(error: Exception) -> Failed:
    if isinstance(error, Failed):
        return error
    return Failed(
        "a receiver that answers", f"{type(error).__name__}: {error}", perhaps=ONE_REPLY
    )


ONE_REPLY = "accept says one reply to each letter: say('250 …')"


# The computer fails -------------------------------------------------------------------


def check_computer(accept: Accept, post: Sequence[Posted]) -> Evidence:
    """The same three letters; the computer fails before every step."""
    steps = len(Day(accept, post).undisturbed())
    seen, evenings = set[Posted](), set[str]()
    for ending in ENDINGS:
        for step in range(steps):
            day = Day(accept, post)
            day.broken(step, ending)
            seen |= day.seen
            left = evidence(stored(day.disk))
            evenings.add(" ".join(left["in new/"]))
    return evidence(seen, evenings=sorted(evenings), endings=sorted(ENDINGS))


class Day:
    """Three letters arrive; after the second one Grace takes the first one away."""

    def __init__(self, accept: Accept, post: Sequence[Posted]) -> None:
        self.accept = accept
        self.post = post
        self.disk = FailingDisk()
        self.promised: list[Posted] = []
        self.taken: list[Posted] = []
        self.seen: set[Posted] = set()

    def undisturbed(self) -> list[str]:
        """The steps of a day on which nothing fails."""
        for _ in self.arrivals():
            pass
        self.look("on a quiet day")
        self.disk.step("the evening")
        return list(self.disk.steps)

    def broken(self, step: int, ending: Ending) -> None:
        """Fail before this step; start again; the client tries again (§4.2.5)."""
        self.disk.crash_at(step)
        what = ""
        try:
            self.undisturbed()
        except Crash as crash:
            what = str(crash)
        self.disk.fail(ending)
        self.look(f"when {ENDINGS[ending]} before the step {what!r}")
        for one in self.post[len(self.promised) :]:
            self.bring(one)
        self.look(f"when {ENDINGS[ending]} before {what!r}, and all is sent again")

    def arrivals(self) -> Iterator[None]:
        for number, one in enumerate(self.post):
            self.bring(one)
            yield
            if number == 1:
                self.take_first()

    def bring(self, one: Posted) -> None:
        """A letter arrives."""
        said: list[str] = []

        def say(reply: str) -> None:
            self.disk.step("the reply")
            said.append(reply)
            if str(reply).startswith("2"):
                self.promised.append(one)

        state = {"reverse_path": one.sender, "forward_paths": list(one.recipients)}
        try:
            self.accept(self.disk, state, one.letter, say)
        except (Exception, SystemExit) as error:  # any student's code
            raise in_words(Exception(f"{type(error).__name__}: {error}")) from error
        if [str(reply)[:1] for reply in said] != ["2"]:
            raise Failed("one reply, 250", f"{said}", "RFC 5321 §4.1.1.4", ONE_REPLY)

    def take_first(self) -> None:
        first = self.post[0]
        for name in self.disk.names():
            if name.startswith(NEW) and unpacked(self.disk.read(name)) == first:
                self.taken.append(first)
                self.disk.remove(name)
        self.disk.sync_names()

    def look(self, when: str) -> None:
        """Is all as it should be?"""
        demand_whole(self.disk, self.post, when)
        wanted = [one for one in self.promised if one not in self.taken]
        demand_stored(self.disk, wanted, when)
        self.seen |= set(stored(self.disk))


# The disk is full ---------------------------------------------------------------------


def check_full_disk(accept: Accept, post: Sequence[Posted]) -> Evidence:
    """A letter for which there is no room; and again, when there is."""
    disk, classes, one = FailingDisk(), list[str](), post[0]
    for disk.full in (True, False):
        said: list[str] = []
        state = {"reverse_path": one.sender, "forward_paths": list(one.recipients)}
        try:
            accept(disk, state, one.letter, said.append)
        except (Exception, SystemExit) as error:  # any student's code
            raise Failed(
                "a reply that asks to try later, when the disk is full",
                f"{type(error).__name__}: {error}",
                "RFC 5321 §4.2.5",
                "write raises OSError when there is no room: try … except OSError",
            ) from error
        classes.append("".join(str(reply)[:1] for reply in said))
        demand_whole(disk, post, "when the disk is full")
        if disk.full and (classes != ["4"] or stored(disk)):
            raise Failed(
                "one reply 4yz when the disk is full, and nothing in new/",
                f"{said}, and {disk.names() or 'no files'}",
                "RFC 5321 §4.2.1",
                "5yz makes the sender give up, 2yz makes us responsible; 452 asks to "
                "try again",
            )
    if classes[-1] != "2":
        raise Failed("250 when there is room again", f"{said}", "RFC 5321 §4.2.5")
    demand_stored(disk, [one], "when there is room again")
    return evidence(stored(disk), replies=classes)


PARTS = (
    Part("line", 1, "the line is cut after every octet"),
    Part("computer", 2, "the computer fails before every step"),
    Part("disk", 1, "the disk is full"),
)
EXERCISES = (
    Exercise("2.3", 4, "acknowledged means stored", begin_2_3, check_2_3, PARTS),
)
