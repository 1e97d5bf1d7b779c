"""The explorer of a session, driven without a browser: values set, output read."""

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.trace.moments import moments_of
from maillab.trace.recorder import Trace
from maillab.trace.sample import Talk, letter
from maillab.trace.session import Session
from maillab.ui.session_explorer import LADDER, TRANSCRIPT, WHOLE, SessionExplorer
from maillab.world.world import World


@pytest.fixture(scope="module")
def world() -> World:
    with open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hello", "Hi\n" * 30)
    return world


@pytest.fixture(scope="module")
def relay(world: World) -> Session:
    return world.trace.session(port=25)


def given_by(world: World, call: str) -> object:
    """What the printed call gives when somebody types it."""
    return eval(call, {"world": world})


def test_at_first_the_whole_ladder_is_there_and_its_call(relay: Session) -> None:
    explorer = relay.explore()
    assert explorer.call == f"world.trace.session({relay.id!r}).ladder()"
    assert relay.ladder().text() in explorer.text()
    assert relay.ladder().html() in explorer.picture.value
    assert explorer.trouble == ""


def test_every_state_is_what_its_printed_call_gives(
    world: World, relay: Session
) -> None:
    explorer: SessionExplorer = relay.explore()
    for shown in (LADDER, TRANSCRIPT):
        explorer.shown.value = shown
        for moment in range(1, explorer.moments + 1):
            explorer.step.value = moment
            assert explorer.view is not None
            assert str(given_by(world, explorer.call)) == explorer.view.text()
            assert explorer.picture.value == explorer.view.html()
            assert f"{explorer.call}".replace("'", "&#x27;") in explorer.html()


@pytest.mark.parametrize("shown", WHOLE)
def test_views_of_the_whole_session_are_there_too(
    world: World, relay: Session, shown: str
) -> None:
    explorer: SessionExplorer = relay.explore()
    explorer.shown.value = shown
    assert explorer.trouble == ""
    assert explorer.view is not None
    assert str(given_by(world, explorer.call)) == explorer.view.text()


def test_each_moment_adds_something_and_the_last_one_is_the_whole(
    relay: Session,
) -> None:
    shown = [
        (relay.until(moment).ladder().text(), relay.until(moment).transcript().text())
        for moment in range(1, len(moments_of(relay)) + 1)
    ]
    sizes = [sum(map(len, texts)) for texts in shown]
    assert sizes == sorted(set(sizes))
    assert shown[-1] == (relay.ladder().text(), relay.transcript().text())
    last = relay.until(len(shown))
    assert last.ladder().table().rows == relay.ladder().table().rows


def test_what_comes_later_is_not_told_early(relay: Session) -> None:
    early = relay.until(2).ladder()
    assert "EHLO" not in early.text() + early.svg() + str(early.table().rows)
    assert "moment 2 of" in early.describe()


def test_buttons_go_back_and_forward_and_stop_at_the_ends(relay: Session) -> None:
    explorer: SessionExplorer = relay.explore()
    explorer.forward.click()
    assert explorer.step.value == explorer.moments
    explorer.back.click()
    assert explorer.call.endswith(f".until({explorer.moments - 1}).ladder()")
    explorer.step.value = 1
    explorer.back.click()
    assert explorer.step.value == 1


def test_play_and_slider_begin_at_the_same_moment(relay: Session) -> None:
    explorer: SessionExplorer = relay.explore()
    assert explorer.play.value == explorer.step.value == explorer.play.max


def test_long_content_unfolds(relay: Session) -> None:
    explorer: SessionExplorer = relay.explore()
    explorer.shown.value = TRANSCRIPT
    assert "more lines" in explorer.text()
    explorer.fold.value = False
    assert "more lines" not in explorer.text()
    assert explorer.call.endswith(".transcript(fold=None)")


def test_without_a_kernel_there_is_text_and_html(relay: Session) -> None:
    bundle = relay.explore()._repr_mimebundle_()
    assert bundle["text/plain"] == repr(relay.explore())
    assert "<img alt=" in bundle["text/html"]
    assert "ladder()" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_the_name_of_the_trace_may_be_another_one(relay: Session) -> None:
    assert relay.explore(of="capture.trace").call.startswith("capture.trace.session(")


def test_an_error_is_shown_and_goes_with_the_next_click(relay: Session) -> None:
    explorer: SessionExplorer = relay.explore()

    class Broken:
        def hints(self) -> None:
            raise LabError("no <hints> today")

    explorer.session, whole = Broken(), explorer.session  # type: ignore[assignment]
    explorer.shown.value = "Hints"
    assert explorer.trouble == "no <hints> today"
    assert "no &lt;hints&gt; today" in explorer.html()
    explorer.session = whole
    explorer.shown.value = LADDER
    assert explorer.trouble == ""
    assert 'role="alert"' not in explorer.html()


def test_an_error_that_nobody_planned_is_shown_with_its_traceback(
    relay: Session,
) -> None:
    explorer: SessionExplorer = relay.explore()
    del explorer.session
    explorer.shown.value = TRANSCRIPT
    assert explorer.trouble.startswith("AttributeError")
    assert "Traceback" in explorer.html()


def test_a_moment_that_is_not_there_is_refused(relay: Session) -> None:
    for moment in (0, -1, 10_000):
        with pytest.raises(LabError, match="moments 1 to"):
            relay.until(moment)


def test_what_a_peer_says_is_escaped_and_secrets_stay_masked() -> None:
    trace = Trace()
    talk = Talk(trace, "c1", client="<script>alert(1)</script>")
    talk.connect()
    talk.say("S", "220 <script>alert(2)</script>")
    talk.say("C", "AUTH PLAIN c2VjcmV0", secret=[(11, 19)])
    explorer = trace.session("c1").explore()
    for shown in (LADDER, TRANSCRIPT):
        explorer.shown.value = shown
        assert "<script" not in explorer.html()
        assert "c2VjcmV0" not in explorer.html() + explorer.text()
        assert "********" in explorer.text()


def test_a_single_syn_can_be_explored() -> None:
    trace = Trace()
    Talk(trace, "c1").syn()
    explorer = trace.session("c1").explore()
    assert explorer.trouble == ""
    assert explorer.step.max == 1


def test_buttons_that_lead_nowhere_are_off() -> None:
    explorer = letter().session().explore()
    assert explorer.forward.disabled, "it begins with the whole session"
    assert not explorer.back.disabled
    explorer.step.value = 1
    assert explorer.back.disabled
    assert not explorer.forward.disabled
    assert explorer.fold.disabled, "a ladder has nothing to fold"
    explorer.shown.value = "Transcript"
    assert not explorer.fold.disabled
    explorer.shown.value = "Hints"
    assert explorer.step.disabled, "hints are about the whole session"
    assert explorer.forward.disabled
