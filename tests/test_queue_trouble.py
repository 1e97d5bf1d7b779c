"""The queue when something goes wrong in the middle: nothing lost, doubled or stuck."""

import asyncio
import errno

import pytest

from maillab.dns.answers import Answer
from maillab.errors import LabError
from maillab.policy.recipient_settings import MailingList, Recipients
from maillab.policy.settings import SmartHost
from maillab.store.queue import Queue
from tests.queue_worlds import ALICE, ALPHA, BOB, CAROL, MX1, MX2, TWO_MX

DAN, ERIN = "dan@gamma.example", "erin@gamma.example"


def full(*_args, **_more):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_who_is_released_during_a_try_gets_the_message_once(queue_world):
    lab = queue_world()
    server = lab.mx()
    entry = lab.put(CAROL)
    lab.world.advance(0.05)
    assert lab.queue.busy
    lab.queue.hold(entry.id)
    lab.queue.release(entry.id)
    lab.world.settle()
    assert len(server.messages) == 1
    assert len(lab.queue) == 0


def test_released_during_a_try_that_fails_is_tried_again(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt=["451 later", "250 ok"])
    entry = lab.put(CAROL)
    lab.world.advance(0.05)
    lab.queue.hold(entry.id)
    lab.queue.release(entry.id)
    lab.world.advance("1 h")
    assert len(server.messages) == 1
    assert len(lab.queue) == 0


def test_who_did_not_fit_in_waits_when_the_message_is_held_meanwhile(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt=["250 ok", "452 4.5.3 too many", "250 ok"])
    entry = lab.put(CAROL, DAN)
    lab.world.advance(0.05)
    assert lab.queue.busy
    lab.queue.hold(entry.id)
    lab.world.advance("1 h")
    assert len(server.messages) == 1
    assert list(map(str, entry.recipients)) == [DAN]
    lab.queue.release(entry.id)
    lab.world.settle()
    assert len(server.messages) == 2
    assert len(lab.queue) == 0


def test_a_session_that_dies_loses_nobody_who_was_too_many_for_it(queue_world):
    lab = queue_world(TWO_MX)
    hello = "250-mx1\r\n250 LIMITS RCPTMAX=1"
    lab.mx(MX1, ehlo=hello, mail="hang up")
    server = lab.mx(MX2)
    lab.send(CAROL, DAN, ERIN)
    lab.world.advance("2 h")
    rcpt = [line for line in server.commands if line.startswith("RCPT")]
    assert len(rcpt) == 3
    assert len(lab.queue) == 0


def test_a_kept_session_that_dies_loses_nobody_who_was_too_many_for_it(queue_world):
    lab = queue_world()
    hello = "250-mx1\r\n250 LIMITS RCPTMAX=1"
    server = lab.mx(ehlo=hello, mail=["250 ok", "hang up", "250 ok"])
    lab.deliver(keep_open=60.0)
    lab.send(CAROL)
    lab.send(CAROL, DAN, ERIN)
    lab.world.advance("2 h")
    rcpt = [line for line in server.commands if line.startswith("RCPT")]
    assert len(rcpt) == 4
    assert len(lab.queue) == 0


def test_the_clock_of_the_queue_survives_a_failure_of_ours(queue_world, monkeypatch):
    lab = queue_world()
    lab.forgive()
    server = lab.mx(rcpt=["451 later"] * 3 + ["250 ok"])
    lab.deliver(delay_warning=600.0)
    with monkeypatch.context() as patch:
        patch.setattr(lab.mta.reporter, "warn", full)
        lab.send(CAROL)
        lab.world.advance("11 min")
    lab.world.advance("3 h")
    assert len(server.messages) == 1
    assert len(lab.queue) == 0


def test_no_message_is_forgotten_while_the_disk_is_full(queue_world, monkeypatch):
    lab = queue_world()
    lab.forgive()
    host = lab.off()
    lab.deliver(concurrency=1)
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "note", full)
        for name in (CAROL, DAN, ERIN):
            lab.put(name)
        lab.world.advance("10 min")
    host.up = True
    server = lab.mx()
    lab.world.advance("10 h")
    assert len(server.messages) == 3
    assert len(lab.queue) == 0


@pytest.mark.parametrize("reply", ["250 2.0.0 ok", "220 what?"])
def test_who_says_yes_before_the_content_has_nothing(queue_world, reply):
    lab = queue_world()
    server = lab.mx(data=[reply, "354 go on"])
    lab.send(CAROL)
    lab.world.advance("6 min")
    assert len(server.messages) == 1
    assert len(lab.queue) == 0


def test_who_says_354_to_the_content_gets_no_more_in_this_session(queue_world):
    """Else each reply would be taken for that of the next command."""
    lab = queue_world()
    server = lab.mx(message=["354 go on\r\n250 ok", "250 ok"])
    lab.deliver(concurrency=1)
    lab.put(CAROL)
    lab.put(DAN)
    lab.world.advance("2 h")
    assert "does not speak SMTP" in lab.reasons("deferred")[0]
    assert len(lab.queue) == 0
    assert all(b"How are you?" in content for content in server.messages)


def test_a_552_for_too_many_recipients_is_no_refusal(queue_world):
    """RFC 5321 §4.5.3.1.10."""
    lab = queue_world()
    server = lab.mx(rcpt=["250 ok", "552 too many recipients", "250 ok"])
    lab.send(CAROL, DAN)
    lab.world.advance("2 h")
    assert len(server.messages) == 2


def test_a_dns_failure_of_the_implicit_exchanger_is_no_bounce(queue_world):
    lab = queue_world("")
    real = lab.mta.relay.resolver.resolve

    async def resolve(name, rdtype="A"):
        if rdtype in ("A", "AAAA") and name == "gamma.example":
            return Answer(name, rdtype, "SERVFAIL")
        return await real(name, rdtype)

    lab.mta.relay.resolver.resolve = resolve
    lab.send(CAROL)
    assert lab.reports() == []
    assert len(lab.queue) == 1


def test_while_the_dns_fails_for_one_exchanger_a_bad_one_is_no_reason(queue_world):
    lab = queue_world("@ MX 10 mx1\n@ MX 20 other\nother CNAME mx1\n")
    real = lab.mta.relay.resolver.resolve

    async def resolve(name, rdtype="A"):
        if rdtype in ("A", "AAAA") and name == MX1:
            return Answer(name, rdtype, "SERVFAIL")
        return await real(name, rdtype)

    lab.mta.relay.resolver.resolve = resolve
    lab.send(CAROL)
    assert lab.reports() == []
    [reason] = lab.reasons("deferred")
    assert reason == f"the DNS did not answer for {MX1} (SERVFAIL)"


class HalfAnLMTPServer:
    """Says yes for the first recipient, and then the line is cut, once."""

    def __init__(self, world, end):
        self.got, self._end = [], end
        host = world.add_host("store.alpha.example", "198.51.100.99")
        world.run(host.listen(24, self.serve))

    async def serve(self, stream):
        says = {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
        stream.write(b"220 store\r\n")
        recipients = []
        while data := await stream.read():
            for line in data.split(b"\r\n"):
                verb = line[:4]
                if verb == b"RCPT":
                    recipients.append(line)
                if verb in (b"LHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"):
                    stream.write(says.get(verb, b"250 ok\r\n"))
                elif line == b"." and await self.store(stream, recipients):
                    return

    async def store(self, stream, recipients):
        cut = not self.got
        for one in recipients[:1] if cut else recipients:
            self.got.append(one)
            stream.write(b"250 stored\r\n")
        if cut:
            await asyncio.sleep(1)
            getattr(stream, self._end)()
        return cut


@pytest.mark.parametrize("end", ["hang_up", "abort"])
def test_who_was_served_by_lmtp_before_the_line_was_cut_gets_it_once(queue_world, end):
    lab = queue_world()
    store = HalfAnLMTPServer(lab.world, end)
    lab.deliver(lmtp="[198.51.100.99]:24")
    lab.send(ALICE, "anna@alpha.example")
    lab.world.advance("1 h")
    assert len(store.got) == 2
    assert len(set(store.got)) == 2
    assert len(lab.queue) == 0


def test_who_has_the_message_does_not_get_it_again_for_want_of_a_report(
    queue_world, monkeypatch
):
    lab = queue_world()
    lab.forgive()
    server = lab.mx(rcpt=["250 ok", "550 5.1.1 nobody"])
    with monkeypatch.context() as patch:
        patch.setattr(lab.mta, "inject", full)
        lab.send(CAROL, DAN)
        lab.world.advance("1 h")
    lab.world.advance("10 h")
    assert len(server.messages) == 1
    assert [one.recipients[0].final for one in lab.reports()] == [DAN]
    assert len(lab.queue) == 0


def test_who_is_given_up_waits_until_that_can_be_reported(queue_world, monkeypatch):
    lab = queue_world()
    lab.forgive()
    lab.off()
    lab.deliver(expire=600.0)
    with monkeypatch.context() as patch:
        patch.setattr(lab.mta, "inject", full)
        lab.send(CAROL)
        lab.world.advance("1 h")
        assert len(lab.queue) == 1
    lab.world.advance("2 h")
    assert len(lab.reports()) == 1
    assert len(lab.queue) == 0


def test_a_list_that_is_its_own_owner_makes_no_circle(queue_world):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 nobody")
    everybody = MailingList(
        "all@alpha.example", (CAROL, BOB), owner="all@alpha.example"
    )
    lab.set(recipients=Recipients(lists=(everybody,)))
    lab.send("all@alpha.example")
    lab.world.advance("1 h")
    assert len(lab.events("dsn")) == 1
    assert len(lab.reports("bob")) == 1
    assert len(lab.actions("badmail")) == 1
    assert len(lab.queue) == 0


def test_what_cannot_be_stored_is_not_acknowledged(queue_world, monkeypatch):
    lab = queue_world()
    lab.forgive()
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "add", full)
        with pytest.raises(LabError, match="451"):
            lab.world.send("alice", BOB, "Hello")
    assert lab.events("accepted") == []
    lab.world.send("alice", BOB, "Hello")
    assert len(lab.inbox("bob")) == 1


# What strangers may have thought of ---------------------------------------------------


@pytest.mark.parametrize("local_part", ["a\u00a0b", "a\u2028b", "a\u200bb", "\ue000"])
def test_every_address_that_is_taken_can_be_sent_on(queue_world, local_part):
    lab = queue_world()
    server = lab.mx(ehlo="250-mx1\r\n250 SMTPUTF8")
    lab.send(f"{local_part}@gamma.example", SMTPUTF8=None)
    assert len(server.messages) == 1


def test_parts_in_parts_in_parts_are_bounced_and_no_session_stays_open(queue_world):
    lab = queue_world()
    server = lab.mx(ehlo="250 mx1")
    nested = b"Content-Type: message/rfc822\r\n\r\n" * 1500
    lab.send(CAROL, content=nested + b"\r\n\xff\r\n", BODY="8BITMIME")
    assert [one.recipients[0].status for one in lab.reports()] == ["5.6.3"]
    assert server.commands[-1] == "QUIT"


def test_a_failure_of_ours_leaves_no_session_open(queue_world, monkeypatch):
    lab = queue_world()
    lab.mx()
    lab.forgive()
    monkeypatch.setattr("maillab.agents.relay_session.mail_parameters", full_of_bugs)
    lab.send(CAROL)
    assert {event.host for event in lab.events("fin")} == {ALPHA, MX1}
    assert len(lab.queue) == 1


def full_of_bugs(*_args, **_more):
    raise KeyError("a bug")


def test_a_smart_host_login_that_cannot_be_said_is_no_failure_of_ours(queue_world):
    lab = queue_world()
    lab.mx(ehlo="250-mx1\r\n250 AUTH SCRAM-SHA-256")
    host = SmartHost(MX1, user="ann", password="\x07", tls="none")
    lab.deliver(smart_host=host)
    entry = lab.send(CAROL)
    assert "may not have" in entry.recipients[0].reason


def test_no_control_characters_get_into_a_report(queue_world):
    lab = queue_world()
    lab.mx(rcpt="550 no\n.\nMAIL FROM:<x>\r\x1b[31m")
    odd = "x+0D+0AAction:+20delivered+00+1B"
    lab.send(CAROL, ENVID=odd, asked={"ORCPT": f"rfc822;{odd}"})
    (report,) = lab.inbox()
    assert set(report) & set(range(32)) == set(b"\r\n\t")
    assert report.count(b"\r") == report.count(b"\n") == report.count(b"\r\n")
    assert [one.action for one in lab.reports()[0].recipients] == ["failed"]
