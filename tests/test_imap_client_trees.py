"""ENVELOPE, BODYSTRUCTURE and content, as the IMAP client reads them."""

import pytest

from maillab.wire.imap_response import BadResponse, Fetched, parse_untagged


def fetched_of(octets: bytes) -> Fetched:
    data = parse_untagged(octets)
    assert isinstance(data, Fetched)
    return data


# RFC 3501 §8, the example session
ENVELOPE = (
    b'ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" '
    b'"IMAP4rev1 WG mtg summary and minutes" '
    b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
    b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
    b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
    b'((NIL NIL "imap" "cac.washington.edu")) '
    b'((NIL NIL "minutes" "CNRI.Reston.VA.US") '
    b'("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
    b'"<B27397-0100000@cac.washington.edu>")'
)
NESTED = (
    b'BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)'
    b'("TEXT" "PLAIN" ("NAME" "cc.diff") "<9@x>" "Compiler diff" "BASE64" 4554 73 '
    b'NIL ("attachment" ("FILENAME" "cc.diff")) NIL)'
    b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 99 (NIL "Hi" NIL NIL NIL NIL NIL NIL '
    b'NIL NIL) (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)("IMAGE" "PNG" NIL NIL NIL '
    b'"BASE64" 9) "ALTERNATIVE") 5) "MIXED" ("BOUNDARY" "x"))'
)


def test_envelopes_and_body_structures_are_trees():
    fetched = fetched_of(
        b"12 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (624140003) "
        b"EMAILID (M6d99ac3275bb4e) THREADID NIL " + ENVELOPE + b" " + NESTED + b")"
    )
    assert (fetched.uid, fetched.flags, fetched.modseq) == (4, ("\\Seen",), 624140003)
    assert fetched.items["EMAILID"] == "M6d99ac3275bb4e"
    assert fetched.items["THREADID"] is None
    envelope = fetched.envelope
    assert envelope.subject == b"IMAP4rev1 WG mtg summary and minutes"
    assert [str(one) for one in envelope.cc] == [
        "minutes@CNRI.Reston.VA.US",
        "KLENSIN@MIT.EDU",
    ]
    assert (envelope.bcc, envelope.in_reply_to) == ((), "")
    rows = [(part.section, part.kind, part.size) for part in fetched.structure.walk()]
    assert rows == [
        ("", "multipart/mixed", 0),
        ("1", "text/plain", 1152),
        ("2", "text/plain", 4554),
        ("3", "message/rfc822", 99),
        ("3", "multipart/alternative", 0),
        ("3.1", "text/plain", 1),
        ("3.2", "image/png", 9),
    ]
    diff = fetched.structure.parts[1]
    assert (diff.filename, diff.disposition) == ("cc.diff", "attachment")
    assert fetched.structure.parts[2].inside.subject == b"Hi"


def test_binary_content_and_sections_with_names_are_kept():
    fetched = fetched_of(
        b'1 FETCH (BINARY[1] ~{4}\r\n\0\r\n) BODY[HEADER.FIELDS ("X]" TO)]<0> "a")'
    )
    assert fetched.items == {
        "BINARY[1]": b"\0\r\n)",
        'BODY[HEADER.FIELDS ("X]" TO)]<0>': b"a",
    }


def test_one_part_alone_is_section_1():
    octets = b'1 FETCH (BODY ("TEXT" "HTML" NIL NIL NIL "8BIT" 3 1))'
    part = fetched_of(octets).structure
    assert (part.section, part.kind, part.encoding, part.lines) == (
        "1",
        "text/html",
        "8bit",
        1,
    )


@pytest.mark.parametrize(
    "items",
    [
        b"ENVELOPE (NIL)",
        b"ENVELOPE 7",
        b"ENVELOPE (NIL NIL ((1)) NIL NIL NIL NIL NIL NIL NIL)",
        b"BODYSTRUCTURE ((NIL))",
        b"BODYSTRUCTURE (NIL)",
        b'BODYSTRUCTURE ("TEXT" "PLAIN" ("A") NIL NIL "7BIT" 1)',
        b'BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" "x")',
    ],
)
def test_a_broken_tree_is_an_error_of_its_own_and_the_rest_is_good(items):
    fetched = fetched_of(b"1 FETCH (UID 9 " + items + b")")
    assert fetched.uid == 9
    with pytest.raises(BadResponse):
        _ = fetched.envelope, fetched.structure


def test_a_tree_of_any_depth_is_bounded():
    deep = b"(" * 90 + b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)' + b' "MIXED")' * 90
    assert len(list(fetched_of(b"1 FETCH (BODY " + deep + b")").structure.walk())) == 91
    assert not isinstance(parse_untagged(b"1 FETCH " + b"(" * 9000), Fetched)
