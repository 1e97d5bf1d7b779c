"""One mail transaction, as a server collects it (RFC 5321 §3.3).

Goes in: paths, parameters, chunks. Comes out: an `Envelope`, and content.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from maillab.protocol.smtp_server_commands import State
from maillab.wire.smtp import Envelope, Parameters, Reply
from maillab.wire.smtp_path import NULL_PATH, Address


@dataclass(slots=True)
class Transaction:
    """From MAIL to the reply to the content.

    tried_recipient  there was a RCPT, whatever became of it
    content          the chunks so far (RFC 3030 §2)
    failed           a chunk was refused: only RSET helps
    """

    reverse_path: Address = NULL_PATH
    parameters: Parameters = field(default_factory=dict[str, str | None])
    forward_paths: list[Address] = field(default_factory=list[Address])
    recipient_parameters: list[Parameters] = field(default_factory=list[Parameters])
    tried_recipient: bool = False
    content: bytearray = field(default_factory=bytearray)
    failed: bool = False

    def add(self, path: Address, parameters: Parameters) -> None:
        """One more recipient."""
        self.forward_paths.append(path)
        self.recipient_parameters.append(parameters)

    @property
    def envelope(self) -> Envelope:
        """The transaction so far; null before MAIL."""
        paths = tuple(self.forward_paths)
        given = tuple(self.recipient_parameters)
        return Envelope(
            self.reverse_path, paths, self.parameters, given if any(given) else ()
        )

    @property
    def body(self) -> str:
        """What the content is: 7BIT, 8BITMIME or BINARYMIME (RFC 6152, RFC 3030 §3)."""
        return (self.parameters.get("BODY") or "7BIT").upper()

    @property
    def is_international(self) -> bool:
        """SMTPUTF8 was asked for (RFC 6531 §3.4)."""
        return "SMTPUTF8" in self.parameters

    def domains(self) -> Iterator[str]:
        """The domain of each recipient, in lower case."""
        return (path.domain.lower() for path in self.forward_paths)


@dataclass(slots=True)
class Chunk:
    """The octets behind one BDAT (RFC 3030 §2).

    refusal      will be said when all of them have come; None when they are wanted
    state_after  a refusal
    """

    size: int
    last: bool
    refusal: Reply | None = None
    state_after: State = State.GREETED
    octets: bytearray = field(default_factory=bytearray)
    read: int = 0
    heard: int = 0

    @property
    def missing(self) -> int:
        """So many octets are still to come."""
        return self.size - self.read

    def take(self, block: bytes) -> None:
        """Some of them are here."""
        self.read += len(block)
        self.octets += block

    def take_raw(self) -> bytes:
        """What came since the last call; of a refused chunk nothing is kept."""
        raw = bytes(self.octets[self.heard :])
        self.heard = len(self.octets)
        if self.refusal is not None:
            self.octets.clear()
            self.heard = 0
        return raw
