"""Which host am I? A context variable answers, for code that cannot be told."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

from maillab.errors import LabError

if TYPE_CHECKING:
    from maillab.net.host import Host

current_host: ContextVar["Host"] = ContextVar("maillab_current_host")


def here() -> "Host":
    """The host that the calling code runs on. Raises LabError on none."""
    host = current_host.get(None)
    if host is None:
        raise LabError(
            "this code runs on no virtual host: start it with host.spawn(...) or "
            "world.run(..., on=host)"
        )
    return host
