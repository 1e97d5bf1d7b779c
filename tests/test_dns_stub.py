"""Who asks whom: stub resolvers, and what the resolvers behind them remember."""

import pytest

from maillab.errors import LabError
from maillab.world.files import load
from maillab.world.world import World
from tests.dns_worlds import asked, dns_world, write

RESOLVER = "192.0.2.54"


@pytest.fixture
def world(tmp_path):
    with dns_world(tmp_path) as opened:
        yield opened


# Stub resolvers -----------------------------------------------------------------------

TWO = """
[hosts.second]
address = "192.0.2.55"
serves = ["resolver"]
[hosts.phone]
address = "192.0.2.110"
resolver = ["resolver", "second"]
"""


@pytest.fixture
def two(tmp_path):
    with dns_world(tmp_path, TWO) as world:
        yield world


def test_a_stub_asks_its_second_resolver_after_five_seconds(two):
    two.hosts["resolver"].up = False
    began = two.time
    assert two.dig("beta.example", "MX", host="phone").status == "NOERROR"
    assert 5.0 < two.time - began < 5.5
    heard = [(server, said) for _, server, said in asked(two, "phone")]
    assert heard == [(RESOLVER, "timeout"), ("192.0.2.55", "NOERROR")]


def test_a_stub_asks_its_second_resolver_at_once_when_the_first_fails(two):
    two.dns_fault("resolver", kind="servfail")
    began = two.time
    assert two.dig("beta.example", "MX", host="phone").status == "NOERROR"
    assert two.time - began < 1


def test_a_stub_believes_the_first_that_says_there_is_no_such_name(two):
    assert two.dig("nobody.beta.example", host="phone").status == "NXDOMAIN"
    assert len(asked(two, "phone")) == 1


def test_a_stub_gives_up_after_two_rounds(two):
    for name in ("resolver", "second"):
        two.hosts[name].up = False
    began = two.time
    assert two.dig("beta.example", "MX", host="phone").status == "timeout"
    assert two.time - began == pytest.approx(20)
    assert len(asked(two, "phone")) == 4


def test_a_refusal_is_a_failure_that_may_pass(two):
    for name in ("resolver", "second"):
        two.dns_fault(name, kind="refused")
    resolver = two.resolvers["phone"]
    answer = two.run(resolver.resolve("beta.example", "MX"), on="phone")
    assert (answer.status, answer.temporary) == ("SERVFAIL", True)


def test_a_stub_without_edns_needs_tcp_beyond_512_octets(tmp_path):
    """RFC 1035 §4.2.1."""
    long = 'long TXT "' + '" "'.join(["x" * 200] * 3) + '"\n'
    with dns_world(tmp_path, beta_example=long) as world:
        assert world.dig("long.beta.example", "TXT", host="pc").asked.transport == "tcp"
        by = {
            e["transport"] for e in world.trace.of_kind("dns") if e.host == "resolver"
        }
        assert "tcp" not in by  # the resolver itself has EDNS


def test_a_resolver_may_be_the_root_itself(tmp_path):
    file = write(tmp_path)
    text = file.read_text()
    roots = 'zones = { "." = "root.zone" }'
    file.write_text(text.replace(roots, f'{roots}\nserves = ["resolver"]'))
    with World(load(file)) as world:
        options = {"host": "pc", "server": "ns.root.example"}
        answer = world.dig("beta.example", "MX", **options)
        assert answer.records == ["10 mx.beta.example."]


# Who asks whom ------------------------------------------------------------------------

SITES = """
[networks.site]
prefix = "10.0.0.0/24"
resolver = "second"
[gateways.router]
inside = "site"
inside_address = "10.0.0.1"
address = "198.51.100.90"
nat = true
[hosts.desk]
address = "10.0.0.5"
network = "site"
[hosts.lab]
address = "10.0.0.6"
network = "site"
resolver = "resolver"
[hosts.second]
address = "192.0.2.55"
serves = ["resolver"]
[hosts.third]
address = "192.0.2.56"
serves = ["resolver"]
"""


def test_a_host_asks_its_own_resolver_then_its_networks_then_the_worlds(tmp_path):
    file = tmp_path / "world.toml"
    world = dns_world(tmp_path, SITES)
    world.close()
    file.write_text(file.read_text().replace("seed", 'resolver = "third"\nseed', 1))
    with World(load(file)) as world:
        for host in ("lab", "desk", "walker", "third"):
            assert world.dig("www.alpha.example", host=host).status == "NOERROR"
        servers = {host: asked(world, host)[0][1] for host in ("lab", "desk", "walker")}
    assert servers == {"lab": RESOLVER, "desk": "192.0.2.55", "walker": "192.0.2.56"}


# What is remembered, printed ----------------------------------------------------------


def test_the_cache_prints_as_a_table(world):
    world.dig("www.beta.example", host="pc")
    world.advance(10)
    text = str(world.resolver("resolver").cache())
    assert "beta.example" in text
    assert "(delegation) ns1.beta.example 203.0.113.53" in text
    row = next(line for line in text.splitlines() if line.startswith("mx.beta"))
    assert row.split() == ["mx.beta.example", "A", "3590", "203.0.113.25"]


def test_a_flushed_cache_is_empty(world):
    world.dig("beta.example", "MX", host="pc")
    world.resolver("resolver").flush()
    assert world.resolver("resolver").cache().rows == []
    world.dig("beta.example", "MX", host="pc")
    assert len(asked(world, "resolver")) == 6


def test_a_host_without_a_cache_says_where_to_look(world):
    with pytest.raises(LabError, match="pc remembers nothing: it asks resolver"):
        world.resolver("pc")
