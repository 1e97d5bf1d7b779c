"""Answers to the exercises of notebook 10: right ones in different words, mistakes."""

from collections.abc import Callable
from typing import Any

from maillab.grading import Lab, Task
from maillab.trace.packet_list import PacketList
from tests.exercises.kit import Answer, Answers, empty

Diagnosis = Callable[[PacketList], tuple[str, int]]

# 10.1 ---------------------------------------------------------------------------------


def by_rows(lab: Lab, task: Task, **changed: Any) -> Diagnosis:
    """Row by row; `changed` replaces a test by another one."""
    tests = SIGNS | changed

    def diagnose(capture: PacketList) -> tuple[str, int]:
        rows = capture.listing().rows
        for cause, test in tests.items():
            if found := [row.number for row in rows if test(row, task)]:
                return cause, found[-1]
        return "nothing", 1

    return diagnose


def came(row: Any, task: Task) -> bool:
    return row.source == task.server


SIGNS: dict[str, Callable[[Any, Task], bool]] = {
    "prohibit": lambda row, task: row.protocol == "ICMP" and task.server in row.info,
    "reject": lambda row, task: came(row, task) and "RST" in row.info,
    "strip": lambda row, task: "XXXXXXXA" in row.info,
    "5xx": lambda row, task: came(row, task) and row.info.startswith("S: 5"),
    "redirect": lambda row, task: (
        came(row, task)
        and row.info.startswith("S: 220")
        and row.info.split()[2] != task.name
    ),
    "drop": lambda row, task: row.destination == task.server and "[SYN]" in row.info,
}


def by_searching(lab: Lab, task: Task) -> Diagnosis:
    """With the words of `find`, and the greeting read at last."""

    def diagnose(capture: PacketList) -> tuple[str, int]:
        signs = {"reject": "[RST", "prohibit": "ICMP → 25", "strip": "XXXXXXXA"}
        for cause, words in signs.items():
            if numbers := capture.find(f"{task.server} {words}").numbers:
                return cause, numbers[0]
        for number, *_, info in capture.find(f"{task.server} S:").rows:
            if info.startswith("S: 5"):
                return "5xx", int(number)
        for number, *_, info in capture.find(f"{task.server} S: 220").rows:
            if info.startswith("S: 220") and task.name not in info:
                return "redirect", int(number)
        return "drop", capture.find(f"{task.server} [SYN]").numbers[-1]

    return diagnose


def empty_diagnosis(lab: Lab, task: Task) -> Answer:
    def diagnose(capture: PacketList) -> Any:
        cause, number = ..., ...
        return cause, number

    return diagnose


def no_function(lab: Lab, task: Task) -> dict[str, tuple[str, int]]:
    return {"ann": ("drop", 7)}


def only_the_word(lab: Lab, task: Task) -> Any:
    return lambda capture: by_rows(lab, task)(capture)[0]


def always_drop(lab: Lab, task: Task) -> Diagnosis:
    return lambda capture: ("drop", capture.find(f"{task.server} SYN").numbers[-1])


def any_rst(lab: Lab, task: Task) -> Diagnosis:
    return by_rows(lab, task, reject=lambda row, _: "RST" in row.info)


def any_icmp(lab: Lab, task: Task) -> Diagnosis:
    return by_rows(lab, task, prohibit=lambda row, _: row.protocol == "ICMP")


def any_5xx(lab: Lab, task: Task) -> Diagnosis:
    return by_rows(lab, task, **{"5xx": lambda row, _: row.info.startswith("S: 5")})


def first_syn(lab: Lab, task: Task) -> Diagnosis:
    def diagnose(capture: PacketList) -> tuple[str, int]:
        cause, number = by_rows(lab, task)(capture)
        first = capture.find(f"{task.server} [SYN]").numbers[0]
        return cause, first if cause == "drop" else number

    return diagnose


def trusts_the_greeting(lab: Lab, task: Task) -> Diagnosis:
    return by_rows(lab, task, redirect=lambda row, _: False)


def counts_from_zero(lab: Lab, task: Task) -> Diagnosis:
    def diagnose(capture: PacketList) -> tuple[str, int]:
        cause, number = by_rows(lab, task)(capture)
        return cause, number - 1

    return diagnose


def expects_a_rst(lab: Lab, task: Task) -> Diagnosis:
    return lambda capture: (
        "reject",
        capture.find(f"{task.server} [RST").numbers[0],
    )


# 10.2 ---------------------------------------------------------------------------------

FOUR = (25, 465, 587, 993)


def forwards(lab: Lab, *ports: int | range, to: str = "", hairpin: bool = True) -> None:
    router = lab.world.gateway("home-router")
    router.hairpin = hairpin
    for port in ports:
        lab.world.forward("home-router", port, to or lab.names.server)


def tells_the_dns(lab: Lab, ttl: int) -> None:
    zone = lab.world.zone(lab.names.domain)
    address = lab.world.gateway("home-router").public_address
    if zone.records("mail", "A") != [address]:
        zone.replace("mail", "A", address, ttl=ttl)


def lowers_the_ttl(lab: Lab, ttl: int) -> None:
    address = lab.names.address
    lab.world.zone(lab.names.domain).replace("mail", "A", address, ttl=ttl)


def lives_through(lab: Lab, task: Task, minutes: int = 5, ttl: int = 300) -> None:
    for _ in range(task.hours * 60 // minutes):
        lab.world.advance(f"{minutes} min")
        tells_the_dns(lab, ttl)


def a_good_night(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR)
    lowers_the_ttl(lab, 300)
    lives_through(lab, task)


def with_a_preset(lab: Lab, task: Task) -> None:
    lab.world.add_preset("home-router", "home-nat")
    forwards(lab, 993, 587, 465, 25)
    lab.world.advance("1 h")
    lowers_the_ttl(lab, 60)
    lives_through(lab, task, minutes=10, ttl=60)


def forgets_hairpin(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR, hairpin=False)
    lowers_the_ttl(lab, 300)
    lives_through(lab, task)


def forwards_everything(lab: Lab, task: Task) -> None:
    forwards(lab, range(1, 1024))
    lowers_the_ttl(lab, 300)
    lives_through(lab, task)


def forwards_to_her_own_pc(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR, to="alice-pc")


def forgets_imap(lab: Lab, task: Task) -> None:
    forwards(lab, 25, 465, 587)
    lowers_the_ttl(lab, 300)
    lives_through(lab, task)


def keeps_the_ttl(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR)
    lives_through(lab, task)


def never_tells_the_dns(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR)
    lowers_the_ttl(lab, 300)
    lab.world.advance(f"{task.hours} h")


def tells_it_in_the_morning(lab: Lab, task: Task) -> None:
    never_tells_the_dns(lab, task)
    tells_the_dns(lab, 300)


def looks_each_hour(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR)
    lowers_the_ttl(lab, 300)
    lives_through(lab, task, minutes=60)


def does_not_wait(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR)
    lowers_the_ttl(lab, 300)


def takes_the_old_address_back(lab: Lab, task: Task) -> None:
    forwards(lab, *FOUR)
    lab.world.advance(f"{task.hours} h")
    lab.world.change_address("home-router", lab.names.address)


# 10.3 ---------------------------------------------------------------------------------


def rule(lab: Lab, **keys: Any) -> None:
    standard = {"action": "accept", "direction": "in", "protocol": "tcp", "at": 0}
    lab.world.add_rule(lab.names.server, **(standard | keys))


def from_below(lab: Lab, task: Task, **changed: Any) -> None:
    """Each rule above the one before; `changed` changes keys of some."""
    keys: dict[str, dict[str, Any]] = {
        "mail": {"ports": task.mail},
        "home": {"ports": task.home, "source": task.family},
        "desk": {"ports": task.remote_desktop, "source": task.alice_pc},
        "guessers": {"action": "drop", "protocol": "any", "source": task.guessers},
    }
    for name, standard in keys.items():
        rule(lab, **(standard | changed.get(name, {}) | changed.get("all", {})))


def from_above(lab: Lab, task: Task) -> None:
    """A table of one's own instead of the preset's, port by port."""
    lab.world.firewall(lab.names.server).clear()
    rule(lab, action="reject", source=task.guessers, at=None)
    for port in task.mail:
        rule(lab, ports=port, at=None)
    for port in task.home:
        rule(lab, ports=port, source=[task.family], at=None)
    rule(lab, ports=3389, source=task.alice_pc, at=None)
    rule(lab, action="drop", protocol="any", at=None)


def changing(name: str, **changed: Any) -> Answer:
    def answer(lab: Lab, task: Task) -> None:
        from_below(lab, task, **changed)

    answer.__name__ = name
    return answer


def no_firewall(lab: Lab, task: Task) -> None:
    lab.world.firewall(lab.names.server).clear()


def guessers_last(lab: Lab, task: Task) -> None:
    from_below(lab, task, guessers={"at": 3})


def drops_both_ways(lab: Lab, task: Task) -> None:
    from_below(lab, task)
    rule(lab, action="drop", direction="out", protocol="any")


def one_rule_for_all(lab: Lab, task: Task) -> None:
    rule(lab, ports=[*task.mail, *task.home, task.remote_desktop])


ANSWERS = {
    "10.1": Answers(
        right=[by_rows, by_searching],
        wrong=[
            (empty_diagnosis, "to return (cause, number)"),
            (no_function, "a function diagnose(capture)"),
            (only_the_word, "its last line should be"),
            (always_drop, "one answer for all captures"),
            (any_rst, "is the packet about port 25 of task.server?"),
            (any_icmp, "one answer for all captures"),
            (any_5xx, "it fits others, too"),
            (first_syn, "the proof of silence is the last SYN"),
            (trusts_the_greeting, "the greeting says who is there"),
            (counts_from_zero, "the number of the packet that proves it"),
            (expects_a_rst, "not every capture has the packet"),
        ],
    ),
    "10.2": Answers(
        right=[a_good_night, with_a_preset],
        wrong=[
            (empty, "lets in what it was told to forward"),
            (forgets_hairpin, "only when they are told to"),
            (forwards_everything, "whole ranges open what you forgot"),
            (forwards_to_her_own_pc, "another host than the mail server"),
            (forgets_imap, "one of them is missing"),
            (keeps_the_ttl, "a TTL counts from the last answer"),
            (never_tells_the_dns, "nobody told the DNS"),
            (tells_it_in_the_morning, "the DNS heard of it late"),
            (looks_each_hour, "look at the address every few minutes"),
            (does_not_wait, "let the hours pass"),
            (takes_the_old_address_back, "the provider's to choose"),
        ],
    ),
    "10.3": Answers(
        right=[changing("from_below"), from_above],
        wrong=[
            (empty, "write what may come in"),
            (changing("appended", all={"at": None}), "is never reached: at=0"),
            (changing("any_protocol", mail={"protocol": "any"}), "for UDP, too"),
            (changing("all_ports", mail={"ports": []}), "for all of them"),
            (no_firewall, "lets everything in"),
            (guessers_last, "what is for few stands above"),
            (changing("too_wide", guessers={"source": "192.0.2.0/24"}), "is wider"),
            (
                changing("guests_too", home={"source": "192.168.1.0/24"}),
                "addresses in the same network as the family",
            ),
            (
                changing("only_alice", home={"source": "192.168.1.20"}),
                "more than one PC",
            ),
            (changing("desk_for_all", desk={"source": []}), "is for everybody"),
            (drops_both_ways, "still able to call others"),
            (one_rule_for_all, "guesser to tcp port 25 kept out"),
        ],
    ),
}
