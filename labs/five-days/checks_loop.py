"""Exercise 6.3 of notebook 06: two forwards that point at each other."""

import hashlib
from collections.abc import Iterator

from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt
from maillab.grading.agenda import Agenda, agenda_of, calm, envelope, new_agenda
from maillab.grading.exercise import Evidence, Parts
from maillab.grading.letters import letter, subjects
from maillab.trace.events import Event
from maillab.wire.dsn import read_report
from maillab.wire.message import message_id

LARGE = 100  # RFC 5321 §6.3: "normally at least 100 Received entries"
SATURDAY = "Sat, 3 Jan 2026"
SECTION = "RFC 5321 §6.3"


def begin_6_3(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    calm(world)
    agenda = new_agenda(world, "6.3")
    world.zone(names.island).replace("@", "MX", f"10 {names.island_server}.")
    world.configure(names.server, remote_domains=[])
    for server, here, there in sites(lab):
        forward = {"address": f"nora@{here}", "to": [f"nora@{there}"]}
        old = {"forwards": [forward], "detect_loops": False}
        world.configure(server, recipients=old, limits={"hops": 0})
    for user in world.users.values():
        lab.fill_inbox(user.address, [])
    first, second = topics(lab)
    lost = envelope(f"alice@{names.domain}", f"nora@{names.school}")
    content = b"".join(trail(lab)) + letter(lost_from(lab), "Nora", first, "Dear Nora")
    agenda.machine_mail(0, names.server, names.school_server, lost, content)
    world.advance("10 s")  # it is on its way
    home = home_of(lab)
    return Task(
        "6.3",
        "Stop a letter that goes round in circles, and free the way",
        circling=first,
        subject=second,
        home=f"nora@{home}",
        other=next(f"nora@{here}" for _, here, _ in sites(lab) if here != home),
    )


def lost_from(lab: Lab) -> str:
    return f"Alice <alice@{lab.names.domain}>"


def trail(lab: Lab) -> Iterator[bytes]:
    """The Received fields of a letter that has been under way since Saturday."""
    island, school = (server for server, _, _ in sites(lab))
    dice = lab.random("6.3 trail")
    for lap in range(dice.randint(34, 42), 0, -1):
        for here, there in ((school, island), (island, school)):
            moment = f"{SATURDAY} 09:{lap:02}:{dice.randrange(60):02} +0000"
            by = f"by {there} with ESMTP id {dice.getrandbits(32):08X}"
            yield f"Received: from {here} {by}; {moment}\r\n".encode()


def sites(lab: Lab) -> list[tuple[str, str, str]]:
    """Server, its domain, the other domain."""
    names = lab.names
    return [
        (names.island_server, names.island, names.school),
        (names.school_server, names.school, names.island),
    ]


def topics(lab: Lab) -> tuple[str, str]:
    one, other = lab.words("6.3", 2)
    return f"The {one} on the pier", f"The {other} again"


def home_of(lab: Lab) -> str:
    """Where Nora reads her letters."""
    return lab.random("6.3 home").choice([lab.names.island, lab.names.school])


# What must have happened --------------------------------------------------------------


def check_6_3(lab: Lab) -> Parts:
    lab.task("6.3")
    return {"stopped": attempt(check_stopped, lab), "free": attempt(check_free, lab)}


def check_stopped(lab: Lab) -> Evidence:
    """One report, made because a server counted Received fields."""
    first, _ = topics(lab)
    agenda = agenda_of(lab.world, "6.3")
    alice = lab.world.user("alice").inbox
    about = [m.content for m in alice.messages if first.encode() in m.content]
    found = [one for one in map(read_report, about) if one is not None]
    if len(found) != 1:
        raise no_single_report(lab, agenda, len(found))
    report = found[0].recipients[0]
    if report.status != "5.4.6":
        raise Failed(
            "a report with the status 5.4.6, routing loop detected",
            f"{report.status}: {report.diagnostic}",
            SECTION,
            "who stops this one letter by hand does not stop the next one",
        )
    demand_patience(lab)
    return {
        "refused with": report.status,
        "about": what_came_back(about[0]),
        "report senders": report_senders(agenda, lab),
    }


def what_came_back(report: bytes) -> dict[str, str]:
    """The subject of the letter, and its postmarks of Saturday, as they returned."""
    rows = report.decode("utf-8", "replace").splitlines()
    old = "\n".join(
        row for row in rows if row.startswith("Received:") and SATURDAY in row
    )
    subject = [row for row in rows if row.startswith("Subject:")][-1]
    return {
        "subject": subject,
        "postmarks": hashlib.sha256(old.encode()).hexdigest(),
    }


def demand_patience(lab: Lab) -> None:
    """Honest letters may come a long way."""
    for server, _, _ in sites(lab):
        hops = lab.world.server(server).mta.settings.limits.hops
        if 0 < hops < LARGE:
            raise Failed(
                f"a large limit, normally at least {LARGE}",
                f"limits.hops {hops}",
                SECTION,
                "too low a limit refuses honest letters that have come a long way",
            )


def no_single_report(lab: Lab, agenda: Agenda, count: int) -> Failed:
    expected = "one report in Alice's INBOX about the letter that circled"
    if count:
        return Failed(expected, f"{count} reports", SECTION, "begin again: one letter")
    if nora_has(lab, topics(lab)[0]):
        return Failed(
            expected,
            "none: the letter was let out of the circle",
            SECTION,
            "somebody else makes the next circle: first let the servers notice them",
        )
    laps = len(laps_of(lab, agenda))
    return Failed(
        expected,
        f"none; the letter was handed on {laps} times so far",
        SECTION,
        "limits.hops 0 means no limit; after the change, time must pass",
        event=laps_of(lab, agenda)[-1] if laps else None,
    )


def laps_of(lab: Lab, agenda: Agenda) -> list[Event]:
    return [
        event
        for server, _, _ in sites(lab)
        for event in agenda.events(server, "relayed")
    ]


def report_senders(agenda: Agenda, lab: Lab) -> list[str]:
    """The envelope of each failure report, wherever it was made."""
    made = {
        event["report"]
        for server, _, _ in sites(lab)
        for event in agenda.events(server, "dsn")
        if event["action"] == "failed"
    }
    there = agenda.events(lab.names.server, "accepted")
    taken = [event for event in there if event["message"] in made]
    return sorted({f"<{e['sender']}> {' '.join(e['recipients'])}" for e in taken})


def check_free(lab: Lab) -> Evidence:
    """The second letter, written to the other address, lies where Nora reads."""
    task = lab.task("6.3")
    boxes = {
        address: subjects(lab.world.user(address).inbox).count(task.subject)
        for address in (task.home, task.other)
    }
    if boxes != {task.home: 1, task.other: 0}:
        raise not_free(lab, task, boxes)
    way = [
        f"{event.host} to {event['to_host']}"
        for event in laps_of(lab, agenda_of(lab.world, "6.3"))
        if event["message"] == message_id_of(lab, task)
    ]
    if len(way) != 1:
        raise Failed(
            f"{task.subject!r} forwarded once",
            f"{len(way)} times",
            SECTION,
            "write to task.other: it is the forward that is tried"
            if not way
            else "a forward that keeps a copy is a forward still",
        )
    found = subjects(lab.world.user(task.home).inbox)
    arrived = [one for one in found if one == task.subject]
    return {"arrived": arrived, "home": boxes, "way": way}


def not_free(lab: Lab, task: Task, boxes: dict[str, int]) -> Failed:
    agenda = agenda_of(lab.world, "6.3")
    expected = f"{task.subject!r}, sent by Alice to {task.other}, once at {task.home}"
    if not any(boxes.values()):
        sent = agenda.events(lab.names.server, "accepted")
        about_nora = [e for e in sent if task.other in e["recipients"]]
        found = f"no such letter; Alice has written to {task.other}: {len(about_nora)}"
        perhaps = "take away the forward at home, then world.send and world.advance"
    elif boxes[task.home] > 1 or all(boxes.values()):
        found = f"{sum(boxes.values())} of them"
        perhaps = "a forward that keeps a copy is a forward still"
    else:
        found = f"it lies at {task.other}"
        perhaps = "one of the two forwards is right: it leads home"
    return Failed(expected, found, "RFC 5321 §3.9", perhaps)


def message_id_of(lab: Lab, task: Task) -> str:
    inbox = lab.world.user(task.home).inbox
    content = next(
        m.content for m in inbox.messages if task.subject.encode() in m.content
    )
    return message_id(content)


def nora_has(lab: Lab, subject: str) -> bool:
    boxes = [lab.world.user(f"nora@{here}").inbox for _, here, _ in sites(lab)]
    return any(subject in subjects(box) for box in boxes)


PARTS = (
    Part(
        "stopped", 2, "the circle ended with one report, made by a server that noticed"
    ),
    Part("free", 2, "the next letter takes the forward that is right, once"),
)
EXERCISES = (Exercise("6.3", 4, "no circle, one report", begin_6_3, check_6_3, PARTS),)
