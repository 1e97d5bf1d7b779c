"""What an IMAP client engine tells its agent."""

from dataclasses import dataclass

from maillab.protocol.engine import Event
from maillab.wire.imap import Status
from maillab.wire.imap_response import Data


@dataclass(frozen=True, slots=True)
class Greeting(Event):
    """The server's first words: OK, PREAUTH or BYE."""

    status: Status


@dataclass(frozen=True, slots=True)
class Completed(Event):
    """A command is over; `data` is what the server told on the way."""

    verb: str
    status: Status
    data: tuple[Data, ...] = ()

    @property
    def ok(self) -> bool:
        """Did the command work?"""
        return self.status.condition == "OK"


@dataclass(frozen=True, slots=True)
class News(Event):
    """Something that no command asked for."""

    data: Data


@dataclass(frozen=True, slots=True)
class Idling(Event):
    """The server will tell the news now, until `done()`."""


@dataclass(frozen=True, slots=True)
class Garbled(Event):
    """The server said something that is not IMAP. The session is over."""

    octets: bytes
