"""`maillab.toml` as it is made at the first start: every setting, at its default.

Goes in: the models and dataclasses of the settings. Comes out: a commented TOML file,
and the table of `docs/serve.md`.

    # what it is for
    #key = "default"

Rule: nothing about a setting is written down here: names, defaults and explanations
      come from where the setting is. Without its "#" every line says what is so anyway.
"""

import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from maillab.gateway.serving.settings import MAIL_DEFAULTS, ServeSettings

HEAD = """\
# How this mail server is configured. Every setting stands here at its default: take
# the "#" before a key away and change the value. `maillab serve --check --dir FOLDER`
# says what is wrong; SIGHUP makes the server read this file again.
"""
SMART_HOST = """\
# A server that takes all mail for elsewhere; there is none by default. Such as:
# smart_host = { host = "smtp.example.org", port = 587, user = "me", password = "…" }
"""
EXPLAINED = re.compile(r"([a-z\d_]+(?:, [a-z\d_]+)*) +(\S.*)")
WIDTH = 86

Entry = tuple[str, str, Any]  # key, explanation, default


def template() -> str:
    """The whole file.

    >>> "\\n# IMAP (143)\\n#imap = 2143\\n" in template()
    True
    """
    tables = [model_table("", ServeSettings), *mail_tables("mail", MAIL_DEFAULTS)]
    return "\n".join([HEAD, *tables]).rstrip("\n") + "\n"


def settings_table() -> str:
    """The settings of the server itself, as a table in Markdown."""
    rows = ["| setting | default | what it is for |", "|---|---|---|"]
    rows += [
        f"| `{path}` | `{value(default)}` | {said} |"
        for path, said, default in server_entries()
    ]
    return "\n".join(rows)


def server_entries() -> Iterator[Entry]:
    """All settings but those of `[mail]`, with their whole names."""
    for name, field in ServeSettings.model_fields.items():
        if name == "mail":
            continue
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            for key, said, inner in entries_of(type(default)):
                yield f"{name}.{key}", said, inner
        else:
            yield name, field.description or "", default


# Tables -------------------------------------------------------------------------------


def model_table(name: str, model: type[BaseModel]) -> str:
    """A table and the tables in it, but for `[mail]`."""
    text = heading(name, model) if name else ""
    inner: list[str] = []
    for key, said, default in entries_of(model):
        if isinstance(default, BaseModel):
            if key != "mail":
                inner.append(model_table(key, type(default)))
        else:
            text += setting(key, said, default)
    return "\n".join([text, *inner])


def entries_of(model: type[BaseModel]) -> Iterator[Entry]:
    """The keys of a model."""
    for key, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        yield key, field.description or "", default


def mail_tables(name: str, section: object) -> Iterator[str]:
    """A dataclass, then those in it."""
    kind: type[Any] = type(section)
    said = explanations(kind)
    text = heading(name, kind)
    inner: list[str] = []
    for field in fields(kind):
        default = getattr(section, field.name)
        if default is None:
            text += SMART_HOST
        elif is_dataclass(default):
            inner += mail_tables(f"{name}.{field.name}", default)
        else:
            text += setting(field.name, said.get(field.name, ""), default)
    yield text
    yield from inner


def explanations(kind: type) -> dict[str, str]:
    """What the docstring of a dataclass says of its fields."""
    known = {field.name for field in fields(kind)}
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(kind.__doc__ or "").splitlines():
        match = EXPLAINED.fullmatch(line)
        if match and known.issuperset(match[1].split(", ")):
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        elif line.startswith(" ") and names:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            names = []
    return found


# Lines --------------------------------------------------------------------------------


def heading(name: str, kind: type) -> str:
    """`[name]`, with the first sentence of what it is."""
    first = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    return f"{comment(first)}[{name}]\n"


def setting(key: str, said: str, default: Any) -> str:
    """One key."""
    return f"{comment(said)}#{key} = {value(default)}\n"


def comment(text: str) -> str:
    """Text behind "# ", in short lines."""
    lines = textwrap.wrap(" ".join(text.split()), WIDTH - 2)
    return "".join(f"# {line}\n" for line in lines)


def value(default: Any) -> str:
    """A default as TOML.

    >>> value(("PLAIN", "LOGIN")), value(False), value(300.0), value("ä")
    ('["PLAIN", "LOGIN"]', 'false', '300', '"ä"')
    """
    if isinstance(default, list | tuple):
        return f"[{', '.join(map(value, default))}]"  # pyright: ignore
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}" if default < 1e5 else str(round(default))
    if isinstance(default, int):
        return str(default)
    return json.dumps(str(default), ensure_ascii=False)
