"""Exercise 4.2 of notebook 04: give a domain a mailbox, and outwait a denial."""

from collections.abc import Callable, Sequence

from maillab.dns.answers import text_of
from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.dialogue import Transaction, transactions
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.grading.letters import field, subjects
from maillab.trace.events import Event
from maillab.world.lookups import Dig

from .beginning import restore

A_MOMENT = 2.0  # seconds: a cache counts whole ones

# The starting state: registered and unknown -------------------------------------------


def begin_4_2(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    domain = names.domain
    (word,) = lab.words("4.2", 1)
    task = Task(
        "4.2",
        "Give your domain a mailbox",
        domain=domain,
        nameserver=f"ns.{domain}",
        nameserver_address=world.host(f"ns.{domain}").addresses[0],
        exchanger=f"mail.{domain}",
        exchanger_address=world.host(f"mail.{domain}").addresses[0],
        sender=world.user("bob").address,
        recipient=world.user("robin").address,
        subject=f"The {word} nest",
    )
    clear(lab, task)
    world.send("bob", task.recipient, "Are you there?", "Hello?")
    denials = denials_of(lab, domain)
    task.began = len(world.trace)
    task.denied = denials[-1].time_ns / 1e9
    task.patience = denial_length(lab, domain)
    return task


def clear(lab: Lab, task: Task) -> None:
    """Take away what was done before: zone, delegation, PTR, what people remember."""
    world, names = lab.world, lab.names
    restore(lab, names.registry, "example", "in-addr.arpa")
    restore(lab, names.nameserver, names.reverse)
    if task.nameserver in world.name_servers:
        world.name_servers[task.nameserver].zones.clear()
    for host in (names.resolver, names.server, "desk"):
        world.resolver(host).flush()
    lab.fill_inbox("robin", [])


def denials_of(lab: Lab, domain: str) -> list[Event]:
    """When the provider's resolver was told that there is no such domain."""
    asked = lab.world.trace.of_kind("dns")
    return [
        event
        for event in asked
        if (event.host, event["question"]) == (lab.names.resolver, domain)
        and (event["rcode"], event["cached"]) == ("NXDOMAIN", False)
    ]


def denial_length(lab: Lab, domain: str) -> float:
    """For how many seconds it remembers that (RFC 2308 §5)."""
    above = lab.world.zone(domain.partition(".")[2])
    return float(above.records("@", "SOA")[0].split()[-1])


# The four parts -----------------------------------------------------------------------

PARTS = (
    Part("zone", 1, "your name server answers with authority"),
    Part("delegation", 1, "from the root down everybody finds it"),
    Part("reverse", 1, "the address leads back to the name"),
    Part("letter", 2, "the letter came when the denial had ended"),
)


def check_4_2(lab: Lab) -> Parts:
    task = lab.task("4.2")
    lab.world.resolver("desk").flush()
    checks: dict[str, Callable[[Lab, Task], Evidence]] = {
        "zone": check_zone,
        "delegation": check_delegation,
        "reverse": check_reverse,
        "letter": check_letter,
    }
    return {name: attempt(check, lab, task) for name, check in checks.items()}


def check_zone(lab: Lab, task: Task) -> Evidence:
    mx = ask_own(lab, task, task.domain, "MX")
    if mx.status != "NOERROR" or "aa" not in mx.flags:
        raise Failed(
            f"an authoritative MX answer of {task.nameserver}",
            mx.status,
            "RFC 1035 §4.1.1",
            "world.serve_zone(host, origin, text) gives a host a zone"
            if mx.status in ("timeout", "REFUSED")
            else "the MX record belongs to the domain itself: @ in its zone",
        )
    exchangers = sorted(record.split()[1].lower().rstrip(".") for record in mx.records)
    demand_exchanger(task, exchangers)
    addresses = demand_address(lab, task, task.exchanger, task.exchanger_address)
    servers = demand_servers(lab, task)
    glue = demand_address(lab, task, task.nameserver, task.nameserver_address)
    return {"mx": exchangers, "address": addresses, "ns": servers, "glue": glue}


def demand_exchanger(task: Task, exchangers: Sequence[str]) -> None:
    if exchangers == [task.exchanger]:
        return
    twice = any(name.endswith(f"{task.domain}.{task.domain}") for name in exchangers)
    number = any(name[:1].isdigit() for name in exchangers)
    raise Failed(
        f"the mail exchanger {task.exchanger}",
        ", ".join(exchangers),
        "RFC 1035 §5.1" if twice else "RFC 5321 §5.1",
        "without a final dot a name in a zone file is below its origin"
        if twice
        else "an MX record names a host, never an address"
        if number
        else "one MX record, with a preference and the name of your mail server",
    )


def demand_servers(lab: Lab, task: Task) -> list[str]:
    """The NS records at the top of the zone."""
    found = ask_own(lab, task, task.domain, "NS").records
    servers = sorted(name.lower().rstrip(".") for name in found)
    if servers != [task.nameserver]:
        raise Failed(
            f"{task.nameserver} as the only name server of the zone",
            ", ".join(servers) or "none",
            "RFC 1034 §4.2.1",
            "the NS records of zone and delegation are the same",
        )
    return servers


def demand_address(lab: Lab, task: Task, host: str, address: str) -> list[str]:
    dig = ask_own(lab, task, host, "A")
    if dig.records != [address] or dig.aliases:
        raise Failed(
            f"an A record of {host} with its address",
            f"an alias of {dig.aliases[0]}"
            if dig.aliases
            else ", ".join(dig.records) or dig.status,
            "RFC 2181 §10.3" if dig.aliases else "RFC 1035 §3.4.1",
            "what an MX or NS record names has an address and is no alias"
            if dig.aliases
            else "each host of the zone needs an A record of its own",
        )
    return dig.records


def ask_own(lab: Lab, task: Task, name: str, rdtype: str) -> Dig:
    return lab.world.dig(
        name, rdtype, host="desk", server=task.nameserver, recurse=False
    )


def check_delegation(lab: Lab, task: Task) -> Evidence:
    walk = lab.world.dns_walk(task.domain, "NS", host="desk")
    steps = [(text_of(step.zone), step.server.lower()) for step in walk.steps]
    if walk.answer.status != "NOERROR":
        led = any(zone == task.domain for zone, _ in steps)
        raise Failed(
            f"a walk from the root down that ends at {task.nameserver}",
            f"{walk.answer.status} after {', '.join(server for _, server in steps)}",
            "RFC 1034 §4.2.1",
            "the glue must be the address of the name server itself"
            if led
            else "the zone above must name your server: world.delegate(…)",
        )
    if steps[-1] != (task.domain, task.nameserver):
        raise Failed(
            f"that {task.nameserver} is asked in the end",
            f"{steps[-1][1]} for {steps[-1][0]}",
            "RFC 1034 §4.2.1",
            "delegate your domain, and nothing above or below it",
        )
    return {"walk": [list(step) for step in steps], "glue": walk.steps[-1].address}


def check_reverse(lab: Lab, task: Task) -> Evidence:
    back = lab.world.dig(task.exchanger_address, "PTR", host="desk")
    pointers = sorted(name.lower().rstrip(".") for name in back.records)
    if pointers != [task.exchanger]:
        twice = any(name.endswith("in-addr.arpa") for name in pointers)
        raise Failed(
            "a PTR record that leads from the address to the mail server",
            ", ".join(pointers) or back.status,
            "RFC 1035 §5.1" if twice else "RFC 1035 §3.5",
            "without a final dot a name in a zone file is below its origin"
            if twice
            else "the reverse name has the last number of the address first"
            if not pointers
            else "the PTR record names the host, not the domain",
        )
    there = lab.world.dig(pointers[0], "A", host="desk").records
    if there != [task.exchanger_address]:
        raise Failed(
            "that the name leads to the same address again",
            ", ".join(there) or "nothing",
            "RFC 1912 §2.1",
            "first make the name known: zone and delegation",
        )
    return {"pointer": pointers, "and back": there}


# The letter ---------------------------------------------------------------------------


def check_letter(lab: Lab, task: Task) -> Evidence:
    demand_denial_ended(lab, task)
    arrived = subjects(lab.world.user("robin").inbox)
    carried = [t for t in deliveries(lab, task) if t.accepted]
    fitting = [t for t in carried if field(t.content, "Subject") == task.subject]
    if task.subject not in arrived or not fitting:
        bounce = last(lab, task, "bounced", "deferred")
        raise Failed(
            f"a letter of {task.sender} with task.subject in the INBOX of "
            f"{task.recipient}",
            bounce["reason"] if bounce else "no such letter",
            "RFC 5321 §5.1",
            "a wrong record is remembered, too: wait until its TTL is over"
            if bounce and bounce.kind == "deferred"
            else "a bounced letter does not come again: it must be sent once more",
            event=bounce,
            at=lab.names.sender,
        )
    return {
        "envelope": [fitting[-1].mail_from, *fitting[-1].rcpt_to],
        "letter": field(fitting[-1].content, "Subject"),
        "learnt": sorted(learnt(lab, task)[-1]["answers"])[0].split()[-1].lower(),
    }


def demand_denial_ended(lab: Lab, task: Task) -> None:
    """The provider's resolver asked again by itself, not because it was emptied."""
    denied = task.denied
    for event in resolved(lab, task):
        if event["rcode"] == "NXDOMAIN":
            check_patience(task, event, denied, lab)
            denied = event.time_ns / 1e9
        elif event["rcode"] == "NOERROR":
            return check_patience(task, event, denied, lab)
    told = last(lab, task, "bounced")
    raise Failed(
        f"that {lab.names.resolver} has learnt your MX record",
        "it still believes that there is no such domain"
        if lab.world.time < denied + task.patience
        else "nobody has asked it since the denial ended",
        "RFC 2308 §5",
        "a denial is remembered as long as the SOA record of the zone above says",
        event=told,
        at=lab.names.sender,
    )


def check_patience(task: Task, event: Event, denied: float, lab: Lab) -> None:
    """This question to the servers came when the denial before it had ended."""
    if event.time_ns / 1e9 < denied + task.patience - A_MOMENT:
        raise Failed(
            f"that {lab.names.resolver} forgets its denial when its time is over",
            "it was made to forget before",
            "RFC 2308 §5",
            "you cannot flush other people's resolvers: find out how long, and wait",
            event=event,
            at=lab.names.resolver,
        )


def resolved(lab: Lab, task: Task) -> list[Event]:
    """What name servers told the provider's resolver about the domain's MX."""
    new = lab.world.trace[task.began :]
    asked = [e for e in new if e.kind == "dns" and e.host == lab.names.resolver]
    return [
        event
        for event in asked
        if not event["cached"]
        and (event["question"].lower(), event["type"]) == (task.domain, "MX")
        and event["rcode"] in ("NXDOMAIN", "NOERROR")
    ]


def learnt(lab: Lab, task: Task) -> list[Event]:
    return [event for event in resolved(lab, task) if event["rcode"] == "NOERROR"]


def deliveries(lab: Lab, task: Task) -> list[Transaction]:
    """From the provider's server to yours."""
    sessions = lab.sessions("4.2", "SMTP")
    both = (lab.names.sender, task.exchanger)
    ours = [s for s in sessions if (s.client, s.server) == both]
    return [transaction for session in ours for transaction in transactions(session)]


def last(lab: Lab, task: Task, *kinds: str) -> Event | None:
    """The last event of these kinds about a letter to you."""
    new = lab.world.trace[task.began :]
    fitting = [e for e in new if e.kind in kinds and e["recipient"] == task.recipient]
    return fitting[-1] if fitting else None


EXERCISES = (
    Exercise("4.2", 5, "the domain has a mailbox", begin_4_2, check_4_2, PARTS),
)
