"""The network in scenario files: every mistake is said with file, line and advice."""

import shutil

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.world.files import examine, find_scenario

FOLDER = find_scenario("home-server").parent
TEXT = (FOLDER / "world.toml").read_text("utf-8")


@pytest.fixture
def lab(tmp_path):
    """A copy of labs/home-server, changed as told."""

    def write(old="", new="", more=""):
        assert old in TEXT, "the test must change something"
        folder = tmp_path / "mylab"
        shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
        file = folder / "world.toml"
        text = TEXT.replace(old, new, 1) if old else TEXT
        file.write_text(text + more, "utf-8")
        return file

    return write


MISTAKES = {
    # networks
    "overlap": (
        'prefix = "192.168.1.0/24"',
        'prefix = "203.0.113.128/25"',
        "prefix = ",
        "203.0.113.128/25 overlaps with 203.0.113.0/24 of customers",
    ),
    "no prefix": (
        'prefix = "192.168.1.0/24"',
        'prefix = "192.168.1.5/24"',
        "prefix",
        "'192.168.1.5/24' is not a prefix (192.168.1.5/24 has host bits set)",
    ),
    "a network that is not there": (
        'network = "flat"',
        'network = "flatt"',
        "flatt",
        "there is no network 'flatt'; did you mean 'flat'?",
    ),
    "a resolver that is not there": (
        'resolver = "dns.provider.example"',
        'resolver = "dns.provder.example"',
        "provder",
        "there is no host 'dns.provder.example'",
    ),
    # addresses
    "one address twice": (
        'address = "192.168.1.20"',
        'address = "192.168.1.10"',
        'address = "192.168.1.10"',
        "alice-pc and mail.home.example both have the address 192.168.1.10",
    ),
    "the address of the router": (
        'address = "192.168.1.20"',
        'address = "192.168.1.1"',
        "address",
        "home-router and alice-pc both have the address 192.168.1.1",
    ),
    "an address of another network": (
        'address = "192.168.1.20"',
        'address = "192.168.2.20"',
        "192.168.2.20",
        "alice-pc is in the network flat, but its address 192.168.2.20 is not in "
        "192.168.1.0/24",
    ),
    # gateways
    "an outside that is not there": (
        'outside = "customers"',
        'outside = "costumers"',
        "costumers",
        "there is no network 'costumers'; did you mean 'customers'?",
    ),
    "a gateway in a circle": (
        'outside = "customers"',
        'outside = "flat"',
        "inside = ",
        "home-router leads back into flat",
    ),
    "two ways out": (
        'inside = "flat"',
        'inside = "customers"',
        "inside = ",
        "customers has the gateway provider already; a network has one way out",
    ),
    "NAT without an address": (
        'address = "203.0.113.77"\n',
        "",
        "home-router]",
        "home-router translates addresses and has none outside",
    ),
    "a key that does not exist": (
        "[gateways.provider]\n",
        "[gateways.provider]\nhairpinn = true\n",
        "hairpinn",
        "unknown key 'hairpinn': did you mean 'hairpin'?",
    ),
    "a rate that is none": (
        'up = "10 Mbit/s"',
        'up = "fast"',
        "bandwidth",
        "'fast' is not a rate; write one such as \"16 Mbit/s\"",
    ),
    # forwards
    "a forward to nobody": (
        'to = "mail.home.example"',
        'to = "mail.hom.example"',
        "mail.hom.",
        "home-router cannot forward to 'mail.hom.example': nobody of this name",
    ),
    "a forward to somebody outside": (
        'to = "mail.home.example"',
        'to = "bob-pc"',
        '"bob-pc"',
        "home-router cannot forward to 'bob-pc': nobody of this name or address is in "
        "flat; there are mail.home.example, alice-pc, home-router",
    ),
    "a port that is none": (
        "[[gateways.home-router.forward]]\nports = [25, 110",
        "[[gateways.home-router.forward]]\nports = [70000, 110",
        "70000",
        "70000 is not a port; write a number from 1 to 65535",
    ),
    # rules
    "a field of a rule that does not exist": (
        'comment = "the mail server"',
        'coment = "the mail server"',
        "coment",
        "unknown key 'coment': did you mean 'comment'?",
    ),
    "an action that does not exist": (
        'action = "accept"',
        'action = "allow"',
        "allow",
        "'allow' is not known; expected 'accept', 'drop', 'reject', 'prohibit'",
    ),
    "an action that lacks something": (
        'action = "accept"',
        'action = "throttle"',
        "rules",
        "a rule that says 'throttle' needs 'rate'",
    ),
    "something that an action does not need": (
        'comment = "the mail server"',
        "seconds = 3",
        "rules",
        "'seconds' means nothing in a rule that says 'accept'",
    ),
    "a forward to somebody behind another NAT": (
        'presets = "isp-blocks-25"',
        'address = "192.0.2.9"\nforward = [{ ports = 25, to = "mail.home.example" }]',
        "forward",
        "provider cannot forward to 'mail.home.example'",
    ),
    "a redirection to nowhere": (
        'action = "accept"',
        'action = "redirect"\nto = "proxi"',
        "proxi",
        "there is no host 'proxi'",
    ),
    "a direction that does not exist": (
        'direction = "in"',
        'direction = "inbound"',
        "inbound",
        "'inbound' is not known; expected 'in', 'out' or 'both'",
    ),
    # presets
    "a preset that does not exist": (
        'presets = "isp-blocks-25"',
        'presets = "isp-block-25"',
        "isp-block-25",
        "there is no preset 'isp-block-25'; did you mean 'isp-blocks-25'?",
    ),
    "a preset that must know where to": (
        'presets = "isp-blocks-25"',
        'presets = "isp-redirects-25"',
        "presets",
        'isp-redirects-25 must be told where to: write { name = "isp-redirects-25"',
    ),
    "a preset for gateways": (
        'presets = "cloud-open"',
        'presets = "home-nat"',
        "presets",
        "relay.cloud.example is no gateway: it cannot have home-nat",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_said_with_its_line(lab, what):
    old, new, line_has, message = MISTAKES[what]
    file = lab(old, new)
    _, problems = examine(file)
    said = [problem for problem in problems if message in problem.message]
    assert said, "\n".join(map(str, problems))
    line = file.read_text("utf-8").splitlines()[said[0].line - 1]
    assert line_has in line
    assert str(said[0]).startswith(f"{file}:{said[0].line}: ")


ROUTER = 'at = "2 h"\nhost = "home-router"\n'


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('at = "2 h"\nhost = "alice"\npower = "off"', "there is no host 'alice'"),
        ('at = "soon"\nhost = "alice-pc"\npower = "off"', "'soon' is not a length"),
        ('at = "2 h"\nhost = "alice-pc"', 'say one thing: power = "off"'),
        ('at = "2 h"\nhost = "alice-pc"\npower = "of"', "'of' is not known"),
        (ROUTER + 'address = "10.9.9.9"', "10.9.9.9 is not in 203.0.113.0/24"),
        (ROUTER + 'address = "203.0.113.53"', "dns.provider.example has the address"),
        (ROUTER + 'address = "2001:db8::1"', "has no address of this IP version"),
        (
            ROUTER + 'address = "203.0.113.9"\nold_address = "203.0.113.8"',
            "home-router has no address 203.0.113.8 then",
        ),
    ],
)
def test_a_mistake_in_the_timeline_is_said(lab, entry, message):
    file = lab(more=f"\n[[timeline]]\n{entry}\n")
    _, problems = examine(file)
    assert message in problems[0].message
    assert problems[0].line > TEXT.count("\n")


RULE = "[[gateways.provider.rules]]\naction = "


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        (
            '[[gateways.home-router.forward]]\nports = "100-110"\nto = "alice-pc"',
            1,
            "home-router forwards tcp port 110 already",
        ),
        (
            '[hosts.stray]\naddress = "203.0.113.200"',
            1,
            "stray is on the internet, but its address 203.0.113.200 is of the network",
        ),
        (RULE + '"redirect"\nto = "alice-pc:smtp"', 2, "'smtp' is no port"),
        (RULE + '"redirect"\nto = "alice-pc:99999"', 2, "'99999' is no port"),
    ],
)
def test_a_mistake_in_one_more_table_is_said_with_its_line(lab, table, line, message):
    file = lab(more=f"\n{table}\n")
    _, problems = examine(file)
    said = [problem for problem in problems if message in problem.message]
    assert [problem.line - TEXT.count("\n") - 2 for problem in said] == [line]


def test_two_homes_may_have_the_same_private_network(lab):
    more = """
[networks.neighbours]
prefix = "192.168.1.0/24"
[gateways.neighbour-router]
inside = "neighbours"
outside = "customers"
inside_address = "192.168.1.1"
address = "203.0.113.78"
presets = "home-nat"
[hosts.neighbour-pc]
network = "neighbours"
address = "192.168.1.20"
"""
    with open_world(lab(more=more)) as world:
        sees = world.explain("neighbour-pc", "mail.home.example", 25).outcome.sees
        assert sees.startswith("connected after")


def test_a_timeline_comes_true(lab):
    more = """
[[timeline]]
at = "1 h"
host = "home-router"
address = "203.0.113.99"

[[timeline]]
at = "2 h"
host = "mx.bigmail.example"
power = "off"

[[timeline]]
at = "3 h"
host = "mx.bigmail.example"
power = "on"
"""
    with open_world(lab(more=more)) as world:
        world.advance("90 min")
        assert world.gateway("home-router").public_address == "203.0.113.99"
        world.advance("1 h")
        assert not world.host("mx.bigmail.example").up
        world.advance("1 h")
        assert world.host("mx.bigmail.example").up


def test_the_redirecting_provider(lab):
    new = 'presets = { name = "isp-redirects-25", to = "mx.megapost.example" }'
    with open_world(lab('presets = "isp-blocks-25"', new)) as world:
        world.send("alice", "bob@bigmail.example", "Hello")
        session = world.trace.find_sessions(port=25)[0]
        assert session.server == "mx.megapost.example"
        assert session.server_address == ("198.51.100.25", 25)
        [bounced] = world.trace.of_kind("bounced")
        assert "Relaying" in bounced["reason"] or "550" in bounced["reason"]


@pytest.mark.parametrize("preset", ["isp-blocks-25", "isp-rejects-25", "cloud-open"])
def test_presets_of_providers(lab, preset):
    with open_world(lab('"isp-blocks-25"', f'"{preset}"')) as world:
        sees = world.explain("home", "mx.bigmail.example", 25).outcome.sees
    begins = {"isp-blocks-25": "drop", "isp-rejects-25": "reject"}
    assert sees.startswith(begins.get(preset, "connected"))


def test_carrier_grade_nat_lets_nobody_in(lab):
    new = 'presets = ["isp-blocks-25", "carrier-grade-nat"]\naddress = "192.0.2.64"'
    with open_world(lab('presets = "isp-blocks-25"', new)) as world:
        assert world.gateway("provider").nat
        target = world.explain("bob-pc", "192.0.2.64", 25).outcome.sees
        assert "provider (is unsolicited: dropped)" in target
        assert world.explain("alice", "mx.bigmail.example", 143).outcome.ok


def test_a_windows_pc_lets_nobody_in_and_itself_out(lab):
    with open_world(lab()) as world:
        world.run(world.host("alice-pc").listen(5900, None))
        sees = world.explain("mail.home.example", "alice-pc", 5900).outcome.sees
        assert sees.startswith("drop by alice-pc, rule 1")
        world.add_rule("alice-pc", action="accept", direction="in", ports=5900, at=0)
        assert world.explain("mail.home.example", "alice-pc", 5900).outcome.ok


def test_what_is_typed_wrong_while_it_runs(lab):
    with open_world(lab()) as world:
        for call, message in (
            (lambda: world.add_rule("provider", action="drop", port=25), "'ports'"),
            (lambda: world.add_rule("provider", action="delay"), "needs 'seconds'"),
            (lambda: world.forward("home-router", 80, "bob-pc"), "cannot forward"),
            (lambda: world.forward("alice-pc", 80, "bob-pc"), "no gateway 'alice-pc'"),
            (lambda: world.change_address("alice-pc", "192.168.1.1"), "both have"),
            (lambda: world.change_address("alice-pc", "10.0.0.1"), "is not in 192.168"),
            (lambda: world.power_off("alice"), "no host or gateway 'alice'"),
        ):
            with pytest.raises(LabError, match=message):
                call()


IPV6 = {  # in world.toml: every site has IPv6 too; the provider's rule is for IPv4 only
    'prefix = "203.0.113.0/24"': 'prefix = ["203.0.113.0/24", "2001:db8:c::/48"]',
    'prefix = "192.168.1.0/24"': 'prefix = ["192.168.1.0/24", "2001:db8:f::/64"]',
    '"203.0.113.1"': '["203.0.113.1", "2001:db8:c::1"]',
    '"192.168.1.1"': '["192.168.1.1", "2001:db8:f::1"]',
    'address = "203.0.113.77"': 'address = ["203.0.113.77", "2001:db8:c::77"]',
    'address = "192.168.1.10"': 'address = ["192.168.1.10", "2001:db8:f::10"]',
    'address = "198.51.100.25"': 'address = ["198.51.100.25", "2001:db8:b::25"]',
    'presets = "isp-blocks-25"': "",
    "[gateways.home-router]": """[[gateways.provider.rules]]
action = "drop"
direction = "out"
ports = 25
destination = "0.0.0.0/0"

[gateways.home-router]""",
}


def test_a_provider_that_forgot_ipv6(lab):
    """The letter times out by IPv4 and gets through by IPv6, without NAT."""
    file = lab()
    text = file.read_text("utf-8")
    for old, new in IPV6.items():
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text, "utf-8")
    zone = file.parent / "zones" / "bigmail.example.zone"
    with zone.open("a") as records:
        records.write("mx AAAA 2001:db8:b::25\n")
    with open_world(file) as world:
        world.send("alice", "bob@bigmail.example", "Hello")
        world.advance("3 min")
        by_4, by_6 = world.trace.find_sessions(client="mail.home.example", port=25)
        assert (by_4.outcome, by_6.outcome) == ("timed out", "closed")
        assert by_6.find("accept")["src"][0] == "2001:db8:f::10"
        inbound = world.explain("mx.bigmail.example", "2001:db8:f::10", 25)
        assert inbound.outcome.sees.startswith("drop by home-router, rule 1")
        assert len(world.mailbox("bob").messages) == 1
