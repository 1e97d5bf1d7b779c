"""Exercise 8.1 of notebook 08: close the open relay without closing the door.

Some 250 ways to relay stand in `probes.txt`. The server gets them in real sessions; the
student's rule gets those that are about the recipient alone.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.net.stream import Stream
from maillab.trace.events import Event
from maillab.world.console import Console

from .beginning import decisive, reset

FILE = Path(__file__).parent / "probes.txt"
STRANGER = "FROM:<spammer@stranger.example>"
PER_SESSION = 8  # servers hang up on who makes too many mistakes
RELAYED = {"allow_relay": True}
PEOPLE = ("alice", "carol", "dave")


def begin_8_1(lab: Lab) -> Task:
    """A server with three holes; each hides the next one."""
    names = lab.names
    reset(
        lab,
        relay={"open": True, "networks": ["192.0.2.0/24"]},
        remote_domains={"*.example": RELAYED, names.branch: RELAYED},
    )
    return Task(
        "8.1",
        "Close the open relay, but not the door",
        domain=names.domain,
        people=list(PEOPLE),
        scanner=names.scanner,
        branch=names.branch,
    )


def check_8_1(lab: Lab, takes: object = None) -> Parts:
    task = lab.task("8.1")
    return {
        "server": attempt(check_server, lab, task),
        "rule": attempt(check_rule, lab, task, takes),
    }


# The server ---------------------------------------------------------------------------


def check_server(lab: Lab, task: Task) -> Evidence:
    refused = [demand_refused(lab, probe, told) for probe, told in tried(lab)]
    return {
        "visitor": demand_visitor(lab),
        "failed login": demand_failed_login(lab),
        "refused": [len(list(filter(None, refused))), digest(filter(None, refused))],
        "taken": sorted(demand_taken(lab, *errand) for errand in errands(lab, task)),
        "logged in": demand_login(lab),
    }


class Told(NamedTuple):
    """What the server said to RCPT, and on which connection."""

    reply: str
    connection: str


class Probe(NamedTuple):
    """One line of `probes.txt`."""

    expect: str
    mail: str
    before: tuple[str, ...]
    rcpt: str

    @property
    def lines(self) -> list[str]:
        return ["RSET", *self.before, f"MAIL {self.mail}", f"RCPT {self.rcpt}"]


def probes(lab: Lab) -> Iterator[Probe]:
    """All of them, with the names of this world."""
    taken = (lab.names.domain, lab.names.branch)
    words = [w for w in lab.words("8.1", 4) if f"{w}.example" not in taken]
    facts = {
        "ours": lab.names.domain,
        "user": "alice",
        "other": f"{words[0]}.example",
        "third": f"{words[1]}.example",
        "ip4": lab.names.address,
        "far4": "203.0.113.80",
    }
    mail, before = STRANGER, ()
    for row in FILE.read_text("utf-8").splitlines():
        word, _, rest = row.format(**facts).partition(" ")
        if word == "@mail":
            mail = rest
        elif word == "@before":
            before = tuple(rest.split(" | ")) if rest else ()
        elif word in ("refuse", "either"):
            yield Probe(word, mail, before, rest.strip())


def tried(lab: Lab) -> list[tuple[Probe, Told]]:
    """Every probe, as a stranger makes it: several in one session."""
    wanted = list(probes(lab))
    found: list[tuple[Probe, Told]] = []

    async def run() -> None:
        for at in range(0, len(wanted), PER_SESSION):
            found.extend(await session(lab, wanted[at : at + PER_SESSION]))

    lab.world.run(run(), on="stranger")
    return found


async def session(lab: Lab, some: Sequence[Probe]) -> list[tuple[Probe, Told]]:
    stream = await lab.world.host("stranger").connect(lab.names.address, 25)
    await replies(stream, 1)
    await talk(stream, ["EHLO stranger"])
    said = [Told((await talk(stream, one.lines))[-1], stream.id) for one in some]
    await stream.close()
    return list(zip(some, said, strict=True))


async def talk(stream: Stream, lines: Sequence[str]) -> list[str]:
    """Say them all at once (RFC 2920), and hear a reply to each."""
    stream.write("".join(f"{line}\r\n" for line in lines).encode())
    return await replies(stream, len(lines))


async def replies(stream: Stream, count: int) -> list[str]:
    """So many replies; "" for those that did not come."""
    data, ended = b"", [""] * count
    while len(last_lines(data)) < count:
        more = await stream.read()
        if not more:
            break
        data += more
    return (last_lines(data) + ended)[:count]


def last_lines(data: bytes) -> list[str]:
    rows = data.decode("utf-8", "replace").split("\r\n")[:-1]
    return [row for row in rows if row[3:4] != "-"]


def demand_refused(lab: Lab, probe: Probe, told: Told) -> str:
    """What was refused; "" for what may be taken. Raises Failed."""
    if probe.expect == "either":
        return ""
    if not told.reply.startswith("2"):
        return f"{probe.mail} {probe.rcpt}"
    raise relays(lab, f"RCPT {probe.rcpt}", told, " ".join(probe.before))


def relays(lab: Lab, what: str, told: Told, before: str = "") -> Failed:
    """A recipient that was taken, and the rule by which."""
    event = verdict_on(lab, told.connection)
    rule = str(event.get("rule")) if event else ""
    behind = f" (behind {before})" if before else ""
    return Failed(
        f"{what} refused to a stranger{behind}",
        told.reply or "no reply",
        "RFC 5321 §7.9, RFC 2505 §2.1",
        MISTAKES.get(rule, ""),
        event=event,
    )


MISTAKES = {
    "open relay": "an open relay asks nobody; behind one hole there may be others",
    "relay network": "the network that may relay holds more than the one device",
    "remote domain": "a pattern of remote domains fits more than the one that is meant",
    "IP range": "an IP range lets external mail go to external addresses",
    "login": "somebody counts as logged in who is not",
}


def verdict_on(lab: Lab, connection: str) -> Event | None:
    """The first recipient that a policy let through on a connection, and not in."""
    for event in lab.world.trace.of_kind("policy"):
        taken = event.connection == connection and event["verdict"] == "accept"
        if taken and event.get("rule") in MISTAKES:
            return event
    return None


def demand_visitor(lab: Lab) -> list[str]:
    """Who sits beside the scanner is not the scanner."""
    told = ask(lab, "visitor", f"alice@{lab.names.domain}", "bob@bigmail.example")
    if told.reply.startswith("2"):
        raise relays(lab, "RCPT by a guest in the café", told)
    return [lab.names.visitor, told.reply[:1]]


def demand_failed_login(lab: Lab) -> str:
    """AUTH that failed is no login (RFC 4954 §4)."""
    with lab.examine("stranger", lab.names.server, 587) as console:
        wrong = base64.b64encode(b"\0alice\0no-such-word").decode()
        console.say("EHLO stranger", f"AUTH PLAIN {wrong}", "MAIL FROM:<>")
        reply = console.say("RCPT TO:<bob@bigmail.example>")
        if reply.startswith("2"):
            raise relays(lab, "RCPT after a failed AUTH", Told(reply, console.id))
    return reply[:1]


def errands(lab: Lab, task: Task) -> Iterator[tuple[str, str, str]]:
    """Mail that must get through: from where, sender, recipient."""
    domain, branch = task.domain, task.branch
    for name in task.people:
        yield "mx.bigmail.example", "bob@bigmail.example", f"{name}@{domain}"
    yield "mx.bigmail.example", "", f"alice@{domain}"
    yield "stranger", "someone@stranger.example", f"postmaster@{domain}"
    yield "stranger", "someone@stranger.example", f"alice@{domain.upper()}"
    yield "stranger", "someone@stranger.example", f"ivy@{branch}"
    yield "mx.bigmail.example", "", f"ivy@{branch}"
    yield "scanner", f"alice@{domain}", "bob@bigmail.example"
    yield "scanner", f"scanner@{domain}", "dora@megapost.example"


def demand_taken(lab: Lab, host: str, sender: str, recipient: str) -> list[str]:
    """Raises Failed when it is refused."""
    told = ask(lab, host, sender, recipient)
    if not told.reply.startswith("2"):
        raise Failed(
            f"RCPT TO:<{recipient}> taken from {host}, MAIL FROM:<{sender}>",
            told.reply or "no reply",
            "RFC 5321 §3.3, §4.5.5",
            "who closes the door keeps letters out that are meant for us, or those of "
            "our own devices",
        )
    return [lab.world.host(host).addresses[0], sender, recipient.lower()]


def ask(lab: Lab, host: str, sender: str, recipient: str) -> Told:
    """One envelope, which is taken back."""
    lines = (f"EHLO {host}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>")
    with lab.examine(host, lab.names.server, 25) as console:
        return Told(decisive(console.say(*lines)), console.id)


def demand_login(lab: Lab) -> list[str]:
    """Who travels logs in, inside TLS, and may send anywhere (RFC 6409 §4.3)."""
    carol = lab.world.user("carol")
    with lab.examine("carol-home", lab.names.server, 587) as console:
        said = logged_in(lab, console, carol.address, carol.password)
    if not said[-1].startswith("2"):
        raise Failed(
            "RCPT TO:<bob@bigmail.example> taken at port 587 after STARTTLS and AUTH",
            next((reply for reply in said if reply[:1] in "45"), said[-1]),
            "RFC 6409 §4.3",
            "a login is what lets our own people relay from anywhere",
        )
    return [carol.address, *(reply[:3] for reply in said)]


def logged_in(lab: Lab, console: Console, user: str, password: str) -> list[str]:
    """The replies to STARTTLS, AUTH, MAIL, RCPT."""
    console.say("EHLO carol-home")
    said = [console.say("STARTTLS")]
    if said[0].startswith("220"):
        console.start_tls()
        console.say("EHLO carol-home")
    plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    lines = (f"AUTH PLAIN {plain}", f"MAIL FROM:<{user}>")
    said += [console.say(line) for line in lines]
    return [*said, console.say("RCPT TO:<bob@bigmail.example>")]


# The rule -----------------------------------------------------------------------------


class Case(NamedTuple):
    """What the student's rule is asked, and what is right."""

    right: bool
    sender: str
    recipient: str
    client: str
    user: str


def check_rule(lab: Lab, task: Task, takes: object) -> Evidence:
    if not callable(takes):
        raise Failed("a function takes(sender, recipient, client, user)", f"{takes!r}")
    decided = [demand_decision(takes, c, task.domain) for c in cases(lab, task)]
    return {"cases": len(decided), "decided": digest(decided)}


def cases(lab: Lab, task: Task) -> Iterator[Case]:
    far, near = "203.0.113.9", lab.names.scanner
    bob, ivy = "bob@bigmail.example", f"ivy@{task.branch}"
    alice = f"alice@{task.domain}"
    for host, sender, recipient in errands(lab, task):
        client = near if host == "scanner" else far
        yield Case(True, sender, recipient, client, "")
    yield Case(True, alice, bob, far, alice)
    yield Case(True, alice, ivy, far, alice)
    yield Case(False, alice, bob, lab.names.visitor, "")
    yield Case(False, "", f"victim%bigmail.example@{task.branch}", far, "")
    yield Case(False, "", f"bigmail.example!victim@{task.branch}", far, "")
    yield Case(False, "", f'"victim@bigmail.example"@{task.branch}', far, "")
    for probe in probes(lab):
        path = probe.rcpt.removeprefix("TO:<").removesuffix(">")
        if probe.expect == "refuse" and probe.rcpt == f"TO:<{path}>":
            sender = probe.mail.removeprefix("FROM:<").removesuffix(">")
            yield Case(False, sender, path, far, "")
    yield Case(False, alice, f"ghost@{task.domain}", far, alice)


def demand_decision(takes: Callable[..., Any], case: Case, domain: str) -> str:
    given = case[1:]
    call = f"takes({', '.join(map(repr, given))})"
    try:
        found = takes(*given)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a student's function)
        failed = "the function fails: call it by hand, and read the traceback"
        name = type(error).__name__
        raise Failed(f"{call} → {case.right}", name, perhaps=failed) from None
    if found is not case.right:
        raise Failed(f"{call} → {case.right}", short(found), *see(case, domain))
    return f"{call} {found}"


def short(found: object) -> str:
    return repr(found) if isinstance(found, bool | None) else type(found).__name__


def see(case: Case, domain: str) -> tuple[str, str]:
    """Where to read, and the likely mistake."""
    if case.right:
        return right_one(case, domain)
    if case.recipient.startswith("@"):
        return "RFC 5321 §3.6.1", "a source route names hosts, not the recipient's"
    if case.recipient.count("@") > 1:
        return "RFC 5321 §4.1.2", "the domain stands behind the last @, not the first"
    if {"%", "!"} & set(case.recipient):
        return "RFC 2505 §2.1", "a % or ! in the local part may be a route"
    if case.recipient.endswith(f"@{domain}"):
        return "RFC 5321 §3.3", "a name that nobody has is nobody's, whoever writes"
    return "RFC 5321 §7.9", "who says that he is one of us is not yet one of us"


def right_one(case: Case, domain: str) -> tuple[str, str]:
    """The likely mistake of who refuses what must get through."""
    local, _, ours = case.recipient.rpartition("@")
    if local == "postmaster":
        return "RFC 5321 §4.5.1", "postmaster is a name that everybody may write to"
    if ours != ours.lower():
        return "RFC 5321 §2.4", "in a domain, capital letters and small ones are equal"
    if ours == domain:
        return "RFC 5321 §3.3", "mail for our own people comes in from anybody"
    if local == "ivy":
        return "RFC 5321 §3.6.2", "we take mail for the branch, too, from anybody"
    return "RFC 5321 §7.9", "who logs in, and the scanner, may write to everybody"


def digest(rows: Iterator[str] | Sequence[str]) -> str:
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


EXERCISES = (
    Exercise(
        "8.1",
        4,
        "the relay is closed, and the door is open",
        begin_8_1,
        check_8_1,
        (
            Part("server", 2, "strangers do not get through, letters do"),
            Part("rule", 2, "the rule knows all the disguises"),
        ),
    ),
)
