"""When the queue tries, how often, by how many sessions, and when it gives up."""

import pytest

from maillab.policy.retry import RetrySchedule
from maillab.policy.settings import Delivery
from maillab.store.accounts import DirectoryUnavailable
from maillab.store.queue import Queue
from tests.queue_worlds import ALPHA, BOB, CAROL, MX1, MX2, TWO_MX

IIS = RetrySchedule()
MINUTES = [0, 5, 20, 50, 110, 170]  # of IIS's four intervals, the last one again


def names(count, domain="gamma.example"):
    return [f"user{number}@{domain}" for number in range(count)]


@pytest.mark.parametrize(
    ("attempts", "age", "wait"),
    [
        (1, 0, 300),
        (2, 300, 900),
        (3, 1200, 1800),
        (4, 3000, 3600),
        (99, 3000, 3600),
        (4, 5 * 86400 - 3600, 3600),
        (4, 5 * 86400 - 3599, None),
    ],
)
def test_the_schedule(attempts, age, wait):
    next_wait = IIS.wait(attempts)
    assert (None if IIS.gives_up(age + next_wait) else next_wait) == wait
    assert RetrySchedule.of(Delivery()) == IIS


def test_without_intervals_the_usual_ones_count():
    assert RetrySchedule.of(Delivery(retry=())).wait(1) == 300.0


# One clock for a destination ----------------------------------------------------------


def test_a_destination_that_is_down_is_tried_by_one_message_for_all(queue_world):
    lab = queue_world()
    lab.mx(banner="421 4.3.2 closed")
    lab.deliver(concurrency=1)
    for name in names(20):
        lab.put(name)
    lab.world.advance("175 min")
    assert lab.times() == MINUTES, "20 messages, and one try at each time"
    assert len(lab.queue) == 20
    assert {entry.next_try for entry in lab.queue.entries.values()} == {
        lab.queue.destinations["gamma.example"].clock
    }


def test_a_message_that_comes_in_meanwhile_waits_too(queue_world):
    lab = queue_world()
    lab.mx(banner="421 4.3.2 closed")
    lab.send(CAROL)
    lab.world.advance("2 min")
    lab.send(CAROL)
    assert len(lab.tries()) == 1
    first, second = lab.events("deferred")
    assert first["reason"] == second["reason"]
    assert (first["next_try"], round(second["next_try"])) == (300, 180)


def test_when_the_host_is_back_everything_goes_by_several_sessions(queue_world):
    lab = queue_world()
    server = lab.mx(banner=["421 no"] * 5 + ["220 yes"])
    lab.deliver(concurrency=5)
    for name in names(50):
        lab.put(name)
    lab.world.advance("6 min")
    assert len(server.messages) == 50
    assert len(lab.queue) == 0
    assert server.sessions <= 5 + 6, "many messages in each session"


def test_a_recipient_who_is_refused_for_now_has_a_clock_of_his_own(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt=["451 4.7.1 greylisted", "250 ok"])
    lab.send("first@gamma.example")
    lab.world.advance("2 min")
    lab.send("second@gamma.example")
    assert len(server.messages) == 1, "the destination is alive"
    lab.world.advance("4 min")
    assert len(server.messages) == 2
    assert lab.times() == [0, 2, 5]


def test_two_refused_recipients_of_one_message_go_together(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt=["250 ok", "451 no", "451 no", "250 ok"])
    lab.send(*names(3))
    lab.world.advance("6 min")
    assert len(server.messages) == 2
    assert [line.split(":")[0] for line in server.commands].count("MAIL FROM") == 2


def test_a_dns_failure_is_the_destinations_too(queue_world):
    lab = queue_world()
    lab.world.hosts["ns.gamma.example"].up = False
    lab.deliver(concurrency=1)
    for name in names(5):
        lab.put(name)
    lab.world.advance("4 min")
    assert len(lab.events("deferred")) == 5
    assert lab.queue.destinations["gamma.example"].failures == 1


class Shaky:
    """A directory that cannot always answer."""

    def __init__(self, directory):
        self.directory = directory
        self.down = True

    def __getattr__(self, name):
        if name == "domains" and self.down:
            raise DirectoryUnavailable("the database is gone")
        return getattr(self.directory, name)


def test_a_directory_that_cannot_answer_defers_all_mail(queue_world):
    lab = queue_world()
    server = lab.mx()
    shaky = lab.mta.directory = lab.mta.delivery.directory = Shaky(lab.mta.directory)
    lab.send("alice@alpha.example", CAROL)
    assert set(lab.reasons("deferred")) == {"the directory cannot answer"}
    lab.world.advance("10 min")
    assert len(lab.queue) == 1
    shaky.down = False
    lab.world.advance("20 min")
    assert len(lab.queue) == 0
    assert (len(server.messages), len(lab.inbox())) == (1, 1)


class FullDisk(Queue):
    """A queue that can once not be written to."""

    full = True

    def settle(self, entry, recipients):
        if self.full:
            self.full = False
            raise OSError("no space left")
        super().settle(entry, recipients)


def test_what_cannot_be_noted_is_done_again(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.queue.storage = FullDisk()
    lab.send(CAROL)
    assert len(lab.queue) == 1
    assert not lab.queue.busy
    lab.world.advance("10 min")
    assert (len(server.messages), len(lab.queue)) == (2, 0)
    assert "no space left" in lab.events("failure")[0]["traceback"]
    lab.forgive()


# Sessions -----------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "sessions"), [(1, 1), (3, 3), (0, 12)])
def test_so_many_sessions_at_one_time(queue_world, limit, sessions):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(concurrency=limit)
    for name in names(12):
        lab.put(name)
    lab.world.settle()
    assert (len(server.messages), server.sessions) == (12, sessions)


@pytest.mark.parametrize(("messages", "sessions"), [(0, 1), (1, 10), (4, 3), (10, 1)])
def test_so_many_messages_in_one_session(queue_world, messages, sessions):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(concurrency=1, messages=messages)
    for name in names(10):
        lab.put(name)
    lab.world.settle()
    assert (len(server.messages), server.sessions) == (10, sessions)
    assert server.commands.count("QUIT") == sessions


def test_a_limit_that_the_host_announces_counts(queue_world):
    """RFC 9422."""
    lab = queue_world()
    server = lab.mx(ehlo="250-fake\r\n250 LIMITS MAILMAX=2 RCPTMAX=2")
    lab.deliver(concurrency=1)
    lab.put(*names(5))
    lab.put(CAROL)
    lab.world.settle()
    transactions = [line for line in server.commands if line.startswith("MAIL")]
    assert (len(transactions), len(server.messages), server.sessions) == (4, 4, 2)
    assert sum(line.startswith("RCPT") for line in server.commands) == 6
    assert len(lab.queue) == 0
    assert lab.events("deferred") == []


@pytest.mark.parametrize(("most", "transactions"), [(0, 1), (1, 7), (3, 3), (7, 1)])
def test_so_many_recipients_in_one_transaction(queue_world, most, transactions):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(recipients=most, concurrency=1)
    lab.send(*names(7))
    assert len(server.messages) == transactions
    assert lab.events("bounced") == []


def test_too_many_recipients_says_the_host_and_the_rest_goes_next(queue_world):
    """RFC 5321 §4.5.3.1.10."""
    lab = queue_world()
    server = lab.mx(rcpt=["250 ok", "250 ok", "452 too many", "452 too many", "250 ok"])
    lab.send(*names(4))
    assert (len(server.messages), server.sessions) == (2, 1)
    assert lab.events("deferred") == []


def test_a_session_that_breaks_between_messages_costs_nothing(queue_world):
    lab = queue_world()
    server = lab.mx(mail=["250 ok", "421 too many messages", "250 ok"])
    lab.deliver(concurrency=1)
    for name in names(3):
        lab.put(name)
    lab.world.settle()
    assert (len(server.messages), server.sessions) == (3, 2)
    assert lab.events("deferred") == []


def test_an_idle_session_waits_for_more_where_that_is_set(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(keep_open=60)
    lab.send(CAROL)
    lab.world.advance("30 s")
    lab.send(CAROL)
    assert (len(server.messages), server.sessions) == (2, 1)
    assert "QUIT" not in server.commands
    lab.world.advance("70 s")
    assert server.commands.count("QUIT") == 1
    lab.send(CAROL)
    assert server.sessions == 2


def test_an_idle_session_that_the_host_has_closed_is_replaced(queue_world):
    lab = queue_world()
    server = lab.mx(message=["250 ok", "250 ok"])
    lab.deliver(keep_open=600)
    lab.send(CAROL)
    for endpoint in list(lab.world.network.endpoints):
        if endpoint.host.name == MX1:
            endpoint.reset()
    lab.send(CAROL)
    assert (len(server.messages), server.sessions) == (2, 2)
    assert lab.events("deferred") == []


def test_one_copy_for_all_recipients_of_a_destination(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.send(CAROL, "dan@gamma.example", BOB)
    assert len(server.messages) == 1
    assert len(lab.inbox("bob")) == 1


# The end ------------------------------------------------------------------------------


def test_every_message_has_an_end_of_its_own(queue_world):
    """Late ones are not given up together with early ones."""
    lab = queue_world(TWO_MX)
    lab.off(MX1)
    lab.off(MX2, "198.51.100.72")
    lab.deliver(expire=86_400.0)
    lab.put(CAROL)
    lab.world.advance("12 h")
    lab.put(CAROL)
    lab.world.advance("13 h")
    assert len(lab.queue) == 1
    assert len(lab.reports()) == 1
    lab.world.advance("12 h")
    assert len(lab.queue) == 0
    assert len(lab.reports()) == 2


def test_a_broken_session_is_the_messages_own_trouble(queue_world):
    lab = queue_world()
    server = lab.mx(message=["hang up", "250 ok"])
    lab.send(CAROL)
    lab.send(CAROL)
    assert len(lab.events("deferred")) == 1, "the second message was not held up"
    assert len(server.messages) == 2


def test_no_task_waits_for_a_message(queue_world):
    lab = queue_world()
    lab.off()
    for name in names(100):
        lab.put(name)
    lab.world.advance("4 min")
    import asyncio

    async def waiting():
        return [t for t in asyncio.all_tasks() if ALPHA in t.get_name()]

    tasks = [t.get_name() for t in lab.world.run(waiting())]
    assert sum("queue clock" in name for name in tasks) == 1
    assert sum("gamma.example" in name for name in tasks) == 0
