"""Find, read and check scenario files.

Goes in: the name of a lab, or the path of a scenario file. Comes out: a
`LoadedScenario`, or everything that is wrong with it.
"""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from maillab.errors import LabError, ScenarioError
from maillab.world.complaints import explain
from maillab.world.consistency import inconsistencies
from maillab.world.renaming import Renaming
from maillab.world.scenario import LoadedScenario, Scenario

PACKAGE = Path(__file__).parents[1]
Model = TypeVar("Model", bound=BaseModel)
UNCHANGED = Renaming()

LAB_FOLDERS = (PACKAGE / "_labs", PACKAGE.parent / "labs")  # installed; in a checkout


def lab_names() -> list[str]:
    """The labs that come with maillab."""
    files = [file for folder in LAB_FOLDERS for file in folder.glob("*/world.toml")]
    return sorted({file.parent.name for file in files})


def find_scenario(name: str | Path) -> Path:
    """The scenario file of a lab, or of a path (a file or its folder). Raises LabError.

    >>> find_scenario("hello").parent.name
    'hello'
    """
    path = Path(name)
    for candidate in (path, path / "world.toml"):
        if candidate.is_file():
            return candidate
    for folder in LAB_FOLDERS:
        if (folder / name / "world.toml").is_file():
            return folder / name / "world.toml"
    known = lab_names()
    close = get_close_matches(str(name), known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"labs: {', '.join(known)}"
    raise LabError(f"there is no lab and no scenario file {str(name)!r}; {hint}")


def load(file: Path, renaming: Renaming = UNCHANGED) -> LoadedScenario:
    """Read and check a scenario file. Raises ScenarioError with the first mistake.

    `renaming` gives its domains and addresses other names, in all files.
    """
    loaded, problems = examine(file, renaming)
    if loaded is None or problems:
        raise problems[0]
    return loaded


def examine(
    file: Path, renaming: Renaming = UNCHANGED
) -> tuple[LoadedScenario | None, list[ScenarioError]]:
    """Read a scenario file and collect all its mistakes."""
    text, scenario, problems = read_toml(file, Scenario, renaming)
    if scenario is None:
        return None, problems
    loaded = LoadedScenario(file, text, scenario, renaming)
    return loaded, inconsistencies(loaded)


def read_toml(
    file: Path, model: type[Model], renaming: Renaming = UNCHANGED
) -> tuple[str, Model | None, list[ScenarioError]]:
    """The text of a TOML file, and what it says; None: with these mistakes, nothing."""
    try:
        text = renaming(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        return "", None, [ScenarioError(file, None, reason)]
    except UnicodeDecodeError:
        return "", None, [ScenarioError(file, None, "is not UTF-8 text")]
    try:
        return text, model.model_validate(tomllib.loads(text)), []
    except tomllib.TOMLDecodeError as error:
        line, message = toml_position(str(error))
        problem = ScenarioError(file, line, f"is not valid TOML: {message}")
        return text, None, [problem]
    except ValidationError as error:
        return text, None, explain(error, file, text, model)


def toml_position(message: str) -> tuple[int | None, str]:
    """tomllib writes `what is wrong (at line 3, column 5)`."""
    text, _, where = message.partition(" (at line ")
    number = where.partition(",")[0]
    return (int(number), text) if number.isdecimal() else (None, message)
