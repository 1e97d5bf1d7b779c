"""The code of our own servers, command by command.

Goes in: a verb and a protocol. Comes out: the handler's source and its RFC section.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import maillab
from maillab.errors import LabError
from maillab.protocol import imap_server, imap_server_commands, pop3_server, smtp_server

Handlers = Mapping[str, Callable[..., Any]]

TABLES: dict[str, tuple[Handlers, Mapping[str, str]]] = {
    "SMTP": (smtp_server.HANDLERS, smtp_server.RFC_OF),
    "POP3": (pop3_server.HANDLERS, pop3_server.RFC_OF),
    "IMAP": (imap_server.HANDLERS, imap_server_commands.RFC_OF),
}


@dataclass(frozen=True)
class Source:
    """A handler, as it stands in its file."""

    file: str
    ref: str
    text: str

    def __repr__(self) -> str:
        return f"# {self.file}, {self.ref}\n{self.text}"


def handler_source(verb: str, protocol: str = "SMTP") -> Source:
    """The handler of a command. Raises LabError.

    >>> handler_source("NOOP").ref
    'RFC 5321 §4.1.1.9'
    """
    if protocol.upper() not in TABLES:
        raise LabError(f"no server speaks {protocol!r}: expected {', '.join(TABLES)}")
    handlers, refs = TABLES[protocol.upper()]
    handler = handlers.get(verb.upper())
    if handler is None:
        known = ", ".join(handlers)
        raise LabError(f"{protocol} has no command {verb!r}: there is {known}")
    file = Path(inspect.getsourcefile(handler) or "")
    place = file.relative_to(Path(maillab.__file__).parents[1]).as_posix()
    text = inspect.cleandoc("\n" + inspect.getsource(handler))
    return Source(place, refs.get(verb.upper(), ""), text)
