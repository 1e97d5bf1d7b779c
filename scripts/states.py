"""Write docs/states.md: which command is legal in which state.

The tables stand at the top of each server engine; this page is drawn from them, so it
cannot say anything else than the code does.
"""

import re
from collections.abc import Iterator, Mapping, Set
from enum import Enum
from pathlib import Path

from maillab.protocol import imap_server as imap_server  # registers its commands
from maillab.protocol import imap_server_commands, pop3_server, smtp_server

PAGE = Path(__file__).parents[1] / "docs" / "states.md"
# Lines that arrive in these states are no commands.
NO_COMMANDS = {"DATA", "CHUNK", "AUTH", "SASL", "TLS", "UPDATE", "CLOSED", "LOGOUT"}
NO_COMMANDS |= {"REFUSED"}  # there only QUIT is left (RFC 5321 §3.1)
PROTOCOLS = {5321, 1939, 3501}  # before their extensions
INTRODUCTION = """\
# Which command is legal when

Written by `make docs` from the tables `LEGAL_STATES` at the top of the server engines.
A command in a wrong state is answered (503, -ERR, BAD) and changes nothing.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    engines = {"SMTP": smtp_server, "POP3": pop3_server, "IMAP": imap_server_commands}
    parts = [INTRODUCTION]
    parts += [
        table(name, module.State, module.LEGAL_STATES, module.RFC_OF)
        for name, module in engines.items()
    ]
    return "\n".join(parts)


def table(
    protocol: str,
    states: type[Enum],
    legal: Mapping[str, Set[Enum]],
    sections: Mapping[str, str],
) -> str:
    """One protocol as a Markdown table."""
    return "\n".join([f"## {protocol}", "", *rows(states, legal, sections), ""])


def rows(
    states: type[Enum], legal: Mapping[str, Set[Enum]], sections: Mapping[str, str]
) -> Iterator[str]:
    """Head, line, and a row for each command."""
    everywhere = set(states)
    named = [state for state in states if state.name not in NO_COMMANDS]
    names = (state.name.lower().replace("_", " ") for state in named)
    yield f"| command | {' | '.join(names)} | section |"
    yield f"|---|{'---|' * len(named)}---|"
    for verb, section in sorted(sections.items(), key=by_section):
        allowed = legal.get(verb, everywhere)
        marks = ("yes" if state in allowed else "" for state in named)
        yield f"| {verb} | {' | '.join(marks)} | {section} |"


def by_section(item: tuple[str, str]) -> tuple[bool, tuple[int, ...], str]:
    """The RFC of the protocol itself first, then those of its extensions."""
    verb, section = item
    numbers = tuple(map(int, re.findall(r"\d+", section)))
    return numbers[0] not in PROTOCOLS, numbers, verb


if __name__ == "__main__":
    main()
