"""The commands of a server: a table that its handlers register in.

Goes in: handlers, one for each command, in the order of the RFC. Comes out: who handles
a verb, and which section defines it.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

Handler = TypeVar("Handler")


class Commands(Generic[Handler]):
    """Verb -> handler, verb -> section; used as a decorator.

    >>> command: Commands[Callable[[str], str]] = Commands()
    >>> @command("NOOP", rfc="RFC 5321 §4.1.1.9")
    ... def noop(argument):
    ...     return "250 OK"
    >>> command.handlers["NOOP"](""), command.rfc_of["NOOP"]
    ('250 OK', 'RFC 5321 §4.1.1.9')
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.rfc_of: dict[str, str] = {}

    def __call__(self, verb: str, rfc: str) -> Callable[[Handler], Handler]:
        """Register a handler with the RFC section that defines its command."""

        def register(handler: Handler) -> Handler:
            self.handlers[verb] = handler
            self.rfc_of[verb] = rfc
            return handler

        return register
