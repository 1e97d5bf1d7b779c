"""What zone files can say, and what a server makes of it (RFC 1034, RFC 4592)."""

import time

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from maillab.dns.server import AuthoritativeServer
from maillab.dns.zones import Zone

# The zone of RFC 4592 §2.2.1.
WILD = """
@            3600 SOA ns.example.com. host.example.com. 1 7200 3600 1209600 300
             3600 NS  ns.example.com.
*            3600 TXT "this is a wildcard"
*            3600 MX  10 host1
sub.*        3600 TXT "this is not a wildcard"
host1        3600 A   192.0.2.1
_ssh._tcp.host1 3600 SRV 0 0 22 host1
_ssh._tcp.host2 3600 SRV 0 0 22 host2
subdel       3600 NS  ns.example.com.
*.alias      3600 CNAME host1
*.loose      3600 CNAME host1.elsewhere.test.
"""


def ask(zone_text, origin, name, rdtype):
    server = AuthoritativeServer([Zone.from_text(zone_text, origin)])
    query = dns.message.make_query(name, rdtype, id=1)
    return dns.message.from_wire(server.answer(query.to_wire(), by_udp=False))


def wild(name, rdtype):
    return ask(WILD, "example", name, rdtype)


def outcome(response):
    """`TXT`, `NODATA`, `NXDOMAIN` or `referral`."""
    if response.rcode() == dns.rcode.NXDOMAIN:
        return "NXDOMAIN"
    if response.answer:
        return " ".join(rrset.rdtype.name for rrset in response.answer)
    return "NODATA" if response.flags & dns.flags.AA else "referral"


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("host3.example", "MX", "MX"),
        ("host3.example", "A", "NODATA"),
        ("foo.bar.example", "TXT", "TXT"),
        ("host1.example", "MX", "NODATA"),  # the name exists
        ("sub.*.example", "MX", "NODATA"),
        ("_telnet._tcp.host1.example", "SRV", "NXDOMAIN"),  # _tcp.host1 exists
        ("host.subdel.example", "A", "referral"),
        ("ghost.*.example", "MX", "NXDOMAIN"),  # *.example exists, as a name
    ],
)
def test_wildcards_answer_as_in_the_example_of_their_rfc(name, rdtype, expected):
    """RFC 4592 §2.2.1."""
    assert outcome(wild(name, rdtype)) == expected


def test_an_answer_by_a_wildcard_has_the_name_that_was_asked():
    response = wild("Foo.Bar.example", "TXT")
    assert response.answer[0].name.to_text() == "Foo.Bar.example."


@pytest.mark.parametrize("name", ["host2.example", "_tcp.host1.example"])
def test_a_name_above_others_keeps_the_wildcard_away(name):
    """RFC 4592 §2.2.2: it exists, without records."""
    assert outcome(wild(name, "TXT")) == "NODATA"


def test_a_wildcard_may_be_asked_for_itself():
    assert outcome(wild("*.example", "TXT")) == "TXT"


def test_a_wildcard_may_be_an_alias():
    response = wild("x.alias.example", "A")
    assert outcome(response) == "CNAME A"
    assert response.answer[0].name.to_text() == "x.alias.example."


def test_an_alias_by_a_wildcard_may_lead_away():
    assert outcome(wild("x.loose.example", "A")) == "CNAME"


# Types --------------------------------------------------------------------------------

REVERSE = "$TTL 60\n@ SOA ns.a.example. h.a.example. 1 1 1 1 1\n@ NS ns.a.example.\n"


def test_ipv4_addresses_have_names():
    zone = REVERSE + "25 PTR mail.a.example.\n"
    name = dns.reversename.from_address("192.0.2.25")
    response = ask(zone, "2.0.192.in-addr.arpa", name, "PTR")
    assert response.answer[0][0].to_text() == "mail.a.example."


def test_ipv6_addresses_have_names():
    nibbles = dns.reversename.from_address("2001:db8::25")
    zone = REVERSE + f"{nibbles} PTR mail.a.example.\n"
    response = ask(zone, "8.b.d.0.1.0.0.2.ip6.arpa", nibbles, "PTR")
    assert response.answer[0][0].to_text() == "mail.a.example."


TYPES = """
$TTL 60
@           SOA ns h 1 1 1 1 1
@           NS  ns
ns          A   192.0.2.53
imap        A   192.0.2.25
_imaps._tcp SRV 0 1 993 imap
_pop3._tcp  SRV 0 0 0 .
@           TXT "v=spf1 mx -all"
@           TXT "two " "strings"
@           CAA 0 issue "ca.example"
_25._tcp    TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
@           TYPE65400 \\# 2 abcd
"""


@pytest.mark.parametrize(
    ("name", "rdtype", "data"),
    [
        ("_imaps._tcp.a.example", "SRV", ["0 1 993 imap.a.example."]),
        ("_pop3._tcp.a.example", "SRV", ["0 0 0 ."]),
        ("a.example", "TXT", ['"v=spf1 mx -all"', '"two " "strings"']),
        ("a.example", "CAA", ['0 issue "ca.example"']),
        ("_25._tcp.a.example", "TLSA", ["3 1 1 " + "0" * 64]),
        ("a.example", "TYPE65400", ["\\# 2 abcd"]),
    ],
)
def test_a_zone_may_have_records_of_any_type(name, rdtype, data):
    response = ask(TYPES, "a.example", name, rdtype)
    assert [rdata.to_text() for rdata in response.answer[0]] == data


def test_the_address_of_a_service_comes_along():
    response = ask(TYPES, "a.example", "_imaps._tcp.a.example", "SRV")
    assert "imap.a.example. 60 IN A 192.0.2.25" in map(str, response.additional)


def test_any_gives_all_records_of_a_name():
    response = ask(TYPES, "a.example", "a.example", "ANY")
    types = {rrset.rdtype.name for rrset in response.answer}
    assert types >= {"SOA", "NS", "TXT", "CAA"}


@pytest.mark.parametrize("rdtype", ["AXFR", "IXFR"])
def test_nobody_gets_the_whole_zone(rdtype):
    assert ask(TYPES, "a.example", "a.example", rdtype).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("change", "rcode"),
    [
        (lambda query: query.use_edns(1), dns.rcode.BADVERS),
        (lambda query: query.set_opcode(dns.opcode.NOTIFY), dns.rcode.NOTIMP),
        (lambda query: query.question.clear(), dns.rcode.FORMERR),
    ],
)
def test_what_nobody_can_answer_is_said(change, rcode):
    query = dns.message.make_query("a.example", "A", use_edns=0, id=1)
    change(query)
    server = AuthoritativeServer([Zone.from_text(TYPES, "a.example")])
    response = dns.message.from_wire(server.answer(query.to_wire(), by_udp=True))
    assert response.rcode() == rcode


# Large zones --------------------------------------------------------------------------


def test_a_zone_of_5000_names_answers_quickly():
    names = "\n".join(f"host{n}.floor{n % 50} 60 A 192.0.2.1" for n in range(5000))
    zone = Zone.from_text(TYPES + names, "a.example")
    wanted = [dns.name.from_text(f"no{n}.floor{n}.a.example") for n in range(1000)]
    began = time.process_time()
    for name in wanted:
        zone.lookup(name, dns.rdatatype.A)
    took = time.process_time() - began
    assert took < 0.5, f"{took:.2f} s"
