"""Octets over time: what was sent, sent again, lost and acknowledged."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import maillab
from maillab.errors import LabError
from maillab.trace import Trace, bridges
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import ACK, SYN, Packet, Segment, TcpPath
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.sample import Talk
from maillab.trace.session import Session
from maillab.trace.tcp_dots import Dot, Reader, scale_in, segment_of
from maillab.trace.time_sequence import TimeSequence

CLIENT, SERVER = ("192.0.2.1", 50000), ("192.0.2.25", 25)
CLIENT6, SERVER6 = ("2001:db8::1", 50000), ("2001:db8::25", 25)
WORD = 1 << 32
SCALED = bytes([2, 4, 5, 180, 1, 3, 3, 7])
TEXT = "".join(f"{n:070d}\n" for n in range(600))


def packet(side: str, time: int, segment: Segment, *, v6: bool = False) -> Packet:
    ends = (CLIENT6, SERVER6) if v6 else (CLIENT, SERVER)
    path = TcpPath(*(ends if side == "C" else ends[::-1]))
    return Packet(time * 1_000_000, path.packet(segment), side == "C", "")


def talk(*segments: tuple[str, int, Segment], isn: int = 1000) -> list[Dot]:
    """A handshake (sequence numbers 1000 and 5000), then these."""
    begin = [
        ("C", 0, Segment(isn, 0, SYN, 65535, SCALED)),
        ("S", 10, Segment(5000, (isn + 1) % WORD, SYN | ACK, 65535, SCALED)),
        ("C", 20, Segment((isn + 1) % WORD, 5001, ACK, 512)),
    ]
    packets = [packet(*one) for one in [*begin, *segments]]
    return list(Reader().dots(enumerate(packets, 1)))


def data(seq: int, size: int, ack: int = 5001) -> Segment:
    return Segment(seq % WORD, ack, ACK, 512, payload=b"x" * size)


def lossy():
    world = maillab.open_world("hello")
    world.add_rule("alice-pc", action="lose", probability=0.08)
    world.send("alice", "bob@hello.example", "A long letter", TEXT)
    return world


@pytest.fixture(scope="module")
def traces():
    """The same letter with and without loss."""
    with lossy() as world:
        bad = world.trace
    with maillab.open_world("hello") as world:
        world.send("alice", "bob@hello.example", "A long letter", TEXT)
        good = world.trace
    return bad, good


@pytest.fixture(scope="module")
def sessions(traces):
    return [trace.session(port=587) for trace in traces]


@pytest.fixture(scope="module")
def plot(sessions) -> str:
    return sessions[0].time_sequence().svg()


# Segments -----------------------------------------------------------------------------


def test_octets_are_counted_from_the_first_one_behind_the_syn() -> None:
    dots = talk(("C", 30, data(1001, 100)), ("S", 40, Segment(5001, 1101, ACK, 4)))
    assert [(d.what, d.start, d.end) for d in dots][2:] == [
        ("ACK", 0, 0),
        ("sent", 0, 100),
        ("ACK", 0, 0),
    ]
    assert dots[-1].ack == 100
    assert dots[-1].edge == 100 + (4 << 7), "RFC 7323 §2.3: scaled"
    assert dots[0].edge is None
    assert dots[1].edge == 65535, "that of a SYN is never scaled"


def test_what_was_here_before_is_again_and_what_fills_a_hole_is_late() -> None:
    sent = [data(1001, 10), data(1021, 10), data(1011, 10), data(1021, 10)]
    dots = talk(*(("C", 30 + n, one) for n, one in enumerate(sent)))
    assert [dot.what for dot in dots[3:]] == ["sent", "sent", "late", "again"]


def test_a_part_that_is_new_does_not_hide_what_was_here_before() -> None:
    dots = talk(("C", 30, data(1001, 10)), ("C", 31, data(1006, 10)))
    assert dots[-1].what == "again"


def test_the_same_ack_twice_is_a_duplicate() -> None:
    ack = Segment(5001, 1011, ACK, 512)
    dots = talk(("C", 30, data(1001, 10)), ("S", 40, ack), ("S", 41, ack))
    assert [dot.what for dot in dots[-2:]] == ["ACK", "ACK again"]


def test_sequence_numbers_may_wrap() -> None:
    isn = WORD - 6
    sent = [data(isn + 1 + 1000 * n, 1000) for n in range(3)]
    dots = talk(*(("C", 30 + n, one) for n, one in enumerate(sent)), isn=isn)
    assert [(d.what, d.start) for d in dots[3:]] == [
        ("sent", 0),
        ("sent", 1000),
        ("sent", 2000),
    ]


def test_a_capture_that_begins_in_the_middle_counts_from_there() -> None:
    packets = [packet("C", n, data(900_000 + 10 * n, 10, 77)) for n in range(3)]
    dots = list(Reader((CLIENT, SERVER)).dots(enumerate(packets, 1)))
    assert [dot.start for dot in dots] == [0, 10, 20]
    assert all(dot.edge is None for dot in dots), "nobody told the scale"


def test_ipv6_is_read_too_and_other_packets_are_not() -> None:
    six = packet("C", 0, data(1, 10), v6=True)
    assert segment_of(six.data) == segment_of(six.data + b"padding")
    assert segment_of(six.data).size == 10
    fragment = bytearray(packet("C", 0, data(1, 10)).data)
    fragment[7] = 1
    udp = bytearray(packet("C", 0, data(1, 10)).data)
    udp[9] = 17
    for octets in (b"", b"E" * 19, bytes(fragment), bytes(udp), six.data[:59]):
        assert segment_of(octets) is None


def test_no_octets_make_the_reader_fail() -> None:
    whole = packet("C", 0, Segment(1, 2, SYN, 3, SCALED, b"xyz")).data
    for cut in range(len(whole)):
        segment_of(whole[:cut])
        for value in (0, 255):
            changed = whole[:cut] + bytes([value]) + whole[cut + 1 :]
            list(Reader().dots([(1, Packet(0, changed, True, ""))]))
    for options in (b"\x03", b"\x03\x03", b"\x02\x00\x03", bytes([5, 1]) * 9):
        assert scale_in(options) is None


# Views --------------------------------------------------------------------------------


def test_lost_segments_are_those_that_the_trace_knows(sessions) -> None:
    bad, good = sessions
    view = bad.time_sequence()
    lost = {b.offset for b in bad.bursts["C"] if b.arrived_ns is None}
    assert view.place == "alice-pc", "who sent more"
    assert lost
    assert lost <= {d.start for d in view.of_side("C") if d.lost}
    assert not any(dot.lost for dot in good.time_sequence().dots)
    assert any(dot.what == "again" for dot in view.dots)
    assert "lost" not in good.time_sequence().describe()


def test_each_octet_is_sent_once_where_nothing_is_lost(sessions) -> None:
    good = sessions[1]
    for place in (good.client, good.server):
        view = good.time_sequence(place)
        for side in ("C", "S"):
            dots = view.of_side(side)
            assert sum(dot.size for dot in dots) == len(good.wire(side))
            assert {dot.what for dot in dots} == {"sent"}


def test_the_receiver_does_not_see_what_was_lost_on_the_way(sessions) -> None:
    bad = sessions[0]
    here, there = bad.time_sequence("alice-pc"), bad.time_sequence(bad.server)
    assert len(there.of_side("C")) < len(here.of_side("C"))
    assert any(dot.what == "late" for dot in there.of_side("C"))


def test_the_round_trip_is_the_same_at_both_ends(sessions) -> None:
    good = sessions[1]
    trips = {good.time_sequence(p).round_trip_ns for p in (good.client, good.server)}
    assert trips == {2 * good.latency_ns}


def test_a_table_row_for_each_segment(sessions) -> None:
    view = sessions[0].time_sequence()
    rows = view.table().rows
    assert len(rows) == len(view.dots)
    assert tuple(rows[0][2:5]) == ("client", "SYN", "")
    lost = [row for row in rows if "lost" in row[3]]
    assert len(lost) == sum(dot.lost for dot in view.dots)
    assert f"{len(lost)} lost" in view.describe()


def test_the_plot_in_text_has_a_sign_for_each_kind(sessions) -> None:
    kinds = ("sent", "sent", "late", "again")
    dots = [
        Dot(n, n * 1_000_000, "C", kind, n * 1000, (n + 1) * 1000, 0, None, n == 1)
        for n, kind in enumerate(kinds)
    ]
    dots.append(Dot(9, 4_000_000, "S", "ACK", 0, 0, 4000, None))
    plot = TimeSequence(sessions[1], "pc", dots).text().split("\n\n")[1].split("\n")
    signs = [(at, row.partition("│")[2]) for at, row in enumerate(plot[1:15])]
    assert [(at, len(row), row.strip()) for at, row in signs if row] == [
        (0, 64, "-"),
        (4, 48, "o"),
        (7, 32, "+"),
        (10, 16, "x"),
        (13, 1, "#"),
    ]
    assert plot[1].startswith("      4,000 │")


def test_between_times_of_nothing_says_what_there_is(sessions) -> None:
    with pytest.raises(LabError, match="they passed between 0 and"):
        sessions[1].time_sequence().between(-5, -1)


def test_an_unknown_place_is_a_lab_error(sessions) -> None:
    with pytest.raises(LabError, match="no host 'mars'"):
        sessions[1].time_sequence("mars")


def test_packets_of_a_capture_give_the_same_octets(traces, sessions) -> None:
    capture = traces[0].capture("alice-pc")
    view = sessions[0].time_sequence(packets=capture)
    derived = sessions[0].time_sequence("alice-pc")
    assert view.place == "alice-pc"
    assert [d[2:6] for d in view.dots] == [d[2:6] for d in derived.dots]
    frames = {capture.frame(dot.packet) for dot in view.dots}
    assert len(frames) == len(view.dots), "the numbers are those of the capture"


def test_a_file_that_was_read_tells_the_same(traces) -> None:
    capture = traces[0].capture("alice-pc", log=False)
    file = CaptureFile.from_bytes(capture.to_bytes())
    found = next(s for s in file.sessions if s.port == 587)
    read = found.time_sequence(packets=file)
    derived = traces[0].session(port=587).time_sequence(packets=capture)
    assert [dot[2:8] for dot in read.dots] == [dot[2:8] for dot in derived.dots]
    assert [dot.packet for dot in read.dots] == [dot.packet for dot in derived.dots]
    assert not any(dot.lost for dot in read.dots), "packets do not know that"


def test_a_connection_that_nobody_answers_has_syns_only() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, client="pc", server="mx")
    trace.emit("connect", "pc", "c1", 0, src=CLIENT, dst=SERVER, to="mx")
    trace.emit("syn", "pc", "c1", 1_000_000_000, attempt=2)
    trace.emit("timed_out", "pc", "c1", 3_000_000_000, reason="timed out", by="")
    del talk
    view = trace.session("c1").time_sequence()
    assert [dot.what for dot in view.dots] == ["SYN", "SYN"]
    assert view.round_trip_ns is None
    assert "no octets" in view.describe()


# By matplotlib ------------------------------------------------------------------------


def test_two_plots_are_the_same_octets(sessions) -> None:
    first, second = (sessions[0].time_sequence().png(dpi=40) for _ in range(2))
    assert first == second
    assert first.startswith(b"\x89PNG")


def test_another_python_plots_the_same(sessions, plot, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    Trace(recorded=sessions[0].events).write(trace)
    code = (
        "import sys; from maillab.trace import Trace; "
        "view = Trace.read(sys.argv[1]).session().time_sequence(); "
        "sys.stdout.buffer.write(view.svg().encode())"
    )
    command = [sys.executable, "-c", code, str(trace)]
    run = subprocess.run(command, capture_output=True, env={"PYTHONHASHSEED": "7"})
    assert run.stdout.decode() == plot, run.stderr


def test_the_plot_is_xml_with_the_names_as_text(plot: str) -> None:
    root = ET.fromstring(plot)
    words = " ".join(root.itertext())
    for name in ("octets of alice-pc", "sent again", "lost", "acknowledged"):
        assert name in words
    assert "date" not in plot.lower()


def test_a_students_own_settings_do_not_change_it_and_stay(sessions, plot) -> None:
    import matplotlib

    with matplotlib.rc_context({"axes.facecolor": "pink", "font.size": 30}):
        assert sessions[0].time_sequence().svg() == plot
        assert matplotlib.rcParams["axes.facecolor"] == "pink"


def test_names_are_not_formulas_and_are_escaped() -> None:
    evil = "$x^2$<script>\x1b\u202e"
    trace = Trace(strict=True)
    talk = Talk(trace, client=evil, server=evil + "2")
    talk.connect()
    talk.say("S", "220 hello")
    view = trace.session().time_sequence()
    svg = view.svg()
    assert "$x^2$" in " ".join(ET.fromstring(svg).itertext())
    for text in (svg, view.html(), view.text()):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script" not in svg + view.html()


def test_without_matplotlib_there_is_the_table(
    sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = bridges.Maker("plots", "time_sequence_svg", "no_such_library")
    monkeypatch.setitem(bridges.MAKERS, "time-sequence plot", missing)
    view = sessions[1].time_sequence()
    with pytest.raises(LabError, match="pip install"):
        view.svg()
    assert "<img" not in view.html()
    assert ">Segments of" in view.html()


def test_the_views_need_no_matplotlib_until_somebody_plots() -> None:
    code = (
        "import sys, maillab.trace.time_sequence, maillab.ui.plots; "
        "print('matplotlib' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr


def test_a_list_of_packets_without_a_place_has_a_name() -> None:
    class Some(PacketList):
        packets = (packet("C", 1, data(1, 10)),)

    trace = Trace(strict=True)
    trace.emit("connect", "pc", "c1", 0, src=CLIENT, dst=SERVER, to="mx")
    trace.emit("fin", "pc", "c1", 2_000_000, side="C", latency=0)
    view = TimeSequence.of(trace.session("c1"), packets=Some())
    assert view.place == "the capture"
    assert [dot.size for dot in view.dots] == [10]
