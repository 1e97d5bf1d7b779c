"""Exercise 4.3 of notebook 04: six broken zones, to diagnose and to repair."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.grading.letters import field

from .beginning import restore

LAME = "ns.attic.example"
FIVE_WEEKS = 5 * 7 * 86400
A_DAY = 86400

# The faults ---------------------------------------------------------------------------


class Fault(NamedTuple):
    """A way to break a zone, and what a student may read of it."""

    title: str
    section: str
    perhaps: str
    break_it: Callable[[Lab, str], None]


def make_alias(lab: Lab, domain: str) -> None:
    zone = lab.world.zone(domain)
    zone.remove("mail", "A")
    zone.add("mail", "CNAME", f"{lab.names.exchanger}.")


def make_address(lab: Lab, domain: str) -> None:
    address = lab.world.host(lab.names.exchanger).addresses[0]
    lab.world.zone(domain).replace("@", "MX", f"10 {address}")


def drop_dot(lab: Lab, domain: str) -> None:
    lab.world.zone(domain).replace("@", "MX", f"10 mail.{domain}")


def make_lame(lab: Lab, domain: str) -> None:
    lab.world.delegate(domain, {LAME: []})


def make_null(lab: Lab, domain: str) -> None:
    lab.world.zone(domain).replace("@", "MX", "0 .")


def make_lasting(lab: Lab, domain: str) -> None:
    (old,) = lab.world.zone(lab.names.coop).records("old", "A")
    lab.world.zone(domain).replace("mail", "A", old, ttl=FIVE_WEEKS)


FAULTS = {
    "alias": Fault(
        "the mail exchanger was an alias",
        "RFC 2181 §10.3",
        "an answer with a CNAME on the way: dig(…).aliases",
        make_alias,
    ),
    "address": Fault(
        "the MX record held an address",
        "RFC 5321 §5.1",
        "an MX record names a host; numbers are read as a name",
        make_address,
    ),
    "dot": Fault(
        "a final dot was missing",
        "RFC 1035 §5.1",
        "without its final dot a name gets the origin behind it once more",
        drop_dot,
    ),
    "lame": Fault(
        "the delegation was lame",
        "RFC 1912 §2.8",
        "the zone above names a server that does not have the zone",
        make_lame,
    ),
    "null": Fault(
        "the MX record was null",
        "RFC 7505 §3",
        "a single dot instead of a host means: no mail at all",
        make_null,
    ),
    "ttl": Fault(
        "the record lived for five weeks",
        "RFC 1034 §3.6",
        "look at the TTL, and at the address: that server is gone",
        make_lasting,
    ),
}
PARTS = tuple(Part(name, 1, fault.title) for name, fault in FAULTS.items())


# The starting state -------------------------------------------------------------------


def begin_4_3(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    broken = draw(lab)
    clear(lab, sorted(broken))
    for domain, word in broken.items():
        FAULTS[word].break_it(lab, domain)
    for domain in sorted(broken):
        world.user("bob").send(f"info@{domain}", "Opening hours?", "Are you open?")
    world.settle()
    return Task(
        "4.3",
        "Find what is wrong with each of six zones, and put it right",
        domains=sorted(broken),
        faults=tuple(FAULTS),
        nameserver=names.nameserver,
        exchanger=names.exchanger,
        exchanger_address=world.host(names.exchanger).addresses[0],
    )


def draw(lab: Lab) -> dict[str, str]:
    """Domain -> its fault."""
    tables = lab.world.scenario.users
    domains = [a.partition("@")[2] for a in tables if a.startswith("info@")]
    words = list(FAULTS)
    lab.random("4.3 faults").shuffle(words)
    return dict(zip(domains, words, strict=True))


def clear(lab: Lab, domains: list[str]) -> None:
    """All is well, and nobody remembers anything."""
    world, names = lab.world, lab.names
    restore(lab, names.registry, "test")
    restore(lab, names.nameserver, names.coop, *domains)
    world.name_servers[LAME].zones.clear()
    restore(lab, LAME, "attic.example")
    world.power_on(names.exchanger)
    for host in (names.resolver, names.server, "desk"):
        world.resolver(host).flush()
    for domain in domains:
        world.user(f"info@{domain}").inbox.expunge(uids(lab, domain))


def uids(lab: Lab, domain: str) -> list[int]:
    return [m.uid for m in lab.world.user(f"info@{domain}").inbox.messages]


# The check ----------------------------------------------------------------------------


def check_4_3(lab: Lab, found: object = None) -> Parts:
    task = lab.task("4.3")
    lab.world.resolver(lab.names.server).flush()
    right = {word: domain for domain, word in draw(lab).items()}
    return {
        word: attempt(check_part, lab, task, (word, right[word], found))
        for word in FAULTS
    }


def check_part(lab: Lab, task: Task, part: tuple[str, str, object]) -> Evidence:
    word, domain, found = part
    diagnosis = read_diagnoses(task, found)
    demand_diagnosis(word, domain, diagnosis)
    hosts = demand_exchangers(lab, word, domain)
    addresses = sorted(a for host in hosts for a in demand_addresses(lab, word, host))
    if addresses != [task.exchanger_address]:
        raise unrepaired(word, "one exchanger, with the address of task", addresses)
    demand_lifetimes(lab, word, domain)
    return {
        "domain": domain,
        "diagnosis": diagnosis[domain],
        "addresses": addresses,
        **deliver(lab, word, domain),
    }


def read_diagnoses(task: Task, found: object) -> dict[str, str]:
    """The student's table, with domains in one spelling."""
    if not isinstance(found, Mapping) or not found:
        raise Failed(
            "a dict with one of the words of task.faults for each domain",
            "nothing" if found in (..., None, {}) else repr(found)[:80],
            perhaps="found = {domain: diagnose(domain) for domain in task.domains}",
        )
    table: Mapping[Any, Any] = found
    return {str(d).lower().rstrip("."): str(word) for d, word in table.items()}


def demand_diagnosis(word: str, domain: str, diagnosis: Mapping[str, str]) -> None:
    if diagnosis.get(domain) == word and list(diagnosis.values()).count(word) == 1:
        return
    said = sorted(d for d, given in diagnosis.items() if given == word)
    raise Failed(
        f"{word!r} for the one domain that has this fault",
        f"{word!r} for {', '.join(said) or 'none'}",
        FAULTS[word].section,
        FAULTS[word].perhaps,
    )


def demand_exchangers(lab: Lab, word: str, domain: str) -> list[str]:
    """The hosts of the MX records, as the office finds them, which forgot all."""
    answer = lab.world.dig(domain, "MX", host=lab.names.server)
    hosts = [record.split()[1].lower().rstrip(".") for record in answer.records]
    if not hosts or hosts == [""]:
        raise unrepaired(word, "an MX record that names a host", answer.records)
    return hosts


def demand_addresses(lab: Lab, word: str, host: str) -> list[str]:
    answer = lab.world.dig(host, "A", host=lab.names.server)
    if not answer.records or answer.aliases:
        told = [f"{host} is an alias"] if answer.aliases else [f"{host}: none"]
        raise unrepaired(word, "a mail exchanger with an A record of its own", told)
    return answer.records


def demand_lifetimes(lab: Lab, word: str, domain: str) -> None:
    """No record of the zone is to be remembered for more than a day."""
    for row in lab.world.zone(domain).text().splitlines():
        fields = row.split()
        if len(fields) > 2 and fields[1].isdigit() and int(fields[1]) > A_DAY:
            told = [f"{fields[3]} {' '.join(fields[4:])} for {fields[1]} seconds"]
            raise unrepaired(word, "no record that lives longer than a day", told)


UNREPAIRED = (
    "the diagnosis is right, the zone is not yet: look at it with dig and server="
)
UNDELEGATED = (
    "the diagnosis is right; nothing is wrong inside this zone, but with what the zone "
    "above says of it"
)


def unrepaired(word: str, expected: str, found: list[str]) -> Failed:
    return Failed(
        f"after the repair {expected}",
        ", ".join(found) or "none",
        FAULTS[word].section,
        UNDELEGATED if word == "lame" else UNREPAIRED,
    )


def deliver(lab: Lab, word: str, domain: str) -> Evidence:
    """A letter from the office, which remembers nothing, arrives."""
    world = lab.world
    start, before = len(world.trace), uids(lab, domain)
    subject = f"About the {lab.words(f'4.3 {word}', 1)[0]}"
    world.send("alice", f"info@{domain}", subject, "Are you open?")
    sent = [e for e in world.trace[start:] if e.host == lab.names.server]
    inbox = world.user(f"info@{domain}").inbox
    arrived = [m for m in inbox.messages if m.uid not in before]
    if not arrived:
        failed = [e for e in sent if e.kind in ("deferred", "bounced")]
        raise Failed(
            "that a letter arrives after the repair",
            failed[-1]["reason"] if failed else "it is on its way",
            FAULTS[word].section,
            "the mailboxes of all six are at task.exchanger",
            event=failed[-1] if failed else None,
            at=lab.names.server,
        )
    inbox.expunge([message.uid for message in arrived])  # a check changes no mailbox
    tried = [e["address"] for e in sent if e.kind == "attempt"]
    return {"reached": tried, "letter": field(arrived[-1].content, "Subject")}


EXERCISES = (
    Exercise("4.3", 6, "six zones are well again", begin_4_3, check_4_3, PARTS),
)
