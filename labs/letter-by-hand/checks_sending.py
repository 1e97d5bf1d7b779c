"""Exercises 1.1 and 1.2 of notebook 01: send a letter by SMTP, read replies."""

from collections.abc import Callable, Sequence
from email.utils import parseaddr

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.dialogue import (
    SMTP_CONTENT,
    Exchange,
    Transaction,
    exchanges,
    transactions,
)
from maillab.grading.exercise import Evidence
from maillab.grading.letters import address, field, subjects
from maillab.wire.smtp_replies import ReplyReader

# 1.1 Envelope and header --------------------------------------------------------------


def begin_1_1(lab: Lab) -> Task:
    game, court, word = lab.words("1.1", 3)
    lab.fill_inbox("bob", [])
    return Task(
        "1.1",
        "Deliver a letter whose envelope and header disagree",
        mail_from=f"alice@{lab.names.domain}",
        rcpt_to=f"bob@{lab.names.domain}",
        header_from=f"The Queen <queen@{court}.example>",
        header_to=f"everybody@{game}.example",
        subject=f"The {word} party",
    )


def check_1_1(lab: Lab) -> Evidence:
    task = lab.task("1.1")
    sessions = lab.sessions("1.1", "SMTP")
    if not sessions:
        raise Failed(
            "an SMTP session from your desk",
            "none",
            "RFC 5321 §3.1",
            'open one: world.console("desk", names.server, 25)',
        )
    carried = [t for s in sessions for t in transactions(s) if t.accepted]
    delivered = [t for t in carried if field(t.content, "Subject") == task.subject]
    if not delivered:
        raise why_undelivered([x for s in sessions for x in exchanges(s)])
    transaction = delivered[-1]
    demand_header(task, transaction.content)
    demand_envelope(task, transaction)
    demand_text(transaction.content)
    return {
        "envelope": [transaction.mail_from, *transaction.rcpt_to],
        "from": address(transaction.content, "From"),
        "to": address(transaction.content, "To"),
        "in the INBOX": subjects(lab.world.user("bob").inbox)[-1:],
    }


def why_undelivered(said: Sequence[Exchange]) -> Failed:
    expected = "a letter with task.subject in its header, taken by the server"
    content = [x for x in said if x.verb == SMTP_CONTENT]
    asked_data = any(x.verb == "DATA" and x.accepted for x in said)
    if asked_data and not any(x.reply for x in content):
        return Failed(
            expected,
            "no reply after DATA",
            "RFC 5321 §4.1.1.4",
            "the line with the single dot, which ends the letter, is missing",
        )
    refused = [x for x in said if x.reply and not x.accepted]
    refused.sort(key=lambda x: x.verb == "RCPT")  # the cause of others, if there is one
    if any(x.accepted for x in content):
        text = content[-1].content.decode("utf-8", "replace").partition("\r\n")[0]
        return Failed(
            expected,
            f"a letter that begins with {text!r} and has not that Subject field",
            "RFC 5322 §3.6.5",
            "header fields come first, one in a line: say('From: …', 'Subject: …', …)",
        )
    if refused:
        perhaps = ""
        if refused[-1].verb == "RCPT":
            perhaps = "RCPT TO takes task.rcpt_to; the header's To is for people only"
        return Failed(
            expected,
            f"{refused[-1].command} answered by {refused[-1].reply}",
            "RFC 5321 §4.1.1.3" if perhaps else "RFC 5321 §4.1.4",
            perhaps or "MAIL, RCPT, DATA, in this order, after EHLO",
        )
    return Failed(
        expected,
        " ".join(x.verb for x in said) or "a silent session",
        "RFC 5321 §3.3",
        "MAIL, RCPT, DATA, the letter, a line with a single dot",
    )


def demand_header(task: Task, content: bytes) -> None:
    sections = {"From": "RFC 5322 §3.6.2", "To": "RFC 5322 §3.6.3"}
    for name, value in (("From", task.header_from), ("To", task.header_to)):
        if address(content, name) != parseaddr(value)[1]:
            found = field(content, name)
            raise Failed(
                f"{name}: {value} in the header",
                f"{name}: {found}" if found else f"no {name} field",
                sections[name],
                "the header is what people read; it need not repeat the envelope",
            )


def demand_text(content: bytes) -> None:
    if not content.partition(b"\r\n\r\n")[2].strip(b"\r\n."):
        raise Failed(
            "a text behind an empty line",
            "a header and nothing else",
            "RFC 5322 §2.1",
            "the empty line between header and body is missing: say(…, '', …)",
        )


def demand_envelope(task: Task, transaction: Transaction) -> None:
    if transaction.mail_from != task.mail_from:
        raise Failed(
            f"{task.mail_from} as reverse-path",
            transaction.mail_from or "<>",
            "RFC 5321 §4.1.1.2",
            "the envelope's sender is task.mail_from; the Queen stands in the header",
        )
    if transaction.rcpt_to != (task.rcpt_to,):
        raise Failed(
            f"{task.rcpt_to} as the only recipient",
            ", ".join(transaction.rcpt_to),
            "RFC 5321 §4.1.1.3",
        )


# 1.2 Replies --------------------------------------------------------------------------


def begin_1_2(lab: Lab) -> Task:
    return Task("1.2", "Read the replies of a server", server=lab.names.server, port=25)


def check_1_2(lab: Lab, read_reply: object = None) -> Evidence:
    lab.task("1.2")
    if not callable(read_reply):
        raise Failed("a function read_reply(text)", repr(read_reply))
    facts: dict[str, object] = {}
    for command, text in replies_to_read(lab).items():
        reader = ReplyReader()
        *_, right = map(reader.add, text.encode().split(b"\n"))
        assert right is not None, "our own server speaks grammatically"
        expected = (right.code, right.enhanced, list(right.lines))
        found = normal(read_reply, text)
        if found != expected:
            raise misread(text, expected, found)
        facts[command] = list(found)
    return {"replies": facts}


def replies_to_read(lab: Lab) -> dict[str, str]:
    """What our server really says to a dozen commands that differ with the seed."""
    me, ghost, away = lab.words("1.2", 3)
    domain = lab.names.domain
    commands = [
        f"EHLO {me}.example",
        "NOOP",
        "HELP",
        "MAIL FROM:<>",
        f"RCPT TO:<bob@{domain}>",
        f"RCPT TO:<{ghost}@{domain}>",
        f"RCPT TO:<{ghost}@{away}.example>",
        f"{ghost.upper()}",
        "DATA now",
        "MAIL FROM:<>",
        f"VRFY {ghost}",
        "DATA",
    ]
    with lab.examine("desk", lab.names.server, 25) as console:
        found = {"": console.greeting} | {line: console.say(line) for line in commands}
    with lab.examine("desk", lab.names.server, 25) as console:
        for _ in range(20):  # until it has enough of us
            found["again and again"] = console.say(away.upper())
            if found["again and again"].startswith("421"):
                break
    return found


def normal(
    read_reply: Callable[[str], object], text: str
) -> tuple[object, object, object]:
    """What the student's function returns, as (code, enhanced, lines)."""
    try:
        result = read_reply(text)
    except Exception as error:  # whatever the student's code does
        raise Failed(
            f"read_reply to read {text!r}",
            f"{type(error).__name__}: {error}",
            "RFC 5321 §4.2.1",
            "a reply may have one line or many, with or without an enhanced code: call "
            "read_reply with this text yourself",
        ) from error
    match result:
        case (code, enhanced, [*lines]):
            return code, enhanced or "", lines
        case (_, _, _):
            perhaps = "the third thing is a list, also when there is one line only"
            if any(one is ... for one in result):
                perhaps = "the three dots of the scaffold are still there"
        case _:
            perhaps = "its last line should be: return code, enhanced, lines"
    raise Failed(
        "read_reply to return (code, enhanced, lines)", repr(result), perhaps=perhaps
    )


def misread(
    text: str, expected: tuple[int, str, list[str]], found: Sequence[object]
) -> Failed:
    first, last = text.split("\n")[0], text.split("\n")[-1]
    shown = repr(first if first == last else f"{first} … {last}")
    for name, right, wrong in zip(
        ("code", "enhanced code", "lines"), expected, found, strict=True
    ):
        if right != wrong:
            see, perhaps = MISREAD[name]
            return Failed(f"the {name} {right!r} in {shown}", repr(wrong), see, perhaps)
    raise AssertionError("something differs")


MISREAD = {
    "code": (
        "RFC 5321 §4.2",
        "the code is a number: int() of the first three characters",
    ),
    "enhanced code": (
        "RFC 2034 §4",
        "not every reply has one; it stands right behind the code, and its first digit "
        "is the code's",
    ),
    "lines": (
        "RFC 5321 §4.2.1",
        "one text for each line, without code, hyphen and enhanced code",
    ),
}


EXERCISES = (
    Exercise(
        "1.1", 3, "the envelope delivered, the header only talked", begin_1_1, check_1_1
    ),
    Exercise("1.2", 3, "every reply is read right", begin_1_2, check_1_2),
)
