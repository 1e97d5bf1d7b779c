"""Every domain is ours: for tests of programs that write to anybody.

Goes in: users, and mail for whomever. Comes out: mailboxes; one of them for all those
whom nobody has made.

Rule: this is for a server that only its own process can reach. Mail for anybody is
      taken, and none of it leaves.
"""

from dataclasses import replace

from maillab.agents.delivery import LocalDelivery
from maillab.errors import LabError
from maillab.policy.domains import Ours
from maillab.store.accounts import Account, MemoryDirectory

CATCHER = "catch-all@localhost"


class Anything(tuple[str, ...]):
    """Domains: all there are. The first one stands for the server."""

    __slots__ = ()

    def __contains__(self, key: object) -> bool:
        return True


class GrowingDirectory(MemoryDirectory):
    """Any domain is local once it has a user; with `catch_all`, all domains are."""

    catch_all = False

    def add(self, address: str, password: str, full_name: str = "") -> Account:
        """Create an account, and its domain. Raises LabError."""
        if "@" not in address:
            raise LabError(f"{address!r} is no mail address; write ann@example.org")
        self._domains |= {address.rpartition("@")[2].lower()}
        return super().add(address, password, full_name)

    def find_address(self, local_part: str, domain: str) -> Account | None:
        """The account that gets mail for an address."""
        if not self.catch_all:
            return super().find_address(local_part, domain)
        return self._find(f"{local_part}@{domain}") or self._find(CATCHER)


class CatchingDelivery(LocalDelivery):
    """Delivery that knows every address as its own, when its directory does."""

    @property
    def ours(self) -> Ours:
        """What this server knows of itself."""
        known = super().ours
        if not self._catches:
            return known
        domains = Anything(known.domains)
        return replace(known, domains=domains, find_account=whoever)

    @property
    def _catches(self) -> bool:
        directory = self.directory
        return isinstance(directory, GrowingDirectory) and directory.catch_all


def whoever(local_part: str, domain: str) -> str:
    """Everybody has an account; `GrowingDirectory.find_address` says which one."""
    return f"{local_part}@{domain}"
