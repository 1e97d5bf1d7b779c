"""What a DNS server can do wrong, as planned, and what others notice."""

import pytest

from maillab.dns.faults import KINDS
from maillab.errors import LabError
from maillab.world.files import examine
from tests.dns_worlds import asked, dns_world, write

NS1 = "ns1.beta.example"


@pytest.fixture
def world(tmp_path):
    with dns_world(tmp_path) as opened:
        yield opened
    assert not opened.trace.of_kind("failure")


def ask(world, name="beta.example", rdtype="MX", **options):
    """Straight to the server that does wrong."""
    return world.dig(name, rdtype, host="walker", server=NS1, **options)


@pytest.mark.parametrize(
    ("kind", "status", "rcode", "flags"),
    [
        ("servfail", "SERVFAIL", "SERVFAIL", ["qr", "rd"]),
        ("refused", "REFUSED", "REFUSED", ["qr", "rd"]),
        ("lame", "lame", "NOERROR", ["qr", "rd"]),
        ("timeout", "timeout", "timeout", []),
        ("truncate", "NOERROR", "NOERROR", ["qr", "aa", "rd"]),
    ],
)
def test_each_fault_looks_like_itself(world, kind, status, rcode, flags):
    world.dns_fault(NS1, "beta.example", kind)
    answer = ask(world)
    assert (answer.status, answer.rcode, answer.flags) == (status, rcode, flags)


def test_a_cut_off_answer_is_whole_by_tcp(world):
    fault = world.dns_fault(NS1, kind="truncate")
    answer = ask(world)
    assert (answer.asked.transport, len(answer.records)) == ("tcp", 1)
    assert fault.hits == 1  # the question by TCP was not struck


def test_a_slow_server_answers_late(world):
    world.dns_fault(NS1, kind="slow", seconds=3)
    answer = ask(world)
    assert answer.status == "NOERROR"
    assert 3 < answer.asked.seconds < 3.1


def test_a_silent_server_costs_a_patient_host_ten_seconds(world):
    world.dns_fault(NS1, kind="timeout")
    began = world.time
    assert world.dig("beta.example", "MX", host="walker").status == "NOERROR"
    assert 10 < world.time - began < 10.5


def test_wrong_glue_leads_nowhere(world):
    fault = world.dns_fault("ns.registry.example", "*beta.example", "wrong-glue")
    assert world.dig("beta.example", "MX", host="pc").status == "SERVFAIL"
    assert {server for _, server, said in asked(world, "resolver") if said == "timeout"}
    fault.remove()
    world.resolver("resolver").flush()
    assert world.dig("beta.example", "MX", host="pc").status == "NOERROR"


def test_wrong_glue_may_lead_to_somebody_else(world):
    world.dns_fault(
        "ns.registry.example", "*beta.example", "wrong-glue", address="192.0.2.53"
    )
    assert world.dig("beta.example", "MX", host="pc").status == "SERVFAIL"
    assert ("beta.example", "192.0.2.53", "REFUSED") in asked(world, "resolver")


def test_a_fault_of_a_resolver_strikes_its_clients(world):
    world.dns_fault("resolver", "www.alpha.example", "slow", seconds=2)
    answer = world.dig("www.alpha.example", host="pc")
    assert answer.records == ["192.0.2.80"]
    assert answer.asked.seconds > 2


# For whom, how often ------------------------------------------------------------------


def test_a_fault_is_for_the_names_of_its_pattern(world):
    world.dns_fault(NS1, "*.beta.example", "servfail")
    assert ask(world, "WWW.Beta.Example", "A").status == "SERVFAIL"
    assert ask(world, "beta.example", "MX").status == "NOERROR"


def test_a_fault_may_be_for_one_type(world):
    world.dns_fault(NS1, kind="servfail", type="aaaa")
    assert ask(world, "mx.beta.example", "AAAA").status == "SERVFAIL"
    assert ask(world, "mx.beta.example", "A").status == "NOERROR"


def test_a_fault_may_strike_a_few_times(world):
    fault = world.dns_fault(NS1, kind="servfail", times=2)
    assert [ask(world).status for _ in range(3)] == ["SERVFAIL"] * 2 + ["NOERROR"]
    assert fault.hits == 2


def test_a_fault_may_strike_by_chance_the_same_at_every_run(tmp_path):
    def play():
        with dns_world(tmp_path) as world:
            world.dns_fault(NS1, kind="servfail", chance=0.5)
            return [ask(world).status for _ in range(20)]

    first = play()
    assert 4 < first.count("SERVFAIL") < 16
    assert play() == first


def test_the_first_fault_that_fits_decides(world):
    world.dns_fault(NS1, "mx.*", "refused")
    world.dns_fault(NS1, kind="servfail")
    assert ask(world, "mx.beta.example", "A").status == "REFUSED"
    assert ask(world).status == "SERVFAIL"


def test_a_removed_fault_strikes_no_more(world):
    fault = world.dns_fault(NS1, kind="servfail")
    ask(world)
    fault.remove()
    fault.remove()  # twice is no mistake
    assert ask(world).status == "NOERROR"


def test_the_trace_tells_of_each_strike(world):
    world.dns_fault(NS1, kind="servfail", comment="the disk is full")
    ask(world)
    [event] = world.trace.of_kind("fault")
    assert event.host == NS1
    assert event.facts == {
        "stage": "dns",
        "what": "servfail: beta.example MX",
        "comment": "the disk is full",
    }


# Mistakes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "servfial"}, "did you mean 'servfail'"),
        ({"kind": "slow"}, "'slow' needs seconds"),
        ({"kind": "servfail", "seconds": 3}, "no other fault has any"),
        ({"kind": "servfail", "address": "192.0.2.1"}, "only 'wrong-glue'"),
        ({"kind": "wrong-glue", "address": "there"}, "not an IP address"),
        ({"kind": "servfail", "chance": 2}, "at most 1"),
        ({"kind": "servfail", "times": 0}, "at least 1"),
        ({"kind": "servfail", "type": "NOPE"}, "no record type"),
        ({"kind": "servfail", "second": 3}, "did you mean 'seconds'"),
    ],
)
def test_a_fault_that_cannot_be_is_explained(world, keys, message):
    with pytest.raises(LabError, match=message):
        world.dns_fault(NS1, **keys)


def test_a_host_that_answers_nobody_has_no_faults(world):
    with pytest.raises(LabError, match=r"no name server 'ns1\.beta\.exampel'; did you"):
        world.dns_fault("ns1.beta.exampel")


# In scenario files --------------------------------------------------------------------


def test_faults_may_stand_in_the_scenario(tmp_path):
    toml = f"""
[[dns_faults]]
host = "{NS1}"
name = "*.beta.example"
kind = "slow"
seconds = "2 s"
times = 1
"""
    with dns_world(tmp_path, toml) as world:
        assert ask(world, "mx.beta.example", "A").asked.seconds > 2
        assert ask(world, "mx.beta.example", "A").asked.seconds < 1


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[[dns_faults]]\nhost = "nobody"\nkind = "lame"', "no name server is called"),
        (f'[[dns_faults]]\nhost = "{NS1}"\nkind = "lamb"', "did you mean 'lame'"),
        (f'[[dns_faults]]\nhost = "{NS1}"\nkind = "slow"', "needs seconds"),
        (f'[[dns_faults]]\nhost = "{NS1}"\nkinds = "slow"', "did you mean 'kind'"),
        ('[hosts.x]\naddress = "192.0.2.7"\nresolver = "nobody"', "no host 'nobody'"),
        ('[hosts.x]\naddress = "192.0.2.7"\nresolver = "pc"', "resolves for nobody"),
        (
            '[hosts.x]\naddress = "192.0.2.7"\nserves = "resolver"\n'
            'resolver = "resolver"',
            "leave out either",
        ),
    ],
)
def test_a_mistake_in_the_scenario_is_said_with_its_line(tmp_path, toml, message):
    file = write(tmp_path, toml)
    _, problems = examine(file)
    texts = [str(problem) for problem in problems]
    assert any(message in text for text in texts), texts
    first = file.read_text().count("\n", 0, file.read_text().index(toml)) + 1
    assert all(problem.line >= first for problem in problems)


def test_every_kind_is_explained():
    assert all(text[0].islower() for text in KINDS.values())
