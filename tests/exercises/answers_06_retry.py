"""Answers to exercise 6.1 of notebook 06: right ones, the empty one, mistakes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from maillab.grading import Lab, Task
from maillab.policy.retry import Bounce, Drop, Failure, Retry
from tests.exercises.kit import Answer, Answers, empty, handing_in

HOUR, DAY = 3600, 86400
Rule = Callable[[Failure], Any]


def step_by_step(failure: Failure) -> Any:
    permanent = failure.code >= 500 or failure.enhanced.startswith("5")
    if permanent or failure.age > 5 * DAY:
        if failure.mail_from == "":
            return Drop()
        return Bounce("", failure.mail_from)
    wait = 1800 if failure.age < HOUR else 2 * HOUR
    late = failure.age > 4 * HOUR and not failure.warned
    return Retry(wait, warn=late and failure.mail_from != "")


def in_one_go(failure: Failure) -> Any:
    kind = str(failure.code)[0] if failure.code else failure.enhanced[:1]
    sender = failure.mail_from
    match kind:
        case "5":
            return Bounce("<>", sender) if sender else Drop()
        case _ if failure.age >= 5 * DAY - 1:
            return Bounce(rcpt_to=sender, mail_from="<>") if sender else Drop()
        case _:
            first = failure.age <= HOUR
            warn = bool(sender) and failure.age >= 4 * HOUR and not failure.warned
            return Retry(wait=HOUR if first else 2.5 * HOUR, warn=warn)


def retries_everything(failure: Failure) -> Any:
    return step_by_step(replace(failure, code=450, enhanced="4.0.0"))


def reads_codes_only(failure: Failure) -> Any:
    return step_by_step(replace(failure, enhanced=""))


def reads_the_text(failure: Failure) -> Any:
    if "550" in failure.reason and failure.code != 550:
        return Bounce("", failure.mail_from)
    return step_by_step(failure)


def no_patience_with_the_dead(failure: Failure) -> Any:
    return step_by_step(replace(failure, code=failure.code or 550))


def in_days(failure: Failure) -> Any:
    return step_by_step(replace(failure, age=failure.age * DAY))


def never_gives_up(failure: Failure) -> Any:
    return step_by_step(replace(failure, age=min(failure.age, 4 * DAY)))


def never_warns(failure: Failure) -> Any:
    return step_by_step(replace(failure, warned=True))


def always_warns(failure: Failure) -> Any:
    return step_by_step(replace(failure, warned=False))


def knocks_all_the_time(failure: Failure) -> Any:
    step = step_by_step(failure)
    return Retry(300, step.warn) if isinstance(step, Retry) else step


def always_in_half_an_hour(failure: Failure) -> Any:
    step = step_by_step(failure)
    return Retry(1800, step.warn) if isinstance(step, Retry) else step


def signs_its_reports(failure: Failure) -> Any:
    step = step_by_step(failure)
    return replace(step, mail_from=failure.rcpt_to) if is_bounce(step) else step


def reports_to_the_recipient(failure: Failure) -> Any:
    step = step_by_step(failure)
    return replace(step, rcpt_to=failure.rcpt_to) if is_bounce(step) else step


def reports_on_reports(failure: Failure) -> Any:
    step = step_by_step(failure)
    return Bounce("", failure.mail_from) if isinstance(step, Drop) else step


def warns_nobody(failure: Failure) -> Any:
    step = step_by_step(failure)
    warn = failure.age > 4 * HOUR and not failure.warned
    return replace(step, warn=warn) if isinstance(step, Retry) else step


def words_instead(failure: Failure) -> Any:
    return "retry"


def hours_as_text(failure: Failure) -> Any:
    return Retry("1 h")  # type: ignore[arg-type]


def that_raises(failure: Failure) -> Any:
    return Retry(WAITS[failure.attempts])  # type: ignore[name-defined]  # noqa: F821


class Odd:
    """Nothing of it can be looked at."""

    def __repr__(self) -> str:
        raise ValueError

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


def odd_things(failure: Failure) -> Any:
    return Bounce(Odd(), Odd())  # type: ignore[arg-type]


def empty_scaffold(failure: Failure) -> Any:
    return ...


def is_bounce(step: Any) -> bool:
    return isinstance(step, Bounce)


def plugged(rule: Rule) -> Answer:
    """Put it into the server, let six days pass, hand it in."""

    def answer(lab: Lab, task: Task) -> Any:
        lab.world.server(lab.names.server).queue.decide = rule
        lab.world.advance(f"{task.days} days")
        return rule

    answer.__name__ = rule.__name__
    return answer


def not_plugged(lab: Lab, task: Task) -> Any:
    lab.world.advance("6 days")
    return step_by_step


def not_waited(lab: Lab, task: Task) -> Any:
    lab.world.server(lab.names.server).queue.decide = step_by_step
    lab.world.advance("1 day")
    return step_by_step


def another_one_plugged(lab: Lab, task: Task) -> Any:
    plugged(always_warns)(lab, task)
    return step_by_step


def too_late(lab: Lab, task: Task) -> Any:
    lab.world.advance("2 days")  # the storm is over
    return plugged(step_by_step)(lab, task)


ANSWERS = {
    "6.1": Answers(
        right=[plugged(step_by_step), plugged(in_one_go)],
        wrong=[
            (empty, "a function next_step(failure)"),
            (handing_in(empty_scaffold), "every way through the function"),
            (handing_in(retries_everything), "5yz is for good"),
            (handing_in(reads_codes_only), "the enhanced code does"),
            (handing_in(reads_the_text), "4yz, or no reply, is for now"),
            (handing_in(no_patience_with_the_dead), "4yz, or no reply, is for now"),
            (handing_in(in_days), "ages are seconds"),
            (handing_in(never_gives_up), "5 days are 432000 seconds"),
            (handing_in(never_warns), "after 4 hours the sender is told"),
            (plugged(always_warns), "one warning is enough"),
            (handing_in(knocks_all_the_time), "another try in 30 to 60 minutes"),
            (handing_in(always_in_half_an_hour), "less often"),
            (plugged(signs_its_reports), "or it is answered by reports"),
            (handing_in(reports_to_the_recipient), "goes to who sent"),
            (plugged(reports_on_reports), "about a report there is none"),
            (handing_in(warns_nobody), "no warning to nobody"),
            (handing_in(words_instead), "found 'retry'"),
            (handing_in(hours_as_text), "a number of seconds"),
            (handing_in(that_raises), "the function fails"),
            (handing_in(odd_things), "what cannot be shown"),
            (handing_in(Odd(), "odd_rule"), "what cannot be shown"),
            (not_plugged, "your function at work"),
            (not_waited, "6 days gone by"),
            (another_one_plugged, "after every change"),
            (too_late, "in Alice's INBOX reports"),
        ],
    ),
}
