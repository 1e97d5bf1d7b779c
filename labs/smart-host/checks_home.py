"""Exercise 11.2 of notebook 11: the server at home sends by the relay, and may."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt
from maillab.grading.exercise import Evidence
from maillab.grading.letters import subjects
from maillab.trace.session import Session

from .checks_relay import ACCOUNT, build_relay, forget_account, password
from .spf import sent_by

PARTS = (
    Part("way", 2, "all that leaves home leaves by the relay, port 587, TLS, AUTH"),
    Part("attack", 1, "without STARTTLS a letter waits"),
    Part("sender", 2, "SPF: the relay may send for the domain, others may not"),
)


def begin_11_2(lab: Lab) -> Task:
    ready_relay(lab)
    lab.restore(lab.names.home_server)
    reset_zone(lab)
    return Task(
        "11.2",
        "Send by the relay",
        server=lab.names.home_server,
        zone=lab.names.home,
        relay=lab.names.relay,
        relay_address=str(lab.world.host(lab.names.relay).addresses[0]),
        user=f"{ACCOUNT}@{lab.names.relay_domain}",
        password=password(lab),
    )


def ready_relay(lab: Lab) -> None:
    """The relay as exercise 11.1 wants it, with the account of the server at home."""
    build_relay(lab)
    forget_account(lab)
    lab.world.directory(lab.names.relay_domain).create_user(ACCOUNT, password(lab))


def reset_zone(lab: Lab) -> None:
    zone = lab.world.zone(lab.names.home)
    zone.replace("@", "MX", "10 mail")
    zone.replace("@", "TXT", '"v=spf1 mx -all"')


def check_11_2(lab: Lab) -> dict[str, Evidence | Failed]:
    lab.task("11.2")
    return {
        "way": attempt(way, lab),
        "attack": attempt(attack, lab),
        "sender": attempt(sender, lab),
    }


# The way ------------------------------------------------------------------------------


def way(lab: Lab) -> Evidence:
    """Two letters to two providers, and every packet that left for them."""
    lab.world.server(lab.names.home_server).queue.clear()
    began = len(lab.world.trace.sessions)
    subject = " ".join(lab.words("11.2 letters", 3))
    people = ("bob", "dora")
    for name in people:
        lab.fill_inbox(name, [])
        lab.world.send("alice", lab.world.user(name).address, subject)
    lab.world.advance("3 min")
    sessions = of_home(lab, lab.world.trace.sessions[began:])
    demand_no_port_25(sessions)
    used = [describe(lab, session) for session in sessions]
    wanted = f"{lab.names.relay}:587, TLS, AUTH as {lab.task('11.2').user}"
    if set(used) != {wanted}:
        raise wrong_way(lab, wanted, sessions, used)
    arrived = {name: subjects(lab.world.user(name).inbox) for name in people}
    for name, found in arrived.items():
        if found != [subject]:
            raise Failed(f"one letter for {name}", f"{len(found)}", "RFC 6409 §3.1")
    return {"sessions": sorted(set(used)), "arrived": arrived}


def of_home(lab: Lab, sessions: list[Session]) -> list[Session]:
    mine = lab.names.home_server
    return [s for s in sessions if s.client == mine]


def demand_no_port_25(sessions: list[Session]) -> None:
    for session in sessions:
        if session.port == 25:
            raise Failed(
                "no SYN to port 25 from home",
                f"one to {session.server}, which ended: {session.outcome}",
                "RFC 6409 §3.1",
                "the server still looks for the mail exchangers itself: "
                "delivery.smart_host, and no direct_first",
                event=session.events[0],
                at=session.client,
            )


def describe(lab: Lab, session: Session) -> str:
    """`relay.example:587, TLS, AUTH as user`."""
    logins = [str(e["user"]) for e in session.all("auth") if e["ok"]]
    tls = "TLS" if session.tls is not None else "in clear"
    login = f"AUTH as {logins[0]}" if logins else "no AUTH"
    return f"{session.server}:{session.port}, {tls}, {login}"


def wrong_way(
    lab: Lab, wanted: str, sessions: list[Session], used: list[str]
) -> Failed:
    perhaps = "world.configure(task.server, delivery={'smart_host': {…}})"
    if any("no AUTH" in one for one in used):
        perhaps = "user and password of the account at the relay, and TLS before them"
    found = next((one for one in used if one != wanted), "no connection at all")
    event = sessions[-1].events[0] if sessions else None
    return Failed(
        wanted, found, "RFC 6409 §4.3", perhaps, event=event, at=lab.names.home_server
    )


# The attack ---------------------------------------------------------------------------


def attack(lab: Lab) -> Evidence:
    """Somebody on the way takes STARTTLS away and asks for the password in clear."""
    subject = " ".join(lab.words("11.2 attack", 3))
    lab.fill_inbox("bob", [])
    lab.world.server(lab.names.home_server).queue.clear()
    with thief(lab):
        lab.world.send("alice", lab.world.user("bob").address, subject)
        lab.world.advance("2 min")
    server = lab.world.server(lab.names.home_server)
    waiting = [e.reverse_path for e in server.queue.entries.values()]
    early = subjects(lab.world.user("bob").inbox)
    lab.world.advance("40 min")
    arrived = subjects(lab.world.user("bob").inbox)
    if early or arrived != [subject]:
        raise lost_or_read(early, waiting)
    return {"waited": sorted(map(str, waiting)), "arrived": arrived}


def lost_or_read(early: list[str], waiting: list[object]) -> Failed:
    perhaps = "tls = encrypt or verify: a missing STARTTLS is temporary then"
    found = "it went out in clear"
    if not early:
        found = "it had not arrived 40 minutes later"
        perhaps = "it cannot leave with TLS either: see the part way"
    if not early and not waiting:
        found = "it was refused for good, and came back"
        perhaps = "without a login the relay says 5yz: user and password, and TLS"
    return Failed(
        "a letter that waits while STARTTLS is missing, and leaves when it is back",
        found,
        "RFC 3207 §6",
        perhaps,
    )


@contextmanager
def thief(lab: Lab) -> Iterator[None]:
    """Who sits on the way can also speak in the relay's name, and offer AUTH."""
    rule = lab.world.add_rule("provider", at=0, action="strip-starttls", ports=587)
    mta = lab.world.server(lab.names.relay).mta
    honest = mta.settings
    mta.settings = replace(honest, access=replace(honest.access, plain_login=True))
    try:
        yield
    finally:
        mta.settings = honest
        lab.world.remove_rule("provider", rule)


# SPF ----------------------------------------------------------------------------------


def sender(lab: Lab) -> Evidence:
    relay = str(lab.world.host(lab.names.relay).addresses[0])
    others = {
        name: str(lab.world.host(name).addresses[0])
        for name in ("neighbour", "stranger")
    }
    result = sent_by(lab, lab.names.home, relay)
    if result != "pass":
        raise Failed(
            f"pass for mail of {lab.names.home} from {relay}, the relay",
            result,
            "RFC 7208 §2.6",
            "the world sees the address of the relay now, not that of the flat; one "
            "record only, which begins with v=spf1",
        )
    wrong = {n: sent_by(lab, lab.names.home, a) for n, a in others.items()}
    if not set(wrong.values()) <= {"fail", "softfail"}:
        raise Failed(
            "fail or softfail for an address of somebody else",
            f"{next(iter(wrong.values()))} for the neighbour",
            "RFC 7208 §5.1",
            "all mechanisms behind +all or ?all are for nothing; end with -all",
        )
    return {"relay": f"{relay} {result}", "others": sorted(others.values())}


EXERCISES = (
    Exercise(
        *("11.2", 5, "home sends by the relay, and the DNS says that it may"),
        begin_11_2,
        check_11_2,
        PARTS,
    ),
)
