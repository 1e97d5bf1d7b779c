"""What is wrong with a scenario file, in the words of the person who wrote it.

Goes in: pydantic's errors. Comes out: ScenarioErrors with lines and advice.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from maillab.errors import ScenarioError
from maillab.world.positions import line_of

MASK = "********"
EXPECTED = {
    "string_type": "a text in quotes",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "greater_than_equal": "0 or more",
    "list_type": 'a list such as ["smtp", "imap"]',
    "dict_type": "a table",
    "model_type": "a table",
    "datetime_type": "a date and time such as 2026-01-05T09:00:00Z",
}


def explain(
    error: ValidationError, file: Path, text: str, model: type[BaseModel]
) -> list[ScenarioError]:
    """One ScenarioError for each mistake, in the order of the file."""
    complaints = [complaint(item, file, text, model) for item in error.errors()]
    return sorted(complaints, key=lambda one: (one.line is None, one.line))


def complaint(
    item: Any, file: Path, text: str, model: type[BaseModel]
) -> ScenarioError:
    """One mistake."""
    path = tuple(str(part) for part in item["loc"] if part != "[key]")
    return ScenarioError(file, line_of(text, path), sentence(item, path, model))


def sentence(item: Any, path: tuple[str, ...], model: type[BaseModel]) -> str:
    """What was given, what was expected."""
    where = ".".join(path) or "here"
    hidden = path[-1:] == ("password",)
    given = MASK if hidden else without_passwords(item.get("input"))
    match item["type"]:
        case "extra_forbidden":
            known = known_keys(model, path[:-1])
            return f"unknown key {path[-1]!r}{suggestion(path[-1], known)}"
        case "missing":
            return f"{'.'.join(path[:-1]) or 'the file'} needs the key {path[-1]!r}"
        case "value_error":
            return f"{where}: {item['msg'].removeprefix('Value error, ')}"
        case "literal_error":
            choices = item["ctx"]["expected"]
            return f"{where}: {given!r} is not known; expected {choices}"
        case "model_type" if known_keys(model, path):
            first = known_keys(model, path)[0]
            return f"{where}: found {given!r}, expected a table: {{ {first} = … }}"
        case kind if kind in EXPECTED:
            return f"{where}: found {given!r}, expected {EXPECTED[kind]}"
        case _:
            return f"{where}: found {given!r}; {item['msg']}"


def without_passwords(value: Any) -> Any:
    """What was given, as it may be shown.

    >>> without_passwords([{"host": "mx", "password": "secret"}])
    [{'host': 'mx', 'password': '********'}]
    """
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        return {
            key: MASK if key == "password" else without_passwords(entry)
            for key, entry in table.items()
        }
    if isinstance(value, list):
        return [without_passwords(entry) for entry in cast("list[Any]", value)]
    return value


def first_sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake, for what was typed rather than written in a file."""
    item = error.errors()[0]
    path = tuple(str(part) for part in item["loc"] if part != "[key]")
    said = sentence(item, path, model)
    nested = item["type"] == "extra_forbidden" and len(path) > 1
    return f"{'.'.join(path[:-1])}: {said}" if nested else said


def suggestion(word: str, known: Iterable[str]) -> str:
    """`: did you mean 'address'?` or the list of what is known."""
    choices = sorted(known)
    close = get_close_matches(word, choices, 1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f"; known here: {', '.join(choices)}"


def known_keys(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """The keys of the table at `path`."""
    current: Any = model
    for part in path:
        table = table_in(current)
        if table is not None and not part.isdecimal():
            field = table.model_fields.get(part)
            current = field.annotation if field else None
        elif table is None:  # dict[str, Table]: the key is free
            current = get_args(current)[-1] if get_args(current) else None
    table = table_in(current)
    return list(table.model_fields) if table is not None else []


def table_in(kind: Any) -> type[BaseModel] | None:
    """The table that is meant: itself, one of a list, or one that may be missing."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) is dict:
        return None
    found = (table_in(one) for one in get_args(kind))
    return next((one for one in found if one is not None), None)
