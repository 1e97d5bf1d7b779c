"""The mail data of DATA (RFC 5321 §4.1.1.4 and §4.5.2).

Goes in: what stands in a `LineBuffer` after the line DATA. Comes out: the content, with
its dots as the author wrote them.

Rule 1: only <CRLF>.<CRLF> ends mail data; the first CRLF may be that of the line DATA.
        (`LooseContentReader` shows what happens otherwise: SMTP smuggling.)
Rule 2: memory is bounded by the size that is allowed. What is too big is thrown away as
        it comes.
"""

import re
from typing import Literal

from maillab.wire.lines import CRLF, LineBuffer

Smuggling = Literal["strict", "vulnerable"]

END_OF_DATA = b"\r\n.\r\n"
TEXT_LINE_LIMIT = 1000  # RFC 5321 §4.5.3.1.6, with CRLF and without the doubled dot


class ContentReader:
    """Collects mail data until its end; then `content` is complete.

    >>> lines = LineBuffer(512)
    >>> reader = ContentReader(lines, max_size=1000)
    >>> lines.feed(b"Hi\\r\\n..dot\\r\\n.\\r\\nQUIT\\r\\n")
    >>> reader.read(), reader.content, lines.next_line()
    (True, b'Hi\\r\\n.dot\\r\\n', b'QUIT')
    """

    def __init__(self, lines: LineBuffer, max_size: int) -> None:
        self.too_big = False
        self._lines = lines
        self._max_size = max_size  # 0: no limit
        # "the first <CRLF> is actually the terminator of the previous line"
        #   -- RFC 5321 §4.1.1.4
        lines.unread(CRLF)
        self._borrowed = len(CRLF)
        self._raw: bytearray = bytearray()

    def read(self) -> bool:
        """Take what has arrived. True: this was the end of the data."""
        block, end = self._lines.next_until(END_OF_DATA)
        self._raw += block
        if self._max_size and len(self._raw) > self._max_size * 4 // 3 + 8:
            self.too_big = True  # stuffed dots make at most 4 octets of 3
        return end

    @property
    def size(self) -> int:
        """How many octets are kept now."""
        return len(self._raw)

    def take_raw(self) -> bytes:
        """Take what was read as it was sent, with stuffed dots and the final one."""
        raw = bytes(self._raw[self._borrowed :])
        self._raw.clear()
        self._borrowed = 0
        return raw

    @property
    def content(self) -> bytes:
        """The complete content.

        "If the first character is a period and there are other characters on the line,
        the first character is deleted." -- RFC 5321 §4.5.2
        """
        stuffed = bytes(self._raw[: -len(b".\r\n")])
        return stuffed.replace(b"\r\n.", CRLF)[self._borrowed :]


# What servers have taken for the end of mail data, besides CRLF.CRLF: CVE-2023-51764
# (Postfix), CVE-2023-51765 (Sendmail), CVE-2023-51766 (Exim). A CR that ends a line
# alone shows only when the next octet is here.
LOOSE_END = re.compile(rb"(?:\r?\n|\r)\0?\.(?:\r?\n|\r(?=[^\n]))")
LOOSE_BEGINNING = re.compile(rb"(?:\r?\n|\r)(?:\0?(?:\.\r?)?)?\Z")
LOOSE_DOT = re.compile(rb"(\r?\n|\r)\.")


class LooseContentReader(ContentReader):
    r"""A reader that forgives line ends, as servers did before December 2023.

    # deviation: RFC 5321 §2.3.8; it is here to show the attack.

    >>> lines = LineBuffer(512)
    >>> reader = LooseContentReader(lines, max_size=1000)
    >>> lines.feed(b"Hi\r\n\n.\r\nMAIL FROM:<eve@example.org>\r\n")
    >>> reader.read(), reader.content, lines.next_line()
    (True, b'Hi\r\n\n', b'MAIL FROM:<eve@example.org>')
    """

    def read(self) -> bool:
        """Take what has arrived. True: this was the end of the data."""
        block = self._lines.next_block(len(self._lines)) or b""
        found = LOOSE_END.search(block)
        beginning = LOOSE_BEGINNING.search(block)
        if found:
            self._lines.unread(block[found.end() :])
            block = block[: found.end()]
        elif beginning:
            self._lines.unread(block[beginning.start() :])
            block = block[: beginning.start()]
        self._raw += block
        if self._max_size and len(self._raw) > self._max_size * 4 // 3 + 8:
            self.too_big = True
        return bool(found)

    @property
    def content(self) -> bytes:
        """The complete content, with line ends as they came."""
        stuffed = re.sub(rb"\0?\.(?:\r?\n|\r)\Z", b"", bytes(self._raw))
        return LOOSE_DOT.sub(rb"\1", stuffed)[self._borrowed :]


def normalized(content: bytes) -> bytes:
    r"""Every CR and LF as part of a CRLF (RFC 5321 §2.3.8).

    >>> normalized(b"a\nb\r\nc\r")
    b'a\r\nb\r\nc\r\n'
    """
    return re.sub(rb"\r\n|\r|\n", CRLF, content)


def stuffed(content: bytes) -> bytes:
    """Content as mail data, with the final dot (also RFC 1939 §3).

    >>> stuffed(b".a\\r\\nb\\r\\n")
    b'..a\\r\\nb\\r\\n.\\r\\n'
    """
    ended = content if content.endswith(CRLF) or not content else content + CRLF
    return (CRLF + ended).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def has_bare_cr_or_lf(content: bytes) -> bool:
    """Is there a CR or LF that is not part of a CRLF (RFC 5321 §2.3.8)?"""
    pairs = content.count(CRLF)
    return content.count(b"\n") != pairs or content.count(b"\r") != pairs


def has_long_line(content: bytes, limit: int = TEXT_LINE_LIMIT) -> bool:
    """Is there a line of more than `limit` octets, with its CRLF?"""
    start = 0
    while start < len(content):
        # The last end of a line in reach: all lines up to there are short enough.
        end = content.rfind(CRLF, start, start + limit)
        if end < 0:
            return len(content) - start > limit - len(CRLF)
        start = end + len(CRLF)
    return False
