"""Which host am I, and why do I connect? Context variables answer, for code that cannot
be told: asyncio's signatures have no room for it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from maillab.errors import LabError

if TYPE_CHECKING:
    from maillab.net.host import Host

current_host: ContextVar["Host"] = ContextVar("maillab_current_host")
reason: ContextVar[int] = ContextVar("maillab_reason", default=0)


@contextmanager
def because(event: int) -> Generator[None, None, None]:
    """Connections that are opened meanwhile have this event as their cause."""
    before = reason.set(event)
    try:
        yield
    finally:
        reason.reset(before)


def here() -> "Host":
    """The host that the calling code runs on. Raises LabError on none."""
    host = current_host.get(None)
    if host is None:
        raise LabError(
            "this code runs on no virtual host: start it with host.spawn(...) or "
            "world.run(..., on=host)"
        )
    return host
