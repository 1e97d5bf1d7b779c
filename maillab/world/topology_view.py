"""The network of a world at one moment: who is where, behind which rules.

Goes in: what `world.topology_places` took down. Comes out: a tree and tables in text, a
picture, and the same tables in HTML.

Rule: every rule is shown with its number and the packets that it decided about; what is
off, and a rule that stopped something, is marked by a word or sign, not by colour.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

from maillab.trace.lines import clean
from maillab.trace.view import Table, View, plural
from maillab.world.topology_places import Door, Net, Place, RuleSeen
from maillab.world.topology_svg import draw

_PLACES = ("place", "network", "addresses", "power", "what it is for", "ports", "line")
_RULES = ("place", "rule", "packets", "state", "what")
_NATS = ("gateway", "protocol", "inside", "outside", "remote", "seconds left")


class Topology(View):
    """Networks, gateways, hosts, rules, address translation and power.

    nets  the networks without a way out; the others hang on their gateways
    """

    def __init__(self, name: str, moment: str, nets: Sequence[Net]) -> None:
        self.name = clean(name)
        self.moment = moment
        self.nets = list(nets)

    # Looking things up ----------------------------------------------------------------

    @cached_property
    def doors(self) -> list[Door]:
        """All gateways, from the internet inwards."""
        return [d for top in self.nets for net in top.walk() for d in net.doors]

    @cached_property
    def places(self) -> list[Place]:
        """All hosts and gateways."""
        nets = [net for top in self.nets for net in top.walk()]
        hosts = [host for net in nets for host in net.hosts]
        return [*(door.place for door in self.doors), *hosts]

    @property
    def ruled(self) -> list[tuple[Place, RuleSeen]]:
        """Every rule, with the place where it is."""
        return [(place, rule) for place in self.places for rule in place.rules]

    # The view -------------------------------------------------------------------------

    def describe(self) -> str:
        """One sentence: the alt text."""
        nets = sum(1 for top in self.nets for _ in top.walk())
        off = [place.name for place in self.places if not place.up]
        hits = sum(rule.hits for _, rule in self.ruled)
        told = (
            f"{self.name} at {self.moment}: {plural(nets, 'network')}, "
            f"{plural(len(self.doors), 'gateway')}, "
            f"{plural(len(self.places) - len(self.doors), 'host')}, "
            f"{plural(len(self.ruled), 'rule')}"
        )
        if self.ruled:
            told += f" that decided about {plural(hits, 'packet')}"
        return f"{told}; off: {', '.join(off)}." if off else f"{told}."

    def table(self) -> Table:
        """Hosts and gateways."""
        rows = [_place_row(place) for place in self.places]
        return Table("Hosts and gateways", _PLACES, rows)

    def rules(self) -> Table:
        """The rules of all firewalls, in the order in which they are asked."""
        rows = [(place.name, *_rule_row(rule)) for place, rule in self.ruled]
        return Table("Rules: the first that fits decides", _RULES, rows)

    def translations(self) -> Table:
        """What gateways with NAT remember of the flows that they translate."""
        rows = [
            (d.place.name, t.protocol, t.inside, t.outside, t.remote, f"{t.left:,}")
            for d in self.doors
            for t in d.translations
        ]
        return Table("Translated flows", _NATS, rows)

    def _tables(self) -> list[Table]:
        """Those that have rows."""
        tables = (self.table(), self.rules(), self.translations())
        return [table for table in tables if table.rows]

    def text(self) -> str:
        """All of it for a terminal: a tree, then the tables."""
        parts = [self.describe(), ""]
        for net in self.nets:
            parts += _tree(net, "")
        for table in self._tables():
            parts += ["", table.caption, table.text()]
        return "\n".join(parts)

    def svg(self) -> str:
        """The picture: networks as bands, gateways between them."""
        return draw(self.nets, self.describe())

    def html(self) -> str:
        """Picture, sentence and all tables."""
        *others, end = super().html().rpartition("</details>")[:2]
        more = "".join(table.html() for table in self._tables()[1:])
        return "".join([*others, more, end])


def _place_row(place: Place) -> tuple[str, ...]:
    return (
        place.name,
        place.network,
        ", ".join(place.addresses),
        "on" if place.up else "off",
        "; ".join(place.roles),
        "; ".join(place.ports),
        place.line,
    )


def _rule_row(rule: RuleSeen) -> tuple[str, ...]:
    state = "on" if rule.enabled else "off"
    return (str(rule.number), f"{rule.hits:,}", state, rule.what)


# The tree in text ---------------------------------------------------------------------


def _tree(net: Net, margin: str) -> Iterator[str]:
    """A network, its hosts, and what lies behind its gateways."""
    yield " ".join([f"{margin}[{net.name}]", *net.prefixes])
    last = len(net.hosts) + len(net.doors) - 1
    for at, item in enumerate([*net.hosts, *net.doors]):
        twig, below = ("└─ ", "   ") if at == last else ("├─ ", "│  ")
        if isinstance(item, Place):
            yield f"{margin}{twig}{_host_words(item)}"
        else:
            yield f"{margin}{twig}{_door_words(item)}"
            yield from (f"{margin}{below}{words}" for words in door_notes(item))
            yield from _tree(item.inside, margin + below)


def _host_words(place: Place) -> str:
    words = [place.name, ", ".join(place.addresses), "; ".join(place.roles)]
    if place.rules:
        words.append(_rules_words(place))
    return "  ".join(word for word in [*words, _power(place)] if word)


def _door_words(door: Door) -> str:
    sides = f"{', '.join(door.outside_addresses)} | {', '.join(door.inside_addresses)}"
    words = [f"{door.place.name} (gateway)", sides.removeprefix(" | ")]
    return "  ".join(word for word in [*words, _power(door.place)] if word)


def door_notes(door: Door) -> Iterator[str]:
    """What a gateway does to packets."""
    if door.nat:
        yield door.nat_told
    yield from (f"forwards {forward}" for forward in door.forwards)
    yield from (rule.told for rule in door.place.rules)


def _rules_words(place: Place) -> str:
    hits = sum(rule.hits for rule in place.rules)
    return f"({plural(len(place.rules), 'rule')}, {plural(hits, 'packet')})"


def _power(place: Place) -> str:
    return "" if place.up else "✗ off"
