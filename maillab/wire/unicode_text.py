"""Octets as a person reads them: charsets, and encoded words (RFC 2047).

Goes in: octets or header text, which may claim any charset. Comes out: text.

Rule 1: reading never fails. What cannot be decoded stays as it is, or is Latin-1.
Rule 2: only charsets of mail are known: some codecs of Python are no charsets, and some
        need time that grows with the square of the length.
"""

import codecs
import re
from base64 import b64decode
from binascii import a2b_qp
from functools import cache, lru_cache

CHARSETS = (
    *("US-ASCII", "UTF-8", *(f"ISO-8859-{n}" for n in range(1, 17) if n != 12)),
    *(f"WINDOWS-{n}" for n in range(1250, 1259)),
    *("KOI8-R", "KOI8-U", "ISO-2022-JP", "SHIFT_JIS", "EUC-JP", "EUC-KR"),
    *("GB2312", "GBK", "GB18030", "BIG5", "IBM437", "IBM850", "MACINTOSH"),
)

_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([BbQq])\?([^?\s]*)\?=([ \t]+(?==\?))?")


@lru_cache(maxsize=256)
def find_codec(charset: str) -> str | None:
    """Python's name of a charset that mail uses; None when it is not one of them.

    >>> find_codec("latin1"), find_codec("idna")
    ('iso8859-1', None)
    """
    try:
        name = codecs.lookup(charset[:40]).name
    except (LookupError, ValueError, UnicodeError):  # none; or no name at all
        return None
    return name if name in _codecs() else None


def decoded(octets: bytes, charset: str) -> str:
    """Text in a charset; in Latin-1 if the charset is not known."""
    return octets.decode(find_codec(charset) or "latin-1", "replace")


def decode_words(text: str) -> str:
    """Undo encoded words (RFC 2047). What cannot be decoded stays as it is.

    >>> decode_words("=?utf-8?Q?Gr=C3=BC=C3=9Fe?= from =?utf-8?B?w4RubmE=?=")
    'Grüße from Änna'
    """
    return _ENCODED_WORD.sub(_decoded_word, text) if "=?" in text else text


def _decoded_word(found: re.Match[str]) -> str:
    charset, encoding, coded = found[1], found[2].upper(), found[3]
    codec = find_codec(charset.partition("*")[0])  # RFC 2231 §5: a language behind it
    if not codec:
        return found[0]
    try:
        if encoding == "B":
            octets = b64decode(coded)
        else:
            octets = a2b_qp(coded.encode("ascii"), header=True)
    except ValueError:  # also binascii.Error
        return found[0]
    return octets.decode(codec, "replace")


@cache
def _codecs() -> frozenset[str]:
    """Python's names; not at import, for they are forty modules."""
    return frozenset(codecs.lookup(name).name for name in CHARSETS)
