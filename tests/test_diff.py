"""Two sessions side by side."""

import pytest

from maillab import open_world
from maillab.trace import Session, Trace
from maillab.trace.alike import without_the_moment
from maillab.trace.diff import LEFT, OTHER, RIGHT, SAME, Diff
from maillab.trace.sample import Talk
from tests.hint_cases import DATA, EHLO, GREET, MAIL, QUIT, dialogue


def session(*rows: str, **options: object) -> Session:
    return dialogue(*rows, **options).session()


def signs(diff: Diff) -> list[tuple[str, str, str]]:
    return [
        (
            pair.sign,
            pair.left.text if pair.left else "",
            pair.right.text if pair.right else "",
        )
        for pair in diff.differences
    ]


def test_a_session_is_as_it_is() -> None:
    one = session(*MAIL, *QUIT)
    diff = one.diff(one)
    assert diff.differences == []
    assert "are the same in all of" in diff.describe()


def test_times_queue_ids_dates_and_nonces_make_no_difference() -> None:
    def one(queue_id: str, date: str, nonce: str, second: int) -> Session:
        return session(
            *DATA,
            f"@ {second}",
            f"D: Date: Mon, {date} 09:00:00 +0000\n\nx\n.",
            f"S: 250 2.0.0 Queued as {queue_id}",
            "C: AUTH CRAM-MD5",
            f"S: 334 {nonce}",
            *QUIT,
        )

    diff = one("AB12CD34", "5 Jan 2026", "PDEyMy4xQHg+", 1).diff(
        one("99FF00AA", "6 Feb 2027", "PDk5OS43QHk+", 900)
    )
    assert diff.differences == []


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("250 2.0.0 Ok: queued as 4F1", "250 2.0.0 Ok: queued as 99A"),
        ("250 OK id=1abcDE-000001-AA", "250 OK id=1xyzDE-000002-BB"),
        ("\tby mx with ESMTP id 7DD2D87E;", "\tby mx with ESMTP id 11111111;"),
        ("Message-ID: <a@b>", "Message-ID: <c@d>"),
        ("+OK <1896.697170952@mx.example>", "+OK <42.1234567890@mx.example>"),
        ("* OK [UIDVALIDITY 3] x", "* OK [UIDVALIDITY 4] x"),
        (
            'INTERNALDATE "05-Jan-2026 09:00:00 +0000"',
            'INTERNALDATE "06-Jan-2026 10:00:00 +0000"',
        ),
        ("2026-01-05T09:00:00Z up", "2027-01-05T09:00:01Z up"),
        ('Content-Type: a/b; boundary="x1"', "Content-Type: a/b; boundary=y2"),
    ],
)
def test_what_always_differs_is_the_same(one: str, two: str) -> None:
    assert one != two
    assert without_the_moment(one) == without_the_moment(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("250 2.1.0 Ok", "250 2.1.5 Ok"),
        ("RCPT TO:<ann1234@b.example>", "RCPT TO:<ann1235@b.example>"),
        ("250-SIZE 1000", "250-SIZE 2000"),
        ("EHLO a.example", "EHLO b.example"),
        ("AUTH PLAIN ********", "AUTH LOGIN"),
    ],
)
def test_what_one_wants_to_compare_stays(one: str, two: str) -> None:
    assert without_the_moment(one) != without_the_moment(two)


def test_tags_of_imap_are_compared_by_their_order() -> None:
    rows = (
        "S: * OK hi",
        "C: {a} NOOP",
        "S: {a} OK done",
        "C: {b} LOGOUT",
        "S: {b} OK bye",
    )
    one = session(*(row.format(a="a1", b="a2") for row in rows), port=143)
    two = session(*(row.format(a="x", b="y") for row in rows), port=143)
    assert one.diff(two).differences == []
    late = session(
        *(row.format(a="x", b="y").replace("x OK", "y OK") for row in rows), port=143
    )
    assert one.diff(late).differences != []


def test_other_words_of_the_same_speaker_stand_side_by_side() -> None:
    one = session(*MAIL, "C: RCPT TO:<b@c>", "S: 250 ok", *QUIT)
    two = session(*MAIL, "C: RCPT TO:<b@c>", "S: 550 no", *QUIT)
    assert signs(one.diff(two)) == [(OTHER, "250 ok", "550 no")]
    assert (
        "the server says “250 ok” left and “550 no” right" in one.diff(two).describe()
    )


def test_what_only_one_of_them_has() -> None:
    one = session(*GREET, "S: 250-mx\n250-STARTTLS\n250 HELP", *QUIT)
    two = session(*GREET, "S: 250-mx\n250 HELP", *QUIT)
    assert signs(one.diff(two)) == [(LEFT, "250-STARTTLS", "")]
    assert signs(two.diff(one)) == [(RIGHT, "", "250-STARTTLS")]
    assert "only left" in one.diff(two).describe()
    assert "only right" in two.diff(one).text()


def test_inside_tls_is_not_the_same_as_in_the_clear() -> None:
    one = session(*EHLO, "--- TLS", "C: NOOP", "S: 250 ok", *QUIT)
    two = session(*EHLO, "C: NOOP", "S: 250 ok", *QUIT)
    assert (OTHER, "NOOP", "NOOP") in signs(one.diff(two))


def test_long_runs_of_equal_rows_are_folded_and_counted() -> None:
    body = "\n".join(f"row {n}" for n in range(50))
    one = session(*DATA, f"D: {body}\n.", "S: 250 ok", *QUIT)
    two = session(*DATA, f"D: {body}\n.", "S: 451 no", *QUIT)
    assert "equal rows …" in one.diff(two).text()
    assert "row 30" not in one.diff(two).text()
    assert "row 30" in one.diff(two, fold=None).text()
    assert len(one.diff(two).differences) == 1


def test_pairs_hold_every_row_of_both_in_order() -> None:
    one = session(*MAIL, "C: RSET", "S: 250 ok", *QUIT)
    two = session(*GREET, "S: 502 what", "C: HELO pc.example", "S: 250 mx", *QUIT)
    for diff, left, right in ((one.diff(two), one, two), (two.diff(one), two, one)):
        lefts = [pair.left.text for pair in diff.pairs if pair.left]
        rights = [pair.right.text for pair in diff.pairs if pair.right]
        assert lefts == [r.text for r in left.transcript(fold=None).rows()]
        assert rights == [r.text for r in right.transcript(fold=None).rows()]
        for pair in diff.pairs:
            assert (pair.sign == LEFT) == (pair.right is None)
            assert (pair.sign == RIGHT) == (pair.left is None)


def test_signs_stand_between_the_columns() -> None:
    one = session(*MAIL, "C: RCPT TO:<b@c>", "S: 250 ok", *QUIT)
    two = session(*MAIL, "C: RCPT TO:<b@c>", "S: 550 no", *QUIT)
    rows = one.diff(two).text().splitlines()
    assert f"{'S: 250 ok':<48} | S: 550 no" in rows
    assert ("differs", "S: 250 ok", "S: 550 no") in one.diff(two).table().rows
    assert SAME in {row[49] for row in rows if len(row) > 49}


def test_two_real_sessions_differ_where_they_should() -> None:
    with open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hi", "text")
        world.send("alice", "bob@beta.example", "Hi", "text")
        one, two = (s for s in world.trace.sessions if s.port == 25)
        assert [s for s, _, _ in signs(one.diff(two))] == []
        submission = world.trace.session("c1")
        assert submission.diff(one).differences != []


def test_a_long_message_is_compared_in_no_time() -> None:
    body = "\n".join(["", *(f"row {n % 7}" for n in range(3000))])
    one = session(*DATA, f"D: {body}\n.", "S: 250 ok", *QUIT)
    two = session(*DATA, f"D: {body}\nmore\n.", "S: 250 ok", *QUIT)
    assert signs(one.diff(two)) == [(RIGHT, "", "more")]


def test_passwords_are_masked_and_do_not_differ() -> None:
    def login(password: str) -> Session:
        talk = Talk(Trace(strict=True), port=110)
        talk.connect()
        talk.say("C", f"PASS {password}", secret=((5, 5 + len(password)),))
        return talk.trace.session()

    diff = login("hunter2").diff(login("correct horse"))
    assert diff.differences == []
    assert "hunter2" not in diff.text() + diff.html()
