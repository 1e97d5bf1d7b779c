"""The tables of a scenario file that describe the network.

`[networks.NAME]`, `[gateways.NAME]`, their rules and forwards, and `[[timeline]]`. What
each key means for a packet stands in `net.rules` and `net.gateway`.
"""

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from maillab.errors import LabError
from maillab.net.firewall import Tracking
from maillab.net.gateway import Unsolicited
from maillab.net.path import Address
from maillab.net.presets import PRESETS
from maillab.net.rules import Action, Protocol, Rule
from maillab.net.subnet import INTERNET
from maillab.world.fields import (
    Addresses,
    Blocks,
    IPAddress,
    Latency,
    Length,
    Names,
    Ports,
    Probability,
    Rate,
    SomeAddresses,
    Table,
    as_list,
)


class NetworkTable(Table):
    """`[networks.NAME]`: the network of a site, or of a provider's customers."""

    prefix: Annotated[Blocks, Field(min_length=1)]
    resolver: Names = []  # whom its hosts ask
    comment: str = ""


class RuleTable(Table):
    """`[[hosts.NAME.rules]]`, `[[gateways.NAME.rules]]`: see `net.rules.Rule`."""

    action: Action
    direction: Literal["in", "out", "both"] = "both"
    protocol: Protocol = "any"
    ports: Ports = []
    source_ports: Ports = []
    source: Blocks = []
    destination: Blocks = []
    to: str = ""
    rate: Rate | None = None
    seconds: Length = 0.0
    probability: Probability = 0.0
    octets: int = Field(default=0, ge=0)
    comment: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> "RuleTable":
        try:
            self.rule(("", 0) if self.to else None)
        except LabError as error:
            raise ValueError(str(error)) from None
        return self

    def rule(self, to: Address | None = None) -> Rule:
        """The rule; `to` is where its own `to` has been found."""
        return Rule(
            self.action,
            self.direction,
            self.protocol,
            tuple(self.ports),
            tuple(self.source_ports),
            tuple(self.source),
            tuple(self.destination),
            to,
            self.rate or 0.0,
            self.seconds,
            self.probability,
            self.octets,
            self.comment,
        )


def check_preset(name: str) -> str:
    """The name of a preset."""
    if name in PRESETS:
        return name
    close = get_close_matches(name, PRESETS, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(PRESETS)}"
    raise ValueError(f"there is no preset {name!r}; {hint}")


class PresetTable(Table):
    """One of `presets`: a name, and where to redirect."""

    name: Annotated[str, AfterValidator(check_preset)]
    to: str = ""

    @model_validator(mode="after")
    def _knows_where(self) -> "PresetTable":
        if PRESETS[self.name].needs_to and not self.to:
            raise ValueError(
                f'{self.name} must be told where to: write {{ name = "{self.name}", '
                f'to = "HOST" }}'
            )
        return self


def as_presets(value: Any) -> Any:
    """A name alone stands for a table with a name."""
    if isinstance(value, list):
        return [as_presets(one) for one in value]  # pyright: ignore
    return {"name": value} if isinstance(value, str) else value


Presets = Annotated[
    list[PresetTable], BeforeValidator(as_presets), BeforeValidator(as_list)
]


class Filter(Table):
    """What hosts and gateways have in common: a firewall."""

    rules: list[RuleTable] = []
    presets: Presets = []
    tracking: Tracking | None = None


class BandwidthTable(Table):
    """`bandwidth = { up = "2 Mbit/s", down = "16 Mbit/s" }`."""

    up: Rate | None = None
    down: Rate | None = None


def as_bandwidth(value: Any) -> Any:
    """One rate stands for both directions."""
    alone = isinstance(value, (str, int, float))
    return {"up": value, "down": value} if alone else value


class Line(Filter):
    """A place that hangs on a line."""

    latency_ms: Latency = 5.0
    bandwidth: Annotated[BandwidthTable, BeforeValidator(as_bandwidth)] = (
        BandwidthTable()
    )
    loss: Probability = 0.0


class ForwardTable(Table):
    """`[[gateways.NAME.forward]]`: ports of the outside that lead inside."""

    ports: Annotated[Ports, Field(min_length=1)]
    to: str
    to_port: int = Field(default=0, ge=0, le=65535)
    protocol: Literal["tcp", "udp"] = "tcp"


class GatewayTable(Line):
    """`[gateways.NAME]`: a router between two networks.

    `inside` is the network whose way out it is; `address` is what it has outside.
    """

    inside: str
    outside: str = INTERNET
    inside_address: SomeAddresses
    address: Addresses = []
    nat: bool = False
    hairpin: bool = True
    unsolicited: Unsolicited = "drop"
    forward: list[ForwardTable] = []
    comment: str = ""


class TimelineTable(Table):
    """`[[timeline]]`: what happens to a host or gateway at a given time."""

    at: Length
    host: str
    power: Literal["on", "off", ""] = ""
    address: IPAddress | None = None
    old_address: IPAddress | None = None
    comment: str = ""

    @model_validator(mode="after")
    def _says_what(self) -> "TimelineTable":
        if bool(self.power) == bool(self.address):
            raise ValueError('say one thing: power = "off", power = "on" or address')
        return self
