"""Answers to exercises 1.3 and 1.4 of notebook 01: right ones, and mistakes."""

from typing import Any

from maillab.grading import Lab, Task
from maillab.world.console import Console
from tests.exercises.kit import Answers, empty

# 1.3 ----------------------------------------------------------------------------------


def pop3(lab: Lab, task: Task) -> Console:
    console = lab.world.console("desk", lab.names.server, 110)
    console.say(f"USER {task.user}")
    console.say(f"PASS {task.password}")
    return console


def find(console: Console, task: Task) -> tuple[int, str]:
    """The number of the letter and its word."""
    count = int(console.say("STAT").split()[1])
    letters = {n: console.say(f"RETR {n}") for n in range(1, count + 1)}
    number = next(n for n, text in letters.items() if task.subject in text)
    return number, word_in(letters[number])


def word_in(text: str) -> str:
    return text.split("Word: ")[1].split()[0]


def twice(lab: Lab, task: Task) -> str:
    console = pop3(lab, task)
    number, word = find(console, task)
    console.say(f"DELE {number}")
    console.close()
    console = pop3(lab, task)
    console.say("LIST", f"DELE {number}", "QUIT")
    console.close()
    return word


def three_sessions(lab: Lab, task: Task) -> str:
    with pop3(lab, task) as console:
        number, word = find(console, task)
        console.say("QUIT")
    with pop3(lab, task) as console:
        console.say(f"dele {number}")
    with pop3(lab, task) as console:
        console.say("UIDL")
    with pop3(lab, task) as console:
        console.say(f"TOP {number} 0")
        console.say(f"DELE {number}")
        console.say("QUIT")
    return word


def at_once(lab: Lab, task: Task) -> str:
    with pop3(lab, task) as console:
        number, word = find(console, task)
        console.say(f"DELE {number}", "QUIT")
    return word


def never_quits(lab: Lab, task: Task) -> str:
    for _ in range(2):
        with pop3(lab, task) as console:
            number, word = find(console, task)
            console.say(f"DELE {number}")
    return word


def never_looks(lab: Lab, task: Task) -> str:
    with pop3(lab, task) as console:
        number, word = find(console, task)
        console.say(f"DELE {number}")
    with pop3(lab, task) as console:
        console.say(f"DELE {number}", "QUIT")
    return word


def resets(lab: Lab, task: Task) -> str:
    with pop3(lab, task) as console:
        number, word = find(console, task)
        console.say(f"DELE {number}", "RSET", "QUIT")
    with pop3(lab, task) as console:
        console.say("LIST", f"DELE {number}", "QUIT")
    return word


def first_letter(lab: Lab, task: Task) -> str:
    with pop3(lab, task) as console:
        _, word = find(console, task)
        console.say("DELE 1")
    with pop3(lab, task) as console:
        console.say("LIST", "DELE 1", "QUIT")
    return word


def one_too_many(lab: Lab, task: Task) -> str:
    with pop3(lab, task) as console:
        number, word = find(console, task)
        console.say(f"DELE {number}")
    with pop3(lab, task) as console:
        console.say("LIST", f"DELE {number}", "DELE 1", "QUIT")
    return word


def without_the_word(lab: Lab, task: Task) -> str:
    return twice(lab, task)[:-1]


def wrong_password(lab: Lab, task: Task) -> str:
    with lab.world.console("desk", lab.names.server, 110) as console:
        console.say("USER carol", "PASS holly")
    return "holly"


def ellipsis(lab: Lab, task: Task) -> Any:
    with pop3(lab, task):
        return ...


# 1.4 ----------------------------------------------------------------------------------


STEPS = {  # of a right answer
    "search": "UID SEARCH",
    "fetch": "UID FETCH {read} BODY.PEEK[TEXT]",
    "store": "UID STORE {read} +FLAGS (\\Flagged)",
    "delete": "UID STORE {remove} +FLAGS (\\Deleted)",
    "expunge": "EXPUNGE",
}


def imap(lab: Lab, task: Task, **changed: str) -> str:
    """Exercise 1.4, with one step or other done in another way."""
    steps = STEPS | changed
    with lab.world.console("desk", lab.names.server, 143) as console:
        console.say(f"a LOGIN {task.user} {task.password}", "b SELECT INBOX")
        uids = {
            name: console.say(f'c {steps["search"]} SUBJECT "{subject}"').split()[2]
            for name, subject in (("read", task.read), ("remove", task.remove))
        }
        text = console.say(f"d {steps['fetch'].format(**uids)}")
        for step in ("store", "delete", "expunge"):
            console.say(f"e {steps[step].format(**uids)}")
        console.say("f LOGOUT")
    return word_in(text) if "Word: " in text else ""


def by_uid(lab: Lab, task: Task) -> str:
    return imap(lab, task)


def by_number(lab: Lab, task: Task) -> str:
    return imap(
        lab,
        task,
        search="SEARCH",
        fetch="FETCH {read} (FLAGS BODY.PEEK[] UID)",
        store="STORE {read} +FLAGS.SILENT \\Flagged",
        delete="STORE {remove} +FLAGS (\\Deleted \\Seen)",
        expunge="CLOSE",
    )


def by_examine(lab: Lab, task: Task) -> str:
    """A mailbox that was opened by EXAMINE changes no flag (RFC 3501 §6.3.2)."""
    with lab.world.console("desk", lab.names.server, 143) as console:
        console.say(f"a LOGIN {task.user} {task.password}", "b EXAMINE INBOX")
        uid = console.say(f'c UID SEARCH SUBJECT "{task.read}"').split()[2]
        word = word_in(console.say(f"d UID FETCH {uid} BODY[TEXT]"))
        console.say("e LOGOUT")
    imap(lab, task, fetch="NOOP")
    return word


def by_rumour(lab: Lab, task: Task) -> str:
    """Somebody else knows the word; the letter is not read."""
    (chosen,) = [
        letter.content.decode()
        for letter in lab.world.user("dave").inbox.messages
        if task.read in letter.content.decode()
    ]
    imap(lab, task, fetch="NOOP")
    return word_in(chosen)


def two_sessions(lab: Lab, task: Task) -> str:
    imap(lab, task, expunge="NOOP")
    return imap(lab, task, delete="NOOP", expunge="UID EXPUNGE {remove}")


def marks_as_read(lab: Lab, task: Task) -> str:
    return imap(lab, task, fetch="UID FETCH {read} BODY[TEXT]")


def marks_and_unmarks(lab: Lab, task: Task) -> str:
    store = "UID STORE {read} -FLAGS (\\Seen)"
    imap(lab, task, fetch="UID FETCH {read} BODY[TEXT]", store=store, expunge="NOOP")
    return imap(lab, task)


def replaces_flags(lab: Lab, task: Task) -> str:
    return imap(lab, task, store="UID STORE {read} FLAGS (\\Flagged)")


def forgets_expunge(lab: Lab, task: Task) -> str:
    return imap(lab, task, expunge="NOOP")


def forgets_flag(lab: Lab, task: Task) -> str:
    return imap(lab, task, store="NOOP")


def takes_numbers_for_uids(lab: Lab, task: Task) -> str:
    fetch, store = "FETCH {read} BODY.PEEK[TEXT]", "STORE {read} +FLAGS (\\Flagged)"
    return imap(lab, task, search="SEARCH", fetch=fetch, store=store)


def removes_one_more(lab: Lab, task: Task) -> str:
    letters = lab.world.user("dave").inbox.messages
    uids = [str(m.uid) for m in letters if task.read.encode() not in m.content][:3]
    store = f"UID STORE {{remove}},{','.join(uids)} +FLAGS.SILENT (\\Deleted)"
    return imap(lab, task, delete=store)


def removes_what_was_read(lab: Lab, task: Task) -> str:
    return imap(lab, task, delete="UID STORE {read} +FLAGS (\\Deleted)")


def by_pop3(lab: Lab, task: Task) -> str:
    with lab.world.console("desk", lab.names.server, 110) as console:
        console.say(f"USER {task.user}", f"PASS {task.password}")
        return find(console, Task("1.4", "", subject=task.read))[1]


ANSWERS = {
    "1.3": Answers(
        right=[twice, three_sessions],
        wrong=[
            (empty, "that carol logs in"),
            (wrong_password, "POP3 sessions: 1"),
            (ellipsis, "found nothing"),
            (without_the_word, "the variable word"),
            (at_once, "at first in a session that ends without QUIT"),
            (resets, "RSET"),
            (never_looks, "finds the letter again"),
            (never_quits, "it is still there"),
            (first_letter, "found DELE 1, DELE 1"),
            (one_too_many, "all other letters"),
        ],
    ),
    "1.4": Answers(
        right=[by_uid, by_number, by_examine, two_sessions],
        wrong=[
            (empty, "that dave logs in"),
            (by_pop3, "by IMAP"),
            (by_rumour, "no FETCH of its text"),
            (marks_as_read, "BODY[TEXT]"),
            (marks_and_unmarks, "never marked as \\Seen"),
            (replaces_flags, "found \\Flagged"),
            (forgets_flag, "found \\Answered"),
            (forgets_expunge, "marked as \\Deleted: About"),
            (takes_numbers_for_uids, "a UID is no sequence number"),
            (removes_one_more, "all other letters"),
            (removes_what_was_read, "found it is gone"),
        ],
    ),
}
