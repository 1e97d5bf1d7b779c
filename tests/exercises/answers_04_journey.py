"""Answers to exercise 4.1: right ones, the empty one, mistakes."""

from typing import Any

from maillab.grading import Lab, Task
from tests.exercises.kit import Answer, Answers, empty

Plan = list[tuple[str, str, str]]


def exchangers(lab: Lab, task: Task) -> list[str]:
    """The hosts of the MX records, lowest preference first."""
    records = lab.world.dig(task.domain, "MX", host="desk").records
    pairs = sorted((int(r.split()[0]), r.split()[1].rstrip(".")) for r in records)
    return [host for _, host in pairs]


def by_hand(lab: Lab, task: Task) -> Plan:
    names = lab.names
    best, second = exchangers(lab, task)
    return [
        ("MX", task.domain, names.registry),
        ("MX", task.domain, names.nameserver),
        ("A", best, "cache"),
        ("AAAA", best, "cache"),
        ("TCP", best, "timeout"),
        ("A", second, names.nameserver),
        ("AAAA", second, names.nameserver),
        ("TCP", second, "open"),
    ]


def by_program(lab: Lab, task: Task) -> list[Any]:
    """With addresses instead of names of servers, lists instead of tuples."""
    world, names = lab.world, lab.names
    known = {row.name for row in world.resolver(names.server).cache().rows}
    server = world.host(names.nameserver).addresses[0]
    plan = [["mx", f"{task.domain}.", world.host(names.registry).addresses[0]]]
    plan.append(["mx", task.domain.upper(), server])
    for host in exchangers(lab, task):
        whom = "cache" if host in known else server
        plan += [[kind, host, whom] for kind in ("a", "aaaa")]
        off = host == task.switched_off
        plan.append(["tcp", host, "timeout" if off else "open"])
    return plan


def from_the_root(lab: Lab, task: Task) -> Plan:
    return [("MX", task.domain, lab.names.root), *by_hand(lab, task)]


def nothing_remembered(lab: Lab, task: Task) -> Plan:
    server = lab.names.nameserver
    rows = by_hand(lab, task)
    return [(t, n, server if how == "cache" else how) for t, n, how in rows]


def all_remembered(lab: Lab, task: Task) -> Plan:
    rows = by_hand(lab, task)
    return [*rows[:5], ("A", rows[5][1], "cache"), *rows[6:]]


def no_ipv6(lab: Lab, task: Task) -> Plan:
    return [row for row in by_hand(lab, task) if row[0] != "AAAA"]


def sorted_as_texts(lab: Lab, task: Task) -> Plan:
    rows = by_hand(lab, task)
    return [*rows[:2], *rows[5:], *rows[2:5]]


def all_names_first(lab: Lab, task: Task) -> Plan:
    rows = by_hand(lab, task)
    return [*rows[:4], *rows[5:7], rows[4], rows[7]]


def first_host_takes_it(lab: Lab, task: Task) -> Plan:
    rows = by_hand(lab, task)
    return [*rows[:4], ("TCP", rows[4][1], "open")]


def gives_up_at_the_first(lab: Lab, task: Task) -> Plan:
    return by_hand(lab, task)[:5]


def names_only(lab: Lab, task: Task) -> Plan:
    return by_hand(lab, task)[:7]


def and_asks_on(lab: Lab, task: Task) -> Plan:
    return [*by_hand(lab, task), ("MX", task.domain, "cache")]


def looked_first(lab: Lab, task: Task) -> Plan:
    lab.world.send("alice", task.recipient, "Just looking")
    return by_hand(lab, task)


def not_steps(lab: Lab, task: Task) -> Any:
    return [("UDP", task.domain, lab.names.root)]


WRONG: list[tuple[Answer, str]] = [
    (empty, "a list of steps"),
    (not_steps, "as step 1"),
    (from_the_root, "delegations are remembered too"),
    (nothing_remembered, "what the letter before asked for"),
    (all_remembered, "only what was asked for"),
    (no_ipv6, "AAAA is asked for, too"),
    (sorted_as_texts, "5 is less than 10"),
    (all_names_first, "the best host is tried before"),
    (first_host_takes_it, "switched off"),
    (gives_up_at_the_first, "the next one has its turn"),
    (names_only, "names are not enough"),
    (and_asks_on, "no step after the letter"),
    (looked_first, "lab.begin puts all back"),
]

ANSWERS = {"4.1": Answers(right=[by_hand, by_program], wrong=WRONG)}
