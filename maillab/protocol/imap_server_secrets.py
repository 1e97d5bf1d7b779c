"""Which octets of what a client says are secret: passwords of LOGIN and AUTHENTICATE.

Goes in: what was said of a command before, and the line or literal that comes now. Comes
out: spans of the latter that views must mask.

Rule: when in doubt, it is secret. The announcement of a literal is not.
"""

import re

from maillab.wire.imap import BadSyntax, Scanner

_COMMAND = re.compile(rb"[^\s]*[ ]+(LOGIN|AUTHENTICATE)\b", re.IGNORECASE)
_TAIL = re.compile(rb"(?:\{\d+\+?\})?(?:\r\n)?\Z")

Spans = tuple[tuple[int, int], ...]


def secret_spans(before: bytes, octets: bytes) -> Spans:
    """Find the secret in `octets`, which follow `before` in the same command.

    >>> secret_spans(b"", b"a LOGIN ann wonderland\\r\\n")
    ((12, 22),)
    >>> secret_spans(b"", b"a LOGIN ann {10}\\r\\n")
    ()
    >>> secret_spans(b"a LOGIN ann {10}\\r\\n", b"wonderland")
    ((0, 10),)
    """
    start = _secret_start(before, octets)
    if start is None:
        return ()
    is_literal = before and not octets.endswith(b"\r\n")
    tail = b"" if is_literal else _tail(octets)
    begin, end = max(0, start - len(before)), len(octets) - len(tail)
    return ((begin, end),) if begin < end else ()


def _secret_start(before: bytes, octets: bytes) -> int | None:
    """Where, in the whole command, the secret begins."""
    found = _COMMAND.match(before or octets)
    if not found:
        return None
    whole = before + octets
    words = Scanner(whole.removesuffix(b"\r\n"))
    words.at = found.end()
    try:
        words.space()
        start = words.at
        if found[1].upper() == b"LOGIN" and _is_announced(whole, start):
            return None if _literal_comes(before, whole) else len(whole)
        words.astring()  # the user, or the mechanism
        words.space()
        return words.at
    except BadSyntax:
        return None if words.at_end else words.at


def _is_announced(whole: bytes, start: int) -> bool:
    return bool(re.fullmatch(rb"\{\d+\+?\}\r\n", whole[start:]))


def _literal_comes(before: bytes, whole: bytes) -> bool:
    return len(before) < len(whole)


def _tail(octets: bytes) -> bytes:
    found = _TAIL.search(octets)
    return found[0] if found else b""
