"""Base subjects (RFC 5256 §2.1), case (RFC 5051), names of mailboxes, orders."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.wire import imap, mutf7
from maillab.wire.imap import BadSyntax, Scanner
from maillab.wire.imap_sort import Criterion, base_subject, sort
from maillab.wire.unicode_casemap import casemap
from maillab.wire.unicode_text import decode_words, find_codec

SUBJECTS = [
    ("", "", False),
    ("Plans", "PLANS", False),
    ("  Plans \t for\r\n today ", "PLANS FOR TODAY", False),
    ("Re: Plans", "PLANS", True),
    ("RE:Re : re[2]: Plans", "PLANS", True),
    ("Fw: Fwd: Plans", "PLANS", True),
    ("Plans (fwd) (FWD) ", "PLANS", True),
    ("[list] Plans", "PLANS", False),
    ("Re: [list] Re: [a][b] Plans", "PLANS", True),
    ("[list] Re: Plans", "PLANS", True),
    ("[only] ", "[ONLY]", False),
    ("Re: [a] [only]", "[ONLY]", True),
    ("[Fwd: Re: [x] Plans (fwd)]", "PLANS", True),
    ("[fwd: [fwd: Plans]]", "PLANS", True),
    ("Re: ", "", True),
    ("Regarding: Plans", "REGARDING: PLANS", False),
    ("=?utf-8?q?Re=3A_Pl=C3=A4ne?=", casemap("pläne"), True),
]


@pytest.mark.parametrize(("text", "base", "is_answer"), SUBJECTS)
def test_the_base_subject_is_what_the_steps_of_the_rfc_leave(text, base, is_answer):
    found = base_subject(text)
    assert (found.base, found.is_answer) == (base, is_answer)


@pytest.mark.parametrize(
    "bomb", ["[a]", "re: ", "[a] re:", "(fwd)", " ", "[fwd:", "=?", "[", ")"]
)
def test_a_subject_of_a_megabyte_is_looked_at_for_a_while_only(bomb):
    assert len(base_subject(bomb * 1_000_000).base) <= 10_000


CASES = [
    ("straße", "STRAßE", True),
    ("ß", "ss", False),  # only single characters are mapped (RFC 5051 §2)
    ("Ä", "ä", True),
    ("a\u0308", "Ä", True),
    ("ǆ", "Ǆ", True),  # one letter that has a titlecase of its own
    ("ς", "Σ", True),
    ("é", "e", False),
    ("ﬁ", "FI", False),  # titlecase first, then "f" and "i"
    ("가", "ㄱ", False),
    ("i", "I", True),
]


@pytest.mark.parametrize(("one", "other", "same"), CASES)
def test_case_is_that_of_unicode(one, other, same):
    assert (casemap(one) == casemap(other)) is same


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=20), st.text(max_size=10), st.text(max_size=10))
def test_a_part_of_a_text_is_a_part_of_the_mapped_text(text, before, after):
    assert casemap(text) in casemap(before + text + after)
    assert casemap(casemap(text)) == casemap(casemap(casemap(text)))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_every_name_survives_modified_utf7(name):
    assert mutf7.from_wire(mutf7.to_wire(name)) == name


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=12) | st.text("&-AbU,+/é", max_size=9).map(str.encode))
def test_what_is_modified_utf7_has_one_spelling(octets):
    try:
        name = mutf7.from_wire(octets)
    except ValueError:
        return
    assert mutf7.to_wire(name) == octets


@pytest.mark.parametrize(
    "octets",
    [b"&", b"&AAA", b"&AGE-", b"&2D0-", b"&U,BTFw-&ZeVnLIqe-", b"a\xc3\xa4", b"&AA/-"],
)
def test_a_name_that_is_not_modified_utf7_is_refused(octets):
    with pytest.raises(BadSyntax):
        Scanner(imap.string(octets)).mailbox()


def test_names_are_utf8_when_the_client_wants_it():
    wire = imap.mailbox("Entwürfe & mehr", utf8=True)
    assert wire == '"Entwürfe & mehr"'.encode()
    assert Scanner(wire, utf8=True).mailbox() == "Entwürfe & mehr"
    assert Scanner('"u\u0308"'.encode(), utf8=True).mailbox() == "ü"
    assert Scanner(b"inBox", utf8=True).mailbox() == "INBOX"
    assert Scanner('"ınbox"'.encode(), utf8=True).mailbox() == "ınbox"


@pytest.mark.parametrize("name", [b"\xff", b"a\xc2\x85", b"\xe2\x80\xa8", b"\x7f"])
def test_a_name_that_is_not_net_unicode_is_refused(name):
    for utf8 in (True, False):
        with pytest.raises(BadSyntax):
            Scanner(b'"' + name + b'"', utf8).mailbox()


def test_literals_have_three_forms():
    for opening in (b"{3}", b"{3+}", b"~{3}", b"~{3+}"):
        assert Scanner(opening + b"\r\na\0b").literal() == b"a\0b"
        size, waits = imap.announced_literal(b"a APPEND x " + opening)
        assert (size, waits) == (3, b"+" not in opening)
    with pytest.raises(BadSyntax):
        Scanner(b"~{3}\r\nabc").string()
    huge = b"a LOGIN {" + b"9" * 5000 + b"+}"
    assert imap.announced_literal(huge) == (2**63 - 1, False)
    assert imap.announced_literal(b"a {b}") is None


def test_what_is_equal_stays_in_the_order_of_the_mailbox():
    rows = [(3, ("b", 1)), (1, ("a", 2)), (2, ("a", 2)), (4, ("a", 1))]
    by_name = (Criterion("FROM"), Criterion("SIZE", reverse=True))
    assert sort(rows, by_name) == [1, 2, 4, 3]
    assert sort(rows, (Criterion("FROM", reverse=True),)) == [3, 1, 2, 4]


def test_only_charsets_of_mail_are_known():
    assert find_codec("Windows-1252") == "cp1252"
    for name in ("idna", "punycode", "unicode_escape", "rot13", "no such", "\0"):
        assert find_codec(name) is None
    assert decode_words("=?idna?Q?x?= =?utf-8?Q?=C3=A4?=") == "=?idna?Q?x?= ä"
