"""Exercise 6.1 of notebook 06: what the queue does with who was not reached."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt
from maillab.grading.agenda import Agenda, agenda_of, calm, envelope, new_agenda
from maillab.grading.exercise import Evidence, Parts
from maillab.grading.letters import letter, reports, subjects
from maillab.policy.retry import Bounce, Drop, Failure, Retry

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
DAYS = 6
FOR_NOW = (
    *((0, "4.4.1"), (0, "4.4.3"), (0, ""), (421, "4.3.2")),
    *((450, "4.7.1"), (451, "4.3.0"), (451, ""), (452, "4.2.2")),
)
GREY = "450 4.7.1 Greylisted, come again later"

# What will happen ---------------------------------------------------------------------


def begin_6_1(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    calm(world)
    agenda = new_agenda(world, "6.1")
    world.power_off(names.wreck_server)
    for server in (names.school_server, names.island_server):
        world.configure(server, recipients={"forwards": []})
    for user in world.users.values():
        lab.fill_inbox(user.address, [])
    for hours, to, subject in letters(lab):
        agenda.letter(hours, "alice", to, subject)
    agenda.fault("RCPT", host=names.island_server, recipient="nora@*", reply=GREY)
    agenda.at(4, agenda.cancel_faults)
    storm = lab.random("6.1 storm").randint(10, 20)
    agenda.at(6, world.power_off, names.island_server)
    agenda.at(6 + storm, world.power_on, names.island_server)
    plan_scanner(lab, agenda)
    return Task(
        "6.1",
        "Decide what becomes of every recipient who was not reached",
        days=DAYS,
        letters=[f"{to}: {subject}" for _, to, subject in letters(lab)],
    )


def letters(lab: Lab) -> list[tuple[float, str, str]]:
    """Hours after the beginning, recipient, subject."""
    names = lab.names
    topics = [f"The {word}" for word in lab.words("6.1", 5)]
    ghost = f"ghost-{topics[2].split()[1]}@{names.school}"
    nowhere = f"info@no-{topics[4].split()[1]}.example"
    return [
        (3.4, f"nora@{names.island}", topics[0]),
        (7, f"olaf@{names.island}", topics[1]),
        (8, ghost, topics[2]),
        (9, f"captain@{names.wreck}", topics[3]),
        (10, nowhere, topics[4]),
    ]


def scanner(lab: Lab) -> tuple[str, str]:
    """A machine whose address nobody has, and to whom it writes: nobody again."""
    (word,) = lab.words("6.1 scanner", 1)
    return f"scanner-{word}@{lab.names.school}", f"page-{word}@{lab.names.school}"


def plan_scanner(lab: Lab, agenda: Agenda) -> None:
    sender, to = scanner(lab)
    content = letter(sender, to, "A scanned page", "(a page)")
    mail = envelope(sender, to)
    agenda.machine_mail(11, lab.names.desk, lab.names.server, mail, content)


def check_6_1(lab: Lab, next_step: object = None) -> Parts:
    lab.task("6.1")
    return {
        "rule": attempt(check_rule, lab, next_step),
        "server": attempt(check_server, lab, next_step),
    }


# The rule, asked alone ----------------------------------------------------------------


class Case(NamedTuple):
    """A failure, what is right, and the likely mistake of who says otherwise."""

    failure: Failure
    right: "Callable[[Any], bool]"
    expected: str
    see: str
    perhaps: str


def check_rule(lab: Lab, next_step: object) -> Evidence:
    if not callable(next_step):
        found = "nothing" if next_step is None or next_step is ... else shown(next_step)
        raise Failed("a function next_step(failure)", found, "RFC 5321 §4.5.4.1")
    decided: list[str] = []
    for case in cases(lab.random("6.1 cases")):
        step = ask(next_step, case.failure)
        if not is_right(case, step):
            raise wrong_step(case, step)
        decided.append(f"{case.failure}: {in_words(step)}")
    text = "\n".join(decided).encode()
    return {"cases": len(decided), "sha256": hashlib.sha256(text).hexdigest()}


def is_right(case: Case, step: object) -> bool:
    try:
        return case.right(step)
    except Exception:  # noqa: BLE001  (what a student's function returns may be anything)
        return False


def shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001
        return f"what cannot be shown: {type(error).__name__}"


def in_words(step: Any) -> str:
    """What was decided, without what right answers may differ in."""
    if isinstance(step, Bounce):
        return f"bounce <{step.mail_from.strip('<>')}> <{step.rcpt_to}>"
    return f"retry, warn {bool(step.warn)}" if isinstance(step, Retry) else "drop"


def ask(next_step: Callable[[Any], Any], failure: Failure) -> object:
    try:
        return next_step(failure)
    except Exception as error:  # noqa: BLE001  (a student's function may do anything)
        return error


def wrong_step(case: Case, step: object) -> Failed:
    failure, found, perhaps = case.failure, shown(step), case.perhaps
    if isinstance(step, Exception):
        perhaps = "the function fails: call it by hand, and read the traceback"
    elif not isinstance(step, Retry | Bounce | Drop):
        perhaps = "every way through the function ends in return Retry(…), …"
    elif isinstance(step, Retry) and not isinstance(step.wait, int | float):
        perhaps = "Retry takes a number of seconds"
    elif "another try" in case.expected and not isinstance(step, Retry):
        perhaps = "4yz, or no reply, is for now, whatever the text; ages are seconds"
    reply = failure.code or "no reply"
    about = f"{reply}, enhanced {failure.enhanced!r}, {failure.age / HOUR:.1f} h old"
    sender = failure.mail_from or "<>"
    head = f"from {sender}, {about}, {'' if failure.warned else 'not '}warned"
    return Failed(f"{case.expected} ({head})", found, case.see, perhaps)


def cases(dice: random.Random) -> Iterator[Case]:
    for _ in range(8):
        for kind in (young, older, final, final_unsaid, warning, warned, old):
            yield kind(dice)
    yield from (nobody(dice, kind) for kind in (young, warning, final, old) * 2)


def failure(dice: random.Random, code: int, enhanced: str, age: float) -> Failure:
    sender = f"user{dice.randrange(1000)}@{dice.choice(('a', 'b'))}.example"
    trap = dice.choice(("", " (550 others were let in)", " see rule 421"))
    reason = f"mx.c.example said {code} {enhanced}{trap}" if code else "timed out"
    attempts = 1 + int(age // (2 * HOUR))
    to = f"user{dice.randrange(1000)}@c.example"
    return Failure(code, enhanced, reason, attempts, age, False, sender, to)


def for_now(dice: random.Random, low: float, high: float) -> Failure:
    code, enhanced = dice.choice(FOR_NOW)
    return failure(dice, code, enhanced, dice.uniform(low, high))


def waits(low: float, high: float, warn: bool) -> Callable[[Any], bool]:
    def right(step: Any) -> bool:
        if not isinstance(step, Retry) or not isinstance(step.wait, int | float):
            return False
        return low <= step.wait <= high and bool(step.warn) == warn

    return right


def bounces_to(sender: str) -> Callable[[Any], bool]:
    def right(step: Any) -> bool:
        if not isinstance(step, Bounce):
            return False
        return step.mail_from in ("", "<>") and step.rcpt_to == sender

    return right


def drops(step: Any) -> bool:
    return isinstance(step, Drop)


def young(dice: random.Random) -> Case:
    return Case(
        for_now(dice, 1, HOUR - 60),
        waits(30 * MINUTE, HOUR, warn=False),
        "another try in 30 to 60 minutes, and no warning yet",
        "RFC 5321 §4.5.4.1",
        "30 minutes are 1800 seconds; there is no hurry, and no need for a warning",
    )


def older(dice: random.Random) -> Case:
    return Case(
        for_now(dice, HOUR + 60, 4 * HOUR - 60),
        waits(2 * HOUR, 3 * HOUR, warn=False),
        "another try in 2 to 3 hours, and no warning yet",
        "RFC 5321 §4.5.4.1",
        "after the first hour a host is tried less often",
    )


def final(dice: random.Random) -> Case:
    code = dice.choice((550, 551, 552, 553, 554))
    enhanced = dice.choice(("5.1.1", "5.7.1", "5.2.2", ""))
    found = failure(dice, code, enhanced, dice.uniform(1, 3 * DAY))
    perhaps = (
        "5yz is for good; a report has the null reverse-path, and goes to who sent"
    )
    return given_up(found, "RFC 5321 §4.2.1", perhaps)


def final_unsaid(dice: random.Random) -> Case:
    enhanced = dice.choice(("5.1.2", "5.1.10", "5.4.6"))
    found = failure(dice, 0, enhanced, dice.uniform(1, DAY))
    perhaps = "code 0 alone does not say whether it is for good: the enhanced code does"
    return given_up(found, "RFC 3463 §2", perhaps)


def old(dice: random.Random) -> Case:
    found = replace(for_now(dice, 5 * DAY + 60, 6 * DAY), warned=True)
    perhaps = "5 days are 432000 seconds; who never gives up tells nobody"
    return given_up(found, "RFC 5321 §4.5.4.1", perhaps)


def given_up(found: Failure, see: str, perhaps: str) -> Case:
    expected = "a report from <> to the sender, and no further try"
    return Case(found, bounces_to(found.mail_from), expected, see, perhaps)


def warning(dice: random.Random) -> Case:
    return Case(
        for_now(dice, 4 * HOUR + 60, 4 * DAY),
        waits(2 * HOUR, 3 * HOUR, warn=True),
        "another try in 2 to 3 hours, and a warning with it",
        "RFC 3461 §4.1",
        "after 4 hours the sender is told of the delay",
    )


def warned(dice: random.Random) -> Case:
    found = replace(for_now(dice, 4 * HOUR + 60, 4 * DAY), warned=True)
    return Case(
        found,
        waits(2 * HOUR, 3 * HOUR, warn=False),
        "another try in 2 to 3 hours, and no second warning",
        "RFC 3461 §4.1",
        "one warning is enough: failure.warned says whether it was given",
    )


def nobody(dice: random.Random, kind: Callable[[random.Random], Case]) -> Case:
    """From the null reverse-path."""
    perhaps = "<> is the sender of reports: about a report there is none, nor a warning"
    see = "RFC 5321 §6.1"
    found = replace(kind(dice).failure, mail_from="")
    if kind in (final, old):
        return Case(found, drops, "Drop()", see, perhaps)
    low, high = (30 * MINUTE, HOUR) if kind is young else (2 * HOUR, 3 * HOUR)
    right = waits(low, high, warn=False)
    return Case(found, right, "another try, and no warning to nobody", see, perhaps)


# The rule, at work --------------------------------------------------------------------


def check_server(lab: Lab, next_step: object) -> Evidence:
    world, agenda = lab.world, agenda_of(lab.world, "6.1")
    server = world.server(lab.names.server)
    if next_step is None or server.queue.decide is not next_step:
        raise Failed(
            "your function at work: queue.decide = next_step",
            shown(server.queue.decide),
            "RFC 5321 §4.5.4.1",
            "run the exercise from its first cell, after every change",
        )
    if agenda.hours < DAYS * 24:
        raise Failed(
            f"{DAYS} days gone by since the exercise began",
            f"{agenda.hours:.0f} hours",
            perhaps='world.advance("6 days") after the function is in its place',
        )
    demand_no_failure(agenda, server.name)
    return {
        "tried once": demand_tries(lab, agenda),
        "reports": demand_reports(lab),
        "arrived": demand_arrived(lab),
        "report senders": report_senders(agenda, server.name),
    }


def demand_no_failure(agenda: Agenda, server: str) -> None:
    for event in agenda.events(server, "failure"):
        error = str(event["error"])
        raise Failed(
            "a rule that always answers",
            error,
            "RFC 5321 §6.1",
            "a report comes from the null reverse-path, or it is answered by reports"
            if "null reverse-path" in error
            else "an answer for every failure, those of letters from <> among them",
        )


def demand_tries(lab: Lab, agenda: Agenda) -> list[str]:
    """Who was told no for good, and was tried once."""
    tries: Counter[str] = Counter()
    for event in agenda.events(lab.names.server, "attempt"):
        tries.update(event["recipients"])
    ghost, page = letters(lab)[2][1], scanner(lab)[1]
    for one in (ghost, page):
        if tries[one] != 1:
            raise Failed(
                "one try, and no other, for a recipient who was refused by 550",
                f"{tries[one]} tries for {one}",
                "RFC 5321 §4.2.1",
                "550 is for good",
            )
    return sorted(one for one in (ghost, page) if tries[one] == 1)


def demand_reports(lab: Lab) -> list[str]:
    _, late, ghost, wreck, nowhere = (to for _, to, _ in letters(lab))
    wanted = [("delayed", late), ("delayed", wreck)]
    wanted += [("failed", one) for one in (ghost, wreck, nowhere)]
    planned = {to for _, to, _ in letters(lab)}
    got = [r for r in reports(lab.world.user("alice").inbox) if r.final in planned]
    found = sorted((one.action, one.final) for one in got)
    if found != sorted(wanted):
        raise Failed(
            listed(wanted),
            listed(found),
            "RFC 3464 §2.3.3",
            "world.queue(names.server) shows when it warned, and when it gave up",
        )
    return sorted(f"{one.action} {one.status[:1]} {one.final}" for one in got)


def listed(told: list[tuple[str, str]]) -> str:
    rows = Counter(f"{action} {to.partition('@')[0]}" for action, to in told)
    several = [f"{row} ({n} times)" if n > 1 else row for row, n in rows.items()]
    return "in Alice's INBOX reports: " + (", ".join(sorted(several)) or "none")


def demand_arrived(lab: Lab) -> dict[str, list[str]]:
    nora, olaf = (lab.world.user(to) for _, to, _ in letters(lab)[:2])
    arrived = {one.address: subjects(one.inbox) for one in (nora, olaf)}
    for (_, to, subject), found in zip(letters(lab), arrived.values(), strict=False):
        if found.count(subject) != 1:
            raise Failed(
                f"{subject!r} in the INBOX of {to}, once",
                f"{found.count(subject)} of them",
                "RFC 5321 §4.5.4.1",
                "the island was only dark for a night: was it given up too early?",
            )
    planned = {subject for _, _, subject in letters(lab)}
    return {to: sorted(planned & set(found)) for to, found in arrived.items()}


def report_senders(agenda: Agenda, server: str) -> list[str]:
    """RFC5321.MailFrom of all reports, and to whom they went."""
    ids = {event["report"] for event in agenda.events(server, "dsn")}
    found = [e for e in agenda.events(server, "accepted") if e["message"] in ids]
    return sorted({f"<{e['sender']}> {' '.join(e['recipients'])}" for e in found})


PARTS = (
    Part("rule", 3, "64 failures, each decided as the RFC has it"),
    Part("server", 2, "six days at the harbour: nothing lost, everybody told once"),
)
EXERCISES = (
    Exercise(
        "6.1",
        5,
        "it tries again, warns once, and gives up",
        begin_6_1,
        check_6_1,
        PARTS,
    ),
)
