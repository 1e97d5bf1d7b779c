"""What an SMTP client reads and writes (RFC 5321 §4.2, RFC 3461 §4).

Goes in: lines of replies. Comes out: `Reply` values. And parameters as text.

Rule 1: a client believes the code and nothing else; text is for people (RFC 5321 §4.2).
"""

import re

from maillab.wire.smtp import UNPRINTABLE_UTF8, Parameters, Reply

ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3}) ?")
REPLY_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])(.*))?", re.DOTALL)


class ReplyReader:
    """Puts the lines of one reply together.

    >>> reader = ReplyReader()
    >>> reader.add(b"250-mx.example.org"), reader.add(b"250 SIZE 1000")
    (None, Reply(code=250, enhanced='', lines=('mx.example.org', 'SIZE 1000'), why=''))
    """

    MAX_LINES = 256

    def __init__(self) -> None:
        self._code = 0
        self._lines: list[str] = []

    def add(self, line: bytes) -> Reply | None:
        """Take a line; return the reply when this was its last one.

        Raises ValueError: this is no reply (RFC 5321 §4.2).
        """
        match = REPLY_LINE.fullmatch(line)
        if match is None:
            raise ValueError("a reply begins with three digits")
        if self._lines and self._code != int(match[1]):
            raise ValueError("the lines of one reply have different codes")
        self._code = int(match[1])
        text = (match[3] or b"").decode("utf-8", "backslashreplace")
        # a bare LF would go into reports, an escape sequence to a terminal
        self._lines.append(UNPRINTABLE_UTF8.sub("?", text))
        if len(self._lines) > self.MAX_LINES:
            raise ValueError(f"a reply has more than {self.MAX_LINES} lines")
        if match[2] == b"-":
            return None
        lines, self._lines = self._lines, []
        return with_enhanced_code(self._code, lines)


def with_enhanced_code(code: int, lines: list[str]) -> Reply:
    """Take the enhanced code, when there is one, out of the text (RFC 2034 §4)."""
    match = ENHANCED.match(lines[0])
    if match is None or match[1][0] != str(code)[0]:
        return Reply(code, "", *lines)
    enhanced = match[1]
    return Reply(code, enhanced, *(re.sub(rf"^{enhanced} ?", "", x) for x in lines))


def to_parameters(parameters: Parameters) -> str:
    """The text of parameters, each with a space before it.

    >>> to_parameters({"SIZE": "10", "SMTPUTF8": None})
    ' SIZE=10 SMTPUTF8'
    """
    return "".join(
        f" {keyword}" if value is None else f" {keyword}={value}"
        for keyword, value in parameters.items()
    )
