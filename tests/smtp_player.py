"""A little MTA and MSA for tests/transcripts/smtp: ann and bob at example.org.

Settings (`--- WITH name=value`): every field of SMTPServerOptions; `implicit_tls=yes`.
"""

from dataclasses import fields

from maillab.protocol import smtp_server_replies as replies
from maillab.protocol.engine import Question
from maillab.protocol.smtp_server import (
    Login,
    MailFrom,
    Message,
    RcptTo,
    SMTPServer,
    Verify,
)
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.wire.smtp import Reply
from maillab.wire.smtp_path import Address

USERS = {"ann": "secret", "bob": "tanstaaftanstaaf"}
TIMEOUT = 300  # seconds: RFC 5321 §4.5.3.2.7


def decide(event: Question) -> Reply:
    """What an agent with two users and no relaying says."""
    match event:
        case MailFrom(path) if path.domain == "spam.example":
            return Reply(550, "5.7.1", "We do not talk to you")
        case MailFrom():
            return replies.SENDER_OK
        case RcptTo(path):
            return decide_recipient(path)
        case Login(_, credentials):
            right = USERS.get(credentials.user) == credentials.password
            return replies.LOGGED_IN if right else replies.BAD_CREDENTIALS
        case Verify(text) if text.lower() in USERS:
            return Reply(250, "2.1.5", f"<{text.lower()}@example.org>")
        case Verify():
            return replies.CANNOT_VERIFY
        case Message(envelope, content):
            people = " ".join(map(str, envelope.forward_paths))
            return Reply(250, "2.0.0", f"{len(content)} octets for {people}")
    raise AssertionError(event)


def decide_recipient(path: Address) -> Reply:
    if path.domain.lower() not in ("example.org", "[192.0.2.1]", ""):
        return replies.RELAYING_DENIED
    if path.local_part.lower() not in (*USERS, "postmaster", "ann b"):
        return replies.NO_SUCH_USER
    return replies.RECIPIENT_OK


def options_from(settings: dict[str, str]) -> SMTPServerOptions:
    kinds = {field.name: field.default for field in fields(SMTPServerOptions)}
    values: dict[str, object] = {"hostname": "mx.example.org"}
    for name, text in settings.items():
        match kinds[name]:
            case bool():
                values[name] = text == "yes"
            case int():
                values[name] = int(text)
            case tuple():
                values[name] = tuple(text.split(","))
            case _:
                values[name] = text
    return SMTPServerOptions(**values)


class Session:
    """Several connections to one server."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.implicit_tls = settings.pop("implicit_tls", "no") == "yes"
        self.options = options_from(settings)
        self.servers: dict[int, SMTPServer] = {}

    def greeting(self, connection: int) -> bytes:
        server = SMTPServer(self.options, implicit_tls=self.implicit_tls)
        self.servers[connection] = server
        server.next_event()
        return server.data_to_send()

    def hear(self, connection: int, data: bytes) -> bytes:
        server = self.servers[connection]
        server.receive(data)
        while event := server.next_event():
            if isinstance(event, Question):
                server.answer(decide(event))
        return server.data_to_send()

    def advance(self, seconds: int) -> None:
        if seconds >= TIMEOUT:
            for server in self.servers.values():
                server.time_out()

    def starttls(self, connection: int) -> None:
        self.servers[connection].tls_started()

    def closed(self, connection: int) -> bool:
        return self.servers[connection].closed


def new_session(**settings: str) -> Session:
    return Session(settings)
