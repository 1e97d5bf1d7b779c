"""Automatic answers (RFC 3834): to whom, how often, and what they look like."""

import pytest

from maillab.policy.recipient_settings import Alias, MailingList, Recipients, Vacation
from maillab.policy.settings import DAY, Settings
from maillab.policy.vacation import (
    Answer,
    VacationFacts,
    judge_vacation,
    vacation_answer,
)
from maillab.wire.message import Header
from tests.policy_cases import OURS, Case, path

ANN = "ann@ours.example"
ANSWER = "recipients.vacations.0"


def away(**fields):
    vacation = Vacation(ANN, "I am away.", **fields)
    return Settings(
        recipients=Recipients(
            vacations=(vacation,),
            separator="+",
            aliases=(Alias("info@ours.example", (ANN,)),),
            lists=(MailingList("all@ours.example", (ANN,)),),
        )
    )


def gets(*lines, sender="zoe@far.example", now=100.0, last=None):
    content = "\r\n".join(lines or (f"To: {ANN}",)) + "\r\n\r\nHi\r\n"
    header = Header.from_wire(content.encode())
    facts = VacationFacts(ANN, path(sender), header, OURS, now, last)
    return lambda settings: judge_vacation(facts, 0, settings)


def to_ann(*more):
    return gets(f"To: {ANN}", *more)


YES, NO, AWAY = "accept", "reject", away()
CASES = [
    Case("a person", AWAY, gets(), YES, ANSWER),
    Case("in Cc", AWAY, gets("To: x@far.example", f"Cc: Ann <{ANN}>"), YES, ANSWER),
    Case("in capitals", AWAY, gets("To: ANN@OURS.EXAMPLE"), YES, ANSWER),
    Case("by an alias", AWAY, gets("To: info@ours.example"), YES, ANSWER),
    Case("by plus addressing", AWAY, gets("To: ann+x@ours.example"), YES, ANSWER),
    Case("folded", AWAY, gets("To: x@far.example,", f"\tAnn <{ANN}>"), YES, ANSWER),
    Case("in Bcc only", AWAY, gets("To: friends:;"), NO, ANSWER),
    Case("to a list", AWAY, gets("To: all@ours.example"), NO, ANSWER),
    Case("to nobody", AWAY, gets("Subject: x"), NO, ANSWER),
    Case("to a name in words", AWAY, gets(f'To: "{ANN}" <x@far.example>'), NO, ANSWER),
    Case("a report", AWAY, gets(sender="<>"), NO, ANSWER),
    Case("oneself", AWAY, gets(sender=ANN), NO, ANSWER),
    *(
        Case(f"from {name}", AWAY, gets(sender=f"{name}@far.example"), NO, ANSWER)
        for name in (
            "owner-list",
            "OWNER-list",
            "list-owner",
            "list-request",
            "list-bounces",
            "list-bounces+ann=ours.example",
            "MAILER-DAEMON",
            "noreply",
            "no-reply",
            "no.reply+1",
            "do-not-reply",
            "bounce-1234",
            "listserv",
            "majordomo",
        )
    ),
    *(
        Case(f"from {name}", AWAY, gets(sender=f"{name}@far.example"), YES, ANSWER)
        for name in ("owner", "request", "nora", "bouncer", "daemonica")
    ),
    Case("no", AWAY, to_ann("Auto-Submitted: no"), YES, ANSWER),
    Case("NO (comment)", AWAY, to_ann("Auto-Submitted: No; x=y"), YES, ANSWER),
    Case("replied", AWAY, to_ann("Auto-Submitted: auto-replied"), NO, ANSWER),
    Case("generated", AWAY, to_ann("auto-submitted: auto-generated; x"), NO, ANSWER),
    Case("bulk", AWAY, to_ann("Precedence: Bulk"), NO, ANSWER),
    Case("junk", AWAY, to_ann("Precedence: junk"), NO, ANSWER),
    Case("list", AWAY, to_ann("Precedence: list"), NO, ANSWER),
    Case("first-class", AWAY, to_ann("Precedence: first-class"), YES, ANSWER),
    Case("List-Id", AWAY, to_ann("List-Id: <a.b>"), NO, ANSWER),
    Case("List-Unsubscribe", AWAY, to_ann("LIST-UNSUBSCRIBE: <a>"), NO, ANSWER),
    Case("within days", AWAY, gets(now=7 * DAY, last=1.0), NO, ANSWER),
    Case("after days", AWAY, gets(now=7 * DAY + 1, last=1.0), YES, ANSWER),
    Case("every time", away(days=0.0), gets(now=2.0, last=1.0), YES, ANSWER),
    Case("before", away(begins=101.0), gets(), NO, ANSWER),
    Case("from the first moment", away(begins=100.0), gets(), YES, ANSWER),
    Case("to the last moment", away(ends=100.5), gets(), YES, ANSWER),
    Case("after", away(ends=100.0), gets(), NO, ANSWER),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_who_gets_an_answer(case):
    case.check()


def answer(vacation, *lines):
    header = Header.from_wire(("\r\n".join(lines) + "\r\n\r\n").encode())
    made = Answer(vacation, "Thu, 1 Jan 2026 09:00:00 +0000", "<1@mail.ours.example>")
    content = vacation_answer(made, path("zoe@far.example"), header)
    return Header.from_wire(content), content


def test_an_answer_goes_to_the_return_path_and_says_what_it_is():
    vacation = Vacation(ANN, "Back on Monday.\nAnn")
    header, content = answer(
        vacation, "From: boss@far.example", "Reply-To: x@far.example", "Subject: Lunch?"
    )
    assert header.get("To") == "<zoe@far.example>"
    assert header.get("From") == f"<{ANN}>"
    assert header.get("Auto-Submitted") == "auto-replied"
    assert header.get("Subject") == "Auto: Lunch?"
    assert content.endswith(b"\r\n\r\nBack on Monday.\r\nAnn\r\n")


def test_an_answer_is_in_the_thread():
    header, _ = answer(
        Vacation(ANN, "x"), "References: <a@x> <b@x>", "Message-ID: <c@x>"
    )
    assert header.get("In-Reply-To") == "<c@x>"
    assert (header.get("References") or "").split() == ["<a@x>", "<b@x>", "<c@x>"]


def test_without_a_message_id_there_is_no_thread():
    header, _ = answer(Vacation(ANN, "x"), "Subject: x")
    assert header.get("In-Reply-To") is None


def test_other_scripts_are_encoded():
    header, content = answer(Vacation(ANN, "Schöne Grüße", "Über alle Berge"), "A: b")
    assert header.get("Subject") == "=?utf-8?B?w5xiZXIgYWxsZSBCZXJnZQ==?="
    assert header.get("Content-Transfer-Encoding") == "8bit"
    assert content.endswith("Schöne Grüße\r\n".encode())


def test_a_subject_cannot_start_another_field():
    header, _ = answer(
        Vacation(ANN, "x", "Hello\r\nBcc: everybody@far.example"), "A: b"
    )
    assert header.get("Bcc") is None


@pytest.mark.parametrize("piece", ["a", '\\"', "(a", '"', '"@', "a@", "\\"])
def test_a_long_field_of_a_stranger_takes_no_time(piece):
    # by the square of its length this would be hours
    field = f'To: "{piece * 300_000}'
    assert gets(field)(away()).result == "reject"
