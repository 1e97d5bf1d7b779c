"""Messages that have arrived, and which one somebody waits for.

Goes in: octets of a mailbox, and wishes. Comes out: `EmailMessage`, and sentences.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as modern


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which message somebody waits for; what is "" may be anything."""

    to: str = ""
    subject: str = ""
    sender: str = ""

    def fits(self, letter: "Letter") -> bool:
        """This one?"""
        message = letter.message
        return (
            same_or_any(self.to, letter.recipient)
            and self.subject in str(message["Subject"] or "")
            and same_or_any(self.sender, str(message["Return-Path"] or "").strip("<>"))
        )

    def __str__(self) -> str:
        parts = {"to": self.to, "subject": self.subject, "sender": self.sender}
        given = [f"{name}={value!r}" for name, value in parts.items() if value]
        return ", ".join(given) or "anything"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, and for whom it came."""

    recipient: str
    message: EmailMessage

    def __str__(self) -> str:
        who = self.message["Return-Path"]
        return f"to {self.recipient} from {who}: {self.message['Subject']!r}"


def account_of(arrived: Iterable[Letter], refused: Iterable[str]) -> str:
    """What has happened instead, in lines for people.

    >>> print(account_of([], ["RCPT TO:<eve@far.example>: the domain is not ours"]))
      nothing
    refused (`add_user` makes a mailbox, `catch_all = True` takes all):
      RCPT TO:<eve@far.example>: the domain is not ours
    """
    lines = [f"  {one}" for one in arrived] or ["  nothing"]
    reasons = [f"  {one}" for one in refused]
    if reasons:
        hint = "`add_user` makes a mailbox, `catch_all = True` takes all"
        lines += [f"refused ({hint}):", *reasons]
    return "\n".join(lines)


def same_or_any(wanted: str, found: str) -> bool:
    """Nothing is wanted, or this."""
    return not wanted or wanted.lower() == found.lower()


def parsed(octets: bytes) -> EmailMessage:
    """A message of Python's `email` package, with its modern policy and line ends."""
    found = BytesParser(policy=modern).parsebytes(octets.replace(b"\r\n", b"\n"))
    assert isinstance(found, EmailMessage), "the modern policy makes these"
    return found
