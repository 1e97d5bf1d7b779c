"""SMTP values: replies, addresses, mail data."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.wire.lines import LineBuffer
from maillab.wire.smtp import Reply
from maillab.wire.smtp_content import (
    ContentReader,
    has_bare_cr_or_lf,
    has_long_line,
    stuffed,
)
from maillab.wire.smtp_path import NULL_PATH, Address, parse_path
from maillab.wire.smtp_replies import ReplyReader

printable = st.text(st.characters(codec="ascii", min_codepoint=33), max_size=20)
quick = settings(derandomize=True, max_examples=100)


@quick
@given(printable.filter(lambda text: "\x7f" not in text))
def test_any_local_part_survives_being_written_and_read(local_part):
    address = Address(local_part, "example.org")
    assert parse_path(address.to_path()) == (address, "")


def test_domains_compare_without_case_and_local_parts_with_it():
    assert Address("Ann", "EXAMPLE.org") == Address("Ann", "example.ORG")
    assert Address("Ann", "example.org") != Address("ann", "example.org")
    assert len({Address("a", "B"), Address("a", "b")}) == 1


def test_the_null_path_is_a_value():
    assert parse_path("<>") == (NULL_PATH, "")
    assert NULL_PATH.is_null
    assert not Address("postmaster", "").is_null


@quick
@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_a_reply_can_always_be_read_again(lines):
    *first, last = Reply(250, "2.0.0", *lines).to_wire().split(b"\r\n")[:-1]
    reader = ReplyReader()
    assert all(reader.add(line) is None for line in first)
    reply = reader.add(last)
    assert reply is not None
    assert (reply.code, reply.enhanced, len(reply.lines)) == (250, "2.0.0", len(lines))


@pytest.mark.parametrize("line", [b"", b"25", b"abc", b"250x", b"650 ok", b"2500 ok"])
def test_what_is_no_reply_is_an_error(line):
    with pytest.raises(ValueError, match="three digits"):
        ReplyReader().add(line)


def test_what_cannot_be_printed_is_not_kept_of_a_reply():
    reply = ReplyReader().add(b"550 no\n.\r.\x1b[31m \0\xc2\x85")
    assert str(reply) == "550 no?.?.?[31m ?"


def test_the_lines_of_a_reply_have_one_code():
    reader = ReplyReader()
    reader.add(b"250-one")
    with pytest.raises(ValueError, match="different codes"):
        reader.add(b"550 two")


@quick
@given(st.lists(st.sampled_from([b".", b"a", b"\r\n", b"..", b"\n", b"\r"])))
def test_stuffed_content_comes_back_octet_for_octet(parts):
    content = b"".join([*parts, b"\r\n"])
    for size in (1, 3, 10_000):
        lines = LineBuffer(512)
        reader = ContentReader(lines, max_size=0)
        data = stuffed(content) + b"QUIT\r\n"
        done = False
        for at in range(0, len(data), size):
            lines.feed(data[at : at + size])
            done = done or reader.read()
        assert done
        assert reader.content == content
        assert lines.next_line() == b"QUIT"


def test_long_lines_and_bare_line_ends_are_found():
    assert not has_long_line(b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n")
    assert has_long_line(b"\r\n" + b"x" * 999 + b"\r\n")
    assert not has_bare_cr_or_lf(b"a\r\n\r\nb\r\n")
    assert has_bare_cr_or_lf(b"a\nb\r\n")
    assert has_bare_cr_or_lf(b"a\rb\r\n")
    assert has_bare_cr_or_lf(b"a\r\r\n")
