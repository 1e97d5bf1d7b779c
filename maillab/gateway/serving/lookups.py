"""The DNS of this computer, for mail that leaves it. Fulfils `dns.answers.Lookups`.

Goes in: a name and a type. Comes out: an `Answer`.

Rule: dnspython's resolver waits; so it works in threads, a few, and the server goes on.
      They are started by the first question: a server that sends nothing has none.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

import dns.exception
import dns.name
import dns.resolver
from dns.rdatatype import RdataType

from maillab.dns.answers import Answer, find_name
from maillab.dns.stub import read_reply

WORKERS = 4
PATIENCE = 20.0  # seconds for one question

T = TypeVar("T")


class SystemLookups:
    """Asks the servers of resolv.conf; addresses also by the system's own means."""

    @cached_property
    def _resolver(self) -> Any:
        found = dns.resolver.Resolver()
        found.lifetime = PATIENCE
        return found

    @cached_property
    def _workers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WORKERS, "DNS")

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """The records of a name. Never raises for what servers say."""
        owner = find_name(name)
        if owner is None:
            return Answer(name, rdtype, "NXDOMAIN")
        return await self._in_thread(self._ask, owner, RdataType.make(rdtype))

    async def addresses(self, name: str) -> list[str]:
        """All addresses of a name; of `localhost` and the hosts file too."""
        try:
            return [str(ipaddress.ip_address(name))]
        except ValueError:
            return await self._in_thread(system_addresses, name)

    def close(self) -> None:
        """Ask no more."""
        if "_workers" in self.__dict__:
            self._workers.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        # not `run_in_executor`: that of a WorldLoop works in line
        return await asyncio.wrap_future(self._workers.submit(work, *args))

    def _ask(self, owner: dns.name.Name, kind: RdataType) -> Answer:
        try:
            found = self._resolver.resolve(
                owner, kind, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN as error:
            denial: Any = error
            return read_reply(denial.response(owner), owner, kind)
        except dns.exception.Timeout:
            return read_reply(None, owner, kind)
        except (dns.exception.DNSException, OSError):
            return Answer(owner.to_text(True), kind.name, "SERVFAIL")
        return read_reply(found.response, owner, kind)


def system_addresses(name: str) -> list[str]:
    """As every program of this computer finds them, IPv4 first."""
    try:
        rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    found = dict.fromkeys(str(row[4][0]) for row in rows)
    return sorted(found, key=lambda text: ":" in text)
