"""The explorer of a world, driven without a browser: values set, output read."""

from collections.abc import Iterator

import pytest

from maillab import open_world
from maillab.net.rules import Rule
from maillab.ui.world_explorer import PAGES, WorldExplorer
from maillab.world.world import World
from tests.worlds import plain_world

BOB = "bob@beta.example"
MX = "mx.beta.example"


@pytest.fixture
def world() -> Iterator[World]:
    with plain_world() as world:
        yield world


@pytest.fixture(scope="module")
def sent() -> Iterator[World]:
    """A world with one letter, for tests that only look."""
    with plain_world() as world:
        world.send("alice", BOB, "Hello")
        yield world


@pytest.fixture(scope="module")
def looking(sent: World) -> WorldExplorer:
    return sent.explore()


@pytest.fixture
def explorer(world: World) -> WorldExplorer:
    return world.explore()


def typed_in(world: World, calls: list[str]) -> object:
    """The printed calls, typed into a world; what the last one gives."""
    return [eval(call, {"world": world}) for call in calls][-1]


def drop_25() -> Rule:
    return Rule("drop", "in", "tcp", (range(25, 26),), comment="<b>no</b>")


# The pages ----------------------------------------------------------------------------


def test_every_page_opens_without_trouble_and_prints_its_call(
    sent: World, looking: WorldExplorer
) -> None:
    calls = {}
    for title in PAGES:
        looking.open_page = title
        assert looking.trouble == looking.page.trouble == ""
        calls[title] = looking.call
    assert calls == {
        "Network": "world.topology()",
        "Sessions": "world.trace.summary()",
        "Mailboxes": "",
        "Queues": "world.queue('mail.alpha.example')",
        "DNS": "world.trace.dns_walk()",
        "Write": "world.send('alice@alpha.example', '', '', '')",
        "Letters": f"world.trace.journey({sent.trace.messages[0].message!r})",
    }


@pytest.mark.parametrize("title", ["Network", "Sessions", "Queues", "DNS", "Letters"])
def test_what_a_page_shows_is_what_its_call_gives(
    sent: World, looking: WorldExplorer, title: str
) -> None:
    looking.open_page = title
    shown = eval(looking.call, {"world": sent})
    assert looking.view is not None
    assert str(shown) == looking.view.text()
    assert str(shown) in looking.text()
    assert looking.page.picture.value == shown.html()


def test_looking_costs_no_time_and_leaves_no_trace(
    world: World, explorer: WorldExplorer
) -> None:
    for title in PAGES:
        explorer.open_page = title
    assert world.time == 0
    assert len(world.trace) == 0


# The clock ----------------------------------------------------------------------------


def test_the_clock_advances_by_what_is_typed(
    world: World, explorer: WorldExplorer
) -> None:
    explorer.length.value = "5 days"
    explorer.advance.click()
    assert world.time == 5 * 86400
    assert "2026-01-10 09:00" in explorer.clock.value
    assert explorer.calls == ["world.advance('5 days')", "world.topology()"]


def test_step_and_settle_are_calls_too(world: World, explorer: WorldExplorer) -> None:
    world.power_off(MX)
    world.send("alice", BOB, "Hello")
    before = len(world.trace)
    explorer.step.click()
    assert len(world.trace) > before
    explorer.settle.click()
    assert explorer.calls[:2] == ["world.step()", "world.settle()"]


def test_a_wrong_length_of_time_is_said_beside_the_clock(
    world: World, explorer: WorldExplorer
) -> None:
    explorer.length.value = "<soon>"
    explorer.advance.click()
    assert "not a length of time" in explorer.trouble
    assert "<soon>" not in explorer.html()
    assert "&lt;soon&gt;" in explorer.html()
    assert (world.time, explorer.calls) == (0, ["world.topology()"])


def test_a_closed_world_says_so(world: World, explorer: WorldExplorer) -> None:
    world.close()
    explorer.advance.click()
    assert "closed" in explorer.trouble


# Network ------------------------------------------------------------------------------


def test_a_check_box_turns_a_rule_off_and_on(
    world: World, explorer: WorldExplorer
) -> None:
    rule = world.firewall(MX).add(drop_25())
    explorer.refresh()
    [box] = explorer.page.rules.values()
    assert box.value
    box.value = False
    assert not rule.enabled
    assert explorer.calls[0] == f"world.firewall({MX!r}).turn_off(1)"
    world.send("alice", BOB, "Hello")
    assert len(world.mailbox("bob").messages) == 1
    box.value = True
    assert rule.enabled
    assert explorer.calls[1] == f"world.firewall({MX!r}).turn_on(1)"


def test_the_box_counts_and_follows_what_code_does(
    world: World, explorer: WorldExplorer
) -> None:
    world.firewall(MX).add(drop_25())
    explorer.refresh()
    [box] = explorer.page.rules.values()
    assert box.description.endswith("– 0 packets")
    world.send("alice", BOB, "Hello")
    world.firewall(MX).turn_off(1)
    explorer.refresh()
    assert not box.value
    assert "0 packets" not in box.description
    assert explorer.calls == ["world.topology()"]


def test_boxes_come_and_go_with_rules(world: World, explorer: WorldExplorer) -> None:
    assert explorer.page.rules == {}
    rule = world.firewall(MX).add(drop_25())
    explorer.advance.click()
    assert list(explorer.page.rules) == [(MX, 1)]
    world.firewall(MX).remove(rule)
    explorer.advance.click()
    assert explorer.page.rules == {}


def test_computers_are_switched(world: World, explorer: WorldExplorer) -> None:
    explorer.page.host.value = MX
    explorer.page.off.click()
    assert not world.host(MX).up
    explorer.page.power.click()
    assert world.host(MX).up
    assert explorer.calls[:2] == [
        f"world.power_off({MX!r})",
        f"world.power_on({MX!r})",
    ]


# What was clicked gives the same in another world -------------------------------------


def test_all_clicks_together_are_a_program(
    world: World, explorer: WorldExplorer
) -> None:
    world.firewall(MX).add(drop_25())
    explorer.refresh()
    explorer.open_page = "Write"
    write = explorer.page
    write.recipient.value, write.subject.value = f" {BOB} ", "Hi 'there'"
    write.body.value = "Zeile 1\nZeile ü"
    write.send.click()
    explorer.open_page = "Network"
    explorer.page.rules[MX, 1].value = False
    explorer.length.value = "1 h"
    explorer.advance.click()
    explorer.open_page = "DNS"
    explorer.page.name.value = "beta.example"
    explorer.page.ask.click()
    explorer.page.walk.click()
    explorer.open_page = "Mailboxes"
    explorer.page.user.value = BOB
    explorer.page.fetch.click()
    explorer.page.letters.value = 1
    explorer.open_page = "Sessions"
    explorer.page.chosen.value = "c2"
    assert explorer.view is not None
    with plain_world() as other:
        other.firewall(MX).add(drop_25())
        found = typed_in(other, explorer.calls)
        assert str(found) == explorer.view.text()
        assert other.trace.to_jsonl() == world.trace.to_jsonl()


# The other pages ----------------------------------------------------------------------


def test_a_session_is_chosen_and_stays_chosen(
    world: World, explorer: WorldExplorer
) -> None:
    world.send("alice", BOB, "Hello")
    explorer.open_page = "Sessions"
    page = explorer.page
    page.wanted.value = "smtp mx.beta"
    assert [id for _, id in page.chosen.options] == ["", "c2"]
    page.chosen.value = "c2"
    page.inner.shown.value = "Transcript"
    page.inner.step.value = 4
    assert explorer.call == "world.trace.session('c2').until(4).transcript()"
    explorer.length.value = "1 s"
    explorer.advance.click()
    assert explorer.call == "world.trace.session('c2').until(4).transcript()"
    page.wanted.value = ""
    assert page.chosen.value == "c2"
    page.chosen.value = ""
    assert explorer.call == "world.trace.summary()"


@pytest.mark.parametrize("what", ["Table", "Ladder", "Hints"])
def test_all_sessions_are_shown_together(
    sent: World, looking: WorldExplorer, what: str
) -> None:
    looking.open_page = "Sessions"
    looking.page.together.value = what
    assert looking.page.trouble == ""
    assert looking.view is not None
    assert str(typed_in(sent, [looking.call])) == looking.view.text()


def test_too_many_sessions_for_a_ladder_are_refused(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maillab.ui.trace_explorer.MOST_DRAWN", 1)
    explorer = sent.trace.explore()
    explorer.together.value = "Ladder"
    assert "2 sessions are too many" in explorer.trouble


def test_a_long_list_of_sessions_is_cut_and_says_so(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maillab.ui.trace_explorer.MOST_LISTED", 1)
    explorer = sent.trace.explore(of="mine")
    assert [id for _, id in explorer.chosen.options] == ["", "c2"]
    assert "oldest 1" in explorer.note.value
    assert explorer.call == "mine.summary()"


def test_a_letter_has_a_journey_and_an_end_with_reasons(
    world: World, explorer: WorldExplorer
) -> None:
    world.firewall(MX).add(drop_25())
    world.send("alice", BOB, "Hello")
    explorer.open_page = "Letters"
    page = explorer.page
    assert "deferred" in page.text()
    page.shown.value = "Why it ended so"
    assert page.trouble == ""
    assert "rule" in page.text()
    assert explorer.view is not None
    assert str(typed_in(world, [explorer.call])) == explorer.view.text()


def test_new_sessions_are_listed(world: World, explorer: WorldExplorer) -> None:
    explorer.open_page = "Sessions"
    assert len(explorer.page.chosen.options) == 1
    world.send("alice", BOB, "Hello")
    explorer.settle.click()
    assert len(explorer.page.chosen.options) == 3


def test_the_queue_is_worked_on(world: World, explorer: WorldExplorer) -> None:
    world.power_off(MX)
    world.send("alice", BOB, "Hello")
    explorer.open_page = "Queues"
    page = explorer.page
    [id] = world.server("mail.alpha.example").queue.entries
    assert [value for _, value in page.message.options] == ["", id]
    page.buttons["Hold"].click()
    assert "Choose a message" in page.trouble
    page.message.value = id
    page.buttons["Hold"].click()
    assert page.trouble == ""
    assert world.server("mail.alpha.example").queue.entries[id].held
    assert page.message.value == id
    page.buttons["Release"].click()
    page.buttons["Delete"].click()
    assert id not in world.server("mail.alpha.example").queue.entries
    assert explorer.calls[0] == (
        f"world.server('mail.alpha.example').queue.hold({id!r})"
    )


def test_names_are_asked_for(world: World, explorer: WorldExplorer) -> None:
    explorer.open_page = "DNS"
    page = explorer.page
    page.host.value, page.name.value, page.type.value = "alice-pc", "beta.example", "MX"
    page.ask.click()
    assert "mx.beta.example" in page.text()
    assert explorer.call == "world.dig('beta.example', 'MX', host='alice-pc')"
    explorer.advance.click()  # the answer stays
    assert explorer.call == "world.dig('beta.example', 'MX', host='alice-pc')"
    page.name.value = "a..b"
    page.ask.click()
    assert page.trouble
    page.all.click()
    assert (page.trouble, explorer.call) == ("", "world.trace.dns_walk()")


def test_a_world_without_users_can_be_explored() -> None:
    with open_world("hello") as world:
        world.users.clear()
        explorer = world.explore()
        for title in PAGES:
            explorer.open_page = title
            assert explorer.trouble == explorer.page.trouble == ""


def test_rules_of_a_peer_s_making_are_escaped(
    world: World, explorer: WorldExplorer
) -> None:
    world.firewall(MX).add(drop_25())
    explorer.refresh()
    assert "<b>no" not in explorer.page.picture.value
    assert "<b>no" not in explorer.html()


def test_controls_have_names_that_tell_them_apart(looking: WorldExplorer) -> None:
    for title in PAGES:
        looking.open_page = title
        named = [
            widget
            for widget in vars(looking.page).values()
            if hasattr(widget, "description") and hasattr(widget, "tooltip")
        ]
        words = [widget.description for widget in named if widget.tooltip]
        assert len(words) == len(set(words))
        assert all(words)
