"""One network: the hosts of a site, of a provider's customers, or of the internet.

Goes in: prefixes, hosts, gateways. Comes out: who has an address, and which gateway a
packet must take next.

Rule 1: a subnet has at most one gateway outwards (`uplink`), and any number inwards.
Rule 2: "internet" has no prefixes: it is where everything is that is nowhere else.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.net.rules import Block, parsed

if TYPE_CHECKING:
    from maillab.net.gateway import Gateway
    from maillab.net.host import Host

INTERNET = "internet"


class Subnet:
    """Hosts that reach each other without a gateway."""

    def __init__(self, name: str, prefixes: Sequence[Block] = ()) -> None:
        self.name = name
        self.prefixes = tuple(prefixes)
        self.uplink: Gateway | None = None
        self.inner: list[Gateway] = []  # gateways whose outside is here
        self._owners: dict[str, Host] = {}

    def __repr__(self) -> str:
        prefixes = " ".join(str(prefix) for prefix in self.prefixes)
        return f"<Subnet {self.name} {prefixes}>"

    def attach(self, host: "Host", address: str) -> None:
        """Give an address to a host. Raises LabError when it is taken or foreign."""
        other = self._owners.get(address)
        if other is not None and other is not host:
            raise LabError(
                f"{host.name} and {other.name} both have the address {address}: "
                f"give one of them another address"
            )
        if not self.covers(address):
            wanted = " or ".join(str(prefix) for prefix in self.prefixes)
            raise LabError(
                f"{host.name} is in the network {self.name}, but its address {address} "
                f"is not in {wanted}"
            )
        self._owners[address] = host

    def detach(self, address: str) -> None:
        """Nobody has this address any more."""
        self._owners.pop(address, None)

    def owner(self, address: str) -> "Host | None":
        """Who has an address here."""
        return self._owners.get(address)

    def covers(self, address: str) -> bool:
        """Is this an address of this network?"""
        if not self.prefixes:
            return True
        return any(parsed(address) in prefix for prefix in self.prefixes)

    def find_inner(self, address: str) -> "Gateway | None":
        """The gateway behind which an address lies, if one of ours leads there."""
        return next((one for one in self.inner if one.reaches(address)), None)
