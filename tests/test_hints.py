"""Hints: every rule, where it applies and where it does not."""

import pytest

from maillab import open_world
from maillab.trace import Trace
from maillab.trace.hinting.hints import RULES, SEVERITIES, TRACE_RULES, Hints
from maillab.trace.sample import Talk, letter
from tests.hint_cases import (
    CASES,
    EHLO,
    IMAP,
    POP,
    QUIT,
    Case,
    dialogue,
    said,
    two_versions,
)

ALL_RULES = {rule.name: rule for rule in (*RULES, *TRACE_RULES)}


def test_there_are_cases_for_every_rule() -> None:
    assert CASES.keys() == ALL_RULES.keys()
    assert len(ALL_RULES) == len(RULES) + len(TRACE_RULES) >= 20


@pytest.mark.parametrize("name", CASES)
def test_a_rule_applies_where_it_should(name: str) -> None:
    trace = CASES[name][0]()
    hints = [hint for hint in trace.hints() if hint.rule == name]
    assert len(hints) == 1, trace.hints().rules
    hint = hints[0]
    assert hint.severity == ALL_RULES[name].severity
    assert hint.ref.startswith("RFC ")
    assert "{" not in hint.what
    assert trace[hint.number - 1].time_ns >= hint.time_ns
    assert hint.points_to


@pytest.mark.parametrize("name", CASES)
def test_a_rule_is_silent_where_all_is_well(name: str) -> None:
    assert name not in CASES[name][1]().hints().rules


def test_what_was_sent_along_with_a_refused_command_is_not_at_the_wrong_moment() -> (
    None
):
    group = ("C: MAIL FROM:<a@b.c>", "C+ RCPT TO:<b@c.d>", "C+ DATA")
    no = ("S: 550 5.7.60 not as this sender", "S: 503 MAIL first", "S: 503 RCPT first")
    pipelined = dialogue(*EHLO, *group, *no, *QUIT)
    assert "out-of-order" not in pipelined.hints().rules
    one_by_one = [row for pair in zip(group, no, strict=True) for row in pair]
    stubborn = dialogue(*EHLO, *(row.replace("C+", "C:") for row in one_by_one), *QUIT)
    assert "out-of-order" in stubborn.hints().rules


@pytest.mark.parametrize(
    ("rule", "case"),
    [
        ("password-in-clear", said(*POP, "C: PASS secret", "S: +OK", port=110)),
        ("password-in-clear", said(*IMAP, "C: a LOGIN ann secret", port=143)),
        ("password-in-clear", said(*IMAP, "C: a AUTHENTICATE PLAIN AA==", port=143)),
        (
            "starttls-unused",
            said(
                "S: +OK",
                "C: CAPA",
                "S: +OK\nSTLS\nUSER\n.",
                "C: USER ann",
                "S: +OK",
                port=110,
            ),
        ),
        (
            "starttls-unused",
            said(
                "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi",
                "C: a LOGIN ann secret",
                port=143,
            ),
        ),
        ("login-failed", said(*POP, "C: PASS x", "S: -ERR [AUTH] no", port=110)),
        (
            "login-failed",
            said(
                *IMAP,
                "C: a LOGIN ann x",
                "S: a NO [AUTHENTICATIONFAILED] no",
                port=143,
            ),
        ),
        ("no-farewell", said(*POP, port=110)),
        ("no-farewell", said(*IMAP, "C: a NOOP", "S: a OK done", port=143)),
        ("server-closes", said(*IMAP, "S: * BYE I go", port=143)),
    ],
)
def test_pop3_and_imap_have_the_same_faults(rule: str, case: Case) -> None:
    assert rule in case().session().hints().rules


def test_the_section_is_that_of_the_protocol() -> None:
    hints = dialogue(*IMAP, "C: a NOOP", "S: a OK", port=143).session().hints()
    assert [hint.ref for hint in hints] == ["RFC 9051 §6.1.3"]


def test_the_server_says_more_behind_starttls_than_it_should() -> None:
    case = said(*EHLO, "C: STARTTLS", "S: 220 go\n250 injected", "--- TLS", *QUIT)
    found = [h for h in case().session().hints() if h.rule == "starttls-injection"]
    assert [hint.what for hint in found] == [
        "octets of the server in the clear behind STARTTLS, before TLS begins"
    ]


def test_one_rule_gives_one_hint_that_counts() -> None:
    refused = ("C: RCPT TO:<x@b>", "S: 550 5.1.1 Who?") * 3
    hints = dialogue(*EHLO, *refused, *QUIT).session().hints()
    assert [(hint.rule, hint.count) for hint in hints] == [("unknown-recipient", 3)]
    assert "there is no such recipient (3 times)" in hints.text()


def test_a_password_is_masked_in_what_a_hint_points_to() -> None:
    talk = Talk(Trace(strict=True), port=110)
    talk.connect()
    talk.say("C", "PASS hunter2", secret=((5, 12),))
    hints = talk.trace.hints()
    assert [hint.points_to for hint in hints] == ["C: PASS ********"]
    assert "hunter2" not in hints.text() + hints.html() + hints.table().text()


def test_nothing_is_wrong_in_a_letter_of_the_lab() -> None:
    with open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hi", "text")
        assert len(world.trace.hints()) == 0
        assert world.trace.hints().describe() == (
            "Hints about 2 sessions, DNS and mail: none."
        )


def test_a_middlebox_is_named_by_who_knows_it() -> None:
    with open_world("two-domains") as world:
        world.add_rule("mail.alpha.example", action="strip-starttls", ports=25)
        world.send("alice", "bob@beta.example", "Hi", "text")
        trace = world.trace
    assert trace.hints().rules == ["starttls-stripped", "changed-on-the-way"]
    assert "mail.alpha.example wrote XXXXXXXA over an offer" in trace.hints().text()
    seen = trace.as_seen_by("mx.beta.example").hints()
    assert seen.rules == ["starttls-unused"], "the server cannot know why"


def test_who_drops_packets_is_named_by_who_knows_it() -> None:
    with open_world("two-domains") as world:
        world.add_rule("mx.beta.example", action="drop", protocol="tcp", ports=25)
        world.user("alice").send("bob@beta.example", "Hi", "text")
        world.advance("5 min")
        trace = world.trace
    assert "no answer to 7 SYNs: mx.beta.example drops them" in trace.hints().text()
    seen = trace.as_seen_by("mail.alpha.example").hints().text()
    assert "no answer to 7 SYNs [RFC" in seen


def test_foreign_sessions_are_judged_too() -> None:
    """Nobody has told what the octets mean, and many lines left in one burst."""
    talk = Talk(Trace(strict=True), engines="")
    talk.connect()
    for side, octets in (
        ("S", b"220 mx\r\n"),
        ("C", b"EHLO localhost\r\n"),
        ("S", b"250-mx\r\n250 STARTTLS\r\n"),
        ("C", b"MAIL FROM:<a@b>\r\nDATA\r\nGr\xc3\xbc\xc3\x9fe\n\r\n.\r\nRSET\r\n"),
        ("S", b"250 ok\r\n354 go on\r\n250 ok\r\n250 ok\r\n"),
    ):
        talk.burst("S" if side == "S" else "C", octets)
        talk.now += talk.latency
    talk.close("C")
    assert set(talk.trace.hints().rules) == {
        "greeting-name",
        "starttls-unused",
        "pipelining",
        "content-unasked",
        "eight-bit",
        "bare-line-end",
        "no-farewell",
    }


def test_hints_of_some_severities() -> None:
    hints = letter().hints()
    assert [hint.rule for hint in hints.of("error")] == ["no-relay"]
    assert len(hints.of("note")) == 0
    assert sum(len(hints.of(one)) for one in SEVERITIES) == len(hints)


def test_a_seat_knows_less() -> None:
    trace = two_versions(b"250 XXXXXXXA\r\n")()
    assert "changed-on-the-way" in trace.hints().rules
    assert "changed-on-the-way" not in trace.as_seen_by("alpha.example").hints().rules


def test_what_a_hint_says_is_in_all_forms() -> None:
    hints = letter().session().hints()
    assert isinstance(hints, Hints)
    for form in (hints.text(), hints.html(), hints.table().text()):
        assert "the server will not relay" in form
        assert "RFC 5321 §7.9" in form
        assert "550 5.7.1 Relaying denied" in form


def test_what_applies_to_many_sessions_is_said_once_in_the_text() -> None:
    trace = Trace(strict=True)
    for n in range(1, 5):
        Talk(trace, f"c{n}").time_out()
    text = trace.hints().text()
    assert text.count("no answer to 7 SYNs") == 1
    assert "also in c2 (event " in text
    assert "c4 (event " in text
    assert len(trace.hints().table().rows) == 4
