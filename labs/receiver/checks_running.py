"""Exercise 2.4 of notebook 02: the student's receiver and aiosmtpd take letters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.dialogue import Transaction, transactions
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.grading.failing_disk import FailingDisk
from maillab.grading.letters import field
from maillab.grading.receiving import free_port
from maillab.trace.session import Session

FOREIGN = "Python SMTP"  # how aiosmtpd introduces itself
NEW = "new/"


def begin_2_4(lab: Lab) -> Task:
    one, two = lab.words("2.4", 2)
    for name in (lab.names.first, lab.names.second):
        free_port(lab.world.host(name))
    forget_failures(lab)
    return Task(
        "2.4",
        "Two receivers for one lighthouse",
        rcpt_to=f"grace@{lab.names.domain}",
        subject_first=f"The {one} lamp",
        subject_second=f"The {two} lamp",
        commands=[command for command, _ in rules(lab)],
    )


def forget_failures(lab: Lab) -> None:
    """What waits for a receiver that was not there, waits no longer for its clock."""
    for name in lab.world.servers:
        for destination in lab.world.server(name).queue.destinations.values():
            destination.clock, destination.failures = 0.0, 0


def rules(lab: Lab) -> list[tuple[str, str]]:
    """A session that is to be held with both; the codes are those of 2.1."""
    dice, (one, two) = lab.random("2.4 commands"), lab.words("2.4 commands", 2)
    grace = f"grace@{lab.names.domain}"
    both_alike = [
        *((f"NOOP {one}", "250"), (f"VRFY {two}", "252"), ("RSET", "250")),
        (f"MAIL TO:<{one}@there.example>", "501"),
    ]
    unlike = [("HELP", "500"), (f"EXPN {two}", "500"), ("STARTTLS", "500")]
    first = dice.sample(both_alike, 2) + dice.sample(unlike, 2)
    broken = dice.choice([f"RCPT TO:{grace}", f"RCPT TO:<{grace}"])
    stranger = f"RCPT TO:<{two}@there.example>"
    then = [(stranger, "550"), (broken, "501"), (f"RCPT TO:<{grace}>", "250")]
    dice.shuffle(first)
    dice.shuffle(then)
    sender, size = f"MAIL FROM:<{one}@there.example>", dice.randint(1000, 9999)
    return [
        *(("EHLO desk", "250"), *first, (f"{sender} COLOUR={two}", "555")),
        *((f"{sender} SIZE={size}", "555"), ("RSET", "250"), (sender, "250")),
        *(*then, ("RSET", "250"), ("QUIT", "221")),
    ]


def check_2_4(
    lab: Lab, disk: object = None, differences: object = None, offers: object = None
) -> Parts:
    lab.task("2.4")
    return {
        "own": attempt(check_own, lab, disk),
        "aiosmtpd": attempt(check_foreign, lab, disk),
        "differences": attempt(check_differences, lab, differences, offers),
    }


# Letters ------------------------------------------------------------------------------


def check_own(lab: Lab, disk: object) -> Evidence:
    subject = lab.task("2.4").subject_first
    carried = demand_letter(lab, lab.names.first, subject)
    banner = interview(lab, lab.names.first, [])[""]
    if FOREIGN in banner:
        raise Failed("a receiver of your own at names.first", banner, "RFC 5321 §4.3.1")
    return {"envelope": envelope(carried), "kept": demand_kept(disk, subject)}


def check_foreign(lab: Lab, disk: object) -> Evidence:
    subject = lab.task("2.4").subject_second
    carried = demand_letter(lab, lab.names.second, subject)
    kept = demand_kept(disk, subject)
    domain = lab.names.domain
    asked = [
        *("EHLO desk", "MAIL FROM:<>", f"RCPT TO:<ghost@{domain}>"),
        *(
            f"RCPT TO:<grace@{domain}.there.example>",
            f"RCPT TO:<grace@{domain}>",
            "QUIT",
        ),
    ]
    told = interview(lab, lab.names.second, asked)
    if FOREIGN not in told[""]:
        raise Failed("aiosmtpd at names.second", told[""], "RFC 5321 §4.3.1")
    codes = {command: told[command][:3] for command in asked[2:-1]}
    if list(codes.values()) != ["550", "550", "250"]:
        raise Failed(
            "550 for strangers and 250 for Grace from aiosmtpd",
            ", ".join(f"{code} for {command}" for command, code in codes.items()),
            "RFC 5321 §3.6.2",
            "without handle_RCPT aiosmtpd accepts every recipient of the world",
        )
    return {"envelope": envelope(carried), "kept": kept, "codes": codes}


def envelope(carried: Transaction) -> list[str]:
    return [carried.mail_from, *carried.rcpt_to]


def demand_letter(lab: Lab, host: str, subject: str) -> Transaction:
    """Our MTA has brought a letter with this subject to this host."""
    sessions = [s for s in lab.sessions("2.4", "SMTP") if s.client == lab.names.office]
    here = [s for s in sessions if s.server == host]
    for session in here:
        for transaction in transactions(session):
            named = field(transaction.content, "Subject") == subject
            if named and transaction.accepted:
                return transaction
    which = "names.first" if host == lab.names.first else "names.second"
    raise Failed(
        f"the letter {subject!r} brought to {which} by Alice's server",
        "; ".join(map(outcome, here or sessions)) or "no session at all",
        "RFC 5321 §5.1",
        why_not(lab, host, subject, sessions),
        event=here[-1].events[-1] if here else None,
        at=lab.names.office,
    )


def outcome(session: Session) -> str:
    said = [line.text for line in session.lines if line.speaker == "S"]
    refused = [text for text in said if text[:1] in ("4", "5")]
    told = (refused or said)[-1:] or ["no reply"]
    return f"{session.server}: {session.outcome}, {told[0]!r}"


def why_not(lab: Lab, host: str, subject: str, sessions: Iterable[Session]) -> str:
    """The likely mistake."""
    found = [s for s in sessions for t in transactions(s) if t.accepted]
    elsewhere = any(s.server != host for s in found)
    if host == lab.names.second and elsewhere:
        return (
            "while the first computer answers, nobody asks the second: close it before"
        )
    if found:
        return "the subject is that of the task"
    return "nobody listens, or the answers are not those of 2.1: look at the session"


def demand_kept(disk: object, subject: str) -> str:
    """It lies in new/. Returns its subject as it was found."""
    if not isinstance(disk, FailingDisk):
        raise Failed("a FailingDisk with the letters", repr(disk))
    letters = [disk.read(name) for name in disk.names() if name.startswith(NEW)]
    found = [field(letter, "Subject") for letter in letters]
    if subject not in found:
        raise Failed(
            f"the letter {subject!r} in new/",
            f"{found}",
            "RFC 5321 §6.1",
            "both receivers store by accept, on the disk that the check is given",
        )
    return found[found.index(subject)]


# Differences --------------------------------------------------------------------------


def check_differences(lab: Lab, differences: object, offers: object) -> Evidence:
    asked = lab.task("2.4").commands
    mine = interview(lab, lab.names.first, asked)
    demand_rules(mine, rules(lab))
    theirs = interview(lab, lab.names.second, asked)
    expected = {
        command: (mine[command][:3], theirs[command][:3])
        for command in asked
        if mine[command][:3] != theirs[command][:3]
    }
    demand_differences(expected, differences)
    demand_offers(keywords(theirs["EHLO desk"]) - keywords(mine["EHLO desk"]), offers)
    return {
        "unlike": sorted([c, *codes(both)] for c, both in entries(differences).items()),
        "codes": {command: theirs[command][:3] for command in asked},
    }


def demand_rules(mine: Mapping[str, str], rules: Iterable[tuple[str, str]]) -> None:
    for command, code in rules:
        if mine[command][:3] != code:
            raise Failed(
                f"{code} from your receiver in answer to {command!r}",
                mine[command] or "no reply",
                "RFC 5321 §4.2",
                "what you wrote in 2.1 answers here; its rules are the same",
            )


def entries(differences: object) -> dict[str, object]:
    """The student's dictionary."""
    if not isinstance(differences, Mapping):
        raise Failed(
            "a dictionary differences: command -> (your code, aiosmtpd's code)",
            repr(differences),
        )
    table: Mapping[Any, object] = differences
    return {str(command): both for command, both in table.items()}


def interview(lab: Lab, host: str, asked: Sequence[str]) -> dict[str, str]:
    """What a server says to each command; "" is its greeting."""
    try:
        with lab.examine("desk", host, 25) as console:
            told = {"": console.greeting}
            for command in asked:
                told[command] = console.say(command)
            return told
    except OSError as error:
        which = "names.first" if host == lab.names.first else "names.second"
        raise Failed(
            f"that somebody listens at port 25 of {which}",
            f"{error}",
            "RFC 9293 §3.5",
            "both receivers are open when the check comes",
        ) from error


def demand_differences(
    expected: Mapping[str, tuple[str, str]], differences: object
) -> None:
    told = entries(differences)
    found = {command: codes(both) for command, both in told.items()}
    for command in {**expected, **found}:
        if expected.get(command) != found.get(command):
            raise Failed(
                f"the right entry for {command!r}",
                repr(told.get(command, "no entry")),
                "RFC 5321 §4.2",
                "say all commands in this order, in one session with each server; what "
                "both answer with the same code is no difference",
            )


def codes(value: object) -> tuple[str, ...]:
    """("500", "250") of strings, numbers, whole replies."""
    both = value if isinstance(value, tuple | list) else (value,)
    return tuple(str(one).strip()[:3] for one in both)


def keywords(reply: str) -> set[str]:
    """What EHLO lists."""
    return {line[4:].split(" ")[0].upper() for line in reply.split("\n")[1:]}


def demand_offers(expected: set[str], offers: object) -> None:
    given = offers if isinstance(offers, list | tuple | set | frozenset) else ()
    found = {str(one).upper().split(" ")[0] for one in given}
    if found != expected:
        raise Failed(
            "all extensions that aiosmtpd lists and your receiver does not, in offers",
            repr(offers),
            "RFC 5321 §4.1.1.1",
            "one in each line of the answer to EHLO but the first: its first word",
        )


PARTS = (
    Part("own", 1, "your receiver took a letter from a real server"),
    Part("aiosmtpd", 1, "so did aiosmtpd"),
    Part("differences", 2, "what it does differently"),
)
EXERCISES = (
    Exercise("2.4", 4, "two receivers, compared", begin_2_4, check_2_4, PARTS),
)
