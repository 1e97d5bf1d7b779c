"""Answers to exercises 1.1 and 1.2 of notebook 01: right ones, and mistakes."""

import re
from collections.abc import Callable
from typing import Any

from maillab.grading import Lab, Task
from tests.exercises.kit import Answer, Answers, empty

# 1.1 ----------------------------------------------------------------------------------


def smtp(lab: Lab, *says: str | tuple[str, ...]) -> None:
    with lab.world.console("desk", lab.names.server, 25) as console:
        for lines in says:
            console.say(*([lines] if isinstance(lines, str) else lines))


def envelope(task: Task) -> tuple[str, ...]:
    return (
        "EHLO desk",
        f"MAIL FROM:<{task.mail_from}>",
        f"RCPT TO:<{task.rcpt_to}>",
        "DATA",
    )


def header(task: Task) -> tuple[str, ...]:
    return (
        f"From: {task.header_from}",
        f"To: {task.header_to}",
        f"Subject: {task.subject}",
    )


def step_by_step(lab: Lab, task: Task) -> None:
    smtp(lab, *envelope(task), *header(task), "", "Come.", ".", "QUIT")


def all_at_once(lab: Lab, task: Task) -> None:
    queen = task.header_from.partition("<")[2].rstrip(">")
    head = (f"subject:{task.subject}", f"TO: <{task.header_to}>", f"From: {queen}")
    text = (*head, "X-Mood: good", "", "Come", "..", "at four", ".")
    smtp(lab, envelope(task), text)


def second_try(lab: Lab, task: Task) -> None:
    smtp(lab, "EHLO desk", "RCPT TO:<bob>", "MAIL FROM:<x@y.example>", "RSET", "QUIT")
    with lab.world.console("desk", lab.names.server, 25) as console:
        raw = "\r\n".join([*envelope(task), *header(task), "", "Hello", ".", ""])
        console.send_raw(raw.encode())


def silent_session(lab: Lab, task: Task) -> None:
    smtp(lab)


def same_on_both(lab: Lab, task: Task) -> None:
    head = (f"From: <{task.mail_from}>", f"To: <{task.rcpt_to}>")
    smtp(lab, envelope(task), (*head, header(task)[2], "", "Come.", "."))


def header_on_the_envelope(lab: Lab, task: Task) -> None:
    rcpt = f"RCPT TO:<{task.header_to}>"
    smtp(lab, "EHLO desk", f"MAIL FROM:<{task.mail_from}>", rcpt, "DATA")


def queen_as_sender(lab: Lab, task: Task) -> None:
    queen = task.header_from.partition("<")[2]
    mail = ("EHLO desk", f"MAIL FROM:<{queen}", *envelope(task)[2:])
    smtp(lab, mail, (*header(task), "", "Come.", "."))


def no_dot(lab: Lab, task: Task) -> None:
    smtp(lab, envelope(task), (*header(task), "", "Come."))


def no_empty_line(lab: Lab, task: Task) -> None:
    smtp(lab, envelope(task), (*header(task), "."))


def text_first(lab: Lab, task: Task) -> None:
    smtp(lab, envelope(task), ("Come.", "", *header(task), "."))


def by_the_mail_program(lab: Lab, task: Task) -> None:
    lab.world.send("alice", task.rcpt_to, task.subject, "Come.")


# 1.2 ----------------------------------------------------------------------------------


def by_expression(text: str) -> Any:
    rows = re.findall(r"^(\d{3})[ -]?(?:([245]\.\d+\.\d+) )?(.*)$", text, re.M)
    return int(rows[0][0]), rows[0][1] or None, tuple(row[2] for row in rows)


def by_hand(text: str) -> Any:
    lines, enhanced = [], ""
    for row in text.split("\n"):
        words = row[4:].split(" ", 1)
        if words[0].count(".") == 2 and words[0].replace(".", "").isdigit():
            enhanced, lines = words[0], [*lines, words[1]]
        else:
            lines.append(row[4:])
    return [int(text[:3]), enhanced, lines]


def code_as_text(text: str) -> Any:
    code, enhanced, lines = by_expression(text)
    return str(code), enhanced, lines


def one_line_only(text: str) -> Any:
    return by_expression(text.split("\n")[-1])


def always_enhanced(text: str) -> Any:
    code, _, lines = by_expression(text)
    return code, text[4:].split(" ")[0], lines


def never_enhanced(text: str) -> Any:
    code, _, lines = by_expression(text)
    return code, "", lines


def text_with_codes(text: str) -> Any:
    code, enhanced, _ = by_expression(text)
    return code, enhanced, text.split("\n")


def code_only(text: str) -> Any:
    return int(text[:3])


def that_raises(text: str) -> Any:
    return int(text)


def empty_scaffold(text: str) -> Any:
    return ..., ..., ...


def function(read_reply: Callable[[str], Any]) -> Answer:
    def answer(lab: Lab, task: Task) -> Any:
        return read_reply

    answer.__name__ = read_reply.__name__
    return answer


ANSWERS = {
    "1.1": Answers(
        right=[step_by_step, all_at_once, second_try],
        wrong=[
            (empty, "an SMTP session from your desk"),
            (silent_session, "found a silent session"),
            (same_on_both, "From: The Queen"),
            (header_on_the_envelope, "5.7.1 Relaying denied"),
            (queen_as_sender, "as reverse-path"),
            (no_dot, "no reply after DATA"),
            (no_empty_line, "a text behind an empty line"),
            (text_first, "a letter that begins with 'Come.'"),
            (by_the_mail_program, "From: Alice"),
        ],
    ),
    "1.2": Answers(
        right=[function(by_expression), function(by_hand)],
        wrong=[
            (empty, "a function read_reply(text)"),
            (function(empty_scaffold), "three dots of the scaffold"),
            (function(code_as_text), "found '220'"),
            (function(one_line_only), "found ['STARTTLS']"),
            (function(always_enhanced), "enhanced code ''"),
            (function(never_enhanced), "enhanced code '2.0.0'"),
            (function(text_with_codes), "found ['220 mail"),
            (function(code_only), "(code, enhanced, lines)"),
            (function(that_raises), "ValueError"),
        ],
    ),
}
