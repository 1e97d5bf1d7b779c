"""The picture of a world's network: who is where, behind which rules."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

import maillab
from maillab.net.host import Host
from maillab.world.topology_places import nets_of
from maillab.world.topology_view import Topology
from maillab.world.world import World

EVIL = "<script>alert('x')</script>\"&\x1b\u202e"
SVG = "{http://www.w3.org/2000/svg}"


def topology(world: World) -> Topology:
    return world.topology()


@pytest.fixture
def world():
    with maillab.open_world("home-server") as opened:
        yield opened


@pytest.fixture(scope="module")
def blocked():
    """Alice's letter: it leaves her server, and the provider drops what follows."""
    with maillab.open_world("home-server") as opened:
        opened.send("alice", "bob@bigmail.example", "Hello")
        yield opened


def row_of(view: Topology, place: str, number: str = "1") -> tuple[str, ...]:
    return next(tuple(r) for r in view.rules().rows if tuple(r[:2]) == (place, number))


def test_a_tree_shows_each_network_behind_its_gateway(blocked: World) -> None:
    tree = topology(blocked).text().split("\n\n")[1].split("\n")
    depth = {line.strip("│├└─ ").split("  ")[0]: line for line in tree}
    order = [line.strip("│├└─ ") for line in tree]
    assert order[0] == "[internet]"
    inside = order.index("[flat] 192.168.1.0/24")
    assert order.index("[customers] 203.0.113.0/24") < inside
    assert depth["alice-pc"].startswith("      └─ "), "two gateways deep"
    assert depth["bob-pc"].startswith("├─ ")


def test_the_table_has_every_host_and_gateway_once(blocked: World) -> None:
    names = [row[0] for row in topology(blocked).table().rows]
    assert sorted(names) == sorted(blocked.network.hosts)
    router = next(r for r in topology(blocked).table().rows if r[0] == "home-router")
    assert router[2] == "203.0.113.77, 192.168.1.1"
    assert router[-1] == "6 ms, up 10 Mbit/s, down 50 Mbit/s"


def test_rules_have_their_numbers_and_hits(blocked: World) -> None:
    view = topology(blocked)
    hits = blocked.firewall("provider")[0].hits
    assert hits > 0
    assert row_of(view, "provider")[2:] == (
        str(hits),
        "on",
        "drop out tcp to port 25 (the provider blocks port 25)",
    )
    assert (
        f"✗ rule 1: drop out tcp to port 25 (the provider blocks port 25), {hits}"
        in (view.svg())
    ), "a rule that stopped something has a sign, not just a colour"


def test_a_rule_that_was_switched_off_says_so(blocked: World) -> None:
    blocked.firewall("provider").turn_off(1)
    view = topology(blocked)
    assert row_of(view, "provider")[3] == "off"
    assert "packets, switched off" in view.svg()
    blocked.firewall("provider").turn_on(1)
    assert row_of(topology(blocked), "provider")[3] == "on"


def test_a_topology_is_of_its_moment(world: World) -> None:
    before = topology(world)
    text, svg = before.text(), before.svg()
    world.power_off("mx.bigmail.example")
    world.add_rule("provider", action="drop", direction="in")
    assert (before.text(), before.svg()) == (text, svg)
    assert topology(world).text() != text


def test_what_is_off_is_told_in_words_and_lines(world: World) -> None:
    assert "off" not in topology(world).describe()
    world.power_off("home-router")
    view = topology(world)
    assert view.describe().endswith("off: home-router.")
    assert "home-router (gateway)  203.0.113.77 | 192.168.1.1  ✗ off" in view.text()
    assert view.svg().count("stroke-dasharray") == 3, "the box, the way in and out"


def test_nat_shows_who_is_who(blocked: World) -> None:
    rows = topology(blocked).translations().rows
    assert rows
    mail = [row for row in rows if row[4].endswith(":25")]
    assert mail[0][:4] == (
        "home-router",
        "tcp",
        mail[0][2],
        mail[0][3],
    )
    assert mail[0][2].startswith("192.168.1.10:")
    assert mail[0][3].startswith("203.0.113.77:")
    text = blocked.gateway("home-router").nat_text()
    assert len(rows) == len(text.split("\n")) - 1, "as the router's own table"


def test_forwards_name_the_host_inside(blocked: World) -> None:
    told = "forwards tcp 25, 110, 143, 465, 587, 993, 995 → mail.home.example"
    assert told in topology(blocked).text()
    assert told in topology(blocked).svg()


def test_a_host_that_was_plugged_in_later_is_there(world: World) -> None:
    world.add_host("laptop", "192.0.2.99")
    assert "laptop  192.0.2.99" in topology(world).text()


def test_nothing_lies_outside_the_frame_and_nothing_overlaps(blocked: World) -> None:
    svg = ET.fromstring(topology(blocked).svg())
    width, height = int(svg.get("width", 0)), int(svg.get("height", 0))
    boxes = [
        tuple(float(box.get(k, 0)) for k in ("x", "y", "width", "height"))
        for box in svg.iter(f"{SVG}rect")
    ]
    assert all(x + w <= width and y + h <= height for x, y, w, h in boxes)
    white = [
        b
        for box, b in zip(svg.iter(f"{SVG}rect"), boxes, strict=True)
        if box.get("fill") == "#fff"
    ][1:]
    assert len(white) == len(topology(blocked).places)
    for at, (x, y, w, h) in enumerate(white):
        for x2, y2, w2, h2 in white[at + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    for text in svg.iter(f"{SVG}text"):
        wide = 6.7 if text.get("font-size") == "11" else 7.3
        end = float(text.get("x", 0)) + wide * len(text.text or "")
        y = float(text.get("y", 0))
        inside = [
            b
            for b in white
            if b[0] <= float(text.get("x", 0)) <= b[0] + b[2]
            and b[1] <= y <= b[1] + b[3]
        ]
        assert end <= (inside[0][0] + inside[0][2] if inside else width), text.text


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_has_picture_and_all_tables_and_survives_jupyterlab(
    blocked: World,
) -> None:
    html = topology(blocked).html()
    tags = Tags()
    tags.feed(html)
    assert not tags.open
    allowed = "figure img figcaption details summary table caption thead tbody tr th td"
    assert tags.seen <= set(allowed.split())
    captions = re.findall("<caption[^>]*>([^<]*)</caption>", html)
    assert captions == [
        "Hosts and gateways",
        "Rules: the first that fits decides",
        "Translated flows",
    ]


def test_hostile_names_are_escaped(world: World) -> None:
    Host(world.network, EVIL, ["192.0.2.77"])
    nets = nets_of(world.network, lambda name: [EVIL])
    view = Topology(EVIL, "now", nets)
    for text in (view.text(), view.svg(), view.html()):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script" not in view.svg()
    assert "<script" not in view.html()
    ET.fromstring(view.svg())


@pytest.mark.parametrize("name", ["hello", "two-domains", "windows-company"])
def test_two_runs_show_the_same(name: str) -> None:
    shown = []
    for _ in range(2):
        with maillab.open_world(name) as world:
            view = topology(world)
            shown.append((view.text(), view.svg(), view.html()))
    assert shown[0] == shown[1]
