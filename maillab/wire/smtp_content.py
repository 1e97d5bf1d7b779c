"""The mail data of DATA (RFC 5321 §4.1.1.4 and §4.5.2).

Goes in: what stands in a `LineBuffer` after the line DATA. Comes out: the content, with
its dots as the author wrote them.

Rule 1: only <CRLF>.<CRLF> ends mail data; the first CRLF may be that of the line DATA.
Rule 2: memory is bounded by the size that is allowed. What is too big is thrown away as
        it comes.
"""

from maillab.wire.lines import CRLF, LineBuffer

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
        self._raw = bytearray()

    def read(self) -> bool:
        """Take what has arrived. True: this was the end of the data."""
        block, end = self._lines.next_until(END_OF_DATA)
        self._raw += block
        if self._max_size and len(self._raw) > self._max_size * 4 // 3 + 8:
            self.too_big = True  # stuffed dots make at most 4 octets of 3
        return end

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
