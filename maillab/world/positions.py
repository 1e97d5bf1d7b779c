"""Where in a TOML file something stands.

Goes in: the text and a path such as ("hosts", "mail.alpha.example", "address"). Comes
out: a line number, so that an error can point at it. The values come from `tomllib`,
which knows no positions; this file reads keys and table headers only.
"""

import re
import tomllib

KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+|[\s.])+?)\s*=""")
HEADER = re.compile(r"^\s*\[\[?(.+?)\]\]?\s*(?:#.*)?$")

Path = tuple[str, ...]


def line_of(text: str, path: Path) -> int | None:
    """The line (from 1) of the key or table at `path`, or of the nearest one above it.

    >>> line_of('[hosts.pc]\\naddress = "192.0.2.1"\\n', ("hosts", "pc", "address"))
    2
    """
    lines = positions(text)
    for size in range(len(path), 0, -1):
        if path[:size] in lines:
            return lines[path[:size]]
    return None


def positions(text: str) -> dict[Path, int]:
    """The line of every key and table header; the first one when there are several."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = HEADER.match(line)
        key = KEY.match(line)
        if header:
            table = split_key(header[1])
            for size in range(1, len(table) + 1):
                found.setdefault(table[:size], number)
        elif key:
            path = table + split_key(key[1])
            found.setdefault(path, number)
    return found


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
