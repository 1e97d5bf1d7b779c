"""Why was this refused: with the line of the scenario file, and the vendor's word.

Goes in: a refusal of the trace, and how the server is configured. Comes out: a view
that says who refused what, by which rule, where that is configured, and the RFC.
"""

import re
import tomllib
from dataclasses import fields, replace
from typing import Any

from maillab.policy.settings import Settings
from maillab.trace.view import Table, View, clock, filled
from maillab.trace.why import GIVEN_UP, Refusal
from maillab.world.personality import (
    Personality,
    Word,
    find_value,
    shown_value,
    unit_of,
)
from maillab.world.positions import line_of, step_into
from maillab.world.scenario import SHORT_KEYS, LoadedScenario

SECTIONS = "|".join(field.name for field in fields(Settings))
WIDTH = 118  # of a terminal
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
        because = f"because: {found.reason or found.rule or found.ref}."
        if found.is_delivery:
            verb = "gave up" if found.rule.endswith(GIVEN_UP) else "put off"
            return f"{found.server} {verb} {found.command}, {because}"
        said = f"said {found.reply!r}" if found.reply else "ended it without a word"
        return f"{found.command or found.client}: {found.server} {said}, {because}"

    def table(self) -> Table:
        """A row for each thing that is known."""
        rows = [row for row in self._rows() if row[1]]
        return Table("What is known", ("what", "is"), rows)

    def text(self) -> str:
        """All of it for a terminal."""
        rows = [row for row in self._rows() if row[1]]
        room = max(len(name) for name, _ in rows) + 2
        return "\n".join(
            filled(value, WIDTH, name.ljust(room), " " * room) for name, value in rows
        )

    def _silence(self) -> str:
        return "" if self.refusal.is_delivery else "nothing: the connection ended"

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
            ("replied", found.reply or self._silence()),
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
        return Why(refusal, origin_without_setting(refusal, loaded), None)
    word = find_word(clothes, refusal.setting)
    return Why(refusal, origin_of(refusal, loaded, clothes, settings), word)


def origin_without_setting(refusal: Refusal, loaded: LoadedScenario) -> str:
    """Where to look when no setting decided: at the accounts, or at the faults."""
    table = loaded.scenario.hosts.get(refusal.server)
    if refusal.is_login and table is not None:
        return f"accounts = {table.accounts!r}: world.directory({refusal.server!r})"
    if refusal.rule == "fault":
        return "world.fault(...), or [[faults]] of the scenario file"
    return ""


def with_setting(refusal: Refusal) -> Refusal:
    """An engine's own refusals name the setting in the reason; its name is the rule."""
    found = SETTING.search(refusal.reason)
    if refusal.setting or found is None:
        return refusal
    rule = refusal.rule or found[0].rpartition(".")[2].replace("_", " ")
    return replace(refusal, setting=found[0], rule=rule)


def origin_of(
    refusal: Refusal, loaded: LoadedScenario, clothes: Personality, settings: Settings
) -> str:
    """`world.toml:34: …`, or that it is a default, or that somebody changed it."""
    path = refusal.setting
    value = shown(settings, path, clothes)
    written = find_line(loaded, refusal.server, path)
    table = loaded.scenario.hosts.get(refusal.server)
    began = shown(table.settings if table else clothes.settings, path, clothes)
    if began != value:
        before = f"; {loaded.file.name}:{written} says {began!r}" if written else ""
        return f"while the world ran: it is {value!r} now{before}"
    if written is not None:
        return f"{loaded.file.name}:{written}: {value!r}"
    if shown(clothes.settings, path, clothes) == value:
        return f"nowhere: the default of {clothes.name} is {value!r}"
    return f"in the scenario: it is {value!r}"


def shown(settings: Settings, path: str, clothes: Personality) -> str:
    """A value as its vendor counts; "none" where there is no such item (any more)."""
    word = find_word(clothes, path)
    unit = word.unit if word is not None and word.setting == path else ""
    return shown_value(find_value(settings, path), unit or unit_of(path))


def find_line(loaded: LoadedScenario, host: str, path: str) -> int | None:
    """The line where a setting of a host is written, if it is."""
    base = ("hosts", host, "mail")
    table = tomllib.loads(loaded.text)["hosts"].get(host, {})
    data: Any = table.get("mail")
    keys: list[str] = []
    for part in path.split("."):
        key, data = step_into(data, part)
        if data is None:
            break
        keys.append(key)
    section = 1 if path.count(".") else 0
    missing = len(keys) < path.count(".") + 1
    if len(keys) > section and (not missing or re.search(r"\.\d", path)):
        return line_of(loaded.text, (*base, *keys))  # of a list, its entry is enough
    for short, long in SHORT_KEYS.items():
        if f"{path}.".startswith(f"{long}.") and short in table:
            return line_of(loaded.text, ("hosts", host, short))
    return None


def find_word(clothes: Personality, path: str) -> Word | None:
    """The vendor's word for a setting, for a part of it, or for what it is part of."""
    for word in clothes.words:
        if word.setting.startswith(f"{path}."):
            return word
    while path:
        for word in clothes.words:
            if word.setting == path:
                return word
        path = path.rpartition(".")[0]
    return None
