"""Seeded SMTP dialogues, to hold with two servers and compare.

Goes in: a seed. Comes out: steps; each is some lines to say, and waits for one reply.

    for step in dialogue(7):
        reply = say(step.lines)      # a server of your choice
        if step.content and reply.startswith("354"):
            reply = say(step.content)

Rule 1: a dialogue depends on its seed only, and never on a reply; so the same dialogue
        can be held with any server.
Rule 2: all recipients are `ann`, `bob` and `nobody` at one domain, which the server
        under test must have (`ann` and `bob`, not `nobody`).
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

DOMAIN = "example.org"
COUNT = 200  # dialogues; a real server gets the same ones

SENDERS = [
    "<zoe@example.net>",
    "<>",
    "<Zoe.B+tag@EXAMPLE.net>",
    '<"zoe b"@example.net>',
]
CONTENTS = [
    ["Subject: one", "", "Text", "."],
    ["."],
    ["Subject: dots", "", "..", "...", "..x", "."],
    ["no header", "."],
    [f"Subject: {'long ' * 100}", "", "x", "."],
]
# Command lines that may come anywhere.
ANYWHERE = [
    "NOOP",
    "NOOP with words",
    "noop",
    "RSET",
    "RSET now",
    "VRFY ann",
    "VRFY",
    "HELP",
    "HELP NOOP",
    "EXPN staff",
    "EHLO pc.example.net",
    "EHLO",
    "HELO pc.example.net",
    "HELO",
    "EHLO [192.0.2.7]",
    "STARTTLS",
    "AUTH PLAIN AGFubgBzZWNyZXQ=",
    "XYZZY",
    "MAILFROM:<zoe@example.net>",
    "DATA now",
    "",
    " NOOP",
    "NOOP " + "x" * 600,
]
WRONG_SENDERS = [
    "MAIL FROM:",
    "MAIL",
    "MAIL zoe@example.net",
    "MAIL FROM: <zoe@example.net>",
    "MAIL FROM:<zoe@example.net> FOO=bar",
    "MAIL FROM:<zoe@example.net> SIZE=abc",
    "MAIL FROM:<zoe@example.net> SIZE=99999999999",
    "MAIL FROM:<zoe@example.net> BODY=9BIT",
    "MAIL FROM:<zoe@>",
    "MAIL FROM:<@example.net>",
    "MAIL TO:<zoe@example.net>",
]
WRONG_RECIPIENTS = [
    "RCPT TO:<>",
    "RCPT TO:",
    "RCPT",
    "RCPT TO:<ann",
    "RCPT TO:<ann@example.org> FOO=bar",
    "RCPT FROM:<ann@example.org>",
    "RCPT TO: <ann@example.org>",
    "RCPT TO:<nobody@example.org>",
]
PARAMETERS = ["", "", " SIZE=100", " BODY=7BIT", " BODY=8BITMIME", " SIZE=5 BODY=7BIT"]


@dataclass(frozen=True, slots=True)
class Step:
    """`lines` are said; when the reply is 354, `content` too."""

    lines: tuple[str, ...]
    content: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.lines[0][:60]


Difference = tuple[str, str, str]  # command, class of one reply, of the other


def find_known(
    difference: Difference, known: Iterable[Difference]
) -> Difference | None:
    """The row that explains a difference; its command is a regular expression."""
    command, *classes = difference
    rows = (row for row in known if re.fullmatch(row[0], command))
    return next((row for row in rows if [*row[1:]] == classes), None)


def dialogue(seed: int) -> list[Step]:
    """A dialogue of about ten steps."""
    chance = random.Random(seed)
    steps = list(_steps(chance))
    return [*steps[:12], Step(("QUIT",))]


def _steps(chance: random.Random) -> Iterator[Step]:
    if chance.random() < 0.9:  # most sessions begin as they should
        yield Step(
            (chance.choice(["EHLO pc.example.net", "EHLO pc.example.net", "HELO x"]),)
        )
    for _ in range(3):
        if chance.random() < 0.6:
            yield Step((chance.choice(ANYWHERE),))
        yield from _transaction(chance)


def _transaction(chance: random.Random) -> Iterator[Step]:
    sender = f"MAIL FROM:{chance.choice(SENDERS)}{chance.choice(PARAMETERS)}"
    if chance.random() < 0.25:
        sender = chance.choice(WRONG_SENDERS)
    yield Step((sender,))
    for _ in range(chance.choice([0, 1, 1, 2])):
        name = chance.choice(["ann", "bob", "Ann"])
        recipient = f"{chance.choice(['RCPT TO', 'rcpt to'])}:<{name}@{DOMAIN}>"
        if chance.random() < 0.25:
            recipient = chance.choice(WRONG_RECIPIENTS)
        yield Step((recipient,))
    if chance.random() < 0.2:
        yield Step((chance.choice(ANYWHERE),))
    if chance.random() < 0.85:
        yield Step(("DATA",), tuple(chance.choice(CONTENTS)))
