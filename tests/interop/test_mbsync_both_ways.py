"""mbsync keeps 500 messages and their folders in step, both ways."""

import re
import shutil
from pathlib import Path

import pytest

from maillab.wire.mutf7 import to_wire
from tests.interop.conftest import run
from tests.interop.mail_server import SECRET
from tests.interop.odd_messages import MESSAGES

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("mbsync"), reason="isync is not installed"),
]

CONFIG = """\
IMAPAccount ann
Host localhost
Port {port}
User {user}
Pass {password}
{tls}

IMAPStore far
Account ann

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState {folder}/state/
Sync All
CopyArrivalDate yes
"""
COUNT = 500
# A message that ends with its header is no message for mbsync.
ODD = [content for content in MESSAGES.values() if b"\r\n\r\n" in content]
FLAGS = {"S": "\\Seen", "F": "\\Flagged", "R": "\\Answered", "D": "\\Draft"}
TUID = re.compile(rb"^X-TUID: .*\r?\n", re.MULTILINE)


def letter(number: int) -> bytes:
    """A small message of its own, and sometimes an odd one."""
    odd = ODD[number % len(ODD)] if number % 5 == 0 else b""
    mark = f"X-Number: {number}\r\n".encode()
    return mark + (odd or f"Subject: {number}\r\n\r\n{'text ' * number}\r\n".encode())


class Mirror:
    """A user's mailboxes and a Maildir; `sync` lets mbsync compare them."""

    def __init__(self, user, folder: Path) -> None:
        self.user = user
        self.folder = folder / "maildir"
        (self.folder / "state").mkdir(parents=True)
        self.config = folder / "mbsyncrc"
        text = CONFIG.format(
            port=user.port("imaps"),
            user=user.address,
            password=SECRET,
            folder=self.folder,
            tls=self._tls(),
        )
        self.config.write_text(text, "utf-8")

    def _tls(self) -> str:
        found = re.search(r"(\d+)\.(\d+)", run("mbsync", "--version"))
        assert found
        word = "TLSType" if (int(found[1]), int(found[2])) >= (1, 5) else "SSLType"
        ca = self.user.server.ca
        return f"{word} IMAPS\nSystemCertificates no\nCertificateFile {ca}"

    def sync(self) -> None:
        run("mbsync", "-c", self.config, "all")

    def place(self, box: str) -> Path:
        """The folder; mbsync does not translate names (RFC 3501 §5.1.3)."""
        return self.folder / to_wire(box).decode()

    def files(self, box: str = "INBOX") -> list[Path]:
        """The files of a folder; a new one has no flags."""
        parts = (self.place(box) / part for part in ("cur", "new"))
        return sorted(file for part in parts for file in part.iterdir())

    def near(self, box: str = "INBOX") -> dict[bytes, set[str]]:
        """Messages and flags in the Maildir."""
        return {
            TUID.sub(b"", file.read_bytes()).replace(b"\n", b"\r\n"): flags_of(file)
            for file in self.files(box)
        }

    def far(self, box: str = "INBOX") -> dict[bytes, set[str]]:
        """Messages and flags on the server."""
        flags = ({name[1] for name in some} for some in self.user.flags(box))
        marks = [{"R" if one == "A" else one for one in some} for some in flags]
        contents = (TUID.sub(b"", one) for one in self.user.contents(box))
        return dict(zip(contents, marks, strict=True))

    def file(self, number: int, box: str = "INBOX") -> Path:
        mark = f"X-Number: {number}\n".encode()
        return next(f for f in self.files(box) if mark in f.read_bytes())

    def flag(self, number: int, flags: str) -> None:
        """Flag a file, as a mail program does."""
        file = self.file(number)
        base = file.name.partition(":2,")[0]
        file.rename(self.folder / "INBOX" / "cur" / f"{base}:2,{flags}")

    def drop(self, content: bytes, box: str = "INBOX") -> None:
        """Put a message into the Maildir."""
        for part in ("cur", "new", "tmp"):
            (self.place(box) / part).mkdir(parents=True, exist_ok=True)
        number = len(self.files(box))
        file = self.place(box) / "new" / f"1700000000.{number}_1.here"
        file.write_bytes(content.replace(b"\r\n", b"\n"))

    def agree(self, box: str = "INBOX") -> dict[bytes, set[str]]:
        """Both sides are equal; what they are."""
        assert self.near(box) == self.far(box)
        return self.far(box)


def flags_of(file: Path) -> set[str]:
    return set(file.name.partition(":2,")[2])


@pytest.fixture
def mirror(user, tmp_path):
    user.put(*(letter(number) for number in range(COUNT)))
    mirror = Mirror(user, tmp_path)
    mirror.sync()
    return mirror


def test_five_hundred_messages_both_ways(user, mirror):
    assert set(mirror.agree()) == {letter(number) for number in range(COUNT)}

    # Flags, new messages and deletions, on both sides at once.
    for number, letters in enumerate(("S", "F", "R", "D", "FS", "DFRS")):
        user.set_flags(10 + number, " ".join(FLAGS[one] for one in letters))
        mirror.flag(100 + number, letters)
    user.put(letter(COUNT))
    mirror.drop(letter(COUNT + 1))
    user.expunge(201, 202)
    mirror.flag(300, "T")
    mirror.sync()
    found = mirror.agree()
    kept = set(range(COUNT + 2)) - {200, 201, 300}
    assert set(found) == {letter(number) for number in kept}
    for number, letters in enumerate(("S", "F", "R", "D", "FS", "DFRS")):
        assert found[letter(9 + number)] == set(letters)
        assert found[letter(100 + number)] == set(letters)

    # Then there is nothing to do, and nothing is done.
    before = mirror.files(), user.contents()
    mirror.sync()
    assert (mirror.files(), user.contents()) == before


def test_folders_come_and_go_both_ways(user, mirror):
    create = user.tree.create
    for name in ("Work", "Work/old", "Grüße/日本", "two words", "&"):
        user.server.do(lambda name=name: create(name))
        user.put(letter(1), letter(2), box=name)
    mirror.drop(letter(3), "made here")
    mirror.drop(letter(4), "Köln")
    mirror.sync()
    for name in ("Work", "Work/old", "Grüße/日本", "two words", "&"):
        assert set(mirror.agree(name)) == {letter(1), letter(2)}
    assert set(mirror.agree("made here")) == {letter(3)}
    assert set(mirror.agree("Köln")) == {letter(4)}

    user.server.do(lambda: user.tree.rename("Work", "Labour"))
    mirror.sync()
    assert set(mirror.agree("Labour/old")) == {letter(1), letter(2)}

    # mbsync removes a mailbox that is empty, and gone on the other side.
    user.server.do(lambda: user.tree.delete("two words"))
    for file in mirror.files("two words"):
        file.unlink()
    mirror.sync()
    assert not (mirror.folder / "two words" / "cur").exists()
    assert "two words" not in user.names()
