"""s-nail in batch: it sends by submission and reads by IMAP and POP3."""

import email
import os
import shutil
import subprocess
from email.policy import default

import pytest

from tests.interop.mail_server import SECRET
from tests.interop.odd_messages import MESSAGES

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("s-nail"), reason="s-nail is not installed"),
]

SETTINGS = """\
set v15-compat
set tls-verify=strict tls-ca-file={ca} tls-ca-no-defaults
set nosave hold keepsave
set from={user} hostname=pc.example
set mta=submissions://{login}:{password}@localhost:{port}
"""


class Nail:
    """s-nail as a user."""

    def __init__(self, user, folder) -> None:
        self.user = user
        self.folder = folder
        self.login = user.address.replace("@", "%40")
        self.rc = folder / "nailrc"
        text = SETTINGS.format(
            ca=user.server.ca,
            user=user.address,
            login=self.login,
            password=SECRET,
            port=user.port("submissions"),
        )
        self.rc.write_text(text, "utf-8")

    def run(self, *words: str, said: str = "") -> str:
        """Run it with words and commands."""
        environment = {**os.environ, "MAILRC": str(self.rc), "LC_ALL": "C.UTF-8"}
        environment["HOME"] = str(self.folder)
        done = subprocess.run(
            ["s-nail", "-:u", *words],
            input=said,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def box(self, way: str) -> str:
        """The URL of the INBOX."""
        end = "/INBOX" if way.startswith("imap") else ""
        return f"{way}://{self.login}:{SECRET}@localhost:{self.user.port(way)}{end}"


@pytest.fixture
def nail(user, tmp_path):
    return Nail(user, tmp_path)


def test_s_nail_sends_a_letter_with_a_file(user, nail, tmp_path):
    octets = bytes(range(256)) * 40
    (tmp_path / "data.bin").write_bytes(octets)
    text = "Grüße\n.\nFrom here\n"
    words = ("-s", "Übung: tea", "-a", str(tmp_path / "data.bin"), user.address)
    nail.run(*words, said=text)
    letter = email.message_from_bytes(user.arrived(b"data.bin"), policy=default)
    assert letter["Subject"] == "Übung: tea"
    body, attached = letter.iter_parts()
    assert body.get_content().replace("\r\n", "\n") == text
    assert attached.get_content() == octets


@pytest.mark.parametrize("way", ["imaps", "pop3s"])
def test_s_nail_reads_copies_and_deletes(user, nail, tmp_path, way):
    user.put(MESSAGES["plain"], MESSAGES["long"], MESSAGES["answer"])
    copy = tmp_path / "copy.mbox"
    commands = f"headers\ncopy 2 {copy}\ndelete 3\nquit\n"
    said = nail.run("-f", nail.box(way), said=commands)
    assert "plain" in said
    assert "Re: plain" in said
    written = copy.read_bytes().split(b"\n", 1)
    assert written[0].startswith(b"From ")
    wanted = MESSAGES["long"].replace(b"\r\n", b"\n")
    assert _without_status(written[1]).rstrip(b"\n") == wanted.rstrip(b"\n")
    assert user.contents() == [MESSAGES["plain"], MESSAGES["long"]]


def _without_status(octets: bytes) -> bytes:
    lines = octets.split(b"\n")
    return b"\n".join(one for one in lines if not one.startswith(b"Status:"))
