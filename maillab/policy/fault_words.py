"""The words in which faults are planned: protocols, stages, replies.

Goes in: what somebody wrote into a plan. Comes out: which protocols it is about, and
the reply as a value of that protocol.

Rule: stages are the commands that the servers know, and three more: "greeting", "tls"
      (the handshake) and "message" (the reply to SMTP's final dot).
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from maillab.protocol.imap_server import HANDLERS as IMAP_COMMANDS
from maillab.protocol.pop3_server import HANDLERS as POP3_COMMANDS
from maillab.protocol.smtp_server import HANDLERS as SMTP_COMMANDS
from maillab.wire.imap import Status
from maillab.wire.pop3 import Reply as POP3Reply
from maillab.wire.pop3 import parse_status
from maillab.wire.smtp import Reply as SMTPReply
from maillab.wire.smtp_replies import with_enhanced_code

GREETING, TLS, MESSAGE, ANY = "greeting", "tls", "message", "*"

STAGES: dict[str, tuple[str, ...]] = {
    "smtp": (GREETING, TLS, *SMTP_COMMANDS, MESSAGE),
    "pop3": (GREETING, TLS, *POP3_COMMANDS),
    "imap": (GREETING, TLS, *(verb for verb in IMAP_COMMANDS if verb != "UID")),
}
SENDER_STAGES = ("MAIL", "RCPT", "DATA", MESSAGE)  # where a reverse-path is known
RECIPIENT_STAGES = ("RCPT", "DATA", MESSAGE)

# Only refusals: a positive reply without the deed would be a lie, not a fault.
REFUSALS = {
    "smtp": re.compile(r"[45][0-5][0-9]( [ -~]*)?"),
    "pop3": re.compile(r"-ERR( [ -~]*)?"),
    "imap": re.compile(r"(NO|BAD|BYE) (?:\[([!-Z^-~ ]+)\] )?([ -~]+)"),
}
EXAMPLES = {
    "smtp": '"451 4.3.0 Try again later"',
    "pop3": '"-ERR [SYS/TEMP] Try again later"',
    "imap": '"NO [UNAVAILABLE] Try again later"',
}

PlannedReply = SMTPReply | POP3Reply | Status


def protocols_of(protocol: str, stage: str) -> list[str]:
    """The protocols that have this stage; `protocol` may be "*".

    >>> protocols_of("*", "RCPT"), protocols_of("*", "STARTTLS")
    (['smtp'], ['smtp', 'imap'])
    """
    return [
        name
        for name, stages in STAGES.items()
        if protocol in (name, ANY) and (stage == ANY or stage in stages)
    ]


def stage_name(text: str) -> str:
    """A stage as this file spells it; what is no stage stays as it is.

    >>> stage_name("rcpt"), stage_name("Message"), stage_name("nonsense")
    ('RCPT', 'message', 'nonsense')
    """
    known = {name.lower(): name for stages in STAGES.values() for name in stages}
    return known.get(text.lower(), text)


def advice(word: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown word."""
    choices = list(known)
    close = get_close_matches(stage_name(word), choices, 1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f"; known here: {', '.join(choices)}"


def fits(protocol: str, reply: str) -> bool:
    """A server of this protocol can refuse in these words."""
    return bool(REFUSALS[protocol].fullmatch(reply))


def reply_in(protocol: str, text: str, why: str = "") -> PlannedReply:
    """A refusal as a value.

    >>> reply_in("smtp", "451 4.3.0 Try again later").enhanced
    '4.3.0'
    >>> reply_in("imap", "NO [UNAVAILABLE] Later").to_wire("a1")
    b'a1 NO [UNAVAILABLE] Later\\r\\n'
    """
    if protocol == "smtp":
        return with_enhanced_code(int(text[:3]), [text[4:]]).because(why)
    if protocol == "pop3":
        reply = parse_status(text.encode())
        return POP3Reply(False, reply.text, reply.code, why=why)
    found = REFUSALS["imap"].fullmatch(text)
    assert found is not None, "`fits` has looked at it"
    condition, code, words = found.groups()
    return Status(condition, words, code or "", why)
