"""Trace files: a strict round trip, and one sentence for everything else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.errors import LabError
from maillab.trace.events import EPOCH_NS, KINDS, header_line
from maillab.trace.recorder import Trace
from maillab.trace.sample import letter
from tests.worlds import plain_world

HEAD = header_line(EPOCH_NS)
EVENT = {
    "number": 1,
    "time_ns": 2,
    "kind": "note",
    "host": "mx",
    "connection": "",
    "facts": {"text": "hello"},
}


def test_a_world_comes_back_as_it_was(tmp_path):
    with plain_world() as world:
        world.send("alice", "bob@beta.example", "Hello")
        world.trace.write(tmp_path / "t.jsonl")
        again = Trace.read(tmp_path / "t.jsonl")
        assert again.to_jsonl() == world.trace.to_jsonl()
        assert list(again) == list(world.trace)
        assert (tmp_path / "t.jsonl").read_text("ascii") == world.trace.to_jsonl()
        assert again.journey().text() == world.trace.journey().text()
        number = world.trace.of_kind("delivered")[-1].number
        assert again.why(number).text() == world.trace.why(number).text()


FACTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None)
@given(FACTS, st.text(), st.integers(0, 2**62))
def test_every_fact_comes_back(fact, host, time_ns):
    trace = Trace(strict=True)
    trace.emit("note", host, "c1", time_ns, text=fact, cause=(1,))
    again = Trace.from_jsonl(trace.to_jsonl())
    assert again[0] == trace[0]
    assert again.to_jsonl() == trace.to_jsonl()


def changed(**keys):
    return json.dumps({**EVENT, **keys})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2: not JSON"),
        ("[" * 100_000, "line 2: not JSON"),
        ("[]", "line 2: expected a JSON object"),
        (changed(number="1"), "number is '1', expected a whole number"),
        (changed(number=True), "number is True"),
        (changed(time_ns=1.5), "time_ns is 1.5"),
        (changed(facts=[]), "facts is .*, expected an object"),
        (changed(kind="nonsense"), "line 2: unknown kind of event 'nonsense'"),
        (changed(facts={"txt": 1}), "line 2: event 'note' has no fact 'txt'"),
        (changed(facts={"text": {"latin1": 5}}), "octets stand as"),
        (changed(facts={"text": {"latin1": "\u20ac"}}), "line 2"),
        (changed(facts={"text": {"utf8": "x"}}), "octets stand as"),
        (changed(facts={"cause": 5}), "line 2: cause is 5, expected a list"),
        (changed(facts={"cause": [1, "x"]}), "line 2: cause is .*expected a list"),
        (changed(facts={}), "line 2: event 'note' lacks text; expected what"),
        (changed(kind="bytes", facts={"side": "C", "data": ""}), "lacks offset, lat"),
        (changed(extra=1), "here are .*extra"),
        ('{"number":1}', "an event has number, time_ns"),
        (f"{changed()}\n{changed()}", "line 3: event 1 after event 1"),
    ],
)
def test_what_is_no_event_is_told_with_its_line(line, words, tmp_path):
    with pytest.raises(LabError, match=words):
        Trace.from_jsonl(f"{HEAD}\n{line}\n")
    (tmp_path / "t.jsonl").write_text(f"{HEAD}\n{line}\n", "utf-8")
    with pytest.raises(LabError, match=words):
        Trace.read(tmp_path / "t.jsonl")


@pytest.mark.parametrize(
    "octets",
    [b"", b"\n", b"\x0a\x0d\x0d\x0a\x1c\0\0\0", b"{}\n", b"\xff\xfe", b"x" * 5000],
)
def test_other_files_are_no_trace_files(octets, tmp_path):
    (tmp_path / "file").write_bytes(octets)
    with pytest.raises(LabError, match="not a trace file"):
        Trace.read(tmp_path / "file")


def test_a_header_needs_a_number():
    wrong = HEAD.replace(str(EPOCH_NS), '"now"')
    with pytest.raises(LabError, match="epoch_ns"):
        Trace.from_jsonl(f"{wrong}\n")


def test_files_that_are_not_there_are_told(tmp_path):
    with pytest.raises(LabError, match="cannot be read"):
        Trace.read(tmp_path / "none.jsonl")
    with pytest.raises(LabError, match="cannot be written"):
        letter().write(tmp_path / "none" / "t.jsonl")


def test_a_file_that_was_cut_off_names_its_last_line(tmp_path):
    text = letter().to_jsonl()
    (tmp_path / "t.jsonl").write_text(text[:-20], "ascii")
    with pytest.raises(LabError, match=rf"line {text.count(chr(10))}: not JSON"):
        Trace.read(tmp_path / "t.jsonl")


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_read_with_what_every_one_has_and_not_with_less(kind):
    def text(facts):
        return f"{HEAD}\n{changed(kind=kind, facts=facts)}\n"

    facts = dict.fromkeys(KINDS[kind].needed, 1)
    assert Trace.from_jsonl(text(facts))[0].facts == facts
    for fact in facts:
        less = {name: value for name, value in facts.items() if name != fact}
        with pytest.raises(LabError, match=f"line 2: event {kind!r} lacks {fact};"):
            Trace.from_jsonl(text(less))


def test_what_hosts_tell_has_all_that_a_file_needs():
    with plain_world() as world:
        world.send("alice", "bob@beta.example", "Hello")
        told = list(world.trace)
        seats = [world.trace.as_seen_by(host) for host in world.trace.hosts]
        for event in (*told, *letter(), *(e for seat in seats for e in seat)):
            assert set(KINDS[event.kind].needed) <= event.facts.keys(), event


def test_traces_of_earlier_versions_are_read():
    without = ("received", "return_path", "rule", "setting", "names", "lost_at")
    with plain_world() as world:
        world.send("alice", "bob@beta.example", "Hello")
        older = Trace(epoch_ns=world.trace.epoch_ns)
        for e in world.trace:
            facts = {name: e[name] for name in e.facts if name not in without}
            older.emit(e.kind, e.host, e.connection, e.time_ns, **facts)
        again = Trace.from_jsonl(older.to_jsonl())
    assert again.to_jsonl() == older.to_jsonl()
    assert "bob@beta.example" in again.journey().text()
