"""Sections and structure, compared with Python's own email package."""

import email
import email.policy
from email.message import EmailMessage, Message

import pytest

from maillab.wire import imap_structure, mime
from maillab.wire.imap_fetch import Section
from maillab.wire.imap_fetch_answer import section
from maillab.wire.imap_response import values
from maillab.wire.message import DateTime, parse_date


def text() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Grüße an alle, die sehr lange Betreffzeilen mögen, und mehr"
    message["From"] = '"Zoe, the first" <zoe@gamma.example>'
    message["To"] = "ann@alpha.example, Bob <bob@beta.example>"
    message.set_content("Hello\n.\nüber alles\n")
    return message


def alternative() -> EmailMessage:
    message = text()
    message.add_alternative("<p>Hello</p>", subtype="html")
    return message


def with_attachments() -> EmailMessage:
    message = alternative()
    message.add_attachment(b"\0\1\2" * 50, "image", "png", filename="a b.png")
    message.add_attachment("plain", filename="notes.txt")
    return message


def forwarded() -> EmailMessage:
    message = text()
    message.add_attachment(with_attachments())
    message.add_attachment(text())
    return message


def digest() -> Message:
    return email.message_from_bytes(
        b'Content-Type: multipart/digest; boundary="x y"\r\n\r\npreamble\r\n'
        b"--x y\r\n\r\nSubject: one\r\n\r\n1\r\n--x y  \r\n\r\nSubject: two\r\n\r\n2"
        b"\r\n--x y--\r\nepilogue\r\n"
    )


TREES = [text, alternative, with_attachments, forwarded, digest]


def wire(message: Message) -> bytes:
    return message.as_bytes(policy=email.policy.SMTP)


def leaves(part: mime.Part, path: tuple[int, ...] = ()):
    """All numbered parts that hold no others, with their paths."""
    if part.children:
        for number, child in enumerate(part.children, 1):
            yield from leaves(child, (*path, number))
    elif part.message:
        inside = part.message
        yield from leaves(inside, path if inside.children else (*path, 1))
    else:
        yield path or (1,), part


@pytest.mark.parametrize("make", TREES)
def test_the_tree_is_the_one_that_pythons_email_package_sees(make):
    octets = wire(make())
    ours = [part.media_type for part in mime.parse(octets).walk()]
    theirs = email.message_from_bytes(octets).walk()
    assert ours == [tuple(part.get_content_type().split("/")) for part in theirs]


@pytest.mark.parametrize("make", TREES)
def test_each_section_is_what_python_decodes(make):
    octets = wire(make())
    tree = mime.parse(octets)
    theirs = email.message_from_bytes(octets).walk()
    theirs = [p for p in theirs if not p.is_multipart()]
    found = list(leaves(tree))
    assert len(found) == len(theirs)
    for (path, part), other in zip(found, theirs, strict=True):
        body = section(tree, Section(path))
        assert body == part.body_octets
        assert body in octets
        assert part.decoded() == other.get_payload(decode=True)


@pytest.mark.parametrize("make", TREES)
def test_header_and_text_together_are_the_message(make):
    octets = wire(make())
    tree = mime.parse(octets)
    header = section(tree, Section((), "HEADER"))
    assert header + section(tree, Section((), "TEXT")) == octets
    assert section(tree, Section()) == octets
    excluded = section(tree, Section((), "HEADER.FIELDS.NOT", (b"X-None",)))
    assert excluded == header


@pytest.mark.parametrize("make", TREES)
def test_the_structure_names_type_size_and_lines(make):
    tree = mime.parse(wire(make()))
    for part in tree.walk():
        (found,) = values(imap_structure.body(part, extended=True))
        if part.children:
            assert found[len(part.children)].decode() == part.media_type[1]
            continue
        assert (found[0].decode(), found[1].decode()) == part.media_type
        assert found[6] == len(part.body_octets)
        if part.media_type[0] == "text":
            assert found[7] == part.body_octets.count(b"\n")
        if part.message:
            assert found[9] == part.body_octets.count(b"\n")


def test_the_structure_of_a_message_with_attachments():
    (found,) = values(
        imap_structure.body(mime.parse(wire(with_attachments())), extended=True)
    )
    alternatives, picture, notes, kind, parameters, *_ = found
    assert [alternatives[0][1], alternatives[1][1]] == [b"plain", b"html"]
    assert kind == b"mixed"
    assert parameters[0] == b"boundary"
    assert picture[8] == (b"attachment", (b"filename", b"a b.png"))
    assert notes[:2] == (b"text", b"plain")


def test_a_part_inside_a_message_inside_a_message():
    tree = mime.parse(wire(forwarded()))
    assert section(tree, Section((2,))).startswith(b"Subject: ")
    assert b"image/png" in section(tree, Section((2, 2), "MIME"))
    assert b"Subject" in section(tree, Section((2,), "HEADER"))
    assert section(tree, Section((3, 1))) == section(tree, Section((3,), "TEXT"))
    for path in [(9,), (1, 1), (2, 1, 1, 1), (3, 2)]:
        assert section(tree, Section(path)) is None
    assert section(tree, Section((1,), "HEADER")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"no header at all",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnever used",
        b"Content-Type: ///\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\nno base64 at all!",
        b"From: <<<>>>@@@,,,:::;;;((()\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n" * 200,
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(200)
        ),
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 5000,
    ],
)
def test_broken_messages_have_a_structure_all_the_same(content):
    tree = mime.parse(content)
    for part in tree.walk():
        part.decoded()
    assert len(values(imap_structure.body(tree, extended=True))) == 1
    assert len(values(imap_structure.envelope(tree.header_octets))[0]) == 10


def test_envelope_reads_groups_routes_comments_and_missing_domains():
    raw = (
        b"From: root (Charlie Root)\r\n"
        b'To: Friends: "Ann \\"A\\" B" <ann@alpha.example>, bob@beta.example;, z@y\r\n'
        b"Cc: Joe <@hub.example,@b.example:joe@c.example>\r\n"
        b"Sender:\r\n\r\n"
    )
    (found,) = values(imap_structure.envelope(raw))
    root = ((b"Charlie Root", None, b"root", b""),)
    assert found[2:5] == (root, root, root)
    assert found[5] == (
        (None, None, b"Friends", None),
        (b'Ann "A" B', None, b"ann", b"alpha.example"),
        (None, None, b"bob", b"beta.example"),
        (None, None, None, None),
        (None, None, b"z", b"y"),
    )
    assert found[6] == ((b"Joe", b"@hub.example,@b.example", b"joe", b"c.example"),)


@pytest.mark.parametrize("seconds", [0, 951782400, 1772323199, 4102444800, -1])
def test_dates_agree_with_the_calendar(seconds):
    at = DateTime.from_epoch(seconds)
    assert parse_date(at.to_text()) == at
    theirs = email.utils.formatdate(seconds, usegmt=False)
    assert at.to_text().split()[1:] == theirs.replace("-0000", "+0000").split()[1:] or (
        at.to_text().split()[2:] == theirs.replace("-0000", "+0000").split()[2:]
    )
    assert at.to_text()[:3] == theirs[:3]
