r"""A session as a test transcript, the format that the protocol tests run.

C: EHLO x           a line with CRLF
C! \xff\x00         exact octets with escapes
S: 250 Ok           the reply
--- STARTTLS        what follows is inside TLS
"""

import re
from collections.abc import Iterator

from maillab.trace.lines import masked
from maillab.trace.session import Session
from maillab.wire.lines import CRLF

_LINES = re.compile(rb".*?\r\n|.+", re.DOTALL)  # only CRLF ends a line


def script(session: Session, *, secrets: bool = False) -> str:
    """The session as a file; secrets are masked unless asked for."""
    return "\n".join(_rows(session, secrets)) + "\n"


def _rows(session: Session, secrets: bool) -> Iterator[str]:
    yield f"# {session.protocol} on port {session.port}: {session.outcome}"
    secure = bool(session.lines) and session.lines[0].secure
    for line in session.lines:
        if line.secure and not secure:
            secure = True
            yield "--- STARTTLS"
        octets = line.octets if secrets else masked(line.octets, line.secret)
        for row in _LINES.findall(octets):
            yield _row(line.speaker, row)


def _row(speaker: str, octets: bytes) -> str:
    text = octets.removesuffix(CRLF).decode("utf-8", "replace")
    if octets.endswith(CRLF) and text.isprintable() and text == text.strip():
        return f"{speaker}: {text}".rstrip() if "\ufffd" not in text else _raw(octets)
    return _raw(octets) if speaker == "C" else f"{speaker}: {text.strip()}"


def _raw(octets: bytes) -> str:
    return "C! " + octets.decode("latin-1").encode("unicode_escape").decode("ascii")
