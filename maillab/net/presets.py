"""Firewalls and routers that everybody meets, by name.

Goes in: a name, a host or gateway. Comes out: its rules, behind those that it has.

Rule: a preset is nothing that one could not write by hand: `explain` shows its rules.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network

from maillab.errors import LabError
from maillab.net.firewall import Tracking
from maillab.net.gateway import Gateway
from maillab.net.host import Host
from maillab.net.path import Address
from maillab.net.rules import Rule

SMTP = (range(25, 26),)
EVERY_IPV6 = (ip_network("::/0"),)


@dataclass(frozen=True, slots=True)
class Preset:
    """One of them.

    nat       it translates addresses (gateways only)
    needs_to  it needs to be told where to redirect
    """

    meaning: str
    rules: Callable[[Address | None], list[Rule]]
    tracking: Tracking = "recheck"
    nat: bool = False
    needs_to: bool = False

    @property
    def for_gateways_only(self) -> bool:
        """A host cannot have it."""
        return self.nat


def no_rules(to: Address | None) -> list[Rule]:
    """Everything may pass."""
    del to
    return []


def dropped_25(to: Address | None) -> list[Rule]:
    """Silence: the sender waits until it gives up."""
    del to
    comment = "the provider blocks port 25"
    return [Rule("drop", "out", "tcp", SMTP, comment=comment)]


def rejected_25(to: Address | None) -> list[Rule]:
    """A RST: the sender knows at once."""
    del to
    comment = "the provider refuses port 25"
    return [Rule("reject", "out", "tcp", SMTP, comment=comment)]


def redirected_25(to: Address | None) -> list[Rule]:
    """Another server answers, and hardly anybody notices."""
    comment = "the provider's transparent proxy"
    return [Rule("redirect", "out", "tcp", SMTP, to=to, comment=comment)]


def simple_security(to: Address | None) -> list[Rule]:
    """IPv6 needs no NAT, but what nobody asked for stays outside (RFC 6092 §3)."""
    del to
    comment = "IPv6 that nobody inside asked for"
    return [Rule("drop", "in", destination=EVERY_IPV6, comment=comment)]


def nothing_in(to: Address | None) -> list[Rule]:
    """Who asks from outside gets no answer."""
    del to
    comment = "inbound connections that no rule allows are blocked"
    return [Rule("drop", "in", comment=comment)]


PRESETS: dict[str, Preset] = {
    "isp-blocks-25": Preset("outbound port 25 is dropped", dropped_25),
    "isp-rejects-25": Preset("outbound port 25 is refused with a RST", rejected_25),
    "isp-redirects-25": Preset(
        "outbound port 25 goes to the provider's own server",
        redirected_25,
        needs_to=True,
    ),
    "windows-firewall-default": Preset(
        "outbound all, inbound nothing that no rule allows", nothing_in
    ),
    "home-nat": Preset(
        "one public address for all; inbound what is forwarded, hairpin works",
        simple_security,
        tracking="keep",
        nat=True,
    ),
    "carrier-grade-nat": Preset(
        "one public address for many customers; inbound nothing (RFC 6598)",
        no_rules,
        tracking="keep",
        nat=True,
    ),
    "cloud-open": Preset("nothing is filtered in either direction", no_rules),
}


def apply(name: str, host: Host, to: Address | None = None) -> list[Rule]:
    """Give a host or gateway the rules of a preset; return them. Raises LabError."""
    preset = PRESETS.get(name)
    if preset is None:
        raise LabError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    if preset.needs_to and to is None:
        raise LabError(f"the preset {name} must be told where to redirect: to = …")
    if preset.nat:
        if not isinstance(host, Gateway):
            raise LabError(f"{host.name} is no gateway: it cannot have {name}")
        host.nat = True
        host.hairpin = name == "home-nat"
    host.firewall.tracking = preset.tracking
    return [host.firewall.add(rule) for rule in preset.rules(to)]
