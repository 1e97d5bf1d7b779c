"""Exercise 6.2 of notebook 06: a backup MX, while the island is without power."""

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.agenda import Agenda, agenda_of, calm, envelope, new_agenda
from maillab.grading.exercise import Evidence
from maillab.grading.letters import letter, reports, subjects
from maillab.trace.events import Event

DARK = 30  # hours
FIRST = 2  # hours until the lights go out: what the DNS knew before is forgotten
DAYS = 3
PEOPLE = ("nora", "olaf", "pia")

# What will happen ---------------------------------------------------------------------


def begin_6_2(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    calm(world)
    reset(lab)
    agenda = new_agenda(world, "6.2")
    agenda.at(FIRST, world.power_off, names.island_server)
    agenda.at(FIRST + DARK, world.power_on, names.island_server)
    for hours, to, subject in letters(lab):
        agenda.letter(hours, "sven", to, subject)
    for hours, to in spam(lab):
        content = letter("Prizes <prize@win.example>", to, "You have won", "A whale.")
        mail = envelope(sven(lab), to)
        agenda.machine_mail(hours, names.stranger, names.server, mail, content)
    return Task(
        "6.2",
        f"Be the backup of the island, which will be dark for {DARK} hours",
        people=people(lab),
        dark=f"{DARK} h, from {FIRST} h after now",
    )


def reset(lab: Lab) -> None:
    world, names = lab.world, lab.names
    zone = world.zone(names.island)
    if zone.records("@", "MX") != [f"10 {names.island_server}."]:
        zone.replace("@", "MX", f"10 {names.island_server}.")
    world.configure(
        names.server,
        remote_domains=[],
        relay={"open": False, "networks": ["192.0.2.0/24"]},
        delivery={"expire": "1 day", "delay_warning": "0 s"},
    )
    world.configure(names.island_server, recipients={"forwards": []})
    for user in world.users.values():
        lab.fill_inbox(user.address, [])


def people(lab: Lab) -> list[str]:
    return [f"{name}@{lab.names.island}" for name in PEOPLE]


def sven(lab: Lab) -> str:
    """Who writes the letters, and whose name the stranger borrows."""
    return f"sven@{lab.names.school}"


def letters(lab: Lab) -> list[tuple[float, str, str]]:
    """Hours, recipient, subject: some as soon as it is dark."""
    dice = lab.random("6.2 hours")
    words = lab.words("6.2", 2 * len(PEOPLE))
    early = [FIRST + 0.5 + dice.random() for _ in PEOPLE]
    late = [FIRST + dice.uniform(6, DARK - 1) for _ in PEOPLE]
    everybody = people(lab) * 2
    return [
        (hours, to, f"About the {word}")
        for hours, to, word in zip(early + late, everybody, words, strict=True)
    ]


def spam(lab: Lab) -> list[tuple[float, str]]:
    """Guessed names on the island, and one somewhere else."""
    dice = lab.random("6.2 spam")
    guesses = [f"{word}@{lab.names.island}" for word in lab.words("6.2 spam", 5)]
    targets = [*guesses, f"sven@{lab.names.school}"]
    return [(FIRST + dice.uniform(3, DARK - 3), to) for to in targets]


# What must have happened --------------------------------------------------------------


def check_6_2(lab: Lab) -> Evidence:
    lab.task("6.2")
    agenda = agenda_of(lab.world, "6.2")
    if agenda.hours < DAYS * 24:
        raise Failed(
            f"{DAYS} days gone by since the exercise began",
            f"{agenda.hours:.0f} hours",
            perhaps='world.advance("3 days") after everything is set up',
        )
    demand_zone(lab)
    way = demand_way(lab, agenda)
    demand_closed(lab, agenda)
    arrived = demand_arrived(lab)
    refused = demand_verified(lab, agenda)
    return {
        "arrived": arrived,
        "by way of": way,
        "refused at once": refused,
        "reports to who never wrote": demand_no_backscatter(lab),
    }


def demand_zone(lab: Lab) -> None:
    """The island's own server first, ours behind it."""
    names = lab.names
    records = lab.world.zone(names.island).records("@", "MX")
    rank = {row.split()[1].rstrip("."): int(row.split()[0]) for row in records}
    own, ours = rank.get(names.island_server), rank.get(names.server)
    if own is None or ours is None or own >= ours:
        raise Failed(
            "MX records for both servers, the island's with the lower number",
            ", ".join(records) or "no MX record",
            "RFC 5321 §5.1",
            "the lowest preference number is tried first; a backup has a higher one",
        )


def demand_way(lab: Lab, agenda: Agenda) -> list[str]:
    """What came in at the harbour for the island, in the dark."""
    topics = {to for _, to, _ in letters(lab)}
    taken = [
        one
        for event in agenda.events(lab.names.server, "accepted")
        for one in event["recipients"]
        if one in topics
    ]
    if not taken:
        raise Failed(
            "the island's letters accepted by the harbour while the island is dark",
            "none",
            "RFC 5321 §3.6.2",
            "a server takes mail for a domain only where a setting says so",
            event=next(iter(refusals(lab, agenda)), None),
            at=lab.names.server,
        )
    passed = [
        e for e in agenda.events(lab.names.server, "relayed") if is_to_island(lab, e)
    ]
    return sorted({*taken, *(f"to {event['to_host']}" for event in passed)})


def is_to_island(lab: Lab, event: Event) -> bool:
    return event["to_host"] == lab.names.island_server


def refusals(lab: Lab, agenda: Agenda) -> list[Event]:
    """What the harbour's policies refused at RCPT."""
    found = agenda.events(lab.names.server, "policy")
    return [e for e in found if e["verdict"] == "refuse" and "RCPT" in e["subject"]]


def demand_closed(lab: Lab, agenda: Agenda) -> None:
    """The stranger also tried to reach a school by way of the harbour."""
    through = [
        event
        for event in agenda.events(lab.names.server, "accepted")
        if event["sender"] == sven(lab) and sven(lab) in event["recipients"]
    ]
    if through:
        raise Failed(
            "a backup for the island, and for nobody else",
            "a stranger's letter to the school was taken, too",
            "RFC 5321 §7.9",
            "relay.open makes an open relay; remote_domains names the one domain",
            event=through[0],
        )


def demand_arrived(lab: Lab) -> dict[str, list[str]]:
    arrived = {to: subjects(lab.world.user(to).inbox) for to in people(lab)}
    for _, to, subject in letters(lab):
        count = arrived[to].count(subject)
        if count != 1:
            raise Failed(
                f"{subject!r} in the INBOX of {to}, once",
                "no such letter" if not count else f"{count} of them",
                "RFC 5321 §4.5.4.1",
                "is everybody of task.people known at the harbour, and does it keep "
                "letters for longer than the storm (delivery.expire)?",
            )
    planned = {subject for _, _, subject in letters(lab)}
    return {to: sorted(planned & set(found)) for to, found in arrived.items()}


def demand_verified(lab: Lab, agenda: Agenda) -> list[str]:
    """Guessed names that the harbour did not take."""
    guesses = {to for _, to in spam(lab) if to.endswith(f"@{lab.names.island}")}
    taken = [
        e
        for e in agenda.events(lab.names.server, "accepted")
        if guesses & set(e["recipients"])
    ]
    if taken:
        back = len(reports(lab.world.user(sven(lab)).inbox))
        raise Failed(
            "names that nobody has refused at RCPT, by the backup too",
            f"{len(taken)} letters taken for such names; Sven, who wrote none of them, "
            f"got {back} reports",
            "RFC 5321 §3.6.2",
            "a backup that does not know the names makes backscatter: "
            "remote_domains has recipients",
            event=taken[0],
        )
    said = {str(event["subject"]) for event in refusals(lab, agenda)}
    return sorted(said & {f"RCPT TO:<{one}>" for one in guesses})


def demand_no_backscatter(lab: Lab) -> list[str]:
    found = reports(lab.world.user(sven(lab)).inbox)
    failed = [one for one in found if one.action == "failed"]
    if failed:
        raise Failed(
            "no failure report in Sven's INBOX",
            ", ".join(sorted({one.final for one in failed})),
            "RFC 5321 §6.2",
            "somebody took a letter and could not deliver it",
        )
    return [one.final for one in failed]


EXERCISES = (
    Exercise(
        "6.2", 4, "30 hours dark, nothing lost, no backscatter", begin_6_2, check_6_2
    ),
)
