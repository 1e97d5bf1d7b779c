"""What is called otherwise in each student's world: domains and addresses by lot.

Goes in: a scenario with `[variants]`, and dice. Comes out: a `Renaming` for its files,
and the `Names` by which notebooks call things.

Rule 1: the public seed renames nothing: its world is the one that the files describe.
Rule 2: what is drawn occurs nowhere in the files, so nothing gets two meanings.
"""

import random
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from maillab.world.renaming import Renaming
from maillab.world.scenario import VariantsTable

# Every one is a word of five to eight letters that is easy to tell from the others.
WORDS: Sequence[str] = (
    "acorn anchor barrel basket beacon bottle bramble bridge candle canyon carpet"
    " castle cellar clover comet copper cotton cradle dagger desert dragon ember"
    " falcon feather fiddle forest fossil garden ginger glacier hammer harbour hazel"
    " helmet island jasmine jigsaw kettle lantern ladder lemon lizard magnet maple"
    " marble meadow mirror mitten morning mustard nettle noodle oasis olive orchard"
    " otter paddle parcel pebble pepper pillow pocket prairie pumpkin puzzle quartz"
    " rabbit raven ribbon river rocket saddle saffron shadow shovel silver sparrow"
    " spindle summit sunset teapot thimble thunder timber tulip tunnel turnip velvet"
    " violet waffle walnut whistle willow window winter zephyr zigzag"
).split()
HOST_NUMBERS = range(2, 255)  # of a /24


class Named:
    """Names with values: `named.server`; printed as a table.

    >>> Named("names", {"server": "mx.example"})
      names.server  'mx.example'
    """

    def __init__(self, called: str, values: Mapping[str, Any]) -> None:
        self.called = called
        self.values = MappingProxyType(dict(values))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.values:
            known = ", ".join(self.values)
            raise AttributeError(f"{self.called} has {known}, not {name!r}")
        return self.values[name]

    def __repr__(self) -> str:
        width = max(map(len, self.values), default=0)
        rows = (f"  {self.called}.{n:<{width}}  {v!r}" for n, v in self.values.items())
        return "\n".join(rows)


def draw_renaming(table: VariantsTable, text: str, dice: random.Random) -> Renaming:
    """New names for the domains and addresses of `table`; `text`: all of the files."""
    words = [word for word in WORDS if word not in text.lower()]
    names: dict[str, str] = {}
    for domain, word in zip(
        table.domains, dice.sample(words, len(table.domains)), strict=True
    ):
        names[domain] = ".".join([word, *domain.split(".")[1:]])
    taken = set(re.findall(r"\d+\.\d+\.\d+\.\d+", text))
    for address in table.addresses:
        names[address] = _neighbour(address, taken, dice)
        taken.add(names[address])
    return Renaming(names)


def _neighbour(address: str, taken: set[str], dice: random.Random) -> str:
    """A free address of the same /24."""
    net = address.rpartition(".")[0]
    free = [one for n in HOST_NUMBERS if (one := f"{net}.{n}") not in taken]
    return dice.choice(free)
