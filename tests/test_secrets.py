"""No view tells a password: as it is, in base64, in hex, or how long it is.

Each way to log in is tried by hand. Captures are exact, and so is what is asked for
with `secrets=True`; octets on the wire have a size (lengths of packets), lines none.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from html import unescape

import pytest

from maillab import open_world
from maillab.trace import Trace
from maillab.trace.packet_list import PacketList
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.report import Report
from maillab.trace.view import View
from maillab.world.world import World
from tests.worlds import plain_world

USER, PC, SERVER = "alice@alpha.example", "alice-pc", "mail.alpha.example"
SHORT, LONG = "Zq7xW9kLm2", "Zq7xW9kLm2+even/longer_Vb5n"
ENGINES = ("line", "auth", "policy", "tls")  # events that no capture of others has
START_TLS = {110: ["STLS"], 143: ["x STARTTLS"], 587: ["EHLO pc", "STARTTLS"]}
PICTURE = re.compile(r"base64,([A-Za-z0-9+/=]+)")


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def logins(secret: str) -> Iterator[tuple[int, list[str]]]:
    """A port, and what is said there; the answer to each is waited for."""
    plain, size = base64(f"\0{USER}\0{secret}"), len(secret)
    yield 587, ["EHLO pc", f"AUTH PLAIN {plain}"]
    yield 587, ["EHLO pc", "AUTH PLAIN", plain]
    yield 587, ["EHLO pc", "AUTH LOGIN", base64(USER), base64(secret)]
    yield 587, ["EHLO pc", "AUTH CRAM-MD5", base64(f"{USER} {secret}")]
    begin = base64(f"n,,n={USER},r=nonce")
    yield 587, ["EHLO pc", f"AUTH SCRAM-SHA-256 {begin}", base64(f"c=biws,p={secret}")]
    yield 587, [f"AUTH PLAIN\r\n{plain}"]  # too early, and without waiting
    yield 110, [f"USER {USER}", f"PASS {secret}"]
    yield 110, [f"APOP {USER} {secret}"]
    yield 110, ["AUTH PLAIN", plain]
    yield 143, [f"a LOGIN {USER} {secret}"]
    yield 143, [f'a LOGIN "{USER}" "{secret}"']
    yield 143, [f"a LOGIN {USER} {{{size}}}", secret]
    yield 143, [f"a LOGIN {{{len(USER)}+}}\r\n{USER} {{{size}+}}\r\n{secret}"]
    yield 143, ["a AUTHENTICATE PLAIN", plain]
    yield 143, [f"a AUTHENTICATE PLAIN {plain}"]


def played(world: World, secret: str, *, tls: bool = False) -> World:
    for port, said in logins(secret):
        with world.console(PC, SERVER, port) as console:
            if tls:
                console.say(*START_TLS[port])
                console.start_tls()
            for text in said:
                console.send_raw(text.encode() + b"\r\n")
    return world


@pytest.fixture(scope="module", params=["plain", "TLS"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    tls = request.param == "TLS"
    with open_world("two-domains") if tls else plain_world() as opened:
        yield played(opened, LONG, tls=tls)


def dialogues(trace: Trace) -> Iterator[tuple[str, View]]:
    """Views of what was said."""
    yield "summary", trace.summary()
    yield "hints", trace.hints()
    yield "lanes", trace.ladder()
    first = trace.sessions[0]
    for session in trace.sessions:
        yield f"{session.id} transcript", session.transcript(fold=None)
        yield f"{session.id} ladder", session.ladder()
        yield f"{session.id} diff", session.diff(first)
    for event in trace.of_kind("line", "auth", "policy"):
        yield f"why {event.number}", trace.why(event)


def octets(trace: Trace, packets: PacketList) -> Iterator[tuple[str, View]]:
    """Views of packets, and of lines octet by octet."""
    yield "packets", packets.listing()
    for number, packet in enumerate(packets.packets, 1):
        if len(packet.data) > 60:
            yield f"packet {number}", packets.dissect(number)
    for session in trace.sessions:
        for line in session.lines:
            if line.secret:
                yield f"line {line.number}", line.dissect()


def told(secret: str, text: str) -> list[str]:
    """What of a secret stands in a text, or in its pictures."""
    signs = {secret, secret[-8:], " ".join(f"{one:02x}" for one in secret[:4].encode())}
    for before in ("", "x", "xx"):  # base64 depends on what stands before
        signs.add(base64(before + secret)[4:-4][:10])
    shown = [text, unescape(text)]
    shown += [b64decode(one).decode() for one in PICTURE.findall(text)]
    return sorted(sign for sign in signs if any(sign in one for one in shown))


def tells(views: Iterator[tuple[str, View]]) -> dict[str, list[str]]:
    found = {name: told(LONG, f"{v.text()}\n{v.describe()}") for name, v in views}
    return {name: signs for name, signs in found.items() if signs}


def as_read(world: World) -> CaptureFile:
    return CaptureFile.from_bytes(world.trace.capture(PC).to_bytes())


def test_the_secret_is_there_to_be_found(world: World) -> None:
    scripts = "".join(s.script(secrets=True) for s in world.trace.sessions)
    assert len(told(LONG, scripts)) > 3
    assert told(LONG, "".join(s.script() for s in world.trace.sessions)) == []


def test_no_view_tells_a_secret(world: World) -> None:
    assert tells(dialogues(world.trace)) == {}
    assert tells(octets(world.trace, world.trace.capture(PC))) == {}


def test_no_view_of_what_was_overheard_tells_a_secret(world: World) -> None:
    kept = [event for event in world.trace if event.kind not in ENGINES]
    assert tells(dialogues(Trace(recorded=kept))) == {}


def test_no_view_of_a_capture_tells_a_secret(world: World) -> None:
    capture = as_read(world)
    assert tells(dialogues(capture.trace)) == {}
    assert tells(octets(capture.trace, capture)) == {}
    assert told(LONG, Report(capture.trace, "alice", capture).html()) == []


def test_no_explorer_tells_a_secret(world: World) -> None:
    pytest.importorskip("ipywidgets")
    session = world.trace.sessions[-1]
    explorer = session.explore()
    for shown in explorer.shown.options:
        explorer.shown.value = shown
        assert told(LONG, explorer.text() + explorer.html()) == []


def test_nothing_that_is_told_of_lines_depends_on_the_length_of_a_secret() -> None:
    with plain_world() as short, plain_world() as long:
        told_of_short = dict(dialogues(played(short, SHORT).trace))
        told_of_long = dict(dialogues(played(long, LONG).trace))
    assert told_of_short.keys() == told_of_long.keys()
    differ = [n for n, v in told_of_short.items() if v.text() != told_of_long[n].text()]
    assert differ == []
