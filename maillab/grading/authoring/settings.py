"""What the grader should know of a notebook beside its text: NN-name.toml.

    title = "A letter by hand"
    points = 12
    cell_timeout = 20
    timeout = 300
    seeds = ["one", "other"]
    feedback = "full"

Goes in: the file beside the author's text. Comes out: `Settings`, which the build puts
into the notebook, as `metadata.maillab`.

Rule: points and title stand in the text, too; both must say the same.
"""

import re
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from maillab.errors import LabError
from maillab.grading.authoring.notebook import Notebook, is_check, nbgrader, source_of
from maillab.grading.reporting.levels import Feedback

HEAD = "# What the grader should know of this notebook, beside its text.\n"
COMMENTS = {
    "cell_timeout": "seconds for one cell",
    "timeout": "seconds for the whole notebook",
    "seeds": "`maillab author check` runs the reference in these worlds, too",
    "feedback": "what students read of a check: full, brief, points",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one notebook.

    points        the sum of its checks
    cell_timeout  seconds for one cell
    timeout       seconds for the whole notebook
    seeds         worlds, beside the public one, in which its solutions are tried
    feedback      "full"; "brief" without what was found; "points" and nothing else
    """

    title: str
    points: int
    cell_timeout: float = 20
    timeout: float = 300
    seeds: tuple[str, ...] = ("one", "other")
    feedback: Feedback = "full"

    @classmethod
    def of(cls, notebook: Notebook) -> "Settings":
        """Those of a notebook that has none yet: from its title and its checks."""
        heading = source_of(notebook["cells"][0]).partition("\n")[0]
        return cls(re.sub(r"^#\s*(\d+\.)?\s*", "", heading), points_of(notebook))

    @classmethod
    def read(cls, file: Path) -> "Settings":
        """Those of a file. Raises LabError."""
        try:
            return _settings(tomllib.loads(file.read_text("utf-8")))
        except OSError as error:
            raise LabError(f"{file}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise LabError(f"{file}: {error}") from error

    def to_toml(self) -> str:
        """The text of the file."""
        rows = [_row(name, value) for name, value in asdict(self).items()]
        return HEAD + "".join(rows)

    def to_metadata(self) -> dict[str, Any]:
        """What goes into the notebook; the seeds are the author's."""
        return {n: v for n, v in asdict(self).items() if n != "seeds"}


def points_of(notebook: Notebook) -> int:
    """The sum of the checks."""
    checks = [cell for cell in notebook["cells"] if is_check(cell)]
    return sum(int(nbgrader(cell).get("points", 0)) for cell in checks)


def _row(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        shown = f"[{', '.join(map(_quoted, value))}]"  # pyright: ignore
    else:
        shown = _quoted(value) if isinstance(value, str) else str(value)
    comment = f"  # {COMMENTS[name]}" if name in COMMENTS else ""
    return f"{name} = {shown}{comment}\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _settings(told: dict[str, Any]) -> Settings:
    """Raises ValueError, which says what is wrong and what could stand there."""
    known = {field.name: field for field in fields(Settings)}
    for name in told:
        if name not in known:
            raise ValueError(f"there is no {name!r}; there is {', '.join(known)}")
    for name in ("title", "points"):
        if name not in told:
            raise ValueError(f"{name} is missing")
    for name, value in told.items():
        _demand(name, value)
    values: dict[str, Any] = dict(told)
    if "seeds" in values:
        values["seeds"] = tuple(values["seeds"])
    return Settings(**values)


def _demand(name: str, value: Any) -> None:
    """Raise ValueError when a setting has the wrong kind of value."""
    words = get_args(get_type_hints(Settings)["feedback"])
    expected, right = {
        "title": ("a text", isinstance(value, str)),
        "points": ("a number", type(value) is int and value >= 0),
        "cell_timeout": ("seconds, more than 0", _is_seconds(value)),
        "timeout": ("seconds, more than 0", _is_seconds(value)),
        "seeds": ('texts: ["one", "other"]', _are_texts(value)),
        "feedback": (", ".join(words), value in words),
    }[name]
    if not right:
        raise ValueError(f"{name} = {value!r}: expected {expected}")


def _is_seconds(value: Any) -> bool:
    return type(value) in (int, float) and value > 0


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)  # pyright: ignore
