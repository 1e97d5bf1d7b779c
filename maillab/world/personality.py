"""A personality: our one server in the clothes of a server that students meet outside.

Goes in: a name such as "iis-smtp". Comes out: default settings, reply texts, extensions
that are announced, and the vendor's words for settings.

Rule 1: there is one engine. A personality has values and words, no behaviour.
Rule 2: vendors' words appear here and in labs only, always beside the key of
        `policy.settings` and the RFC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from itertools import groupby, zip_longest
from operator import itemgetter
from textwrap import wrap
from typing import Any, cast

from maillab.errors import LabError
from maillab.policy.settings import Settings
from maillab.protocol.smtp_phrases import PHRASES, Phrase
from maillab.trace.view import Table, View, plural
from maillab.world.mail_tables import SIZES

NAMES = ("maillab", "iis-smtp", "hmailserver", "postfix", "synology", "cloud-tenant")

UNITS: dict[str, tuple[float, str]] = {
    "KB": (1024, "KB"),
    "MB": (1024**2, "MB"),
    "s": (1, "s"),
    "min": (60, "min"),
    "h": (3600, "h"),
    "days": (86400, "days"),
}


@dataclass(frozen=True, slots=True)
class Word:
    """What a vendor calls a setting, and where its administrators find it.

    setting  the path in `Settings`: "limits.message_size"; with an index for one of
             several values: "delivery.retry.0"; "" for what is fixed here
    unit     "KB", "min", "h", "days" … when the vendor counts in it
    note     what else to know; for what is fixed: what it is
    answers  our value -> the vendor's: (("hide", "no"), ("off", "yes"))
    """

    page: str
    word: str
    setting: str = ""
    rfc: str = ""
    unit: str = ""
    note: str = ""
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Personality:
    """One set of clothes.

    name        in scenario files: `personality = "iis-smtp"`
    title       the product, as its makers call it
    settings    the defaults
    words       the vendor's words, page after page
    phrases     replies that are said in another way (`protocol.smtp_phrases`)
    extensions  what EHLO announces, in this order; () for what maillab announces
    """

    name: str
    title: str
    settings: Settings = field(default_factory=Settings)
    words: tuple[Word, ...] = ()
    phrases: Mapping[str, Phrase] = field(default_factory=dict[str, Phrase])
    extensions: tuple[str, ...] = ()


def phrases(*rows: tuple[str, int, str, str]) -> dict[str, Phrase]:
    """Replies of one's own: name, code, enhanced code, text. The RFC stays the same."""
    return {
        name: replace(PHRASES[name], code=code, enhanced=enhanced, text=text)
        for name, code, enhanced, text in rows
    }


def personality(name: str) -> Personality:
    """Find one by name. Raises LabError.

    >>> personality("iis-smtp").settings.limits.hops
    15
    """
    if name not in NAMES:
        close = get_close_matches(name, NAMES, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(NAMES)}"
        raise LabError(f"there is no personality {name!r}; {hint}")
    module = import_module(f"maillab.world.personalities.{name.replace('-', '_')}")
    return module.PERSONALITY


def check_personality(name: str) -> str:
    """A name that `personality` knows, for scenario files. Raises ValueError."""
    try:
        return personality(name).name
    except LabError as error:
        raise ValueError(str(error)) from None


class SettingsPages(View):
    """The settings of one server, in the words of its vendor."""

    def __init__(self, who: Personality, settings: Settings, server: str = "") -> None:
        self.personality = who
        self.settings = settings
        self.server = server

    def describe(self) -> str:
        """One sentence: the alt text."""
        whose = f"of {self.server}" if self.server else "as they are after installing"
        return f"Settings {whose}, in the words of {self.personality.title}."

    def table(self) -> Table:
        """A row for each of the vendor's words."""
        columns = ("page", "setting", "value", "key", "RFC")
        rows = [self._row(word) for word in self.personality.words]
        return Table(plural(len(rows), "setting"), columns, rows)

    def text(self) -> str:
        """All of it for a terminal, page after page."""
        parts = [self.describe()]
        columns = self.table().columns[1:]
        for page, rows in groupby(
            map(self._row, self.personality.words), itemgetter(0)
        ):
            wrapped = [line for row in rows for line in _lines(row[1:])]
            parts.append(f"{page}\n{_indented([*wrapped])}")
        head = _indented([[name.upper() for name in columns]])
        return "\n\n".join([parts[0], head, *parts[1:]])

    def _row(self, word: Word) -> Sequence[str]:
        shown = word.note
        if word.setting:
            value = shown_value(find_value(self.settings, word.setting), word.unit)
            value = dict(word.answers).get(value, value)
            shown = f"{value} ({word.note})" if word.note else value
        return (word.page, word.word, shown, word.setting, word.rfc)


WIDTHS = (39, 23, 30, 0)  # of setting, value, key; the RFC comes last


def _lines(row: Sequence[str]) -> list[list[str]]:
    """A row of the table as rows of a terminal: what is too long goes on below."""
    cells = [
        wrap(cell, width or 99, break_on_hyphens=False) or [""]
        for cell, width in zip(row, WIDTHS, strict=True)
    ]
    return [list(line) for line in zip_longest(*cells, fillvalue="")]


def _indented(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        "  " + "  ".join(map(str.ljust, row, WIDTHS)).rstrip() for row in rows
    )


def value_at(settings: Any, path: str) -> Any:
    """The value of a setting: "delivery.retry.0". Raises LabError.

    >>> value_at(Settings(), "limits.idle")
    300.0
    """
    value = settings
    for part in path.split("."):
        try:
            value = value[int(part)] if part.isdecimal() else getattr(value, part)
        except (AttributeError, IndexError, TypeError):
            raise LabError(f"there is no setting {path!r}: see {part!r}") from None
    return value


def find_value(settings: Settings, path: str) -> Any:
    """The value of a setting; None where a list is shorter now."""
    try:
        return value_at(settings, path)
    except LabError:
        return None


TIMES = (
    "limits.idle",
    "delivery.retry",
    "delivery.delay_warning",
    "delivery.expire",
    "delivery.keep_open",
    "defence.greylisting",
    "defence.autoblock",
    "defence.tarpit",
)
SMALLER = {"days": "h", "h": "min", "min": "s", "MB": "KB", "KB": ""}


def _amount(value: float, unit: str) -> str:
    """In the vendor's unit, or in a smaller one that makes a whole number of it.

    >>> _amount(86_400, "days"), _amount(3600, "days"), _amount(10_240_000, "")
    ('1 day', '1 h', '10240000')
    """
    while unit in SMALLER and value % UNITS[unit][0]:
        unit = SMALLER[unit]
    factor, name = UNITS.get(unit, (1, ""))
    amount = float(value / factor)
    name = "day" if name == "days" and amount == 1 else name
    number = f"{amount:.0f}" if amount.is_integer() else f"{amount:g}"
    return f"{number} {name}".rstrip()


def shown_value(value: Any, unit: str = "") -> str:
    """A value for people.

    >>> shown_value(2_097_152, "KB"), shown_value(True), shown_value(()), shown_value(0)
    ('2048 KB', 'yes', 'none', 'no limit')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, tuple):
        many = cast("tuple[Any, ...]", value)
        return ", ".join(shown_value(one, unit) for one in many)
    if isinstance(value, (int, float)):
        if value == 0:
            return "no limit" if isinstance(value, int) else "off"
        return _amount(value, unit)
    named = getattr(value, "name", None) or getattr(value, "host", None)
    if named or not is_dataclass(value):
        return str(named or value)
    parts = ((one.name, getattr(value, one.name)) for one in fields(value))
    return ", ".join(
        f"{name} {shown_value(part, unit if isinstance(part, float) else '')}"
        for name, part in parts
    )


def unit_of(path: str) -> str:
    """What to count a setting in when its vendor does not say.

    >>> unit_of("limits.message_size"), unit_of("delivery.retry.0"), unit_of("access")
    ('MB', 'days', '')
    """
    if path.rpartition(".")[2] in SIZES:
        return "MB"
    return "days" if path.startswith(TIMES) else ""
