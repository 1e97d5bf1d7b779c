"""Which octets of what a client says are secret: passwords of LOGIN and AUTHENTICATE.

Goes in: what was said of a command before, and the line or literal that comes now.
Comes out: spans of the latter that views must mask.

Rule: when in doubt, it is secret. Of the announcement of a literal that holds a
      secret, the number is: it tells how long the secret is.
"""

import re

from maillab.wire.imap import BadSyntax, Scanner

# The tag may be missing: people forget it when they type.
_COMMAND = re.compile(rb"(?:[^\s]*[ \t]+)?(LOGIN|AUTHENTICATE)[ \t]", re.IGNORECASE)
_ANNOUNCEMENT = re.compile(rb"\{\d+\+?\}\r\n")
_TAIL = re.compile(rb"(?:\{(\d+)\+?\})?(?:\r\n)?\Z")

Spans = tuple[tuple[int, int], ...]


def secret_spans(before: bytes, octets: bytes, what: str = "command") -> Spans:
    """Find the secret in `octets`, which follow `before` in the same command.

    >>> secret_spans(b"", b"a LOGIN ann wonderland\\r\\n")
    ((12, 22),)
    >>> secret_spans(b"", b"a LOGIN ann {10}\\r\\n")
    ((13, 15),)
    >>> secret_spans(b"a LOGIN ann {10}\\r\\n", b"wonderland", "literal")
    ((0, 10),)
    """
    start = _secret_start(before + octets)
    if start is None:
        return ()
    begin = max(0, start - len(before))
    tail = _TAIL.search(octets) if what == "command" else None
    if tail is None:
        return _not_empty((begin, len(octets)))
    return _not_empty((begin, tail.start()), tail.span(1))


def _not_empty(*spans: tuple[int, int]) -> Spans:
    return tuple((begin, end) for begin, end in spans if begin < end)


def _secret_start(command: bytes) -> int | None:
    """Where the secret of a command begins: after the user, or the mechanism."""
    found = _COMMAND.match(command)
    if not found or _ANNOUNCEMENT.fullmatch(command, found.end()):
        return None
    words = Scanner(command)
    words.at = found.end()
    try:
        words.astring()
        words.space()
    except BadSyntax:
        nothing_more = words.at > found.end() and command[words.at :] == b"\r\n"
        return None if nothing_more else found.end()
    return words.at
