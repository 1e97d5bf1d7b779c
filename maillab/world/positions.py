"""Where in a TOML file something stands.

Goes in: the text and a path such as ("hosts", "mail.alpha.example", "address"); the
items of arrays are numbers in words: ("faults", "0", "stage"). Comes out: a line
number, so that an error can point at it.

Rule: the values come from `tomllib`, which knows no positions. It has accepted the file
      before this one looks for keys; what is no TOML gives fewer positions, no errors.
"""

import re
import tomllib
from collections.abc import Callable
from typing import Any, cast

Path = tuple[str, ...]

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)
WORD = r"""[ \t]*(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*"""
KEY = re.compile(rf"{WORD}(?:\.{WORD})*")
HEADER = re.compile(rf"(\[\[?)({KEY.pattern})\]\]?")
PLAIN = re.compile(r"[^\s,\]}#]+(?: \d[^\s,\]}#]*)?")  # a date may have a space


def line_of(text: str, path: Path) -> int | None:
    """The line (from 1) of the key or table at `path`, or of the nearest one above it.

    >>> line_of('[hosts.pc]\\naddress = "192.0.2.1"\\n', ("hosts", "pc", "address"))
    2
    >>> line_of('[[faults]]\\n[[faults]]\\nstage = "RCPT"\\n', ("faults", "1", "stage"))
    3
    """
    lines = positions(text)
    path = written_path(text, path)
    for size in range(len(path), 0, -1):
        if path[:size] in lines:
            return lines[path[:size]]
    return None


def written_path(text: str, path: Path) -> Path:
    """The path as it is written: where a table stands for a list, keys for numbers.

    >>> written_path('lists."team@x" = ["a@x"]', ("lists", "0", "members", "0"))
    ('lists', 'team@x', 'members', '0')
    """
    try:
        data: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return path
    found: list[str] = []
    for part in path:
        key, data = step_into(data, part)
        found.append(key)
    return tuple(found)


def step_into(data: Any, part: str) -> tuple[str, Any]:
    """The key, and the value below it; the n-th item of a table that stands for a list.

    >>> step_into({"a@x": ["b@x"]}, "0")
    ('a@x', ['b@x'])
    """
    if isinstance(data, list):
        items = cast("list[Any]", data)
        there = part.isdecimal() and int(part) < len(items)
        return part, items[int(part)] if there else None
    if not isinstance(data, dict):
        return part, None
    table = cast("dict[str, Any]", data)
    if part.isdecimal() and part not in table and int(part) < len(table):
        part = list(table)[int(part)]
    return part, table.get(part)


def positions(text: str) -> dict[Path, int]:
    """The line of every table, key and array item; the first one when several are."""
    reader = Reader(text)
    reader.read()
    return reader.found


class Reader:
    """Goes through a file once and notes where things stand."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._counts: dict[Path, int] = {}  # items of `[[arrays of tables]]` so far

    def read(self) -> None:
        """Read all of it, or up to what is no TOML."""
        table: Path = ()
        while self._take(BLANK) is not None and self._at < len(self._text):
            line = self._line
            header = self._take(HEADER)
            if header is not None:
                table = self._table(split_key(header[2]), is_item=header[1] == "[[")
                self._note(table, line)
            elif not self._pair(table):
                return

    def _table(self, key: Path, *, is_item: bool) -> Path:
        """The path of a header: `[[faults]]` is ("faults", "0"), then ("faults", "1").

        A name of an array on the way means its last item: `[[gateways.home.rules]]`.
        """
        path: Path = ()
        for part in key[:-1]:
            path = self._item((*path, part))
        path = (*path, *key[-1:])
        if is_item:
            self._counts[path] = self._counts.get(path, 0) + 1
        return self._item(path)

    def _item(self, path: Path) -> Path:
        count = self._counts.get(path)
        return path if count is None else (*path, str(count - 1))

    def _pair(self, table: Path) -> bool:
        """`key = value`. False when there is none."""
        line = self._line
        key = self._take(KEY)
        if key is None or not self._skip("="):
            return False
        path = table + split_key(key[0])
        self._note(path, line)
        return self._value(path)

    def _value(self, path: Path) -> bool:
        self._take(BLANK)
        if self._skip("{"):
            return self._inside("}", lambda _number: self._pair(path))
        if self._skip("["):
            return self._inside("]", lambda number: self._array_item(path, number))
        return (self._take(STRING) or self._take(PLAIN)) is not None

    def _array_item(self, path: Path, number: int) -> bool:
        self._note((*path, str(number)), self._line)
        return self._value((*path, str(number)))

    def _inside(self, end: str, read_one: Callable[[int], bool]) -> bool:
        """What stands between brackets, one after the other."""
        number = 0
        while not self._skip(end):
            if not read_one(number):
                return False
            number += 1
            self._skip(",")
        return True

    # Letter by letter -----------------------------------------------------------------

    @property
    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _note(self, path: Path, line: int) -> None:
        for size in range(1, len(path) + 1):
            self.found.setdefault(path[:size], line)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _skip(self, mark: str) -> bool:
        """Step over `mark` if it comes next, behind blanks and comments."""
        self._take(BLANK)
        there = self._text.startswith(mark, self._at)
        self._at += len(mark) if there else 0
        return there


def split_key(text: str) -> Path:
    """`hosts."mail.alpha.example"` to its parts; () when it is no key."""
    try:
        value: object = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str] = []
    while isinstance(value, dict):
        ((name, value),) = value.items()  # pyright: ignore[reportUnknownVariableType]
        parts.append(str(name))  # pyright: ignore[reportUnknownArgumentType]
    return tuple(parts)
