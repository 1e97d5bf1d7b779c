"""Exercise 10.3 of notebook 10: the firewall of a PC that is exposed to everybody.

The router forwards every port: what the PC's own rules let in is in. Seven hosts try
what they should and what they should not; nothing is sent for that, the network is
asked what would become of it (`world.explain`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.net.rules import Rule
from maillab.world.explain import Explanation

ROUTER = "home-router"
OUTSIDE = ("bob-pc", "alice-phone", "neighbour", "guesser")
INSIDE = ("alice-pc", "kitchen", "guest-tablet")
FAMILY, DESK, GUESSER = ("alice-pc", "kitchen"), "alice-pc", "guesser"
MAIL, HOME, REMOTE = (25, 465, 587, 993), (110, 143, 995), (3389,)
UNINVITED = (21, 22, 23, 80, 135, 139, 443, 445, 1433, 5900, 8080)
FAMILIES = ("192.168.1.0/25", "192.168.1.0/26", "192.168.1.0/27")
GUESSERS = ("192.0.2.192/26", "192.0.2.192/27", "192.0.2.192/28")


@dataclass(frozen=True)
class Try:
    """One host, one port, and whether it should get in."""

    source: str
    port: int
    protocol: str
    welcome: bool

    def __str__(self) -> str:
        return f"{self.source} to {self.protocol} port {self.port}"


class Service(NamedTuple):
    """Some ports, and who should reach them."""

    ports: Sequence[int]
    guests: Sequence[str]


EVERYBODY = tuple(name for name in (*INSIDE, *OUTSIDE) if name != GUESSER)
SERVICES = {
    "letters": Service(MAIL, EVERYBODY),
    "at home": Service(HOME, FAMILY),
    "remote desktop": Service(REMOTE, (DESK,)),
}


def begin_10_3(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    router, firewall = world.gateway(ROUTER), world.firewall(names.server)
    world.firewall("provider").clear()
    world.add_preset("provider", "isp-blocks-25")
    router.forwards.clear()
    router.hairpin = True
    for protocol in ("tcp", "udp"):
        world.forward(ROUTER, range(1, 65536), names.server, protocol)
    world.zone(names.domain).replace("mail", "A", router.public_address)
    firewall.clear()
    world.add_preset(names.server, "windows-firewall-default")
    dice = lab.random("10.3")
    return Task(
        "10.3",
        "Write the firewall of the PC",
        mail=list(MAIL),
        home=list(HOME),
        remote_desktop=REMOTE[0],
        family=dice.choice(FAMILIES),
        alice_pc=world.host(DESK).addresses[0],
        guessers=dice.choice(GUESSERS),
    )


def check_10_3(lab: Lab) -> Parts:
    task = lab.task("10.3")
    return {name: attempt(judge, lab, task, name) for name in SERVICES}


def judge(lab: Lab, task: Task, name: str) -> Evidence:
    """Who should get in does, and nobody else."""
    opened: list[str] = []
    shut: list[str] = []
    for one in tries(name):
        seen = look(lab, one)
        if gets_in(lab, seen) != one.welcome:
            raise (stays_out if one.welcome else comes_in)(lab, one, seen)
        (opened if one.welcome else shut).append(told(lab, one, seen))
    demand_way_out(lab)
    return {"open": sorted(opened), "shut": sorted(shut)}


def tries(name: str) -> Iterator[Try]:
    """First what should work."""
    ports, guests = SERVICES[name]
    strangers = [host for host in (*INSIDE, *OUTSIDE) if host not in guests]
    yield from (Try(host, port, "tcp", True) for host in guests for port in ports)
    yield from (Try(host, port, "tcp", False) for host in strangers for port in ports)
    closed = UNINVITED if name == "letters" else ()
    for host in (*INSIDE, *OUTSIDE):
        yield from (Try(host, port, "udp", False) for port in ports)
        yield from (Try(host, port, "tcp", False) for port in closed)


def look(lab: Lab, one: Try) -> Explanation:
    """From inside straight to the PC, from outside to the router."""
    inside = lab.world.host(lab.names.server).addresses[0]
    outside = lab.world.gateway(ROUTER).public_address
    target = inside if one.source in INSIDE else outside
    return lab.world.explain(one.source, target, one.port, one.protocol)


def gets_in(lab: Lab, seen: Explanation) -> bool:
    """Whether the packet is handed to the PC, listens somebody there or not."""
    server = lab.world.host(lab.names.server)
    answered = seen.answer is not None and seen.answer.fate == "delivered"
    return seen.path is not None and seen.path.node is server and answered


def told(lab: Lab, one: Try, seen: Explanation) -> str:
    assert seen.path, "all of them have addresses"
    found = f"{one.protocol} {seen.path.sent.src[0]} → {lab.names.server}:{one.port}"
    if one.welcome:
        return f"{found} {seen.outcome.sees}"
    return f"{found} {'kept out' if seen.answer is None else 'let in'}"


def stays_out(lab: Lab, one: Try, seen: Explanation) -> Failed:
    return Failed(
        f"{one} let in",
        seen.outcome.sees,
        f'world.explain("{one.source}", …, {one.port}, "{one.protocol}")',
        why_out(lab, one),
    )


def why_out(lab: Lab, one: Try) -> str:
    rules = list(lab.world.firewall(lab.names.server))
    if not any(rule.action == "accept" for rule in rules):
        return "what no rule accepts, the last one drops: write what may come in"
    if any(is_for_all(rule) for rule in rules[:-1]):
        return "a rule behind one that drops everything is never reached: at=0"
    if one.source == "neighbour":
        return "the prefix that may not in is wider than that of the guessers"
    if one.source == "kitchen":
        return "the family has more than one PC: source takes a prefix"
    return ""


def is_for_all(rule: Rule) -> bool:
    everything = not (rule.ports or rule.source or rule.destination)
    return rule.ends and everything and rule.protocol == "any"


def comes_in(lab: Lab, one: Try, seen: Explanation) -> Failed:
    return Failed(
        f"{one} kept out",
        seen.outcome.sees,
        f'world.explain("{one.source}", …, {one.port}, "{one.protocol}")',
        why_in(lab, one),
    )


def why_in(lab: Lab, one: Try) -> str:
    rules = list(lab.world.firewall(lab.names.server))
    if not any(rule.ends for rule in rules):
        return "a firewall without a rule that drops lets everything in"
    if one.protocol == "udp":
        return "a rule without protocol is for UDP, too"
    if one.port in UNINVITED:
        return "a rule without ports is for all of them"
    if one.source == GUESSER and one.port in MAIL:
        return "the first rule that fits decides: what is for few stands above"
    if one.source == "guest-tablet":
        return "guests have addresses in the same network as the family"
    return "a rule without source is for everybody"


def demand_way_out(lab: Lab) -> None:
    seen = lab.world.explain(lab.names.server, "relay.cloud.example", 587)
    if not seen.outcome.ok:
        raise Failed(
            "the mail server still able to call others",
            seen.outcome.sees,
            "world.firewall(names.server)",
            'direction="in" is for who comes; without it a rule is for both ways',
        )


EXERCISES = (
    Exercise(
        "10.3",
        4,
        "the right ports for the right networks, and nothing else",
        begin_10_3,
        check_10_3,
        parts=(
            Part("letters", 2, "everybody but the guessers, and no other port"),
            Part("at home", 1, "the family only"),
            Part("remote desktop", 1, "one PC only"),
        ),
    ),
)
