"""SASLprep: which names and passwords are the same (RFC 4013, a profile of RFC 3454).

Goes in: text as somebody typed it. Comes out: text to compare or to hash; or
ValueError.
"""

import stringprep as tables
from unicodedata import ucd_3_2_0 as unicode_3_2

# RFC 4013 §2.3, by the tables of RFC 3454 appendix C
PROHIBITED = (
    tables.in_table_c12,
    tables.in_table_c21_c22,
    tables.in_table_c3,
    tables.in_table_c4,
    tables.in_table_c5,
    tables.in_table_c6,
    tables.in_table_c7,
    tables.in_table_c8,
    tables.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str:
    """Prepare a name or a password. Raises ValueError.

    `stored`: the text will be kept, so it may not have code points that Unicode 3.2
    did not know (RFC 3454 §7). The examples are those of RFC 4013 §3.

    >>> [saslprep(text) for text in ("I\\u00adX", "user", "USER", "\\u00aa", "\\u2168")]
    ['IX', 'user', 'USER', 'a', 'IX']
    >>> saslprep("\\u0007")
    Traceback (most recent call last):
    ValueError: the text has a character that names and passwords may not have
    """
    if text.isascii() and text.isprintable():
        return text
    mapped = (" " if tables.in_table_c12(c) else c for c in text)  # RFC 4013 §2.1
    kept = "".join(c for c in mapped if not tables.in_table_b1(c))
    prepared = unicode_3_2.normalize("NFKC", kept)
    if any(wrong(c) for wrong in PROHIBITED for c in prepared):
        raise ValueError(
            "the text has a character that names and passwords may not have"
        )
    if stored and any(tables.in_table_a1(c) for c in prepared):
        raise ValueError("the text has a character that Unicode 3.2 does not have")
    _check_direction(prepared)
    return prepared


def prepared(text: str, *, stored: bool = False) -> str:
    """The same, but ASCII stays as it is: old passwords have control characters.

    >>> prepared("jo\\u0308rg"), prepared("a\\tb")
    ('jörg', 'a\\tb')
    """
    return text if text.isascii() else saslprep(text, stored=stored)


def _check_direction(text: str) -> None:
    """Right-to-left text stays unmixed (RFC 3454 §6).

    >>> _check_direction("\\u0627" + "1")
    Traceback (most recent call last):
    ValueError: the text mixes directions of writing
    """
    if not any(tables.in_table_d1(c) for c in text):
        return
    ends = tables.in_table_d1(text[0]) and tables.in_table_d1(text[-1])
    if not ends or any(tables.in_table_d2(c) for c in text):
        raise ValueError("the text mixes directions of writing")
