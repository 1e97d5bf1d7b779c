"""Each exercise: right answers that must pass, wrong ones that fail for their reason."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from maillab.errors import LabError
from maillab.grading import Lab, Task, open_lab
from maillab.grading.verdict import EVIDENCE_TYPE, Verdict
from maillab.world.console import Console

SERVER = "mail.post.example"
Answer = Callable[[Lab, Task], Any]


def outcome(exercise: str, answer: Answer, seed: str = "test") -> Verdict:
    """What the check says when a student writes `answer`."""
    with open_lab("01", seed) as lab:
        given = answer(lab, lab.begin(exercise))
        answers = () if given is None else (given,)
        return lab.check(exercise, *answers)


# 1.1 ------------------------------------------------------------------------------------


def smtp(lab: Lab, *says: str | tuple[str, ...]) -> None:
    with lab.world.console("desk", SERVER, 25) as console:
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
    with lab.world.console("desk", SERVER, 25) as console:
        raw = "\r\n".join([*envelope(task), *header(task), "", "Hello", ".", ""])
        console.send_raw(raw.encode())


def nothing(lab: Lab, task: Task) -> None:
    """The empty answer."""


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


# 1.2 ------------------------------------------------------------------------------------


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


# 1.3 ------------------------------------------------------------------------------------


def pop3(lab: Lab, task: Task) -> Console:
    console = lab.world.console("desk", SERVER, 110)
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
    with lab.world.console("desk", SERVER, 110) as console:
        console.say("USER carol", "PASS holly")
    return "holly"


def ellipsis(lab: Lab, task: Task) -> Any:
    with pop3(lab, task):
        return ...


# 1.4 ------------------------------------------------------------------------------------


def imap(
    lab: Lab,
    task: Task,
    fetch: str = "UID FETCH {read} BODY.PEEK[TEXT]",
    store: str = "UID STORE {read} +FLAGS (\\Flagged)",
    delete: str = "UID STORE {remove} +FLAGS (\\Deleted)",
    expunge: str = "EXPUNGE",
    search: str = "UID SEARCH",
) -> str:
    """Exercise 1.4, with one step or other done in another way."""
    with lab.world.console("desk", SERVER, 143) as console:
        console.say(f"a LOGIN {task.user} {task.password}", "b SELECT INBOX")
        uids = {
            name: console.say(f'c {search} SUBJECT "{subject}"').split()[2]
            for name, subject in (("read", task.read), ("remove", task.remove))
        }
        text = console.say(f"d {fetch.format(**uids)}")
        for command in (store, delete, expunge):
            console.say(f"e {command.format(**uids)}")
        console.say("f LOGOUT")
    return word_in(text) if "Word: " in text else "unknown"


def by_uid(lab: Lab, task: Task) -> str:
    return imap(lab, task)


def by_number(lab: Lab, task: Task) -> str:
    return imap(
        lab,
        task,
        "FETCH {read} (FLAGS BODY.PEEK[] UID)",
        "STORE {read} +FLAGS.SILENT \\Flagged",
        "STORE {remove} +FLAGS (\\Deleted \\Seen)",
        "CLOSE",
        "SEARCH",
    )


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
    return imap(lab, task, fetch, store, search="SEARCH")  # and UID STORE {remove}


def removes_one_more(lab: Lab, task: Task) -> str:
    others = [m for m in lab.world.user("dave").inbox.messages]
    uids = [m.uid for m in others if task.read.encode() not in m.content]
    more = ",".join(map(str, uids[:3]))
    return imap(
        lab, task, delete=f"UID STORE {{remove}},{more} +FLAGS.SILENT (\\Deleted)"
    )


def removes_what_was_read(lab: Lab, task: Task) -> str:
    return imap(lab, task, delete="UID STORE {read} +FLAGS (\\Deleted)")


def by_pop3(lab: Lab, task: Task) -> str:
    with lab.world.console("desk", SERVER, 110) as console:
        console.say(f"USER {task.user}", f"PASS {task.password}")
        return find(console, Task("1.4", "", subject=task.read))[1]


# The tests ------------------------------------------------------------------------------

RIGHT: dict[str, list[Answer]] = {
    "1.1": [step_by_step, all_at_once, second_try],
    "1.2": [function(by_expression), function(by_hand)],
    "1.3": [twice, three_sessions],
    "1.4": [by_uid, by_number, two_sessions],
}
WRONG: list[tuple[str, Answer, str]] = [
    ("1.1", nothing, "an SMTP session from your desk"),
    ("1.1", silent_session, "found a silent session"),
    ("1.1", same_on_both, "From: The Queen"),
    ("1.1", header_on_the_envelope, "5.7.1 Relaying denied"),
    ("1.1", queen_as_sender, "as reverse-path"),
    ("1.1", no_dot, "no reply after DATA"),
    ("1.1", no_empty_line, "a text behind an empty line"),
    ("1.1", text_first, "a letter that begins with 'Come.'"),
    ("1.1", by_the_mail_program, "From: Alice"),
    ("1.2", nothing, "a function read_reply(text)"),
    ("1.2", function(empty_scaffold), "found (Ellipsis, Ellipsis"),
    ("1.2", function(code_as_text), "found '220'"),
    ("1.2", function(one_line_only), "found ['STARTTLS']"),
    ("1.2", function(always_enhanced), "enhanced code ''"),
    ("1.2", function(never_enhanced), "enhanced code '2.0.0'"),
    ("1.2", function(text_with_codes), "found ['220 mail"),
    ("1.2", function(code_only), "(code, enhanced, lines)"),
    ("1.2", function(that_raises), "ValueError"),
    ("1.3", nothing, "that carol logs in"),
    ("1.3", wrong_password, "POP3 sessions: 1"),
    ("1.3", ellipsis, "found nothing"),
    ("1.3", without_the_word, "the variable word"),
    ("1.3", at_once, "at first in a session that ends without QUIT"),
    ("1.3", resets, "RSET"),
    ("1.3", never_looks, "finds the letter again"),
    ("1.3", never_quits, "it is still there"),
    ("1.3", first_letter, "found DELE 1, DELE 1"),
    ("1.3", one_too_many, "all other letters"),
    ("1.4", nothing, "that dave logs in"),
    ("1.4", by_pop3, "by IMAP"),
    ("1.4", marks_as_read, "BODY[TEXT]"),
    ("1.4", marks_and_unmarks, "never marked as \\Seen"),
    ("1.4", replaces_flags, "found \\Flagged"),
    ("1.4", forgets_flag, "found \\Answered"),
    ("1.4", forgets_expunge, "marked as \\Deleted: About"),
    ("1.4", takes_numbers_for_uids, "marked as \\Deleted: nothing"),
    ("1.4", removes_one_more, "all other letters"),
    ("1.4", removes_what_was_read, "found it is gone"),
]


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("seed", ["test", "another"])
@pytest.mark.parametrize("exercise", RIGHT)
def test_right_answers_pass_and_leave_the_same_evidence(
    exercise: str, seed: str
) -> None:
    verdicts = [outcome(exercise, answer, seed) for answer in RIGHT[exercise]]
    assert [repr(v) for v in verdicts if v.failed] == []
    assert len({repr(verdict) for verdict in verdicts}) == 1
    first, *others = (verdict.evidence for verdict in verdicts)
    assert first
    assert all(evidence == first for evidence in others)


@pytest.mark.parametrize(("exercise", "answer", "reason"), WRONG, ids=name_of)
def test_a_wrong_answer_fails_for_its_reason(
    exercise: str, answer: Answer, reason: str
) -> None:
    verdict = outcome(exercise, answer)
    assert verdict.failed
    assert reason in str(verdict.failed)
    assert verdict.points == 0


@pytest.mark.parametrize("exercise", RIGHT)
def test_wrong_answers_fail_for_different_reasons(exercise: str) -> None:
    answers = [answer for name, answer, _ in WRONG if name == exercise]
    said = {str(outcome(exercise, answer).failed) for answer in answers}
    assert len(said) >= len(answers) - 2


@pytest.mark.parametrize("exercise", RIGHT)
def test_the_evidence_differs_from_seed_to_seed(exercise: str) -> None:
    answer = RIGHT[exercise][0]
    one, other = (outcome(exercise, answer, seed) for seed in ("one", "other"))
    assert repr(one) == repr(other)
    assert one.evidence != other.evidence


def test_the_evidence_is_shown_beside_the_line() -> None:
    bundle = outcome("1.1", step_by_step)._repr_mimebundle_()
    line = "✓ 1.1  the envelope delivered, the header only talked  (3/3)"
    assert bundle["text/plain"] == line
    shown: Any = bundle[EVIDENCE_TYPE]
    assert (shown["id"], shown["passed"]) == ("1.1", True)


def test_a_failed_check_fits_on_the_page_and_names_the_section() -> None:
    told = repr(outcome("1.1", no_dot))
    assert max(map(len, told.splitlines())) <= 88
    assert "RFC 5321 §4.1.1.4" in told
    assert told.startswith("✗ 1.1 ")
    assert "(0/3)" in told


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab("01") as lab:
        yield lab


def test_an_exercise_can_be_begun_again(lab: Lab) -> None:
    first_letter(lab, lab.begin("1.3"))
    assert lab.check("1.3").failed
    assert not lab.check("1.3", twice(lab, lab.begin("1.3"))).failed


def test_a_check_before_the_beginning_says_what_to_do(lab: Lab) -> None:
    assert 'lab.begin("1.4")' in str(lab.check("1.4").failed)


def test_the_report_counts_the_points(lab: Lab) -> None:
    step_by_step(lab, lab.begin("1.1"))
    lab.check("1.1")
    lab.check("1.2")
    assert lab.report().describe() == "3 of 12 points."


def test_the_seed_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILLAB_SEED", "ann")
    with open_lab("01") as lab, open_lab("01", "ann") as anns:
        assert repr(lab.begin("1.1")) == repr(anns.begin("1.1"))


@pytest.mark.parametrize(
    ("protocol", "verb", "words"),
    [
        ("SMTP", "rcpt", "def _rcpt"),
        ("POP3", "DELE", "def _dele"),
        ("imap", "FETCH", ""),
    ],
)
def test_the_source_of_a_handler_can_be_read(
    lab: Lab, protocol: str, verb: str, words: str
) -> None:
    told = repr(lab.source(verb, protocol))
    assert words in told
    assert "RFC " in told.splitlines()[0]


def test_mistyped_names_are_answered_with_what_there_is(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"'1\.1', '1\.2'"):
        lab.check("1.9")
    with pytest.raises(LabError, match="EHLO"):
        lab.source("HALLO")
    with pytest.raises(LabError, match="'01'"):
        open_lab("1")
