"""Wireshark takes packets apart, too: every field must stand where it says, and say it.

`tshark -T pdml` gives position, size and value of each field. A field counts when its
octets are those of the frame (what tshark has decrypted or put together stands in other
octets).
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from maillab.trace import Trace
from maillab.trace.dissect.ranges import Range
from maillab.trace.packet_list import PacketList
from maillab.world.files import find_scenario, load
from maillab.world.world import World
from tests.worlds import plain_world

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]

MX = "mx.beta.example"
Shown = Callable[[str], str]


def number(shown: str) -> str:
    """`show` of a number, decimal or hexadecimal, as we write it."""
    return str(int(shown, 0))


def plain(shown: str) -> str:
    return shown


def dotted(shown: str) -> str:
    return "." if shown == "<Root>" else f"{shown}."


def hexadecimal(shown: str) -> str:
    return f"0x{int(shown, 16):04x}"


FIELDS: dict[str, tuple[str, Shown]] = {
    "eth.dst": ("destination", plain),
    "eth.src": ("source", plain),
    "ip.len": ("total length", number),
    "ip.id": ("identification", number),
    "ip.ttl": ("time to live", number),
    "ip.proto": ("protocol", number),
    "ip.checksum": ("header checksum", hexadecimal),
    "ip.src": ("source", plain),
    "ip.dst": ("destination", plain),
    "ipv6.plen": ("payload length", number),
    "ipv6.nxt": ("next header", number),
    "ipv6.hlim": ("hop limit", number),
    "ipv6.src": ("source", plain),
    "ipv6.dst": ("destination", plain),
    "tcp.srcport": ("source port", number),
    "tcp.dstport": ("destination port", number),
    "tcp.seq_raw": ("sequence number", number),
    "tcp.ack_raw": ("acknowledgment number", number),
    "tcp.window_size_value": ("window", number),
    "tcp.checksum": ("checksum", hexadecimal),
    "tcp.urgent_pointer": ("urgent pointer", number),
    "tcp.options.mss_val": ("octets", number),
    "tcp.options.wscale.shift": ("shift", number),
    "tcp.options.timestamp.tsval": ("value", number),
    "tcp.options.timestamp.tsecr": ("echo reply", number),
    "udp.srcport": ("source port", number),
    "udp.dstport": ("destination port", number),
    "udp.length": ("length", number),
    "udp.checksum": ("checksum", hexadecimal),
    "dns.id": ("id", hexadecimal),
    "dns.count.queries": ("questions", number),
    "dns.count.answers": ("answer records", number),
    "dns.count.auth_rr": ("authority records", number),
    "dns.count.add_rr": ("additional records", number),
    "dns.qry.name": ("name", dotted),
    "dns.qry.type": ("type", number),
    "dns.resp.type": ("type", number),
    "dns.resp.ttl": ("TTL", number),
    "dns.resp.len": ("length of the data", number),
    "dns.a": ("address", plain),
    "dns.mx.preference": ("preference", number),
    "dns.mx.mail_exchange": ("mail exchange", dotted),
    "dns.ns": ("host", dotted),
    "dns.soa.serial_number": ("serial", number),
    "tls.record.content_type": ("content type", number),
    "tls.record.length": ("length", number),
    "tls.handshake.type": ("message", number),
    "tls.handshake.length": ("length", number),
    "tls.handshake.extension.type": ("type", number),
    "tls.handshake.extension.len": ("length", number),
    "tls.handshake.ciphersuite": ("cipher suite", number),
    "smtp.req.command": ("command", plain),
    "smtp.response.code": ("code", plain),
    "pop.request.command": ("command", plain),
    "pop.response.indicator": ("status", plain),
    "imap.request_tag": ("tag", plain),
    "imap.response_tag": ("tag", plain),
    "imap.request.command": ("command", plain),
}


def pdml(file: Path) -> Iterator[ElementTree.Element]:
    command = ["tshark", "-n", "-r", str(file), "-T", "pdml", "-oip.defragment:FALSE"]
    command.append("-otcp.desegment_tcp_streams:FALSE")
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    yield from ElementTree.fromstring(done.stdout).iter("packet")


def said(one: Range) -> str:
    """The value without what stands in brackets behind it."""
    return re.sub(r" \(.*\)$", "", one.value)


def compare(capture: PacketList, file: Path) -> tuple[Counter[str], list[str]]:
    """How often each field agrees; and what does not."""
    agreed: Counter[str] = Counter()
    wrong: list[str] = []
    for count, packet in enumerate(pdml(file), 1):
        if not capture.packets[count - 1].data:
            continue
        ranges = capture.dissect(count).shown(secrets=True).ranges
        for field in of_the_frame(packet, capture.frame(count)):
            name, form = FIELDS[field.get("name", "")]
            start = int(field.get("pos", "0"))
            end = start + int(field.get("size", "0"))
            if is_content(ranges, start) or field.get("show") in CUT_BY_TSHARK:
                continue
            here = [r for r in ranges if (r.start, r.end, r.name) == (start, end, name)]
            expected = form(field.get("show", ""))
            if expected in map(said, here):
                agreed[field.get("name", "")] += 1
            else:
                found = [f"{r.name}={r.value}" for r in ranges if r.start == start]
                wrong.append(f"{count}: {field.attrib}, found {found}")
    return agreed, wrong


CUT_BY_TSHARK = ("STAR",)  # it takes the first four letters of an SMTP command


def is_content(ranges: Sequence[Range], at: int) -> bool:
    """tshark reads a literal, or what RETR brings, as if it were replies."""
    kinds = ("content", "literal")
    return any(r.start <= at < r.end and r.name.endswith(kinds) for r in ranges)


def of_the_frame(
    packet: ElementTree.Element, frame: bytes
) -> Iterator[ElementTree.Element]:
    for field in packet.iter("field"):
        start, size = int(field.get("pos", "0")), int(field.get("size", "0"))
        octets = frame[start : start + size].hex()
        if field.get("name") in FIELDS and size and octets == field.get("value"):
            yield field


def mail(world: World) -> None:
    world.send("alice", "bob@beta.example", "Hi", "text\n.dot\nQUIT\n" + "line\n" * 500)
    world.read("bob")
    world.read("bob", "POP3")


SEEN_IN_ALL = {
    *("ip.len", "ip.id", "ip.ttl", "ip.proto", "ip.checksum", "ip.src", "ip.dst"),
    *("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.checksum"),
    *("tcp.window_size_value", "tcp.options.mss_val", "tcp.options.timestamp.tsval"),
}
SEEN_BY_SENDER = {"udp.length", "udp.checksum", "dns.id", "dns.qry.name", "dns.a"}
SEEN_BY_SENDER |= {"dns.mx.preference", "dns.mx.mail_exchange", "dns.resp.ttl"}
SEEN_INSIDE = {
    *("smtp.req.command", "smtp.response.code", "pop.request.command"),
    *("pop.response.indicator", "imap.request_tag", "imap.response_tag"),
}
SEEN_IN_TLS = {"tls.record.content_type", "tls.record.length", "tls.handshake.type"}
SEEN_IN_TLS |= {"tls.handshake.extension.type", "tls.handshake.ciphersuite"}


@pytest.mark.parametrize("link", ["raw", "ethernet"])
@pytest.mark.parametrize("place", ["mail.alpha.example", "mx.beta.example"])
def test_the_fields_of_a_plain_world_are_those_of_tshark(
    place: str, link: str, tmp_path: Path
) -> None:
    with plain_world("two-domains") as world:
        mail(world)
        capture = world.trace.capture(place, link=link)
        capture.write(tmp_path / "plain.pcapng")
        agreed, wrong = compare(capture, tmp_path / "plain.pcapng")
    assert wrong == []
    expected = SEEN_IN_ALL | ({"eth.src", "eth.dst"} if link == "ethernet" else set())
    sender = place == "mail.alpha.example"
    expected |= SEEN_BY_SENDER if sender else SEEN_INSIDE
    assert expected - set(agreed) == set()
    assert sum(agreed.values()) > 500


def test_the_records_of_tls_are_those_of_tshark(tmp_path: Path) -> None:
    with World(load(find_scenario("two-domains"))) as world:
        mail(world)
        told = [event for event in world.trace if event.kind != "keylog"]
        capture = Trace(epoch_ns=world.trace.epoch_ns, recorded=told).capture(MX)
        capture.write(tmp_path / "tls.pcapng")  # no keys: tshark decrypts nothing
        agreed, wrong = compare(capture, tmp_path / "tls.pcapng")
    assert wrong == []
    assert SEEN_IN_TLS - set(agreed) == set()


def test_a_field_that_is_read_wrongly_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A negative control: the referee must be able to disagree."""
    with plain_world("two-domains") as world:
        mail(world)
        capture = world.trace.capture("mx.beta.example")
        capture.write(tmp_path / "plain.pcapng")
    monkeypatch.setitem(FIELDS, "ip.ttl", ("time to live", lambda s: str(int(s) + 1)))
    agreed, wrong = compare(capture, tmp_path / "plain.pcapng")
    assert "ip.ttl" not in agreed
    assert all("'ip.ttl'" in row for row in wrong)
    assert wrong
