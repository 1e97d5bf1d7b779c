"""Letters for exercises: made from a few words, read back by their fields.

Goes in: words. Comes out: messages as octets, and what stands in them.
"""

from email.utils import parseaddr

from maillab.store.mailboxes import Mailbox
from maillab.wire.dsn import RecipientStatus, read_report
from maillab.wire.message import Header


def letter(sender: str, recipient: str, subject: str, *body: str) -> bytes:
    """A small message.

    >>> letter("a@x.example", "b@x.example", "Hi", "Hello.").count(b"\\r\\n")
    5
    """
    rows = [f"From: {sender}", f"To: {recipient}", f"Subject: {subject}", "", *body]
    return "".join(f"{row}\r\n" for row in rows).encode()


def field(content: bytes, name: str) -> str:
    """The first header field of this name, "" when there is none."""
    return (Header.from_wire(content).get(name) or "").strip()


def address(content: bytes, name: str) -> str:
    """The address in a field.

    >>> address(b"From: The Queen <queen@x.example>\\r\\n\\r\\n", "From")
    'queen@x.example'
    """
    return parseaddr(field(content, name))[1].lower()


def subjects(mailbox: Mailbox, flag: str = "") -> list[str]:
    """The subjects of all letters in a mailbox, or of those with a flag."""
    found = [m for m in mailbox.messages if not flag or flag in m.flags]
    return [field(message.content, "Subject") for message in found]


def reports(mailbox: Mailbox) -> list[RecipientStatus]:
    """What the delivery status notifications in a mailbox say (RFC 3464), in order."""
    found = [read_report(message.content) for message in mailbox.messages]
    return [one for report in found if report is not None for one in report.recipients]
