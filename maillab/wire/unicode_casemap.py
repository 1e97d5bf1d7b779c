"""i;unicode-casemap (RFC 5051): how IMAP compares text without regard to case.

Goes in: text. Comes out: text in which equal means "the same letters".

Rule 1: each character becomes titlecase, then is decomposed, as RFC 5051 §2 says: one
        by one. So "ä", "Ä" and "A" with U+0308 are the same, "ß" and "ss" are not.
Rule 2: a substring of a text is a substring of the mapped text.
"""

import unicodedata

_HANGUL = range(0xAC00, 0xD7A4)


class _Table(dict[int, str]):
    """What each character becomes; learnt when it is first seen."""

    def __missing__(self, code: int) -> str:
        mapped = _mapped(chr(code))
        self[code] = mapped
        return mapped


def casemap(text: str) -> str:
    """Map text for comparison.

    >>> casemap("Grüße") == casemap("GRÜßE"), casemap("ss") == casemap("ß")
    (True, False)
    """
    return text.upper() if text.isascii() else text.translate(_TABLE)


def _mapped(character: str) -> str:
    title = character.title()
    # Only the mappings of UnicodeData.txt count, and they are single characters.
    character = title if len(title) == 1 else character
    if ord(character) in _HANGUL:  # no decomposition there: it is made by a rule
        return character
    return unicodedata.normalize("NFKD", character)


_TABLE = _Table()
