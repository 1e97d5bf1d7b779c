"""A real Postfix relays to a live world, and a live world relays to Postfix.

The world has a third domain, gamma.example; what is its mail exchanger there, is Postfix
here. Mail that Postfix sends goes through a door into the world.
"""

import shutil
import smtplib
import time
from pathlib import Path

import pytest

from maillab.gateway.live import Live
from tests.interop.postfix import Postfix, running_postfix
from tests.worlds import Journal, arrived, world_with_gamma

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("postfix"), reason="no postfix"),
]

ALICE, BOB, GRETA = "alice@alpha.example", "bob@beta.example", "greta@gamma.example"
MX = "mx1.gamma.example"


class Both:
    """A live world and a Postfix, each the other's neighbour."""

    def __init__(self, live: Live, postfix: Postfix) -> None:
        self.live = live
        self.world = live.world
        self.postfix = postfix

    def arrived(self, text: str, who: str) -> bytes:
        """Wait for a message in the world."""
        mailbox = self.world.mailbox(who)
        return self.live.call(arrived(mailbox, text.encode())).content

    def arrived_outside(self, text: str) -> bytes:
        """Wait for a message in Greta's real Maildir."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            for file in self._maildir.glob("new/*"):
                content = file.read_bytes()
                if text.encode() in content:
                    return content
            time.sleep(0.05)  # a real file system tells nobody
        raise AssertionError(f"{text!r} did not arrive\n{self.postfix.logged()}")

    @property
    def _maildir(self) -> Path:
        return self.postfix.mail / "greta"

    def send(self, subject: str, recipient: str = GRETA, text: str = "Hi.\n") -> None:
        """Let alice send, as a person in the world."""
        user = self.world.user("alice")
        mua = user.mua
        content = mua.compose([recipient], subject, text)
        self.live.call(mua.submit(content, [recipient]))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gamma")
    with world_with_gamma(folder, "@ MX 10 mx1\n") as world, Live(world) as live:
        into = live.door("mx.beta.example", 25).real_port
        back = live.door("mail.alpha.example", 25).real_port
        with running_postfix(
            virtual_mailbox_domains="gamma.example",
            virtual_mailbox_maps="inline:{ greta@gamma.example=greta/ }",
            mynetworks="127.0.0.0/8",
            transport_maps=(
                f"inline:{{ beta.example=smtp:[127.0.0.1]:{into},"
                f" alpha.example=smtp:[127.0.0.1]:{back} }}"
            ),
            smtp_tls_security_level="may",
        ) as postfix:
            world.add_host(MX, "198.51.100.71")
            live.open_outside(MX, 25, f"127.0.0.1:{postfix.port}")
            yield Both(live, postfix)
        assert Journal(world).failures == []


def test_the_world_relays_to_postfix(both):
    both.send("To the real world")
    content = both.arrived_outside("Subject: To the real world")
    assert b"by mx.postfix.example (Postfix) with ESMTP" in content
    assert content.startswith(b"Return-Path: <alice@alpha.example>")


def test_postfix_relays_to_the_world(both):
    with smtplib.SMTP("127.0.0.1", both.postfix.port, "pc.gamma.example") as client:
        client.sendmail(GRETA, [BOB], f"From: {GRETA}\r\nSubject: From outside\r\n\r\n")
    content = both.arrived("Subject: From outside", BOB)
    assert b"from mx.postfix.example" in content
    assert b"with ESMTPS id" in content  # Postfix used the TLS that we offer
