"""What all SASL mechanisms have in common (RFC 4422): their values, and base64.

Goes in: octets. Comes out: `Credentials`, `NeedSecret`, text, base64.

Rule: what a peer sends wrongly is a ValueError, in words that may be shown to it.
"""

import base64
import binascii
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in (`user`), with what, and as whom (`authzid`, "" for the same one).

    Either the password came (PLAIN, LOGIN), and somebody has to compare it. Or a proof
    came (CRAM-MD5, SCRAM): then `password` is "" and `proven` says whether it was
    right.

    >>> Credentials("", "ann", "secret")
    Credentials(authzid='', user='ann', proven=False)
    """

    authzid: str
    user: str
    password: str = field(default="", repr=False)
    proven: bool = False


@dataclass(frozen=True, slots=True)
class NeedSecret:
    """The mechanism cannot go on without what is stored about `user`."""

    user: str


def encode(data: bytes) -> bytes:
    """Octets to base64, as SASL profiles send them (RFC 4648 §4)."""
    return base64.b64encode(data)


def decode(text: bytes) -> bytes:
    """Base64 to octets. Raises ValueError for anything that is not strictly base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def text_of(data: bytes) -> str:
    """A response as text. Raises ValueError."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("the response is not UTF-8") from error
