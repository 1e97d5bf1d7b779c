"""Delivery status notifications: who gets which, and what stands in them."""

import email

import pytest

from maillab.agents.injection import Injection
from maillab.agents.mta import Submission
from maillab.store.queue import Recipient
from maillab.wire.dsn import Report, read_report
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import NULL_PATH, Address
from tests.queue_worlds import ALICE, ALPHA, BOB, CAROL, LETTER, MX1, header

DSN = "250-fake\r\n250 DSN"
GHOST = "ghost@alpha.example"


def notify(words):
    return {"NOTIFY": words} if words else {}


# NOTIFY (RFC 3461 §4.1) ---------------------------------------------------------------

WISHES = [
    "",
    "NEVER",
    "FAILURE",
    "SUCCESS",
    "DELAY",
    "SUCCESS,FAILURE",
    "FAILURE,DELAY",
]


@pytest.mark.parametrize("wish", WISHES)
def test_a_failure_is_reported_to_who_wants_that(queue_world, wish):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 nobody")
    lab.send(CAROL, asked=notify(wish))
    expected = not wish or "FAILURE" in wish
    assert [one.recipients[0].action for one in lab.reports()] == (
        ["failed"] if expected else []
    )
    assert len(lab.events("bounced")) == 1
    assert len(lab.queue) == 0


@pytest.mark.parametrize("wish", WISHES)
def test_a_delivery_is_reported_to_who_wants_that(queue_world, wish):
    lab = queue_world()
    lab.send(ALICE, asked=notify(wish))
    found = [one.recipients[0].action for one in lab.reports()]
    assert found == (["delivered"] if "SUCCESS" in wish else [])


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("knows", [False, True])
def test_a_host_without_dsn_makes_us_say_relayed(queue_world, wish, knows):
    """RFC 3461 §5.2.2."""
    lab = queue_world()
    server = lab.mx(**({"ehlo": DSN} if knows else {}))
    lab.send(CAROL, asked=notify(wish))
    found = [one.recipients[0].action for one in lab.reports()]
    assert found == (["relayed"] if "SUCCESS" in wish and not knows else [])
    [rcpt] = [line for line in server.commands if line.startswith("RCPT")]
    assert ("NOTIFY=" in rcpt) == (knows and wish != "")


@pytest.mark.parametrize("wish", WISHES)
def test_a_delay_is_reported_once_to_who_wants_that(queue_world, wish):
    lab = queue_world()
    lab.off()
    lab.deliver(delay_warning=4 * 3600.0)
    lab.send(CAROL, asked=notify(wish))
    lab.world.advance("1 day")
    found = [one.recipients[0].action for one in lab.reports()]
    assert found == (["delayed"] if not wish or "DELAY" in wish else [])
    assert len(lab.queue) == 1


def test_the_warning_comes_when_it_is_due_and_not_before(queue_world):
    lab = queue_world()
    lab.off()
    lab.deliver(delay_warning=4 * 3600.0)
    lab.send(CAROL)
    lab.world.advance("235 min")
    assert lab.reports() == []
    lab.world.advance("10 min")
    [report] = lab.reports()
    [status] = report.recipients
    assert (status.action, status.status[0]) == ("delayed", "4")
    assert status.retry_until == "Sat, 10 Jan 2026 09:00:00 +0000"
    assert lab.actions("warned") == ["warned"]


def test_without_a_setting_nobody_is_warned(queue_world):
    lab = queue_world()
    lab.off()
    lab.send(CAROL)
    lab.world.advance("4 days")
    assert lab.reports() == []


# What is passed on (RFC 3461 §5.2.1) --------------------------------------------------


@pytest.mark.parametrize("knows", [False, True])
def test_the_parameters_go_on_to_a_host_that_knows_them(queue_world, knows):
    lab = queue_world()
    server = lab.mx(**({"ehlo": DSN} if knows else {}))
    asked = {"NOTIFY": "DELAY,FAILURE", "ORCPT": "rfc822;carol+2Bx@gamma.example"}
    lab.send(CAROL, asked=asked, RET="HDRS", ENVID="QQ314")
    mail, rcpt = (line for line in server.commands if line[:4] in ("MAIL", "RCPT"))
    words = " RET=HDRS ENVID=QQ314" if knows else ""
    assert mail.startswith("MAIL FROM:<alice@alpha.example>")
    assert set(words.split()) == set(mail.split()[2:])
    words = f" NOTIFY=DELAY,FAILURE ORCPT={asked['ORCPT']}" if knows else ""
    assert rcpt == f"RCPT TO:<{CAROL}>{words}"


# What stands in a report (RFC 3464) ---------------------------------------------------


def test_the_fields_of_a_failure(queue_world):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 nobody of that name")
    asked = {"NOTIFY": "FAILURE", "ORCPT": "rfc822;car+2Bol@gamma.example"}
    lab.world.advance("1 min")
    lab.send(CAROL, asked=asked, ENVID="letter+2B7")
    [content] = lab.inbox()
    text = content.decode()
    fields = text.partition("message/delivery-status")[2].partition("--=_report")[0]
    lines = [line for line in fields.split("\r\n") if line and "Queue-ID" not in line]
    assert lines == [
        "Original-Envelope-Id: letter+7",
        f"Reporting-MTA: dns; {ALPHA}",
        "Arrival-Date: Mon, 5 Jan 2026 09:01:00 +0000",
        "Original-Recipient: rfc822; car+ol@gamma.example",
        f"Final-Recipient: rfc822; {CAROL}",
        "Action: failed",
        "Status: 5.1.1",
        f"Remote-MTA: dns; {MX1}",
        "Diagnostic-Code: smtp; 550 5.1.1 nobody of that name",
        "Last-Attempt-Date: Mon, 5 Jan 2026 09:01:00 +0000",
    ]
    assert f"  {CAROL}: {MX1} said 550 5.1.1 nobody of that name" in text
    assert header(content).get("Return-Path") == "<>"
    assert header(content).get("Auto-Submitted") == "auto-replied"


def test_somebody_elses_program_reads_the_report(queue_world):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 nobody")
    lab.send(CAROL)
    message = email.message_from_bytes(lab.inbox()[0])
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    words, status, original = message.get_payload()
    assert words.get_content_type() == "text/plain"
    per_message, per_recipient = status.get_payload()
    assert per_message["Reporting-MTA"] == f"dns; {ALPHA}"
    assert per_recipient["Final-Recipient"] == f"rfc822; {CAROL}"
    assert original.get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize(
    ("ret", "setting", "full"),
    [
        ("", "headers", False),
        ("", "full", True),
        ("FULL", "headers", True),
        ("HDRS", "full", False),
    ],
)
def test_how_much_comes_back(queue_world, ret, setting, full):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 nobody")
    lab.deliver(report_content=setting)
    lab.send(CAROL, **({"RET": ret} if ret else {}))
    [content] = lab.inbox()
    assert b"Subject: Hello" in content
    assert (b"How are you?" in content) is full
    assert (b"Content-Type: message/rfc822" in content) is full


@pytest.mark.parametrize("action", ["delivered", "delayed"])
def test_what_is_no_failure_brings_the_header_only(queue_world, action):
    """RFC 3461 §4.3."""
    lab = queue_world()
    lab.off()
    lab.deliver(delay_warning=600.0, report_content="full")
    to = ALICE if action == "delivered" else CAROL
    lab.send(to, asked=notify("SUCCESS,DELAY"), RET="FULL")
    lab.world.advance("1 h")
    [report] = [one for one in lab.inbox() if read_report(one)]
    assert read_report(report).recipients[0].action == action
    assert b"How are you?" not in report


def test_recipients_that_fail_together_share_a_report(queue_world):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 nobody")
    lab.send(CAROL, "dan@gamma.example", "x@nowhere.example")
    both, other = sorted(lab.reports(), key=lambda one: -len(one.recipients))
    assert [one.final for one in both.recipients] == [CAROL, "dan@gamma.example"]
    assert [one.final for one in other.recipients] == ["x@nowhere.example"]
    assert len(lab.events("dsn")) == 2


def test_at_the_end_the_sender_is_told_once(queue_world):
    lab = queue_world()
    lab.off()
    lab.deliver(expire=86_400.0, delay_warning=3600.0)
    lab.send(CAROL)
    lab.world.advance("3 days")
    delayed, failed = lab.reports()
    assert delayed.recipients[0].action == "delayed"
    assert failed.recipients[0].action == "failed"
    assert b"Connection timed out" in lab.inbox()[1]
    assert len(lab.queue) == 0


# Reports about reports ----------------------------------------------------------------


def test_a_report_that_cannot_be_delivered_ends_in_badmail(queue_world):
    lab = queue_world()
    server = lab.mx(rcpt="550 5.1.1 nobody")
    lab.send("x@nowhere.example", sender=CAROL)
    assert server.commands.count("MAIL FROM:<>") == 1
    assert lab.inbox() == []
    assert len(lab.queue) == 0
    mail, reason = lab.mta.mailroot.badmail.names
    assert read_report(lab.mta.mailroot.badmail.get(mail))
    assert b"550 5.1.1 nobody" in lab.mta.mailroot.badmail.get(reason)
    assert lab.actions("badmail") == ["badmail"]


def test_nobody_is_warned_of_a_late_report(queue_world):
    lab = queue_world()
    lab.off()
    lab.deliver(delay_warning=600.0, expire=7200.0)
    lab.send(CAROL, sender="")
    lab.world.advance("5 h")
    assert lab.events("dsn") == []
    assert len(lab.queue) == 0
    assert len(lab.mta.mailroot.badmail.names) == 2


def test_somebody_gets_a_copy_of_every_failure_report(queue_world):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 nobody")
    lab.deliver(report_copy=BOB)
    lab.send(CAROL)
    lab.send(ALICE, asked=notify("SUCCESS"))
    assert len(lab.reports("bob")) == 1
    assert lab.reports("bob")[0] == lab.reports()[0]


# What others inject -------------------------------------------------------------------


def test_an_injected_message_keeps_what_was_asked(queue_world):
    lab = queue_world()
    server = lab.mx(ehlo=DSN)
    asked = Recipient(Address.from_text(CAROL), frozenset({"NEVER"}), "rfc822;c@x.y")
    lab.mta.inject(Injection(NULL_PATH, (asked,), LETTER, "vacation", envid="E1"))
    lab.world.settle()
    assert "MAIL FROM:<> ENVID=E1" in server.commands
    assert f"RCPT TO:<{CAROL}> NOTIFY=NEVER ORCPT=rfc822;c@x.y" in server.commands


def test_a_report_is_read_as_it_was_written():
    from maillab.wire.dsn import RecipientStatus

    one = RecipientStatus(
        "jörg@example.net",
        "delayed",
        "4.4.1",
        "utf-8;a+2Bb",
        "mx",
        "451 no",
        "Mon",
        "Tue",
    )
    report = Report("mx.example", (one, one), "ID1", "e+2Bf", "Sun")
    assert Report.from_wire(report.to_wire()) == report
    assert b"Final-Recipient: utf-8; j\xc3\xb6rg" in report.to_wire()


def test_what_is_no_report_is_none():
    assert read_report(LETTER) is None
    assert read_report(b"") is None


def test_a_ghost_in_our_own_domain_is_reported(queue_world):
    lab = queue_world()
    lab.send(GHOST)
    assert lab.reports()[0].recipients[0].status == "5.1.1"
    assert lab.tries() == []


@pytest.mark.parametrize("to", [ALICE, GHOST])
def test_over_lmtp_success_is_reported_here_and_failure_by_who_asked(queue_world, to):
    """RFC 3461 §5.2: who has taken the parameters keeps the promise."""
    lab = queue_world()
    path = Address.from_text(to)
    asked = ({"NOTIFY": "SUCCESS,FAILURE"},)
    envelope = Envelope(Address.from_text(ALICE), (path,), {}, asked)
    mail = Submission(envelope, LETTER, "mx", "192.0.2.9", "LMTP")
    [outcome] = lab.world.run(lab.mta.deliver_now(mail))
    lab.world.settle()
    found = [one.recipients[0].action for one in lab.reports()]
    assert found == (["delivered"] if outcome.settled else [])


@pytest.mark.parametrize("letter", ["x", "ß", "x "])
def test_a_report_of_a_long_reply_arrives_elsewhere(queue_world, letter):
    lab = queue_world()
    said = "550 5.1.1 " + letter * (1900 // len(letter.encode()))
    lab.mx(rcpt=said)
    lab.send(CAROL, sender=BOB)
    [report] = lab.reports("bob")
    assert report.recipients[0].diagnostic.replace(" ", "") == said.replace(" ", "")
    assert max(map(len, lab.inbox("bob")[0].split(b"\r\n"))) <= 998


def test_what_is_not_ascii_is_declared_in_a_report(queue_world):
    lab = queue_world()
    lab.mx(rcpt="550 5.1.1 größer")
    lab.send(CAROL, asked={"ORCPT": "rfc822;j+C3+B6rg@x.example"})
    [content] = lab.inbox()
    assert b"Content-Type: message/global-delivery-status" in content
    assert "Original-Recipient: rfc822; jörg@x.example".encode() in content
    [report] = lab.reports()
    assert report.recipients[0].original == "rfc822;j+C3+B6rg@x.example"
