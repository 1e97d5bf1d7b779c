"""Where something stands in a TOML file."""

import tomllib
from itertools import product

import pytest

from maillab.world.files import find_scenario, lab_names
from maillab.world.positions import line_of, positions

TEXT = '''\
# a comment with [[faults]] and a = 1
title = "x # no comment [hosts]"  # but this is one = 2

[hosts."mx.beta.example"]
address = [
    "192.0.2.1",  # first ]
    "192.0.2.2",
]
zones = { "." = "a", "beta.example" = "b" }
epoch = 2026-01-05 09:00:00Z

[[gateways.home.rules]]
action = "drop"
[[gateways.home.rules]]
action = "accept"
ports = [25, 465]
[gateways.home.rules.log]
level = 3
[[gateways.office.rules]]
action = "reject"

[rules]
all = [
    { action = "drop", port = 25 },
    { action = """
many
lines""", port = 26 },
]
'a.b'.c = \'\'\'
[not] a = "header"
\'\'\'
dotted.key = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("title", 2),
        ("hosts", 4),
        ("hosts mx.beta.example", 4),
        ("hosts mx.beta.example address", 5),
        ("hosts mx.beta.example address 1", 7),
        ("hosts mx.beta.example zones beta.example", 9),
        ("hosts mx.beta.example epoch", 10),
        ("gateways home rules", 12),
        ("gateways home rules 0 action", 13),
        ("gateways home rules 1", 14),
        ("gateways home rules 1 action", 15),
        ("gateways home rules 1 ports 1", 16),
        ("gateways home rules 1 log level", 18),
        ("gateways office rules 0 action", 20),
        ("rules all 0 port", 24),
        ("rules all 1", 25),
        ("rules all 1 port", 27),
        ("rules a.b c", 29),
        ("rules dotted key", 32),
        ("gateways home nothing here", 12),
    ],
)
def test_everything_has_its_line(path, line):
    tomllib.loads(TEXT)
    assert line_of(TEXT, tuple(path.split())) == line


def test_what_is_nowhere_has_no_line():
    assert line_of(TEXT, ("users", "bob")) is None


def paths(value, path=()):
    """All paths of a parsed file."""
    if isinstance(value, dict):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        items = [(str(number), inner) for number, inner in enumerate(value)]
    else:
        return
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@pytest.mark.parametrize("name", lab_names())
def test_nothing_in_a_lab_is_without_a_line(name):
    text = find_scenario(name).read_text("utf-8")
    assert set(paths(tomllib.loads(text))) == set(positions(text))


def test_nothing_of_the_example_is_without_a_line():
    assert set(paths(tomllib.loads(TEXT))) == set(positions(TEXT))


def test_a_file_that_is_no_toml_raises_nothing():
    for start, cut in product(range(0, 60, 7), range(0, len(TEXT), 3)):
        positions(TEXT[start:cut])
