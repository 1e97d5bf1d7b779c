"""200 dialogues with our engine, dressed as Postfix, and with Postfix: same classes.

After the first difference the two sessions stand elsewhere, so only that one counts.
Both know ann and bob at example.org, want HELO first, and offer the same extensions.
"""

import shutil
import socket
from dataclasses import replace

import pytest

from maillab.world.personality import personality
from tests import smtp_player
from tests.interop.postfix import running_postfix
from tests.smtp_dialogues import COUNT, Step, dialogue, find_known

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("postfix"), reason="no postfix"),
]

SETTINGS = {
    "virtual_mailbox_domains": "example.org",
    "virtual_mailbox_maps": "inline:{ ann@example.org=ann/ bob@example.org=bob/ }",
    "virtual_transport": "discard:",
    "mynetworks": "",
    "myorigin": "example.org",
    "smtpd_helo_required": "yes",
    "message_size_limit": "10485760",
    "smtpd_hard_error_limit": "99",
    "smtpd_soft_error_limit": "99",
}

# What differs: a pattern for the command, the class of our reply, of Postfix's; why.
KNOWN_DIFFERENCES = {
    ("NOOP x{50,}", "5", "2"): (
        "a command line has 512 octets (RFC 5321 §4.5.3.1.4); Postfix reads 2048"
    ),
    ("HELP.*", "2", "5"): "Postfix has no HELP: RFC 5321 §4.5.1 allows that",
    ("MAIL FROM:<@example.net>", "5", "2"): (
        "a local part is never empty (RFC 5321 §4.1.2); Postfix forgives it"
    ),
    ("MAILFROM:<.*>", "5", "2"): (
        "a word with a colon looks like a header field to Postfix: it says 221 and goes"
    ),
    (" NOOP", "5", "2"): "Postfix skips spaces before a command",
    ("MAIL FROM:<> BODY=7BIT", "2", "5"): (
        "after a MAIL that was refused for its SIZE, Postfix refuses every MAIL for "
        "the same reason until RSET"
    ),
}


class Client:
    """Says lines to Postfix, and waits for one reply."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._socket.makefile("rb")
        self.reply()

    def say(self, lines: tuple[str, ...]) -> str:
        """The reply; nothing when Postfix has hung up, as it does with a joke."""
        try:
            self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode())
            return self.reply()
        except ConnectionError:
            return ""

    def reply(self) -> str:
        while (line := self._file.readline()) and line[3:4] == b"-":
            pass
        return line.decode()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()


def ours(steps: list[Step]) -> list[tuple[str, str]]:
    """The replies of our engine, in memory."""
    clothes = personality("postfix")
    session = smtp_player.new_session(max_bad_commands="99")
    session.options = replace(
        session.options, phrases=clothes.phrases, extensions=clothes.extensions
    )
    session.greeting(1)

    def say(lines: tuple[str, ...]) -> str:
        data = "".join(f"{line}\r\n" for line in lines).encode()
        return session.hear(1, data).decode()

    return [(str(step), hold(step, say)) for step in steps]


def theirs(port: int, steps: list[Step]) -> list[tuple[str, str]]:
    """The replies of Postfix."""
    with Client(port) as client:
        return [(str(step), hold(step, client.say)) for step in steps]


def hold(step: Step, say) -> str:
    reply = say(step.lines)
    if step.content and reply.startswith("354"):
        reply = say(step.content)
    return reply


def first_difference(mine, others):
    """Command, our class, theirs; and both replies in full."""
    for (command, one), (_, other) in zip(mine, others, strict=True):
        if one[:1] != other[:1]:
            return (command, one[:1], other[:1]), (one, other)
    return None


def test_classes_of_replies_agree_or_the_difference_has_a_reason():
    found, words = {}, {}
    with running_postfix(**SETTINGS) as postfix:
        for seed in range(COUNT):
            steps = dialogue(seed)
            difference = first_difference(ours(steps), theirs(postfix.port, steps))
            if difference:
                words.setdefault(*difference)
                found.setdefault(difference[0], seed)
    unknown = {
        one: (found[one], *words[one])
        for one in found
        if not find_known(one, KNOWN_DIFFERENCES)
    }
    assert unknown == {}
    assert {
        find_known(one, KNOWN_DIFFERENCES) for one in found
    } == KNOWN_DIFFERENCES.keys()
