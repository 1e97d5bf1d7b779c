"""FETCH of generated MIME trees, compared with Python's own email package."""

import email
import email.policy
from email.message import Message
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.wire import imap_structure, mime
from maillab.wire.imap import Scanner
from maillab.wire.imap_fetch import Item, Section, scan_items
from maillab.wire.imap_fetch_answer import AnswerTooLarge, Renderer, binary, section
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_preview import preview
from maillab.wire.imap_response import values
from maillab.wire.message import DateTime

ENCODINGS = ["7bit", "base64", "quoted-printable"]
BODIES = st.text("ab-=\n ", max_size=20).map(lambda text: text.replace("\n", "\r\n"))


def leaf(body: str, encoding: str, kind: str) -> bytes:
    message = Message()
    message["Content-Type"] = kind
    message.set_payload(body)
    if encoding != "7bit":
        getattr(
            email.encoders, f"encode_{'base64' if encoding == 'base64' else 'quopri'}"
        )(message)
    return message.as_bytes(policy=email.policy.SMTP)


def multipart(parts: list[bytes], subtype: str) -> bytes:
    boundary = b"=_%x" % crc32(b"".join(parts))  # another one on each level
    lines = b"".join(b"\r\n--%b\r\n%b" % (boundary, part) for part in parts)
    kind = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\npreamble'
    return kind % (subtype.encode(), boundary) + lines + b"\r\n--%b--\r\n" % boundary


LEAVES = st.builds(
    leaf, BODIES, st.sampled_from(ENCODINGS), st.sampled_from(["text/plain", "image/x"])
)


def inner(parts):
    some = st.lists(parts, min_size=1, max_size=3)
    kinds = st.sampled_from(["mixed", "alternative", "related"])
    forwarded = parts.map(b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n".__add__)
    return st.builds(multipart, some, kinds) | forwarded


TREES = st.recursive(LEAVES, inner, max_leaves=8).map(b"Subject: whole\r\n".__add__)


def numbered(part: Message, path=()):
    """Python's leaves with IMAP's numbers (RFC 9051 §6.4.5.1)."""
    if part.get_content_maintype() == "multipart":
        for number, child in enumerate(part.get_payload(), 1):
            yield from numbered(child, (*path, number))
    elif part.get_content_type() == "message/rfc822":
        if not path:  # a message that is only a message: part 1 is that
            path = (1,)
        inside = part.get_payload(0)
        is_multipart = inside.get_content_maintype() == "multipart"
        yield from numbered(inside, path if is_multipart else (*path, 1))
    else:
        yield path or (1,), part


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(TREES)
def test_numbers_structure_and_content_are_those_of_pythons_package(octets):
    theirs = email.message_from_bytes(octets)
    tree = mime.parse(octets)
    kinds = ["/".join(part.media_type) for part in tree.walk()]
    assert kinds == [part.get_content_type() for part in theirs.walk()]
    for path, part in numbered(theirs):
        assert binary(tree, path) == part.get_payload(decode=True), path
        assert section(tree, Section(path)) in octets
    (found,) = values(imap_structure.body(tree, extended=True))
    assert shape(found) == shape_of(tree)


def shape(found):
    """Types and sizes of a BODYSTRUCTURE, nested as it is."""
    if isinstance(found[0], tuple):
        return [shape(child) for child in found if is_body(child)]
    inside = [shape(found[8])] if found[0] == b"message" else []
    return [found[0].decode(), found[6], *inside]


def is_body(found):
    return isinstance(found, tuple) and (isinstance(found[0], tuple) or len(found) > 7)


def shape_of(part):
    if part.children:
        return [shape_of(child) for child in part.children]
    inside = [shape_of(part.message)] if part.message else []
    return [part.media_type[0], part.size, *inside]


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/x; boundary=a",
                b"--a",
                b"--a--",
                b"",
                b"x",
                b'To: ("<@a,b:;',
                b"Content-Type: message/rfc822",
                b"\0",
                b"\xff",
            ]
        ),
        max_size=20,
    )
)
def test_every_item_of_every_octets_is_grammatical(lines):
    octets = b"\r\n".join(lines)
    data = MessageData(1, frozenset(), DateTime(2026, 1, 1), octets)
    text = (
        b"(ENVELOPE BODY BODYSTRUCTURE BODY[] BODY[1.MIME] BINARY[1] PREVIEW BODY[2])"
    )
    for utf8 in (False, True):
        answer = Renderer(data, frozenset(), utf8).render(scan_items(Scanner(text)))
        assert len(values(answer)[0]) == 16
        assert b"\0" not in answer.replace(b"~{", b"") or b"~{" in answer


BOMBS = {
    "nested": b"".join(
        b"Content-Type: multipart/x; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(2000)
    ),
    "messages": b"Content-Type: message/rfc822\r\n\r\n" * 5000,
    "parts": b"Content-Type: multipart/x; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 20_000,
    "nearly": b"Content-Type: multipart/x; boundary=b\r\n\r\n" + b"--bb\r\n" * 200_000,
    "comments": b"Content-Type: " + b"(" * 500_000 + b"\r\nTo: " + b"(" * 500_000,
    "quotes": b"Content-Type: a/b"
    + b';a="' * 200_000
    + b'\r\nTo: "'
    + b'\\"' * 200_000,
    "addresses": b"To: " + b"a," * 40_000,
    "fields": b"A:\n" * 300_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_defused(name):
    tree = mime.parse(BOMBS[name])
    assert sum(1 for _ in tree.walk()) <= mime.MAX_PARTS + mime.MAX_DEPTH + 2
    assert imap_structure.body(tree, extended=True).startswith(b"(")
    assert imap_structure.envelope(tree.header_octets).startswith(b"(")
    assert len(preview(tree)) <= 200


def test_so_much_of_one_message_is_not_given_at_once():
    data = MessageData(1, frozenset(), DateTime(2026, 1, 1), b"\r\n" + b"x" * 10**6)
    items = tuple(Item("BODY[]", partial=(n, 10**6)) for n in range(70))
    with pytest.raises(AnswerTooLarge):
        Renderer(data, frozenset()).render(items)


def test_extension_data_is_exact_to_the_octet():
    octets = (
        b'Content-Type: Application/PDF (x); name="a \\"b\\".pdf"; x*=utf-8\'\'%C3%A4'
        b"\r\n"
        b"Content-Transfer-Encoding: BASE64\r\nContent-MD5: Q2hlY2s=\r\n"
        b"Content-ID: <1@x>\r\nContent-Description: =?utf-8?Q?=C3=A4?=\r\n two\r\n"
        b"Content-Disposition: attachment; filename=b\xe4r.pdf\r\n"
        b"Content-Language: de, en-GB\r\nContent-Location: http://x.example/\r\n\r\n"
    )
    assert imap_structure.body(mime.parse(octets), extended=True) == (
        b'("application" "pdf" ("name" "a \\"b\\".pdf" "x*" "utf-8\'\'%C3%A4") "<1@x>" '
        b'"=?utf-8?Q?=C3=A4?= two" "base64" 0 "Q2hlY2s=" '
        b'("attachment" ("filename" {7}\r\nb\xe4r.pdf)) ("de" "en-GB") '
        b'"http://x.example/")'
    )


def test_message_global_is_a_message_for_who_knows_utf8():
    octets = b"Content-Type: message/global\r\n\r\nSubject: \xc3\xa4\r\n\r\nHi"
    tree = mime.parse(octets)
    assert b'NIL "\xc3\xa4"' in imap_structure.body(tree, extended=False, utf8=True)
    assert imap_structure.body(tree, extended=False).endswith(b'"7bit" 17)')
    assert section(tree, Section((1,), "TEXT")) == b"Hi"


HTML = b"Content-Type: text/html\r\n\r\n"
PREVIEWS = [
    (b"\r\n  Hello \r\n\r\n world\r\n", "Hello world"),
    (b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4", "ä"),
    (b"Content-Type: image/png\r\n\r\nxx", ""),
    (
        HTML + b"<style>p{}</style><!-- <p> -->a&lt;<b>b</b><br>c",
        "a<b c",
    ),
    (b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nno", ""),
    (b"\r\n" + b"\xc3\xa4" * 500, "ä" * 200),
    (HTML + b"<!--" * 60_000, ""),
]


@pytest.mark.parametrize(("octets", "expected"), PREVIEWS)
def test_a_preview_is_the_first_words(octets, expected):
    assert preview(mime.parse(octets)) == expected


def message(kind: str, *parts: bytes) -> bytes:
    return b"Subject: %b\r\n" % kind.encode() + multipart([*parts], kind)


def test_the_numbers_of_the_example_in_the_rfc():
    """RFC 3501 §6.4.5 and RFC 9051 §6.4.5.1, "an example of a complex message"."""
    plain, binary_part = leaf("x", "7bit", "text/plain"), leaf("y", "base64", "image/x")
    forwarded = b"Content-Type: message/rfc822\r\n\r\n"
    rich = multipart([plain, leaf("z", "7bit", "text/richtext")], "alternative")
    tree = mime.parse(
        message(
            "mixed",
            plain,
            binary_part,
            forwarded + message("three", plain, binary_part),
            multipart(
                [
                    leaf("g", "7bit", "image/gif"),
                    forwarded + message("four", plain, rich),
                ],
                "mixed",
            ),
        )
    )
    listed = (
        "HEADER TEXT 1 2 3 3.HEADER 3.TEXT 3.1 3.2 4 4.1 4.1.MIME 4.2 4.2.HEADER "
        "4.2.TEXT 4.2.1 4.2.2 4.2.2.1 4.2.2.2"
    )
    for spec in listed.split():
        (item,) = scan_items(Scanner(f"BODY.PEEK[{spec}]".encode()))
        assert section(tree, item.section), spec
    (item,) = scan_items(Scanner(b"BODY[4.2.HEADER.FIELDS (Subject)]"))
    assert section(tree, item.section) == b"Subject: four\r\n\r\n"
    assert section(tree, Section((4, 2, 2, 2))) == b"z"
    for path in [(5,), (1, 1), (4, 1, 1), (4, 2, 3), (4, 2, 2, 3), (3, 1, 1)]:
        assert section(tree, Section(path)) is None


def test_a_message_with_nothing_in_it_has_all_items():
    data = MessageData(1, frozenset(), DateTime(2026, 1, 1), b"")
    text = b"(ENVELOPE BODYSTRUCTURE BODY[] BODY[HEADER] BODY[1]<9.1> BINARY.SIZE[2])"
    assert Renderer(data, frozenset()).render(scan_items(Scanner(text))) == (
        b"(ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
        b'BODYSTRUCTURE ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 '
        b'NIL NIL NIL NIL) BODY[] "" BODY[HEADER] "" BODY[1]<9> "" BINARY.SIZE[2] 0)'
    )
