"""Segments in any order, cut anywhere, as often as you like, give the same streams."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.trace.packets import ACK, FIN, PSH, SYN
from maillab.trace.reading.capture_file import CaptureFile
from tests.capture_making import CLIENT6, SERVER6, Wire, pcap

TEXT = b"".join(b"%04d a line of a letter\r\n" % n for n in range(12))


def opened(wire):
    return CaptureFile.from_bytes(pcap(wire.packets))


def the_session(wire):
    (session,) = opened(wire).sessions
    return session


def gaps(session):
    return [(e["side"], e["offset"], e["size"]) for e in session.all("gap")]


@st.composite
def pieces(draw):
    """Spans that cover TEXT, some of them twice or overlapping, in any order."""
    cuts = sorted(draw(st.sets(st.integers(1, len(TEXT) - 1), max_size=10)))
    edges = [0, *cuts, len(TEXT)]
    spans = list(pairwise(edges))
    more = st.tuples(st.sampled_from(edges[:-1]), st.integers(1, 60))
    again = [(a, min(a + n, len(TEXT))) for a, n in draw(st.lists(more, max_size=5))]
    return draw(st.permutations(spans + again))


@settings(max_examples=60, deadline=None)
@given(pieces(), st.sampled_from([0, 0xFFFFFFFF, 0xFFFFFF00, 1 << 31]), st.booleans())
def test_any_cut_order_and_repetition_gives_the_stream(spans, isn, is_v6):
    ends = (CLIENT6, SERVER6) if is_v6 else ()
    wire = Wire(*ends, isn=isn).shake()
    for start, end in spans:
        wire.say("C", start, TEXT[start:end])
    session = the_session(wire.close(len(TEXT), 0))
    assert session.wire("C") == TEXT
    assert not gaps(session)
    assert session.outcome == "closed"


@settings(max_examples=40, deadline=None)
@given(pieces(), st.booleans(), st.integers(0, 20))
def test_the_same_holds_when_the_capture_began_late(spans, acks, syn_at):
    wire = Wire(isn=0xFFFFFFF0)
    for number, (start, end) in enumerate(spans):
        if number == syn_at:
            wire.put("C", SYN)  # later than what came behind it
        wire.say("C", start, TEXT[start:end])
        if acks:
            wire.put("S", ACK, 0, end)
    session = the_session(wire)
    assert session.wire("C") == TEXT
    assert not gaps(session)


@settings(max_examples=40, deadline=None)
@given(pieces(), st.data())
def test_what_never_came_is_a_gap_and_nothing_else_is(spans, data):
    lost = data.draw(st.integers(0, len(TEXT) - 2))
    until = data.draw(st.integers(lost + 1, len(TEXT)))
    wire = Wire().shake()
    seen = set()
    for start, end in spans:
        for a, b in ((start, min(end, lost)), (max(start, until), end)):
            if a < b:
                wire.say("C", a, TEXT[a:b])
                seen |= set(range(a, b))
        if data.draw(st.booleans()):
            wire.put("S", ACK, 0, data.draw(st.integers(0, len(TEXT))))
    wire.put("S", ACK, 0, len(TEXT))
    session = the_session(wire.close(len(TEXT), 0))
    missing = {n for _, at, size in gaps(session) for n in range(at, at + size)}
    assert missing == set(range(lost, until))
    assert session.wire("C") == TEXT[:lost] + TEXT[until:]
    assert session.runs("C") == [
        (at, octets)
        for at, octets in ((0, TEXT[:lost]), (until, TEXT[until:]))
        if octets
    ]


def test_a_gap_is_told_where_an_ack_passes_it():
    wire = Wire().shake().say("C", 0, b"EHLO a\r\n")
    wire.put("S", ACK, 0, 20)
    wire.say("C", 20, b"QUIT\r\n")
    session = the_session(wire)
    assert gaps(session) == [("C", 8, 12)]
    kinds = [event.kind for event in session.events]
    assert kinds[-3:] == ["bytes", "gap", "bytes"]
    assert session.wire("C") == b"EHLO a\r\nQUIT\r\n"


def test_without_an_ack_a_gap_is_told_at_the_end():
    wire = Wire().shake().say("C", 8, b"QUIT\r\n")
    assert gaps(the_session(wire)) == [("C", 0, 8)]


def test_what_an_ack_passed_and_came_later_is_no_gap():
    wire = Wire().shake().put("S", ACK, 0, 20)
    wire.say("C", 0, TEXT[:20])
    assert gaps(the_session(wire)) == []


def test_octets_that_were_read_are_not_replaced():
    wire = Wire().shake().say("C", 0, b"first ").say("C", 0, b"SECOND third")
    assert the_session(wire).wire("C") == b"first  third"
    wire = Wire().shake().say("C", 0, b"first third").say("C", 0, b"SECOND")
    assert the_session(wire).wire("C") == b"first third"


def test_a_segment_that_was_cut_off_by_the_capture_leaves_a_gap():
    wire = Wire().shake().say("C", 0, TEXT[:100]).say("C", 100, TEXT[100:150])
    cut = CaptureFile.from_bytes(pcap(wire.packets, cut=40 + 60))
    (session,) = cut.sessions
    assert gaps(session) == [("C", 60, 40)]
    assert session.wire("C") == TEXT[:60] + TEXT[100:150]


def test_a_fin_that_nobody_captured_is_no_octet():
    wire = Wire().shake().say("C", 0, b"QUIT\r\n").put("S", FIN | ACK, 0, 7)
    session = the_session(wire)
    assert gaps(session) == []
    assert [event["side"] for event in session.all("fin")] == ["C", "S"]


def test_of_a_half_captured_connection_the_other_half_is_a_gap():
    whole = Wire().shake().say("S", 0, b"220 hi\r\n").say("C", 0, b"QUIT\r\n", 8)
    whole.say("S", 8, b"221 bye\r\n", 6).close(6, 17)
    whole.packets = [one for one in whole.packets if one[1][12:16] == b"\xc0\0\x02\n"]
    session = the_session(whole)
    assert session.server_address == ("198.51.100.25", 25)
    assert session.wire("C") == b"QUIT\r\n"
    assert gaps(session) == [("S", 0, 8), ("S", 8, 9)]


def test_in_the_middle_of_a_connection_the_known_port_is_the_servers():
    wire = Wire().say("S", 500, b"250 ok\r\n", 300).say("C", 300, b"QUIT\r\n", 508)
    session = the_session(wire)
    assert session.client_address == ("192.0.2.10", 40_001)
    assert (session.wire("S"), session.wire("C")) == (b"250 ok\r\n", b"QUIT\r\n")
    (note,) = session.all("note")
    assert "middle" in note["text"]


def test_the_same_ports_may_be_used_again():
    wire = Wire().shake().say("C", 0, b"one").close(3, 0)
    again = Wire(isn=77_777_777, peer_isn=5).shake().say("C", 0, b"two").close(3, 0)
    wire.packets += again.packets
    sessions = opened(wire).sessions
    assert [session.wire("C") for session in sessions] == [b"one", b"two"]
    assert [session.id for session in sessions] == ["c1", "c2"]


def test_a_syn_that_comes_twice_is_the_same_connection():
    wire = Wire().put("C", SYN).put("C", SYN).put("S", SYN | ACK).put("S", SYN | ACK)
    session = the_session(wire.put("C", ACK))
    kinds = [event.kind for event in session.events]
    assert kinds == ["connect", "syn", "accept", "synack", "established"]


def test_syns_without_an_answer_time_out_when_the_next_was_due():
    wire = Wire()
    for wait in (0, 1000, 2000):
        wire.now += wait * 1_000_000
        wire.put("C", SYN)
    session = the_session(wire)
    assert session.outcome == "timed out"
    assert session.find("timed_out").time_ns // 10**9 == 7
    assert session.reason == "no answer to 3 SYNs"


def test_one_syn_at_the_end_of_a_capture_is_still_open():
    assert the_session(Wire().put("C", SYN)).outcome == "open"


def test_a_rst_that_answers_a_syn_refuses():
    session = the_session(Wire().put("C", SYN).reset("S", -1, 0))
    assert session.outcome == "refused"


def test_a_rst_in_the_middle_is_a_reset_of_that_side():
    session = the_session(Wire().shake().say("C", 0, b"x").reset("S", 0, 1))
    assert session.outcome == "reset"
    assert session.find("reset").host == "198.51.100.25"


def test_a_segment_from_far_away_is_left_out():
    wire = Wire().shake().say("C", 1 << 30, b"far").say("C", 0, b"near")
    session = the_session(wire.say("C", (1 << 32) - 5000, b"before"))
    assert session.wire("C") == b"near"
    assert not gaps(session)


def test_a_keep_alive_changes_nothing():
    wire = (
        Wire()
        .shake()
        .say("C", 0, b"NOOP\r\n")
        .say("C", 5, b"\0")
        .put("C", PSH | ACK, 5)
    )
    wire.say("C", -1, b"\0")
    session = the_session(wire)
    assert session.wire("C") == b"NOOP\r\n"
    assert all(event["offset"] >= 0 for event in session.all("bytes"))
