"""A small internet for tests of the DNS: a root, a registry, two sites, a resolver.

`dns_world(folder)` builds it; `zones` and `toml` change and add what a test needs.
"""

from pathlib import Path

from maillab.world.files import load
from maillab.world.world import World

SOA = "$TTL 3600\n@ SOA ns.registry.example. host.registry.example. 7 1 1 1 300\n"
ZONES = {
    "root": SOA
    + """
@                   NS ns.root.example.
ns.root.example.    A  198.51.100.1
example.            NS ns.registry.example.
arpa.               NS ns.registry.example.
ns.registry.example. A 198.51.100.2
""",
    "example": SOA
    + """
@            NS ns.registry
ns.registry  A  198.51.100.2
ns.root      A  198.51.100.1
alpha        NS ns.alpha
ns.alpha     A  192.0.2.53
beta         NS ns1.beta
beta         NS ns2.beta
ns1.beta     A  203.0.113.53
ns2.beta     A  203.0.113.54
""",
    "arpa": SOA
    + """
@                        NS  ns.registry.example.
25.113.0.203.in-addr     PTR mx.beta.example.
""",
    "alpha.example": SOA + "@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.80\n",
    "beta.example": SOA
    + """
@    NS    ns1
@    NS    ns2
ns1  A     203.0.113.53
ns2  A     203.0.113.54
@    MX    10 mx
mx   A     203.0.113.25
www  CNAME mx
far  CNAME www.alpha.example.
old  60 TXT "short"
big  TXT   "{big}"
""".replace("{big}", '" "'.join(["x" * 250] * 8)),
}
TOML = """
title = "DNS"
seed = "dns"
[hosts."ns.root.example"]
address = "198.51.100.1"
zones = { "." = "root.zone" }
[hosts."ns.registry.example"]
address = "198.51.100.2"
zones = { "example" = "example.zone", "arpa" = "arpa.zone" }
[hosts."ns.alpha.example"]
address = "192.0.2.53"
zones = { "alpha.example" = "alpha.example.zone" }
[hosts."ns1.beta.example"]
address = "203.0.113.53"
zones = { "beta.example" = "beta.example.zone" }
[hosts."ns2.beta.example"]
address = "203.0.113.54"
zones = { "beta.example" = "beta.example.zone" }
[hosts.resolver]
address = "192.0.2.54"
serves = "resolver"
[hosts.pc]
address = "192.0.2.101"
resolver = "resolver"
[hosts.walker]
address = "192.0.2.102"
"""


def write(folder: Path, toml: str = "", **zones: str) -> Path:
    """The scenario file. `zones`: more records, by zone with "_" for each dot."""
    more = {name.replace("_", "."): text for name, text in zones.items()}
    for name in {**ZONES, **more}:
        text = ZONES.get(name, SOA) + "\n" + more.get(name, "")
        (folder / f"{name}.zone").write_text(text, "utf-8")
    file = folder / "world.toml"
    file.write_text(TOML + toml, "utf-8")
    return file


def dns_world(folder: Path, toml: str = "", **zones: str) -> World:
    """The small internet, with more tables and more records."""
    return World(load(write(folder, toml, **zones)))


def asked(world: World, host: str) -> list[tuple[str, str, str]]:
    """What a host asked whom, and what it heard, oldest first."""
    return [
        (event["question"], event["server"], event["rcode"])
        for event in world.trace.of_kind("dns")
        if event.host == host and not event["cached"]
    ]
