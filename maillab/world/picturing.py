"""A world as a picture: its network, at this moment.

Goes in: a running world. Comes out: a `Topology`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from maillab.net.network import Network
from maillab.world.scenario import HostTable, Scenario
from maillab.world.topology_places import nets_of
from maillab.world.topology_view import Topology

if TYPE_CHECKING:
    from maillab.world.user import User


class Picturing:
    """The part of a `World` that is about looking at it."""

    name: str
    scenario: Scenario
    network: Network
    users: "dict[str, User]"

    def topology(self) -> Topology:
        """Networks, gateways, hosts and rules as they are now: text, tables, picture.

        `world.topology().rules()` has the rules with their numbers and hits.
        """
        moment = self.network.now().isoformat(sep=" ", timespec="seconds")
        nets = nets_of(self.network, lambda name: list(self._roles_of(name)))
        return Topology(self.name, moment.removesuffix("+00:00"), nets)

    def _roles_of(self, name: str) -> Iterator[str]:
        """What a host is there for; one that was plugged in later has no table."""
        table = self.scenario.hosts.get(name)
        if table is not None:
            yield from roles_in(table)
        for user in self.users.values():
            if user.host.name == name and user.host is not user.server.host:
                yield f"{user.address} sits here"


def roles_in(table: HostTable) -> Iterator[str]:
    """What the scenario says of a host."""
    mail = [role for role in table.serves if role != "resolver"]
    if mail:
        yield f"{', '.join(mail)} for {', '.join(table.domains)}"
    if "resolver" in table.serves:
        yield "resolves names for others"
    if table.zones:
        yield f"DNS for {', '.join(table.zones)}"
