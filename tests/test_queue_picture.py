"""The picture of a queue: nothing is cut off, and time is told in good steps."""

import re

import pytest

from maillab.trace.events import Event
from maillab.trace.queue_svg import SIGNS, _sign
from maillab.trace.queueview import QueueView

DAY = 86_400_000_000_000
LONG = "a-very-long-name-of-a-destination.with-many-labels.and-more.example"


def arrival(number, moment, recipient):
    facts = {"queue_id": f"Q{number}", "message": "<m>", "size": 9, "sender": "a@b"}
    facts |= {"recipients": [recipient]}
    return Event(number, moment, "accepted", "mail.alpha.example", "", facts)


def picture(now, *recipients):
    events = [arrival(n, n * now // 99, one) for n, one in enumerate(recipients)]
    return QueueView("mail.alpha.example", events, now)


@pytest.mark.parametrize("now", [1, DAY // 1000, DAY // 24, 5 * DAY, 400 * DAY])
def test_everything_lies_inside_the_frame(now):
    view = picture(now, f"x@{LONG}", *(f"x@d{n}.example" for n in range(30)))
    svg = view.svg()
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', svg).groups())
    texts = re.findall(r'<text x="(\d+)" y="(\d+)"[^>]*>([^<]*)<', svg)
    for x, y, text in texts:
        assert int(x) + 7.3 * len(text) <= width, text
        assert int(y) <= height
    names = [text for x, _, text in texts if x == "20"]
    assert all(20 + 7.3 * len(name) <= 260 for name in names), "beside the lines"
    for x, w in re.findall(r'<rect x="(\d+)" y="\d+" width="(\d+)"', svg):
        assert int(x) + int(w) <= width


@pytest.mark.parametrize(
    ("now", "first", "second"),
    [
        (DAY // 1440, "0 s", "10 s"),
        (DAY // 24, "0 min", "10 min"),
        (DAY, "0 h", "6 h"),
        (5 * DAY, "day 0", "day 1"),
        (40 * DAY, "day 0", "day 5"),
    ],
)
def test_the_scale_has_few_steps_with_names(now, first, second):
    svg = picture(now, "x@beta.example").svg()
    steps = re.findall(r">((?:day )?\d+(?: \w+)?)</text>", svg)
    assert steps[:2] == [first, second]
    assert len(steps) <= 11


def test_what_waits_is_drawn_as_a_bar():
    view = picture(5 * DAY, "x@beta.example")
    assert view.svg().count('fill="#ffe8a3"') == 2, "the bar, and the legend"
    assert "+" + "─" * 59 in view.timeline()


def test_each_sign_has_a_shape_of_its_own():
    shapes = {re.sub(r"#[0-9a-f]{6}", "", _sign(9, 9, one)) for one in SIGNS}
    assert len(shapes) == len(SIGNS), "in grey, too"


def test_nothing_has_no_picture():
    view = picture(DAY)
    assert view.svg() == ""
    assert "0 messages of 0" in view.html()
