"""fetchmail gets mail by POP3 and IMAP, keeps it or takes it, and knows what it has."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.mail_server import SECRET
from tests.interop.odd_messages import MESSAGES

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("fetchmail"), reason="no fetchmail"),
]

LETTERS = [MESSAGES[name] for name in ("plain", "mixed", "no end", "long", "folded")]
CONFIG = """\
set no bouncemail
poll localhost protocol {protocol} port {port} {uidl}
  user "{user}" password "{password}" {tls} sslcertck sslcertfile "{ca}"
  {keep} no rewrite no dropdelivered mda "{mda}"
"""
TLS = {"": "sslproto ''", "s": "ssl", "+tls": "sslproto 'TLS1.2+'"}
NOTHING_NEW = 1  # fetchmail's exit code


class Fetchmail:
    """fetchmail with a home of its own; what it got lies in files."""

    def __init__(self, user, way: str, folder: Path) -> None:
        self.user = user
        self.folder = folder
        self.way = way
        self.inbox = folder / "got"
        self.inbox.mkdir()
        mda = folder / "mda"
        mda.write_text(f'#!/bin/sh\ncat > "$(mktemp {self.inbox}/XXXXXX)"\n', "utf-8")
        mda.chmod(0o755)

    def run(self, keep: str, code: int = 0) -> str:
        """Get mail."""
        scheme = self.way[:4]
        text = CONFIG.format(
            protocol=scheme,
            port=self.user.port(self.way.removesuffix("+tls")),
            uidl="uidl" if scheme == "pop3" else "",
            user=self.user.address,
            password=SECRET,
            tls=TLS[self.way[4:]],
            ca=self.user.server.ca,
            keep=keep,
            mda=self.folder / "mda",
        )
        config = self.folder / "fetchmailrc"
        config.write_text(text, "utf-8")
        config.chmod(0o600)
        environment = {**os.environ, "HOME": str(self.folder), "LC_ALL": "C"}
        environment["FETCHMAILHOME"] = str(self.folder)
        command = ["fetchmail", "-v", "-v", "--nosyslog", "-f", str(config)]
        command += ["--pidfile", str(self.folder / "pid")]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60,
            errors="replace",
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def got(self) -> list[bytes]:
        """What came, without the Received field that fetchmail put on top."""
        files = [file.read_bytes() for file in self.inbox.iterdir()]
        return sorted(without_received(one) for one in files)


def without_received(content: bytes) -> bytes:
    first, *rest = content.split(b"\n")
    assert first.startswith(b"Received: from"), content
    while rest[0].startswith((b"\t", b" ")):
        rest.pop(0)
    return b"\n".join(rest)


def as_files(letters: list[bytes]) -> list[bytes]:
    """fetchmail writes lines as Unix does."""
    return sorted(one.replace(b"\r\n", b"\n") for one in letters)


@pytest.fixture(params=["pop3", "pop3s", "pop3+tls", "imap", "imaps", "imap+tls"])
def fetchmail(user, request, tmp_path):
    user.put(*LETTERS)
    return Fetchmail(user, request.param, tmp_path)


def test_fetchmail_takes_mail_away(user, fetchmail):
    fetchmail.run("nokeep fetchall")
    assert fetchmail.got() == as_files(LETTERS)
    assert user.contents() == []
    fetchmail.run("nokeep fetchall", NOTHING_NEW)


def test_fetchmail_leaves_mail_and_gets_only_what_is_new(user, fetchmail):
    fetchmail.run("keep")
    assert fetchmail.got() == as_files(LETTERS)
    assert user.contents() == LETTERS
    fetchmail.run("keep", NOTHING_NEW)
    user.put(MESSAGES["answer"])
    fetchmail.run("keep")
    assert fetchmail.got() == as_files([*LETTERS, MESSAGES["answer"]])
    if fetchmail.way.startswith("imap"):
        assert all("\\Seen" in flags for flags in user.flags())
