"""A journey, with the trace fields opposite the hosts that wrote them."""

import xml.etree.ElementTree as ET

import pytest

from maillab.trace.journey import Journey
from maillab.trace.journey_svg import field_rows, joined
from maillab.trace.recorder import Trace
from maillab.trace.trace_fields import read_field
from maillab.wire.message import Header
from tests.worlds import plain_world

BOB = "bob@beta.example"


@pytest.fixture(scope="module")
def world():
    with plain_world() as opened:
        opened.send("alice", BOB, "Hello")
        opened.read("bob")
        yield opened


@pytest.fixture
def journey(world):
    return world.trace.journey()


def test_fields_are_those_of_the_message_as_it_lies_in_the_mailbox(world, journey):
    [stored] = world.mailbox(BOB).messages
    header = Header.from_wire(stored.blob.read())
    named = [f for f in header if f.name in ("Return-Path", "Received")]
    written = [" ".join(f"{f.name}: {f.value}".split()) for f in named]
    assert [field.text for field in reversed(journey.fields)] == written
    assert len(written) == 3


def test_each_field_stands_at_the_step_that_wrote_it(journey):
    kinds = [(step.kind, step.host) for step in journey.steps if step.field]
    assert kinds == [
        ("accepted", "mail.alpha.example"),
        ("accepted", "mx.beta.example"),
        ("delivered", "mx.beta.example"),
    ]
    assert journey.steps[1].field.part("by") == "mail.alpha.example"
    assert journey.steps[1].field.part("id") == journey.steps[1].queue_id


def test_the_text_has_every_part_of_every_field(journey):
    text = journey.text()
    assert text.index("[3] Return-Path") < text.index("[2] Received")
    assert text.index("[2] Received") < text.index("[1] Received")
    for field in journey.fields:
        for clause, value in field.parts:
            assert f"{clause:<6}{value}" in text


def test_the_table_and_the_picture_have_them_too(journey):
    cells = [row[-1] for row in journey.table().rows]
    assert [cell for cell in cells if cell] == [f.text for f in journey.fields]
    svg = journey.svg()
    ET.fromstring(svg)
    assert "by mx.beta.example with ESMTP" in svg
    assert "Return-Path: &lt;alice@alpha.example&gt;" in svg


def test_every_step_says_how_to_ask_why(world, journey):
    assert all(world.trace.why(step.number).event.kind == step.kind
               for step in journey.steps)  # fmt: skip


def test_the_whole_journey_is_told(journey):
    assert [step.kind for step in journey.steps] == [
        *("submitted", "accepted", "attempt", "accepted", "delivered", "relayed"),
        "fetched",
    ]
    assert all(s.queue_id for s in journey.steps if s.kind in ("accepted", "delivered"))


def test_what_a_server_made_itself_has_no_received_field():
    with plain_world() as world:
        world.send("alice", "nobody@beta.example", "Hello")
        [report] = [j for j in world.trace.messages if "bounce" in j.message]
    assert [field.name for field in report.fields] == ["Return-Path"]


def test_an_alias_keeps_the_fields_of_before():
    with plain_world() as world:
        aliases = {"info@beta.example": [BOB, "alice@alpha.example"]}
        world.configure("mx.beta.example", recipients={"aliases": aliases})
        world.send("alice", "info@beta.example", "Hello")
        names = [field.name for field in world.trace.journey().fields]
    assert names.count("Return-Path") == 2
    assert names.count("Received") >= 3


# Received -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        (
            "Received: from a.example (b.example [192.0.2.1])\r\n\tby c.example "
            "(Postfix) with ESMTPS id 4F; for <d@e.example>;\r\n\tMon, 5 Jan 2026",
            {
                "from": "a.example (b.example [192.0.2.1])",
                "by": "c.example (Postfix)",
                "with": "ESMTPS",
                "id": "4F",
                "date": "for <d@e.example>",
            },
        ),
        (
            "Received: by x (from y with (z)) via tcp with local\r\n\t(Exim 4.98);Mon",
            {
                "by": "x (from y with (z))",
                "via": "tcp",
                "with": "local (Exim 4.98)",
                "date": "Mon",
            },
        ),
        ('Received: from "by me" by x; Mon', {"from": '"by me"', "by": "x"}),
        ("received: (qmail 1 invoked); 5 Jan", {"other": "(qmail 1 invoked)"}),
        ("Received: from (((", {"from": "((("}),
        ("Received:", {}),
    ],
)
def test_received_fields_of_others_are_read(written, parts):
    field = read_field(written)
    assert {name: field.part(name) for name in parts} == parts
    assert field.text.isprintable()
    assert max(map(len, field_rows(field))) <= 46, "what fits into the column"


def test_a_long_field_takes_no_time():
    written = "Received: " + "((" * 200_000 + "from " * 200_000
    assert len(read_field(written).parts) <= 1000
    assert read_field("no field at all") is None


def test_fields_cannot_break_out_of_the_view():
    trace = Trace(strict=True)
    evil = "Received: from <script>\x07\u202e by </svg><b>; today"
    facts = {"sender": "", "recipients": ("<i>",), "size": 1, "received": evil}
    trace.emit("accepted", "mx", "", 1, message="<x>", queue_id="Q", **facts)
    told = {"mailbox": "<i>", "folder": "I", "uid": 1, "return_path": "<script>"}
    trace.emit("delivered", "mx", "", 2, message="<x>", queue_id="Q", **told)
    journey = trace.journey()
    ET.fromstring(journey.svg())
    for text in (journey.svg(), journey.html()):
        assert "<script" not in text
        assert "<b>" not in text
        assert "\u202e" not in text
    assert "\x07" not in journey.text()


def test_the_picture_joins_each_step_with_what_brought_the_message_there():
    with plain_world() as world:
        world.send("alice", "bob@beta.example", "Hello", "How are you?")
        world.read("bob", "POP3")
        steps = world.trace.messages[0].steps
    kinds = ["submitted", "accepted", "attempt", "accepted", "delivered", "relayed"]
    assert [step.kind for step in steps] == [*kinds, "fetched"]
    # Relayed follows from the attempt, fetched from the delivery: no way back.
    assert joined(steps) == [None, 0, 1, 2, 3, 2, 4]


def test_a_picture_of_many_hosts_with_long_names_is_not_wider_than_a_page():
    trace = Trace(strict=True)
    facts = {"message": "<x>", "sender": "a@b.example", "size": 1}
    for n in range(12):
        host = f"{n}.{'very-' * 9}long.example"
        to = {"recipients": ("c@d.example",), "queue_id": f"Q{n}"}
        written = f"Received: from {host} by {host} with ESMTP id Q{n}; Mon"
        trace.emit("accepted", host, "", n, **facts, **to, received=written)
    picture = ET.fromstring(trace.journey().svg())
    assert int(picture.get("width")) <= 1200
    for text in picture.iter("{http://www.w3.org/2000/svg}text"):
        size = 6.7 if text.get("font-size") == "11" else 7.3
        if text.get("text-anchor") != "end":
            end = float(text.get("x")) + size * len(text.text)
            assert end <= int(picture.get("width")), text.text


def test_when_it_is_tried_again_is_said_in_words():
    trace = Trace(strict=True)
    facts = {"message": "<x>", "queue_id": "Q", "recipient": "b", "reason": "no"}
    trace.emit("deferred", "mx", "", 1, **facts, next_try=900.0000000000001)
    assert "again in 15 min" in trace.journey().text()
    assert "put b off for 15 min" in trace.why(1).text()


def test_old_traces_have_no_fields():
    trace = Trace()
    facts = {"message": "<x>", "queue_id": "Q", "sender": "a", "recipients": ("b",)}
    trace.emit("accepted", "mx", "", 1, **facts, size=1)
    journey = trace.journey()
    assert isinstance(journey, Journey)
    assert "Trace fields" not in journey.text()
    ET.fromstring(journey.svg())
