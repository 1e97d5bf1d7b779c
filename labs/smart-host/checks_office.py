"""Exercise 11.3 of notebook 11: the same with IIS, a partner, and a cloud tenant."""

from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt
from maillab.grading.dialogue import transactions
from maillab.grading.exercise import Evidence
from maillab.grading.letters import letter, subjects
from maillab.trace.session import Session

from .checks_home import describe
from .checks_relay import code_of

PARTS = (
    Part("relay", 1, "the machines of the office relay, its guests do not"),
    Part("partner", 2, "the remote domain: TLS from the first octet, with a login"),
    Part("cloud", 2, "all other mail: the tenant, in the name of its account"),
)
MACHINES = "192.168.2.0/25"


def begin_11_3(lab: Lab) -> Task:
    lab.restore(lab.names.office_server)
    users = {name: lab.world.user(name) for name in accounts(lab)}
    scanner, office = users.values()
    return Task(
        "11.3",
        "Let the scanner write",
        server=lab.names.office_server,
        machines=MACHINES,
        partner=lab.names.partner,
        partner_host=lab.names.partner_server,
        partner_user=office.address,
        partner_password=office.password,
        cloud_host=lab.names.cloud,
        cloud_user=scanner.address,
        cloud_password=scanner.password,
    )


def accounts(lab: Lab) -> tuple[str, str]:
    return f"scanner@{lab.names.tenant}", f"office@{lab.names.partner}"


def check_11_3(lab: Lab) -> dict[str, Evidence | Failed]:
    lab.task("11.3")
    return {
        "relay": attempt(machines_only, lab),
        "partner": attempt(partner, lab),
        "cloud": attempt(cloud, lab),
    }


def machines_only(lab: Lab) -> Evidence:
    """What RCPT for elsewhere is answered, at two places of the same network."""
    (word,) = lab.words("11.3 relay", 1)
    recipient = f"{word}@bigmail.example"
    said = {host: ask(lab, host, recipient) for host in ("scanner", "guest-laptop")}
    if not said["scanner"].startswith("2"):
        raise Failed(
            "RCPT for elsewhere taken from the scanner, which can no password",
            said["scanner"],
            "RFC 5321 §7.9",
            "Access, Relay: only the list below; the list is relay.networks",
        )
    if said["guest-laptop"].startswith("2"):
        raise Failed(
            f"RCPT for {recipient} refused to guest-laptop",
            said["guest-laptop"],
            "RFC 5321 §7.9",
            "the list is larger than task.machines: guests sit in the same network",
        )
    return {"replies": said, "recipient": recipient}


def office_address(lab: Lab) -> str:
    """The office's server is in no DNS: the scanner has its address in a menu."""
    return str(lab.world.host(lab.names.office_server).addresses[0])


def ask(lab: Lab, host: str, recipient: str) -> str:
    with lab.examine(host, office_address(lab), 25) as console:
        console.say(f"EHLO {host}", f"MAIL FROM:<scanner@{lab.names.office}>")
        return code_of(console.say(f"RCPT TO:<{recipient}>"))


def scan(lab: Lab, recipient: str, subject: str) -> list[Session]:
    """The scanner hands in a letter; the sessions of the office's server after that."""
    lab.world.server(lab.names.office_server).queue.clear()
    began = len(lab.world.trace.sessions)
    me = f"scanner@{lab.names.office}"
    octets = letter(me, recipient, subject, "Page 1 of 1").decode()
    with lab.examine("scanner", office_address(lab), 25) as console:
        console.say("EHLO scanner", f"MAIL FROM:<{me}>", f"RCPT TO:<{recipient}>")
        console.say("DATA")
        console.say(*octets.split("\r\n")[:-1], ".")
    lab.world.advance("3 min")
    new = lab.world.trace.sessions[began:]
    return [s for s in new if s.client == lab.names.office_server]


def demand_way(lab: Lab, sessions: list[Session], wanted: str, perhaps: str) -> None:
    for session in sessions:
        if describe(lab, session) != wanted:
            raise Failed(
                wanted,
                f"{describe(lab, session)}; {session.outcome}",
                "RFC 5598 §4.3.2",
                perhaps,
                event=session.events[0],
                at=lab.names.office_server,
            )
    if not sessions:
        raise Failed(
            wanted,
            "no connection of the office's server",
            "RFC 5321 §7.9",
            "the scanner's letter was not even taken: see the part relay",
        )


def partner(lab: Lab) -> Evidence:
    user = accounts(lab)[1]
    subject = " ".join(lab.words("11.3 partner", 3))
    lab.fill_inbox("petra", [])
    sessions = scan(lab, lab.world.user("petra").address, subject)
    wanted = f"{lab.names.partner_server}:465, TLS, AUTH as {user}"
    demand_way(
        lab,
        sessions,
        wanted,
        "a remote domain has its own smart_host, and port 465 needs implicit_tls",
    )
    arrived = subjects(lab.world.user("petra").inbox)
    if arrived != [subject]:
        raise Failed("the letter at the partner's", f"{len(arrived)}", "RFC 5321 §6.1")
    return {"sessions": sorted({describe(lab, s) for s in sessions}), "at": arrived}


def cloud(lab: Lab) -> Evidence:
    user = accounts(lab)[0]
    subject = " ".join(lab.words("11.3 cloud", 3))
    lab.fill_inbox("bob", [])
    sessions = scan(lab, lab.world.user("bob").address, subject)
    wanted = f"{lab.names.cloud}:587, TLS, AUTH as {user}"
    demand_way(
        lab,
        sessions,
        wanted,
        "delivery.smart_host takes what no remote domain has; 587 speaks STARTTLS",
    )
    senders = sorted({t.mail_from for s in sessions for t in transactions(s)})
    arrived = subjects(lab.world.user("bob").inbox)
    if arrived != [subject]:
        raise Failed(
            "a letter that the tenant takes",
            f"it refused the sender {said_senders(sessions)}",
            "RFC 6409 §6.1",
            "a tenant sends as its account only (Send As): IIS' masquerade domain "
            "rewrites the sender",
            event=sessions[-1].events[0],
            at=lab.names.office_server,
        )
    return {"sessions": [wanted], "senders": senders, "arrived": arrived}


def said_senders(sessions: list[Session]) -> str:
    """RFC5321.MailFrom as it went over the line, also where it was refused."""
    rows = [row for s in sessions for line in s.lines for row in line.rows]
    said = {r[10:].split()[0] for r in rows if r.upper().startswith("MAIL FROM:")}
    return ", ".join(sorted(said)) or "that nobody named"


EXERCISES = (
    Exercise(
        *("11.3", 5, "the office sends by its partner and by the cloud"),
        begin_11_3,
        check_11_3,
        PARTS,
    ),
)
