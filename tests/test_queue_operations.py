"""Hold, release, retry, delete; and what the queue looks like over days."""

import pytest

from maillab.errors import LabError
from maillab.trace.recorder import Trace
from tests.queue_worlds import ALPHA, BOB, CAROL


def test_a_held_message_waits_until_it_is_released(queue_world):
    lab = queue_world()
    server = lab.mx()
    entry = lab.put(CAROL)
    lab.queue.hold(entry.id)
    lab.world.advance("10 days")
    assert server.sessions == 0
    assert len(lab.queue) == 1, "it does not age either"
    assert not lab.queue.busy
    lab.queue.release(entry.id)
    lab.world.settle()
    assert len(server.messages) == 1
    assert len(lab.queue) == 0
    assert lab.actions("hold", "release") == ["hold", "release"]


def test_a_message_that_waits_for_its_next_try_can_be_held(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt=["451 later", "250 ok"])
    entry = lab.send(CAROL)
    lab.queue.hold(entry.id)
    lab.world.advance("1 day")
    assert server.sessions == 1
    lab.queue.release(entry.id)
    lab.world.settle()
    assert len(server.messages) == 1


def test_a_message_that_is_under_way_is_held_after_its_try(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt=["451 later", "250 ok"])
    entry = lab.put(CAROL)
    lab.world.advance(0.05)
    assert lab.queue.busy
    lab.queue.hold(entry.id)
    lab.world.advance("1 h")
    assert server.sessions == 1
    assert len(lab.queue) == 1


def test_what_is_not_held_cannot_be_released(queue_world):
    lab = queue_world()
    lab.off()
    entry = lab.put(CAROL)
    with pytest.raises(LabError, match="is not held"):
        lab.queue.release(entry.id)


@pytest.mark.parametrize("what", ["id", "gamma.example", "all"])
def test_retry_now(queue_world, what):
    lab = queue_world()
    host = lab.off()
    first, second = lab.put(CAROL), lab.put("dan@gamma.example")
    lab.world.advance("3 min")
    assert len(lab.events("deferred")) == 2
    host.up = True
    server = lab.mx()
    lab.world.advance("1 min")
    assert server.sessions == 0, "the next try is not due"
    tried = lab.queue.retry(first.id if what == "id" else what)
    assert tried == (1 if what == "id" else 2)
    lab.world.settle()
    assert len(server.messages) == 2, "who answers to one takes the others too"
    assert lab.actions("retry") == ["retry"] * tried
    del second


def test_retry_of_a_host_that_is_still_down(queue_world):
    lab = queue_world()
    lab.mx(banner="421 no")
    lab.send(CAROL)
    lab.queue.retry()
    lab.world.settle()
    assert len(lab.tries()) == 2
    assert lab.queue.destinations["gamma.example"].failures == 2


@pytest.mark.parametrize("report", [False, True])
def test_delete(queue_world, report):
    lab = queue_world()
    lab.off()
    entry = lab.put(CAROL)
    lab.world.advance("3 min")
    lab.queue.delete(entry.id, report=report)
    lab.world.settle()
    assert len(lab.queue) == 0
    assert len(lab.reports()) == report
    lab.world.advance("1 h")
    assert len(lab.tries()) == 1
    assert lab.actions("delete") == ["delete"]


def test_a_queue_that_was_cleared_tries_the_next_letter_at_once(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt=["451 later", "250 ok"])
    lab.send(CAROL)
    lab.queue.clear()
    assert (len(lab.queue), lab.reports()) == (0, [])
    lab.send(CAROL)
    assert len(server.messages) == 1
    assert lab.world.time < 60, "nobody waited for the clock of the first one"


def test_what_was_deleted_under_way_harms_nobody(queue_world):
    lab = queue_world()
    server = lab.mx()
    entry = lab.put(CAROL)
    lab.world.advance(0.05)
    lab.queue.delete(entry.id)
    lab.world.settle()
    assert len(server.messages) == 1
    assert len(lab.queue) == 0


def test_a_wrong_id_gets_advice(queue_world):
    lab = queue_world()
    lab.off()
    entry = lab.put(CAROL)
    with pytest.raises(LabError, match=f"no message 'X' in the queue; .*{entry.id}"):
        lab.queue.hold("X")
    with pytest.raises(LabError, match=r"one of these destinations: gamma\.example"):
        lab.queue.retry("delta.example")


def test_the_server_of_a_world_has_the_queue(queue_world):
    lab = queue_world()
    assert lab.world.server(ALPHA).queue is lab.queue


# The view -----------------------------------------------------------------------------


def a_week(lab):
    lab.off()
    lab.deliver(delay_warning=6 * 3600.0, expire=2 * 86_400.0)
    lab.send(CAROL, BOB)
    lab.world.advance("1 day")
    second = lab.send("dan@gamma.example")
    third = lab.send("eve@gamma.example")
    lab.queue.hold(third.id)
    lab.world.advance("90 min")
    return second, third


def test_the_view_shows_what_waits(queue_world):
    lab = queue_world()
    second, third = a_week(lab)
    view = lab.world.queue(ALPHA)
    rows = {row[0]: row[1:] for row in view.table().rows}
    assert len(rows) == 3
    assert rows[third.id][7 - 1] == "held"
    age, size, sender, recipients, where, _, _, reason = rows[second.id]
    assert age == "1 h 30"
    assert int(size) == len(second.content)
    assert (sender, recipients) == ("alice@alpha.example", "dan@gamma.example")
    assert where == "gamma.example"
    assert "Connection timed out" in reason
    first = next(row for id, row in rows.items() if id not in (second.id, third.id))
    assert first[3] == CAROL, "Bob has it already"
    assert view.describe() == (
        "Queue of mail.alpha.example after 1 d 1 h: 3 messages (1 held) of 4 that came "
        "in, for 3 destinations."
    )


def test_the_timeline_shows_days(queue_world):
    lab = queue_world()
    a_week(lab)
    lab.world.advance("3 days")
    text = lab.world.queue(ALPHA).timeline()
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["beta.example"].count("✓") == 1
    gamma = lines["gamma.example"]
    assert gamma.index("!") < gamma.index("✗")
    assert "·" in gamma
    assert "h" in gamma.partition("|")[2]
    assert "given up" in text
    assert "sender warned" in text


def test_the_view_of_an_earlier_moment(queue_world):
    lab = queue_world()
    a_week(lab)
    lab.world.advance("9 days")
    assert [*lab.world.queue(ALPHA, at="1 h").waiting] == [
        lab.events("accepted")[0]["queue_id"]
    ]
    assert len(lab.world.queue(ALPHA).waiting) == 1, "the held one"


def test_the_view_is_a_function_of_the_trace(queue_world):
    lab = queue_world()
    a_week(lab)
    from maillab.trace.queueview import SECOND, QueueView

    again = Trace.from_jsonl(lab.world.trace.to_jsonl())
    view = QueueView(ALPHA, again, round(lab.world.time * SECOND))
    here = lab.world.queue(ALPHA)
    assert view.text() == here.text()
    assert view.html() == here.html()


def test_the_picture_says_the_same_and_escapes(queue_world):
    lab = queue_world()
    lab.off()
    lab.send(CAROL, sender="a&b@alpha.example")
    view = lab.world.queue(ALPHA)
    assert view.svg().startswith("<svg")
    assert "gamma.example" in view.svg()
    assert "a&amp;b@alpha.example" in view.html()


def test_an_empty_queue_has_a_view_too(queue_world):
    lab = queue_world()
    view = lab.world.queue(ALPHA)
    assert "0 messages of 0 that came in" in view.text()
    assert view.svg() == ""
