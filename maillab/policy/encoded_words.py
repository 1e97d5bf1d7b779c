"""Header text that is not ASCII: encoded words (RFC 2047), both ways.

Rule: what cannot be decoded stays as it is.
"""

from base64 import b64encode
from email.errors import HeaderParseError
from email.header import decode_header, make_header

LONGEST = 45  # octets in one encoded word, which has at most 75 (RFC 2047 §2)


def decode_words(value: str) -> str:
    """The text that a field body means.

    >>> decode_words("=?utf-8?B?w5xiZXI=?= uns")
    'Über uns'
    """
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def encode_words(text: str) -> str:
    """The text as it may stand in a header.

    >>> encode_words("Über uns"), encode_words("About us")
    ('=?utf-8?B?w5xiZXIgdW5z?=', 'About us')
    """
    if text.isascii():
        return text
    pieces = [b""]
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(pieces[-1]) + len(octets) > LONGEST:
            pieces.append(b"")
        pieces[-1] += octets
    words = (f"=?utf-8?B?{b64encode(piece).decode()}?=" for piece in pieces)
    return "\r\n ".join(words)
