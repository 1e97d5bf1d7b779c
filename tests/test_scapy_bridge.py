"""Packets in scapy: the same octets, layers for the mail protocols, a sniffer."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.errors import LabError
from maillab.trace import Trace
from maillab.trace.sample import MS, Talk, letter
from maillab.ui.scapy_speech import Speech
from maillab.world.sniffing import Sniffing
from tests.worlds import plain_world

pytest.importorskip("scapy", reason="scapy is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CLIENT, SERVER = "alpha.example", "mx.beta.example"


@pytest.fixture(scope="module")
def layers() -> dict[str, Any]:
    from maillab.ui.scapy_layers import layers

    return layers()


def session(protocol: str, *said: str, size: int = 10_000) -> Trace:
    """`S: 220 x` and so on, each in segments of at most `size` octets."""
    trace = Trace(strict=True)
    port = {"SMTP": 25, "POP3": 110, "IMAP": 143}[protocol]
    talk = Talk(trace, port=port, engines="")
    talk.connect()
    for row in said:
        data = row[3:].encode() + b"\r\n"
        for start in range(0, len(data), size):
            talk.burst(row[0], data[start : start + size])  # type: ignore[arg-type]
            talk.now += 30 * MS
    talk.close("C")
    return trace


SMTP = (
    "S: 220 mx ESMTP",
    "C: EHLO me",
    "S: 250-mx\r\n250 SIZE 10",
    "C: AUTH LOGIN",
    "S: 334 VXNlcm5hbWU6",
    "C: am9l",
    "S: 235 2.7.0 In",
    "C: MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA",
    "S: 250 Ok\r\n250 Ok\r\n354 Go",
    "C: Subject: x\r\n\r\nRSET\r\n..dots\r\n.",
    "S: 250 Queued",
    "C: QUIT",
    "S: 221 Bye",
)
POP3 = (
    "S: +OK hello",
    "C: USER joe",
    "S: +OK",
    "C: RETR 1",
    "S: +OK 3 octets\r\n+OK is content\r\n.",
    "C: LIST 1",
    "S: +OK 1 3",
    "C: QUIT",
    "S: +OK bye",
)
IMAP = (
    "S: * OK ready",
    "C: a1 LOGIN {3}",
    "S: + go on",
    "C: joe pw",
    "S: a1 OK in",
    "C: a2 FETCH 1 BODY[]",
    "S: * 1 FETCH (BODY[] {7}\r\na3 OK x)\r\na2 OK done",
)
DIALOGUES = {"SMTP": SMTP, "POP3": POP3, "IMAP": IMAP}


def together(trace: Trace, layer: str) -> Iterator[Any]:
    """The lines that scapy finds when it puts segments together."""
    from scapy.sendrecv import sniff
    from scapy.sessions import TCPSession

    packets = trace.capture(CLIENT).to_scapy()
    for packet in sniff(offline=packets, session=TCPSession, quiet=True):
        while layer in packet:
            yield from packet[layer].lines
            packet = packet[layer].payload


def names(lines: Iterator[Any]) -> list[str]:
    return [type(line).__name__ for line in lines]


# Packets ------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["raw", "ethernet"])
def test_scapy_has_the_same_octets_and_times(link: str) -> None:
    capture = letter().capture(CLIENT, link=link)
    packets = capture.to_scapy()
    assert len(packets) == len(capture.packets)
    for number, packet in enumerate(packets, 1):
        assert bytes(packet) == capture.frame(number)
        at = capture.epoch_ns + capture.packets[number - 1].time_ns
        assert int(packet.time * 10**9) == at
    assert packets[3].comment.startswith(b"S: 220")


@pytest.mark.parametrize("protocol", DIALOGUES)
def test_a_layer_builds_what_it_read(protocol: str, layers: dict[str, Any]) -> None:
    for packet in session(protocol, *DIALOGUES[protocol]).capture(CLIENT).to_scapy():
        if protocol not in packet:
            continue
        layer = packet[protocol]
        fields = [type(n)(**n.fields) for n in layer.lines]
        assert bytes(layers[protocol](lines=fields)) == layer.original


@settings(max_examples=40)
@given(st.binary(max_size=80), st.sampled_from(["SMTP", "POP3", "IMAP"]))
def test_any_octets_come_back(octets: bytes, protocol: str) -> None:
    from maillab.ui.scapy_layers import layers

    made = layers()[protocol](octets)
    if type(made).__name__ == protocol:
        lines = [type(n)(**n.fields) for n in made.lines]
        assert bytes(layers()[protocol](lines=lines)) == octets
    assert bytes(made) == octets


def test_a_layer_can_be_built_from_words(layers: dict[str, Any]) -> None:
    from scapy.layers.inet import IP, TCP

    command = layers["SMTPCommand"]
    lines = [command(verb="EHLO", argument="me"), command(verb="QUIT")]
    packet = IP(src="192.0.2.1", dst="192.0.2.2") / TCP() / layers["SMTP"](lines=lines)
    assert bytes(packet["SMTP"]) == b"EHLO me\r\nQUIT\r\n"
    assert packet["TCP"].dport == 25
    again = IP(bytes(packet))
    assert again["SMTP"].lines[0].argument == b"me"


def test_the_fields_of_lines_have_their_names(layers: dict[str, Any]) -> None:
    packets = session("SMTP", *SMTP).capture(CLIENT).to_scapy()
    found = [n for p in packets if "SMTP" in p for n in p["SMTP"].lines]
    assert (found[0].code, found[0].text) == (b"220", b"mx ESMTP")
    assert (found[1].verb, found[1].argument) == (b"EHLO", b"me")
    assert found[2].separator == b"-"
    reply = layers["IMAPReply"](b"a1 OK in\r\n")
    assert (reply.tag, reply.text) == (b"a1", b"OK in")


def test_a_summary_tells_no_secrets() -> None:
    packets = session("POP3", "S: +OK", "C: PASS hunter2").capture(CLIENT).to_scapy()
    summaries = [packet.summary() for packet in packets]
    assert any(text.endswith("POP3 PASS") for text in summaries)
    assert not any("hunter2" in text for text in summaries)


def test_octets_of_tls_are_no_mail(layers: dict[str, Any]) -> None:
    from scapy.packet import Raw

    assert type(layers["SMTP"](b"\x16\x03\x01\0\1x")) is Raw


# Put together -------------------------------------------------------------------------


EXPECTED = {
    "SMTP": [
        *("SMTPReply", "SMTPCommand", "SMTPReply", "SMTPReply"),
        *("SMTPCommand", "SMTPReply", "SMTPText", "SMTPReply"),
        *("SMTPCommand", "SMTPCommand", "SMTPCommand"),
        *("SMTPReply", "SMTPReply", "SMTPReply"),
        *("MailContent", "SMTPReply", "SMTPCommand", "SMTPReply"),
    ],
    "POP3": [
        *("POP3Reply", "POP3Command", "POP3Reply"),
        *("POP3Command", "POP3Reply", "MailContent"),
        *("POP3Command", "POP3Reply", "POP3Command", "POP3Reply"),
    ],
    "IMAP": [
        *("IMAPReply", "IMAPCommand", "IMAPReply", "MailContent", "IMAPText"),
        *("IMAPReply", "IMAPCommand"),
        *("IMAPReply", "MailContent", "IMAPText", "IMAPReply"),
    ],
}


@pytest.mark.parametrize("protocol", DIALOGUES)
def test_a_whole_session_tells_content_from_commands(protocol: str) -> None:
    trace = session(protocol, *DIALOGUES[protocol])
    assert names(together(trace, protocol)) == EXPECTED[protocol]


@pytest.mark.parametrize("protocol", DIALOGUES)
@pytest.mark.parametrize("size", [1, 7])
def test_segments_are_put_together(protocol: str, size: int) -> None:
    trace = session(protocol, *DIALOGUES[protocol], size=size)
    lines = list(together(trace, protocol))
    octets = b"".join(bytes(line) for line in lines)
    both = trace.session().wire("C"), trace.session().wire("S")
    assert len(octets) == sum(map(len, both))
    kinds = [name for name in names(iter(lines)) if name != "MailContent"]
    assert kinds == [name for name in EXPECTED[protocol] if name != "MailContent"]


@given(st.lists(st.binary(max_size=30)), st.sampled_from(["SMTP", "POP3", "IMAP"]))
def test_speech_loses_no_octet(chunks: list[bytes], protocol: str) -> None:
    speech, waiting, said = Speech(protocol), b"", b""
    for chunk in chunks:
        pieces, waiting = speech.cut("C", waiting + chunk, False)
        said += b"".join(octets for _, octets in pieces)
    pieces, rest = speech.cut("C", waiting, True)
    assert rest == b""
    assert said + b"".join(octets for _, octets in pieces) == b"".join(chunks)


def test_behind_starttls_nothing_is_understood() -> None:
    speech = Speech("SMTP")
    speech.cut("C", b"STARTTLS\r\n", False)
    speech.cut("S", b"220 Go\r\n", False)
    assert speech.cut("C", b"QUIT\r\n", False) == ([("hidden", b"QUIT\r\n")], b"")
    refused = Speech("SMTP")
    refused.cut("C", b"STARTTLS\r\n", False)
    refused.cut("S", b"454 Not now\r\n", False)
    assert refused.cut("C", b"QUIT\r\n", False) == ([("command", b"QUIT\r\n")], b"")


# A running world ----------------------------------------------------------------------


class World:
    """A world with what the lead adds to it."""

    def __init__(self) -> None:
        self.world = plain_world("two-domains")

    def sniff(self, *of: Any, **options: Any) -> Iterator[Any]:
        return Sniffing.sniff(self.world, *of, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    with made.world:
        yield made


def test_packets_are_seen_as_they_pass(world: World) -> None:
    packets = world.sniff(SERVER, 8, only=lambda packet: "SMTP" in packet)
    world.world.send("alice", "bob@beta.example", "Hi")
    seen = [line for packet in packets for line in packet["SMTP"].lines]
    assert seen[0].text.startswith(SERVER.encode())
    assert next(n.verb for n in seen if "Command" in type(n).__name__) == b"EHLO"
    again = list(world.sniff(SERVER, timeout=2))
    assert again == []  # what had passed before is not seen


def test_a_world_goes_on_while_one_waits(world: World) -> None:
    packets = world.sniff("mx.beta.example", timeout="3 s")
    before = world.world.time
    world.world.user("alice").send("bob@beta.example", "Hi", "nobody waits for it")
    seen = [packet for packet in packets if "TCP" in packet]
    times = [packet.time for packet in seen]
    assert len(seen) > 10
    assert times == sorted(times)
    assert world.world.time > before + 3
    same = world.world.trace.capture(SERVER, log=False).to_scapy()
    assert [bytes(p) for p in seen] == [bytes(p) for p in same][-len(seen) :]


def test_a_wrong_place_is_answered_with_what_there_is(world: World) -> None:
    with pytest.raises(LabError, match=r"beta\.example"):
        world.sniff("nobody")
    with pytest.raises(LabError, match="side of a gateway"):
        world.sniff("mx.beta.example/inside")


def test_scapy_is_loaded_only_when_somebody_asks() -> None:
    code = (
        "import sys, maillab.ui.scapy_bridge, maillab.ui.scapy_layers, "
        "maillab.world.sniffing; sys.exit('scapy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
