"""Answers to exercises 8.3 and 8.4: keep out who guesses; clean up after a bad day."""

from collections.abc import Callable, Iterable
from typing import Any

from maillab.grading import Lab, Task
from maillab.store.queue import QueueEntry
from tests.exercises.kit import Answers, empty

DAY = 86400
Guard = Callable[[list[Any]], Any]

# 8.3 ----------------------------------------------------------------------------------


def by_sets(log: list[Any]) -> float:
    """Different wrong passwords of each user who has not come in since."""
    missed: dict[str, set[str]] = {}
    for login in log:
        if login.address == log[-1].address:
            if login.ok:
                missed.pop(login.user, None)
            else:
                missed.setdefault(login.user, set()).add(login.password)
    return DAY if sum(map(len, missed.values())) >= 8 else 0


def by_pairs(log: list[Any]) -> int | None:
    address = log[-1].address
    here = [login for login in log if login.address == address]
    pairs = set()
    for at, login in enumerate(here):
        later = {one.user for one in here[at:] if one.ok}
        if not login.ok and login.user not in later:
            pairs.add((login.user, login.password))
    return 7 * DAY if len(pairs) > 5 else None


def with_guard(
    guard: Guard | None = by_sets, **autoblock: Any
) -> Callable[[Lab, Task], Guard | None]:
    """Auto-block with these settings, and a guard."""

    def answer(lab: Lab, task: Task) -> Guard | None:
        block = {"attempts": 5, "window": "30 min", "ban": "1 day"}
        defence = {"autoblock": block | autoblock}
        lab.world.configure(lab.names.server, defence=defence)
        return guard

    words = "_".join(f"{key}_{value}" for key, value in autoblock.items())
    answer.__name__ = f"{getattr(guard, '__name__', guard)}_{words}".replace(" ", "_")
    return answer


def switched_off(lab: Lab, task: Task) -> Guard:
    return by_sets


def exempt_all(lab: Lab, task: Task) -> Guard:
    defence = {"autoblock": {"attempts": 5}, "exempt": ["0.0.0.0/0"]}
    lab.world.configure(lab.names.server, defence=defence)
    return by_sets


def wrong_ones(log: list[Any]) -> list[Any]:
    address = log[-1].address
    return [one for one in log if not one.ok and one.address == address]


def counts_all(log: list[Any]) -> int:
    return DAY if len(wrong_ones(log)) >= 9 else 0


def counts_passwords(log: list[Any]) -> int:
    return DAY if len({one.password for one in wrong_ones(log)}) >= 9 else 0


def success_wipes_all(log: list[Any]) -> int:
    missed: set[str] = set()
    for login in log:
        if login.address == log[-1].address:
            missed = set() if login.ok else {*missed, login.password}
    return DAY if len(missed) >= 6 else 0


def short_memory(log: list[Any]) -> float:
    return by_sets([one for one in log if log[-1].time - one.time < 3600])


def bans_everybody(log: list[Any]) -> int:
    return DAY


def bans_nobody(log: list[Any]) -> int:
    return 0


def says_yes(log: list[Any]) -> str:
    return "yes"


# 8.4 ----------------------------------------------------------------------------------

Ours = Callable[[QueueEntry, Task], bool]


def by_postmark(entry: QueueEntry, task: Task) -> bool:
    """By the Received field on top, which our own server has written."""
    top = entry.content.split(b";")[0].decode()
    brought = f"([{task.scanner}])" in top or " with ESMTPSA " in top
    return top.startswith("Received:") and brought


def clean(lab: Lab, ours: Iterable[str], *, report: bool = False) -> None:
    queue = lab.world.server(lab.names.server).queue
    for id in [id for id in queue.entries if id not in set(ours)]:
        queue.delete(id, report=report)


def kept(lab: Lab, task: Task, is_ours: Ours) -> list[str]:
    entries = lab.world.server(lab.names.server).queue.entries
    return [id for id, entry in entries.items() if is_ours(entry, task)]


def close(lab: Lab) -> None:
    lab.world.configure(lab.names.server, relay={"open": False})


def ask(lab: Lab, task: Task) -> None:
    lab.world.send("alice", task.desk, f"Please delist {task.address}")
    lab.world.advance("20 min")
    lab.world.settle()


def send_again(lab: Lab) -> None:
    lab.world.server(lab.names.server).queue.retry("all")
    lab.world.settle()


def step_by_step(lab: Lab, task: Task) -> None:
    close(lab)
    clean(lab, kept(lab, task, by_postmark))
    ask(lab, task)
    send_again(lab)


def in_another_order(lab: Lab, task: Task) -> None:
    """Asks too early first; Carol asks again; waits for the queue's own time."""
    close(lab)
    ask(lab, task)
    queue = lab.world.server(lab.names.server).queue
    for entry in list(queue.entries.values()):
        first, second = entry.content.decode().split("\r\n")[:2]
        scanned = first.endswith(f"([{task.scanner}])")
        if not (scanned or " ESMTPSA " in second):
            queue.delete(entry.id)
    lab.world.send("carol", task.desk, f"{task.address}: closed, cleaned")
    lab.world.advance("1 day")
    lab.world.settle()


def with_sorting(is_ours: Ours) -> Callable[[Lab, Task], None]:
    """All is done, but the queue is sorted in this way."""

    def answer(lab: Lab, task: Task) -> None:
        close(lab)
        clean(lab, kept(lab, task, is_ours))
        ask(lab, task)
        send_again(lab)

    answer.__name__ = is_ours.__name__
    return answer


def nothing_is_ours(entry: QueueEntry, task: Task) -> bool:
    return False


def by_sender(entry: QueueEntry, task: Task) -> bool:
    return entry.reverse_path.local_part in ("alice", "carol", "dave")


def logged_in_only(entry: QueueEntry, task: Task) -> bool:
    return b" with ESMTPSA " in entry.content.split(b";")[0]


def by_any_postmark(entry: QueueEntry, task: Task) -> bool:
    null = entry.reverse_path.is_null
    return not null and (b"ESMTPSA" in entry.content or by_postmark(entry, task))


def by_claimed_name(entry: QueueEntry, task: Task) -> bool:
    top = entry.content.split(b";")[0]
    return task.scanner.encode() in top or by_postmark(entry, task)


def reports_too(entry: QueueEntry, task: Task) -> bool:
    return entry.reverse_path.is_null or by_postmark(entry, task)


def closed_only(lab: Lab, task: Task) -> None:
    close(lab)
    ask(lab, task)


def with_backscatter(lab: Lab, task: Task) -> None:
    close(lab)
    clean(lab, kept(lab, task, by_postmark), report=True)
    ask(lab, task)
    send_again(lab)


def still_open(lab: Lab, task: Task) -> None:
    clean(lab, kept(lab, task, by_postmark))
    ask(lab, task)


def never_asked(lab: Lab, task: Task) -> None:
    close(lab)
    clean(lab, kept(lab, task, by_postmark))


def asked_too_early(lab: Lab, task: Task) -> None:
    close(lab)
    ask(lab, task)
    clean(lab, kept(lab, task, by_postmark))


def struck_from_the_list(lab: Lab, task: Task) -> None:
    """Somebody else's zone, edited by force."""
    never_asked(lab, task)
    name = ".".join(reversed(task.address.split("."))) + f".{task.list}."
    for kind in ("A", "TXT"):
        lab.world.zone(task.list).remove(name, kind)


def did_not_send(lab: Lab, task: Task) -> None:
    never_asked(lab, task)
    ask(lab, task)


def nobody_comes_in(lab: Lab, task: Task) -> None:
    step_by_step(lab, task)
    lab.world.configure(lab.names.server, access={"anonymous": False})


ANSWERS = {
    "8.3": Answers(
        right=[
            with_guard(),
            with_guard(by_pairs, attempts=5, window="25 min", ban="2 h"),
        ],
        wrong=[
            (empty, "auto-block switched on"),
            (switched_off, "auto-block switched on"),
            (exempt_all, "at most 10 guesses from bot-1"),
            (with_guard(attempts=3), "alice at office heard"),
            (with_guard(window="4 h"), "a phone repeats one wrong word"),
            (with_guard(ban="5 min"), "the ban is over too soon"),
            (with_guard(attempts=60), "it was never banned"),
            (with_guard(None), "a function guard(log)"),
            (with_guard(counts_all), "carol at carol-home heard"),
            (with_guard(counts_passwords), "at office heard"),
            (with_guard(success_wipes_all), "at most 10 guesses from bot-3"),
            (with_guard(short_memory), "it was never banned"),
            (with_guard(bans_nobody), "it was never banned"),
            (with_guard(bans_everybody), "heard by the server"),
            (with_guard(says_yes), "found ValueError"),
        ],
    ),
    "8.4": Answers(
        right=[step_by_step, in_another_order],
        wrong=[
            (empty, "by a stranger refused"),
            (with_sorting(nothing_is_ours), "deletes what people wrote"),
            (with_sorting(by_sender), "our domain into MAIL FROM"),
            (with_sorting(logged_in_only), "the scanner is one of us"),
            (with_sorting(by_any_postmark), "those below may be forged"),
            (with_sorting(by_claimed_name), "what the client says of itself"),
            (with_sorting(reports_too), "backscatter"),
            (with_backscatter, "backscatter"),
            (closed_only, "read it"),
            (still_open, "by a stranger refused"),
            (never_asked, "a list forgets nobody"),
            (asked_too_early, "read it"),
            (struck_from_the_list, "the zone of the list is not ours"),
            (did_not_send, "queue.retry"),
            (nobody_comes_in, "found 530 5.7.0 Authentication required"),
        ],
    ),
}
