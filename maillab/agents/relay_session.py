"""A session with the next host: opened as the settings want it, then used for messages.

Goes in: a host, an address and a `RouteChoice`. Comes out: a `RelaySession`, greeted,
inside TLS and logged in where that is wanted; or `HostUnusable`.

Rule 1: "none" never asks for TLS; "may" uses it where it is offered, whatever the
        certificate, and goes without when the handshake fails (RFC 7435); "encrypt"
        never goes without; "verify" wants a certificate that is right, too.
Rule 2: a password is sent inside TLS. Only where somebody has set "none" for a smart
        host it leaves in clear text, and the trace says so.
"""

import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maillab.agents.machine import Machine
from maillab.agents.smtp_dialogue import SMTPDialogue, Transfer
from maillab.errors import LocalProtocolError
from maillab.policy.routes import RouteChoice
from maillab.policy.settings import SmartHost
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.smtp import Envelope, Reply

NOT_OFFERED, TLS_FAILED = "4.7.4", "4.7.5"  # RFC 3463 §3.8
LOGIN_FAILED = "4.7.8"  # RFC 4954 §6


OPENSSL = re.compile(r"^\[SSL[^]]*\] | \(_ssl\.c:\d+\)$")


class HostUnusable(Exception):
    """This host did not work out; another may. A given `code` overrides the reply's.

    reached  there was a session with it
    """

    reached = False

    def __init__(self, reason: str, reply: Reply | None = None, code: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply
        self.code = code or (reply.enhanced if reply else "") or "4.4.1"
        self.permanent = reply is not None and reply.permanent and code[:1] != "4"


class HandshakeFailed(OSError):
    """TLS was offered, and did not begin."""


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """What TLS needs at the client's side.

    opportunistic, verified  make contexts: one that asks nobody who he is, and one
                             that does
    may                      the level "may" uses TLS at all
    """

    opportunistic: Callable[[], ssl.SSLContext]
    verified: Callable[[], ssl.SSLContext]
    may: bool = True


class RelaySession:
    """An open session: any number of messages, one after the other."""

    def __init__(
        self, dialogue: SMTPDialogue, host: str, address: str, choice: RouteChoice
    ) -> None:
        self.dialogue = dialogue
        self.choice = choice  # as it was opened: TLS or not, and who logged in
        self.host = host
        self.address = address
        self.sent = 0  # messages

    def offers(self, extension: str) -> bool:
        """EHLO announced it."""
        return self.dialogue.engine.offers(extension)

    @property
    def most_recipients(self) -> int:
        """Of one transaction, as the host announced (RFC 9422 §4.2); 0: any number."""
        return self.dialogue.engine.limits.rcpt_max

    @property
    def alive(self) -> bool:
        """It may be used for one more message."""
        most = self.dialogue.mail_max
        return not self.dialogue.engine.closed and not 0 < most <= self.sent

    async def send(
        self, entry: QueueEntry, recipients: Sequence[Recipient]
    ) -> Transfer:
        """One transaction. Raises SessionEnded, OSError."""
        self.sent += 1
        envelope = Envelope(
            entry.reverse_path,
            tuple(one.address for one in recipients),
            mail_parameters(entry, dsn=self.offers("DSN")),
            recipient_parameters(recipients) if self.offers("DSN") else (),
        )
        return await self.dialogue.send(envelope, entry.content)

    async def quit(self) -> None:
        """Say goodbye."""
        await self.dialogue.quit()

    def abort(self) -> None:
        """Hang up."""
        self.dialogue.stream.abort()


def mail_parameters(entry: QueueEntry, *, dsn: bool) -> dict[str, str | None]:
    """What MAIL says: BODY, SMTPUTF8, and what the sender asked of reports."""
    parameters: dict[str, str | None] = {}
    if entry.body != "7BIT":
        parameters["BODY"] = entry.body
    if entry.utf8:
        parameters["SMTPUTF8"] = None
    if dsn and entry.ret:
        parameters["RET"] = entry.ret
    if dsn and entry.envid:
        parameters["ENVID"] = entry.envid
    return parameters


def recipient_parameters(
    recipients: Sequence[Recipient],
) -> tuple[dict[str, str | None], ...]:
    """What each RCPT says: NOTIFY and ORCPT (RFC 3461 §5.2.1)."""
    found: list[dict[str, str | None]] = []
    for one in recipients:
        parameters: dict[str, str | None] = {}
        if one.notify:
            parameters["NOTIFY"] = ",".join(sorted(one.notify))
        if one.original:
            parameters["ORCPT"] = one.original
        found.append(parameters)
    return tuple(found)


class Opener:
    """Opens sessions to one host, as one `RouteChoice` wants it."""

    def __init__(
        self,
        machine: Machine,
        choice: RouteChoice,
        tls: ClientTLS | None,
        helo: str,
        mechanisms: tuple[str, ...],
    ) -> None:
        self.machine = machine
        self.choice = choice
        self.tls = tls
        self.helo = helo
        self.mechanisms = mechanisms

    async def open(self, host: str, address: str) -> RelaySession:
        """Connect, greet, TLS, login. Raises HostUnusable, SessionEnded, OSError."""
        try:
            dialogue = await self._greet(host, address, use_tls=self._wants_tls)
        except HandshakeFailed as problem:
            without = self.choice.tls == "may" and not self.choice.implicit_tls
            if not without or self._user:
                raise HostUnusable(
                    f"{host}: TLS failed: {problem}", code=TLS_FAILED
                ) from None
            dialogue = await self._greet(host, address, use_tls=False)
        if self.choice.smart_host is not None and self._user:
            await self._log_in(dialogue, host, self.choice.smart_host)
        return RelaySession(dialogue, host, address, self.choice)

    @property
    def _user(self) -> str:
        return self.choice.smart_host.user if self.choice.smart_host else ""

    @property
    def _wants_tls(self) -> bool:
        if self.tls is None or self.choice.tls == "none":
            return False
        return self.choice.tls != "may" or self.tls.may or bool(self._user)

    @property
    def _must_have_tls(self) -> bool:
        return self.choice.tls in ("encrypt", "verify")

    async def _greet(self, host: str, address: str, *, use_tls: bool) -> SMTPDialogue:
        """Connect and greet; STARTTLS if it is offered and wanted."""
        dialogue = await self._connect(host, address)
        if self.choice.implicit_tls:
            return dialogue
        if use_tls and dialogue.engine.offers("STARTTLS"):
            reply = await dialogue.ask_for_tls()
            if reply.positive:
                await self._shake_hands(dialogue, host)
                await self._expect(dialogue, host, await dialogue.ehlo(self.helo))
                return dialogue
        if self._must_have_tls or (self._user and self.choice.tls != "none"):
            await dialogue.quit()
            raise HostUnusable(self._no_tls(host), code=NOT_OFFERED)
        return dialogue

    def _no_tls(self, host: str) -> str:
        if self.tls is None:
            return f"this server cannot do TLS, and {host} must not be used without"
        if self._user:
            return f"{host} offers no STARTTLS: the password was not sent"
        return f'{host} offers no STARTTLS, which "{self.choice.tls}" wants'

    async def _connect(self, host: str, address: str) -> SMTPDialogue:
        implicit = self.choice.implicit_tls
        stream = await self.machine.connect(address, self.choice.port)
        dialogue = SMTPDialogue(
            self.machine, stream, implicit_tls=implicit, lmtp=self.choice.lmtp
        )
        if implicit:
            await self._shake_hands(dialogue, host)
        await self._expect(dialogue, host, await dialogue.greeting())
        await self._expect(dialogue, host, await dialogue.ehlo(self.helo))
        return dialogue

    async def _shake_hands(self, dialogue: SMTPDialogue, host: str) -> None:
        """Begin TLS. Raises HandshakeFailed, also when the connection broke off."""
        if self.tls is None:
            dialogue.stream.abort()
            raise HostUnusable(self._no_tls(host), code=NOT_OFFERED)
        verify = self.choice.tls == "verify"
        context = self.tls.verified() if verify else self.tls.opportunistic()
        try:
            if self.choice.implicit_tls:
                stream = dialogue.stream
                await stream.start_tls(context, server_side=False, server_name=host)
            else:
                await dialogue.handshake(context, host)
        except OSError as problem:
            dialogue.stream.abort()
            raise HandshakeFailed(words(problem)) from None

    async def _log_in(
        self, dialogue: SMTPDialogue, host: str, smart: SmartHost
    ) -> None:
        if smart.tls == "none" and not smart.implicit_tls:
            text = (
                f'{self.machine.name} sends its password to {host} without TLS: "none"'
            )
            self.machine.emit("note", dialogue.stream.id, text=text)
        try:
            reply = await dialogue.login(smart.user, smart.password, self.mechanisms)
        except LocalProtocolError as problem:  # SCRAM takes not every character
            await dialogue.quit()
            raise HostUnusable(f"{host}: {problem}", code=LOGIN_FAILED) from None
        # 535 refuses our password, not the message: it waits until that is put right
        await self._expect(dialogue, host, reply, code=LOGIN_FAILED)

    async def _expect(
        self, dialogue: SMTPDialogue, host: str, reply: Reply, code: str = ""
    ) -> None:
        if not reply.positive:
            await dialogue.quit()
            raise HostUnusable(f"{host} said {reply}", reply, code)


def words(problem: OSError) -> str:
    """An OS error in words, without the numbers and file names of this machine."""
    text = problem.strerror or str(problem) or type(problem).__name__
    return OPENSSL.sub("", text)
