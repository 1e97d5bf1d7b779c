"""Questions by hand: what `world.dig` and `world.dns_walk` print."""

import pytest

from maillab.errors import LabError
from tests.dns_worlds import asked, dns_world

WHOLE = """\
; www.beta.example A +norecurse, asked from pc

;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 8738
;; flags: qr aa; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 0

;; QUESTION SECTION:
;www.beta.example.  IN  A

;; ANSWER SECTION:
www.beta.example.  3600  IN  CNAME  mx.beta.example.
mx.beta.example.   3600  IN  A      203.0.113.25

;; Query time: 20 msec
;; SERVER: 203.0.113.53#53(ns1.beta.example) (UDP)
;; WHEN: Mon Jan 05 09:00:00 UTC 2026
;; MSG SIZE  rcvd: 78"""


@pytest.fixture
def world(tmp_path):
    with dns_world(tmp_path) as opened:
        yield opened


def test_an_answer_prints_as_dig_prints_it(world):
    server = "ns1.beta.example"
    answer = world.dig("www.beta.example", host="pc", server=server, recurse=False)
    found = str(answer).replace(f"id: {answer.response.id}", "id: 8738")
    assert found == WHOLE


def test_what_a_host_finds_out_itself_prints_alike(world):
    answer = world.dig("far.beta.example", host="walker")
    text = str(answer)
    assert ";; flags: qr rd ra; QUERY: 1, ANSWER: 2," in text
    assert "far.beta.example.   3600  IN  CNAME  www.alpha.example." in text
    assert ";; SERVER: none: walker walks from the root itself" in text
    assert "MSG SIZE" not in text


def test_an_answer_has_its_values_too(world):
    answer = world.dig("www.beta.example", host="pc")
    assert answer.records == ["203.0.113.25"]
    assert (answer.status, answer.rdtype, answer.ttl) == ("NOERROR", "A", 3600)
    assert answer.aliases == ("mx.beta.example",)
    assert not answer.temporary
    assert answer.rrset.name.to_text() == "mx.beta.example."


@pytest.mark.parametrize(
    ("name", "status", "header"),
    [
        ("nobody.beta.example", "NXDOMAIN", "NXDOMAIN"),
        ("beta.example", "NODATA", "NOERROR"),
    ],
)
@pytest.mark.parametrize("host", ["pc", "walker"])
def test_a_denial_shows_its_soa(world, name, status, header, host):
    answer = world.dig(name, "AAAA", host=host)
    assert answer.status == status
    text = str(answer)
    assert f"status: {header}" in text
    assert ";; AUTHORITY SECTION:\nbeta.example.  300  IN  SOA" in text


def test_silence_prints_as_silence(world):
    world.hosts["resolver"].up = False
    text = str(world.dig("beta.example", "MX", host="pc"))
    assert ";; communications error" in text
    assert ";; no servers could be reached" in text


def test_a_referral_is_shown_with_its_glue(world):
    options = {"host": "walker", "server": "ns.registry.example", "recurse": False}
    answer = world.dig("beta.example", "MX", **options)
    assert (answer.status, answer.rcode) == ("referral", "NOERROR")
    assert "ADDITIONAL SECTION:\nns1.beta.example.  3600  IN  A" in str(answer)


def test_a_question_by_tcp_needs_no_datagram(world):
    before = len(world.trace.of_kind("datagram"))
    answer = world.dig("beta.example", "MX", host="pc", server="203.0.113.53", tcp=True)
    assert answer.asked.transport == "tcp"
    assert len(world.trace.of_kind("datagram")) == before


def test_an_address_may_be_asked_for_its_name(world):
    assert world.dig("203.0.113.25", "PTR", host="pc").records == ["mx.beta.example."]


@pytest.mark.parametrize("options", [{"server": "ns1.beta.example"}, {"host": "pc"}])
def test_any_gets_what_the_server_gives(world, options):
    answer = world.dig("beta.example", "ANY", **options)
    assert (answer.status, len(answer.records)) == ("NOERROR", 1)


def test_options_without_a_server_go_to_the_resolver_of_the_host(world):
    answer = world.dig("beta.example", "MX", host="pc", tcp=True)
    assert answer.records == ["10 mx.beta.example."]
    assert asked(world, "pc") == [("beta.example", "192.0.2.54", "NOERROR")]
    with pytest.raises(LabError, match="say which"):
        world.dig("beta.example", "MX", host="walker", tcp=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "a..b"}, "no domain name"),
        ({"name": "beta.example", "rdtype": "MXX"}, "no record type"),
        ({"name": "beta.example", "host": "pcc"}, "did you mean 'pc'"),
        ({"name": "beta.example", "server": "resolvr"}, "did you mean 'resolver'"),
    ],
)
def test_a_question_that_cannot_be_is_explained(world, words, message):
    with pytest.raises(LabError, match=message):
        world.dig(**words)


def test_an_answer_is_a_view(world):
    answer = world.dig("beta.example", "MX", host="pc")
    assert answer.describe().startswith(
        "pc asked 192.0.2.54#53(resolver) for beta.example MX: NOERROR, 1 record, in "
    )
    assert "<caption" in answer.html()
    assert "10 mx.beta.example." in answer.html()


# The walk -----------------------------------------------------------------------------


def test_a_walk_shows_each_question_and_what_was_said(world):
    walk = world.dns_walk("www.beta.example", host="pc")
    assert [str(step.zone) for step in walk.steps] == [
        ".",
        "example.",
        "beta.example.",
        "beta.example.",
    ]
    text = str(walk)
    assert "pc looked www.beta.example A up from the root down: NOERROR" in text
    assert "referral to example: ns.registry.example 198.51.100.2" in text
    assert "answer: CNAME mx.beta.example." in text
    assert "<caption" in walk.html()


def test_a_walk_uses_no_memory_and_leaves_none(world):
    world.dig("www.beta.example", host="walker")
    rows = world.resolver("walker").cache().rows
    walk = world.dns_walk("www.beta.example", host="walker")
    assert len(walk.steps) == 4
    assert world.resolver("walker").cache().rows == rows


def test_a_walk_shows_what_went_wrong(world):
    world.dns_fault("ns1.beta.example", kind="lame")
    world.hosts["ns2.beta.example"].up = False
    walk = world.dns_walk("beta.example", "MX", host="walker")
    said = [row[-1] for row in walk.table().rows]
    assert said[-2:] == ["lame", "no answer"]
    assert "SERVFAIL" in walk.describe()


def test_a_walk_that_ends_in_nothing_says_so(world):
    walk = world.dns_walk("nobody.beta.example", host="walker")
    assert walk.table().rows[-1][-1] == "NXDOMAIN"


def test_a_type_without_a_name_has_its_number(world):
    world.zone("beta.example").add("odd", "TYPE65280", r"\# 2 0102")
    answer = world.dig("odd.beta.example", "TYPE65280", host="pc")
    assert (answer.rdtype, answer.records) == ("TYPE65280", [r"\# 2 0102"])
    walk = world.dns_walk("odd.beta.example", "TYPE65280")
    assert "answer: TYPE65280" in str(walk)
