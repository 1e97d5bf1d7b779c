"""THREAD: the examples and the steps of RFC 5256 §3."""

import pytest

from maillab.wire import imap_thread as thread
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_sort import base_subject
from maillab.wire.imap_thread import Threadable
from maillab.wire.message import DateTime


def letter(number, subject, own="", *references, sent=None):
    ids = tuple(reference.encode() for reference in references)
    when = number if sent is None else sent
    return Threadable(number, when, base_subject(subject), own.encode(), ids)


def threads(*messages):
    return thread.to_wire(thread.references(messages))


def test_answers_follow_their_messages():
    assert (
        threads(
            letter(1, "a", "1"),
            letter(2, "Re: a", "2", "1"),
            letter(3, "Re: a", "3", "1", "2"),
            letter(4, "Re: a", "4", "1"),
        )
        == "(1 (2 3)(4))"
    )


def test_a_missing_message_does_not_break_a_thread():
    # step 3: the dummy in the middle goes, the one on top stays: it has two children
    assert threads(letter(1, "a", "1"), letter(3, "b", "3", "1", "2")) == "(1 3)"
    both = [letter(1, "a", "1", "0"), letter(2, "b", "2", "0")]
    assert threads(*both) == "((1)(2))"
    assert threads(letter(1, "a", "1", "0", "00")) == "(1)"


def test_references_in_a_ring_end_somewhere():
    ring = [letter(n, f"s{n}", str(n), str(n % 3 + 1)) for n in (1, 2, 3)]
    found = threads(*ring)
    assert sorted(c for c in found if c.isdigit()) == ["1", "2", "3"]
    assert threads(letter(1, "a", "1", "1")) == "(1)"


def test_of_two_messages_with_one_id_the_first_has_it():
    some = [letter(1, "a", "1"), letter(2, "b", "1"), letter(3, "c", "3", "1")]
    assert threads(*some) == "(1 3)(2)"


@pytest.mark.parametrize(
    ("subjects", "found"),
    [
        (("a", "Re: a"), "(1 2)"),  # an answer belongs below
        (("Re: a", "a"), "(2 1)"),  # whenever it came
        (("a", "a"), "((1)(2))"),  # two equals: a dummy above them
        (("Re: a", "Re: a"), "((1)(2))"),
        (("a", "a", "Re: a"), "((1)(2)(3))"),
        (("", ""), "(1)(2)"),  # no subject is no common subject
    ],
)
def test_threads_with_one_subject_become_one(subjects, found):
    letters = [letter(n, s, str(n)) for n, s in enumerate(subjects, 1)]
    assert threads(*letters) == found


def test_dummies_with_one_subject_become_one():
    some = [letter(n, "a", str(n), "x" if n < 3 else "y") for n in (1, 2, 3, 4)]
    assert threads(*some) == "((1)(2)(3)(4))"
    assert threads(*some, letter(5, "Re: a", "5")) == "((1)(2)(3)(4)(5))"


def test_siblings_stand_in_the_order_of_their_dates():
    some = [
        letter(1, "a", "1", sent=9),
        letter(2, "x", "2", "1", sent=8),
        letter(3, "y", "3", "1", sent=7),
        letter(4, "z", "4", sent=1),
    ]
    assert threads(*some) == "(4)(1 (3)(2))"


def test_by_subject_alone_there_are_no_grandchildren():
    some = [letter(1, "a", sent=3), letter(2, "Re: a", sent=4), letter(3, "b", sent=1)]
    found = thread.ordered_subject([*some, letter(4, "Fwd: a", sent=5)])
    assert thread.to_wire(found) == "(3)(1 (2)(4))"


def test_ids_are_read_from_headers():
    header = (
        b"Message-ID: <me@x>\r\nReferences: nonsense\r\n"
        b'In-Reply-To: <"01K"@y> <second@y>\r\nDate: nonsense\r\n\r\n'
    )
    data = MessageData(7, frozenset(), DateTime(1970, 1, 2), header)
    found = Threadable.of(data, 1)
    assert (found.own_id, found.references) == (b"me@x", (b"01K@y",))
    assert found.sent == 86_400  # "use the INTERNALDATE" (RFC 5256 §2.2)


def test_a_conversation_may_be_long():
    count = 5000
    chain = [letter(n, "a", str(n), *([str(n - 1)] * (n > 1))) for n in range(1, count)]
    assert threads(*chain) == f"({' '.join(map(str, range(1, count)))})"
    backwards = [letter(n, "a", str(n), str(n + 1)) for n in range(1, count)]
    assert threads(*backwards).startswith(f"({count - 1} {count - 2} ")


def test_looking_for_loops_has_an_end(monkeypatch):
    monkeypatch.setattr(thread, "MAX_STEPS", 1000)
    chain = [letter(n, "a", str(n), *([str(n - 1)] * (n > 1))) for n in range(1, 100)]
    late = [
        message
        for n in range(100, 200, 2)
        for message in (
            letter(n, "b", "", f"d{n}", f"e{n}"),
            letter(n + 1, "c", f"d{n}", "99"),
        )
    ]
    with pytest.raises(thread.TooTangled):
        threads(*chain, *late)
