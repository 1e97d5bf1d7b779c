"""Delivery status notifications (RFC 3464) in a multipart/report (RFC 6522).

Goes in: a `Report`, the words for people, the message that it is about. Comes out: a
message. And back: `read_report` finds the fields in a message.

Rule 1: three parts: words, fields for programs, and the message or its header.
Rule 2: what the sender gave (ENVID, ORCPT; RFC 3461 §4) comes back decoded from xtext.
Rule 3: an address that is not ASCII has the type utf-8 (RFC 6533 §3).
"""

import re
from dataclasses import dataclass
from typing import Literal

from maillab.wire.message import Header, field, header_length
from maillab.wire.mime import parse
from maillab.wire.smtp_path import Address

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]

SUBJECTS: dict[str, str] = {
    "failed": "Undelivered mail returned to sender",
    "delayed": "Delayed mail (still being retried)",
    "delivered": "Successful mail delivery report",
    "relayed": "Mail relayed to a system that sends no reports",
    "expanded": "Mail expanded to several recipients",
}
LONGEST = 900  # octets of a value that is not cut
PIECE = 240  # characters; of at most four octets each
_XTEXT = re.compile(rb"\+([0-9A-F]{2})")
_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What became of one recipient (RFC 3464 §2.3). Empty: the field is left out.

    final        the address that we tried
    status       the enhanced status code (RFC 3463)
    original     as the sender wrote it, "rfc822;ann@x.example" (ORCPT, in xtext)
    remote       the host that said `diagnostic`
    last_attempt, retry_until   dates as RFC 5322 writes them
    """

    final: str
    action: Action
    status: str
    original: str = ""
    remote: str = ""
    diagnostic: str = ""
    last_attempt: str = ""
    retry_until: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The fields for programs: who reports, on which message, about whom."""

    reporting_mta: str
    recipients: tuple[RecipientStatus, ...]
    queue_id: str = ""
    envid: str = ""
    arrival: str = ""

    @property
    def is_utf8(self) -> bool:
        """It holds more than ASCII: an address, or what a host said (RFC 6533 §4)."""
        return not self.to_wire().isascii()

    def to_wire(self) -> bytes:
        """The body of message/delivery-status: groups with empty lines between.

        >>> one = RecipientStatus("bob@beta.example", "failed", "5.1.1")
        >>> print(Report("mx.example", (one,)).to_wire().decode().replace("\\r", ""))
        Reporting-MTA: dns; mx.example
        <BLANKLINE>
        Final-Recipient: rfc822; bob@beta.example
        Action: failed
        Status: 5.1.1
        <BLANKLINE>
        """
        head = _fields(
            ("Original-Envelope-Id", from_xtext(self.envid)),
            ("Reporting-MTA", f"dns; {self.reporting_mta}"),
            ("X-Maillab-Queue-ID", self.queue_id),
            ("Arrival-Date", self.arrival),
        )
        return b"\r\n".join([head, *map(_group, self.recipients)])

    @classmethod
    def from_wire(cls, body: bytes) -> "Report":
        """Read the groups. What is missing is ""; nothing fails."""
        groups = re.split(rb"\r?\n\r?\n", body.strip(b"\r\n"))
        head = Header.from_wire(groups[0] + b"\r\n")
        return cls(
            _after_type(head.get("Reporting-MTA")),
            tuple(_status(Header.from_wire(one + b"\r\n")) for one in groups[1:]),
            head.get("X-Maillab-Queue-ID") or "",
            to_xtext(head.get("Original-Envelope-Id") or ""),
            head.get("Arrival-Date") or "",
        )


@dataclass(frozen=True, slots=True)
class ReportHead:
    """The header of the message around a report. `id` is unique on this server."""

    hostname: str
    to: Address
    subject: str
    date: str
    id: str

    @property
    def boundary(self) -> str:
        """Between the parts."""
        return f"=_report_{self.id}"

    def to_wire(self) -> bytes:
        """The header fields, with the empty line."""
        fields = [
            ("From", f"Mail Delivery System <MAILER-DAEMON@{self.hostname}>"),
            ("To", str(self.to)),
            ("Subject", self.subject),
            ("Date", self.date),
            ("Message-ID", f"<{self.id}.bounce@{self.hostname}>"),
            ("Auto-Submitted", "auto-replied"),  # RFC 3834 §5
            ("MIME-Version", "1.0"),
            (
                "Content-Type",
                "multipart/report; report-type=delivery-status;"
                f'\r\n\tboundary="{self.boundary}"',
            ),
        ]
        return _fields(*fields) + b"\r\n"


def report_message(
    head: ReportHead, report: Report, text: str, message: bytes, *, full: bool
) -> bytes:
    """The whole notification; `full`: with all of the message it is about."""
    kind = "global-delivery-status" if report.is_utf8 else "delivery-status"
    if full:
        original = part("message/rfc822", message)
    else:
        original = part("text/rfc822-headers", message[: header_length(message)])
    parts = [
        part("text/plain; charset=utf-8", text.encode()),
        part(f"message/{kind}", report.to_wire()),
        original,
    ]
    mark = f"--{head.boundary}".encode()
    body = b"".join(mark + b"\r\n" + each + b"\r\n" for each in parts)
    return head.to_wire() + body + mark + b"--\r\n"


def part(kind: str, content: bytes) -> bytes:
    """One body part."""
    encoding = b"" if content.isascii() else field("Content-Transfer-Encoding", "8bit")
    return field("Content-Type", kind) + encoding + b"\r\n" + content


def read_report(content: bytes) -> Report | None:
    """The report in a message, or None when it is no delivery status notification."""
    for one in parse(content).walk():
        kind, subtype = one.media_type
        if (kind, subtype.removeprefix("global-")) == ("message", "delivery-status"):
            return Report.from_wire(one.body_octets)
    return None


def from_xtext(text: str) -> str:
    """Decode xtext (RFC 3461 §4).

    >>> from_xtext("QQ+2B3+3D4")
    'QQ+3=4'
    """
    octets = _XTEXT.sub(lambda found: bytes([int(found[1], 16)]), text.encode())
    return octets.decode("utf-8", "replace")


def to_xtext(text: str) -> str:
    """Encode xtext (RFC 3461 §4).

    >>> to_xtext("QQ+3=4")
    'QQ+2B3+3D4'
    """
    octets = text.encode().decode("latin-1")
    return _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", octets)


def _group(one: RecipientStatus) -> bytes:
    kind, _, original = one.original.partition(";")
    address_type = "rfc822" if one.final.isascii() else "utf-8"
    return _fields(
        ("Original-Recipient", original and f"{kind}; {from_xtext(original)}"),
        ("Final-Recipient", f"{address_type}; {one.final}"),
        ("Action", one.action),
        ("Status", one.status),
        ("Remote-MTA", one.remote and f"dns; {one.remote}"),
        ("Diagnostic-Code", one.diagnostic and f"smtp; {one.diagnostic}"),
        ("Last-Attempt-Date", one.last_attempt),
        ("Will-Retry-Until", one.retry_until),
    )


def _status(group: Header) -> RecipientStatus:
    kind, _, original = (group.get("Original-Recipient") or "").partition(";")
    return RecipientStatus(
        _after_type(group.get("Final-Recipient")),
        _action(group.get("Action")),
        group.get("Status") or "",
        original and f"{kind};{to_xtext(original.strip())}",
        _after_type(group.get("Remote-MTA")),
        _after_type(group.get("Diagnostic-Code")),
        group.get("Last-Attempt-Date") or "",
        group.get("Will-Retry-Until") or "",
    )


_ACTIONS: tuple[Action, ...] = (
    "failed",
    "delayed",
    "delivered",
    "relayed",
    "expanded",
)


def _action(text: str | None) -> Action:
    word = (text or "").strip().lower()
    for known in _ACTIONS:
        if known == word:
            return known
    return "failed"


def _after_type(value: str | None) -> str:
    return (value or "").partition(";")[2].strip()


def _fields(*fields: tuple[str, str]) -> bytes:
    return b"".join(field(name, cut(value)) for name, value in fields if value)


def cut(text: str) -> str:
    """What a host said may be longer than a line of a message (RFC 5322 §2.1.1).

    >>> cut("Yes"), max(map(len, cut("No" * 1000).split("\\r\\n")))
    ('Yes', 241)
    """
    if len(text.encode()) <= LONGEST:
        return text
    pieces = (text[at : at + PIECE] for at in range(0, len(text), PIECE))
    return "\r\n ".join(pieces)
