"""`trace.why` and `world.why`: the chain in words, with packets and lines of files."""

import re
from html import unescape

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.trace.recorder import Trace
from maillab.trace.sample import Talk
from maillab.world.zone_lines import absolute, records
from tests.worlds import plain_world, world_with_gamma

ALPHA, BETA, BOB = "mail.alpha.example", "mx.beta.example", "bob@beta.example"


def refused_world():
    world = plain_world()
    world.configure(BETA, recipients={"refuse_unknown": True})
    world.send("alice", "nobody@beta.example", "Hello")
    return world


@pytest.fixture(scope="module")
def refused():
    with refused_world() as world:
        yield world


def bounced(world):
    return world.trace.of_kind("bounced")[-1]


# Words --------------------------------------------------------------------------------


def test_a_sentence_names_what_decided(refused):
    assert refused.trace.why(bounced(refused)).describe() == (
        "mail.alpha.example gave nobody@beta.example up: mx.beta.example said 550 "
        "5.1.1 No such user here, because mx.beta.example refused RCPT "
        "TO:<nobody@beta.example>: the domain is ours, but nobody has this name (rule: "
        "unknown recipient)."
    )


def test_many_questions_share_one_index_until_more_has_happened():
    trace = Trace()
    first = trace.emit("note", "pc", "", 0, text="one")
    known = trace.known
    assert trace.why(first).known is known
    second = trace.emit("note", "pc", "", 1, text="two")
    assert trace.why(second).known is not known
    assert trace.why(second).steps[0].event.number == second


def test_what_went_well_began_with_a_person(refused):
    accepted = refused.trace.of_kind("accepted")[0]
    assert (
        refused.trace.why(accepted)
        .describe()
        .endswith(
            "it began when alice@alpha.example at alice-pc handed the message to "
            "mail.alpha.example."
        )
    )


def test_because_stands_below_what_it_explains(refused):
    lines = refused.trace.why(bounced(refused)).text().splitlines()
    assert lines[0].startswith("mail.alpha.example gave nobody@beta.example up")
    begun = [line for line in lines if "because" in line]
    assert lines[lines.index(begun[0]) - 1].strip().startswith("(event ")
    assert begun[0].startswith("  because mx.beta.example replied")
    assert begun[1].startswith("    because mx.beta.example refused")
    assert max(map(len, lines)) <= 80


def test_the_table_says_which_step_led_to_which(refused):
    chain = refused.trace.why(bounced(refused))
    rows = chain.table().rows
    assert [row[0] for row in rows] == [str(n + 1) for n in range(len(rows))]
    assert rows[0][1] == ""
    assert all(0 < int(row[1]) < int(row[0]) for row in rows[1:])
    assert [step.led_to for step in chain.steps[:3]] == [0, 1, 2]


def test_the_same_trace_gives_the_same_words(refused):
    with refused_world() as other:
        first = refused.trace.why(bounced(refused), ALPHA)
        second = other.trace.why(bounced(other), ALPHA)
        assert first.text() == second.text()
        assert first.html() == second.html()


def test_an_event_without_causes_says_so():
    trace = Trace(strict=True)
    trace.emit("power", "mx", "", 5, on=False)
    assert trace.why(1).describe() == (
        "mx was switched off. Nothing else in the trace led to it."
    )


def test_secrets_and_markup_do_not_come_through():
    trace = Trace(strict=True)
    talk = Talk(trace, port=110)
    talk.connect()
    talk.say("C", "PASS hunter2<script>", secret=((5, 20),))
    talk.emit("auth", "S", protocol="POP3", mechanism="<b>", user="<script>\x07\u202e",
              ok=False, reason="wrong")  # fmt: skip
    talk.say("S", "-ERR <script>no</script>")
    chain = trace.why(trace.of_kind("line")[-1])
    assert "hunter2" not in chain.text() + unescape(chain.html())
    assert "PASS ********" in chain.text()
    assert "<script" not in chain.html()
    assert "<b>" not in chain.html()
    assert "\x07" not in chain.text()
    assert "\u202e" not in chain.text() + chain.html()


def test_every_kind_has_words(refused):
    refused.read("alice")
    for event in refused.trace:
        words = refused.trace.why(event).steps[0].text if event.number % 7 == 0 else "-"
        assert words
        assert "{" not in words


# Packets ------------------------------------------------------------------------------


def steps_of(world, place, *kinds):
    capture = world.trace.capture(place)
    chain = world.trace.why(world.trace.of_kind(*kinds)[-1], capture)
    return capture, chain.steps


def test_packet_numbers_are_those_of_the_lines(refused):
    capture, steps = steps_of(refused, ALPHA, "bounced")
    said = [step for step in steps if step.event.kind == "line"]
    assert len(said) >= 3
    for step in said:
        octets = step.event["octets"].rstrip(b"\r\n")
        assert step.packets
        assert any(octets in capture.packets[n - 1].data for n in step.packets)


def test_packet_numbers_of_the_dns_are_query_and_response(refused):
    capture, steps = steps_of(refused, ALPHA, "bounced")
    answers = [s for s in steps if s.event.kind == "dns" and not s.event["cached"]]
    assert answers
    for step in answers:
        assert len(step.packets) == 2
        query, response = (capture.packets[n - 1] for n in step.packets)
        assert query.outbound
        assert not response.outbound
        assert query.data[28:30] == response.data[28:30]


def test_another_place_has_other_numbers_or_none(refused):
    chain = refused.trace.why(bounced(refused), "alice-pc")
    near = [step for step in chain.steps if step.event.connection == "c1"]
    assert any(step.packets for step in near)
    assert not any(step.packets for step in chain.steps if step not in near)


def test_numbers_inside_tls_are_those_of_the_records():
    with open_world("two-domains") as world:
        world.send("alice", "nobody@beta.example", "Hello")
        capture, steps = steps_of(world, ALPHA, "bounced")
        said = [s for s in steps if s.event.kind == "line" and s.event["secure"]]
        assert said
        for step in said:
            assert step.packets
            assert all(
                b"\x17\x03\x03" in capture.packets[n - 1].data for n in step.packets
            )


def test_seven_syns_and_the_rule_that_struck_them():
    with open_world("home-server") as world:
        world.send("alice", "x@cloud.example", "Hello")
        event = world.trace.of_kind("deferred")[-1]
        chain = world.why(event, capture="mail.home.example")
    [syns] = [s for s in chain.steps if s.event.kind == "timed_out"]
    assert len(syns.packets) == 7
    assert f"packets {syns.packets[0]}, " in chain.text()
    [rule] = [s for s in chain.steps if s.event.kind == "rule"]
    assert rule.configured == "world.toml:21: the preset isp-blocks-25"


@pytest.mark.parametrize(
    ("action", "kind"), [("reject", "refused"), ("prohibit", "unreachable")]
)
def test_what_came_back_has_a_number(action, kind):
    with plain_world() as world:
        world.add_rule(BETA, action=action, direction="in", protocol="tcp", ports=25)
        world.send("alice", BOB, "Hello")
        _, steps = steps_of(world, ALPHA, "deferred")
    [failed] = [step for step in steps if step.event.kind == kind]
    assert len(failed.packets) == 1


# Where it is configured ---------------------------------------------------------------


def configured(world, kind, event_kind="deferred"):
    chain = world.why(world.trace.of_kind(event_kind)[-1])
    return [s.configured for s in chain.steps if s.event.kind == kind and s.configured]


def test_a_setting_that_was_changed_says_so(refused):
    chain = refused.why(bounced(refused).number)
    found = [s.configured for s in chain.steps if s.event.kind == "policy"]
    assert found[0].startswith("recipients.refuse_unknown: ")


REST = """
[[hosts."mail.alpha.example".rules]]
action = "accept"
direction = "in"
comment = "no"

[[hosts."mail.alpha.example".rules]]
action = "drop"
direction = "out"
protocol = "tcp"
ports = 25
comment = "no"

[[timeline]]
at = 5000
host = "alice-pc"
power = "off"

[[faults]]
stage = "DATA"
host = "mail.alpha.example"
port = 25
reply = "451 no"
comment = "mine"
"""


def test_a_line_of_the_scenario_file(tmp_path):
    with world_with_gamma(tmp_path, "@ MX 10 mx1\n") as world:
        file = world.loaded.file.read_text("utf-8")
    path = tmp_path / "gamma" / "world.toml"
    path.write_text(file + REST, "utf-8")
    first = file.count("\n") + 1

    def line_of(words, after=""):
        at = REST.index(words, REST.index(after))
        return f"world.toml:{first + REST[:at].count(chr(10))}"

    with open_world(path) as world:
        world.send("bob", "alice@alpha.example", "Hello")
        assert configured(world, "fault") == [line_of("[[faults]]")]
        world.send("alice", BOB, "Hello")
        assert configured(world, "rule") == [line_of('[[hosts."mail', "accept")]
        world.advance("2 h")
        power = world.trace.of_kind("power")[-1]
        assert world.why(power).steps[0].configured == line_of("[[timeline]]")


def test_rules_are_told_apart_by_their_number(tmp_path):
    with plain_world() as world:
        world.add_rule(ALPHA, action="drop", direction="out", protocol="tcp", ports=25)
        world.send("alice", BOB, "Hello")
        [told] = configured(world, "rule")
        assert told == f"while the world ran: world.add_rule('{ALPHA}', …)"
        world.power_off("alice-pc")
        power = world.trace.of_kind("power")[-1]
        assert world.why(power).steps[0].configured == "world.power_off('alice-pc')"


def test_an_answer_of_the_dns_stands_in_a_zone_file(refused):
    chain = refused.why(bounced(refused))
    found = {
        step.event["type"]: step.configured
        for step in chain.steps
        if step.event.kind == "dns" and step.event["rcode"] == "NOERROR"
    }
    for kind, told in found.items():
        name, _, number = told.rpartition(":")
        lines = (refused.loaded.file.parent / name).read_text("utf-8").splitlines()
        assert re.search(rf"\b{kind}\b", lines[int(number) - 1])


def test_owners_of_zone_files_go_on_for_lines_that_name_none():
    text = "$TTL 60\n@ SOA ns host 1 2 3 4 5\n  MX 10 mx ; the mail\nmx A 1.2.3.4\n"
    found = [(n, owner) for n, owner, _ in records(text, "beta.example.")]
    assert found[1:] == [
        (2, "beta.example."),
        (3, "beta.example."),
        (4, "mx.beta.example."),
    ]
    assert absolute("Example", ".") == "example."


def test_why_of_a_text_is_what_it_was(refused):
    assert refused.why("nobody@beta.example").refusal.reply.startswith("550")
    with pytest.raises(LabError, match="nothing was refused"):
        refused.why("nix")
    with pytest.raises(LabError, match="event 99999"):
        refused.why(99999)
