"""A resolver that works for others, and the stub resolvers that ask it."""

import asyncio

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from maillab.dns.client import ask
from maillab.dns.ports import open_ports
from maillab.dns.resolver import MAX_QUERIES
from tests.dns_worlds import asked, dns_world

RESOLVER = "192.0.2.54"
NS1, NS2 = "203.0.113.53", "203.0.113.54"


@pytest.fixture
def world(tmp_path):
    with dns_world(tmp_path) as opened:
        yield opened
    assert not opened.trace.of_kind("failure")


def questions(world, name, rdtype, **flags):
    """One message from the pc to the resolver, by hand."""
    query = dns.message.make_query(name, rdtype, id=1, **flags)
    response, _ = world.run(ask(query, RESOLVER), on="pc")
    return response


# The usual case -----------------------------------------------------------------------


def test_a_host_asks_its_resolver_and_that_walks_from_the_root(world):
    answer = world.dig("beta.example", "MX", host="pc")
    assert answer.records == ["10 mx.beta.example."]
    assert asked(world, "pc") == [("beta.example", RESOLVER, "NOERROR")]
    servers = [server for _, server, _ in asked(world, "resolver")]
    assert servers == ["198.51.100.1", "198.51.100.2", NS1]


def test_what_the_resolver_knows_has_the_ttl_that_is_left(world):
    assert world.dig("beta.example", "MX", host="pc").rrset.ttl == 3600
    world.advance(100)
    assert world.dig("beta.example", "MX", host="pc").rrset.ttl == 3500
    last = [event for event in world.trace.of_kind("dns") if event.host == "resolver"]
    assert last[-1]["cached"]


def test_after_its_ttl_a_record_is_asked_for_anew(world):
    world.dig("old.beta.example", "TXT", host="pc")
    before = len(asked(world, "resolver"))
    world.advance(61)
    world.dig("old.beta.example", "TXT", host="pc")
    assert asked(world, "resolver")[before:] == [("old.beta.example", NS1, "NOERROR")]


def test_a_chain_of_aliases_comes_whole(world):
    response = questions(world, "far.beta.example", "A")
    assert [rrset.rdtype.name for rrset in response.answer] == ["CNAME", "A"]
    answer = world.dig("far.beta.example", host="pc")
    assert (answer.records, answer.aliases) == (["192.0.2.80"], ("www.alpha.example",))


def test_an_answer_of_a_resolver_is_not_authoritative(world):
    response = questions(world, "beta.example", "MX")
    assert response.flags & dns.flags.RA
    assert not response.flags & dns.flags.AA


def test_a_letter_finds_its_way_by_a_stub_resolver(tmp_path):
    from maillab.agents.routing import find_route

    with dns_world(tmp_path) as world:
        resolver = world.resolvers["pc"]
        way = find_route(resolver, "beta.example", world.host("pc").random("mx"))
        assert world.run(way, on="pc").hosts == ("mx.beta.example",)


# Denials and failures -----------------------------------------------------------------


def test_no_such_name_is_known_for_all_types(world):
    """RFC 2308 §5."""
    assert world.dig("nobody.beta.example", "A", host="pc").status == "NXDOMAIN"
    before = len(asked(world, "resolver"))
    assert world.dig("nobody.beta.example", "MX", host="pc").status == "NXDOMAIN"
    assert len(asked(world, "resolver")) == before


def test_none_of_that_type_is_known_for_one_type(world):
    assert world.dig("mx.beta.example", "AAAA", host="pc").status == "NODATA"
    before = len(asked(world, "resolver"))
    assert world.dig("mx.beta.example", "A", host="pc").status == "NOERROR"
    assert len(asked(world, "resolver")) == before + 1


def test_a_denial_has_the_soa_with_the_time_that_is_left(world):
    """RFC 2308 §6."""
    questions(world, "nobody.beta.example", "A")
    world.advance(100)
    response = questions(world, "nobody.beta.example", "A")
    assert [(r.name.to_text(), r.ttl) for r in response.authority] == [
        ("beta.example.", 200)
    ]


def test_a_denial_ends_too(world):
    world.dig("new.beta.example", host="pc")
    world.zone("beta.example").add("new", "A", "203.0.113.99")
    assert world.dig("new.beta.example", host="pc").status == "NXDOMAIN"
    world.advance(301)
    assert world.dig("new.beta.example", host="pc").records == ["203.0.113.99"]


def test_a_failure_is_remembered_for_some_seconds_only(world):
    """RFC 9520 §3.2."""
    for name in ("ns1.beta.example", "ns2.beta.example"):
        world.dns_fault(name, kind="servfail")
    assert world.dig("beta.example", "MX", host="pc").status == "SERVFAIL"
    before = len(asked(world, "resolver"))
    assert world.dig("beta.example", "MX", host="pc").status == "SERVFAIL"
    assert len(asked(world, "resolver")) == before
    world.advance(6)
    world.dig("beta.example", "MX", host="pc")
    assert len(asked(world, "resolver")) > before


def test_a_name_that_cannot_be_is_not_asked_for(world):
    resolver = world.resolvers["pc"]
    answer = world.run(resolver.resolve("x" * 64 + ".example", "A"), on="pc")
    assert answer.status == "NXDOMAIN"
    assert asked(world, "pc") == []


# Servers that do not help -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lame", "refused", "servfail"])
def test_a_server_that_does_not_know_its_zone_is_passed_over(world, kind):
    world.dns_fault("ns1.beta.example", kind=kind)
    answer = world.dig("beta.example", "MX", host="pc")
    assert answer.status == "NOERROR"
    tail = [(server, said) for _, server, said in asked(world, "resolver")[-2:]]
    assert tail == [(NS1, kind if kind == "lame" else kind.upper()), (NS2, "NOERROR")]


def test_a_silent_server_costs_a_resolver_less_than_a_second(world):
    world.hosts["ns1.beta.example"].up = False
    began = world.time
    assert world.dig("beta.example", "MX", host="pc").status == "NOERROR"
    assert 0.8 < world.time - began < 1.2


def test_when_all_servers_are_silent_the_client_is_told_in_ten_seconds(world):
    for name in ("ns1.beta.example", "ns2.beta.example"):
        world.hosts[name].up = False
    began = world.time
    assert world.dig("beta.example", "MX", host="pc").status == "SERVFAIL"
    assert 9 < world.time - began < 12


class Liar:
    """A name server that delegates, and gives an address of its own for a stranger."""

    def take(self, wire, reply, *, by_udp):
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        name = dns.name.from_text("sub.wicked.example")
        response.authority = [rrset(name, "NS", "www.alpha.example.")]
        response.additional = [rrset("www.alpha.example.", "A", "203.0.113.67")]
        reply(response.to_wire())


def rrset(name, rdtype, data):
    return dns.rrset.from_text(name, 3600, "IN", rdtype, data)


def test_glue_of_a_foreign_zone_is_not_believed(tmp_path):
    """RFC 5452 §6: who has wicked.example says nothing about alpha.example."""
    wicked = "wicked NS ns.wicked\nns.wicked A 203.0.113.66\n"
    with dns_world(tmp_path, example=wicked) as world:
        host = world.add_host("ns.wicked.example", "203.0.113.66")
        world.run(open_ports(Liar()), on=host)
        assert world.dig("x.sub.wicked.example", host="pc").status == "SERVFAIL"
        assert world.dig("www.alpha.example", host="pc").records == ["192.0.2.80"]
        servers = [server for _, server, _ in asked(world, "resolver")]
        assert "192.0.2.80" in servers  # the address that alpha.example gives
        assert "203.0.113.67" not in servers


def test_an_answer_without_authority_is_not_believed(world):
    """RFC 2181 §5.4.1: what a resolver remembers is not what a zone's server says."""
    world.dig("beta.example", "MX", host="pc")  # now the resolver has it in its cache
    world.delegate("beta.example", {"resolver.alpha.example": ["192.0.2.54"]})
    assert world.dig("beta.example", "MX", host="walker").status == "SERVFAIL"
    assert asked(world, "walker")[-1] == ("beta.example", RESOLVER, "lame")


def test_aliases_that_go_round_are_a_failure(tmp_path):
    rounds = "a CNAME b\nb CNAME c\nc CNAME a\n"
    with dns_world(tmp_path, beta_example=rounds) as world:
        assert world.dig("a.beta.example", host="pc").status == "SERVFAIL"
        assert len(asked(world, "resolver")) < 10


def test_a_chain_of_aliases_has_an_end(tmp_path):
    chain = "".join(f"c{n} CNAME c{n + 1}\n" for n in range(20)) + "c20 A 192.0.2.1\n"
    with dns_world(tmp_path, beta_example=chain) as world:
        assert world.dig("c0.beta.example", host="pc").status == "SERVFAIL"
        world.resolver("resolver").flush()
        assert world.dig("c11.beta.example", host="pc").status == "SERVFAIL"
        world.resolver("resolver").flush()
        assert world.dig("c12.beta.example", host="pc").records == ["192.0.2.1"]
        world.resolver("resolver").flush()
        assert world.dig("c14.beta.example", host="pc").records == ["192.0.2.1"]


def test_name_servers_that_name_each_other_end_in_a_failure(tmp_path):
    knot = "one NS ns.two\ntwo NS ns.one\n"
    with dns_world(tmp_path, example=knot) as world:
        assert world.dig("www.one.example", host="pc").status == "SERVFAIL"
        assert len(asked(world, "resolver")) < MAX_QUERIES


def test_a_delegation_to_a_hundred_names_costs_no_thousand_questions(tmp_path):
    """What a hostile zone can make a resolver do has a bound."""
    many = "".join(f"sub NS ns{n}.nowhere{n}.example.\n" for n in range(200))
    with dns_world(tmp_path, beta_example=many) as world:
        assert world.dig("www.sub.beta.example", host="pc").status == "SERVFAIL"
        assert len(asked(world, "resolver")) <= MAX_QUERIES


# The server's manners -----------------------------------------------------------------


def test_who_asks_the_same_meanwhile_gets_the_same_answer(world):
    async def both():
        resolver = world.resolvers["pc"]
        ways = [resolver.resolve("beta.example", "MX") for _ in range(5)]
        return await asyncio.gather(*ways)

    answers = world.run(both(), on="pc")
    assert {tuple(answer.records) for answer in answers} == {("10 mx.beta.example.",)}
    assert len(asked(world, "resolver")) == 3


def test_without_the_rd_bit_a_resolver_tells_only_what_it_knows(world):
    options = {"host": "pc", "server": "resolver", "recurse": False}
    assert world.dig("beta.example", "MX", **options).records == []
    assert asked(world, "resolver") == []
    world.dig("beta.example", "MX", host="pc")
    assert world.dig("beta.example", "MX", **options).records
    assert len(asked(world, "resolver")) == 3


def test_any_is_answered_with_one_small_record(world):
    """RFC 8482 §4.2."""
    response = questions(world, "beta.example", "ANY")
    assert [rrset.rdtype.name for rrset in response.answer] == ["HINFO"]


def test_a_resolver_gives_no_zone_away(world):
    assert questions(world, "beta.example", "AXFR").rcode() == dns.rcode.REFUSED


def test_a_cut_off_answer_is_fetched_by_tcp_on_both_ways(world):
    answer = world.dig("big.beta.example", "TXT", host="pc")
    assert len(answer.records[0]) > 2000
    by = [(e.host, e["transport"]) for e in world.trace.of_kind("dns")]
    assert ("resolver", "tcp") in by
    assert ("pc", "tcp") in by


def test_a_host_may_serve_zones_and_resolve(tmp_path):
    toml = """
[hosts."ns.gamma.example"]
address = ["198.51.100.70", "198.51.100.71"]
serves = ["resolver"]
zones = { "gamma.example" = "gamma.example.zone" }
[hosts.guest]
address = "198.51.100.80"
resolver = "ns.gamma.example"
"""
    with dns_world(
        tmp_path,
        toml,
        example="gamma NS ns.gamma\nns.gamma A 198.51.100.70\n",
        gamma_example="@ NS ns\nns A 198.51.100.70\naway CNAME www.beta.example.\n"
        "sub NS ns.alpha.example.\n",
    ) as world:
        own = world.dig("ns.gamma.example", host="guest")
        assert own.flags == ["qr", "aa", "rd", "ra"]
        rest = world.dig("www.alpha.example", host="guest")
        assert rest.flags == ["qr", "rd", "ra"]
        away = world.dig("away.gamma.example", host="guest")
        assert away.records == ["203.0.113.25"]
        assert "aa" in away.flags
        below = world.dig("x.sub.gamma.example", host="guest", recurse=False)
        assert below.status == "referral"
        second = world.dig("ns.gamma.example", host="pc", server="198.51.100.71")
        assert second.records == ["198.51.100.70"]


def test_two_runs_are_identical(tmp_path):
    def play():
        with dns_world(tmp_path) as world:
            world.dns_fault("ns1.beta.example", kind="servfail", chance=0.5)
            for name in ("www", "far", "nobody", "big"):
                world.dig(f"{name}.beta.example", host="pc")
            world.zone("beta.example").add("x", "A", "192.0.2.9")
        return world.trace.to_jsonl()

    assert play() == play()
