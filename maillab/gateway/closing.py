"""Close real ports without losing who is just coming in.

Goes in: open servers. Comes out: closed ones.

Rule: asyncio accepts a connection in one turn of its loop and welcomes it in a later
      one. A server that is closed in between forgets the connection and never closes
      it, so we first accept nobody, then wait for the welcomes, then close.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from maillab.net.sockets import WorldLoop

WELCOME = 3  # turns of the loop


async def close_servers(loop: WorldLoop, servers: Iterable[Any]) -> None:
    """Close real and virtual servers and doors. Who came in before is inside."""
    servers = list(servers)
    for server in servers:
        for sock in getattr(server, "sockets", ()):
            loop.remove_reader(sock.fileno())
    for _ in range(WELCOME):
        await asyncio.sleep(0)
    for server in servers:
        server.close()
