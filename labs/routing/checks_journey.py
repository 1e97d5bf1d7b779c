"""Exercise 4.1 of notebook 04: what one delivery asks the DNS, and where it knocks."""

from collections.abc import Sequence
from typing import NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence
from maillab.grading.failure import MOST_PACKETS
from maillab.grading.letters import subjects
from maillab.trace.causing.packet_finder import PacketFinder
from maillab.trace.events import Event

from .beginning import restore

CACHE, OPEN, TIMEOUT = "cache", "open", "timeout"
TYPES = ("MX", "A", "AAAA", "TCP")
FORM = '("MX", name, server), ("A", name, "cache"), ("TCP", name, "open")'


class Step(NamedTuple):
    """A question with who answered it, or a connection with what became of it."""

    type: str
    name: str
    how: str


class Happened(NamedTuple):
    """A step of the trace."""

    step: Step
    event: Event


# The starting state: what is remembered, and what is switched off ---------------------


def begin_4_1(lab: Lab) -> Task:
    recipient = lab.world.user("quinn").address
    task = Task(
        "4.1",
        "Predict every question and every connection of one delivery",
        domain=recipient.partition("@")[2],
        sender=lab.world.user("alice").address,
        recipient=recipient,
        letter_before=lab.world.user("hattie").address,
        switched_off=lab.names.exchanger,
    )
    prepare(lab, task)
    task.began = len(lab.world.trace)
    task.rehearsed = set()
    return task


def prepare(lab: Lab, task: Task) -> None:
    """One letter has gone to another customer; then their server was switched off."""
    world, names = lab.world, lab.names
    restore(lab, names.nameserver, task.domain, names.rescue)
    best, second = preferences(lab)
    mail = f"{second} mail.{task.domain}."
    world.zone(task.domain).replace("@", "MX", mail, f"{best} {names.exchanger}.")
    world.power_on(names.exchanger)
    world.resolver(names.server).flush()
    lab.fill_inbox("hattie", [])
    lab.fill_inbox("quinn", [])
    world.send("alice", task.letter_before, "Hedgehogs", "How many tonight?")
    world.power_off(names.exchanger)


def preferences(lab: Lab) -> tuple[int, int]:
    """The first is the smaller number, and not the smaller text."""
    dice = lab.random("4.1 preferences")
    return dice.randint(3, 9), dice.choice([10, 15, 20, 25])


# The delivery -------------------------------------------------------------------------


def check_4_1(lab: Lab, plan: object = None) -> Evidence:
    task = lab.task("4.1")
    predicted = read_plan(lab, plan)
    demand_no_look_ahead(lab, task)
    happened = rehearse(lab, task)
    compare(lab, predicted, happened)
    arrived = subjects(lab.world.user("quinn").inbox)
    return {
        "predicted": [list(step) for step in predicted],
        "happened": [list(one.step) for one in happened],
        "in the INBOX": arrived,
    }


def read_plan(lab: Lab, plan: object) -> list[Step]:
    """The student's list, with names in one spelling."""
    if not isinstance(plan, Sequence) or isinstance(plan, str) or not plan:
        raise wrong_form("nothing" if plan in (..., None, []) else repr(plan)[:80])
    return [read_step(lab, number, one) for number, one in enumerate(plan, 1)]


def read_step(lab: Lab, number: int, one: object) -> Step:
    is_row = isinstance(one, Sequence) and not isinstance(one, str) and len(one) == 3
    if not is_row or not all(isinstance(word, str) for word in one):
        raise wrong_form(f"as step {number} {one!r}"[:80])
    kind, name, how = (word.strip().rstrip(".").lower() for word in one)
    if kind.upper() not in TYPES:
        raise wrong_form(f"as step {number} {one!r}"[:80])
    return Step(kind.upper(), host_of(lab, name), host_of(lab, how))


def wrong_form(found: str) -> Failed:
    return Failed(
        f"a list of steps such as {FORM}",
        found,
        "RFC 5321 §5.1",
        "each step is a tuple of three texts: type, name, who answers",
    )


def demand_no_look_ahead(lab: Lab, task: Task) -> None:
    """No letter went there since the exercise began, but those of the check."""
    for event in lab.world.trace[task.began :]:
        if event.kind != "attempt" or event["queue_id"] in task.rehearsed:
            continue
        if task.recipient in event["recipients"]:
            raise Failed(
                "a prediction from before the first letter",
                f"a letter that went to {event['to_host']} before the check",
                "RFC 5321 §5.1",
                "that was looking, not predicting: the check sends the letter, and "
                "lab.begin puts all back",
                event=event,
            )


def rehearse(lab: Lab, task: Task) -> list[Happened]:
    """Send the letter in the state that the task describes, and watch."""
    world = lab.world
    prepare(lab, task)
    start = len(world.trace)
    subject = f"The {lab.words('4.1', 1)[0]} hoop"
    world.user("alice").send(task.recipient, subject, "Sunday at three.")
    world.advance("3 min")  # a SYN is repeated for two minutes
    world.power_on(lab.names.exchanger)
    new = [e for e in world.trace[start:] if e.host == lab.names.server]
    task.rehearsed |= {e["queue_id"] for e in new if e.kind == "attempt"}
    return list(steps_of(lab, new))


def steps_of(lab: Lab, events: Sequence[Event]) -> list[Happened]:
    """DNS questions and connections, in order; a connection when it begins."""
    ends = {e.connection: e for e in events if e.kind in ("established", "timed_out")}
    found: list[Happened] = []
    to_host = ""
    for event in events:
        if event.kind == "dns":
            how = CACHE if event["cached"] else host_of(lab, event["server"])
            step = Step(event["type"], event["question"].lower(), how)
            found.append(Happened(step, event))
        elif event.kind == "attempt":
            to_host = event["to_host"]
        elif event.kind == "connect":
            opened = ends[event.connection].kind == "established"
            found.append(
                Happened(Step("TCP", to_host, OPEN if opened else TIMEOUT), event)
            )
    return found


def host_of(lab: Lab, name: str) -> str:
    """A host for an address; other names stay as they are."""
    for host in lab.world.hosts.values():
        if name in host.addresses:
            return host.name
    return name


# The comparison -----------------------------------------------------------------------


def compare(lab: Lab, predicted: Sequence[Step], happened: Sequence[Happened]) -> None:
    """Raises Failed at the first difference."""
    steps = [one.step for one in happened]
    for number, (step, event) in enumerate(happened, 1):
        if number > len(predicted):
            failed = Failed(
                "every step until the letter has arrived",
                f"{number - 1} steps, all as they happened, and then no more",
                "RFC 5321 §5.1",
                missing(step),
            )
            raise with_packets(lab, failed, event)
        if predicted[number - 1] != step:
            mine = predicted[number - 1]
            failed = Failed(
                f"step {number} as it happened",
                f"{tuple(mine)!r}; the steps before it are right",
                *reason(mine, step, steps),
            )
            raise with_packets(lab, failed, event)
    if len(predicted) > len(happened):
        raise Failed(
            "no step after the letter has arrived",
            f"{len(predicted) - len(happened)} more, first "
            f"{tuple(predicted[len(happened)])!r}",
            "RFC 5321 §5.1",
            "the first host that takes the letter is the last one that is asked",
        )


def with_packets(lab: Lab, failed: Failed, event: Event) -> Failed:
    """Where to look, and not why it happened: that would be the answer."""
    failed.at = lab.names.server
    capture = lab.world.trace.capture(failed.at)
    failed.packets = PacketFinder(capture).numbers(event)[:MOST_PACKETS]
    return failed


def missing(step: Step) -> str:
    """The likely reason for a list that is too short."""
    if step.type == "TCP":
        return "names are not enough: the letter goes over a connection"
    return "when a host does not answer, the next one has its turn"


def reason(mine: Step, real: Step, all_real: Sequence[Step]) -> tuple[str, str]:
    """Where to read, and the likely mistake."""
    if mine[:2] == real[:2]:
        return another_source(mine, real)
    if real.type == "AAAA":
        return "RFC 3596 §2", "an address may be one of IPv6: AAAA is asked for, too"
    if mine.type == "TCP":
        return "RFC 5321 §5.1", "a connection needs an address: first A and AAAA"
    if real.type == "TCP":
        return (
            "RFC 5321 §5.1",
            "the best host is tried before anybody asks where the next one is",
        )
    if mine.type == real.type == "A" and mine.name in {s.name for s in all_real}:
        return "RFC 5321 §5.1", "the lowest preference comes first; 5 is less than 10"
    return "RFC 5321 §5.1", "MX of the domain first, then A and AAAA of each host"


def another_source(mine: Step, real: Step) -> tuple[str, str]:
    """The right question, and somebody else who answers it."""
    if real.type == "TCP":
        return "RFC 5321 §5.1", "look which server is switched off"
    if real.how == CACHE:
        return (
            "RFC 1034 §5.3.3",
            "what the letter before asked for is remembered, denials too",
        )
    if mine.how == CACHE:
        return (
            "RFC 1034 §5.3.3",
            "only what was asked for is remembered, not what stands beside it",
        )
    return (
        "RFC 1034 §5.3.3",
        "delegations are remembered too: one begins at the nearest zone that is known",
    )


EXERCISES = (Exercise("4.1", 3, "each step came as predicted", begin_4_1, check_4_1),)
