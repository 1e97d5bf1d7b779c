"""What resolvers asked and what they were told, in order."""

from collections.abc import Sequence

from maillab.dns.answers import Answer, text_of
from maillab.dns.resolver import Step, said
from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.view import Table, View, join, milliseconds, plural

_COLUMNS = ("time (ms)", "host", "question", "type", "answer", "server", "by")


# What is no failure: "there is none of that type" is an answer, too.
_ANSWERS = ("NOERROR", "NODATA", "referral")


class DnsWalk(View):
    """The `dns` events of one host, or of all."""

    def __init__(self, asked: Sequence[Event], host: str = "") -> None:
        self.asked = asked
        self.host = host

    def describe(self) -> str:
        """One sentence: the alt text."""
        failed = sum(event["rcode"] not in _ANSWERS for event in self.asked)
        cached = sum(bool(event["cached"]) for event in self.asked)
        who = f"{clean(self.host)} asked" if self.host else "The DNS answered"
        return (
            f"{who} {plural(len(self.asked), 'question')}, "
            f"{cached} of them from a cache, {failed} without success."
        )

    def table(self) -> Table:
        """All of it as rows and columns."""
        return Table("Walk through the DNS", _COLUMNS, [_row(e) for e in self.asked])

    def text(self) -> str:
        """All of it for a terminal."""
        return f"{self.describe()}\n\n{self.table().text()}"


def _row(event: Event) -> tuple[str, ...]:
    answer = join(event["answers"]) if event["rcode"] == "NOERROR" else ""
    return (
        milliseconds(event.time_ns),
        clean(event.host),
        clean(event["question"]),
        clean(event["type"]),
        answer or clean(event["rcode"]),
        clean(event["server"]),
        "cache" if event["cached"] else clean(event["transport"]),
    )


class FreshWalk(View):
    """One question asked from the root down, server by server."""

    def __init__(self, host: str, answer: Answer, steps: Sequence[Step]) -> None:
        self.host = host
        self.answer = answer
        self.steps = steps

    def describe(self) -> str:
        """One sentence: the alt text."""
        answer = self.answer
        took = self.steps[-1].ended - self.steps[0].began if self.steps else 0.0
        return (
            f"{clean(self.host)} looked {clean(answer.question)} {answer.rdtype} up "
            f"from the root down: {answer.status} after "
            f"{plural(len(self.steps), 'question')}, {took * 1000:.1f} ms."
        )

    def table(self) -> Table:
        """A row for each question."""
        began = self.steps[0].began if self.steps else 0.0
        columns = ("time (ms)", "took (ms)", "zone", "server", "question", "said")
        rows = [_step_row(step, began) for step in self.steps]
        return Table("A walk down the DNS", columns, rows)

    def text(self) -> str:
        """All of it for a terminal."""
        found = "".join(f"\n  {clean(record)}" for record in self.answer.records)
        return f"{self.describe()}{found}\n\n{self.table().text()}"


def _step_row(step: Step, began: float) -> tuple[str, ...]:
    return (
        f"{(step.began - began) * 1000:.3f}",
        f"{(step.ended - step.began) * 1000:.3f}",
        clean(text_of(step.zone)),
        f"{clean(step.server)} ({step.address})",
        f"{clean(step.question)} {step.type}",
        clean(said(step)),
    )
