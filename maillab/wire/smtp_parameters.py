"""Values of the parameters of MAIL and RCPT, and xtext (RFC 3461 §4).

Goes in: the text after `KEYWORD=`. Comes out: nothing, or ValueError with what was
expected; xtext as text and back.
"""

import re

XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
ADDRESS_TYPE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
NOTIFY_WORDS = ("SUCCESS", "FAILURE", "DELAY")

MAX_ENVID = 100  # RFC 3461 §4.4
MAX_ORCPT = 500  # RFC 3461 §4.2


def to_xtext(text: str) -> str:
    """Encode what a parameter may not have (RFC 3461 §4).

    >>> to_xtext("a+b=c d")
    'a+2Bb+3Dc+20d'
    """
    octets = text.encode()
    plain = (33 <= octet <= 126 and octet not in b"+=" for octet in octets)
    return "".join(
        chr(octet) if as_it_is else f"+{octet:02X}"
        for octet, as_it_is in zip(octets, plain, strict=True)
    )


def from_xtext(text: str) -> str:
    """Decode. Raises ValueError.

    >>> from_xtext("a+2Bb+3Dc+20d")
    'a+b=c d'
    """
    if not XTEXT.fullmatch(text):
        raise ValueError("Syntax: xtext, where + and = are +2B and +3D")
    octets = re.sub(r"\+(..)", lambda found: chr(int(found[1], 16)), text)
    return octets.encode("latin-1").decode("utf-8", "replace")


def check_ret(value: str) -> None:
    """What a failure report brings back (RFC 3461 §4.3)."""
    if value.upper() not in ("FULL", "HDRS"):
        raise ValueError("Syntax: RET=FULL or RET=HDRS")


def check_envid(value: str) -> None:
    """The sender's name for this transaction (RFC 3461 §4.4)."""
    decoded = from_xtext(value)
    if len(value) > MAX_ENVID or not (decoded.isascii() and decoded.isprintable()):
        raise ValueError(f"Syntax: ENVID=<printable xtext of at most {MAX_ENVID}>")


def check_notify(value: str) -> None:
    """When to report (RFC 3461 §4.1): NEVER alone, or a list without repetition.

    >>> check_notify("SUCCESS,DELAY")
    >>> check_notify("NEVER,DELAY")
    Traceback (most recent call last):
    ValueError: Syntax: NOTIFY=NEVER, or some of SUCCESS,FAILURE,DELAY
    """
    words = value.upper().split(",")
    known = all(word in NOTIFY_WORDS for word in words)
    if words != ["NEVER"] and not (known and len(set(words)) == len(words)):
        raise ValueError("Syntax: NOTIFY=NEVER, or some of SUCCESS,FAILURE,DELAY")


def check_orcpt(value: str) -> None:
    """Whom the sender meant (RFC 3461 §4.2; utf-8 addresses: RFC 6533 §3)."""
    kind, semicolon, address = value.partition(";")
    if len(value) > MAX_ORCPT or not ADDRESS_TYPE.fullmatch(kind) or not semicolon:
        raise ValueError("Syntax: ORCPT=<type>;<xtext>, such as rfc822;ann@example.org")
    if kind.lower() == "utf-8":
        # utf-8-addr-xtext writes \\x{HEX} and utf-8-addr-unitext the characters
        address = re.sub(r"\\x\{[0-9A-F]{2,6}\}|[^\x00-\x7f]", "u", address)
    if not address or not from_xtext(address).isprintable():
        raise ValueError("Syntax: ORCPT=<type>;<xtext>, such as rfc822;ann@example.org")


def check_auth(value: str) -> None:
    """Who has submitted this message elsewhere (RFC 4954 §5)."""
    if value != "<>" and "@" not in from_xtext(value):
        raise ValueError("Syntax: AUTH=<address or <>>")


def number(value: str, digits: int) -> int:
    """Decimal digits. Raises ValueError."""
    if not re.fullmatch(rf"[0-9]{{1,{digits}}}", value):
        raise ValueError("expected a number")
    return int(value)
