"""What an expert would remark: the rules of `rules_*`, applied.

Goes in: a session or a trace. Comes out: hints, in time, each with its severity, its
reason, the RFC section and what it points to.

Rule 1: one rule gives one hint for a session; where it applies again, it is counted.
Rule 2: nothing depends on colour: the severity stands there as a word.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maillab.trace.hinting import (
    rules_lines,
    rules_names,
    rules_network,
    rules_replies,
    rules_tls,
)
from maillab.trace.hinting.dialogue import Dialogue
from maillab.trace.hinting.rules import Found, Rule, TraceRule
from maillab.trace.lines import clean
from maillab.trace.reading.garbage import few_collections
from maillab.trace.session import Session
from maillab.trace.view import Table, View, filled, milliseconds, plural

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

RULES: tuple[Rule, ...] = (
    *rules_network.RULES,
    *rules_tls.RULES,
    *rules_lines.RULES,
    *rules_replies.RULES,
)
_WIDTH = 80  # characters of a line
TRACE_RULES: tuple[TraceRule, ...] = rules_names.RULES
SEVERITIES = ("error", "warning", "note")
_COLUMNS = ("Severity", "Session", "Time (ms)", "Hint", "Why", "Points to", "RFC")


@dataclass(frozen=True, slots=True)
class Hint:
    """One remark.

    rule      the name of the rule: "password-in-clear"
    severity  "error", "warning" or "note"
    session   its id, "" when it belongs to none
    number    of the event it points to; `points_to` is the same in words
    count     how often the rule applies there
    """

    rule: str
    severity: str
    what: str
    why: str
    ref: str
    session: str
    time_ns: int
    number: int
    points_to: str
    count: int = 1

    @property
    def text(self) -> str:
        """The remark, with how often it applies."""
        return self.what if self.count == 1 else f"{self.what} ({self.count:,} times)"


class Hints(View):
    """Remarks about a session, or about all of a trace. One can go through them."""

    def __init__(self, hints: Iterable[Hint], about: str, began_ns: int = 0) -> None:
        self.hints = sorted(hints, key=lambda hint: (hint.time_ns, hint.number))
        self.about = about
        self._began_ns = began_ns

    @classmethod
    def of_session(cls, session: Session) -> "Hints":
        """What there is to say about one session; times count from its first SYN."""
        return cls(_about(session), session.title, session.began_ns)

    @classmethod
    def of_trace(cls, trace: "Trace") -> "Hints":
        """About all sessions, the DNS, and the mail."""
        sessions = trace.sessions
        with few_collections():
            found = [hint for session in sessions for hint in _about(session)]
            for rule in TRACE_RULES:
                found += _of_rule(rule, list(rule.look(trace)))
        return cls(found, f"{plural(len(sessions), 'session')}, DNS and mail")

    def __iter__(self) -> Iterator[Hint]:
        return iter(self.hints)

    def __len__(self) -> int:
        return len(self.hints)

    @property
    def rules(self) -> list[str]:
        """The names of the rules that apply, in time."""
        return list(dict.fromkeys(hint.rule for hint in self.hints))

    def of(self, *severities: str) -> "Hints":
        """Only those of some severities: `hints.of("error")`."""
        chosen = [hint for hint in self.hints if hint.severity in severities]
        return Hints(chosen, self.about, self._began_ns)

    def describe(self) -> str:
        """One sentence: the alt text."""
        counts = Counter(hint.severity for hint in self.hints)
        parts = [plural(counts[one], one) for one in SEVERITIES if counts[one]]
        return clean(f"Hints about {self.about}: {', '.join(parts) or 'none'}.")

    def table(self) -> Table:
        """All of it as rows and columns."""
        return Table("Hints", _COLUMNS, [self._row(hint) for hint in self.hints])

    def text(self) -> str:
        """All of it for a terminal: what applies to several sessions is said once."""
        alike: dict[tuple[str, ...], list[Hint]] = {}
        for hint in self.hints:
            alike.setdefault((hint.rule, hint.text, hint.ref), []).append(hint)
        rows = [row for hints in alike.values() for row in self._text_rows(*hints)]
        return "\n".join([self.describe(), *rows])

    def _row(self, hint: Hint) -> Sequence[str]:
        time = milliseconds(hint.time_ns - self._began_ns)
        place = f"{hint.points_to} (event {hint.number})"
        what = (hint.severity, hint.session, time, hint.text, hint.why)
        return (*what, place, hint.ref)

    def _text_rows(self, hint: Hint, *others: Hint) -> Iterator[str]:
        time = milliseconds(hint.time_ns - self._began_ns)
        place = f"{hint.session}: " if hint.session else ""
        yield ""
        yield _filled(f"{hint.severity:<8} {place}", f"{hint.text} [{hint.ref}]")
        yield _filled(f"{'':8} ↳ ", hint.why)
        yield _filled(f"{time:>11} ", f"{hint.points_to} (event {hint.number})")
        if others:
            where = [f"{o.session or 'mail'} (event {o.number})" for o in others]
            yield _filled(f"{'':8} also ", f"in {', '.join(where)}")


def _filled(begin: str, words: str) -> str:
    return filled(begin + words, _WIDTH, below=" " * min(len(begin), 12))


def _about(session: Session) -> Iterator[Hint]:
    dialogue = Dialogue(session)
    for rule in RULES:
        found = list(rule.look(dialogue))
        if found:
            ref = rule.ref_for(session.protocol)
            yield from _of_rule(rule, found, session.id, ref)


def _of_rule(
    rule: Rule | TraceRule, found: Sequence[Found], session: str = "", ref: str = ""
) -> Iterator[Hint]:
    """One hint for each text; the first of its findings is what it points to."""
    counts: Counter[str] = Counter()
    first: dict[str, Found] = {}
    for one in found:
        what = rule.what.format_map(one.facts)
        counts[what] += 1
        first.setdefault(what, one)
    for what, one in first.items():
        yield Hint(
            rule.name,
            rule.severity,
            what,
            rule.why,
            ref or rule.ref,
            clean(session),
            one.time_ns,
            one.number,
            one.points_to,
            counts[what],
        )
