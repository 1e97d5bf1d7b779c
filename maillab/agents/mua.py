"""The mail user agent: writes, submits and reads mail for one person (RFC 5598 §4.1.1).

Goes in: what the person wants. Comes out: messages submitted, messages read.

Rule 1: an MUA submits to its own server, at 587 with STARTTLS (RFC 6409, RFC 8314
        §3.3).
Rule 2: a password leaves in clear text only when the person said so (`allow_plain`).
"""

import random
import ssl
from dataclasses import dataclass

from maillab.agents.machine import Machine
from maillab.agents.smtp_dialogue import SMTPDialogue
from maillab.errors import LabError
from maillab.wire.message import date_text, field, message_id
from maillab.wire.smtp import Envelope, Reply
from maillab.wire.smtp_path import Address, literal_of

SUBMISSION_PORT = 587
# As mail programs do: inside TLS the password itself is good enough.
MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5")
LONGEST_LINE = 998  # octets without CRLF (RFC 5322 §2.1.1)


@dataclass(frozen=True, slots=True)
class MailSettings:
    """What a mail program asks for when an account is set up.

    `mechanisms` of AUTH, the most wanted first.
    """

    address: str
    login: str
    password: str
    server: str
    name: str = ""
    allow_plain: bool = False
    mechanisms: tuple[str, ...] = MECHANISMS

    @property
    def from_field(self) -> str:
        """`Alice <alice@alpha.example>`."""
        return f"{self.name} <{self.address}>" if self.name else self.address


class Unsent(LabError):
    """A letter was refused; `reply` is what the server said."""

    def __init__(self, step: str, reply: Reply) -> None:
        super().__init__(f"the server refused at {step}: {reply}")
        self.reply = reply


class MUA:
    """A mail program on one machine, for one account."""

    def __init__(
        self,
        machine: Machine,
        settings: MailSettings,
        tls: ssl.SSLContext | None,
        generator: random.Random,
    ) -> None:
        self.machine = machine
        self.settings = settings
        self.tls = tls
        self._random = generator  # for Message-IDs

    def compose(self, to: list[str], subject: str, text: str) -> bytes:
        """Write a message (RFC 5322 §3.6), with its text in UTF-8."""
        lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
        body = "\r\n".join(lines).encode("utf-8") + b"\r\n"
        too_long = any(len(line.encode("utf-8")) > LONGEST_LINE for line in lines)
        head = field("Date", date_text(self.machine.now()))
        head += field("From", encoded(self.settings.from_field))
        head += field("To", ", ".join(to)) + field("Subject", encoded(subject))
        head += field("Message-ID", self._new_message_id())
        if too_long or not text.isascii():
            head += field("MIME-Version", "1.0")
            head += field("Content-Type", "text/plain; charset=utf-8")
            encoding = "quoted-printable" if too_long else "8bit"
            head += field("Content-Transfer-Encoding", encoding)
        return head + b"\r\n" + (quoted_printable(body) if too_long else body)

    def _new_message_id(self) -> str:
        """Unique in time and place (RFC 5322 §3.6.4)."""
        stamp = self.machine.now().strftime("%Y%m%d%H%M%S")
        domain = self.settings.address.rpartition("@")[2]
        return f"<{stamp}.{self._random.getrandbits(32):08X}@{domain}>"

    async def submit(self, content: bytes, recipients: list[str]) -> Reply:
        """Hand a message to the server.

        Raises LabError for what is no address, Unsent, OSError, ssl.SSLError.
        """
        paths = tuple(map(address, recipients))
        stream = await self.machine.connect(self.settings.server, SUBMISSION_PORT)
        dialogue = SMTPDialogue(self.machine, stream)
        try:
            return await self._submit(dialogue, content, paths)
        finally:
            await dialogue.quit()

    async def _submit(
        self, dialogue: SMTPDialogue, content: bytes, paths: tuple[Address, ...]
    ) -> Reply:
        settings = self.settings
        name = self._ehlo_name(dialogue)
        expect("the greeting", await dialogue.greeting())
        expect("EHLO", await dialogue.ehlo(name))
        if self.tls is not None and dialogue.engine.offers("STARTTLS"):
            expect("STARTTLS", await dialogue.starttls(self.tls, settings.server))
            expect("EHLO", await dialogue.ehlo(name))
        elif not settings.allow_plain:
            raise LabError(
                f"{settings.server} offers no STARTTLS: the password would be readable "
                f"on the way, so it was not sent"
            )
        login, password = settings.login, settings.password
        expect("AUTH", await dialogue.login(login, password, settings.mechanisms))
        sender = Address.from_text(settings.address)
        self.machine.emit(
            "submitted",
            dialogue.stream.id,
            message=message_id(content),
            to_host=settings.server,
            sender=settings.address,
            size=len(content),
        )
        transfer = await dialogue.send(Envelope(sender, paths, {}), content)
        for path, reply in transfer.recipients.items():
            expect(f"RCPT TO:<{path}>", reply)
        return expect("the message", transfer.final)

    def _ehlo_name(self, dialogue: SMTPDialogue) -> str:
        """A PC has no name in the DNS: its address (RFC 5321 §4.1.4)."""
        return literal_of(dialogue.stream.local[0])


def address(text: str) -> Address:
    """user@domain. Raises LabError."""
    try:
        return Address.from_text(text)
    except ValueError:
        example = "bob@beta.example"
        raise LabError(f"{text!r} is no mail address: write {example}") from None


def expect(step: str, reply: Reply) -> Reply:
    """Go on after a positive reply only."""
    if not reply.positive:
        raise Unsent(step, reply)
    return reply


def quoted_printable(body: bytes) -> bytes:
    """A body in lines of at most 76 octets (RFC 2045 §6.7)."""
    import quopri

    return quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")


def encoded(text: str) -> str:
    """Header text as RFC 2047 wants it: as it is, or in encoded words."""
    if text.isascii():
        return text
    from email.header import Header

    return Header(text, "utf-8").encode(linesep="\r\n")
