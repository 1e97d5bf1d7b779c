"""Ladders with many lanes."""

import re
import xml.etree.ElementTree as ET

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.trace import Trace
from maillab.trace.lanes import MOST_LANES
from maillab.trace.lanes_svg import MOST
from maillab.trace.sample import MS, Talk, letter


@pytest.fixture(scope="module")
def trace() -> Trace:
    """A letter from host to host, with all its DNS."""
    with open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hi", "text")
        return world.trace


def two_talks() -> Trace:
    """alpha talks to beta and to gamma at the same time."""
    trace = Trace(strict=True)
    one = Talk(trace)
    two = Talk(trace, "c2", server="mx.gamma.example", dst="203.0.113.25", now=5 * MS)
    one.connect()
    two.connect()
    one.say("S", "220 beta")
    two.say("S", "554 gamma does not like you")
    return trace


def test_all_that_one_event_tells_has_rows_of_its_own() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    both = {"to_client": 5 * MS, "to_server": 5 * MS}
    trace.emit("cut", "router", "c1", talk.now, **both)
    root = ET.fromstring(trace.ladder().svg())
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    heights = [text.get("y") for text in texts if "RST" in (text.text or "")]
    assert len(heights) == len(set(heights)) == 3  # to each side, and the remark


def test_every_host_has_a_lane_in_the_order_of_appearance(trace: Trace) -> None:
    lanes = trace.ladder()
    assert lanes.hosts[0] == "alice-pc"
    assert {"mail.alpha.example", "mx.beta.example"} <= set(lanes.hosts)
    times = [move.sent_ns for move in lanes.moves]
    assert times == sorted(times)


def test_nothing_that_the_sessions_show_is_left_out(trace: Trace) -> None:
    lanes = trace.ladder(dns=False)
    items = [item for session in trace.sessions for item in session.ladder().items()]
    assert len(lanes.moves) == len(items)
    text = lanes.text()
    for move in lanes.moves:
        assert move.words[:40] in text


def test_chosen_hosts_stand_in_the_chosen_order_and_alone(trace: Trace) -> None:
    lanes = trace.ladder("mx.beta.example", "mail.alpha.example")
    assert lanes.hosts == ["mx.beta.example", "mail.alpha.example"]
    assert {move.connection for move in lanes.moves} == {"c2"}


def test_one_host_is_shown_with_all_it_talks_to(trace: Trace) -> None:
    lanes = trace.ladder("alice-pc", dns=False)
    assert sorted(lanes.hosts) == ["alice-pc", "mail.alpha.example"]


def test_sessions_can_be_chosen_by_id_or_value(trace: Trace) -> None:
    by_id = trace.ladder(sessions=["c2"], dns=False).text()
    assert by_id == trace.ladder(sessions=[trace.session("c2")], dns=False).text()
    assert "c1" not in by_id


def test_dns_is_told_in_words_and_can_be_left_out(trace: Trace) -> None:
    labels = [move.label for move in trace.ladder().moves if move.style == "udp"]
    assert "DNS beta.example MX?" in labels
    assert "DNS beta.example MX: 1 record" in labels
    assert "DNS beta.example MX: ask another server" in labels
    assert "DNS" not in trace.ladder(dns=False).text()


def test_arrows_cross_the_lanes_between_their_ends() -> None:
    text = two_talks().ladder().text()
    assert "├────────>│         │  c1 SYN [RFC 9293 §3.5]\n" in text
    assert "├─────────┼────────>│  c2 SYN [RFC 9293 §3.5]\n" in text
    assert "│<────────┼─────────┤  ✗ c2 554 gamma" in text


def test_what_is_lost_ends_between_two_lanes() -> None:
    trace = Trace(strict=True)
    Talk(trace).time_out((1, 3))
    text = trace.ladder().text()
    assert text.count("├────×    │") == 3
    assert "1.000 s of silence" in text
    assert "× lost" in text
    table = trace.ladder().table()
    assert [row[1] for row in table.rows][:2] == ["", ""]
    assert "SYN (lost)" in table.text()


def test_lines_inside_tls_are_double() -> None:
    text = letter().ladder().text()
    assert "╞════════>│  c1 MAIL FROM" in text
    assert "═ inside TLS" in text


def test_odd_datagrams_are_shown_too() -> None:
    trace = Trace(strict=True)
    ends = {"src": ("192.0.2.1", 4000), "dst": ("192.0.2.53", 53)}
    trace.emit("datagram", "pc", "", 0, **ends, data=b"?", latency=-1, to_host="")
    ends["dst"] = ("192.0.2.53", 9)
    trace.emit("datagram", "pc", "", 1, **ends, data=b"?", latency=5, to_host="ns")
    text = trace.ladder().text()
    assert "UDP to port 53, 1 octet [RFC 768]" in text
    assert "UDP to port 9, 1 octet" in text
    assert "×" in text


def test_a_host_that_is_not_there_is_named_with_those_that_are(trace: Trace) -> None:
    with pytest.raises(LabError, match=r"no such host.*alice-pc"):
        trace.ladder("alice-pc", "mallory")


def test_a_host_that_talks_to_itself_has_a_lane() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, client="one", server="one")
    talk.connect()
    assert "○  c1 SYN" in trace.ladder().text()
    ET.fromstring(trace.ladder().svg())


def test_an_empty_trace_has_an_empty_ladder() -> None:
    lanes = Trace().ladder()
    assert lanes.text() == "Nothing travelled between these hosts."
    ET.fromstring(lanes.svg())
    assert "<table>" in lanes.html()


def test_the_picture_has_a_bound_and_says_so() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    for _ in range(MOST):
        talk.say("S", "* still here")
    svg = trace.ladder().svg()
    assert svg.count("still here") == MOST - 2
    assert "… 2 more are in the text and in the table" in svg


def test_arrows_of_the_picture_point_downwards(trace: Trace) -> None:
    root = ET.fromstring(trace.ladder().svg())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 < float(element.attrib["x"]) < width
        assert 0 < float(element.attrib["y"]) < height
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        data = path.attrib["d"]
        if "L" in data and data.endswith(tuple("0123456789")):
            start, _, end = data[1:].partition("L")
            assert float(start.split()[1]) < float(end.split()[1])


def test_too_many_hosts_are_refused_with_what_to_type() -> None:
    trace = Trace(strict=True)
    for number in range(MOST_LANES):
        Talk(trace, f"c{number}", server=f"mx{number}", dst=f"192.0.2.{number}").syn()
    with pytest.raises(
        LabError, match=r"41 hosts.*trace.ladder\('alpha.example', 'mx0'\)"
    ):
        trace.ladder()
    assert trace.ladder("alpha.example", "mx7").hosts == ["alpha.example", "mx7"]


def test_behind_nat_an_answer_goes_to_the_one_who_has_asked() -> None:
    trace = Trace(strict=True)
    ns, shared = ("192.0.2.53", 53), "203.0.113.77"
    asked = {"data": b"?", "latency": 5, "dst": ns, "to_host": "ns"}
    answered = {"data": b"!", "latency": 5, "src": ns}
    for port, host in ((1, "pc"), (2, "server")):
        trace.emit("datagram", host, "", port, src=(shared, port), **asked)
        told = answered | {"dst": (shared, port), "to_host": host}
        trace.emit("datagram", "ns", "", port + 10, **told)
    ends = [(move.start, move.end) for move in trace.ladder().moves]
    assert ends == [("pc", "ns"), ("server", "ns"), ("ns", "pc"), ("ns", "server")]


def test_who_did_not_answer_this_time_has_one_lane() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    talk.close("C")
    facts = {"src": ("192.0.2.10", 40002), "dst": ("198.51.100.25", 25)}
    trace.emit("connect", "alpha.example", "c2", 10**9, **facts)
    assert trace.ladder().hosts == ["alpha.example", "mx.beta.example"]


def test_a_picture_of_many_lanes_is_not_much_wider_than_a_page() -> None:
    trace = Trace(strict=True)
    for n in range(20):
        ends = {"src": (f"192.0.2.{n}", 1), "dst": (f"192.0.2.{n + 1}", 2)}
        facts = {"data": b"?", "latency": 5, "to_host": f"host-{n + 1}"}
        trace.emit("datagram", f"host-{n}", "", n, **ends, **facts)
    width = re.search(r'width="(\d+)"', trace.ladder().svg())
    assert width
    assert int(width[1]) <= 1400


def test_reasons_stand_whole_below_their_line() -> None:
    trace = letter()
    svg = trace.ladder().svg()
    assert "↳ gamma.example is not ours, and 192.0.2.10 may not relay<" in svg
