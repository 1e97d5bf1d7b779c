"""All exceptions of maillab.

    Refused                  the peer, or a policy, gets a refusal: `reply` is what it
    is told ProtocolError
      LocalProtocolError     our own code asked an engine for something illegal
      RemoteProtocolError    the peer said something that its protocol does not allow
    WorldError
      Deadlock               nothing can ever happen again, and somebody still waits
      Livelock               things happen without end, and time stands still
    LabError                 a wrong scenario, command line or notebook call
      ScenarioError          ... with the file and the line where it stands
    store.mailboxes.MailboxError   a mailbox cannot be made, found or changed so
    store.accounts.DirectoryUnavailable   nobody can say now who may log in
    agents.smtp_dialogue.SessionEnded, agents.mua.Unsent   how sending can fail

Network failures are the builtins that a real network raises: `ConnectionRefusedError`,
`TimeoutError`, `OSError(EHOSTUNREACH)`, `socket.gaierror`. So lab code runs unchanged
on real sockets.
"""

from pathlib import Path


class Refused(Exception):
    """A command that gets a refusal. Caught in one place per engine, never shown as is.

    `reply` is the refusal in the words of the protocol (`wire.smtp.Reply`,
    `wire.pop3.Reply`, `wire.imap.Status`).
    """

    def __init__(self, reply: object) -> None:
        super().__init__(str(reply))
        self.reply = reply


class ProtocolError(Exception):
    """A rule of a protocol was broken."""


class LocalProtocolError(ProtocolError):
    """Our own side tried something that the protocol does not allow now."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow."""


class WorldError(RuntimeError):
    """The virtual world cannot go on."""


class Deadlock(WorldError):
    """Nobody will ever answer: no byte is on its way and no timer is set."""


class Livelock(WorldError):
    """Very many things happened and the clock did not move."""


class LabError(Exception):
    """What somebody typed does not work: says what to type instead."""


class ScenarioError(LabError):
    """A scenario file is wrong: `FILE:LINE: what was given, what was expected`."""

    def __init__(self, file: Path | str, line: int | None, message: str) -> None:
        where = f"{file}:{line}" if line else f"{file}"
        super().__init__(f"{where}: {message}")
        self.file = Path(file)
        self.line = line
        self.message = message
