"""The graded notebook: what each check said, and the points.

Goes in: what the grader found out. Comes out: values that go to disk and come back.

Rule 1: a result says all that feedback and grade books need; nobody looks at the
        submission again.
Rule 2: it holds neither a seed nor expected evidence.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from maillab.errors import LabError

Ending = Literal[
    "pass",  # the evidence is that of the reference
    "fail",  # it is not, in at least one part
    "error",  # the check, or the answer before it, raised an error
    "timeout",  # the answer or the check took too long
    "killed",  # the kernel died: of memory, of a signal, of os._exit
    "output-limit",  # it said more than is read
    "not-run",  # the notebook was given up before
    "missing",  # there was no answer cell
]
ENDINGS: tuple[str, ...] = get_args(Ending)
FORMAT = 1


@dataclass(frozen=True, slots=True)
class PartResult:
    """A part of a check; a check without parts has one, with the name "".

    points, of  reached, and to be reached
    reasons     why it failed: "expected", "found", "why", "packets", "see", "perhaps",
                "hint"
    """

    name: str
    title: str
    points: int
    of: int
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def passed(self) -> bool:
        """All of its points."""
        return self.points == self.of


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check.

    id        the exercise: "1.1"
    grade_id  its cell: "check-1-1"
    ending    how it ended
    feedback  what the student is told, as text
    seconds   that answer and check took
    """

    id: str
    grade_id: str
    ending: Ending
    parts: tuple[PartResult, ...]
    feedback: str = ""
    seconds: float = 0.0

    @property
    def points(self) -> int:
        """What was reached."""
        return sum(part.points for part in self.parts)

    @property
    def of(self) -> int:
        """What could have been reached."""
        return sum(part.of for part in self.parts)


@dataclass(frozen=True, slots=True)
class Result:
    """One graded submission.

    student    who handed it in
    notebook   its number: "01"
    title      "A letter by hand"
    file       the name of the file that was handed in
    digest     SHA-256 of what was handed in
    reference  fingerprint of the reference and of the secret seed (not the seed)
    jail       in which it ran: "bwrap", "docker", "none"
    remarks    what was remarkable: cells missing, twice, found otherwise than by name
    trouble    why it could not be graded at all, or ""
    """

    student: str
    notebook: str
    title: str
    file: str
    digest: str
    reference: str
    jail: str
    checks: tuple[CheckResult, ...]
    remarks: tuple[str, ...] = ()
    trouble: str = ""
    seconds: float = 0.0

    @property
    def points(self) -> int:
        """What was reached."""
        return sum(check.points for check in self.checks)

    @property
    def of(self) -> int:
        """What could have been reached."""
        return sum(check.of for check in self.checks)

    def to_json(self) -> str:
        """All of it, for a file; the same result gives the same text."""
        told = {**asdict(self), "points": self.points, "of": self.of, "format": FORMAT}
        text = json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        return text.encode("utf-8", "replace").decode()  # odd octets in a file's name

    @classmethod
    def from_json(cls, text: str) -> "Result":
        """Read it back. Raises LabError."""
        try:
            told: dict[str, Any] = json.loads(text)
            if told["format"] != FORMAT:
                raise LabError(
                    f"a result of format {FORMAT} was expected, found {told['format']}"
                )
            checks = tuple(map(_check, told["checks"]))
            known = _known(cls, told)
            return cls(**known | {"checks": checks, "remarks": tuple(told["remarks"])})
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"this is not the result of a grading: {error}") from error

    def text(self) -> str:
        """All of it, for a person."""
        rows = [f"{self.file}: {self.points} of {self.of} points", *self.remarks]
        rows += [self.trouble] if self.trouble else []
        for check in self.checks:
            rows.append(f"{check.id}: {check.ending}, {check.points}/{check.of}")
            rows += [f"    {row}" for row in check.feedback.splitlines()]
        return "\n".join(rows)


def _check(told: dict[str, Any]) -> CheckResult:
    if told["ending"] not in ENDINGS:
        raise ValueError(f"{told['ending']!r} is no ending")
    parts = tuple(PartResult(**part) for part in told["parts"])
    known = _known(CheckResult, told)
    return CheckResult(**known | {"parts": parts})


def _known(cls: Any, told: dict[str, Any]) -> Any:
    return {one.name: told[one.name] for one in fields(cls)}
