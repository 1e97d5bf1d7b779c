"""Mail in a world goes its way, or its sender is told why not."""

import asyncio
import base64
import email

import dns.message
import dns.rcode
import pytest

from maillab import open_world
from maillab.errors import LabError
from tests.worlds import FakeMX, Journal, queued, world_with_gamma

BOB = "bob@beta.example"
CAROL = "carol@gamma.example"
ONE_MX = "@ MX 10 mx1\n"
TWO_MX = "@ MX 10 mx1\n@ MX 20 mx2\n"


@pytest.fixture
def gamma(tmp_path):
    """`gamma(records)`: a world with a third domain; closed and checked at the end."""
    worlds = []

    def build(records=ONE_MX):
        worlds.append(world_with_gamma(tmp_path, records))
        return worlds[-1]

    yield build
    for world in worlds:
        failures = Journal(world).failures
        world.close()
        assert failures == []


@pytest.fixture
def two():
    with open_world("two-domains") as world:
        yield world
        assert Journal(world).failures == []


def send(world, *recipients):
    """Alice writes; nobody waits for more than the first try."""
    alice = world.user("alice")
    reply = alice.send(list(recipients), "Hello", "How are you?")
    world.settle()
    return reply


def inbox(world, name="alice"):
    return [message.content.decode() for message in world.mailbox(name).messages]


# Where mail goes ----------------------------------------------------------------------


def test_the_best_mail_exchanger_gets_it(gamma):
    world = gamma(TWO_MX)
    best, second = (
        FakeMX(world, "mx1.gamma.example"),
        FakeMX(world, "mx2.gamma.example"),
    )
    send(world, CAROL)
    assert (len(best.messages), second.sessions) == (1, 0)
    assert queued(world, "mail.alpha.example") == 0


@pytest.mark.parametrize("trouble", ["closed port", "off", "421", "451 banner"])
def test_the_second_exchanger_gets_it_when_the_first_is_dead(gamma, trouble):
    world = gamma(TWO_MX)
    if trouble == "off":
        world.add_host("mx1.gamma.example", "198.51.100.71").up = False
    elif trouble == "closed port":
        world.add_host("mx1.gamma.example", "198.51.100.71")
    else:
        FakeMX(world, "mx1.gamma.example", banner=f"{trouble[:3]} not now")
    second = FakeMX(world, "mx2.gamma.example")
    send(world, CAROL)
    assert len(second.messages) == 1
    tried = [event["to_host"] for event in world.trace.of_kind("attempt")]
    assert tried == ["mx1.gamma.example", "mx2.gamma.example"]


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data", "message"])
def test_who_says_later_is_not_the_last_one_asked(gamma, verb):
    """RFC 5321 §5.1: the addresses in the list, in order, until an attempt succeeds."""
    world = gamma(TWO_MX)
    first = FakeMX(world, "mx1.gamma.example", **{verb: "451 later"})
    second = FakeMX(world, "mx2.gamma.example")
    world.send("alice", CAROL, "Hello")
    assert (len(first.messages), len(second.messages)) == (verb == "message", 1)
    assert queued(world, "mail.alpha.example") == 0


def test_when_all_exchangers_say_later_mail_waits_once(gamma):
    world = gamma(TWO_MX)
    both = [FakeMX(world, f"mx{n}.gamma.example", rcpt="451 later") for n in (1, 2)]
    world.send("alice", CAROL, "Hello")
    assert [one.sessions for one in both] == [1, 1]
    [reason] = Journal(world).reasons("deferred")
    assert reason == "mx2.gamma.example said 451 later"


def test_a_domain_without_mx_is_reached_at_its_address(gamma):
    world = gamma("@ A 198.51.100.71\n")
    itself = FakeMX(world, "mx1.gamma.example")
    send(world, CAROL)
    assert len(itself.messages) == 1


def test_an_alias_is_followed_to_the_exchanger_of_its_target(gamma):
    world = gamma(ONE_MX + "office CNAME gamma.example.\n")
    server = FakeMX(world, "mx1.gamma.example")
    send(world, "carol@office.gamma.example")
    assert "RCPT TO:<carol@office.gamma.example>" in server.commands


@pytest.mark.parametrize("literal", ["[198.51.100.71]", "[IPv6:2001:db8::71]"])
def test_an_address_literal_is_reached_without_the_dns(gamma, literal):
    world = gamma()
    server = FakeMX(world, "mx1.gamma.example")
    v6 = world.add_host("six", "2001:db8::71")
    world.run(v6.listen(25, server.serve))
    send(world, f"carol@{literal}")
    assert len(server.messages) == 1


def test_a_null_mx_bounces_at_once(gamma):
    world = gamma("@ MX 0 .\n")
    send(world, CAROL)
    assert "null MX" in Journal(world).reasons("bounced")[0]
    assert "Status: 5.1.10" in inbox(world)[0]


def test_a_domain_that_does_not_exist_bounces_at_once(two):
    send(two, "x@nowhere.example")
    assert "NXDOMAIN" in inbox(two)[0]


def test_two_domains_that_point_at_each_other_end_the_loop(gamma):
    """gamma's MX is alpha's server, which has no such domain."""
    world = gamma("@ MX 10 mail.alpha.example.\n")
    send(world, CAROL)
    assert "itself" in Journal(world).reasons("bounced")[0]


def test_a_loop_stops_at_a_hundred_hops(two):
    hops = "".join(f"Received: from h{n} by h{n + 1}; now\r\n" for n in range(100))
    lines = ["EHLO pc", f"MAIL FROM:<alice@alpha.example>\r\nRCPT TO:<{BOB}>\r\nDATA"]
    with two.console("alice-pc", "mx.beta.example", 25) as console:
        for line in lines:
            console.send_raw(line.encode() + b"\r\n")
        reply = console.send_raw(f"{hops}\r\nround and round\r\n.\r\n".encode())
    assert reply == "554 5.4.6 Too many hops"
    assert inbox(two, "bob") == []


# What is refused for now --------------------------------------------------------------


@pytest.mark.parametrize("verb", ["banner", "mail", "rcpt", "message"])
def test_what_is_refused_for_now_arrives_at_the_second_try(gamma, verb):
    """Greylisting does this at RCPT."""
    world = gamma()
    server = FakeMX(world, "mx1.gamma.example", **{verb: ["451 later", "220 hi"]})
    send(world, CAROL)
    assert queued(world, "mail.alpha.example") == 1
    (deferred,) = world.trace.of_kind("deferred")
    assert deferred["next_try"] == 300
    assert "451 later" in deferred["reason"]
    world.advance("5 min")
    world.settle()
    assert queued(world, "mail.alpha.example") == 0
    assert b"How are you?" in server.messages[-1]
    assert inbox(world) == []


def test_a_server_that_hangs_up_without_a_reply_is_tried_again(gamma):
    world = gamma()
    server = FakeMX(world, "mx1.gamma.example", message=["hang up", "250 ok"])
    send(world, CAROL)
    assert queued(world, "mail.alpha.example") == 1
    world.advance("6 min")
    assert len(server.messages) == 2, "RFC 5321 §4.5.4.1: better twice than never"
    assert queued(world, "mail.alpha.example") == 0


def test_a_server_that_falls_silent_is_tried_again(gamma):
    world = gamma()
    server = FakeMX(world, "mx1.gamma.example", mail=["silence", "250 ok"])
    send(world, CAROL)
    world.advance("20 min")
    assert len(server.messages) == 1


def test_a_host_that_is_off_for_an_hour_gets_its_mail_afterwards(two):
    beta = two.hosts["mx.beta.example"]
    beta.up = False
    send(two, BOB)
    two.advance("1 h")
    assert inbox(two, "bob") == []
    beta.up = True
    two.advance("1 h")
    assert len(inbox(two, "bob")) == 1
    assert queued(two, "mail.alpha.example") == 0


class Broken(asyncio.DatagramProtocol):
    """A name server that says SERVFAIL to everything."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        response = dns.message.make_response(dns.message.from_wire(data))
        response.set_rcode(dns.rcode.SERVFAIL)
        self.transport.sendto(response.to_wire(), source)


def break_name_server(world, host):
    """Replace what answers at port 53; returns what puts it back."""
    answers = host.udp_ports.pop(53)
    opening = host.loop.create_datagram_endpoint(Broken, local_addr=("", 53))
    broken, _ = world.run(opening, on=host)

    def repair():
        broken.close()
        host.udp_ports[53] = answers

    return repair


def switch_off(world, host):
    host.up = False

    def repair():
        host.up = True

    return repair


@pytest.mark.parametrize(
    ("damage", "word"), [(switch_off, "timeout"), (break_name_server, "SERVFAIL")]
)
def test_a_dns_that_does_not_answer_defers(gamma, damage, word):
    world = gamma()
    server = FakeMX(world, "mx1.gamma.example")
    repair = damage(world, world.hosts["ns.gamma.example"])
    send(world, CAROL)
    (reason,) = Journal(world).reasons("deferred")
    assert word in reason
    repair()
    world.advance("10 min")
    assert len(server.messages) == 1


def test_a_failure_of_the_relay_itself_loses_nothing():
    with open_world("two-domains") as world:
        mta = world.server("mail.alpha.example").mta
        working, mta.relay = mta.relay, None
        send(world, BOB)
        assert "NoneType" in Journal(world).failures[0]
        assert queued(world, "mail.alpha.example") == 1
        mta.relay = working
        world.advance("10 min")
        assert len(inbox(world, "bob")) == 1


def test_after_five_days_the_sender_is_told(two):
    two.hosts["mx.beta.example"].up = False
    send(two, BOB)
    two.advance("4 days")
    assert inbox(two) == []
    two.advance("2 days")
    (bounce,) = inbox(two)
    assert "Connection timed out" in bounce
    assert "Action: failed" in bounce
    assert queued(two, "mail.alpha.example") == 0


# What is refused for good -------------------------------------------------------------


@pytest.mark.parametrize("verb", ["banner", "mail", "rcpt", "data", "message"])
def test_what_is_refused_for_good_comes_back_at_once(gamma, verb):
    world = gamma()
    server = FakeMX(world, "mx1.gamma.example", **{verb: "550 5.7.1 Go away"})
    send(world, CAROL)
    assert server.sessions == 1
    (bounce,) = inbox(world)
    assert bounce.startswith("Return-Path: <>\r\n")
    assert f"Final-Recipient: rfc822; {CAROL}" in bounce
    assert "Status: 5.7.1" in bounce
    assert "550 5.7.1 Go away" in bounce
    assert "Subject: Hello" in bounce
    assert queued(world, "mail.alpha.example") == 0


def test_one_recipient_of_three_is_refused(gamma):
    world = gamma()
    server = FakeMX(
        world, "mx1.gamma.example", rcpt=["250 ok", "550 5.1.1 Nobody", "250 ok"]
    )
    names = ["ann", "ben", "cat"]
    send(world, *[f"{name}@gamma.example" for name in names])
    assert len(server.messages) == 1
    (bounce,) = inbox(world)
    assert "ben@gamma.example" in bounce
    assert "Final-Recipient: rfc822; ann" not in bounce
    assert "Final-Recipient: rfc822; cat" not in bounce


def test_recipients_in_two_domains_are_settled_each_for_itself(gamma):
    world = gamma()
    FakeMX(world, "mx1.gamma.example", rcpt="451 later")
    send(world, BOB, CAROL)
    assert len(inbox(world, "bob")) == 1
    (entry,) = world.server("mail.alpha.example").mta.queue.entries.values()
    assert [str(path) for path in entry.recipients] == [CAROL]
    world.advance("6 days")
    assert len(inbox(world, "bob")) == 1, "not once more at every try"
    assert len(inbox(world)) == 1


def test_a_bounce_is_never_bounced(gamma):
    world = gamma()
    server = FakeMX(world, "mx1.gamma.example", rcpt="550 5.1.1 Nobody")
    with world.console("bob-pc", "mx.beta.example", 587) as console:
        console.say("EHLO pc")
        console.say("AUTH PLAIN AGJvYkBiZXRhLmV4YW1wbGUAc3Bvbmdl")
        console.say(f"MAIL FROM:<{CAROL}>")
        console.say("RCPT TO:<nobody@nowhere.example>")
        console.say("DATA")
        assert console.say("Subject: x", "", "x", ".").startswith("250")
    world.settle()
    assert server.commands.count("MAIL FROM:<>") == 1
    assert queued(world, "mx.beta.example") == 0
    assert len(world.trace.of_kind("bounced")) == 2
    assert inbox(world) == inbox(world, "bob") == []


def test_mail_for_strangers_is_taken_from_nobody(two):
    with two.console("bob-pc", "mail.alpha.example", 25) as console:
        console.say("EHLO pc")
        console.say("MAIL FROM:<x@nowhere.example>")
        reply = console.say("RCPT TO:<y@nowhere.example>")
    assert reply == "550 5.7.1 Relaying denied"


def test_what_is_not_an_address_is_said_before_anything_is_sent(two):
    with pytest.raises(LabError, match="bob"):
        two.user("alice").send("bob", "Hello")
    assert two.trace.sessions == []


def test_a_mail_program_breaks_lines_that_are_too_long_for_smtp():
    long = "word " * 400 + "end"
    with open_world("hello") as world:
        world.send("alice", "bob@hello.example", "Long", long)
        letter = email.message_from_bytes(world.mailbox("bob").messages[0].content)
    assert letter["Content-Transfer-Encoding"] == "quoted-printable"
    assert letter.get_payload(decode=True).decode().rstrip() == long


def test_nobody_logs_in_for_somebody_else():
    """RFC 4616 §2: the authorization identity is checked, not ignored."""
    login = b"bob@hello.example\0alice@hello.example\0rabbit-hole"
    own = login.replace(b"bob@hello.example", b"")
    with (
        open_world("hello") as world,
        world.console("alice-pc", "mail.hello.example", 587) as console,
    ):
        console.say("EHLO alice-pc")
        refused = console.say(f"AUTH PLAIN {base64.b64encode(login).decode()}")
        taken = console.say(f"AUTH PLAIN {base64.b64encode(own).decode()}")
    assert refused.startswith("535 5.7.8")
    assert taken.startswith("235 2.7.0")


def test_a_console_that_was_left_open_holds_nobody_up(two):
    console = two.console("alice-pc", "mx.beta.example", 25)
    two.advance("10 min")  # the server has said 421 and is gone
    began = two.time
    two.send("alice", BOB, "Hello")
    assert two.time - began < 10
    console.close()
