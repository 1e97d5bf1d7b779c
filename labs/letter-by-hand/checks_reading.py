"""Exercises 1.3 and 1.4 of notebook 01: read and delete letters by POP3 and by IMAP."""

from collections.abc import Sequence

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.dialogue import Exchange, exchanges
from maillab.grading.exercise import Evidence
from maillab.grading.letters import field, letter, subjects
from maillab.store.mailboxes import Mailbox
from maillab.trace.session import Session

# 1.3 POP3 -----------------------------------------------------------------------------


def begin_1_3(lab: Lab) -> Task:
    word, topics = draw(lab, "1.3", 4)
    chosen = lab.random("1.3 chosen").choice(topics[1:-1])
    lab.fill_inbox(
        "carol", write_letters(lab.world.user("carol").address, topics, chosen, word)
    )
    return Task(
        "1.3",
        "Read one letter by POP3, and delete it: first in vain, then for good",
        user="carol",
        password=lab.world.user("carol").password,
        subject=chosen,
    )


def check_1_3(lab: Lab, word: object = None) -> Evidence:
    task = lab.task("1.3")
    sessions = logged_in(lab, task, "POP3", "RFC 1939 §4")
    right, topics = draw(lab, "1.3", 4)
    demand_word(task.subject, right, word)
    number = topics.index(task.subject) + 1
    abandoned = demand_abandoned(sessions, number)
    later = sessions[sessions.index(abandoned) + 1 :]
    demand_second_look(later)
    left = subjects(inbox(lab, "carol"))
    if task.subject in left:
        raise Failed(
            f"{task.subject!r} gone from the maildrop",
            "it is still there",
            "RFC 1939 §6",
            "DELE marks; QUIT deletes, at the end of the session that marked",
        )
    demand_left(left, [topic for topic in topics if topic != task.subject])
    endings = {ending(session, number) for session in (abandoned, *later)}
    return {"word": word, "deleted": sorted(endings - {""}), "left": left}


def ending(session: Session, number: int) -> str:
    """How a session ended that deleted the letter; "" for one that did not."""
    said = [x.command for x in exchanges(session) if x.accepted]
    if f"DELE {number}" not in said:
        return ""
    return f"DELE {number}, then " + ("QUIT" if "QUIT" in said else "hung up")


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


# 1.4 IMAP -----------------------------------------------------------------------------

OLD = 2  # letters that were removed before the exercise begins, so that UID ≠ number


def begin_1_4(lab: Lab) -> Task:
    word, topics = draw(lab, "1.4", OLD + 4)
    read, remove = lab.random("1.4 chosen").sample(topics[OLD:], 2)
    box = lab.fill_inbox(
        "dave", write_letters(lab.world.user("dave").address, topics, read, word)
    )
    uids = [message.uid for message in box.messages]
    box.set_flags(uids[topics.index(read)], {"\\Answered"})
    box.expunge(uids[:OLD])
    lab.watch("dave")
    return Task(
        "1.4",
        "Read one letter by IMAP without marking it as read, flag it, remove another",
        user="dave",
        password=lab.world.user("dave").password,
        read=read,
        remove=remove,
    )


def check_1_4(lab: Lab, word: object = None) -> Evidence:
    task = lab.task("1.4")
    sessions = logged_in(lab, task, "IMAP", "RFC 3501 §6.2.3")
    right, topics = draw(lab, "1.4", OLD + 4)
    demand_word(task.read, right, word)
    box = inbox(lab, "dave")
    said = [x for s in sessions for x in exchanges(s)]
    peeked = demand_peek(lab, said, task)
    flags = demand_flags(box, task, said)
    left = subjects(box)
    if task.remove in left:
        raise not_removed(box, task, said)
    demand_left(left, [topic for topic in topics[OLD:] if topic != task.remove])
    return {"word": word, "peeked": peeked, "flags": flags, "left": left}


def demand_peek(lab: Lab, said: list[Exchange], task: Task) -> list[str]:
    """The subjects of letters that were never seen, though their text was fetched."""
    box = inbox(lab, "dave")
    uids = {m.uid for m in box.messages if field(m.content, "Subject") == task.read}
    seen = {change.uid for change in lab.history("dave") if "\\Seen" in change.flags}
    fetched = [x for x in said if "FETCH" in x.verb and "[" in x.argument]
    if uids & seen or not any(x.accepted for x in fetched):
        raise Failed(
            f"{task.read!r} read by FETCH and never marked as \\Seen",
            ", ".join(x.command for x in fetched) or "no FETCH of its text",
            "RFC 3501 §6.4.5",
            "BODY[…] sets \\Seen, BODY.PEEK[…] does not; lab.begin puts all back",
        )
    return [
        field(m.content, "Subject")
        for m in box.messages
        if m.uid not in seen and "\\Answered" in m.flags
    ]


def demand_flags(box: Mailbox, task: Task, said: list[Exchange]) -> list[str]:
    """The flags of the letter that was to be flagged."""
    found = [m for m in box.messages if field(m.content, "Subject") == task.read]
    if not found:
        raise Failed(
            f"{task.read!r} in the INBOX",
            "it is gone",
            "RFC 3501 §2.3.1",
            MIXED_UP,
        )
    flags = found[0].flags
    if not {"\\Answered", "\\Flagged"} <= flags or "\\Deleted" in flags:
        raise Failed(
            f"\\Answered and \\Flagged on {task.read!r}",
            " ".join(sorted(flags)) or "no flags",
            "RFC 3501 §6.4.6",
            wrong_flags(box, flags) or mixed_up(said),
        )
    return sorted(flags & {"\\Answered", "\\Flagged"})


def wrong_flags(box: Mailbox, flags: frozenset[str]) -> str:
    if "\\Answered" not in flags:
        return "STORE … FLAGS replaces all flags; +FLAGS adds one"
    return MIXED_UP if subjects(box, "\\Flagged") else ""


def not_removed(box: Mailbox, task: Task, said: list[Exchange]) -> Failed:
    marked = subjects(box, "\\Deleted")
    return Failed(
        f"{task.remove!r} gone from the INBOX",
        f"it is there; marked as \\Deleted: {', '.join(marked) or 'nothing'}",
        "RFC 3501 §6.4.3",
        "\\Deleted marks; EXPUNGE removes" if task.remove in marked else mixed_up(said),
    )


def mixed_up(said: list[Exchange]) -> str:
    """The likely mistake where nothing was marked."""
    stores = [x for x in said if x.verb.endswith("STORE")]
    if not stores:
        return "STORE sets a flag: +FLAGS adds it to those that are there"
    if not any(x.accepted for x in stores):
        return "no STORE was understood: print what the server says to it"
    found_by = {x.verb.startswith("UID") for x in said if x.verb.endswith("SEARCH")}
    used_by = {x.verb.startswith("UID") for x in stores}
    return MIXED_UP if found_by and found_by != used_by else ""


MIXED_UP = (
    "a UID is no sequence number: UID SEARCH finds what UID STORE takes, SEARCH what "
    "STORE takes"
)


# What the exercises share -------------------------------------------------------------


def draw(lab: Lab, exercise: str, fewest: int) -> tuple[str, list[str]]:
    """The word that is to be found, and the subjects of all letters."""
    count = lab.random(f"{exercise} letters").randint(fewest, fewest + 2)
    word, *topics = lab.words(exercise, 1 + count)
    return word, [f"About the {topic}" for topic in topics]


def write_letters(
    address: str, topics: Sequence[str], chosen: str, word: str
) -> list[bytes]:
    user, domain = address.split("@")

    def write(topic: str) -> bytes:
        more = [f"Word: {word}"] if topic == chosen else []
        text = f"Dear {user.title()}, I thought you should know."
        return letter(f"Alice <alice@{domain}>", address, topic, text, *more)

    return [write(topic) for topic in topics]


def inbox(lab: Lab, user: str) -> Mailbox:
    return lab.world.user(user).inbox


def logged_in(lab: Lab, task: Task, protocol: str, section: str) -> list[Session]:
    """The sessions of the task's user. Raises Failed when there is none."""
    sessions = lab.sessions(task.id, protocol, task.user)
    if not sessions:
        tried = len(lab.sessions(task.id, protocol))
        raise Failed(
            f"that {task.user} logs in by {protocol}",
            f"{protocol} sessions: {tried}, none of them with a login of {task.user}",
            section,
            "the password is task.password" if tried else "open a console first",
        )
    return sessions


def demand_word(subject: str, right: str, word: object) -> None:
    if word == right:
        return
    raise Failed(
        f"the variable word to hold what stands behind “Word:” in {subject!r}",
        "nothing" if word in (..., None) else repr(word),
        perhaps="split() cuts a text at its blanks" if isinstance(word, str) else "",
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
    Exercise("1.3", 3, "deleted in vain, then for good", begin_1_3, check_1_3),
    Exercise("1.4", 3, "read unseen, flagged, and one removed", begin_1_4, check_1_4),
)
