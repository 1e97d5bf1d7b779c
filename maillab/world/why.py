"""Why was this refused: with the line of the scenario file, and the vendor's word.

Goes in: a refusal of the trace, and how the server is configured. Comes out: a view
that says who refused what, by which rule, where that is configured, and the RFC.
"""

import re
import tomllib
from dataclasses import fields, replace
from typing import Any, cast

from maillab.errors import LabError
from maillab.policy.settings import Settings
from maillab.trace.view import Table, View, clock
from maillab.trace.why import Refusal
from maillab.world.personality import Personality, Word, shown_value, value_at
from maillab.world.positions import line_of
from maillab.world.scenario import LoadedScenario

SECTIONS = "|".join(field.name for field in fields(Settings))
SETTING = re.compile(rf"\b(?:{SECTIONS})(?:\.[a-z_0-9]+)+")


class Why(View):
    """One refusal, explained."""

    def __init__(self, refusal: Refusal, origin: str, word: Word | None) -> None:
        self.refusal = refusal
        self.origin = origin  # where the setting that decided stands
        self.word = word

    def describe(self) -> str:
        """One sentence: the alt text."""
        found = self.refusal
        what = found.command or "the connection"
        said = f"said {found.reply!r}" if found.reply else "gave up"
        return f"{found.server} {said} to {what}, because {found.reason or found.ref}."

    def table(self) -> Table:
        """A row for each thing that is known."""
        rows = [row for row in self._rows() if row[1]]
        return Table(self.describe(), ("what", "is"), rows)

    def text(self) -> str:
        """All of it for a terminal."""
        rows = [row for row in self._rows() if row[1]]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

    def _rows(self) -> list[tuple[str, str]]:
        found = self.refusal
        word = self.word
        vendor = f"{word.page}: {word.word}" if word else ""
        return [
            ("time", clock(found.time_ns)),
            ("server", found.server),
            ("client", found.client),
            ("connection", found.connection),
            ("asked", found.command),
            ("replied", found.reply),
            ("because", found.reason),
            ("rule", found.rule),
            ("setting", found.setting),
            ("configured", self.origin),
            ("vendor", vendor),
            ("RFC", found.ref),
        ]


def explain_refusal(
    refusal: Refusal,
    loaded: LoadedScenario,
    clothes: Personality | None,
    settings: Settings | None,
) -> Why:
    """Add to a refusal what the scenario file and the personality say of it."""
    if clothes is None or settings is None:
        return Why(refusal, "", None)
    refusal = with_setting(refusal)
    if not refusal.setting:
        return Why(refusal, "", None)
    word = find_word(clothes, refusal.setting)
    return Why(refusal, origin_of(refusal, loaded, clothes, settings), word)


def with_setting(refusal: Refusal) -> Refusal:
    """An engine's own refusals name the setting in the reason."""
    found = SETTING.search(refusal.reason)
    if refusal.setting or found is None:
        return refusal
    return replace(refusal, setting=found[0])


def origin_of(
    refusal: Refusal, loaded: LoadedScenario, clothes: Personality, settings: Settings
) -> str:
    """`world.toml:34, now …`, or that it is a default."""
    path = refusal.setting
    value = shown(settings, path)
    written = find_line(loaded, refusal.server, path)
    if shown(clothes.settings, path) == value and written is None:
        return f"nowhere: the default of {clothes.name} is {value!r}"
    if written is None:
        return f"while the world ran: it is {value!r} now"
    return f"{loaded.file.name}:{written}: {value!r}"


def shown(settings: Settings, path: str) -> str:
    """A value for people; "none" where there is no such item (any more)."""
    try:
        return shown_value(value_at(settings, path))
    except LabError:
        return "none"


def find_line(loaded: LoadedScenario, host: str, path: str) -> int | None:
    """The line where a setting of a host is written, if it is."""
    base = ("hosts", host, "mail")
    data: Any = tomllib.loads(loaded.text)["hosts"].get(host, {}).get("mail")
    keys: list[str] = []
    for part in path.split("."):
        step = _step_into(data, part)
        if step is None:
            break
        key, data = step
        keys.append(key)
    section = 1 if path.count(".") else 0
    if len(keys) <= section:  # only the section is there, not the setting
        return None
    return line_of(loaded.text, (*base, *keys))


def _step_into(data: Any, part: str) -> tuple[str, Any] | None:
    """The key, and the value below it; the n-th item of a table that stands for a list.

    >>> _step_into({"a@x": ["b@x"]}, "0")
    ('a@x', ['b@x'])
    """
    if isinstance(data, list):
        items = cast("list[Any]", data)
        fits = part.isdecimal() and int(part) < len(items)
        return (part, items[int(part)]) if fits else None
    if not isinstance(data, dict):
        return None
    table = cast("dict[str, Any]", data)
    if part.isdecimal() and part not in table:
        keys = list(table)
        return _step_into(table, keys[int(part)]) if int(part) < len(keys) else None
    return (part, table[part]) if part in table else None


def find_word(clothes: Personality, path: str) -> Word | None:
    """The vendor's word for a setting, or for what it is a part of."""
    while path:
        for word in clothes.words:
            if word.setting == path:
                return word
        path = path.rpartition(".")[0]
    return None
