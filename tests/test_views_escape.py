"""Nothing that a peer, a file or a name server says gets out of its place in a view."""

import re
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from maillab.trace import Trace
from maillab.trace.dissect.dissection import dissect_message
from maillab.trace.events import KINDS
from maillab.trace.queueview import QueueView
from maillab.trace.sample import Talk
from maillab.trace.view import View
from maillab.world.mail_reading import Letter, MailList
from tests.worlds import plain_world

BOB = "bob@beta.example"
# A tag, quotes, an entity; NUL, BEL, ESC, C1, DEL; text that runs from right to left;
# a separator of lines; half of a pair of surrogates comes from octets (\udcff).
EVIL = "<script>alert('x')</script>\"&amp;]]>\0\x07\x1b[31m\x85\x7f\u202e\u2066\u2028"
SIGN = "alert"  # what stays of it, and must be seen
TAGS = frozenset(
    "figure img figcaption details summary table caption thead tbody tr th td p pre "
    "code ol ul li strong em".split()
)
ATTRIBUTES = frozenset("alt src scope style".split())
SHAPES = frozenset("svg title desc rect path text tspan g circle line polygon".split())
BAD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
NUMBERS = {  # facts that are numbers, and some that pictures count with
    "latency": 5,
    "offset": 0,
    "attempt": 2,
    "size": 3,
    "number": 1,
    "uid": 7,
    "next_try": 60,
    "until": 60,
    "to_client": 5,
    "to_server": 5,
    "arrived": 5,
}
VALUES: dict[str, Any] = {
    "side": "C",
    "speaker": "S",
    "data": EVIL.encode(),
    "octets": b"550 " + EVIL.encode() + b"\xff\r\n",
    "secret": (),
    "secure": False,
    "compressed": False,
    "cached": False,
    "ok": False,
    "on": True,
    "src": (EVIL, 25),
    "dst": (EVIL + "2", 25),
    "inside": (EVIL, 25),
    "outside": (EVIL, 26),
    "remote": (EVIL, 27),
    "points": (),
    "answers": [EVIL],
    "recipients": [EVIL],
    "targets": [EVIL],
    "cause": (1,),
}


def fact(name: str) -> Any:
    return VALUES.get(name, NUMBERS.get(name, EVIL))


def every_kind() -> Trace:
    """An event of every kind; every text in it is hostile."""
    trace = Trace(strict=True)
    known = Talk(trace, client=EVIL, server=EVIL + "2")
    known.connect()
    for side in "CS":
        known.say(side, EVIL, what="content" if side == "C" else "", ref=EVIL, why=EVIL)
    for kind, about in KINDS.items():
        facts = {name: fact(name) for name in about.facts}
        meaning = kind in ("accepted", "attempt", "dns", "deferred", "bounced", "queue")
        loose = meaning or kind.startswith(("datagram", "port_", "prohib"))
        trace.emit(kind, EVIL, "" if loose else "c1", known.now, **facts)
    for kind in ("timed_out", "refused", "unreachable", "tls_failed"):
        other = Talk(trace, f"c{kind}{EVIL}", client=EVIL, server=EVIL + "2")
        other.syn()
        facts = {name: fact(name) for name in KINDS[kind].facts}
        trace.emit(kind, EVIL, other.id, other.now, **facts)
    return trace


def of_the_trace() -> Iterator[tuple[str, View]]:
    trace = every_kind()
    yield "summary", trace.summary()
    yield "DNS walk", trace.dns_walk()
    yield "lanes", trace.ladder()
    yield "hints", trace.hints()
    yield "queue", QueueView(EVIL, trace, 10**12)
    for at, journey in enumerate(trace.messages):
        yield f"journey {at}", journey
    for session in trace.sessions:
        name = session.id[:12]
        yield f"transcript {name}", session.transcript(fold=None)
        yield f"ladder {name}", session.ladder()
        yield f"diff {name}", session.diff(trace.sessions[0])


def of_causes() -> Iterator[tuple[str, View]]:
    trace = every_kind()
    for event in trace:
        yield f"why {event.kind} {event.number}", trace.why(event)


def hostile_message() -> bytes:
    rows = (
        f"From: {EVIL} <a@b>",
        f"Subject: {EVIL}",
        f'Content-Type: multipart/mixed; boundary="{SIGN}"; x={EVIL}',
        "",
        f"--{SIGN}",
        f"Content-Disposition: attachment; filename*=utf-8''%3Cp%3E{SIGN}%E2%80%AE",
        "",
        EVIL,
        f"--{SIGN}--",
    )
    return "\r\n".join(rows).replace("\0", "").encode() + b"\xff\r\n"


def of_packets() -> Iterator[tuple[str, View]]:
    """What dissections and lists make of octets that a peer chose."""
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    talk.say("S", f"220 {EVIL}", ref="RFC 5321 §4.2")
    talk.say("C", f"EHLO {EVIL}")
    talk.say("C", *hostile_message().decode("latin-1").split("\r\n"), what="content")
    ends = {"src": ("192.0.2.1", 53), "dst": ("192.0.2.2", 4000)}
    data = b"\0\1\x81\x80\0\1\0\0\0\0\0\0\x1f" + EVIL.encode()[:31] + b"\0\0\1\0\1"
    trace.emit("datagram", "ns", "", 9, **ends, data=data, latency=5, to_host="pc")
    capture = trace.capture(talk.client)
    yield "packet list", capture.listing()
    for number in range(1, len(capture.packets) + 1):
        yield f"packet {number}", capture.dissect(number)
    yield "datagram lanes", trace.ladder()
    yield "time sequence", trace.session().time_sequence(talk.client)
    yield "message", dissect_message(hostile_message())


def of_a_world() -> Iterator[tuple[str, View]]:
    """What a mail program shows of a hostile letter."""
    with plain_world() as world:
        alice = world.user("alice")
        world.run(alice.mua.submit(hostile_message(), [BOB]), on=alice.host)
        world.settle()
        listed = world.list_mail("bob")
        assert isinstance(listed, MailList)
        yield "mail list", listed
        letter = world.letter("bob", 1)
        assert isinstance(letter, Letter)
        yield "letter", letter
        yield "topology", world.topology()


class Page(HTMLParser):
    """A page, and what it must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.pictures: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES or (name == "style" and "url" in (value or "")):
                self.faults.append(f"{name}={value}")
            if name == "src":
                self.pictures.append(value or "")
        if tag != "img":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def close(self) -> None:
        super().close()
        self.faults += self._open


def faults_of_svg(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # raises when it is no XML
    faults = [e.tag for e in root.iter() if e.tag.partition("}")[2] not in SHAPES]
    for element in root.iter():
        faults += [n for n in element.attrib if n.startswith("on") or "href" in n]
        faults += BAD.findall(element.text or "")
    return faults


def faults(view: View, *, draws: bool = True) -> list[str]:
    """Everything that is wrong with one view."""
    found: list[str] = []
    for line in (*view.text().splitlines(), view.describe()):
        found += [f"text: {line!r}"] if not line.isprintable() else []
    found += [f"text: {sign!r}" for sign in BAD.findall(view.text())]
    for row in view.table().rows:
        found += [f"cell: {cell!r}" for cell in row if not cell.isprintable()]
    if not draws:
        return found
    page = Page()
    page.feed(view.html())
    page.close()
    found += page.faults
    found += [f"html: {sign!r}" for sign in BAD.findall(view.html())]
    for picture in page.pictures:
        kind, _, data = picture.partition(",")
        assert kind == "data:image/svg+xml;base64", kind
        found += faults_of_svg(b64decode(data).decode())
    return found


def wrong(views: Iterator[tuple[str, View]]) -> dict[str, list[str]]:
    return {name: found[:5] for name, view in views if (found := faults(view))}


def test_no_fact_of_any_event_gets_out_of_its_place() -> None:
    views = list(of_the_trace())
    assert wrong(iter(views)) == {}
    shown = "".join(view.text() for _, view in views)
    assert shown.count(SIGN) > 100, "and it is shown, not dropped"


def test_no_cause_of_any_event_gets_out_of_its_place() -> None:
    views = list(of_causes())
    assert len(views) > len(KINDS)
    assert wrong(iter(views)) == {}


def test_no_octet_of_a_packet_or_message_gets_out_of_its_place() -> None:
    views = [(name, view) for name, view in of_packets() if name != "time sequence"]
    assert wrong(iter(views)) == {}


def test_no_letter_gets_out_of_the_mail_program() -> None:
    assert wrong(of_a_world()) == {}


@pytest.mark.parametrize(
    "html",
    [
        "<script>x</script>",
        "<p onclick='x'>a</p>",
        "<p>a",
        "<p>\u202ea</p>",
        "<img alt='x' src='data:image/svg+xml;base64,PHN2Zz48c2NyaXB0Lz48L3N2Zz4='>",
        "<svg></svg>",
    ],
)
def test_this_test_sees_what_is_wrong(html: str) -> None:
    class Bad(View):
        def text(self) -> str:
            return ""

        describe = text

        def table(self) -> Any:
            return type("Empty", (), {"rows": ()})

        def html(self) -> str:
            return html

    assert faults(Bad())
