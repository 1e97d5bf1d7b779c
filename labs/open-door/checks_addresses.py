"""Exercise 8.2 of notebook 08: who may relay by address, and who by which login."""

import base64
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.world.console import Console
from maillab.world.user import User

from .beginning import decisive, reset

NET = "203.0.113"  # the provider's: some addresses are ours, the others the neighbours'
MECHANISMS = ("LOGIN", "PLAIN", "SCRAM-SHA-256")
BOB = "bob@bigmail.example"
DORA = "dora@megapost.example"
STRANGER = "someone@stranger.example"


def begin_8_2(lab: Lab) -> Task:
    first, last = warehouse(lab)
    reset(
        lab,
        relay={"networks": [f"{NET}.0/24"]},
        access={"login_on_port_25": True, "mechanisms": ["LOGIN"]},
    )
    return Task(
        "8.2",
        "Who may relay by address, and who by which login",
        first=f"{NET}.{first}",
        last=f"{NET}.{last}",
        mechanisms=list(MECHANISMS),
    )


def check_8_2(lab: Lab) -> Parts:
    lab.task("8.2")
    return {
        "addresses": attempt(check_addresses, lab),
        "logins": attempt(check_logins, lab),
    }


# The warehouse ------------------------------------------------------------------------


def warehouse(lab: Lab) -> tuple[int, int]:
    """The first and the last number of our addresses; hosts stand at the ends."""
    dice = lab.random("8.2 warehouse")
    taken = {a for host in older_hosts(lab) for a in host.addresses}
    first, last = draw(dice)
    while {f"{NET}.{n}" for n in range(first - 1, last + 2)} & taken:
        first, last = draw(dice)
    places = {
        "label-printer": first,
        "stacker": (first + last) // 2,
        "scales": last,
        "neighbour-1": first - 1,
        "neighbour-2": last + 1,
    }
    for name, number in places.items():
        if name not in lab.world.hosts:
            lab.world.add_host(name, f"{NET}.{number}")
    return first, last


DEVICES = ("label-printer", "stacker", "scales")
NEIGHBOURS = ("neighbour-1", "neighbour-2")


def older_hosts(lab: Lab) -> list[Any]:
    new = {*DEVICES, *NEIGHBOURS}
    return [host for name, host in lab.world.hosts.items() if name not in new]


def draw(dice: random.Random) -> tuple[int, int]:
    """No range that a prefix can write."""
    first = 2 * dice.randrange(10, 110) + 1
    return first, first + dice.randrange(8, 15)


# Addresses ----------------------------------------------------------------------------


class Way(NamedTuple):
    """An envelope from a host, and whether the policy lets it pass."""

    passes: bool
    host: str
    sender: str
    recipient: str
    perhaps: str


OPEN = "a range that holds all addresses lets nobody relay without a login"
OURS = "the range of the devices counts only if no other one has a higher priority"


def ways(lab: Lab) -> Iterator[Way]:
    domain = lab.names.domain
    alice = f"alice@{domain}"
    no_range = "who is in no range cannot even connect: there must be one for all"
    for host, sender in (("stranger", STRANGER), ("mx.bigmail.example", "")):
        yield Way(True, host, sender, alice, no_range)
    yield Way(False, "stranger", STRANGER, BOB, OPEN)
    spoofed = "mail from local to local addresses wants a login, too"
    yield Way(False, "stranger", f"dave@{domain}", alice, spoofed)
    yield Way(False, "stranger", f"dave@{domain}", BOB, OPEN)
    for host in DEVICES:
        yield Way(True, host, f"{host}@{domain}", BOB, OURS)
        yield Way(True, host, f"{host}@{domain}", alice, OURS)
        hijacked = "a device is one of us only as long as it uses our own domain"
        yield Way(False, host, STRANGER, DORA, hijacked)
    for host in NEIGHBOURS:
        beside = "a range has a first and a last address, both within it"
        yield Way(False, host, f"dave@{domain}", BOB, beside)
        yield Way(True, host, STRANGER, alice, no_range)


def check_addresses(lab: Lab) -> Evidence:
    return {
        "ways": sorted(demand_way(lab, way) for way in ways(lab)),
        "read by": [demand_no_pop(lab, host) for host in DEVICES],
        "login": demand_traveller(lab),
    }


def demand_way(lab: Lab, way: Way) -> list[str]:
    lines = (f"MAIL FROM:<{way.sender}>", f"RCPT TO:<{way.recipient}>")
    with lab.examine(way.host, lab.names.server, 25) as console:
        reply = decisive(console.say(f"EHLO {way.host}", *lines))
    if reply.startswith("2") != way.passes:
        raise Failed(
            f"{', '.join(lines)} by {way.host} {'taken' if way.passes else 'refused'}",
            reply or console.greeting or "no reply",
            "RFC 5321 §7.9",
            way.perhaps,
            event=decision(lab, console.id),
        )
    address = lab.world.host(way.host).addresses[0]
    return [address, way.sender, way.recipient, reply[:1]]


def decision(lab: Lab, connection: str) -> Any:
    """What the last policy decided on a connection."""
    told = lab.world.trace.of_kind("policy")
    return next((e for e in reversed(told) if e.connection == connection), None)


def demand_no_pop(lab: Lab, host: str) -> list[str]:
    """Devices send; they have no business in a mailbox."""
    with lab.examine(host, lab.names.server, 110) as console:
        greeting = console.greeting
    if not greeting.startswith("-ERR"):
        raise Failed(
            f"POP3 refused to {host}: devices send, and do nothing else",
            greeting or "no greeting",
            "RFC 5321 §7.9",
            "a range says which protocols may connect",
        )
    return [lab.world.host(host).addresses[0], greeting[:4]]


def demand_traveller(lab: Lab) -> list[str]:
    """Who logs in may relay from anywhere (RFC 6409 §4.3), and read her mail."""
    carol = lab.world.user("carol")
    with lab.examine("carol-home", lab.names.server, 587) as console:
        offered = mechanisms_of(secure(console))
        said = [login(console, "LOGIN" if "LOGIN" in offered else "PLAIN", carol)]
        said += [console.say(f"MAIL FROM:<{carol.address}>")]
        said += [console.say(f"RCPT TO:<{BOB}>")]
    if not said[2].startswith("2"):
        raise Failed(
            f"RCPT TO:<{BOB}> taken at port 587 after a login",
            next(reply for reply in said if not reply.startswith("2")),
            "RFC 6409 §4.3",
            "a way that wants a login must be among those that are allowed at all",
            event=decision(lab, console.id),
        )
    return [carol.address, said[2][:1]]


# Logins -------------------------------------------------------------------------------


def check_logins(lab: Lab) -> Evidence:
    alice = lab.world.user("alice")
    closed = {"port 25": demand_none(lab), "before TLS": demand_none_in_clear(lab)}
    with lab.examine("office", lab.names.server, 587) as console:
        offered = mechanisms_of(secure(console))
        demand_offered(offered)
        done = [demand_login(lab, name) for name in ("LOGIN", "PLAIN")]
        login(console, "PLAIN", alice)
        senders = demand_own_address(lab, console)
    return {"offered": offered, "logged in": done, "senders": senders, **closed}


def secure(console: Console) -> str:
    """The reply to EHLO inside TLS."""
    console.say("EHLO examiner")
    if console.say("STARTTLS").startswith("220"):
        console.start_tls()
    return console.say("EHLO examiner")


def mechanisms_of(ehlo: str) -> list[str]:
    """What stands behind AUTH (RFC 4954 §3)."""
    rows = [row[4:].split() for row in ehlo.split("\n")]
    return sorted(name for row in rows if row[:1] == ["AUTH"] for name in row[1:])


def demand_none(lab: Lab) -> list[str]:
    """Port 25 is for servers: who offers logins there, invites guessing."""
    with lab.examine("stranger", lab.names.server, 25) as console:
        found = mechanisms_of(secure(console))
    if found:
        raise Failed(
            "no AUTH at port 25, with TLS or without",
            f"AUTH {' '.join(found)}",
            "RFC 6409 §3.1, RFC 8314 §3.3",
            "port 25 is for servers, 587 for people",
        )
    return found


def demand_none_in_clear(lab: Lab) -> list[str]:
    """Before TLS the password must not even be asked for."""
    with lab.examine("carol-home", lab.names.server, 587) as console:
        found = mechanisms_of(console.say("EHLO carol-home"))
        replies = [console.say(f"AUTH {name}") for name in MECHANISMS]
    asked = [one for one in replies if one[:1] in ("2", "3")]
    if found or asked:
        raise Failed(
            "before STARTTLS no AUTH, neither offered nor taken",
            f"AUTH {' '.join(found)}" if found else asked[0],
            "RFC 4954 §4, RFC 8314 §3.3",
            "in plain text everybody on the way can read a password",
        )
    return [*found, *(one[:1] for one in replies)]


def demand_offered(offered: list[str]) -> None:
    if offered != sorted(MECHANISMS):
        raise Failed(
            f"inside TLS AUTH {' '.join(MECHANISMS)}",
            f"AUTH {' '.join(offered)}" if offered else "no AUTH",
            "RFC 4954 §3",
            "without TLS nothing may be offered; inside TLS old programs need what "
            "they know",
        )


def demand_login(lab: Lab, mechanism: str) -> list[str]:
    dave = lab.world.user("dave")
    with lab.examine("office", lab.names.server, 587) as console:
        secure(console)
        reply = login(console, mechanism, dave)
    if not reply.startswith("235"):
        raise Failed(f"235 to AUTH {mechanism} inside TLS", reply, "RFC 4954 §4")
    return [dave.address, mechanism, reply[:3]]


def login(console: Console, mechanism: str, user: User) -> str:
    """The reply to a login, of one of the two old mechanisms."""
    if mechanism == "PLAIN":  # all in one message (RFC 4616 §2)
        words = f"\0{user.address}\0{user.password}"
        return console.say(f"AUTH PLAIN {b64(words)}")
    console.say("AUTH LOGIN")
    console.say(b64(user.address))
    return console.say(b64(user.password))


def demand_own_address(lab: Lab, console: Console) -> list[list[str]]:
    """Alice may write as Alice, and not as Dave."""
    alice, dave = (lab.world.user(name).address for name in ("alice", "dave"))
    found: list[list[str]] = []
    for sender, right in ((alice, "2"), (dave, "5")):
        reply = console.say(f"MAIL FROM:<{sender}>")
        console.say("RSET")
        if not reply.startswith(right):
            raise Failed(
                f"MAIL FROM:<{sender}> {'taken' if right == '2' else 'refused'} "
                f"after a login as {alice}",
                reply,
                "RFC 6409 §6.1",
                "a login says who you are; that it is yours, an address does not say",
            )
        found.append([sender, reply[:1]])
    return found


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


EXERCISES = (
    Exercise(
        "8.2",
        4,
        "by address or by login, and by nothing else",
        begin_8_2,
        check_8_2,
        (
            Part("addresses", 2, "the warehouse may send, the neighbours may not"),
            Part("logins", 2, "logins only inside TLS, and only as oneself"),
        ),
    ),
)
