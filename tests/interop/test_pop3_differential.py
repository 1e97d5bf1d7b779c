"""300 POP3 sessions at maillab and at Dovecot, with the same messages: same answers.

After a session both maildrops must hold the same messages; the next one goes on there.
"""

import re
from collections.abc import Iterator

import pytest

from tests.interop.dovecot_mail import PASSWORD, serving_dovecot
from tests.interop.imap_wire import Wire
from tests.interop.mail_server import DOMAIN, SECRET, WHEN, MailServer
from tests.interop.odd_messages import MESSAGES
from tests.interop.pop3_sequences import Session, sequence

pytestmark = pytest.mark.interop

USERS, SESSIONS = 60, 5
PATIENCE = 8  # errors; after ten maillab hangs up, Dovecot after more
LETTERS = list(MESSAGES.items())

# What differs: patterns for the command, our answer, Dovecot's; and why.
KNOWN_DIFFERENCES = {
    ("(STAT|NOOP|CAPA) x", "..-ERR.*", r"..\+OK.*"): (
        "these have no arguments (RFC 1939 §5); Dovecot does not look"
    ),
    ("(RETR|retr|TOP) .*", ".*", ".*X-Name: J.*"): (
        "who does not say UTF8 gets no header field that is not ASCII (RFC 6856 §2.1)"
    ),
    ("TOP .*", r".*<11@real.example>\\r\\n\\r\\n'.", r".*<11@real.example>\\r\\n'."): (
        "the blank line is there even when the message ends before it (RFC 1939 §7)"
    ),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    ours = MailServer(tmp_path_factory.mktemp("ours"))
    with serving_dovecot() as dovecot:
        yield ours, dovecot
    ours.close()


def fill(servers, number: int) -> tuple[str, str]:
    """A user of that number on both sides, with five messages; the names."""
    ours, dovecot = servers
    mine, theirs = f"p{number}@{DOMAIN}", f"p{number}"
    inbox = ours.add(mine).inbox
    wire = Wire(dovecot.imap)
    wire.say(f"LOGIN {theirs} {PASSWORD}".encode())
    for at in range(5):
        _, content = LETTERS[(number + at * 4) % len(LETTERS)]
        ours.do(lambda content=content: inbox.append(content, WHEN))
        wire.say(b"APPEND INBOX {%d+}\r\n" % len(content) + content)
    wire.close()
    return mine, theirs


def differences(servers, number: int) -> list[tuple[str, str, str]]:
    """What this user's sessions bring."""
    ours, dovecot = servers
    mine, theirs = fill(servers, number)
    found: list[tuple[str, str, str]] = []
    for session in range(SESSIONS):
        one = Session(ours.ports["pop3"], mine, SECRET)
        other = Session(dovecot.pop3, theirs, PASSWORD)
        if one.uids != other.uids:  # what was found before is the cause
            found.append(("UIDL", str(one.uids), str(other.uids)))
            break
        for command in patient(sequence(number * SESSIONS + session), one):
            answers = one.say(command), other.say(command)
            if answers[0] != answers[1]:
                found.append((command, str(answers[0]), str(answers[1])))
        one.close()
        other.close()
    return found


def patient(commands: list[str], session: Session) -> Iterator[str]:
    """These commands, until the next error could be too much for maillab."""
    for command in commands:
        if session.errors > PATIENCE:
            yield "QUIT"
            return
        yield command


def known(difference: tuple[str, str, str]) -> tuple[str, str, str] | None:
    for patterns in KNOWN_DIFFERENCES:
        if all(map(re.fullmatch, patterns, difference)):
            return patterns
    return None


def test_answers_agree_or_the_difference_has_a_reason(servers):
    found = {one for number in range(USERS) for one in differences(servers, number)}
    assert [one for one in sorted(found) if not known(one)] == []
    assert {known(one) for one in found} == KNOWN_DIFFERENCES.keys()
