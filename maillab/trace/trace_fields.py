"""Received and Return-Path: what each host has written on top of a message.

Goes in: a field as it was written. Comes out: its clauses, by the words of RFC 5321
§4.4: from, by, via, with, id, for, and the date.

Rule 1: what stands in parentheses belongs to the clause before it: it is what the
        writer knew itself, the rest is what it was told.
Rule 2: what other programs write is read, too: what fits no clause is "other".
"""

import re
from dataclasses import dataclass

from maillab.trace.lines import clean

CLAUSES = ("from", "by", "via", "with", "id", "for")
DATE, OTHER = "date", "other"
_NAME = re.compile(r"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[()]|;|[^\s()";]+|"', re.DOTALL)
MOST_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class TraceField:
    """One field: `parts` are (clause, what it says), in the order of the field."""

    name: str
    value: str
    parts: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """In one printable line."""
        return f"{self.name}: {self.value}"

    def part(self, name: str) -> str:
        """What the first clause of this name says; "" when there is none."""
        return next((value for clause, value in self.parts if clause == name), "")


def read_field(written: str) -> TraceField | None:
    r"""The field; None for what is none.

    >>> field = read_field("Received: from pc (1.2.3.4)\r\n\tby mx with SMTP;\r\n\tMon")
    >>> field.parts
    (('from', 'pc (1.2.3.4)'), ('by', 'mx'), ('with', 'SMTP'), ('date', 'Mon'))
    """
    found = _NAME.match(written)
    if not found:
        return None
    name, value = clean(found[1]), clean(" ".join(found[2].split()))
    if name.lower() != "received":
        return TraceField(name, value, ((OTHER, value),))
    return TraceField(name, value, tuple(_clauses(value)))


def return_path(path: str) -> TraceField:
    """What final delivery puts on top."""
    value = clean(path)
    return TraceField("Return-Path", value, (("path", value),))


def _clauses(value: str) -> list[tuple[str, str]]:
    """Word by word; the date stands behind the last semicolon outside parentheses."""
    found: list[tuple[str, list[str]]] = []
    depth = 0
    for token in _TOKEN.findall(value)[:MOST_TOKENS]:
        word = token.lower()
        if not depth and word in CLAUSES and (not found or found[-1][0] != DATE):
            found.append((word, []))
        elif not depth and word == ";":
            found.append((DATE, []))
        else:
            depth = max(0, depth + (token == "(") - (token == ")"))
            if not found:
                found.append((OTHER, []))
            found[-1][1].append(token)
    return [(name, _joined(words)) for name, words in found if words]


def _joined(words: list[str]) -> str:
    return " ".join(words).replace("( ", "(").replace(" )", ")")
