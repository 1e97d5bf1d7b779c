"""Zones, servers and resolvers, over the virtual network."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from maillab import open_world
from maillab.agents.routing import find_route
from maillab.dns.server import AuthoritativeServer
from maillab.dns.zones import Zone
from maillab.errors import ScenarioError

ZONE = """
$ORIGIN alpha.example.
$TTL 3600
@        SOA   ns hostmaster 1 7200 3600 1209600 300
         NS    ns
         MX    20 backup.beta.example.
         MX    10 mail
ns       A     192.0.2.53
mail     A     192.0.2.25
         AAAA  2001:db8::25
www      CNAME mail
*.wild   TXT   "anything"
a.b.c    A     192.0.2.9
sub      NS    ns.sub
ns.sub   A     192.0.2.99
nomail   MX    0 .
big      TXT   "{filler}"
""".replace("{filler}", '" "'.join(["x" * 250] * 8))


@pytest.fixture
def server():
    return AuthoritativeServer([Zone.from_text(ZONE, "alpha.example")])


def ask(server, name, rdtype, *, by_udp=True, edns=False):
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else None, id=7)
    return dns.message.from_wire(server.answer(query.to_wire(), by_udp=by_udp))


def test_an_mx_answer_comes_with_addresses(server):
    response = ask(server, "alpha.example", "MX")
    assert response.flags & dns.flags.AA
    assert response.id == 7
    rows = [rdata.to_text() for rdata in response.answer[0]]
    assert rows == ["20 backup.beta.example.", "10 mail.alpha.example."]
    extra = [rrset.to_text() for rrset in response.additional]
    assert "mail.alpha.example. 3600 IN A 192.0.2.25" in extra


def test_names_compare_without_regard_to_case(server):
    assert ask(server, "MAIL.Alpha.EXAMPLE", "A").answer


def test_a_name_that_is_not_there_is_nxdomain_with_the_soa(server):
    response = ask(server, "nobody.alpha.example", "A")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert response.authority[0].ttl == 300  # RFC 2308 §3: the SOA's minimum


def test_a_type_that_is_not_there_is_nodata(server):
    response = ask(server, "ns.alpha.example", "MX")
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert response.authority


def test_a_name_above_others_exists_without_records(server):
    """RFC 4592 §2.2.2: an empty non-terminal."""
    response = ask(server, "b.c.alpha.example", "A")
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer


def test_a_cname_is_followed_inside_the_zone(server):
    response = ask(server, "www.alpha.example", "A")
    assert [rrset.rdtype.name for rrset in response.answer] == ["CNAME", "A"]


def test_a_wildcard_answers_with_the_name_that_was_asked(server):
    response = ask(server, "this.wild.alpha.example", "TXT")
    assert response.answer[0].name.to_text() == "this.wild.alpha.example."


def test_below_a_delegation_comes_a_referral_with_glue(server):
    response = ask(server, "host.sub.alpha.example", "A")
    assert not response.flags & dns.flags.AA
    assert not response.answer
    assert response.authority[0].to_text().endswith("NS ns.sub.alpha.example.")
    assert response.additional[0].to_text().endswith("A 192.0.2.99")


def test_other_zones_are_refused(server):
    assert ask(server, "gamma.example", "A").rcode() == dns.rcode.REFUSED


def test_a_big_answer_is_cut_off_by_udp_and_whole_by_tcp(server):
    assert ask(server, "big.alpha.example", "TXT").flags & dns.flags.TC
    whole = ask(server, "big.alpha.example", "TXT", by_udp=False)
    assert not whole.flags & dns.flags.TC
    assert whole.answer


def test_an_answer_that_no_message_can_hold_is_a_failure():
    lines = "".join(f'huge TXT "{number:04}{"x" * 250}"\n' for number in range(300))
    huge = AuthoritativeServer([Zone.from_text(ZONE + lines, "alpha.example")])
    assert ask(huge, "huge.alpha.example", "TXT").flags & dns.flags.TC
    whole = ask(huge, "huge.alpha.example", "TXT", by_udp=False)
    assert whole.rcode() == dns.rcode.SERVFAIL
    assert not whole.flags & dns.flags.TC
    assert not whole.answer


def test_edns_allows_bigger_answers_by_udp(server):
    query = dns.message.make_query("alpha.example", "MX", use_edns=0, payload=1232)
    response = dns.message.from_wire(server.answer(query.to_wire(), by_udp=True))
    assert response.edns == 0


@pytest.mark.parametrize("noise", [b"", b"x", b"\0" * 11, b"\xff" * 40, b"\0" * 300])
def test_noise_gets_a_format_error_or_nothing(server, noise):
    answer = server.answer(noise, by_udp=True)
    if answer is not None:
        assert dns.message.from_wire(answer).rcode() == dns.rcode.FORMERR


def test_a_response_is_never_answered(server):
    query = dns.message.make_query("alpha.example", "MX")
    response = dns.message.make_response(query)
    assert server.answer(response.to_wire(), by_udp=True) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@ SOA a b 1 2 3 4\n", ":1"),
        ("@ 60 A 192.0.2.1\n", "no SOA"),
        ("@ 60 SOA ns host 1 2 3 4 5\n", "no NS"),
        ("@ 60 SOA ns host 1 2 3 4 5\n@ 60 NS ns\nx 60 A 999.0.0.1\n", ":3"),
    ],
)
def test_a_wrong_zone_file_is_said_with_its_line(text, message):
    with pytest.raises(ScenarioError, match=message):
        Zone.from_text(text, "alpha.example")


# Resolving in a world -----------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    with open_world("two-domains") as opened:
        yield opened


def test_a_resolver_walks_down_from_the_root_once(world):
    answer = world.dig("beta.example", "MX", host="alice-pc")
    assert answer.records == ["10 mx.beta.example."]
    servers = [e["server"] for e in world.trace.of_kind("dns") if e.host == "alice-pc"]
    assert servers == ["198.51.100.1", "198.51.100.2", "203.0.113.53"]
    world.dig("beta.example", "MX", host="alice-pc")
    last = world.trace.of_kind("dns")[-1]
    assert last["cached"]


def test_the_cache_forgets_after_the_ttl(world):
    world.dig("beta.example", "TXT", host="bob-pc")
    before = len(world.trace.of_kind("dns"))
    world.advance("2 h")
    world.dig("beta.example", "TXT", host="bob-pc")
    assert not world.trace.of_kind("dns")[before]["cached"]


@pytest.mark.parametrize(
    ("name", "rdtype", "status", "records"),
    [
        ("imap.beta.example", "A", "NOERROR", ["203.0.113.25"]),
        ("nobody.beta.example", "A", "NXDOMAIN", []),
        ("mx.beta.example", "AAAA", "NODATA", []),
        ("gamma.example", "MX", "NXDOMAIN", []),
        ("25.2.0.192.in-addr.arpa", "PTR", "NOERROR", ["mail.alpha.example."]),
    ],
)
def test_answers_have_names(world, name, rdtype, status, records):
    answer = world.dig(name, rdtype)
    assert (answer.status, answer.records) == (status, records)


def test_a_server_that_is_off_is_a_time_out(world):
    world.hosts["ns.beta.example"].up = False
    answer = world.dig("new.beta.example", "A", host="bob-pc")
    world.hosts["ns.beta.example"].up = True
    assert answer.status == "timeout"
    assert answer.temporary


def test_a_host_name_resolves_for_unmodified_asyncio_code(world):
    async def look():
        import asyncio

        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo("mx.beta.example", 25)

    rows = world.run(look(), on="alice-pc")
    assert rows[0][4] == ("203.0.113.25", 25)


# Routing mail -------------------------------------------------------------------------


class FakeResolver:
    """Answers from a zone, at once."""

    def __init__(self, zone):
        self.zone = zone

    async def resolve(self, name, rdtype):
        import dns.name
        from dns.rdatatype import RdataType

        from maillab.dns.answers import Answer, read_answer

        response = dns.message.make_response(dns.message.make_query(name, rdtype))
        owner = dns.name.from_text(name)
        found = self.zone.lookup(owner, RdataType[rdtype])
        response.set_rcode(found.rcode)
        response.answer, response.authority = found.answer, found.authority
        kind = RdataType[rdtype]
        return read_answer(response, owner, kind) or Answer(name, rdtype, "SERVFAIL")

    async def addresses(self, name):
        return (await self.resolve(name, "A")).records


def route(domain, own_name="", seed=0):
    import asyncio
    import random

    resolver = FakeResolver(Zone.from_text(ZONE, "alpha.example"))
    return asyncio.run(find_route(resolver, domain, random.Random(seed), own_name))


def test_mail_exchangers_come_in_the_order_of_their_preference():
    assert route("alpha.example").hosts == ("mail.alpha.example", "backup.beta.example")


def test_a_backup_never_sends_to_hosts_that_are_not_better():
    assert route("alpha.example", "backup.beta.example").hosts == (
        "mail.alpha.example",
    )


def test_a_domain_without_mx_is_its_own_exchanger():
    assert route("mail.alpha.example").hosts == ("mail.alpha.example",)


def test_a_null_mx_takes_no_mail():
    found = route("nomail.alpha.example")
    assert (found.hosts, found.code, found.temporary) == ((), "5.1.10", False)


def test_a_domain_that_is_not_there_is_a_permanent_failure():
    found = route("nobody.alpha.example")
    assert (found.code, found.temporary) == ("5.1.2", False)


def test_an_address_literal_needs_no_dns():
    assert route("[192.0.2.7]").hosts == ("192.0.2.7",)
    assert route("[IPv6:2001:db8::7]").hosts == ("2001:db8::7",)
