"""Zones are edited while they are served, and domains move (RFC 1982, RFC 2181)."""

import pytest

from maillab.dns.zones import Zone
from maillab.errors import LabError, ScenarioError
from tests.dns_worlds import SOA, asked, dns_world


@pytest.fixture
def world(tmp_path):
    with dns_world(tmp_path) as opened:
        yield opened


def look(world, name, rdtype="A"):
    """What the zone's two servers say, when asked themselves."""
    said = [
        world.dig(name, rdtype, host="walker", server=server)
        for server in ("ns1.beta.example", "ns2.beta.example")
    ]
    assert said[0].records == said[1].records
    return said[0]


# Edits --------------------------------------------------------------------------------


def test_a_record_that_is_added_is_served_by_all_servers_of_the_zone(world):
    zone = world.zone("beta.example")
    assert zone.hosts == ["ns1.beta.example", "ns2.beta.example"]
    zone.add("new", "A", "203.0.113.9")
    assert look(world, "new.beta.example").records == ["203.0.113.9"]


def test_each_edit_raises_the_serial(world):
    zone = world.zone("beta.example")
    assert zone.serial == 7
    zone.add("new", "A", "203.0.113.9")
    zone.remove("new", "A")
    assert zone.serial == 9
    assert look(world, "beta.example", "SOA").records[0].split()[2] == "9"


def test_after_the_highest_serial_comes_zero(world):
    """RFC 1982 §3.1."""
    zone = world.zone("beta.example")
    zone.replace("@", "SOA", f"ns1 host {2**32 - 1} 1 1 1 300")
    assert zone.serial == 2**32 - 1
    zone.add("new", "A", "203.0.113.9")
    assert zone.serial == 0


def test_the_trace_tells_of_an_edit(world):
    world.zone("beta.example").add("new", "A", "203.0.113.9")
    notes = world.trace.of_kind("note")
    assert [note.host for note in notes] == ["ns1.beta.example", "ns2.beta.example"]
    assert notes[0]["text"] == (
        "zone beta.example: new.beta.example: added A 203.0.113.9; serial 7 is now 8"
    )


@pytest.mark.parametrize(
    "name", ["new", "new.beta.example", "new.beta.example.", "NEW"]
)
def test_an_owner_is_written_short_or_whole(world, name):
    world.zone("beta.example").add(name, "A", "203.0.113.9")
    assert look(world, "new.beta.example").records == ["203.0.113.9"]


def test_data_is_read_as_in_a_zone_file(world):
    zone = world.zone("beta.example")
    zone.replace("@", "MX", "10 mx", "20 mx.alpha.example.")
    assert zone.records("@", "MX") == ["10 mx.beta.example.", "20 mx.alpha.example."]


def test_records_of_one_name_and_type_have_one_ttl(world):
    """RFC 2181 §5.2."""
    zone = world.zone("beta.example")
    zone.add("old", "TXT", '"second"')
    assert look(world, "old.beta.example", "TXT").rrset.ttl == 60
    zone.add("old", "TXT", '"third"', ttl=5)
    assert look(world, "old.beta.example", "TXT").rrset.ttl == 5
    zone.add("new", "A", "192.0.2.1")
    assert look(world, "new.beta.example").rrset.ttl == 3600


def test_one_record_or_all_of_a_type_are_removed(world):
    zone = world.zone("beta.example")
    zone.replace("pool", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    zone.remove("pool", "A", "192.0.2.2")
    assert zone.records("pool", "A") == ["192.0.2.1", "192.0.2.3"]
    zone.remove("pool", "A")
    assert look(world, "pool.beta.example").status == "NXDOMAIN"


def test_a_name_above_a_new_one_exists_from_then_on(world):
    zone = world.zone("beta.example")
    assert look(world, "b.beta.example").status == "NXDOMAIN"
    zone.add("a.b", "A", "192.0.2.1")
    assert look(world, "b.beta.example").status == "NODATA"
    zone.remove("a.b", "A")
    assert look(world, "b.beta.example").status == "NXDOMAIN"


def test_the_text_of_a_zone_is_a_zone_file(world):
    zone = world.zone("beta.example")
    zone.add("new", "A", "203.0.113.9")
    again = Zone.from_text(zone.text(), "beta.example")
    assert again.serial == 8
    assert again.text() == zone.text()
    assert "\nnew 3600 IN A 203.0.113.9\n" in zone.text()


# What cannot be -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("add", "mx", "CNAME", "www"), "mx.beta.example has A already and CNAME"),
        (("add", "www", "A", "192.0.2.1"), "a CNAME is the only record"),
        (("add", "www", "CNAME", "ns1"), "only one CNAME"),
        (("add", "x", "A", "192.0.2.999"), "expected something such as 192.0.2.25"),
        (("add", "x", "MX", "mx"), "'mx' is no data of a record of type MX"),
        (("add", "x", "NOPE", "mx"), "no record type 'NOPE'"),
        (("add", "x", "ANY", "mx"), "is a question"),
        (("add", "x.alpha.example.", "A", "192.0.2.1"), "not in the zone beta.example"),
        (("add", "a..b", "A", "192.0.2.1"), "not a domain name"),
        (("add", "mx", "A", "203.0.113.25"), "already"),
        (("add", "@", "SOA", "a b 1 1 1 1 1"), "use replace"),
        (("replace", "x", "SOA", "a b 1 1 1 1 1"), "nowhere else"),
        (("replace", "x", "A"), "use remove"),
        (("remove", "x", "A"), "it has none at all"),
        (("remove", "mx", "AAAA"), "it has A"),
        (("remove", "mx", "A", "192.0.2.1"), "it has 203.0.113.25"),
        (("remove", "@", "NS"), "a zone needs"),
    ],
)
def test_a_bad_edit_says_what_is_wrong_and_changes_nothing(world, edit, message):
    zone = world.zone("beta.example")
    before = zone.text()
    method, *words = edit
    with pytest.raises(LabError, match=message):
        getattr(zone, method)(*words)
    assert zone.text() == before
    assert not world.trace.of_kind("note")


def test_a_ttl_has_bounds(world):
    """RFC 2181 §8."""
    with pytest.raises(LabError, match="ttl = -1"):
        world.zone("beta.example").add("x", "A", "192.0.2.1", ttl=-1)


def test_an_edit_that_one_server_cannot_take_is_made_nowhere(world):
    other = SOA + "@ NS ns1\nns1 A 203.0.113.53\nnew CNAME ns1\n"
    world.serve_zone("ns2.beta.example", "beta.example", other)
    zone = world.zone("beta.example")
    before = zone.text()
    with pytest.raises(LabError, match="CNAME"):
        zone.add("new", "A", "192.0.2.1")
    assert zone.text() == before


def test_an_unknown_zone_is_answered_with_a_known_one(world):
    with pytest.raises(LabError, match=r"did you mean 'beta\.example'"):
        world.zone("betta.example")


# Moving a domain ----------------------------------------------------------------------

DNSHOST = "198.51.100.9"


def move(world):
    """beta.example to a provider of DNS service."""
    world.add_host("ns1.dnshost.example", DNSHOST)
    text = world.zone("beta.example").text().replace("203.0.113.25", "203.0.113.99")
    world.serve_zone("ns1.dnshost.example", "beta.example", text)
    world.delegate("beta.example", {"ns1.dnshost.example": [DNSHOST]})


def test_a_domain_that_has_moved_is_found_at_its_new_servers(world):
    move(world)
    assert world.dig("mx.beta.example", host="pc").records == ["203.0.113.99"]
    assert asked(world, "resolver")[-1][1] == DNSHOST


def test_who_remembers_the_old_servers_asks_them_until_the_ttl_has_passed(world):
    world.dig("beta.example", "MX", host="pc")
    move(world)
    assert world.dig("mx.beta.example", host="pc").records == ["203.0.113.25"]
    world.advance("2 h")
    assert world.dig("mx.beta.example", host="pc").records == ["203.0.113.99"]


def test_the_glue_of_the_old_servers_goes(world):
    move(world)
    text = world.zone("example").text()
    assert "203.0.113.5" not in text
    assert "ns1.dnshost 3600 IN A 198.51.100.9" in text
    assert world.zone("example").serial == 8


def test_glue_that_another_delegation_needs_stays(world):
    world.delegate("gamma.example", {"ns1.beta.example": []})
    world.delegate("beta.example", {"ns.alpha.example": []})
    parent = world.zone("example")
    assert parent.records("ns1.beta", "A") == ["203.0.113.53"]
    assert parent.records("ns2.beta", "A") == []
    assert parent.records("ns.registry", "A") == ["198.51.100.2"]


def test_a_server_outside_of_the_zone_gets_no_glue(world):
    world.delegate("beta.example", {"ns.alpha.test": ["192.0.2.9"]})
    assert "192.0.2.9" not in world.zone("example").text()


def test_a_server_below_its_own_domain_needs_an_address(world):
    with pytest.raises(LabError, match="without its address"):
        world.delegate("beta.example", {"ns9.beta.example": []})
    with pytest.raises(LabError, match="at least one name server"):
        world.delegate("beta.example", {})


def test_a_new_domain_may_be_delegated_with_both_ip_versions(world):
    world.delegate("new.example", {"ns.new.example": ["192.0.2.1", "2001:db8::1"]})
    parent = world.zone("example")
    assert parent.records("ns.new", "A") == ["192.0.2.1"]
    assert parent.records("ns.new", "AAAA") == ["2001:db8::1"]


def test_a_domain_below_no_zone_cannot_be_delegated(world):
    with pytest.raises(LabError, match="no zone above"):
        world.delegate(".", {"ns.alpha.example": []})


def test_a_bad_zone_text_is_said_with_its_line(world):
    with pytest.raises(ScenarioError, match=":2"):
        world.serve_zone("pc", "gamma.example", "$TTL 60\n@ SOA nonsense\n")


def test_a_host_without_a_name_server_gets_one(world):
    zone = world.serve_zone("pc", "gamma.example", SOA + "@ NS ns\nns A 192.0.2.101\n")
    assert zone.hosts == ["pc"]
    answer = world.dig("ns.gamma.example", host="walker", server="pc", tcp=True)
    assert answer.records == ["192.0.2.101"]
    assert "aa" in answer.flags
