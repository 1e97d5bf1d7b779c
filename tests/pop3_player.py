"""A little POP3 server for tests/transcripts/pop3: ann has three messages, bob none.

Settings (`--- WITH name=value`): starttls, login_needs_tls, implicit_tls (yes or no);
apop (yes: the greeting has a timestamp, and CRAM-MD5 is offered); expire, login_delay
(numbers); mechanisms (with commas); broken (a unique-id that cannot be read, or
"store": nothing can be removed).
"""

import itertools

from maillab.protocol.engine import Question
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.pop3_server_events import (
    DropMessage,
    FindSecret,
    Login,
    POP3ServerOptions,
    ProveLogin,
    ReadMessage,
    Update,
)
from maillab.wire.pop3 import Reply, apop_digest
from maillab.wire.sasl import ScramVerifier, ServerSide

USERS = {"ann": "secret", "bob": "pass  word ", "jörg": "größe"}
VERIFIERS = {
    name: ScramVerifier.from_password(password, b"salt", 4096)
    for name, password in USERS.items()
    if name == "ann"
}
TIMEOUT = 600  # seconds: RFC 1939 §3

LETTERS = {
    "u1": b"Subject: One\r\n\r\nHello\r\nAnn\r\n",
    "u2": b"Subject: Dots\r\n\r\n.\r\n..\r\n.end\r\n",
    "u3": b"Subject: \xc3\xbc\r\n\r\nno end of line",
}
TIMESTAMP = "<1896.697170952@dbc.mtview.ca.us>"  # of the example in RFC 1939 §7


class Session:
    """Several connections to one server; maildrops live as long as this."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.implicit_tls = settings.pop("implicit_tls", "no") == "yes"
        self.broken = settings.pop("broken", "")
        self.options = options_of(settings)
        self.maildrops = {"ann": list(LETTERS), "bob": [], "jörg": []}
        self.locked: set[str] = set()
        self.last_login: dict[str, int] = {}
        self.now = 0
        self.servers: dict[int, POP3Server] = {}

    def greeting(self, connection: int) -> bytes:
        server = POP3Server(self.options, implicit_tls=self.implicit_tls)
        self.servers[connection] = server
        server.next_event()
        return server.data_to_send()

    def hear(self, connection: int, data: bytes) -> bytes:
        server = self.servers[connection]
        server.receive(data)
        while event := server.next_event():
            if isinstance(event, Question):
                self.decide(server, event)
        return server.data_to_send()

    def decide(self, server: POP3Server, question: Question) -> None:
        match question:
            case FindSecret("SCRAM-SHA-256", user):
                server.give_secret(VERIFIERS.get(user))
            case FindSecret(_, user):
                server.give_secret(USERS.get(user))
            case Login(_, credentials):
                user = credentials.user
                right = credentials.proven or USERS.get(user) == credentials.password
                self.log_in(server, user, right=right)
            case ProveLogin(user, digest, timestamp):
                mine = apop_digest(timestamp, USERS.get(user, ""))
                self.log_in(server, user, right=user in USERS and mine == digest)
            case ReadMessage(unique_id, need):
                self.read(server, unique_id, need)
            case Update(deleted):
                self.update(server, deleted)

    def log_in(self, server: POP3Server, user: str, *, right: bool) -> None:
        delay = self.options.login_delay
        if not right:
            server.answer(Reply(False, "Wrong login", "AUTH"))
        elif user in self.locked:
            server.answer(Reply(False, "Maildrop is in use", "IN-USE"))
        elif self.now < self.last_login.get(user, -delay) + delay:
            server.answer(Reply(False, "Wait a little", "LOGIN-DELAY"))
        else:
            self.locked.add(user)
            self.last_login[user] = self.now
            here = [DropMessage(name, len(LETTERS[name])) for name in self.mail(user)]
            server.open_maildrop(here, delay)

    def mail(self, user: str) -> list[str]:
        return self.maildrops[user]

    def read(self, server: POP3Server, unique_id: str, need: str) -> None:
        if unique_id == self.broken:
            server.answer(Reply(False, "It cannot be read now", "SYS/TEMP"))
            return
        octets = LETTERS[unique_id]
        header = octets[: octets.index(b"\r\n\r\n") + 4]
        server.give_message(header if need == "header" else octets)

    def update(self, server: POP3Server, deleted: tuple[str, ...]) -> None:
        if self.broken == "store":
            text = "some deleted messages not removed"
            server.answer(Reply(False, text, "SYS/TEMP"))
        else:
            kept = [n for n in self.maildrops[server.user] if n not in deleted]
            self.maildrops[server.user] = kept
            server.answer(Reply(True, f"{len(deleted)} deleted"))
        self.locked.discard(server.user)

    def advance(self, seconds: int) -> None:
        self.now += seconds
        if seconds >= TIMEOUT:
            for server in self.servers.values():
                server.time_out()
                self.locked.discard(server.user)

    def starttls(self, connection: int) -> None:
        self.servers[connection].tls_started()

    def closed(self, connection: int) -> bool:
        return self.servers[connection].closed


def options_of(settings: dict[str, str]) -> POP3ServerOptions:
    """The options of all connections."""
    counter = itertools.count(1)
    side = ServerSide("pop.example.org", lambda: f"n{next(counter)}", b"key")
    chosen: dict[str, object] = {"sasl_side": side}
    for name, value in settings.items():
        if name == "apop":
            chosen |= {"timestamp": TIMESTAMP, "mechanisms": ("PLAIN", "CRAM-MD5")}
        elif name == "mechanisms":
            chosen[name] = tuple(value.split(","))
        else:
            chosen[name] = int(value) if value.isdigit() else value == "yes"
    return POP3ServerOptions("pop.example.org", **chosen)


def new_session(**settings: str) -> Session:
    return Session(settings)
