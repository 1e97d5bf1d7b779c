"""What a mail server's log says, as frames between the packets of a capture."""

import struct

import pytest

from maillab.trace import Trace, pcapng
from maillab.trace.capture_log import NOTICE, WARNING, log_lines
from maillab.trace.packets import Packet
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.reading.frames import NO_LINK
from maillab.trace.sample import MS, Talk
from tests.test_pcapng import blocks
from tests.worlds import plain_world

JOURNAL, PACKET = 9, 6
BETA = "mx.beta.example"


@pytest.fixture(scope="module")
def world():
    with plain_world() as opened:
        opened.send("alice", "bob@beta.example", "Hello")
        opened.send("alice", "nobody@beta.example", "Anybody?")
        opened.read("bob", "IMAP")
        yield opened


def texts(trace, host):
    return [line.text for line in trace.capture(host).log]


def one(kind, **facts):
    """The only log line of an event."""
    trace = Trace(strict=True)
    trace.emit(kind, BETA, "c1", 5, **facts)
    (line,) = log_lines(trace, BETA)
    return line


def test_the_log_says_what_became_of_each_message(world):
    said = "\n".join(texts(world.trace, "mail.alpha.example"))
    assert "from=<alice@alpha.example>, size=" in said
    assert "relay=mx.beta.example, status=sent (250 2.0.0 Queued as" in said
    assert "to=<nobody@beta.example>, status=bounced (mx.beta.example said" in said


def test_a_log_has_only_what_its_own_server_knew(world):
    assert not any("bounced" in text for text in texts(world.trace, BETA))
    assert texts(world.trace, "bob-pc") == []
    assert any("in INBOX" in text for text in texts(world.trace, BETA))


def test_no_password_is_in_a_log(world):
    logs = [texts(world.trace, host) for host in world.trace.hosts]
    said = "\n".join(text for log in logs for text in log)
    assert "user=<bob@beta.example>" in said
    assert "sponge" not in said
    assert "rabbit-hole" not in said


def test_a_line_stands_between_the_command_and_its_reply(world):
    """Behind what arrived at that instant, before what left."""
    packets = world.trace.capture(BETA).packets
    at = next(n for n, p in enumerate(packets) if "policy: reject" in p.comment)
    before, line, after = packets[at - 1 : at + 2]
    assert (before.time_ns, after.time_ns) == (line.time_ns, line.time_ns)
    assert (before.outbound, after.outbound) == (False, True)
    assert "RCPT TO:<nobody@beta.example>" in before.comment
    assert "550 5.1.1" in after.comment


def test_frames_and_blocks_are_the_same_in_number_and_order(world):
    capture = world.trace.capture(BETA)
    kinds = [kind for kind, _ in blocks(capture.to_bytes())][3:]
    assert kinds == [PACKET if p.data else JOURNAL for p in capture.packets]
    assert kinds.count(JOURNAL) == len(capture.log) > 0


def test_every_frame_can_be_had_by_its_number(world):
    capture = world.trace.capture(BETA, link="ethernet")
    log = iter(capture.log)
    for number, packet in enumerate(capture.packets, 1):
        octets = capture.frame(number)
        if packet.data:
            assert capture.link_of(number) == pcapng.LINK_ETHERNET
            assert octets.endswith(packet.data)
        else:
            assert capture.link_of(number) == NO_LINK
            assert f"MESSAGE={next(log).text}\n".encode() in octets


def test_without_log_there_are_packets_only(world):
    capture, whole = world.trace.capture(BETA, log=False), world.trace.capture(BETA)
    assert capture.packets == [p for p in whole.packets if p.data]
    assert {kind for kind, _ in blocks(capture.to_bytes())} == {0x0A0D0D0A, 1, 4, 6}


def test_a_seat_has_the_log_of_its_own_server(world):
    seen = world.trace.as_seen_by(BETA).capture(BETA)
    assert seen.log == world.trace.capture(BETA).log


def test_a_journal_entry_has_its_fields_line_by_line():
    line = one("ban", address="192.0.2.9", until=60.0, reason="guessed\r\nPRIORITY=0")
    fields = dict(row.split("=", 1) for row in line.entry(10**9).decode().splitlines())
    assert fields == {
        "__REALTIME_TIMESTAMP": "1000000",
        "_HOSTNAME": BETA,
        "SYSLOG_IDENTIFIER": "defence",
        "PRIORITY": str(NOTICE),
        "MESSAGE": r"ban of 192.0.2.9 until 60.0: guessed\r\nPRIORITY=0",
        "MAILLAB_EVENT": "1",
        "MAILLAB_CONNECTION": "c1",
    }


def test_what_peers_say_is_never_taken_for_a_template():
    line = one("failure", error="{error.__class__} {0}", traceback="")
    assert line.text == "internal error: {error.__class__} {0}"


def test_a_failed_login_is_a_warning():
    facts = {"protocol": "IMAP", "mechanism": "LOGIN", "user": "eve"}
    line = one("auth", **facts, ok=False, reason="wrong password")
    assert (line.severity, str(line)) == (
        WARNING,
        "imap: login failed: user=<eve>, method=LOGIN: wrong password",
    )


def test_events_that_lack_facts_still_give_a_line():
    trace = Trace()
    for kind in ("accepted", "policy", "auth", "mediated", "relayed", "queue"):
        trace.emit(kind, BETA, "", 0)
    assert len(list(log_lines(trace, BETA))) == 6


def test_at_one_instant_the_log_keeps_its_order_and_disturbs_no_packet():
    trace = Trace(strict=True)
    talk = Talk(trace, port=7777, engines="")
    talk.connect()
    talk.burst("C", b"DATA\r\n")
    for text in ("first", "second"):
        trace.emit("note", BETA, "c1", talk.now + 20 * MS, text=text)
    talk.now += 20 * MS
    talk.burst("S", b"354 go\r\n")
    packets = trace.capture(BETA).packets
    shown = [("out" if p.outbound else "in") if p.data else p.comment for p in packets]
    assert shown[3:] == ["in", "server: first", "server: second", "out", "in"]
    assert packets[4] == Packet(60 * MS, b"", outbound=False, comment="server: first")


def test_a_block_of_the_log_is_padded_with_zeros():
    (found,) = blocks(pcapng.journal(b"A=1\nB=23\n"))
    assert found == (JOURNAL, b"A=1\nB=23\n" + bytes(3))
    assert len(found[1]) % struct.calcsize("<I") == 0


def test_what_is_read_back_has_the_same_frames(world, tmp_path):
    capture = world.trace.capture(BETA, link="ethernet")
    capture.write(tmp_path / "beta.pcapng")
    read = CaptureFile.read(tmp_path / "beta.pcapng")
    assert len(read.packets) == len(capture.packets)
    for number, (mine, theirs) in enumerate(
        zip(capture.packets, read.packets, strict=True), 1
    ):
        assert read.frame(number) == capture.frame(number)
        assert read.link_of(number) == capture.link_of(number)
        assert (theirs.data, theirs.comment) == (mine.data, mine.comment)


def test_a_capture_names_its_packets_and_the_lines_of_the_log_apart(world):
    """The numbers of a listing run over both."""
    capture = world.trace.capture(BETA)
    lines, rows = len(capture.log), len(capture.packets)
    assert lines > 0
    assert f"{rows - lines} packets and {lines} lines of its log" in repr(capture)
    assert f" of {rows}." in capture.listing(1, 2).text()
