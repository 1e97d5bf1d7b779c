"""A little POP3 server for tests/transcripts/pop3: ann has three messages, bob none.

Settings (`--- WITH name=value`): starttls, login_needs_tls, implicit_tls (yes or no).
"""

from maillab.protocol.engine import Question
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.pop3_server_events import (
    DropMessage,
    Login,
    POP3ServerOptions,
    Update,
)
from maillab.wire.pop3 import Reply

USERS = {"ann": "secret", "bob": "pass  word "}
TIMEOUT = 600  # seconds: RFC 1939 §3

LETTERS = [
    DropMessage("u1", b"Subject: One\r\n\r\nHello\r\nAnn\r\n"),
    DropMessage("u2", b"Subject: Dots\r\n\r\n.\r\n..\r\n.end\r\n"),
    DropMessage("u3", b"Subject: \xc3\xbc\r\n\r\nno end of line"),
]


class Session:
    """Several connections to one server; maildrops live as long as this."""

    def __init__(self, settings: dict[str, str]) -> None:
        chosen = {name: value == "yes" for name, value in settings.items()}
        self.implicit_tls = chosen.pop("implicit_tls", False)
        self.options = POP3ServerOptions("pop.example.org", **chosen)
        self.maildrops = {"ann": list(LETTERS), "bob": []}
        self.locked: set[str] = set()
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
            case Login(user, password) if USERS.get(user) != password:
                server.answer(Reply(False, "Wrong login", "AUTH"))
            case Login(user) if user in self.locked:
                server.answer(Reply(False, "Maildrop is in use", "IN-USE"))
            case Login(user):
                self.locked.add(user)
                server.open_maildrop(list(self.maildrops[user]))
            case Update(deleted):
                kept = [m for m in LETTERS if m.unique_id not in deleted]
                self.maildrops[server.user] = kept
                self.locked.discard(server.user)
                server.answer(Reply(True, f"{len(deleted)} deleted"))

    def advance(self, seconds: int) -> None:
        if seconds >= TIMEOUT:
            for server in self.servers.values():
                server.time_out()
                self.locked.discard(server.user)

    def starttls(self, connection: int) -> None:
        self.servers[connection].tls_started()

    def closed(self, connection: int) -> bool:
        return self.servers[connection].closed


def new_session(**settings: str) -> Session:
    return Session(settings)
