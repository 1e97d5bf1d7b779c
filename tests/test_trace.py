"""The recorder, events, seats and sessions."""

import pytest

from maillab.errors import LabError
from maillab.trace import Trace
from maillab.trace.events import KINDS
from maillab.trace.sample import MS, Talk, letter


def test_jsonl_round_trip_is_byte_identical() -> None:
    trace = letter()
    text = trace.to_jsonl()
    again = Trace.from_jsonl(text)
    assert again.to_jsonl() == text
    assert [e.facts for e in again] == [e.facts for e in trace]
    assert text.startswith('{"schema":"maillab-trace","version":1,')


def test_all_octets_survive_jsonl() -> None:
    trace = Trace()
    data = bytes(range(256))
    trace.emit("bytes", "a", "c1", 1, side="C", offset=0, data=data, latency=1)
    assert Trace.from_jsonl(trace.to_jsonl())[0]["data"] == data


@pytest.mark.parametrize(
    "text",
    ["", "{}\n", "nonsense\n", "[]\n", '{"schema":"maillab-trace","version":99}\n'],
)
def test_what_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(LabError):
        Trace.from_jsonl(text)


def test_a_damaged_line_is_named() -> None:
    text = letter().to_jsonl().splitlines()
    text[4] = '{"number":4}'
    with pytest.raises(LabError, match="line 5"):
        Trace.from_jsonl("\n".join(text))


def test_a_strict_recorder_refuses_unknown_words() -> None:
    trace = Trace(strict=True)
    with pytest.raises(LabError, match="unknown kind"):
        trace.emit("birthday", "a", "", 0)
    with pytest.raises(LabError, match="no fact 'colour'"):
        trace.emit("note", "a", "", 0, colour="red")
    assert len(trace) == 0


def test_every_kind_says_what_it_means() -> None:
    assert all(kind.meaning for kind in KINDS.values())


def test_events_are_numbered_from_one_and_sliced() -> None:
    trace = letter()
    assert [event.number for event in trace[:3]] == [1, 2, 3]
    assert trace[-1].number == len(trace)


def test_a_session_knows_its_ends_and_its_streams() -> None:
    session = letter().session(port=25)
    assert (session.client, session.server) == ("alpha.example", "mx.beta.example")
    assert session.protocol == "SMTP"
    assert session.wire("C").startswith(b"EHLO alpha.example\r\nSTARTTLS\r\n")
    assert session.outcome == "closed"
    assert session.tls
    assert session.tls.version == "TLSv1.3"


def test_lines_have_the_times_of_both_ends() -> None:
    line = letter().session().lines[1]
    assert line.text == "EHLO alpha.example"
    assert (line.sent_ns, line.arrived_ns) == (60 * MS, 80 * MS)


@pytest.mark.parametrize("engines", ["CS", "C", "S", ""])
def test_lines_are_the_same_whoever_noted_them(engines: str) -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, engines=engines)
    talk.connect()
    talk.say("S", "220 hello")
    talk.say("C", "NOOP")
    talk.say("S", "250-a", "250 b")
    said = [(n.speaker, n.text, n.sent_ns, n.arrived_ns) for n in trace.session().lines]
    assert said == [
        ("S", "220 hello", 40 * MS, 60 * MS),
        ("C", "NOOP", 60 * MS, 80 * MS),
        ("S", "250-a", 80 * MS, 100 * MS),
        ("S", "250 b", 80 * MS, 100 * MS),
    ]


def test_a_command_that_nobody_heard_is_still_there() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    talk.say("S", "220 hello")
    talk.engines = "C"  # the server is gone
    talk.say("C", "NOOP")
    assert [line.text for line in trace.session().lines] == ["220 hello", "NOOP"]


def test_a_line_that_was_lost_arrives_when_it_is_sent_again() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, engines="")
    talk.connect()
    facts = {"side": "C", "offset": 0, "data": b"NOOP\r\n"}
    talk.emit("bytes", "C", **facts, latency=-1)
    talk.now += 200 * MS
    talk.emit("bytes", "C", **facts, latency=20 * MS)
    (session,) = trace.sessions
    assert session.wire("C") == b"NOOP\r\n"
    times = [(line.sent_ns, line.arrived_ns) for line in session.lines]
    assert times[0] == (40 * MS, 260 * MS)


def test_a_host_that_talks_to_itself_says_everything_once() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, client="a", server="a")
    talk.connect()
    talk.say("S", "220 hello")
    talk.say("C", "NOOP")
    assert [line.text for line in trace.session().lines] == ["220 hello", "NOOP"]


def test_secrets_of_foreign_programs_are_masked() -> None:
    secrets = {
        25: ["AUTH PLAIN c2VjcmV0"],
        110: ["PASS s3cret", "APOP bob s3cret"],
        143: ["a1 LOGIN bob s3cret", "a2 AUTHENTICATE PLAIN c2VjcmV0"],
    }
    for port, commands in secrets.items():
        trace = Trace(strict=True)
        talk = Talk(trace, engines="", port=port)
        talk.connect()
        for command in commands:
            talk.say("C", command)
            if "AUTH" in command:
                talk.say("S", "334 " if port == 25 else "+ ")
                talk.say("C", "c2VjcmV0LXRvbw==")
            talk.say("S", "done")
        text = trace.session().transcript().text()
        assert "********" in text
        assert "s3cret" not in text
        assert "c2Vj" not in text


def test_a_seat_hides_what_the_peer_thought() -> None:
    trace = letter()
    seen = trace.as_seen_by("alpha.example")
    assert "gamma.example is not ours" not in seen.session().transcript().text()
    assert "550 5.7.1 Relaying denied" in seen.session().transcript().text()
    assert seen.session().wire("S") == trace.session().wire("S")
    assert [e.number for e in seen] == sorted(e.number for e in seen)


def test_a_seat_does_not_see_what_never_arrived() -> None:
    trace = Trace(strict=True)
    Talk(trace).time_out()
    Talk(trace, "c2").connect()
    seen = trace.as_seen_by("mx.beta.example")
    assert [session.id for session in seen.sessions] == ["c2"]


def test_an_unknown_seat_or_session_says_what_there_is() -> None:
    trace = letter()
    with pytest.raises(LabError, match=r"alpha\.example, mx\.beta\.example"):
        trace.as_seen_by("nobody")
    with pytest.raises(LabError, match="summary"):
        trace.session(port=143)


@pytest.mark.parametrize(
    ("how", "outcome"), [("refuse", "refused"), ("time_out", "timed out")]
)
def test_outcomes(how: str, outcome: str) -> None:
    trace = Trace(strict=True)
    getattr(Talk(trace), how)()
    assert trace.session().outcome == outcome


def test_sessions_grow_with_the_trace() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    assert trace.session().outcome == "open"
    talk.reset("S")
    assert trace.session().outcome == "reset"
