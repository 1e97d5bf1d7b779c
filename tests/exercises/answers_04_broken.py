"""Answers to exercise 4.3: right ones, the empty one, mistakes."""

from maillab.grading import Lab, Task
from tests.exercises.kit import Answer, Answers, empty

Found = dict[str, str]


def diagnose(lab: Lab, domain: str) -> str:
    """Asked from the desk, as anybody could."""
    mx = lab.world.dig(domain, "MX", host="desk")
    if mx.status != "NOERROR":
        return "lame"
    host = mx.records[0].split()[1].rstrip(".")
    if host == "":
        return "null"
    if host[0].isdigit():
        return "address"
    if host.count(domain) == 2:
        return "dot"
    return "alias" if lab.world.dig(host, "A", host="desk").aliases else "ttl"


def read_zone(lab: Lab, domain: str) -> str:
    """The same by reading what is published."""
    world = lab.world
    walk = world.dns_walk(domain, "MX", host="desk")
    if walk.steps[-1].server != lab.names.nameserver:
        return "lame"
    zone = world.zone(domain)
    if zone.records("@", "MX") == ["0 ."]:
        return "null"
    if zone.records("mail", "CNAME"):
        return "alias"
    exchanger = zone.records("@", "MX")[0].split()[1]
    if exchanger == f"mail.{domain}.":
        return "ttl"
    return "dot" if exchanger.startswith("mail") else "address"


def all_found(lab: Lab, task: Task) -> Found:
    return {domain: diagnose(lab, domain) for domain in task.domains}


# Right --------------------------------------------------------------------------------


def each_in_its_way(lab: Lab, task: Task) -> Found:
    """The least that is needed; for TTL, a new number and the address of today."""
    world, found = lab.world, all_found(lab, task)
    for domain, fault in found.items():
        zone = world.zone(domain)
        if fault == "lame":
            world.delegate(domain, {task.nameserver: []})
        elif fault == "ttl":
            zone.replace("mail", "A", task.exchanger_address, ttl=3600)
        elif fault == "alias":
            zone.replace("@", "MX", f"10 {task.exchanger}.")
        else:
            zone.replace("@", "MX", "10 mail")
    return found


def all_alike(lab: Lab, task: Task) -> Found:
    """Every zone written anew, and brought to where its delegation leads."""
    world = lab.world
    found = {f"{domain}.".upper(): read_zone(lab, domain) for domain in task.domains}
    for domain in task.domains:
        text = (
            f"$TTL 600\n@ SOA {task.nameserver}. host.{domain}. 9 3600 600 86400 60\n"
            f"@ NS {task.nameserver}.\n@ MX 1 post\npost A {task.exchanger_address}\n"
        )
        world.serve_zone(task.nameserver, domain, text)
        world.serve_zone("ns.attic.example", domain, text)
    return found


# Wrong --------------------------------------------------------------------------------


def diagnosed_only(lab: Lab, task: Task) -> Found:
    return all_found(lab, task)


def repaired_only(lab: Lab, task: Task) -> Found:
    each_in_its_way(lab, task)
    return {}


def one_word_for_all(lab: Lab, task: Task) -> Found:
    each_in_its_way(lab, task)
    return dict.fromkeys(task.domains, "dot")


def dot_taken_for_address(lab: Lab, task: Task) -> Found:
    swap = {"dot": "address", "address": "dot"}
    found = each_in_its_way(lab, task)
    return {domain: swap.get(fault, fault) for domain, fault in found.items()}


def the_other_way_round(lab: Lab, task: Task) -> Found:
    return {fault: domain for domain, fault in each_in_its_way(lab, task).items()}


def mended(lab: Lab, task: Task, skip: str) -> tuple[Found, str]:
    """All but one are repaired; that one's domain."""
    found = each_in_its_way(lab, task)
    (domain,) = [d for d, fault in found.items() if fault == skip]
    return found, domain


def still_five_weeks(lab: Lab, task: Task) -> Found:
    found, domain = mended(lab, task, "ttl")
    weeks = 5 * 7 * 86400
    zone = lab.world.zone(domain)
    zone.replace("mail", "A", task.exchanger_address, ttl=weeks)
    return found


def still_the_old_address(lab: Lab, task: Task) -> Found:
    found, domain = mended(lab, task, "ttl")
    lab.world.zone(domain).replace("mail", "A", "203.0.113.24", ttl=60)
    return found


def another_alias(lab: Lab, task: Task) -> Found:
    found, domain = mended(lab, task, "alias")
    zone = lab.world.zone(domain)
    zone.add("smtp", "CNAME", f"{task.exchanger}.")
    zone.replace("@", "MX", "10 smtp")
    return found


def address_with_a_dot(lab: Lab, task: Task) -> Found:
    """`MX 10 203.0.113.25.`: some servers would even deliver."""
    found, domain = mended(lab, task, "address")
    zone = lab.world.zone(domain)
    zone.replace("@", "MX", f"10 {task.exchanger_address}.")
    return found


def no_mx_at_all(lab: Lab, task: Task) -> Found:
    found, domain = mended(lab, task, "null")
    lab.world.zone(domain).remove("@", "MX")
    return found


def zone_edited_and_still_lame(lab: Lab, task: Task) -> Found:
    found, domain = mended(lab, task, "lame")
    lab.world.delegate(domain, {"ns.attic.example": []})
    lab.world.zone(domain).replace("@", "MX", f"10 {task.exchanger}.")
    return found


def not_a_table(lab: Lab, task: Task) -> list[str]:
    return list(each_in_its_way(lab, task).values())


WRONG: list[tuple[Answer, str]] = [
    (empty, "a dict with one of the words"),
    (not_a_table, "a dict with one of the words"),
    (repaired_only, "found nothing"),
    (the_other_way_round, "for the one domain that has this fault"),
    (diagnosed_only, "the zone is not yet"),
    (one_word_for_all, "found 'alias' for none"),
    (dot_taken_for_address, "numbers are read as a name"),
    (still_five_weeks, "lives longer than a day, found A 203.0.113."),
    (still_the_old_address, "found 203.0.113.24"),
    (another_alias, "is an alias"),
    (address_with_a_dot, "with an A record of its own"),
    (no_mx_at_all, "an MX record that names a host"),
    (zone_edited_and_still_lame, "what the zone above says of it"),
]

ANSWERS = {"4.3": Answers(right=[each_in_its_way, all_alike], wrong=WRONG)}
