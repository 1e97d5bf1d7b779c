"""A day of an open relay: what bots send, and what people send, each at its hour.

Goes in: a lab, and so its seed. Comes out: a day that has passed in the world.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from maillab.grading import Lab
from maillab.grading.letters import letter

from .spamwatch import TRAP, talk

MINUTE, HOUR = 60, 3600
BOTS = ("bot-1", "bot-2", "bot-3")
CHEAP = "Cheap"  # how the subject of spam begins
DORA, BOB = "dora@megapost.example", "bob@bigmail.example"


async def live(lab: Lab) -> None:
    """One day: what bots send, and what people send, each at its hour."""
    started = lab.world.time
    for at, errand in sorted([*spam(lab), *honest(lab)], key=lambda one: one[0]):
        await asyncio.sleep(max(0.0, started + at - lab.world.time))
        await errand()
    await asyncio.sleep(max(0.0, started + 24 * HOUR - lab.world.time))


Errand = Callable[[], Coroutine[Any, Any, Any]]


def spam(lab: Lab) -> Iterator[tuple[float, Errand]]:
    """What nobody asked for: forged senders, forged Received fields, forged names."""
    dice = lab.random("8.4 spam")
    for number in range(12):
        victim = f"{dice.choice(WORDS)}{number}"
        rcpts = [f"{victim}@megapost.example", DORA]
        rcpts += [TRAP] if number % 5 == 0 else [f"{victim}@bigmail.example"]
        senders = (f"alice@{lab.names.domain}", DORA, f"{victim}@stranger.example")
        helo = f"[{lab.names.scanner}]" if number % 4 == 1 else "bot"
        content = letter(senders[0], DORA, f"{CHEAP} {victim}", "Buy now!")
        if number % 2:
            content = forged(lab, number) + content
        envelope = (helo, senders[number % 3], *rcpts)
        at = HOUR + number * 105 * MINUTE + dice.random() * HOUR
        yield at, partial(bring, lab, dice.choice(BOTS), envelope, content)


WORDS = ("watches", "pills", "loans", "tickets", "handbags", "diplomas")


def forged(lab: Lab, number: int) -> bytes:
    """A Received field that looks as if Alice had logged in."""
    server = lab.names.server
    row = f"Received: from [192.0.2.100] ([192.0.2.100])\r\n\tby {server} with ESMTPSA"
    return f"{row} id {number:08X};\r\n\tMon, 5 Jan 2026 10:00:00 +0000\r\n".encode()


async def bring(lab: Lab, host: str, envelope: tuple[str, ...], content: bytes) -> None:
    """Hand a message to our server at port 25, without a login."""
    stream = await lab.world.host(host).connect(lab.names.address, 25)
    await talk(stream, *envelope)
    for octets in (b"DATA\r\n", content + b".\r\n", b"QUIT\r\n"):
        stream.write(octets)
        await stream.read()
    await stream.close()


def topics(lab: Lab) -> list[str]:
    """The subjects of four letters; the last one is the scanner's."""
    return [f"About the {word}" for word in lab.words("8.4 letters", 4)]


def honest(lab: Lab) -> Iterator[tuple[float, Errand]]:
    """Letters of people, who log in, and of the scanner, which does not."""
    dice = lab.random("8.4 honest")
    *mine, scanned = topics(lab)
    for hour, user, topic in zip(
        (13, 16, 19), ("alice", "carol", "alice"), mine, strict=True
    ):
        at = hour * HOUR + dice.random() * HOUR
        yield at, partial(submit, lab, user, DORA, topic)
    yield 15 * HOUR, partial(submit, lab, "alice", BOB, "Are you there?")
    sender = f"alice@{lab.names.domain}"
    content = letter(sender, DORA, scanned, "1 page")
    envelope = ("scanner", sender, DORA)
    yield 20 * HOUR, partial(bring, lab, "scanner", envelope, content)


async def submit(lab: Lab, user: str, to: str, topic: str) -> None:
    """As a mail program does: port 587, TLS, login."""
    mua = lab.world.user(user).mua
    await mua.submit(mua.compose([to], topic, "Please write back."), [to])
