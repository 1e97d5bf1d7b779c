"""What became of one recipient in one try.

Goes in: nothing. Comes out: `Outcome`, from the relay, the local delivery and the
folders, for the queue.
"""

from dataclasses import dataclass
from typing import Literal

from maillab.store.queue import Recipient
from maillab.wire.smtp import Reply

Status = Literal["delivered", "relayed", "expanded", "redirected", "deferred", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient in one try.

    status  "delivered"   it is in a mailbox, a folder, or with a mailing list
            "relayed"     the next host has taken responsibility
            "expanded"    it goes on to several others (RFC 3461 §5.2.7.2)
            "redirected"  it goes on to one other, who inherits `notify` and
                          `original`: nothing to report (RFC 3461 §5.2.7.1)
            "deferred", "failed"
    reason  in words; `code` as RFC 3463; `reply` and `host` when a server said it
    dsn     "relayed" to a host that honours DSN parameters: it will report
    """

    recipient: Recipient
    status: Status
    reason: str = ""
    code: str = ""
    reply: Reply | None = None
    host: str = ""
    dsn: bool = False

    @property
    def settled(self) -> bool:
        """Somebody has it."""
        return self.status not in ("deferred", "failed")
