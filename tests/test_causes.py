"""What led to what: found by rules, in worlds in which one thing goes wrong each."""

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.trace.causing.causes import RULES, causes_of
from maillab.trace.causing.known import Known
from maillab.trace.events import KINDS
from maillab.trace.recorder import Trace
from maillab.trace.sample import Talk, letter
from tests.queue_worlds import CAROL
from tests.worlds import plain_world

ALPHA, BETA, BOB = "mail.alpha.example", "mx.beta.example", "bob@beta.example"


@pytest.fixture
def world():
    with plain_world() as opened:
        yield opened


@pytest.fixture(scope="module")
def settled():
    """A letter that was read."""
    with plain_world() as opened:
        opened.send("alice", BOB, "Hello")
        opened.read("bob")
        yield opened


def led_to(world, *kinds):
    """The kinds of everything that led to the last event of these kinds."""
    chain = world.why(world.trace.of_kind(*kinds)[-1])
    return [step.event.kind for step in chain.steps], chain.root


def is_in_order(found, *wanted):
    """The wanted kinds follow each other in this order."""
    rest = iter(found)
    return all(kind in rest for kind in wanted)


# Messages -----------------------------------------------------------------------------


def test_from_the_reader_back_to_the_writer(settled):
    kinds, root = led_to(settled, "fetched")
    way = ("fetched", "delivered", "accepted", "attempt", "accepted", "submitted")
    assert is_in_order(kinds, *way)
    assert kinds.count("dns") >= 4  # root, registry, MX, A
    assert root.kind == "submitted"
    assert root.host == "alice-pc"


def test_a_host_that_took_it_is_why_it_was_relayed(settled):
    relayed = settled.trace.of_kind("relayed")[-1]
    causes = settled.trace.causes(relayed)
    assert [(e.kind, e.host) for e in causes] == [
        ("attempt", ALPHA),
        ("accepted", BETA),
    ]


def test_a_bounce_leads_to_the_reply_and_to_the_verdict_for_this_recipient(world):
    world.user("alice").send("nobody@beta.example", "Hello", "")
    world.settle()
    kinds, root = led_to(world, "bounced")
    assert kinds[:3] == ["bounced", "line", "policy"]
    assert root["subject"] == "RCPT TO:<nobody@beta.example>"
    assert root["setting"] == "recipients.refuse_unknown"
    kinds, _ = led_to(world, "dsn")
    assert kinds[:3] == ["dsn", "bounced", "line"]


def test_the_report_was_made_because_of_the_bounce(world):
    world.send("alice", "nobody@beta.example", "Hello")
    world.read("alice")
    kinds, _ = led_to(world, "fetched")
    way = ("fetched", "delivered", "accepted", "bounced", "line", "policy")
    assert is_in_order(kinds, *way)


def test_what_was_put_off_is_tried_again_and_not_explained_twice(world):
    world.fault("RCPT", host=BETA, reply="451 4.3.0 Later", times=2)
    world.send("alice", BOB, "Hello")
    world.advance("1 h")
    world.settle()
    kinds, _ = led_to(world, "delivered")
    assert kinds.count("deferred") == 1
    first, second = world.trace.of_kind("deferred")
    assert second.number in [
        e.number for e in world.trace.causes(last(world, "attempt"))
    ]
    kinds = [step.event.kind for step in world.why(first).steps]
    assert kinds[:3] == ["deferred", "line", "fault"]


def last(world, kind):
    return world.trace.of_kind(kind)[-1]


def test_an_alias_is_why_it_lies_in_this_mailbox(world):
    world.configure(BETA, recipients={"aliases": {"info@beta.example": [BOB]}})
    world.send("alice", "info@beta.example", "Hello")
    kinds, _ = led_to(world, "delivered")
    assert "mediated" in kinds
    assert is_in_order(kinds, "delivered", "accepted", "attempt", "submitted")


def test_messages_that_wait_for_one_dead_host_share_its_failure(world):
    world.power_off(BETA)
    world.user("alice").send(BOB, "one", "")
    world.user("alice").send(BOB, "two", "")
    world.settle()
    deferred = world.trace.of_kind("deferred")
    assert len({e["message"] for e in deferred}) == 2
    for event in deferred:
        chain = world.why(event)
        assert "timed_out" in [step.event.kind for step in chain.steps]
        assert chain.root.kind == "power"


def test_what_was_put_off_for_too_long_is_given_up(world):
    world.power_off(BETA)
    world.send("alice", BOB, "Hello")
    world.advance("6 days")
    chain = world.why(last(world, "bounced"))
    assert chain.steps[0].configured.startswith("delivery.expire: ")
    assert chain.root.kind == "power"
    assert len(chain.steps) < 40  # not every try of five days


def test_the_middlebox_is_why_there_was_no_offer_of_tls():
    with open_world("two-domains") as world:
        world.configure(ALPHA, remote_domains={"beta.example": {"tls": "encrypt"}})
        rule = {"direction": "out", "protocol": "tcp", "ports": 25}
        world.add_rule(ALPHA, action="strip-starttls", **rule)
        world.send("alice", BOB, "Hello")
        kinds, root = led_to(world, "deferred")
    assert kinds[:2] == ["deferred", "rule"]
    assert root["action"] == "strip-starttls"


def test_a_host_that_offers_no_tls_is_why_it_was_put_off(queue_world):
    lab = queue_world()
    lab.mx()
    lab.deliver(tls="encrypt")
    lab.send(CAROL)
    _, reply, *_ = [s.event for s in lab.world.why(last(lab.world, "deferred")).steps]
    assert reply["octets"].startswith(b"250")
    assert reply["speaker"] == "S"


def test_tls_that_failed_is_why_it_was_put_off():
    with open_world("two-domains") as world:
        world.configure(ALPHA, remote_domains={"beta.example": {"tls": "encrypt"}})
        world.fault("TLS", host=BETA, disconnect=True)
        world.send("alice", BOB, "Hello")
        kinds, root = led_to(world, "deferred")
    assert kinds[:2] == ["deferred", "tls_failed"]
    assert root.kind in ("fault", "tls_failed")


# The network --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "kind"),
    [("drop", "timed_out"), ("reject", "refused"), ("prohibit", "unreachable")],
)
def test_a_rule_is_why_a_connection_failed(world, action, kind):
    world.add_rule(ALPHA, action=action, direction="out", protocol="tcp", ports=25)
    world.send("alice", BOB, "Hello")
    kinds, root = led_to(world, "deferred")
    assert kinds[:3] == ["deferred", kind, "rule"]
    assert kinds.count("rule") == 1
    assert (root["action"], root["number"]) == (action, 1)


def test_a_lost_datagram_is_why_the_dns_did_not_answer(world):
    world.add_rule(ALPHA, action="drop", direction="out", protocol="udp", ports=53)
    world.send("alice", BOB, "Hello")
    kinds, root = led_to(world, "deferred")
    assert kinds[:4] == ["deferred", "dns", "datagram", "rule"]
    assert root.host == ALPHA


def test_a_name_that_does_not_exist_is_why(world):
    world.send("alice", "x@nowhere.example", "Hello")
    _, root = led_to(world, "bounced")
    assert (root.kind, root["rcode"]) == ("dns", "NXDOMAIN")
    assert root["question"] == "nowhere.example"


def test_a_resolver_asks_others_first():
    with open_world("home-server") as world:
        world.send("alice", "dora@megapost.example", "Hello")
        answer = next(e for e in world.trace.of_kind("dns") if e["type"] == "MX")
        found = world.trace.of_kind("dns")
        stub = [e for e in found if e.host == "mail.home.example" and e["type"] == "MX"]
        causes = world.trace.causes(stub[-1])
        assert [e.host for e in causes if e.kind == "dns"] == ["dns.provider.example"]
        assert answer.host == "dns.provider.example"


# Verdicts -----------------------------------------------------------------------------


def test_wrong_logins_are_why_somebody_is_banned():
    with open_world("nas-office") as world:
        with world.console("bot", "mail.office.example", 110) as bot:
            for guess in ("1234", "carol", "letmein", "qwerty", "office"):
                bot.say("USER carol")
                bot.say(f"PASS {guess}")
        world.console("bot", "mail.office.example", 25).close()
        kinds, root = led_to(world, "reset")
        ban = world.trace.of_kind("ban")[-1]
        logins = world.trace.causes(ban)
    assert kinds[:3] == ["reset", "policy", "ban"]
    assert root.kind == "ban"
    assert [e.kind for e in logins].count("auth") == 4
    assert logins[-1]["octets"] == b"PASS office\r\n"  # its login is told after the ban


def test_greylisting_remembers_whom_it_has_met(world):
    world.configure(BETA, defence={"greylisting": {"delay": "5 min"}})
    world.send("alice", BOB, "Hello")
    kinds, root = led_to(world, "deferred")
    assert kinds[:4] == ["deferred", "line", "policy", "greylist"]
    assert root["setting"] == "defence.greylisting.delay"
    world.advance("1 h")
    first, again = world.trace.of_kind("greylist")
    assert [e.number for e in world.trace.causes(again)] == [first.number]


def test_the_answer_of_the_dns_is_why_a_sender_is_refused(world):
    world.configure(BETA, access={"check_sender_domain": True})
    with world.console("alice-pc", BETA, 25) as console:
        console.say("EHLO x")
        assert console.say("MAIL FROM:<x@nowhere.example>").startswith("550")
    refused = [e for e in world.trace.of_kind("policy") if e["verdict"] == "refuse"]
    causes = world.trace.causes(refused[-1])
    names = [(e["question"], e["rcode"]) for e in causes if e.kind == "dns"]
    assert ("nowhere.example", "NXDOMAIN") in names


# Rules of the rules -------------------------------------------------------------------


def test_what_an_event_says_itself_comes_first():
    trace = Trace(strict=True)
    trace.emit("note", "a", "", 1, text="one")
    trace.emit("note", "a", "", 2, text="two")
    trace.emit("note", "a", "", 3, text="three", cause=(2, 1, 99))
    assert [e.number for e in trace.causes(3)] == [1, 2]
    assert [step.event.number for step in trace.why(3).steps] == [3, 2, 1]


def test_a_cause_is_always_earlier_and_every_chain_ends(world):
    world.send("alice", BOB, "Hello")
    world.send("alice", "nobody@beta.example", "Hello")
    world.read("bob", "POP3")
    known = Known(world.trace)
    for event in known.events:
        assert all(cause.number < event.number for cause in causes_of(known, event))
    assert {event.kind for event in known.events} <= set(KINDS)


def test_a_seat_has_causes_of_what_it_saw(world):
    world.send("alice", "nobody@beta.example", "Hello")
    seen = world.trace.as_seen_by(ALPHA)
    bounced = seen.of_kind("bounced")[-1]
    kinds = [step.event.kind for step in seen.why(bounced).steps]
    assert "line" in kinds
    assert "policy" not in kinds[:3]  # that was in the head of the other host


def test_rules_are_for_kinds_that_exist():
    assert set(RULES) <= set(KINDS)


def test_a_reply_was_heard_where_only_the_client_is_ours():
    trace = Trace(strict=True)
    talk = Talk(trace, engines="C")
    talk.connect()
    talk.say("C", "RCPT TO:<bob@beta.example>")
    talk.say("S", "550 5.1.1 No such user")
    reply = trace.of_kind("line")[-1]
    assert [e.kind for e in trace.causes(reply)] == ["line"]


def test_a_letter_without_agents_has_causes_too():
    trace = letter()
    refusal = next(e for e in trace.of_kind("line") if b"550" in e["octets"])
    chain = trace.why(refusal)
    assert "RCPT TO:<carol@gamma.example>" in chain.text()
    assert chain.steps[-1].event.kind == "connect"


@pytest.mark.parametrize("wrong", [0, 99999, "bob", 1.5])
def test_what_is_no_event_is_told(wrong):
    with pytest.raises(LabError, match=r"type trace\.of_kind"):
        letter().why(wrong)
