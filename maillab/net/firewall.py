"""The rules of one host or gateway. The first rule that fits decides.

Goes in: a flow and its direction. Comes out: the rule, or None: then it may pass.

`tracking` says what becomes of flows that are open when rules change:

keep     they go on: only the first packet of a flow is looked at (Linux with
         "established: accept" on top)
recheck  each packet is looked at, and answers belong to what they answer (Windows, the
         filters of most providers)
none     each packet is looked at, and answers are packets like any other: `direction`
         is that of the packet (a plain access list in a router)
"""

from collections.abc import Callable, Iterator
from typing import Literal

from maillab.errors import LabError
from maillab.net.path import Direction, FiveTuple
from maillab.net.rules import Rule

Tracking = Literal["keep", "recheck", "none"]


def nothing() -> None:
    """Nobody wants to know."""


class Firewall:
    """A list of rules. `on_change` is called after each change of it."""

    def __init__(self, on_change: Callable[[], None] = nothing) -> None:
        self.tracking: Tracking = "keep"
        self.version = 0
        self._rules: list[Rule] = []
        self._on_change = on_change

    def add(self, rule: Rule, at: int | None = None) -> Rule:
        """Put a rule at the end, or before the rule number `at` (from 0)."""
        self._rules.insert(len(self._rules) if at is None else at, rule)
        self._changed()
        return rule

    def remove(self, rule: Rule) -> None:
        """Take a rule out. Raises LabError when it is not here."""
        if rule not in self._rules:
            raise LabError(f"this rule is not here: {rule}")
        self._rules.remove(rule)
        self._changed()

    def clear(self) -> None:
        """Take all rules out."""
        self._rules.clear()
        self._changed()

    def turn_off(self, number: int) -> Rule:
        """Let a rule fit nothing until `turn_on`; its place and counter stay.

        Rules are numbered from 1, as `text` shows them. Raises LabError.
        """
        return self._turn(number, on=False)

    def turn_on(self, number: int) -> Rule:
        """Let a rule fit again. Raises LabError."""
        return self._turn(number, on=True)

    def _turn(self, number: int, *, on: bool) -> Rule:
        if not 1 <= number <= len(self):
            raise LabError(
                f"rule {number!r}: expected a number from 1 to {len(self)}; "
                f"world.firewall(NAME) shows all"
            )
        rule = self._rules[number - 1]
        if rule.enabled != on:
            rule.enabled = on
            self._changed()
        return rule

    def match(self, flow: FiveTuple, direction: Direction) -> Rule | None:
        """The first rule that is for this flow, and is not turned off."""
        return next(
            (r for r in self._rules if r.enabled and r.fits(flow, direction)), None
        )

    def number(self, rule: Rule) -> int:
        """Its place in the list, from 1; 0 when it is not in it."""
        return self._rules.index(rule) + 1 if rule in self._rules else 0

    def _changed(self) -> None:
        self.version += 1
        self._on_change()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __getitem__(self, at: int) -> Rule:
        return self._rules[at]

    def text(self) -> str:
        """The rules as a table, with their hit counters."""
        rows = [
            f"{n:>3} {rule.hits:>8}  {'' if rule.enabled else '(off) '}{rule}"
            for n, rule in enumerate(self, 1)
        ]
        return "\n".join([f"{'':>3} {'packets':>8}  rule", *rows, self._last_row()])

    def _last_row(self) -> str:
        return f"{'':>3} {'':>8}  (else: accept; open flows: {self.tracking})"

    __repr__ = text
