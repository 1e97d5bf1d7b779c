"""The queues of a world: what waits at a mail server, and what happened to it.

Goes in: the name of a server. Comes out: a `QueueView`; what one does to a queue goes
through `world.server(name).queue` (hold, release, retry, delete).
"""

from typing import TYPE_CHECKING

from maillab.trace.queueview import SECOND, QueueView
from maillab.trace.recorder import Trace
from maillab.world.duration import seconds_of

if TYPE_CHECKING:
    from maillab.world.servers import MailServer


class Queues:
    """The part of a `World` that is about queues."""

    trace: Trace

    if TYPE_CHECKING:

        @property
        def time(self) -> float:
            """Seconds since this world began."""
            ...

        def server(self, name: str) -> MailServer:
            """A mail server by its name."""
            ...

    def queue(self, server: str, at: float | str | None = None) -> QueueView:
        """What waits at a mail server now, or as it was at some time of this world.

        `at` is a time since the world began: seconds, or "2 days". Raises LabError.
        """
        moment = self.time if at is None else seconds_of(at)
        name = self.server(server).name
        return QueueView(name, self.trace, round(moment * SECOND))
