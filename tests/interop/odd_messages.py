"""Messages that make a server think: what RFC 5322 and the MIME documents allow, and a
little beside.

Comes out: `MESSAGES`, by name. Every line ends with CRLF: a Maildir has no other.
"""

import base64


def lines(*some: str) -> bytes:
    """A message of these lines."""
    return "\r\n".join((*some, "")).encode("latin-1")


def head(number: int, subject: str, *more: str) -> tuple[str, ...]:
    """The usual header; dates a day and an hour apart."""
    day, hour = 1 + number % 27, number % 24
    return (
        f"Date: Mon, {day:02} Feb 2026 {hour:02}:30:00 +0100",
        "From: Ann Example <ann@real.example>",
        "To: ben@real.example",
        f"Subject: {subject}",
        f"Message-ID: <{number}@real.example>",
        *more,
    )


PICTURE = base64.b64encode(bytes(range(256)) * 2).decode()
ROWS = [PICTURE[at : at + 76] for at in range(0, len(PICTURE), 76)]

ADDRESSES = lines(
    'From: "Q, uoted \\"x\\"" <"a b"@real.example>, second@real.example',
    "Sender: =?UTF-8?Q?J=C3=BCrgen?= <j@real.example>",
    "Reply-To: Group: one@a.example, Two <two@b.example>;",
    "To: undisclosed-recipients:;",
    "Cc: old@real.example (Old Style), <@relay.example,@r2.example:route@c.example>",
    "Bcc: hidden@real.example",
    "Subject:",
    "Date: 5 Jan 2026 09:30 UT",
    "In-Reply-To: <1@real.example>",
    "Message-ID: <addresses@real.example>",
    "",
    "Addresses of every kind.",
)
FOLDED = lines(
    "Date: Tue, 3 Feb 2026 10:00:00 -0500",
    "From: ann@real.example",
    "To: ben@real.example,",
    "\tcara@real.example,",
    "  dan@real.example",
    "Subject: a subject that",
    " is folded",
    "\tand tabbed",
    "X-Empty:",
    "X-Twice: one",
    "x-twice: two",
    "References: <1@real.example>",
    " <2@real.example>",
    "",
    "Body with trailing space ",
    "",
    "",
)
ALTERNATIVE = lines(
    *head(3, "Re: plain"),
    "In-Reply-To: <0@real.example>",
    "MIME-Version: 1.0",
    'Content-Type: multipart/alternative; boundary="=_alt"; x=y',
    "",
    "This is the preamble.",
    "--=_alt",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Gr=C3=BC=C3=9Fe, =",
    "aus =3D K=C3=B6ln",
    "--=_alt",
    "Content-Type: text/html; charset=utf-8",
    "Content-Transfer-Encoding: base64",
    "Content-Language: de, en",
    "",
    base64.b64encode("<p>Grüße</p>\r\n".encode()).decode(),
    "--=_alt--",
    "This is the epilogue.",
)
MIXED = lines(
    *head(4, "=?UTF-8?B?R3LDvMOfZQ==?= and =?ISO-8859-1?Q?caf=E9?="),
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed;",
    ' boundary="outer bound"',
    "",
    "--outer bound",
    "",
    "Implicitly text/plain.",
    "--outer bound  ",
    'Content-Type: image/png; name="a picture.png"',
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: attachment; filename="a picture.png"; size=512',
    "Content-ID: <pic@real.example>",
    "Content-Description: a (small) picture",
    "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==",
    "Content-Location: http://real.example/pic",
    "",
    *ROWS,
    "--outer bound",
    "Content-Type: message/rfc822",
    "Content-Disposition: inline",
    "",
    "From: inner@real.example",
    "Subject: the inner message",
    "Content-Type: multipart/alternative; boundary=inner",
    "",
    "--inner",
    "",
    "inner one",
    "--inner",
    "Content-Type: text/html",
    "",
    "<p>inner two</p>",
    "--inner--",
    "",
    "--outer bound--",
)
DIGEST = lines(
    *head(5, "[list] a digest (fwd)"),
    "MIME-Version: 1.0",
    "Content-Type: multipart/digest; boundary=d",
    "",
    "--d",
    "",
    "From: one@real.example",
    "Subject: first",
    "",
    "One.",
    "--d",
    "Content-Type: text/plain",
    "",
    "Not a message.",
    "--d--",
)
NO_END = lines(
    *head(6, "Fwd: Re: plain"),
    "References: <0@real.example> <3@real.example>",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=x",
    "",
    "--x",
    "Content-Type: text/plain; charset=iso-8859-1; format=flowed",
    "Content-Transfer-Encoding: 8bit",
    "",
    "caf\xe9",
    "--x",
    "Content-Type: application/octet-stream;",
    " name*0*=utf-8''long%20; name*1=name.bin",
    "Content-Transfer-Encoding: BASE64",
    "",
    "AAEC",
)
PARAMETERS = lines(
    *head(7, "parameters"),
    "MIME-Version: 1.0 (really)",
    'Content-Type: TEXT/Plain; Charset="US-ASCII"; empty=""; odd="a\\"b\\\\c" (end)',
    "Content-Transfer-Encoding: 7BIT",
    'Content-Disposition: inline; filename="=?UTF-8?Q?=C3=BC.txt?="',
    "Content-Language: en",
    "",
    "Seven bits.",
)
EMBEDDED = lines(
    *head(9, "FW: the inner message"),
    "MIME-Version: 1.0",
    "Content-Type: message/rfc822",
    "",
    "From: deep@real.example",
    "To: ben@real.example",
    "Subject: deep",
    "Content-Type: message/rfc822",
    "",
    "Subject: deeper",
    "",
    "At the bottom.",
)
NESTED = lines(
    *head(10, "nested"),
    "MIME-Version: 1.0",
    'Content-Type: multipart/signed; boundary="s"; micalg=sha1; protocol="x/y"',
    "",
    "--s",
    'Content-Type: multipart/related; boundary=ss; type="text/html"',
    "",
    "--ss",
    "Content-Type: text/html; charset=utf-8",
    "",
    "<img src='cid:a'>",
    "--ss",
    "Content-Type: image/gif",
    "Content-ID: <a>",
    "Content-Transfer-Encoding: base64",
    "",
    "R0lGODlhAQABAAAAACw=",
    "--ss--",
    "",
    "--s",
    "Content-Type: x/y",
    "",
    "signature",
    "--s--",
)

MESSAGES: dict[str, bytes] = {
    "plain": lines(*head(0, "plain"), "", "Hello Ben,", "", "tea at five?", "Ann"),
    "answer": lines(
        *head(1, "Re: plain", "In-Reply-To: <0@real.example>"), "", "Yes, tea!"
    ),
    "answer2": lines(
        *head(2, "RE: re: Plain", "References: <0@real.example> <1@real.example>"),
        "",
        "Good.",
    ),
    "addresses": ADDRESSES,
    "folded": FOLDED,
    "alternative": ALTERNATIVE,
    "mixed": MIXED,
    "digest": DIGEST,
    "no end": NO_END,
    "parameters": PARAMETERS,
    "embedded": EMBEDDED,
    "nested": NESTED,
    "no body": lines(*head(8, "no body"), ""),
    "header only": lines(*head(11, "header only")),
    "no header": lines("", "Only a body.", "Second line"),
    "no date": lines("From: x@real.example", "Subject: zebra", "", "No date."),
    "utf-8": lines(
        *head(12, "utf-8"), "X-Name: J\xc3\xbcrgen", "", "Gr\xc3\xbc\xc3\x9fe"
    ),
    "long": lines(*head(13, "long"), "", *(f"line {n} " + "x" * n for n in range(90))),
    "no last crlf": lines(*head(14, "Zulu time"), "", "The end")[:-2],
}
