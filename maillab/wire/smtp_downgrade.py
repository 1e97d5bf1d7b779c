"""8-bit content for a 7-bit server (RFC 6152 §3): its leaf parts encoded anew.

Goes in: a message. Comes out: the same in ASCII, or ValueError where that is not
possible.

Rule: header fields are never changed, and nothing that is signed.
"""

import base64
import re
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

SIGNED = {"multipart/signed", "multipart/encrypted"}
POLICY = compat32.clone(linesep="\r\n", max_line_length=0)
BINARY = re.compile(
    rb"^content-transfer-encoding:[ \t]*binary\b", re.IGNORECASE | re.MULTILINE
)
HEADER = re.compile(rb"(?:[^\r\n]+\r?\n)*")


def header_of(content: bytes) -> bytes:
    """The header section of a message.

    >>> header_of(b"A: b\\r\\nC: d\\r\\n\\r\\nText\\r\\n")
    b'A: b\\r\\nC: d\\r\\n'
    """
    match = HEADER.match(content)
    return match[0] if match else b""


def has_utf8_header(content: bytes) -> bool:
    """Is this an internationalized message (RFC 6532 §3)?

    A header with other octets over 127 is no message of any RFC, and old.

    >>> has_utf8_header("Subject: é\\r\\n\\r\\n".encode())
    True
    >>> has_utf8_header(b"Subject: \\xff\\r\\n\\r\\n")
    False
    """
    header = header_of(content)
    try:
        return not header.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


def has_binary_part(content: bytes) -> bool:
    """Does a part say `Content-Transfer-Encoding: binary` (RFC 3030 §3)?"""
    return bool(BINARY.search(content))


def downgraded(content: bytes) -> bytes:
    """The message in 7 bits. Raises ValueError.

    >>> body = "Content-Type: text/plain; charset=utf-8\\r\\n\\r\\né\\r\\n".encode()
    >>> downgraded(body).splitlines()[-1]
    b'w6kNCg=='
    """
    if not header_of(content).isascii():
        raise ValueError("the header has octets over 127")
    try:
        return _downgraded(content)
    except RecursionError:  # a stranger wrote it: a thousand parts in each other
        raise ValueError("the parts are nested too deeply") from None


def _downgraded(content: bytes) -> bytes:
    message: Message = message_from_bytes(content, policy=POLICY)
    parts = list(message.walk())
    if any(part.get_content_type() in SIGNED for part in parts):
        raise ValueError("a signed part may not be changed")
    for part in parts:
        if not part.is_multipart():
            _encode(part)
        elif part.get("Content-Transfer-Encoding", "7bit").lower() != "7bit":
            part.replace_header("Content-Transfer-Encoding", "7bit")
    octets = message.as_bytes(policy=POLICY)
    if not octets.isascii():
        raise ValueError("something between the parts has octets over 127")
    return octets


def _encode(part: Message) -> None:
    coding = str(part.get("Content-Transfer-Encoding", "7bit")).lower()
    payload = part.get_payload(decode=True)
    octets = payload if isinstance(payload, bytes) else b""
    if coding in ("base64", "quoted-printable"):
        return
    if octets.isascii() and coding != "binary":
        if coding == "8bit":
            part.replace_header("Content-Transfer-Encoding", "7bit")
        return
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = "base64"
    if "MIME-Version" not in part and "Content-Type" not in part:
        part["MIME-Version"] = "1.0"
        part["Content-Type"] = "text/plain; charset=unknown-8bit"  # RFC 1428 §3
    part.set_payload(base64.encodebytes(octets).decode())
