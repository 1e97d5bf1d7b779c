"""What an IMAP server knows about one message when it answers a client.

Goes in: facts from a store. Comes out: a value that FETCH and SEARCH read.

Rule: `content` holds as much as was asked for: the whole message, only its header (with
      the empty line), or nothing. `size` is that of the whole message, always.
"""

from dataclasses import dataclass, field

from maillab.wire.message import DateTime

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class MessageData:
    """A message as its mailbox has it.

    size       octets of the whole message (RFC822.SIZE)
    modseq     of the last change of its flags (RFC 7162 §3.1)
    save_date  when it came into this mailbox; None: not known (RFC 8514 §4)
    email_id   the same for all copies (RFC 8474 §5.1)
    thread_id  the same for a whole conversation (RFC 8474 §5.2); "" is NIL

    >>> MessageData(7, frozenset(), DateTime(2026, 1, 1), b"To: bob\\r\\n\\r\\nHi").size
    13
    """

    uid: int
    flags: frozenset[str]
    internal_date: DateTime
    content: bytes = field(repr=False)
    size: int = UNKNOWN
    modseq: int = 1
    save_date: DateTime | None = None
    email_id: str = ""
    thread_id: str = ""

    def __post_init__(self) -> None:
        if self.size == UNKNOWN:
            object.__setattr__(self, "size", len(self.content))
