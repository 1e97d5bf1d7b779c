"""A new message of this server's own making, for its queue.

Goes in: what alias, list, forward, vacation, rule or report made. Comes out: an
`Injection`, which `MTA.inject` queues.
"""

from dataclasses import dataclass
from typing import Literal

from maillab.store.queue import Recipient, Ret
from maillab.wire.smtp_path import Address

Cause = Literal["alias", "list", "forward", "vacation", "rule", "report"]


@dataclass(frozen=True, slots=True)
class Injection:
    """A message to queue; nobody brought it by SMTP.

    cause                   what made it
    ret, envid, body, utf8  as of `QueueEntry`
    """

    reverse_path: Address
    recipients: tuple[Recipient, ...]
    content: bytes
    cause: Cause
    ret: Ret = ""
    envid: str = ""
    body: str = "7BIT"
    utf8: bool = False
