"""Exercise 2.1 of notebook 02: the reply machine, in 500 sessions.

The referee is our own engine, `maillab/protocol/smtp_server.py`, without extensions.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence
from maillab.protocol.engine import Question
from maillab.protocol.smtp_server import RFC_OF, SMTPServer
from maillab.protocol.smtp_server_events import (
    Connected,
    Hello,
    MailFrom,
    Message,
    RcptTo,
)
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.wire.smtp import Reply

SESSIONS = 500
OPTIONS = SMTPServerOptions("mx.example", extensions=(), max_bad_commands=0)
KNOWN = set("EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT".split())
LETTER = b"Subject: a letter\r\n\r\n.\r\n"  # what the client sends after 354

Lines = tuple[str, ...]
Machine = Callable[[dict[str, Any], str], object]


class Said(NamedTuple):
    """The answer to one command, as far as it matters."""

    code: str
    envelope: tuple[str, Lines] | None = None  # at 354
    reply: str = ""


def begin_2_1(lab: Lab) -> Task:
    domain = lab.names.domain
    mailboxes = [f"{name}@{domain}" for name in people(lab)]
    return Task("2.1", "Answer every command", domain=domain, mailboxes=mailboxes)


def people(lab: Lab) -> list[str]:
    return ["grace", *lab.words("2.1", 1), "postmaster"]


def check_2_1(lab: Lab, on_command: object = None) -> Evidence:
    lab.task("2.1")
    if not callable(on_command):
        raise Failed("a function on_command(state, line)", repr(on_command))
    house = (lab.names.domain, *people(lab))
    told: list[tuple[Lines, list[Said]]] = []
    for lines, expected in judged_sessions(lab.seed, house):
        found = hold(on_command, lines, house)
        if [s[:2] for s in found] != [s[:2] for s in expected]:
            raise explain(on_command, lines, house)
        told.append((lines, found))
    demand_separate_sessions(on_command, [lines for lines, _ in told[:40]], house)
    return evidence(told)


def evidence(told: Sequence[tuple[Lines, list[Said]]]) -> Evidence:
    heard = [[lines, [s[:2] for s in found]] for lines, found in told]
    digest = hashlib.sha256(json.dumps(heard).encode()).hexdigest()
    codes = Counter(said.code for _, found in told for said in found)
    return {"sessions": len(told), "codes": dict(sorted(codes.items())), "all": digest}


# What clients say ---------------------------------------------------------------------


@cache
def judged_sessions(seed: str, house: Lines) -> list[tuple[Lines, list[Said]]]:
    """The commands of all sessions, each with the answers of the referee."""
    dice = random.Random(f"{seed}:2.1 sessions")
    lines = [*traps(*house), *(session(dice, *house) for _ in range(SESSIONS))]
    return [(one, referee(one, house)) for one in lines[:SESSIONS]]


def traps(domain: str, grace: str, other: str, _postmaster: str) -> Iterator[Lines]:
    """What real clients do, and beginners forget."""
    hello, mail = "EHLO desk.office.example", "MAIL FROM:<alice@office.example>"
    rcpt, second = f"RCPT TO:<{grace}@{domain}>", f"RCPT TO:<{other}@{domain}>"
    yield hello, mail, rcpt, "DATA", mail, second, "DATA", "QUIT"
    yield hello, mail, mail, rcpt, "DATA", "QUIT"
    yield hello, mail, f"RCPT TO:<ghost@{domain}>", "DATA", "QUIT"
    yield hello, "MAIL FROM:<>", rcpt, "DATA", "QUIT"
    yield hello, mail, "RCPT TO:<postmaster>", "DATA", "QUIT"
    yield hello, mail, rcpt, "RSET", mail, second, "DATA", "QUIT"
    yield hello, mail, rcpt, hello, mail, second, "DATA", "QUIT"
    yield hello, mail, f"RCPT TO:<ghost@{domain}>", rcpt, "DATA", "QUIT"
    yield hello.lower(), mail.lower(), rcpt.lower(), "data", "quit"
    yield hello, mail, f"RCPT TO:<{grace.upper()}@{domain.upper()}>", "DATA", "QUIT"
    yield hello, f"{mail} SIZE=1000", mail, rcpt, "DATA", "QUIT"
    yield "RSET", "NOOP", mail, hello, rcpt, "DATA", "QUIT"


def session(dice: random.Random, *house: str) -> Lines:
    """A session of about ten commands, in which much is wrong."""
    lines = list(some_commands(dice, *house))
    return (*lines[: dice.randint(6, 12)], dice.choice(["QUIT", "quit", "QUIT "]))


def some_commands(
    dice: random.Random, domain: str, grace: str, other: str, master: str
) -> Iterator[str]:
    """A greeting, mostly; then transactions with something strange between."""
    if dice.random() < 0.85:
        yield dice.choice(["EHLO pc.office.example", "HELO pc", "ehlo [192.0.2.7]"])
    anywhere = (
        "NOOP|NOOP once more|RSET|rset|VRFY grace|HELLO|HELP|EXPN all|STARTTLS||EHLO"
        "|HELO|EHLO another.example|DATA"
    ).split("|")
    senders = (
        "MAIL FROM:<alice@office.example>|MAIL FROM:<alice@office.example>"
        "|MAIL FROM:<>|Mail From:<zoe@there.example>|MAIL FROM:<zoe@there.example> "
        "|MAIL|MAIL FROM:|MAIL FROM:alice@office.example|MAIL TO:<alice@office.example>"
        "|MAIL FROM:<zoe@there.example> SIZE=100|MAIL FROM:<zoe@there.example> FOO=1"
    ).split("|")
    first, second = f"{grace}@{domain}", f"{other}@{domain}"
    recipients = (
        f"RCPT TO:<{first}>|RCPT TO:<{second}>|rcpt to:<{first}>"
        f"|RCPT TO:<{second.title()}>|RCPT TO:<{master}@{domain}>|RCPT TO:<Postmaster>"
        f"|RCPT TO:<ghost@{domain}>|RCPT TO:<{grace}@there.example>|RCPT TO:<x{first}>"
        f"|RCPT TO:<{first}.example>|RCPT|RCPT TO:<>|RCPT TO:{first}"
        f"|RCPT FROM:<{first}>|RCPT TO:<{first}"
    ).split("|")
    for _ in range(4):
        if dice.random() < 0.4:
            yield dice.choice(anywhere)
        yield dice.choice(senders)
        for _ in range(dice.choice([0, 1, 1, 2])):
            yield dice.choice(recipients)
        if dice.random() < 0.7:
            yield "DATA"


# What is right ------------------------------------------------------------------------


def referee(lines: Lines, house: Lines) -> list[Said]:
    """What our own engine answers, of the commands that are asked for."""
    server = SMTPServer(OPTIONS)
    hear(server, b"", house)
    told: list[Said] = []
    for line in lines:
        if line.strip().partition(" ")[0].upper() not in KNOWN:
            told.append(Said("500"))  # ours knows some more
            continue
        envelope = server.transaction
        code = hear(server, line.encode() + b"\r\n", house)
        if code != "354":
            told.append(Said(alike(line, code)))
            continue
        recipients = [str(path) for path in envelope.forward_paths]
        sender = str(envelope.reverse_path).strip("<>")
        told.append(Said(code, canonical(sender, recipients, house)))
        hear(server, LETTER, house)
    return told


def hear(server: SMTPServer, octets: bytes, house: Lines) -> str:
    server.receive(octets)
    while event := server.next_event():
        if isinstance(event, Question):
            server.answer(decide(event, house))
    return server.data_to_send()[:3].decode()


def decide(event: Question, house: Lines) -> Reply:
    """Who is welcome at the lighthouse."""
    domain, *known = house
    match event:
        case RcptTo(path) if path.domain.lower() not in ("", domain):
            return Reply(550, "5.7.1", "Not here")
        case RcptTo(path) if path.local_part.lower() not in known:
            return Reply(550, "5.1.1", "Nobody of that name")
        case Connected() | Hello() | MailFrom() | RcptTo() | Message():
            return Reply(250, "2.0.0", "Fine")
        case _:  # VRFY
            return Reply(252, "2.0.0", "Send, and we shall see")


def alike(line: str, code: str) -> str:
    """DATA without a recipient is 503 or 554 (RFC 5321 §3.3)."""
    return "503" if code == "554" and line.strip().upper() == "DATA" else code


def canonical(
    sender: str, recipients: Sequence[str], house: Lines
) -> tuple[str, Lines]:
    full = {
        one if "@" in one else f"{one}@{house[0]}"
        for one in (each.strip("<>").lower() for each in recipients)
    }
    return sender.lower(), tuple(sorted(full))


# What the student's machine says ------------------------------------------------------


def hold(machine: Machine, lines: Lines, house: Lines) -> list[Said]:
    """One session."""
    state: dict[str, Any] = {}
    return [answer(machine, state, line, house) for line in lines]


def answer(machine: Machine, state: dict[str, Any], line: str, house: Lines) -> Said:
    """One answer. After 354 comes a letter, and then all is forgotten."""
    try:
        reply = machine(state, line)
        if not isinstance(reply, str) or not reply[:3].isdigit():
            return Said("none", reply=f"{reply!r}, which is no reply")
        code = alike(line, reply[:3])
        if code != "354":
            return Said(code, reply=repr(reply))
        sender = str(state.get("reverse_path"))
        recipients = [str(one) for one in state.get("forward_paths") or ()]
        machine(state, "RSET")
        return Said(code, canonical(sender, recipients, house), repr(reply))
    except (Exception, SystemExit) as error:  # noqa: BLE001  (any student's code)
        return Said("error", reply=f"{type(error).__name__}: {error}")


def demand_separate_sessions(
    machine: Machine, sessions: Sequence[Lines], house: Lines
) -> None:
    """Two clients at a time, command by command."""
    for one, other in zip(sessions[::2], sessions[1::2], strict=True):
        alone = [said[:2] for said in hold(machine, one, house)]
        if alone != interleave(machine, one, other, house):
            raise Failed(
                "each session to have a memory of its own",
                "two sessions at the same time, of which one changes the other",
                "RFC 5321 §4.1.4",
                "what must be remembered stands in `state`, in no global variable",
            )


def interleave(machine: Machine, one: Lines, other: Lines, house: Lines) -> list[Any]:
    """What the first of two clients hears while the second one talks, too."""
    mine, others = dict[str, Any](), dict[str, Any]()
    told: list[Any] = []
    for number, line in enumerate(one):
        told.append(answer(machine, mine, line, house)[:2])
        if number < len(other):
            answer(machine, others, other[number], house)
    return told


# Why it is wrong ----------------------------------------------------------------------


def explain(machine: Machine, lines: Lines, house: Lines) -> Failed:
    """The difference, after as few commands as show it."""
    lines = shortest(machine, lines, house)
    expected, found = referee(lines, house)[-1], hold(machine, lines, house)[-1]
    *before, last = lines
    after = f", after {', '.join(map(repr, before))}" if before else ""
    verb = last.strip().partition(" ")[0].upper()
    see = RFC_OF.get(verb, "RFC 5321 §4.2.4")
    if expected.code == found.code:
        return Failed(
            f"the envelope {envelope_text(expected)} at DATA{after}",
            envelope_text(found),
            "RFC 5321 §4.1.1.4",
            "RSET, EHLO and the end of a letter empty the envelope; and only those who "
            "were answered by 250 belong to it",
        )
    return Failed(
        f"{expected.code} in answer to {last!r}{after}",
        found.reply,
        see,
        perhaps(before, last, expected.code, found.code),
    )


def envelope_text(said: Said) -> str:
    sender, recipients = said.envelope or ("", ())
    return f"from <{sender}> to {', '.join(recipients) or 'nobody'}"


def shortest(machine: Machine, lines: Lines, house: Lines) -> Lines:
    """Up to the first difference, without the commands that do not matter."""

    def differs(some: Lines) -> bool:
        return hold(machine, some, house)[-1][:2] != referee(some, house)[-1][:2]

    end = next(n for n in range(1, len(lines) + 1) if differs(lines[:n]))
    lines = lines[:end]
    for number in reversed(range(end - 1)):
        fewer = lines[:number] + lines[number + 1 :]
        lines = fewer if differs(fewer) else lines
    return lines


def perhaps(before: Sequence[str], last: str, expected: str, found: str) -> str:
    """The likely mistake, if this looks like a known one."""
    verb = last.strip().partition(" ")[0]
    earlier = {line.strip().partition(" ")[0].upper() for line in before}
    if found in ("error", "none"):
        return "return a text that begins with three digits, whatever the line is"
    if found == "500" and verb != verb.upper():
        return "verbs have no case: compare verb.upper()"
    if verb.upper() == "RCPT" and expected == "250":
        return unwelcome(before, last, found)
    if expected == "503":
        return too_early(before, verb.upper(), found)
    if verb.upper() == "MAIL" and found == "503" and "MAIL" in earlier:
        return ENDINGS
    return WRONG_CODE.get(expected, "")


def too_early(before: Sequence[str], verb: str, found: str) -> str:
    """Another command had to come first."""
    earlier = [line.strip().partition(" ")[0].upper() for line in before]
    begun = earlier.index("MAIL") if "MAIL" in earlier else len(earlier)
    if found == "501":
        return "first ask whether the command may come now, then how it is written"
    if {"RSET", "EHLO", "HELO", "DATA"} & set(earlier[begun:]):
        return ENDINGS
    if verb == "MAIL" and "MAIL" in earlier:
        return "one transaction at a time: MAIL may not come twice"
    if verb == "DATA" and "MAIL" in earlier:
        return "DATA needs a recipient that was answered by 250"
    return "`state` should say how far the session is; look there first"


ENDINGS = (
    "EHLO, HELO, RSET and the end of a letter end a transaction: forget sender and "
    "recipients"
)


def unwelcome(before: Sequence[str], last: str, found: str) -> str:
    """A good recipient was refused."""
    if any("<>" in line for line in before):
        return (
            "the null reverse-path is an empty text, and `if sender` takes it for none"
        )
    if "@" not in last:
        return "postmaster is accepted without a domain, too (RFC 5321 §4.5.1)"
    if found == "550":
        return "neither domains nor our mailboxes care for case: compare lower()"
    return "a recipient that is refused does not end the transaction"


WRONG_CODE = {
    "250": "this command is allowed here, and well written",
    "354": "a transaction with at least one accepted recipient is ready for DATA",
    "500": "a verb that you do not know, and an empty line, is 500",
    "501": "the verb is right, and what follows it is not as the table says",
    "550": "only the addresses of task.mailboxes, whole, are welcome",
    "555": "you have announced no extension, so nothing may stand behind the >",
    "252": "VRFY is answered without telling who lives here (RFC 5321 §3.5.3)",
    "221": "blanks at the end of a line do not matter",
}

EXERCISES = (
    Exercise(
        "2.1", 4, "500 sessions answered command by command", begin_2_1, check_2_1
    ),
)
