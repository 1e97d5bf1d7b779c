"""The exercises of notebook 01: how each begins, and what must have happened."""

from collections.abc import Callable, Sequence
from email.utils import parseaddr

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.dialogue import SMTP_CONTENT, Exchange, exchanges
from maillab.grading.exercise import Evidence
from maillab.store.mailboxes import Mailbox
from maillab.trace.session import Session
from maillab.wire.message import Header
from maillab.wire.smtp_replies import ReplyReader

DOMAIN = "post.example"
SERVER = "mail.post.example"
DESK = "desk"


# 1.1 Envelope and header ----------------------------------------------------------------


def begin_1_1(lab: Lab) -> Task:
    game, court, word = lab.words("1.1", 3)
    lab.fill_inbox("bob", [])
    return Task(
        "1.1",
        "Deliver a letter whose envelope and header disagree",
        mail_from=f"alice@{DOMAIN}",
        rcpt_to=f"bob@{DOMAIN}",
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
            f'open one: world.console("{DESK}", "{SERVER}", 25)',
        )
    delivered = [x for s in sessions for x in transactions(s) if x.took(task.subject)]
    if not delivered:
        raise why_undelivered([x for s in sessions for x in exchanges(s)])
    transaction = delivered[-1]
    demand_header(task, transaction.header)
    demand_envelope(task, transaction)
    if not transaction.body.strip(b"\r\n."):
        raise Failed(
            "a text behind an empty line",
            "a header and nothing else",
            "RFC 5322 §2.1",
            "the empty line between header and body is missing: say(…, '', …)",
        )
    return {
        "envelope": [transaction.mail_from, transaction.rcpt_to],
        "from": address(transaction.header, "From"),
        "to": address(transaction.header, "To"),
        "subject": task.subject,
        "in the INBOX": [subject_of(m.content) for m in inbox(lab, "bob").messages][-1:],
    }


class Transaction:
    """One mail transaction (RFC 5321 §3.3): an envelope and what it carried."""

    def __init__(self, before: Sequence[Exchange], content: Exchange) -> None:
        taken = [x for x in before if x.accepted]
        starts = [i for i, x in enumerate(taken) if x.verb == "MAIL"] or [0]
        self.mail_from = path(taken[starts[-1]].argument) if taken else ""
        rcpts = [x for x in taken[starts[-1] :] if x.verb == "RCPT"]
        self.rcpt_to = sorted({path(x.argument) for x in rcpts})
        self.accepted = content.accepted
        self.header = Header.from_wire(content.content)
        self.body = content.content.partition(b"\r\n\r\n")[2]

    def took(self, subject: str) -> bool:
        return self.accepted and field(self.header, "Subject") == subject


def transactions(session: Session) -> list[Transaction]:
    said = exchanges(session)
    ends = [i for i, x in enumerate(said) if x.verb == SMTP_CONTENT]
    return [Transaction(said[:end], said[end]) for end in ends]


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


def demand_header(task: Task, header: Header) -> None:
    for name, value in (("From", task.header_from), ("To", task.header_to)):
        found = address(header, name)
        if found != parseaddr(value)[1]:
            section = "RFC 5322 §3.6.2" if name == "From" else "RFC 5322 §3.6.3"
            raise Failed(
                f"{name}: {value} in the header",
                repr(field(header, name)) if found else f"no {name} field",
                section,
                "the header is what people read; it need not repeat the envelope",
            )


def demand_envelope(task: Task, transaction: Transaction) -> None:
    if transaction.mail_from != task.mail_from:
        raise Failed(
            f"{task.mail_from} as reverse-path",
            transaction.mail_from or "<>",
            "RFC 5321 §4.1.1.2",
            "the envelope's sender is task.mail_from; the Queen stands in the header",
        )
    if transaction.rcpt_to != [task.rcpt_to]:
        raise Failed(
            f"{task.rcpt_to} as the only recipient",
            ", ".join(transaction.rcpt_to),
            "RFC 5321 §4.1.1.3",
        )


# 1.2 Replies ----------------------------------------------------------------------------


def begin_1_2(lab: Lab) -> Task:
    return Task("1.2", "Read the replies of a server", server=SERVER, port=25)


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
    commands = [
        f"EHLO {me}.example",
        "NOOP",
        "HELP",
        "MAIL FROM:<>",
        f"RCPT TO:<bob@{DOMAIN}>",
        f"RCPT TO:<{ghost}@{DOMAIN}>",
        f"RCPT TO:<{ghost}@{away}.example>",
        f"{ghost.upper()}",
        "DATA now",
        "MAIL FROM:<>",
        f"VRFY {ghost}",
        "DATA",
    ]
    with lab.examine(DESK, SERVER, 25) as console:
        found = {"": console.greeting} | {line: console.say(line) for line in commands}
    with lab.examine(DESK, SERVER, 25) as console:
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
    except Exception as error:  # noqa: BLE001: it is the student's code
        raise Failed(
            f"read_reply to read {text!r}", f"{type(error).__name__}: {error}"
        ) from error
    match result:
        case (code, enhanced, [*lines]):
            return code, enhanced or "", lines
        case _:
            raise Failed(
                "read_reply to return (code, enhanced, lines)",
                repr(result),
                perhaps="its last line should be: return code, enhanced, lines",
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


# 1.3 POP3 -------------------------------------------------------------------------------


def begin_1_3(lab: Lab) -> Task:
    dice = lab.random("1.3")
    word, *topics = lab.words("1.3", dice.randint(5, 7))
    chosen = dice.randrange(1, len(topics) - 1)
    letters = [letter("carol", topic) for topic in topics]
    letters[chosen] = letter("carol", topics[chosen], f"Word: {word}")
    lab.fill_inbox("carol", letters)
    return Task(
        "1.3",
        "Read one letter by POP3, and delete it: first in vain, then for good",
        user="carol",
        password=lab.world.user("carol").password,
        subject=subject(topics[chosen]),
    )


def check_1_3(lab: Lab, word: object = None) -> Evidence:
    task = lab.task("1.3")
    sessions = logged_in(lab, task, "POP3", "RFC 1939 §4")
    _, *topics = lab.words("1.3", lab.random("1.3").randint(5, 7))
    subjects = [subject(topic) for topic in topics]
    demand_word(lab, "1.3", word)
    number = subjects.index(task.subject) + 1
    abandoned = demand_abandoned(sessions, number)
    later = sessions[sessions.index(abandoned) + 1 :]
    demand_second_look(later)
    left = [subject_of(m.content) for m in inbox(lab, "carol").messages]
    if task.subject in left:
        raise Failed(
            f"{task.subject!r} gone from the maildrop",
            "it is still there",
            "RFC 1939 §6",
            "DELE marks; QUIT deletes, at the end of the session that marked",
        )
    demand_left(left, [s for s in subjects if s != task.subject])
    return {"word": word, "number": number, "left": left, "gone": task.subject}


def demand_abandoned(sessions: Sequence[Session], number: int) -> Session:
    """The first session that deleted in vain: DELE and no QUIT."""
    command = f"DELE {number}"
    for session in sessions:
        said = exchanges(session)
        verbs = [x.verb for x in said]
        if any(x.command == command and x.accepted for x in said):
            if not {"QUIT", "RSET"} & set(verbs):
                return session
            raise Failed(
                f"{command} at first in a session that ends without QUIT",
                " ".join(verbs),
                "RFC 1939 §6",
                "hang up with close(), then look again; lab.begin puts all back",
            )
    deleted = [x.command for s in sessions for x in exchanges(s) if x.verb == "DELE"]
    raise Failed(
        "a session that deletes the letter and ends without QUIT",
        ", ".join(deleted) or "no DELE",
        "RFC 1939 §5",
        "the number is that of LIST, and TOP n 0 shows which letter it is",
    )


def demand_second_look(later: Sequence[Session]) -> None:
    looks = {"STAT", "LIST", "UIDL", "RETR", "TOP"}
    if not any(x.verb in looks and x.accepted for s in later for x in exchanges(s)):
        raise Failed(
            "a second session that finds the letter again",
            f"{len(later)} later sessions, none of which looked",
            "RFC 1939 §6",
            "LIST after a new login; while the first session is open, the maildrop "
            "is locked",
        )


# 1.4 IMAP -------------------------------------------------------------------------------

OLD = 2  # letters that were removed before the exercise begins, so that UID ≠ number


def begin_1_4(lab: Lab) -> Task:
    dice = lab.random("1.4")
    word, *topics = lab.words("1.4", dice.randint(7, 9))
    read, remove = dice.sample(range(OLD, len(topics)), 2)
    letters = [letter("dave", topic) for topic in topics]
    letters[read] = letter("dave", topics[read], f"Word: {word}")
    box = lab.fill_inbox("dave", letters)
    uids = [message.uid for message in box.messages]
    box.set_flags(uids[read], {"\\Answered"})
    box.expunge(uids[:OLD])
    lab.watch("dave")
    return Task(
        "1.4",
        "Read one letter by IMAP without marking it as read, flag it, remove another",
        user="dave",
        password=lab.world.user("dave").password,
        read=subject(topics[read]),
        remove=subject(topics[remove]),
    )


def check_1_4(lab: Lab, word: object = None) -> Evidence:
    task = lab.task("1.4")
    sessions = logged_in(lab, task, "IMAP", "RFC 3501 §6.2.3")
    demand_word(lab, "1.4", word)
    said = [x for session in sessions for x in exchanges(session)]
    box = inbox(lab, "dave")
    left = [subject_of(m.content) for m in box.messages]
    _, *topics = lab.words("1.4", lab.random("1.4").randint(7, 9))
    subjects = [subject(topic) for topic in topics[OLD:]]
    demand_peek(lab, said, box, task)
    flags = demand_flags(box, task)
    if task.remove in left:
        demand_expunge(box, task)
    demand_left(left, [s for s in subjects if s != task.remove])
    return {"word": word, "flags": flags, "left": left, "gone": task.remove}


def demand_peek(lab: Lab, said: list[Exchange], box: Mailbox, task: Task) -> None:
    uids = [m.uid for m in box.messages if subject_of(m.content) == task.read]
    seen = {c.uid for c in lab.history("dave") if "\\Seen" in c.flags}
    peeks = [x for x in said if "FETCH" in x.verb and "PEEK[" in x.argument.upper()]
    if seen & set(uids) or not any(x.accepted for x in peeks):
        fetched = [x.command for x in said if "FETCH" in x.verb and "[" in x.argument]
        raise Failed(
            f"{task.read!r} read by BODY.PEEK and never marked as \\Seen",
            ", ".join(fetched) or "no FETCH of its text",
            "RFC 3501 §6.4.5",
            "BODY[…] sets \\Seen, BODY.PEEK[…] does not; lab.begin puts all back",
        )


def demand_flags(box: Mailbox, task: Task) -> list[str]:
    """The flags of the letter that was to be flagged."""
    found = [m for m in box.messages if subject_of(m.content) == task.read]
    if not found:
        raise Failed(
            f"{task.read!r} in the INBOX",
            "it is gone",
            "RFC 3501 §2.3.1",
            "a UID is no sequence number: use UID STORE with what UID SEARCH found",
        )
    flags = found[0].flags
    perhaps = ""
    if "\\Answered" not in flags:
        perhaps = "STORE … FLAGS replaces all flags; +FLAGS adds one"
    elif "\\Flagged" not in flags:
        others = [subject_of(m.content) for m in box.messages if "\\Flagged" in m.flags]
        perhaps = f"you flagged {others[0]!r}: UID and number differ" if others else ""
    if not {"\\Answered", "\\Flagged"} <= flags or "\\Deleted" in flags:
        raise Failed(
            f"\\Answered and \\Flagged on {task.read!r}",
            " ".join(sorted(flags)) or "no flags",
            "RFC 3501 §6.4.6",
            perhaps,
        )
    return sorted(flags & {"\\Answered", "\\Flagged"})


def demand_expunge(box: Mailbox, task: Task) -> None:
    marked = [subject_of(m.content) for m in box.messages if "\\Deleted" in m.flags]
    perhaps = "\\Deleted marks; EXPUNGE removes" if task.remove in marked else ""
    raise Failed(
        f"{task.remove!r} gone from the INBOX",
        f"it is there; marked as \\Deleted: {', '.join(marked) or 'nothing'}",
        "RFC 3501 §6.4.3",
        perhaps,
    )


# What the exercises share ---------------------------------------------------------------


def subject(topic: str) -> str:
    return f"About the {topic}"


def letter(user: str, topic: str, *more: str) -> bytes:
    rows = [
        f"From: Alice <alice@{DOMAIN}>",
        f"To: {user.title()} <{user}@{DOMAIN}>",
        f"Subject: {subject(topic)}",
        "",
        f"Dear {user.title()}, the {topic} is well.",
        *more,
    ]
    return "".join(f"{row}\r\n" for row in rows).encode()


def inbox(lab: Lab, user: str) -> Mailbox:
    return lab.world.user(user).inbox


def subject_of(content: bytes) -> str:
    return field(Header.from_wire(content), "Subject")


def field(header: Header, name: str) -> str:
    found = header.named(name)
    return found[0].value.strip() if found else ""


def address(header: Header, name: str) -> str:
    return parseaddr(field(header, name))[1]


def path(argument: str) -> str:
    """The address in `FROM:<a@b.example> SIZE=7`."""
    return argument.partition("<")[2].partition(">")[0].lower()


def logged_in(lab: Lab, task: Task, protocol: str, section: str) -> list[Session]:
    """The sessions of the task's user. Raises Failed when there is none."""
    sessions = lab.sessions(task.id, protocol, task.user)
    if not sessions:
        tried = len(lab.sessions(task.id, protocol))
        raise Failed(
            f"a {protocol} session of {task.user}",
            f"{tried} {protocol} sessions, and nobody of that name logged in",
            section,
            "the password is task.password" if tried else "open a console first",
        )
    return sessions


def demand_word(lab: Lab, exercise: str, word: object) -> None:
    if word != lab.words(exercise, 1)[0]:
        raise Failed(
            "in the variable word what stands behind “Word:” in the letter",
            "nothing" if word in (..., None) else repr(word),
            f'lab.begin("{exercise}").subject' if exercise == "1.3" else "task.read",
            "a word with a dot, a bracket or a blank too many?"
            if isinstance(word, str)
            else "",
        )


def demand_left(left: Sequence[str], expected: Sequence[str]) -> None:
    missing = [subject for subject in expected if subject not in left]
    if missing:
        raise Failed(
            "all other letters still there",
            f"{', '.join(map(repr, missing))} gone, too",
            perhaps="the number of another letter? lab.begin puts all back",
        )


EXERCISES = (
    Exercise(
        "1.1", 3, "the envelope delivered, the header only talked", begin_1_1, check_1_1
    ),
    Exercise("1.2", 3, "every reply is read right", begin_1_2, check_1_2),
    Exercise("1.3", 3, "deleted in vain, then for good", begin_1_3, check_1_3),
    Exercise("1.4", 3, "read unseen, flagged, and one removed", begin_1_4, check_1_4),
)
