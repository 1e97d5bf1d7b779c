"""A live world with a real Postfix as its neighbour, and letters between them.

gamma.example is a domain of the world; its mail exchanger there, mx1, is Postfix here.
Mail that Postfix sends goes through doors into the world: to beta.example with TLS and
a certificate that is right, to alpha.example without TLS.
"""

import smtplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from maillab.gateway.live import Live
from maillab.store.mailboxes import Mailbox
from tests.interop.postfix import NAME, Postfix, Service, running_postfix
from tests.worlds import Journal, arrived, world_with_gamma

ALICE, BOB, GRETA = "alice@alpha.example", "bob@beta.example", "greta@gamma.example"
GRÜN, JÜRGEN = "grün@gamma.example", "jürgen@beta.example"
MANY_THERE = [f"user{number}@gamma.example" for number in range(5)]
MAILDIRS = " ".join(f"{one}={one.partition('@')[0]}/" for one in MANY_THERE)
MANY_HERE = [f"user{number}@beta.example" for number in range(5)]
ALPHA, BETA = "mail.alpha.example", "mx.beta.example"
SECOND_PORT = 2501  # of Postfix in the world: its second way in, then the others
USERS = {
    "virtual_mailbox_domains": "gamma.example",
    "virtual_mailbox_maps": f"inline:{{ {GRETA}=greta/ {GRÜN}=gruen/ {MAILDIRS} }}",
    "mynetworks": "127.0.0.0/8",
    "smtp_tls_security_level": "may",
    "smtp_tls_loglevel": "1",
    "message_size_limit": "20000000",
    "virtual_mailbox_limit": "30000000",
}


def letter(subject: str, sender: str = GRETA, to: str = BOB, body: bytes = b"Hi.\r\n"):
    """A message; its header may have UTF-8."""
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n"
    return head.encode() + body


def body_of(content: bytes) -> bytes:
    """What comes after the header."""
    return content.partition(b"\r\n\r\n")[2]


class Neighbours:
    """A live world and a Postfix."""

    def __init__(self, live: Live, postfix: Postfix) -> None:
        self.live = live
        self.world = live.world
        self.postfix = postfix

    def arrived(self, text: str, who: str = BOB) -> bytes:
        """Wait for a message in the world."""
        inbox = self._inbox(who)
        return self.live.call(arrived(inbox, text.encode())).content

    def lies_with(self, who: str, text: bytes) -> bool:
        """Somebody in the world has a message with this text."""
        return any(text in one.content for one in self._inbox(who).messages)

    def _inbox(self, who: str) -> Mailbox:
        directory = self.world.server(who.partition("@")[2]).directory
        return directory.find_login(who).mailboxes.inbox

    def arrived_outside(self, text: str, user: str = "greta") -> bytes:
        """Wait for a message in a real Maildir."""
        return self.postfix.arrived(user, text)

    def alice_sends(
        self, content: bytes, to: str | list[str] = GRETA, **options
    ) -> None:
        """By a real client, to her server in the world."""
        port = self.live.door(ALPHA, 587).real_port
        send(port, ALICE, to, content, login=(ALICE, "rabbit-hole"), **options)

    def greta_sends(self, content: bytes, to: str | list[str] = BOB, **options) -> None:
        """By a real client, to Postfix."""
        sender = options.pop("sender", GRETA)
        send(self.postfix.port, sender, to, content, **options)

    @contextmanager
    def settings(self, server: str, **sections: dict[str, object]) -> Iterator[None]:
        """Change settings of a server in the world, for a while."""
        mta = self.world.server(server).mta
        before = mta.settings
        self.world.configure(server, **sections)
        try:
            yield
        finally:
            mta.settings = before


def send(  # noqa: PLR0913  (the parameters of ESMTP)
    port: int,
    sender: str,
    to: str | list[str],
    content: bytes,
    *,
    login: tuple[str, str] | None = None,
    mail: Sequence[str] = (),
    rcpt: Sequence[str] = (),
) -> None:
    """Send by smtplib; `mail` and `rcpt` are parameters."""
    with smtplib.SMTP("127.0.0.1", port, "pc.gamma.example") as client:
        if login:
            client.login(*login)
        client.sendmail(sender, to, content, mail, rcpt)


@contextmanager
def neighbours(
    folder: Path, *services: Service, **settings: str
) -> Iterator[Neighbours]:
    """Start both, and look at the end whether anything has failed."""
    with world_with_gamma(folder, "@ MX 10 mx1\n") as world, Live(world) as live:
        for address in (JÜRGEN, *MANY_HERE):
            world.server(BETA).directory.add(address, "sponge")
        into = f"[127.0.0.1]:{live.door(BETA, 25).real_port}"
        back = f"[127.0.0.1]:{live.door(ALPHA, 25).real_port}"
        ways = {
            "transport_maps": (
                f"inline:{{ beta.example=smtp:{into} alpha.example=smtp:{back} }}"
            ),
            "smtp_tls_policy_maps": (
                f"inline:{{ {{ {into} = verify match={BETA} }} {{ {back} = none }} }}"
            ),
        }
        with running_postfix(*services, **(USERS | ways | settings)) as postfix:
            world.add_host(NAME, "198.51.100.71")
            live.open_outside(NAME, 25, f"127.0.0.1:{postfix.port}")
            for number, one in enumerate(services, SECOND_PORT):
                if one.name in postfix.ports:
                    real = f"127.0.0.1:{postfix.ports[one.name]}"
                    live.open_outside(NAME, number, real)
            yield Neighbours(live, postfix)
    assert Journal(world).failures == []
