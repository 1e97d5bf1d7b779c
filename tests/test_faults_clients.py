"""What clients make of planned faults: the relay and the mail program."""

import pytest

from maillab import open_world
from maillab.errors import LabError, RemoteProtocolError
from tests.worlds import Journal, queued

MX = "mx.beta.example"
CLOSED = f"{MX}: the server closed the connection"
RESET = f"{MX} [203.0.113.25]: Connection reset by peer"
REFUSED = f"{MX} said 451 4.3.0 As planned"
EFFECTS = {
    "disconnect": (True, CLOSED),
    "reset": (True, RESET),
    "half_reply": (True, CLOSED),
    "truncated_tls": (True, CLOSED),
    "reply": ("451 4.3.0 As planned", REFUSED),
}
IN_TLS = ("MAIL", "RCPT", "DATA", "message")
SECURE = ("tls", *IN_TLS, "USER", "PASS", "STAT", "RETR", "LOGIN", "SELECT", "FETCH")


@pytest.fixture
def world():
    with open_world("two-domains") as opened:
        opened.trace.strict = True
        yield opened
        assert Journal(opened).failures == []


def copies(world):
    return len(world.mailbox("bob").messages)


def send(world):
    world.send("alice", "bob@beta.example", "Hello", "Hi")


# The relay ----------------------------------------------------------------------------


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("stage", ["greeting", "EHLO", "STARTTLS", *IN_TLS, "QUIT"])
def test_a_relay_defers_with_the_reason_and_tries_again(world, stage, effect):
    value, reason = EFFECTS[effect]
    planned = world.fault(stage, host=MX, port=25, times=1, **{effect: value})
    send(world)
    clear = stage in ("greeting", "STARTTLS")  # where no TLS can break off
    strikes = not (clear and effect == "truncated_tls")
    ours = (stage, effect) == ("STARTTLS", "reply") or stage == "QUIT"
    assert planned.hits == strikes
    deferred = [] if ours or not strikes else [reason]
    assert Journal(world).reasons("deferred") == deferred
    world.advance("2 h")
    lost_250 = stage == "message" and effect != "reply"  # RFC 1047
    assert copies(world) == (2 if lost_250 else 1)
    assert queued(world, "mail.alpha.example") == 0
    assert not Journal(world).reasons("bounced")


def test_a_relay_is_patient_and_then_it_is_not(world):
    late = world.fault("message", host=MX, delay=590, times=1)
    too_late = world.fault("message", host=MX, delay=700, times=1)
    send(world)
    assert not Journal(world).reasons("deferred")
    send(world)
    world.advance("3 h")
    [reason] = Journal(world).reasons("deferred")
    assert reason == f"{MX}: the server did not answer in time"
    assert (late.hits, too_late.hits) == (1, 1)
    assert copies(world) == 3, "the second letter was accepted, but nobody heard it"


def test_a_permanent_refusal_bounces_at_once(world):
    world.fault("RCPT", host=MX, recipient="bob@*", reply="550 5.7.1 As planned")
    send(world)
    [reason] = Journal(world).reasons("bounced")
    assert reason == f"{MX} said 550 5.7.1 As planned"
    assert b"550 5.7.1 As planned" in world.read("alice")[-1]


def test_one_sender_is_greylisted_and_the_others_are_not(world):
    world.fault("RCPT", host=MX, sender="alice@*", reply="451 4.7.1 Later", times=1)
    send(world)
    assert copies(world) == 0
    world.user("bob").send("bob@beta.example", "from myself")
    world.settle()
    assert copies(world) == 1
    world.advance("2 h")
    assert copies(world) == 2


def test_five_days_of_faults_end_in_a_bounce(world):
    planned = world.fault("greeting", host=MX, protocol="smtp", reply="421 4.3.2 Full")
    send(world)
    world.advance("6 days")
    assert planned.hits > 10
    assert len(Journal(world).reasons("bounced")) == 1
    assert queued(world, "mail.alpha.example") == 0


# TLS ----------------------------------------------------------------------------------


def records(octets):
    """The whole records of TLS from the first on, and what is left of the last one."""
    at = octets.index(b"\x16\x03")
    found = []
    while len(octets) >= at + 5:
        end = at + 5 + int.from_bytes(octets[at + 3 : at + 5], "big")
        if end > len(octets):
            break
        found.append(octets[at:end])
        at = end
    return found, octets[at:]


@pytest.mark.parametrize(("protocol", "verb"), [("POP3", "RETR"), ("IMAP", "FETCH")])
@pytest.mark.parametrize("where", ["handshake", "session"])
def test_tls_breaks_off_in_the_middle_of_a_record(world, protocol, verb, where):
    send(world)
    stage = "tls" if where == "handshake" else verb
    name = protocol.lower()
    world.fault(stage, host=MX, protocol=name, truncated_tls=True, times=1)
    with pytest.raises((RemoteProtocolError, ConnectionResetError)):
        world.read("bob", protocol)
    session = world.trace.session(protocol=protocol)
    whole, rest = records(session.wire("S"))
    assert rest, "the last record is not whole"
    assert whole
    assert session.find("fin").host == MX
    assert not session.find("reset")
    assert bool(session.find("tls")) == (where == "session")
    assert len(world.read("bob", protocol)) == 1, "the next time all is well"


@pytest.mark.parametrize("effect", ["truncated_tls", "disconnect", "reset"])
def test_a_relay_goes_without_tls_when_the_handshake_fails(world, effect):
    planned = world.fault("tls", host=MX, port=25, **{effect: True})
    send(world)
    assert planned.hits == 1
    assert copies(world) == 1
    assert not Journal(world).reasons("deferred")
    first, second = world.trace.find_sessions(server=MX, port=25)
    assert first.find("fault")
    assert b"MAIL FROM" in second.wire("C"), "in the clear (RFC 7435 §3)"


def test_a_late_handshake_is_a_handshake(world):
    planned = world.fault("tls", delay=30)
    send(world)
    assert len(world.read("bob", "IMAP")) == 1
    assert planned.hits == 3
    assert len(world.trace.of_kind("tls")) == 6


def test_a_port_with_implicit_tls_has_the_same_stages(world):
    world.fault("tls", port=993, truncated_tls=True, times=1)
    world.fault("greeting", port=993, truncated_tls=True, times=1)
    world.fault("greeting", port=993, delay=5, times=1)

    async def greeting():
        stream = await world.hosts["bob-pc"].connect(MX, 993)
        context = world.ca.client_context()
        await stream.start_tls(context, server_side=False, server_name=MX)
        return await stream.read()

    with pytest.raises(ConnectionResetError, match="during the TLS handshake"):
        world.run(greeting(), on="bob-pc")
    assert world.run(greeting(), on="bob-pc") == b""
    began = world.time
    assert world.run(greeting(), on="bob-pc").startswith(b"* OK")
    assert world.time - began > 5
    whole, rest = records(world.trace.sessions[-2].wire("S"))
    assert whole
    assert rest


# The mail program ---------------------------------------------------------------------

READING = {
    "POP3": ["greeting", "CAPA", "STLS", "tls", "USER", "PASS", "STAT", "RETR"],
    "IMAP": ["greeting", "CAPABILITY", "STARTTLS", "tls", "LOGIN", "SELECT", "FETCH"],
}
NO = {"POP3": "-ERR [SYS/TEMP] As planned", "IMAP": "NO [UNAVAILABLE] As planned"}
STAGES = [(protocol, stage) for protocol, found in READING.items() for stage in found]


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize(("protocol", "stage"), STAGES)
def test_a_reader_says_what_went_wrong(world, protocol, stage, effect):
    send(world)
    if stage == "tls" and effect in ("reply", "half_reply"):
        return  # a handshake has no reply
    if stage not in SECURE and effect == "truncated_tls":
        return  # no TLS yet
    value = NO[protocol] if effect == "reply" else True
    world.fault(stage, protocol=protocol.lower(), times=1, **{effect: value})
    kinds = {"reset": ConnectionResetError, "reply": LabError}
    kind = kinds.get(effect, RemoteProtocolError)
    if stage == "tls":
        kind = ConnectionResetError
    began = world.time
    with pytest.raises(kind) as error:
        world.read("bob", protocol)
    assert world.time - began < 2, "nobody waits for a time-out"
    if kind is not ConnectionResetError:
        told = "As planned" if effect == "reply" else "the server closed the connection"
        assert str(error.value).startswith(f"{MX}: ")
        assert told in str(error.value)
    assert len(world.read("bob", protocol)) == 1, "the next time all is well"


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize(("protocol", "stage"), [("POP3", "QUIT"), ("IMAP", "LOGOUT")])
def test_a_goodbye_that_fails_loses_no_letters(world, protocol, stage, effect):
    send(world)
    value = NO[protocol] if effect == "reply" else True
    planned = world.fault(stage, protocol=protocol.lower(), **{effect: value})
    assert len(world.read("bob", protocol)) == 1
    assert planned.hits == 1


@pytest.mark.parametrize(
    ("stage", "reply", "told"),
    [
        ("greeting", "421 4.3.2 Full", "refused at the greeting: 421 4.3.2 Full"),
        ("EHLO", "451 4.3.0 No", "refused at EHLO: 451 4.3.0 No"),
        ("STARTTLS", "454 4.7.0 No TLS", "refused at STARTTLS: 454 4.7.0 No TLS"),
        ("AUTH", "454 4.7.0 Later", "refused at AUTH: 454 4.7.0 Later"),
        ("RCPT", "452 4.2.2 Full", "at RCPT TO:<bob@beta.example>: 452 4.2.2 Full"),
        ("message", "554 5.7.1 Spam", "refused at the message: 554 5.7.1 Spam"),
    ],
)
def test_a_mail_program_that_submits_says_what_was_refused(world, stage, reply, told):
    world.fault(stage, port=587, reply=reply)
    with pytest.raises(LabError) as error:
        send(world)
    assert told in str(error.value)
    world.advance("1 h")
    assert copies(world) == 0
