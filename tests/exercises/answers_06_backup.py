"""Answers to exercises 6.2 and 6.3 of notebook 06: right ones, empty ones, mistakes."""

from typing import Any

from maillab.grading import Lab, Task
from tests.exercises.answers_06_retry import step_by_step
from tests.exercises.kit import Answer, Answers, empty

# 6.2 ----------------------------------------------------------------------------------


def zone(lab: Lab, *records: str) -> None:
    lab.world.zone(lab.names.island).replace("@", "MX", *records)


def behind(lab: Lab) -> None:
    names = lab.names
    lab.world.zone(names.island).add("@", "MX", f"20 {names.server}.")


def relay(lab: Lab, **more: Any) -> None:
    domain = {"allow_relay": True, **more}
    lab.world.configure(lab.names.server, remote_domains={lab.names.island: domain})


def patient(lab: Lab) -> None:
    lab.world.configure(lab.names.server, delivery={"expire": "5 days"})


def wait(lab: Lab) -> None:
    lab.world.advance("3 days")


def as_in_the_book(lab: Lab, task: Task) -> None:
    behind(lab)
    relay(lab, recipients=task.people)
    patient(lab)
    wait(lab)


def with_ones_own_rule(lab: Lab, task: Task) -> None:
    names = lab.names
    zone(lab, f"5 {names.island_server}.", f"50 {names.server}.")
    entry = {"name": names.island, "allow_relay": True, "recipients": task.people}
    lab.world.configure(names.server, remote_domains=[entry])
    lab.world.server(names.server).queue.decide = step_by_step
    for _ in range(6):
        lab.world.advance("12 h")


def only_waiting(lab: Lab, task: Task) -> None:
    wait(lab)


def no_record(lab: Lab, task: Task) -> None:
    relay(lab, recipients=task.people)
    patient(lab)
    wait(lab)


def first_choice(lab: Lab, task: Task) -> None:
    names = lab.names
    zone(lab, f"10 {names.island_server}.", f"5 {names.server}.")
    no_record(lab, task)


def equals(lab: Lab, task: Task) -> None:
    names = lab.names
    zone(lab, f"10 {names.island_server}.", f"10 {names.server}.")
    no_record(lab, task)


def instead(lab: Lab, task: Task) -> None:
    zone(lab, f"20 {lab.names.server}.")
    no_record(lab, task)


def no_permission(lab: Lab, task: Task) -> None:
    behind(lab)
    patient(lab)
    wait(lab)


def open_relay(lab: Lab, task: Task) -> None:
    behind(lab)
    lab.world.configure(lab.names.server, relay={"open": True})
    patient(lab)
    wait(lab)


def knows_nobody(lab: Lab, task: Task) -> None:
    behind(lab)
    relay(lab)
    patient(lab)
    wait(lab)


def forgot_one(lab: Lab, task: Task) -> None:
    behind(lab)
    relay(lab, recipients=task.people[1:])
    patient(lab)
    wait(lab)


def impatient(lab: Lab, task: Task) -> None:
    behind(lab)
    relay(lab, recipients=task.people)
    wait(lab)


def after_the_storm(lab: Lab, task: Task) -> None:
    lab.world.advance("20 h")
    as_in_the_book(lab, task)


# 6.3 ----------------------------------------------------------------------------------


def servers(lab: Lab) -> list[str]:
    return [lab.names.island_server, lab.names.school_server]


def count_hops(lab: Lab, most: int = 100) -> None:
    for server in servers(lab):
        lab.world.configure(server, limits={"hops": most})


def server_of(lab: Lab, address: str) -> str:
    island, school = servers(lab)
    return island if address.endswith(f"@{lab.names.island}") else school


def unforward(lab: Lab, address: str) -> None:
    server = server_of(lab, address)
    lab.world.configure(server, recipients={"forwards": []})


def write_again(lab: Lab, task: Task, to: str = "") -> None:
    lab.world.send("alice", to or task.other, task.subject)
    lab.world.advance("1 h")


def both_count(lab: Lab, task: Task) -> None:
    count_hops(lab)
    lab.world.advance("1 h")
    unforward(lab, task.home)
    write_again(lab, task)


def one_remembers(lab: Lab, task: Task) -> None:
    world = lab.world
    world.configure(lab.names.school_server, recipients={"detect_loops": True})
    world.advance("10 min")
    kept = [{"address": task.other, "to": [task.home]}]
    unforward(lab, task.home)
    world.configure(server_of(lab, task.other), recipients={"forwards": kept})
    world.user("alice").send(task.other, task.subject)
    world.advance("2 min")


def a_low_limit(lab: Lab, task: Task) -> None:
    count_hops(lab, 10)
    lab.world.advance("1 h")
    unforward(lab, task.home)
    write_again(lab, task)


def freed_first(lab: Lab, task: Task) -> None:
    lab.world.advance("1 min")
    unforward(lab, task.home)
    lab.world.advance("1 h")
    count_hops(lab)
    write_again(lab, task)


def refused_by_hand(lab: Lab, task: Task) -> None:
    server, reply = servers(lab)[0], "550 5.7.1 Enough of this"
    lab.world.fault("RCPT", host=server, recipient="nora@*", reply=reply, times=1)
    lab.world.advance("10 min")
    unforward(lab, task.home)
    write_again(lab, task)


def no_time(lab: Lab, task: Task) -> None:
    count_hops(lab)


def both_forwards_away(lab: Lab, task: Task) -> None:
    count_hops(lab)
    lab.world.advance("1 h")
    unforward(lab, task.home)
    unforward(lab, task.other)
    write_again(lab, task)


def the_wrong_one(lab: Lab, task: Task) -> None:
    count_hops(lab)
    lab.world.advance("1 h")
    unforward(lab, task.other)
    write_again(lab, task)


def a_copy_kept(lab: Lab, task: Task) -> None:
    count_hops(lab)
    lab.world.advance("1 h")
    forward = {"address": task.home, "to": [task.other], "keep": True}
    lab.world.configure(server_of(lab, task.home), recipients={"forwards": [forward]})
    write_again(lab, task)


def written_home(lab: Lab, task: Task) -> None:
    count_hops(lab)
    lab.world.advance("1 h")
    unforward(lab, task.home)
    write_again(lab, task, task.home)


def stopped_only(lab: Lab, task: Task) -> None:
    count_hops(lab)
    lab.world.advance("1 h")


RIGHT: list[Answer] = [as_in_the_book, with_ones_own_rule]
ANSWERS = {
    "6.2": Answers(
        right=RIGHT,
        wrong=[
            (empty, "3 days gone by"),
            (only_waiting, "MX records for both servers"),
            (no_record, "MX records for both servers"),
            (first_choice, "the lowest preference number is tried first"),
            (equals, "the lowest preference number is tried first"),
            (instead, "MX records for both servers"),
            (no_permission, "only where a setting says so"),
            (open_relay, "relay.open makes an open relay"),
            (knows_nobody, "backscatter"),
            (forgot_one, "is everybody of task.people known"),
            (impatient, "delivery.expire"),
            (after_the_storm, "delivery.expire"),
        ],
    ),
    "6.3": Answers(
        right=[both_count, one_remembers],
        wrong=[
            (empty, "limits.hops 0 means no limit"),
            (a_low_limit, "too low a limit"),
            (freed_first, "let out of the circle"),
            (refused_by_hand, "does not stop the next one"),
            (no_time, "time must pass"),
            (both_forwards_away, "one of the two forwards is right"),
            (the_wrong_one, "one of the two forwards is right"),
            (a_copy_kept, "a forward that keeps a copy"),
            (written_home, "it is the forward that is tried"),
            (stopped_only, "take away the forward at home"),
        ],
    ),
}
