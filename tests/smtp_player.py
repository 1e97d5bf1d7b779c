"""A little MTA and MSA for tests/transcripts/smtp: ann and bob at example.org.

Settings (`--- WITH name=value`): every field of SMTPServerOptions; `implicit_tls=yes`;
`extensions=all` and `extensions=more` for what maillab has.
"""

from collections.abc import Callable
from dataclasses import fields
from itertools import count

from maillab.protocol.engine import Question
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_events import (
    Connected,
    Expand,
    FindSecret,
    Hello,
    Impersonate,
    Login,
    MailFrom,
    Message,
    RcptTo,
    StartQueue,
    Verify,
)
from maillab.protocol.smtp_server_limits import (
    ALL_EXTENSIONS,
    MORE_EXTENSIONS,
    SMTPServerOptions,
)
from maillab.wire.sasl_scram import ScramVerifier
from maillab.wire.smtp import Reply
from maillab.wire.smtp_path import Address

USERS = {"ann": "secret", "bob": "tanstaaftanstaaf", "jörg": "straße"}
LISTS = {"staff": ("ann@example.org", "bob@example.org"), "team": ("jörg@example.org",)}
VERIFIERS = {
    name: ScramVerifier.from_password(password, b"salt of " + name.encode())
    for name, password in USERS.items()
}
WAITING = {"waiting.example": "turn-started", "empty.example": "turn-empty"}
TIMEOUT = 300  # seconds: RFC 5321 §4.5.3.2.7


def respond(server: SMTPServer, event: Question) -> None:
    """Answer as an agent with a few users and no relaying does."""
    say = server.phrases.reply
    match event:
        case FindSecret("CRAM-MD5", user):
            server.give_secret(USERS.get(user))
        case FindSecret(_, "down"):
            server.answer(say("temporary-auth-failure"))
        case FindSecret(_, user):
            server.give_secret(VERIFIERS.get(user))
        case Message(envelope, content) if server.options.lmtp:
            sizes = len(content)
            server.answer_each(
                [result(path, sizes, say) for path in envelope.forward_paths]
            )
        case _:
            server.answer(decide(event, say))


def decide(event: Question, say: Callable[..., Reply]) -> Reply:
    """What such an agent says."""
    match event:
        case Connected() | Impersonate():
            return say("banner")
        case Hello(name) if name.endswith("spam.example"):
            return say("hello-refused", client_name=name)
        case Hello():
            return say("ehlo")
        case MailFrom(path) if path.domain == "spam.example":
            return Reply(550, "5.7.1", "We do not talk to you")
        case MailFrom(path):
            return say("sender-ok", address=path)
        case RcptTo(path):
            return say(decide_recipient(path), address=path)
        case Message(envelope, content):
            people = " ".join(map(str, envelope.forward_paths))
            return Reply(250, "2.0.0", f"{len(content)} octets for {people}")
        case _:
            return look_up(event, say)


def look_up(event: Question, say: Callable[..., Reply]) -> Reply:
    """What is said about users, lists and queues."""
    match event:
        case Login(_, credentials):
            right = USERS.get(credentials.user) == credentials.password
            proven = right or credentials.proven
            return say("logged-in" if proven else "bad-credentials")
        case StartQueue(domain):
            return say(WAITING.get(domain, "turn-refused"), address=domain)
        case Verify(text) if text.lower() in USERS:
            return say("verified", address=f"<{text.lower()}@example.org>")
        case Verify():
            return say("cannot-verify")
        case Expand(text) if text in LISTS:
            return say(
                "expanded", addresses="\n".join(f"<{one}>" for one in LISTS[text])
            )
        case Expand(text) if text in USERS:
            return say("not-a-list")
        case Expand():
            return say("no-such-user")
    raise AssertionError(event)


def decide_recipient(path: Address) -> str:
    if path.domain.lower() not in ("example.org", "exämple.org", "[192.0.2.1]", ""):
        return "relaying-denied"
    if path.local_part.lower() not in (*USERS, "postmaster", "ann b"):
        return "no-such-user"
    return "recipient-ok"


def result(path: Address, octets: int, say: Callable[..., Reply]) -> Reply:
    """What LMTP says for one recipient: bob has no room."""
    if path.local_part == "bob":
        return say("mailbox-full-later")
    return Reply(250, "2.0.0", f"{octets} octets for {path}")


def nonces() -> Callable[[], str]:
    """n1, n2, n3 …"""
    numbers = count(1)
    return lambda: f"n{next(numbers)}"


def options_from(settings: dict[str, str]) -> SMTPServerOptions:
    kinds = {field.name: field.default for field in fields(SMTPServerOptions)}
    values: dict[str, object] = {"hostname": "mx.example.org", "nonce": nonces()}
    for name, text in settings.items():
        match kinds[name]:
            case bool():
                values[name] = text == "yes"
            case int():
                values[name] = int(text)
            case tuple() if text in ("all", "more"):
                values[name] = ALL_EXTENSIONS
                if text == "more":
                    values[name] = (*ALL_EXTENSIONS, *MORE_EXTENSIONS)
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
        return self.hear(connection, b"")

    def hear(self, connection: int, data: bytes) -> bytes:
        server = self.servers[connection]
        server.receive(data)
        while event := server.next_event():
            if isinstance(event, Question):
                respond(server, event)
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
