"""Answers to exercises 2.3 and 2.4 of notebook 02: right ones, and mistakes."""

from collections.abc import Callable
from itertools import count
from typing import Any

from aiosmtpd.smtp import SMTP as AioSMTP  # noqa: N811

from maillab.grading import Lab, Task
from maillab.grading.failing_disk import FailingDisk
from maillab.grading.receiving import Pieces, Receiver, Say, State
from tests.exercises.answers_02_engine import (
    ByPartition,
    ByTable,
    LineByLine,
    StepByStep,
)
from tests.exercises.kit import Answer, Answers, Several, empty

# 2.3 ----------------------------------------------------------------------------------

NUMBERS = count(1)
OK = "250 2.0.0 I have it"


def packed(state: State, letter: bytes) -> bytes:
    head = f"Return-Path: <{state['reverse_path']}>\r\n"
    head += "".join(f"Delivered-To: {one}\r\n" for one in state["forward_paths"])
    return head.encode() + letter


def write_sync_rename(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    name = f"{next(NUMBERS)}"
    try:
        disk.write(f"tmp/{name}", packed(state, letter))
        disk.sync(f"tmp/{name}")
        disk.rename(f"tmp/{name}", f"new/{name}")
        disk.sync_names()
    except OSError:
        say("452 4.3.1 No room, come again")
    else:
        say(OK)


def careful_twice(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    """Clears up after itself; names that depend on what lies there."""
    octets = packed(state, letter)
    try:
        disk.write("draft", octets)
        disk.sync("draft")
        if disk.read("draft") != octets:
            raise OSError("the disk lies")
    except OSError:
        if "draft" in disk.names():
            disk.remove("draft")
        return say("451 4.3.0 Later, please")
    name = f"new/{hash(octets)}"
    disk.sync_names()
    disk.rename("draft", name)
    disk.sync_names()
    return say(OK)


def keep_nothing(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    say(OK)


def empty_accept(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    packed(state, letter)


def promise_first(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    say(OK)
    write_sync_rename(disk, state, letter, lambda _: None)


def write_in_place(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    name = f"new/{next(NUMBERS)}"
    disk.write(name, packed(state, letter))
    disk.sync(name)
    disk.sync_names()
    say(OK)


def no_sync(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    name = f"{next(NUMBERS)}"
    disk.write(f"tmp/{name}", packed(state, letter))
    disk.rename(f"tmp/{name}", f"new/{name}")
    disk.sync_names()
    say(OK)


def no_sync_names(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    name = f"{next(NUMBERS)}"
    disk.write(f"tmp/{name}", packed(state, letter))
    disk.sync(f"tmp/{name}")
    disk.sync_names()
    disk.rename(f"tmp/{name}", f"new/{name}")
    say(OK)


def only_one_name(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    named(disk, state, letter, say, "letter")


def counts_files(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    lying = [name for name in disk.names() if name.startswith("new/")]
    named(disk, state, letter, say, f"{len(lying)}")


def named(disk: FailingDisk, state: State, letter: bytes, say: Say, name: str) -> None:
    disk.write("tmp/it", packed(state, letter))
    disk.sync("tmp/it")
    disk.rename("tmp/it", f"new/{name}")
    disk.sync_names()
    say(OK)


def full_for_good(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    write_sync_rename(disk, state, letter, lambda r: say(r.replace("452 4", "552 5")))


def letter_only(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    nobody = {"reverse_path": "", "forward_paths": []}
    write_sync_rename(disk, nobody, letter, say)


def says_twice(disk: FailingDisk, state: State, letter: bytes, say: Say) -> None:
    write_sync_rename(disk, state, letter, say)
    say(OK)


def keeping(accept: Callable[..., Any], reader: Any = ByPartition) -> Answer:
    def answer(lab: Lab, task: Task) -> Any:
        return Several([accept, StepByStep(mailboxes(lab)), reader])

    answer.__name__ = f"{accept.__name__}_{reader.__name__}"
    return answer


def mailboxes(lab: Lab) -> list[str]:
    found: list[str] = lab.begin("2.1").mailboxes
    return found


# 2.4 ----------------------------------------------------------------------------------


class Handler:
    """aiosmtpd asks it."""

    def __init__(self, disk: FailingDisk, people: list[str]) -> None:
        self.disk = disk
        self.people = people

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.lower() not in self.people:
            return "550 5.1.1 Nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Fine"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        said: list[str] = []
        paths = (envelope.mail_from, envelope.rcpt_tos)
        state = dict(zip(("reverse_path", "forward_paths"), paths, strict=True))
        write_sync_rename(self.disk, state, envelope.content, said.append)
        return said[-1]


class AcceptsAll(Handler):
    """Without a look at recipients."""

    handle_RCPT = None  # type: ignore[assignment]  # noqa: N815


class Forgets(Handler):
    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        return "250 2.0.0 Sure"


class Compared:
    """What a student does, step by step."""

    def __init__(self, lab: Lab, task: Task, handler: type[Handler] = Handler) -> None:
        self.lab, self.task = lab, task
        self.disk = FailingDisk()
        self.people = mailboxes(lab)
        self.handler = handler(self.disk, self.people)

    def open_own(
        self, machine: type = StepByStep, reader: Any = ByPartition
    ) -> Receiver:
        pieces = Pieces(machine(self.people), reader, write_sync_rename)
        return Receiver(self.lab.world, self.lab.names.first, pieces, self.disk)

    def open_foreign(self, host: str = "") -> None:
        world, name = self.lab.world, host or self.lab.names.second

        def server() -> AioSMTP:
            return AioSMTP(self.handler, hostname=name, loop=world.loop)

        world.run(world.loop.create_server(server, port=25), on=name)

    def send(self, *subjects: str) -> None:
        for subject in subjects:
            self.lab.world.send("alice", self.task.rcpt_to, subject, "Dear Grace")

    def interview(self, host: str) -> dict[str, str]:
        with self.lab.world.console("desk", host, 25) as smtp:
            return {command: smtp.say(command) for command in self.task.commands}

    def differences(self) -> tuple[dict[str, tuple[str, str]], set[str]]:
        mine = self.interview(self.lab.names.first)
        theirs = self.interview(self.lab.names.second)
        codes = {c: (mine[c][:3], theirs[c][:3]) for c in mine}
        offered = {row[4:] for row in theirs["EHLO desk"].split("\n")[1:]}
        lines = [row[4:] for row in mine["EHLO desk"].split("\n")]
        return {c: (a, b) for c, (a, b) in codes.items() if a != b}, offered - {*lines}


def first_then_second(lab: Lab, task: Task) -> Any:
    at = Compared(lab, task)
    with at.open_own():
        at.send(task.subject_first)
    at.open_foreign()
    at.send(task.subject_second)
    at.open_own()
    return Several([at.disk, *at.differences()])


def after_a_retry(lab: Lab, task: Task) -> Any:
    """The letter waits in the queue until somebody listens; another machine."""
    at = Compared(lab, task)
    at.send(task.subject_second)
    at.open_foreign()
    lab.world.advance("1 hour")
    at.open_own(ByTable, LineByLine)
    at.send(task.subject_first)
    codes, offers = at.differences()
    numbers = {c: [int(one) for one in both] for c, both in codes.items()}
    return Several([at.disk, numbers, sorted(one.split()[0] for one in offers)])


def lenient_machine(lab: Lab, task: Task) -> Any:
    at = Compared(lab, task)
    with at.open_own():
        at.send(task.subject_first)
    at.open_foreign()
    at.send(task.subject_second)
    at.open_own(WithoutParameters)
    return Several([at.disk, *at.differences()])


class WithoutParameters(StepByStep):
    """Takes what it has not announced."""

    def __init__(self, people: list[str]) -> None:
        super().__init__(people, "parameters")


def both_at_once(lab: Lab, task: Task) -> Any:
    at = Compared(lab, task)
    at.open_own()
    at.open_foreign()
    at.send(task.subject_first, task.subject_second)
    return Several([at.disk, *at.differences()])


def nobody_listens(lab: Lab, task: Task) -> Any:
    at = Compared(lab, task)
    at.send(task.subject_first)
    return Several([at.disk, {}, []])


def with_handler(handler: type[Handler]) -> Answer:
    def answer(lab: Lab, task: Task) -> Any:
        at = Compared(lab, task, handler)
        with at.open_own():
            at.send(task.subject_first)
        at.open_foreign()
        at.send(task.subject_second)
        at.open_own()
        return Several([at.disk, *at.differences()])

    answer.__name__ = handler.__name__
    return answer


def aiosmtpd_on_both(lab: Lab, task: Task) -> Any:
    at = Compared(lab, task)
    at.open_foreign()
    at.send(task.subject_second)
    at.open_foreign(lab.names.first)
    at.send(task.subject_first)
    return Several([at.disk, *at.differences()])


def own_closed_again(lab: Lab, task: Task) -> Any:
    at = Compared(lab, task)
    with at.open_own():
        at.send(task.subject_first)
        at.open_foreign()
        found = at.differences()
    at.send(task.subject_second)
    return Several([at.disk, *found])


def changed(name: str, change: Callable[[Any, Any, Any], list[Any]]) -> Answer:
    def answer(lab: Lab, task: Task) -> Any:
        return Several(change(*first_then_second(lab, task)))

    answer.__name__ = name
    return answer


ALL = {"EHLO desk": ("250", "250")}

ANSWERS = {
    "2.3": Answers(
        right=[keeping(write_sync_rename), keeping(careful_twice, LineByLine)],
        wrong=[
            (empty, "accept, a function or a class"),
            (keeping(empty_accept), "say('250 …')"),
            (keeping(keep_nothing), "250 is a promise"),
            (keeping(promise_first), "250 is a promise"),
            (keeping(write_in_place), "write elsewhere, sync, then rename"),
            (keeping(no_sync), "what is in a file is safe after sync"),
            (keeping(no_sync_names), "safe after sync_names"),
            (keeping(only_one_name), "a name that no other has, or had"),
            (keeping(counts_files), "a name that no other has, or had"),
            (keeping(full_for_good), "452 asks to try again"),
            (keeping(letter_only), "the lines that the scaffold makes"),
            (keeping(says_twice), "one reply to each letter"),
            (keeping(write_in_place), "write raises OSError"),
        ],
    ),
    "2.4": Answers(
        right=[first_then_second, after_a_retry],
        wrong=[
            (empty, "brought to names.first"),
            (nobody_listens, "nobody listens"),
            (both_at_once, "close it before"),
            (with_handler(AcceptsAll), "accepts every recipient of the world"),
            (with_handler(Forgets), "both receivers store by accept"),
            (aiosmtpd_on_both, "a receiver of your own"),
            (lenient_machine, "its rules are the same"),
            (own_closed_again, "both receivers are open when the check comes"),
            (
                changed("too_many", lambda d, found, o: [d, found | ALL, o]),
                "is no difference",
            ),
            (changed("none", lambda d, _, o: [d, {}, o]), "no entry"),
            (changed("no_offers", lambda d, found, _: [d, found, ...]), "in offers"),
            (changed("no_disk", lambda _, f, o: [None, f, o]), "a FailingDisk"),
        ],
    ),
}
