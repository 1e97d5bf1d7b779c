"""What `explain` says is what a program sees, whatever the network looks like."""

import ipaddress
import random

import pytest

from maillab.net.gateway import Gateway
from maillab.net.host import Host
from maillab.net.rules import Rule
from maillab.world.explain import Explanation
from tests.networks import HomeNetwork, add_subnet, echo, open_echo

ACTIONS = ["accept", "drop", "reject", "prohibit", "redirect", "tarpit"]
TRACKING = ["keep", "recheck", "none"]
NOBODY = ["198.51.100.250", "2001:db8:ff::9999"]
SEES = {
    "arrives": "done",
    "dropped": "timed out",
    "answer lost": "timed out",
    "wrong answer": "timed out",
    "refused": "connection refused",
    "closed port": "connection refused",
    "nobody there": "no route to host",
    "prohibited": "no route to host",
    "tarpit": "patience ended",
    "no address": "network is unreachable",
}


class AnyNetwork(HomeNetwork):
    """The home, and more networks, hosts and rules at random."""

    def __init__(self, seed):
        super().__init__(seed)
        self.chance = random.Random(seed)
        self.prefixes = {self.network.internet: ("198.51.100.", "2001:db8:ff::")}
        for number in range(self.chance.randint(1, 4)):
            self.lay(number)
        for number in range(8):
            self.settle(number)
        for place in [*self.network.hosts.values()]:
            for _ in range(self.chance.choice([0, 0, 1, 2])):
                place.firewall.add(self.any_rule())
            place.firewall.tracking = self.chance.choice(TRACKING)
            if self.chance.random() < 0.04:
                place.power_off()

    def lay(self, number):
        """A network behind one of those that are there."""
        outer, (v4, v6) = self.chance.choice(list(self.prefixes.items()))
        nat = self.chance.random() < 0.6
        middle = self.chance.choice([1, 2]) if nat else 100 + number
        mine = f"10.{middle}.0.", f"2001:db8:{100 + number}::"
        subnet = add_subnet(
            self.network, f"n{number}", mine[0] + "0/24", mine[1] + "/64"
        )
        outside = [f"{v4}{60 + number}", f"{v6}{60 + number}"]
        inside = [one + "1" for one in mine]
        name = f"g{number}"
        gateway = Gateway(self.network, name, subnet, outer, inside, outside)
        gateway.nat, gateway.hairpin = nat, self.chance.random() < 0.6
        gateway.unsolicited = self.chance.choice(["drop", "reject"])
        self.prefixes[subnet] = mine

    def settle(self, number):
        """A host somewhere, and perhaps a forward to it."""
        subnet, (v4, v6) = self.chance.choice(list(self.prefixes.items()))
        addresses = [f"{v4}{100 + number}", f"{v6}{100 + number}"]
        host = Host(self.network, f"h{number}", addresses, 0.001, subnet)
        if self.chance.random() < 0.8:
            self.run(host.listen(25, echo))
            self.run(host.spawn(open_echo(53)))
        if subnet.uplink is not None and self.chance.random() < 0.5:
            subnet.uplink.forward("tcp", 25, addresses[0])
            subnet.uplink.forward("udp", 53, addresses[0])

    def any_rule(self):
        choose, keys = self.chance.choice, {}
        action = choose(ACTIONS)
        if action == "redirect":
            keys["to"] = (self.any_address(), choose([0, 25]))
        if self.chance.random() < 0.3:
            keys["destination"] = (ipaddress.ip_network(self.any_address()),)
        ports = choose([(), (range(25, 26),), (range(53, 54),)])
        direction = choose(["in", "out", "both"])
        return Rule(action, direction, choose(["tcp", "udp", "any"]), ports, **keys)

    def any_address(self):
        place = self.chance.choice(list(self.network.hosts.values()))
        return self.chance.choice([*place.addresses, *place.addresses, *NOBODY])


def expected(said, address, protocol):
    """What a program sees, in the words of `tests.networks`."""
    word = SEES[said.short]
    if said.short == "prohibited" and ":" in address:
        return "permission denied"
    if protocol == "udp" and (word == "timed out" or said.short == "nobody there"):
        return "patience ended"
    return word


@pytest.mark.parametrize("seed", range(40))
def test_explain_tells_the_truth(seed):
    with AnyNetwork(seed) as net:
        for _ in range(8):
            source = net.chance.choice([h for h in net.network.hosts.values() if h.up])
            address = net.any_address()
            protocol, port = net.chance.choice([("tcp", 25), ("tcp", 25), ("udp", 53)])
            if address in source.addresses or isinstance(source, Gateway):
                continue
            why = Explanation(source, address, (address, port), protocol, [address])
            said = why.outcome
            call = net.tcp if protocol == "tcp" else net.udp
            result = call(source, address, port)
            assert result.what == expected(said, address, protocol), why.text()
        assert net.kinds("failure") == []
