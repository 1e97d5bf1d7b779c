"""Unmodified mbsync keeps a Maildir and a mailbox of 200 messages in step."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.interop.conftest import BOB, Site, run

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("mbsync"), reason="isync is not installed"),
]

CONFIG = """\
IMAPAccount bob
Host localhost
Port {port}
User {user}
Pass sponge
{tls}

IMAPStore far
Account bob

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX Archive
Create Both
Expunge Both
SyncState *
Sync All
"""
WHEN = datetime(2026, 1, 5, 9, tzinfo=UTC)
COUNT = 200


class Mirror:
    """bob's mailboxes and his Maildir; `sync` lets mbsync compare them."""

    def __init__(self, site: Site, folder: Path, security: str) -> None:
        self.world = site.world
        self.live = site.live
        self.folder = folder
        number = 993 if security == "IMAPS" else 143
        word = "TLSType" if version() >= (1, 5) else "SSLType"
        tls = f"{word} {security}"
        if security != "None":
            tls += f"\nSystemCertificates no\nCertificateFile {site.ca}"
        self.config = folder / "mbsyncrc"
        text = CONFIG.format(
            port=site.port(BOB, number), user=BOB, folder=folder, tls=tls
        )
        self.config.write_text(text, "utf-8")

    def sync(self) -> None:
        run("mbsync", "-c", self.config, "all")

    @property
    def mailbox(self):
        return self.world.mailbox(BOB)

    def on_server(self, work) -> None:
        """Call `work(mailbox)` in the world."""

        async def now():
            work(self.mailbox)

        self.live.call(now())

    def far(self) -> dict[int, set[str]]:
        """Number of each letter on the server, with its flags."""
        return {
            letter_number(message.content): {flag[1] for flag in message.flags} - {"R"}
            for message in self.mailbox.messages
        }

    def near(self) -> dict[int, set[str]]:
        """The same of the Maildir."""
        return {
            letter_number(file.read_bytes()): set(file.name.partition(":2,")[2])
            for file in self.files()
        }

    def files(self) -> list[Path]:
        inbox = self.folder / "INBOX"
        return [file for part in ("cur", "new") for file in (inbox / part).iterdir()]

    def file(self, number: int) -> Path:
        return next(f for f in self.files() if letter_number(f.read_bytes()) == number)


def version() -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", run("mbsync", "--version"))
    assert found
    return tuple(map(int, found.groups()))


def letter(number: int) -> bytes:
    body = "Line\r\n" * (number % 7)
    return f"Subject: letter {number}\r\nX: {'y' * number}\r\n\r\n{body}".encode()


def letter_number(content: bytes) -> int:
    found = re.search(rb"Subject: letter (\d+)", content)
    assert found
    return int(found[1])


@pytest.fixture(params=["None", "STARTTLS", "IMAPS"])
def mirror(request, site, tmp_path):
    mirror = Mirror(site, tmp_path, request.param)

    def fill(mailbox):
        mailbox.expunge(message.uid for message in mailbox.messages)
        for number in range(COUNT):
            mailbox.append(letter(number), WHEN)

    mirror.on_server(fill)
    mirror.sync()
    return mirror


def test_two_hundred_messages_both_ways(mirror):
    assert mirror.near() == mirror.far() == {number: set() for number in range(COUNT)}

    # Flags, on both sides.
    uids = [message.uid for message in mirror.mailbox.messages]
    mirror.on_server(lambda box: box.set_flags(uids[3], {"\\Seen", "\\Flagged"}))
    answered = mirror.file(5)
    answered.rename(mirror.folder / "INBOX" / "cur" / f"{base(answered)}:2,RS")
    mirror.sync()
    assert mirror.near()[3] == {"S", "F"}
    assert mirror.mailbox.get(uids[5]).flags >= {"\\Answered", "\\Seen"}

    # New messages, on both sides.
    mirror.on_server(lambda box: box.append(letter(COUNT), WHEN))
    (mirror.folder / "INBOX" / "new" / "1.made-here").write_bytes(letter(COUNT + 1))
    mirror.sync()
    assert sorted(mirror.near()) == sorted(mirror.far()) == list(range(COUNT + 2))

    # Deletions, on both sides.
    mirror.on_server(lambda box: box.expunge([uids[7]]))
    gone = mirror.file(9)
    gone.rename(mirror.folder / "INBOX" / "cur" / f"{base(gone)}:2,ST")
    mirror.sync()
    left = [number for number in range(COUNT + 2) if number not in (7, 9)]
    assert sorted(mirror.near()) == sorted(mirror.far()) == left

    # And then there is nothing to do.
    before = {file.name for file in mirror.files()}
    mirror.sync()
    assert {file.name for file in mirror.files()} == before


def base(file: Path) -> str:
    return file.name.partition(":2,")[0]
