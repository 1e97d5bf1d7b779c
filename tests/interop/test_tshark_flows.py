"""tshark is the referee: many flows, every kind of TLS, errors that it must find."""

import shutil
import ssl
import struct
import subprocess
from contextlib import suppress

import pytest

from maillab import open_world
from maillab.net.ca import LabCA
from maillab.trace import Trace, pcapng
from maillab.trace.sample import Talk, letter
from tests.interop import flow_batches
from tests.interop.test_captures_paths import TRUE
from tests.interop.test_tshark import EXPECTED, tshark

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]

FLOWS = 200
PLACES = {
    "straight": ("alpha.example", "mx.beta.example"),
    "troubled": ("router/inside", "mx"),
}
CASES = [(kind, place) for kind, places in PLACES.items() for place in places]
AGAIN = ("retransmission", "fast_retransmission", "out_of_order")
AGAIN += ("spurious_retransmission",)


class Judged:
    """A capture of one place, and what tshark says of it."""

    def __init__(self, kind, trace, place, folder):
        self.lossy = kind == "troubled"
        self.seen = flow_batches.frames(trace, place, seed=1)
        self.file = folder / f"{place.replace('/', '-')}.pcapng"
        flow_batches.write(self.seen, self.file)


@pytest.fixture(scope="module")
def traces():
    """200 flows over good lines, and 200 over bad ones."""
    makers = {"straight": flow_batches.straight, "troubled": flow_batches.troubled}
    return {kind: make(seed=5, count=FLOWS) for kind, make in makers.items()}


@pytest.fixture(scope="module", params=CASES, ids=" at ".join)
def batch(request, traces, tmp_path_factory):
    kind, place = request.param
    return Judged(kind, traces[kind], place, tmp_path_factory.mktemp("flows"))


def test_experts_say_what_is_true_and_no_more(batch):
    expected = EXPECTED + TRUE if batch.lossy else EXPECTED
    said = [text for text in experts(batch.file) if not text.endswith(expected)]
    assert [text for text in said if not is_duplicate_ack(text, batch)] == []


def is_duplicate_ack(text, batch):
    return batch.lossy and "Duplicate ACK (#" in text


def experts(file):
    """Rows of tshark's table of experts, from notes to errors."""
    rows = tshark(file, "-q", "-zexpert,note").splitlines()
    return [row for row in rows if row[:12].strip().isdecimal()]


def test_each_frame_that_tshark_marks_deserves_it(batch):
    holes, again, acks = flow_batches.judged(batch.seen)
    found = marked(batch.file, len(batch.seen))
    assert found["lost_segment"] == holes
    assert set().union(*(found[flag] for flag in AGAIN)) == again
    assert found["duplicate_ack"] <= acks
    assert bool(again) == batch.lossy


def marked(file, count):
    """For each flag of the analysis: the frames that have it."""
    flags = [*AGAIN, "lost_segment", "duplicate_ack"]
    shown = [f"-etcp.analysis.{flag}" for flag in flags]
    rows = tshark(file, "-Tfields", *shown).split("\n")[:count]
    cells = [row.split("\t") for row in rows]
    return {
        flag: {number for number, row in enumerate(cells, 1) if row[at]}
        for at, flag in enumerate(flags)
    }


def test_every_stream_is_what_the_trace_says(batch):
    ends = {}  # of the first packet of each connection
    for packet, session in batch.seen:
        ends.setdefault(session.id, (session, flow_batches.tcp(packet.data)))
    assert len(ends) == FLOWS
    streams = all_followed(batch.file, FLOWS)
    for session, first in ends.values():
        said = streams[first.src, first.dst]
        assert said == (session.wire("C"), session.wire("S")), session


def all_followed(file, count):
    """{(client, server): octets of both} of all streams, in one run."""
    asked = [f"-zfollow,tcp,raw,{stream}" for stream in range(count)]
    found = {}
    for text in tshark(file, "-q", *asked).split("Follow: tcp,raw")[1:]:
        rows = [row for row in text.splitlines()[2:] if row and row[0] != "="]
        client, server = (node(row) for row in rows[:2])
        said = rows[2:]
        theirs = "".join(row[1:] for row in said if row[0] == "\t")
        ours = "".join(row for row in said if row[0] != "\t")
        found[client, server] = bytes.fromhex(ours), bytes.fromhex(theirs)
    return found


def node(row):
    """`Node 0: [2001:db8::1]:25` or `Node 0: 192.0.2.1:25`, as (address, port)."""
    host, _, port = row.partition(": ")[2].rpartition(":")
    return host.strip("[]"), int(port)


# TLS ----------------------------------------------------------------------------------

VERSIONS = ("TLSv1_2", "TLSv1_3")
START = {  # port -> what is said before TLS
    25: ("220 mx", "EHLO a", "250-mx\r\n250 STARTTLS", "STARTTLS", "220 go"),
    587: ("220 mx", "EHLO a", "250-mx\r\n250 STARTTLS", "STARTTLS", "220 go"),
    110: ("+OK POP3", "STLS", "+OK go"),
    143: ("* OK IMAP4rev1", "a1 STARTTLS", "a1 OK go"),
    465: (),
    995: (),
    993: (),
}
INSIDE = {  # port -> what is said inside
    25: ("MAIL FROM:<alice@alpha.example>", "250 ok"),
    110: ("USER alice", "+OK"),
    143: ("a2 CAPABILITY", "a2 OK done"),
}
FIELDS = ("smtp.command_line", "pop.request.command", "pop.request.parameter")
FIELDS += ("imap.request",)
LIKE = {25: 25, 587: 25, 465: 25, 110: 110, 995: 110, 143: 143, 993: 143}


class Tls:
    """A real TLS session between two memory buffers, told to a `Talk`."""

    def __init__(self, talk, version, ca):
        self.talk, self.server = talk, ca.server_context("mx.beta.example")
        client = ca.client_context()
        client.minimum_version = client.maximum_version = ssl.TLSVersion[version]
        self.pipes = {side: (ssl.MemoryBIO(), ssl.MemoryBIO()) for side in "CS"}
        name = {"server_hostname": "mx.beta.example"}
        self.ends = {
            "C": client.wrap_bio(*self.pipes["C"], **name),
            "S": self.server.wrap_bio(*self.pipes["S"], server_side=True),
        }
        for side in "CSCSCS":
            with suppress(ssl.SSLWantReadError):
                self.ends[side].do_handshake()
            self.move(side)
        for line in self.server.take_keys():
            talk.emit("keylog", "S", line=line)

    def move(self, side):
        data = self.pipes[side][1].read()
        self.pipes["S" if side == "C" else "C"][0].write(data)
        if data:
            self.talk.burst(side, data)
            self.talk.now += self.talk.latency

    def say(self, side, text):
        self.ends[side].write(text.encode() + b"\r\n")
        self.move(side)


@pytest.fixture(scope="module")
def secure():
    """Both versions, all protocols, STARTTLS and implicit: one connection for each."""
    trace, ca = Trace(strict=True), LabCA()
    kinds = [(port, version) for port in START for version in VERSIONS]
    for number, (port, version) in enumerate(kinds, 1):
        src = ("192.0.2.10", 40_000 + number)
        begin = number * 10**9
        talk = Talk(trace, f"c{number}", port=port, src=src, now=begin, engines="")
        talk.connect()
        for text in START[port]:
            is_ours = text.split()[-1] in ("a", "STARTTLS", "STLS") and text[0] != "2"
            say(talk, "C" if is_ours else "S", text)
        tls = Tls(talk, version, ca)
        command, reply = INSIDE[LIKE[port]]
        tls.say("C", command)
        tls.say("S", reply)
        talk.close("C")
    ca.close()
    return trace, kinds


def say(talk, side, text):
    talk.burst(side, text.encode() + b"\r\n")
    talk.now += talk.latency


@pytest.mark.parametrize("place", ["alpha.example", "mx.beta.example"])
def test_all_tls_is_opened_without_options(secure, place, tmp_path):
    trace, kinds = secure
    file = tmp_path / "tls.pcapng"
    trace.capture(place).write(file)
    opened = commands(file)
    for stream, (port, version) in enumerate(kinds):
        expected = INSIDE[LIKE[port]][0]
        assert any(expected in c for c in opened.get(stream, [])), (port, version)
    complaints = [e for e in experts(file) if not e.endswith(EXPECTED)]
    assert complaints == []
    streams = all_followed(file, len(kinds))
    for session in trace.sessions:
        said = streams[session.client_address, session.server_address]
        assert said == (session.wire("C"), session.wire("S")), session


def commands(file):
    """What tshark takes for commands inside TLS, for each stream; without options."""
    shown = [f"-e{field}" for field in ("tcp.stream", *FIELDS)]
    command = ["tshark", "-n", "-r", str(file), "-Y", "tls", "-Tfields", *shown]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {}
    for row in done.stdout.splitlines():
        stream, *texts = row.split("\t")
        found.setdefault(int(stream), []).append(" ".join(filter(None, texts)))
    return found


# Log lines ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    with open_world("two-domains") as opened:
        opened.send("alice", "bob@beta.example", "Hello")
        opened.send("alice", "nobody@beta.example", "Anybody?")
        opened.read("bob", "IMAP")
        yield opened


@pytest.mark.parametrize("log", [True, False])
def test_frames_have_the_numbers_that_tshark_gives_them(world, log, tmp_path):
    capture = world.trace.capture("mx.beta.example", log=log)
    capture.write(tmp_path / "beta.pcapng")
    fields = ("frame.number", "frame.time_epoch", "ip.id", "systemd_journal.message")
    shown = [f"-e{field}" for field in fields]
    rows = tshark(tmp_path / "beta.pcapng", "-Tfields", *shown).splitlines()
    assert len(rows) == len(capture.packets)
    assert bool(capture.log) == log
    for row, packet in zip(rows, capture.packets, strict=True):
        number, time, ident, message = row.split("\t")
        octets = capture.frame(int(number))
        told = capture.epoch_ns + packet.time_ns
        assert float(time) == pytest.approx(told / 1e9, abs=1e-6)
        if packet.data:
            assert int(ident.split(",")[0], 16) == struct.unpack("!H", octets[4:6])[0]
        else:
            assert f"MESSAGE={message}\n".encode() in octets


def test_tshark_has_no_complaint_about_log_lines(world, tmp_path):
    world.trace.capture("mail.alpha.example").write(tmp_path / "alpha.pcapng")
    said = experts(tmp_path / "alpha.pcapng")
    assert [text for text in said if not text.endswith(EXPECTED)] == []
    journal = tshark(tmp_path / "alpha.pcapng", "-Y", "systemd_journal")
    assert (
        "status=bounced (mx.beta.example said 550 5.1.1 No such user here)" in journal
    )


# Negative controls --------------------------------------------------------------------


def rewritten(change, file):
    """A good capture in which `change` has spoiled the packets."""
    packets = letter().capture("alpha.example").packets
    blocks = [pcapng.section(""), pcapng.interface("any", pcapng.LINK_RAW, "")]
    for number, packet in enumerate(packets, 1):
        data = change(number, packet.data)
        if data:
            blocks.append(pcapng.packet(data, packet.time_ns, pcapng.INBOUND))
    file.write_bytes(b"".join(blocks))
    return "\n".join(text for text in experts(file) if not text.endswith(EXPECTED))


FRAME = 9  # it has payload


def flip(at):
    def change(number, data):
        if number != FRAME:
            return data
        octets = bytearray(data)
        octets[at] ^= 1
        return bytes(octets)

    return change


def drop(number, data):
    return b"" if number == FRAME else data


def shorten(number, data):
    return data[:-2] if number == FRAME else data


def nothing(number, data):
    del number
    return data


ERRORS = {
    "nothing": (nothing, ""),
    "an octet of the payload": (flip(-1), "Bad checksum"),
    "an octet of the IP header": (flip(8), "Bad checksum"),
    "a sequence number": (flip(27), "Bad checksum"),
    "a packet that is not there": (drop, "not captured"),
    "a packet that is too short": (shorten, "length"),
    "the length of the TCP header": (flip(32), "Bad checksum"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_in_a_capture_is_found(error, tmp_path):
    change, expected = ERRORS[error]
    said = rewritten(change, tmp_path / "spoiled.pcapng")
    assert expected in said
    assert bool(said) == (error != "nothing")


def test_a_wrong_key_opens_nothing(secure, tmp_path):
    trace, kinds = secure
    events = [e for e in trace if e.kind != "keylog"]
    wrong = [e for e in trace if e.kind == "keylog"]
    for event in wrong:
        label, random, secret = event["line"].split()
        line = f"{label} {random} {secret[::-1]}"
        events.append(type(event)(*spread(event), {"line": line}))
    spoiled = Trace(recorded=sorted(events, key=lambda e: e.number))
    spoiled.capture("alpha.example").write(tmp_path / "wrong.pcapng")
    found = [c for said in commands(tmp_path / "wrong.pcapng").values() for c in said]
    assert not any(INSIDE[LIKE[port]][0] in c for c in found for port, _ in kinds)


def spread(event):
    return event.number, event.time_ns, event.kind, event.host, event.connection
