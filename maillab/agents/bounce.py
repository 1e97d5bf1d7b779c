"""A delivery status notification for what failed (RFC 3464, in the report of RFC 6522).

Goes in: a queue entry and its failed recipients. Comes out: a message for its sender.
"""

from collections.abc import Sequence

from maillab.agents.relay import Outcome
from maillab.store.queue import QueueEntry
from maillab.wire.message import field, header_length


def bounce_message(
    entry: QueueEntry, failed: Sequence[Outcome], hostname: str, date: str, id: str
) -> bytes:
    """A multipart/report in three parts: words, fields for programs, the old header."""
    boundary = f"=_report_{id}"
    head = b"".join(
        [
            field("From", f"Mail Delivery System <MAILER-DAEMON@{hostname}>"),
            field("To", str(entry.reverse_path)),
            field("Subject", "Undelivered mail returned to sender"),
            field("Date", date),
            field("Message-ID", f"<{id}.bounce@{hostname}>"),
            field("Auto-Submitted", "auto-replied"),  # RFC 3834 §5
            field("MIME-Version", "1.0"),
            field(
                "Content-Type",
                "multipart/report; report-type=delivery-status;"
                f'\r\n\tboundary="{boundary}"',
            ),
        ]
    )
    parts = [
        part("text/plain; charset=utf-8", words(failed, hostname)),
        part("message/delivery-status", status_fields(entry, failed, hostname)),
        part("text/rfc822-headers", entry.content[: header_length(entry.content)]),
    ]
    mark = f"--{boundary}".encode()
    body = b"".join(mark + b"\r\n" + each + b"\r\n" for each in parts)
    return head + b"\r\n" + body + mark + b"--\r\n"


def part(kind: str, content: bytes) -> bytes:
    """One body part."""
    return field("Content-Type", kind) + b"\r\n" + content


def words(failed: Sequence[Outcome], hostname: str) -> bytes:
    """For people."""
    lines = [
        f"This is the mail server {hostname}.",
        "",
        "Your message could not be delivered to:",
        "",
        *(f"  {one.recipient}: {one.reason}" for one in failed),
        "",
        "It will not be tried again.",
        "",
    ]
    return "\r\n".join(lines).encode()


def status_fields(entry: QueueEntry, failed: Sequence[Outcome], hostname: str) -> bytes:
    """For programs: per-message fields, then a group for each recipient."""
    groups = [
        field("Reporting-MTA", f"dns; {hostname}")
        + field("X-Maillab-Queue-ID", entry.id)
    ]
    for one in failed:
        diagnostic = (
            field("Diagnostic-Code", f"smtp; {one.reply}") if one.reply else b""
        )
        remote = field("Remote-MTA", f"dns; {one.host}") if one.host else b""
        groups.append(
            field("Final-Recipient", f"rfc822; {one.recipient}")
            + field("Action", "failed")
            + field("Status", one.code or "5.0.0")
            + remote
            + diagnostic
        )
    return b"\r\n".join(groups)
