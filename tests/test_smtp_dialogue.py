"""A client's dialogue with our server engine, over a virtual network."""

import pytest

from maillab import open_world
from maillab.agents.serving import Security, serve
from maillab.agents.smtp_dialogue import SMTPDialogue
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_limits import ALL_EXTENSIONS, SMTPServerOptions
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import Address
from tests.smtp_player import nonces, respond

ADDRESS = "198.51.100.71"
ZOE = Address("zoe", "example.net")
ANN, BOB = Address("ann", "example.org"), Address("bob", "example.org")
LETTER = Envelope(ZOE, (ANN, BOB))
CONTENT = b"Subject: x\r\n\r\n"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")


class PlayerSession:
    """Decides as tests/smtp_player.py does."""

    timeout = 300.0

    def __init__(self, engine: SMTPServer) -> None:
        self.engine = engine

    async def decide(self, question) -> None:
        respond(self.engine, question)

    def notice(self, _event) -> None:
        pass

    def fail(self) -> None:
        self.engine.answer(self.engine.phrases.reply("local-error"))

    def end(self) -> None:
        pass


@pytest.fixture
def world():
    with open_world("two-domains") as opened:
        yield opened


def open_server(world, **options) -> None:
    host = world.add_host("mx.example.org", ADDRESS)
    options = {"extensions": ALL_EXTENSIONS, "nonce": nonces()} | options
    chosen = SMTPServerOptions("mx.example.org", **options)

    async def on_stream(stream) -> None:
        await serve(host, stream, PlayerSession(SMTPServer(chosen)), Security())

    world.run(host.listen(25, on_stream), on=host)


def hold(world, steps, **options):
    """Connect, greet, do the steps, and say goodbye."""

    async def talk():
        host = world.hosts["alice-pc"]
        stream = await host.connect(ADDRESS, 25)
        dialogue = SMTPDialogue(host, stream, **options)
        await dialogue.greeting()
        await dialogue.ehlo("pc.example")
        found = await steps(dialogue)
        await dialogue.quit()
        return found

    return world.run(talk(), on="alice-pc")


@pytest.mark.parametrize("offered", [MECHANISMS, MECHANISMS[:3], MECHANISMS[:2]])
def test_the_best_mechanism_that_is_offered_is_used(world, offered):
    open_server(world, mechanisms=offered, auth_needs_tls=False)

    async def steps(dialogue):
        return await dialogue.login("ann", "secret")

    assert hold(world, steps).code == 235
    best = "PLAIN" if len(offered) == 2 else offered[-1]
    said = [line.text for line in world.trace.session(port=25).lines]
    assert any(text.startswith(f"AUTH {best}") for text in said)


def test_only_the_mechanisms_that_one_wants_are_used(world):
    open_server(world, mechanisms=("PLAIN", "LOGIN"), auth_needs_tls=False)

    async def steps(dialogue):
        return await dialogue.login("ann", "secret", ("SCRAM-SHA-256",))

    assert hold(world, steps).code == 503


def test_several_messages_leave_in_one_session_up_to_its_limit(world):
    open_server(world, max_messages=2)

    async def steps(dialogue):
        codes = [(await dialogue.send(LETTER, CONTENT)).final.code for _ in range(3)]
        return dialogue.mail_max, codes

    assert hold(world, steps) == (2, [250, 250, 452])


def test_lmtp_gives_each_recipient_its_own_reply(world):
    open_server(world, lmtp=True)

    async def steps(dialogue):
        return await dialogue.send(LETTER, CONTENT)

    transfer = hold(world, steps, lmtp=True)
    assert [(path, reply.code) for path, reply in transfer.results] == [
        (ANN, 250),
        (BOB, 452),
    ]
    assert transfer.accepted == (ANN,)


def test_what_cannot_be_sent_is_refused_without_a_word_to_the_server(world):
    open_server(world, extensions=())

    async def steps(dialogue):
        return await dialogue.send(Envelope(ZOE, (Address("jörg", "x.example"),)), b"")

    assert hold(world, steps).final.enhanced == "5.6.7"
    said = [line.text for line in world.trace.session(port=25).lines]
    assert not any(text.startswith("MAIL") for text in said)
