"""Planned faults on the wire: every effect, at every stage of every protocol."""

import asyncio
from dataclasses import dataclass

import pytest

from maillab.errors import LabError
from tests.worlds import Journal, plain_world

BETA = "203.0.113.25"
SCRIPTS = {
    "smtp": (
        25,
        {
            "EHLO": "EHLO pc.example",
            "NOOP": "NOOP",
            "MAIL": "MAIL FROM:<zoe@alpha.example>",
            "RCPT": "RCPT TO:<bob@beta.example>",
            "DATA": "DATA",
            "message": "Subject: x\r\n\r\nHi\r\n.",
            "VRFY": "VRFY bob",
            "RSET": "RSET",
            "QUIT": "QUIT",
        },
    ),
    "pop3": (
        110,
        {
            "CAPA": "CAPA",
            "USER": "USER bob@beta.example",
            "PASS": "PASS sponge",
            "STAT": "STAT",
            "LIST": "LIST",
            "RETR": "RETR 1",
            "DELE": "DELE 1",
            "RSET": "RSET",
            "QUIT": "QUIT",
        },
    ),
    "imap": (
        143,
        {
            "CAPABILITY": "a1 CAPABILITY",
            "LOGIN": "a2 LOGIN bob@beta.example sponge",
            "SELECT": "a3 SELECT INBOX",
            "FETCH": "a4 UID FETCH 1:* BODY.PEEK[]",
            "STORE": "a5 STORE 1 +FLAGS (\\Flagged)",
            "EXPUNGE": "a6 EXPUNGE",
            "LOGOUT": "a7 LOGOUT",
        },
    ),
}
REFUSALS = {
    "smtp": "451 4.3.0 As planned",
    "pop3": "-ERR [SYS/TEMP] As planned",
    "imap": "NO [UNAVAILABLE] As planned",
}
PLACES = [
    (protocol, stage)
    for protocol, (_, script) in SCRIPTS.items()
    for stage in ("greeting", *script)
]
every_place = pytest.mark.parametrize(("protocol", "stage"), PLACES)


@dataclass
class Answer:
    """What came, after how many seconds, and what then: "", "FIN" or "RST"."""

    octets: bytes
    seconds: float
    end: str


async def hear(stream) -> Answer:
    """One reply, and the end of the connection if that comes next."""
    clock = asyncio.get_running_loop().time
    began, octets, seconds = clock(), b"", 0.0
    try:
        octets = await stream.read()
        seconds = clock() - began
        if not octets:
            return Answer(b"", seconds, "FIN")
        async with asyncio.timeout(0.5):
            rest = await stream.read()
            return Answer(octets + rest, seconds, "" if rest else "FIN")
    except ConnectionResetError:
        return Answer(octets, seconds, "RST")
    except TimeoutError:
        return Answer(octets, seconds, "")


def talk(world, protocol) -> dict[str, Answer]:
    """A whole session by hand, from alice-pc: the answer at each stage."""

    async def session():
        port, script = SCRIPTS[protocol]
        stream = await world.hosts["alice-pc"].connect(BETA, port)
        heard = {"greeting": await hear(stream)}
        for stage, line in script.items():
            if list(heard.values())[-1].end:
                break
            stream.write(f"{line}\r\n".encode())
            heard[stage] = await hear(stream)
        stream.abort()
        return heard

    return world.run(session(), on="alice-pc")


@pytest.fixture
def world():
    with plain_world() as opened:
        opened.trace.strict = True
        yield opened
        assert Journal(opened).failures == []


@pytest.fixture
def compare(world):
    """The session as it should be, and as it is with one fault."""

    def play(protocol, stage, **effect):
        world.send("alice", "bob@beta.example", "Hello", "Hi")
        talk(world, protocol)  # the first time mail is \\Recent
        usual = talk(world, protocol)
        assert list(usual) == ["greeting", *SCRIPTS[protocol][1]], (
            "nothing is wrong yet"
        )
        planned = world.fault(
            stage, host="mx.beta.example", protocol=protocol, comment="why", **effect
        )
        broken = talk(world, protocol)
        assert planned.hits == 1
        assert_visible(world, stage)
        return usual, broken

    return play


def assert_visible(world, stage):
    """In the trace, in its views, and not from the client's seat."""
    [event] = world.trace.of_kind("fault")
    assert (event["stage"], event["comment"]) == (stage, "why")
    assert event.host == "mx.beta.example"
    session = world.trace.session(event.connection)
    text = session.transcript().text()
    assert f"planned fault at {stage}: {event['what']}" in text
    assert "↳ why" in text
    assert f"planned fault: {event['what']}"[:60] in session.ladder().text()
    assert not world.trace.as_seen_by("alice-pc").of_kind("fault")
    seen = world.trace.as_seen_by("alice-pc").session(event.connection)
    assert "planned fault" not in seen.transcript().text()


def ends_at(broken, stage, end):
    """The session was as usual until `stage`, and ended there."""
    assert list(broken)[-1] == stage
    assert broken[stage].end == end
    return broken[stage].octets


@every_place
def test_hang_up(compare, protocol, stage):
    _, broken = compare(protocol, stage, disconnect=True)
    assert ends_at(broken, stage, "FIN") == b""


@every_place
def test_reset(compare, protocol, stage):
    _, broken = compare(protocol, stage, reset=True)
    assert ends_at(broken, stage, "RST") == b""


@every_place
def test_half_a_reply(compare, protocol, stage):
    usual, broken = compare(protocol, stage, half_reply=True)
    whole = usual[stage].octets
    half = ends_at(broken, stage, "FIN")
    assert len(half) == len(whole) // 2 > 0
    if stage != "message":  # where the id of the queue differs
        assert half == whole[: len(half)]


@every_place
def test_a_late_reply(compare, protocol, stage):
    usual, broken = compare(protocol, stage, delay=77)
    assert list(broken) == list(usual)
    assert len(broken[stage].octets) == len(usual[stage].octets)
    assert broken[stage].seconds == pytest.approx(usual[stage].seconds + 77)


@every_place
def test_a_refusal(compare, protocol, stage):
    _, broken = compare(protocol, stage, reply=REFUSALS[protocol], times=1)
    answer = broken[stage]
    if stage == "greeting":
        assert answer.end == "FIN"
        if protocol == "imap":  # a greeting is OK, PREAUTH or BYE (RFC 3501 §7.1)
            assert answer.octets == b"* BYE [UNAVAILABLE] As planned\r\n"
            return
    tag = SCRIPTS[protocol][1].get(stage, "").split(" ")[0] + " "
    expected = (tag if protocol == "imap" else "") + REFUSALS[protocol]
    assert answer.octets == f"{expected}\r\n".encode()


def test_the_refusal_of_a_recipient_is_meant(world):
    world.fault("RCPT", reply="451 4.3.0 Later")
    heard = talk(world, "smtp")
    assert heard["DATA"].octets.startswith(b"554 5.5.1 No valid recipients")
    assert not world.mailbox("bob").messages


def test_the_refusal_of_a_message_is_meant(world):
    world.fault("message", reply="554 5.7.1 Not this one")
    heard = talk(world, "smtp")
    world.settle()
    assert heard["message"].octets == b"554 5.7.1 Not this one\r\n"
    assert heard["RSET"].octets.startswith(b"250")
    assert not world.mailbox("bob").messages


def test_the_refusal_of_a_login_is_meant(world):
    world.fault("PASS", reply="-ERR Not now")
    world.fault("LOGIN", reply="NO Not now")
    assert talk(world, "pop3")["STAT"].octets.startswith(b"-ERR STAT is not legal")
    assert talk(world, "imap")["SELECT"].octets.startswith(b"a3 BAD")


def test_421_and_bye_close_the_session(world):
    world.fault("MAIL", reply="421 4.3.2 Shutting down")
    world.fault("SELECT", reply="BYE [UNAVAILABLE] Shutting down")
    said = ends_at(talk(world, "smtp"), "MAIL", "FIN")
    assert said == b"421 4.3.2 Shutting down\r\n"
    said = ends_at(talk(world, "imap"), "SELECT", "FIN")
    assert said == b"* BYE [UNAVAILABLE] Shutting down\r\n"


def test_planned_refusals_are_no_bad_commands(world):
    world.fault("NOOP", reply="550 5.3.0 No")

    async def many():
        stream = await world.hosts["alice-pc"].connect(BETA, 25)
        await hear(stream)
        stream.write(b"NOOP\r\n" * 50)
        return await hear(stream)

    answer = world.run(many(), on="alice-pc")
    assert answer.octets == b"550 5.3.0 No\r\n" * 50
    assert answer.end == ""


def test_in_a_pipelined_group_only_the_planned_reply_suffers(world):
    world.fault("RCPT", recipient="carol@*", reply="451 4.3.0 Later")
    world.fault("DATA", disconnect=True)
    group = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@beta.example>\r\n"
    group += b"RCPT TO:<carol@beta.example>\r\nDATA\r\nNOOP\r\n"

    async def session():
        stream = await world.hosts["alice-pc"].connect(BETA, 25)
        await hear(stream)
        stream.write(group)
        return await hear(stream)

    answer = world.run(session(), on="alice-pc")
    assert answer.octets.endswith(
        b"250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n451 4.3.0 Later\r\n"
    )
    assert answer.end == "FIN"


def test_who_waits_for_a_late_reply_waits_alone(world):
    world.fault("EHLO", delay="10 min", times=1)

    async def two():
        first = world.hosts["bob-pc"].spawn(reply_time("bob-pc"))
        await asyncio.sleep(1)
        return await reply_time("alice-pc"), await first

    async def reply_time(host):
        stream = await world.hosts[host].connect(BETA, 25)
        await hear(stream)
        stream.write(b"EHLO pc.example\r\n")
        return (await hear(stream)).seconds

    quick, slow = world.run(two(), on="alice-pc")
    assert quick < 1
    assert 600 < slow < 601


def test_a_client_that_leaves_during_a_delay_is_no_failure(world):
    world.fault("PASS", delay=60)

    async def leave():
        stream = await world.hosts["alice-pc"].connect(BETA, 110)
        await hear(stream)
        stream.write(b"USER bob@beta.example\r\nPASS sponge\r\n")
        await asyncio.sleep(1)
        stream.reset()

    world.run(leave(), on="alice-pc")
    world.advance("2 min")
    assert world.read("bob", "POP3") == [], "the maildrop is not locked"


def test_a_maildrop_is_free_again_after_a_fault(world):
    world.fault("STAT", reset=True, times=1)
    assert ends_at(talk(world, "pop3"), "STAT", "RST") == b""
    assert talk(world, "pop3")["STAT"].octets.startswith(b"+OK 0")


def test_a_planned_fault_can_be_removed(world):
    planned = world.fault("*", protocol="smtp", disconnect=True)
    assert ends_at(talk(world, "smtp"), "greeting", "FIN") == b""
    planned.remove()
    assert talk(world, "smtp")["QUIT"].octets.startswith(b"221")
    assert planned.hits == 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"stage": "RCTP", "reset": True}, "fault: stage: no stage 'RCTP'"),
        ({"stage": "rcpt", "rest": True}, "did you mean 'reset'"),
        ({"stage": "rcpt", "delay": "soon"}, "is not a length of time"),
        ({"stage": "rcpt", "delay": 1, "times": "x"}, "times: found 'x'"),
        ({"stage": "rcpt", "delay": 1, "host": "mx.bta.example"}, "did you mean 'mx.b"),
        ({"stage": "rcpt", "delay": 1, "host": "alice-pc"}, "no mail server is called"),
    ],
)
def test_a_wrong_call_says_what_to_type(world, keys, message):
    with pytest.raises(LabError) as error:
        world.fault(**keys)
    assert message in str(error.value)
