"""Transcript, ladder, journey, DNS walk and summary."""

import xml.etree.ElementTree as ET
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from maillab.trace import Trace
from maillab.trace.sample import Talk, letter
from maillab.trace.steps import Arrow
from maillab.trace.view import Table, View

EVIL = "<script>alert('x')</script>\"&\x00\x1b[31m\u202e"


def evil_trace() -> Trace:
    """Every text that a peer could choose is hostile."""
    trace = Trace(strict=True)
    talk = Talk(trace, client=EVIL, server=EVIL + "2")
    talk.connect()
    talk.say("S", f"550 {EVIL}", ref=EVIL, why=EVIL)
    talk.say("C", EVIL, what="content")
    talk.tls(version=EVIL, name=EVIL)
    talk.emit("policy", "S", subject=EVIL, verdict=EVIL, reason=EVIL, ref=EVIL)
    talk.emit("note", "S", text=EVIL)
    talk.close("C")
    ids = {"message": EVIL, "queue_id": EVIL}
    talk.emit("accepted", "S", **ids, sender=EVIL, recipients=[EVIL], size=1)
    talk.emit("deferred", "S", **ids, recipient=EVIL, reason=EVIL, next_try=60)
    for rcode in ("NOERROR", EVIL):  # answers are shown, or else the code
        facts = {"question": EVIL, "type": EVIL, "rcode": rcode, "answers": [EVIL]}
        talk.emit("dns", "C", **facts, server=EVIL, cached=False, transport=EVIL)
    return trace


def all_views(trace: Trace) -> list[View]:
    session = trace.session()
    views: list[View] = [session.transcript(), session.ladder(), trace.summary()]
    return [*views, trace.dns_walk(), *trace.messages]


class Tags(HTMLParser):
    """Collects the tags of a page and checks that they are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.images: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("make", [letter, evil_trace])
def test_html_has_only_the_tags_that_jupyterlab_keeps(make: Any) -> None:
    allowed = set(
        "figure img figcaption details summary table caption thead tbody "
        "tr th td p".split()
    )
    for view in all_views(make()):
        bundle = view._repr_mimebundle_()
        tags = Tags()
        tags.feed(bundle["text/html"])
        assert set(tags.seen) <= allowed
        assert tags.open == []
        assert {"table", "caption"} <= set(tags.seen)
        for image in tags.images:
            assert image["alt"] == view.describe()
            ET.fromstring(b64decode(image["src"].partition(",")[2]))


def test_text_of_hostile_peers_cannot_steer_the_terminal() -> None:
    for view in all_views(evil_trace()):
        for line in (*view.text().splitlines(), view.describe()):
            assert line.isprintable(), line


def test_pictures_are_well_formed_and_load_nothing() -> None:
    for view in all_views(evil_trace()):
        svg = view.svg()
        if svg:
            root = ET.fromstring(svg)
            names = {element.tag.partition("}")[2] for element in root.iter()}
            assert names <= set("svg title desc rect path text g circle".split())


def test_views_are_deterministic() -> None:
    one, two = ([v._repr_mimebundle_() for v in all_views(letter())] for _ in "ab")
    assert one == two


def test_a_transcript_shows_time_speaker_section_and_reason() -> None:
    text = letter().session().transcript().text()
    assert "     60.000 C:   EHLO alpha.example" in text
    assert "[RFC 5321 §4.1.1.1]" in text
    assert "═ 550 5.7.1 Relaying denied" in text
    assert "↳ gamma.example is not ours" in text


def test_secrets_have_no_length() -> None:
    def said(password: str) -> str:
        trace = Trace(strict=True)
        talk = Talk(trace, port=110)
        talk.connect()
        talk.say("C", f"PASS {password}", secret=((5, 5 + len(password)),))
        session = trace.session()
        views = (session.transcript(), session.ladder())
        return "".join(v.text() + v.html() + v.svg() for v in views) + session.script()

    assert "PASS ********" in said("a")
    assert said("a") == said("correct horse battery staple")


def test_long_content_is_folded_and_counted() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    talk.say("C", *(f"row {n}" for n in range(50)), what="content")
    text = trace.session().transcript().text()
    assert "… 42 more lines …" in text
    assert "row 30" not in text
    assert "row 49" in text
    assert "row 30" in trace.session().transcript(fold=None).text()


def test_a_text_ladder_is_at_most_88_columns_wide() -> None:
    trace = letter()
    slow = Talk(trace, "c2", src=("2001:db8::1234:5678", 40002), dst="2001:db8::9999")
    slow.now = 5 * 86_400 * 10**9
    slow.time_out()
    long = Talk(trace, "c3", latency=90 * 10**9)
    long.connect()
    long.say("C", "X" * 500, ref="RFC 5321 §4.1.1.10", why="long " * 40)
    for session in trace.sessions:
        for line in session.ladder().text().splitlines():
            assert len(line) <= 88, line


def test_a_ladder_tells_a_refused_from_a_silent_connection() -> None:
    trace = Trace(strict=True)
    Talk(trace, "c1").refuse()
    Talk(trace, "c2").time_out()
    refused, silent = (s.ladder().text() for s in trace.sessions)
    assert "RST: refused" in refused
    assert silent.count("×") == 7
    assert "timed out" in silent


def test_inside_tls_ladder_lines_are_double() -> None:
    text = letter().session().ladder().text()
    assert "═ MAIL FROM:<alice@alpha.example> ═" in text
    assert "─ STARTTLS ─" in text


def test_the_script_is_a_test_transcript() -> None:
    script = letter().session().script()
    assert script.splitlines()[1:4] == [
        "S: 220 mx.beta.example ESMTP",
        "C: EHLO alpha.example",
        "S: 250-mx.beta.example",
    ]
    assert "--- STARTTLS\nC: EHLO alpha.example\n" in script


def test_a_script_keeps_raw_octets() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, engines="")
    talk.connect()
    talk.burst("C", b"NO\x00OP\n\xff\r\n")
    assert "C! NO\\x00OP\\n\\xff\\r\\n" in trace.session().script()


def test_a_journey_goes_from_host_to_host() -> None:
    trace = Trace(strict=True)
    ids = {"message": "<1@alpha>", "queue_id": "A-1"}
    to = ["bob@beta.example"]
    trace.emit("accepted", "alpha", "c1", 0, **ids, sender="a", recipients=to, size=9)
    facts = {"recipient": to[0], "reason": "451 later", "next_try": 900}
    trace.emit("deferred", "alpha", "c2", 10**9, **ids, **facts)
    trace.emit("relayed", "alpha", "c3", 901 * 10**9, **ids, to_host="mx", reply="250")
    facts = {"mailbox": to[0], "folder": "INBOX", "uid": 1}
    trace.emit("delivered", "mx", "c3", 902 * 10**9, message="<1@alpha>", **facts)
    journey = trace.journey()
    assert journey.describe() == (
        "Message <1@alpha>: alpha → mx, delivered after 902.0 s."
    )
    assert "451 later; again in 15 min" in journey.text()
    ET.fromstring(journey.svg())


def test_the_summary_lists_every_session() -> None:
    trace = letter()
    Talk(trace, "c2", port=143).refuse()
    text = trace.summary().text()
    assert "2 sessions: 1 closed, 1 refused." in text
    assert "alpha.example → mx.beta.example:143" in text


LONG_NAME = "a-very-long-name-of-a-host.with-many-labels.and-more.example"


def test_long_names_do_not_run_into_each_other_or_out_of_the_picture() -> None:
    trace = Trace(strict=True)
    ends = ("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1111", 40001), "2001:db8::ffff"
    talk = Talk(trace, "c1", LONG_NAME, f"m{LONG_NAME}", *ends)
    talk.connect()
    talk.say("S", "550 no", why="a reason that is long " * 5)
    talk.close("C")
    ladder = trace.session().ladder()
    rows = ladder.text().splitlines()
    assert rows[2].strip() == LONG_NAME
    assert rows[3].strip() == f"m{LONG_NAME}"
    assert max(map(len, rows)) <= 88
    assert ladder.text().count("↳") == 1, "one reason has one arrow"
    texts = ET.fromstring(ladder.svg()).iter("{http://www.w3.org/2000/svg}text")
    title = next(text for text in texts if text.get("text-anchor") == "middle")
    half = 7.3 * len(title.text or "") / 2
    assert float(title.get("x", 0)) - half >= 0


def test_columns_stay_in_line_below_characters_that_are_twice_as_wide() -> None:
    rows = [("中文", "x"), ("abcd", "y")]
    assert Table("T", ("name", "n"), rows).text() == "name  n\n中文  x\nabcd  y"


def test_a_table_keeps_short_cells_on_one_line_and_apart() -> None:
    html = Table("T", ("n", "words"), [("1", "RFC 5321 §4.1"), ("2", "w " * 40)]).html()
    first, last = html.split("<td")[1:]
    assert "padding" in first
    assert "nowrap" not in last
    html = Table("T", ("n", "ref"), [("1", "RFC 5321 §4.1")]).html()
    assert "nowrap" in html.split("<td")[1]


def test_the_ladder_of_a_capture_is_level(tmp_path: Path) -> None:
    letter().capture("mx.beta.example").write(tmp_path / "mx.pcapng")
    session = Trace.from_capture(tmp_path / "mx.pcapng").sessions[0]
    arrows = [item for item in session.ladder().items() if isinstance(item, Arrow)]
    assert any(arrow.label == "SYN, ACK" for arrow in arrows)
    assert all(arrow.arrived_ns == arrow.sent_ns for arrow in arrows)
