"""The page in HTML: all of a trace, and nothing from elsewhere."""

import re
from html.parser import HTMLParser

import pytest

import maillab
from maillab.errors import LabError
from maillab.trace import Trace
from maillab.trace.report import Bounds, Report, failure_in, first_of, gravest
from maillab.trace.sample import Talk, letter
from tests.test_views import EVIL, evil_trace

VOID = {"img", "meta"}


class Page(HTMLParser):
    """Tags, headings, anchors, links and images of a page; tags must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str]] = []
        self.attributes: set[str] = set()
        self.headings: list[int] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes |= found.keys()
        self.anchors += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.images += [found] if tag == "img" else []
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def traces():
    """A letter that arrived, and one that a provider's firewall stopped."""
    with maillab.open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hello", "How are you?")
        world.read("bob")
        good = world.trace
    with maillab.open_world("home-server") as world:
        world.send("alice", "bob@bigmail.example", "Hello")
        bad = world.trace
    return good, bad


def many(count: int) -> Trace:
    """Sessions to port 80, and one of mail at the end."""
    trace = Trace(strict=True)
    for n in range(1, count + 1):
        src, port = ("192.0.2.1", 50_000 + n), 25 if n == count else 80
        facts = {"src": src, "dst": ("192.0.2.9", port), "to": "server"}
        trace.emit("connect", "pc", f"c{n}", n, **facts)
        trace.emit("refused", "pc", f"c{n}", n + 1, reason="no", by="", latency=1)
    return trace


def test_the_page_has_landmarks_language_title_and_headings_in_order(traces) -> None:
    html = Report(traces[0], "My capture").html()
    page = Page(html)
    for tag in ("header", "nav", "main", "footer"):
        assert page.tags.count(tag) == 1
    assert '<html lang="en">' in html
    assert "<title>My capture</title>" in html
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps)
    assert "script" not in page.tags


def test_nothing_is_fetched_and_nothing_runs(traces) -> None:
    html = Report(traces[0], "x").html()
    page = Page(html)
    assert "default-src 'none'" in html
    assert all(link.startswith("#") for link in page.links)
    sources = [image["src"] for image in page.images]
    assert all(src.startswith("data:image/svg+xml;base64,") for src in sources)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not {"action", "srcset", "style-src"} & page.attributes
    assert "url(" not in html
    assert "@import" not in html


def test_every_link_leads_somewhere_and_no_anchor_stands_twice(traces) -> None:
    page = Page(Report(traces[1], "x").html())
    assert len(page.anchors) == len(set(page.anchors))
    assert {link[1:] for link in page.links} <= set(page.anchors)


def test_each_session_has_ladder_with_alt_text_and_transcript(traces) -> None:
    trace = traces[0]
    html = Report(trace, "x").html()
    page = Page(html)
    assert len(page.images) == len(trace.sessions) == 3
    assert all(len(image["alt"]) > 20 for image in page.images)
    assert html.count("<summary>Transcript</summary>") == 3
    assert "MAIL FROM:&lt;alice@alpha.example&gt;" in html


def test_secrets_are_not_on_the_page(traces) -> None:
    with maillab.open_world("two-domains") as world:
        passwords = [user.password for user in world.users.values()]
    html = Report(traces[0], "x").html()
    assert "AUTH PLAIN ********" in html
    assert not [password for password in passwords if password in html]


def test_a_failure_is_explained(traces) -> None:
    html = Report(traces[1], "x").html()
    assert "<summary>Why</summary>" in html
    assert "rule 1 of provider" in html
    assert "no answer to 7 SYNs" in html
    assert "<summary>Why</summary>" not in Report(traces[0], "x").html()


def test_packets_are_listed_when_there_are_some(traces) -> None:
    capture = traces[0].capture("alice-pc")
    report = Report(traces[0], "x", capture, Bounds(rows=5))
    html = report.html()
    count = len(capture.packets)
    assert f"{count} packets" in html
    assert f"The first 5 of {count} rows." in html
    assert 'id="packets"' not in Report(traces[0], "x").html()


def test_everything_hostile_is_escaped() -> None:
    html = Report(evil_trace(), EVIL).html()
    page = Page(html)
    assert "script" not in page.tags
    assert "<script" not in html
    for character in "\x00\x1b\u202e":
        assert character not in html


def test_many_sessions_are_bounded_and_the_page_says_so() -> None:
    report = Report(many(120), "x", bounds=Bounds(sessions=10, rows=30))
    html = report.html()
    assert [s.id for s in report.shown] == [*(f"c{n}" for n in range(1, 10)), "c120"]
    assert "This page shows 10 sessions of 120 in detail" in html
    assert "The first 30 of 120 rows." in html
    assert Page(html).tags.count("img") == 10


def test_all_that_fits_is_shown_and_nothing_is_said_of_the_rest() -> None:
    report = Report(letter(), "x")
    assert report.left_out == ""
    assert report.shown == report.sessions
    assert "The first" not in report.html()


def test_a_long_session_has_no_ladder_and_says_why() -> None:
    html = Report(letter(), "x", bounds=Bounds(lines=3)).html()
    assert "are too many for a ladder." in html
    assert "<img" not in html


def test_only_the_sessions_that_were_asked_for(traces) -> None:
    report = Report(traces[0], "x", only=["c2"])
    assert [session.id for session in report.shown] == ["c2"]
    assert len(Page(report.html()).images) == 1


def test_an_empty_trace_makes_a_page_too() -> None:
    page = Page(Report(Trace(), "nothing").html())
    assert not page.images
    assert "sessions" not in page.anchors


def test_two_pages_are_the_same(traces) -> None:
    assert Report(traces[1], "x").html() == Report(traces[1], "x").html()


def test_a_page_that_cannot_be_written_is_a_lab_error(tmp_path) -> None:
    with pytest.raises(LabError, match=r"expected a file that can be written"):
        Report(Trace(), "x").write(tmp_path / "no" / "report.html")


def test_sessions_of_mail_come_first_and_stay_in_order() -> None:
    sessions = many(5).sessions
    assert [s.id for s in first_of(sessions, 2)] == ["c1", "c5"]
    assert [s.id for s in first_of(sessions, 9)] == [f"c{n}" for n in range(1, 6)]
    assert first_of(sessions, 0) == []


def test_the_failure_of_a_session_is_its_first_one_or_the_last_refusal(traces) -> None:
    bad = next(s for s in traces[1].sessions if s.outcome == "timed out")
    assert bad.find("timed_out").number == failure_in(bad)
    assert [failure_in(session) for session in traces[0].sessions] == [0, 0, 0]
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    for reply in ("550 no", "250 ok", "451 later", "221 bye"):
        talk.say("S", reply)
    session = trace.session()
    refused = [line.number for line in session.lines if "451" in line.text]
    assert failure_in(session) == refused[0]


def test_of_many_hints_the_gravest_are_kept(traces) -> None:
    hints = traces[1].hints()
    assert [hint.severity for hint in hints] == ["error", "note"]
    assert [hint.severity for hint in gravest(hints, 1)] == ["error"]
    html = Report(many(40), "x", bounds=Bounds(rows=10)).html()
    whole = len(many(40).hints())
    assert whole >= 40
    assert f"The gravest 10 of {whole} rows." in html


def test_a_wide_table_scrolls_by_keyboard_and_short_cells_stay_whole(traces) -> None:
    html = Report(traces[0], "x").html()
    for region in re.findall(r"<div [^>]*><table>", html):
        assert 'tabindex="0"' in region
        assert "aria-label=" in region
    assert html.count("<table>") == html.count('class="wide"') > 0
    assert re.search(r"nowrap\">RFC 9293 §3.5<", html)
