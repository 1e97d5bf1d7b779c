"""mutt, on a terminal that nobody sees: it reads, flags, saves and deletes mail."""

import os
import pty
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.interop.mail_server import SECRET
from tests.interop.odd_messages import MESSAGES

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("mutt"), reason="mutt is not installed"),
]

LETTERS = [MESSAGES[name] for name in ("plain", "long", "mixed", "folded", "utf-8")]
CONFIG = """\
set imap_user="{user}" pop_user="{user}" imap_pass="{password}" pop_pass="{password}"
set ssl_force_tls=yes ssl_starttls=yes
set certificate_file="{ca}" ssl_verify_host=yes
set folder="{base}" header_cache="{folder}/cache" message_cachedir="{folder}/bodies"
set imap_qresync=yes imap_condstore=yes imap_check_subscribed=no imap_idle=no
set sendmail="/bin/false" editor="true" timeout=1 mail_check=1 sleep_time=0
set confirmappend=no confirmcreate=no delete=yes quit=yes move=no
set mbox_type=mbox copy=no mark_old=no wait_key=no record="" postponed=""
set pop_delete=no pop_checkinterval=0 sort=mailbox-order pipe_decode=no
"""


class Mutt:
    """mutt as a user, with a home of its own."""

    def __init__(self, user, folder: Path, way: str) -> None:
        self.folder = folder
        scheme = way.removesuffix("+tls")
        # mutt calls it pop.
        self.base = f"{scheme.replace('pop3', 'pop')}://localhost:{user.port(scheme)}/"
        self.rc = folder / "muttrc"
        text = CONFIG.format(
            user=user.address,
            password=SECRET,
            ca=user.server.ca,
            base=self.base if scheme.startswith("imap") else folder,
            folder=folder,
        )
        self.rc.write_text(text, "utf-8")
        for name in ("cache", "bodies"):
            (folder / name).mkdir()

    def run(self, keys: str, box: str = "INBOX") -> None:
        """Open a mailbox and press keys."""
        target = f"{self.base}{box}" if self.base.startswith("imap") else self.base
        words = ["mutt", "-n", "-F", str(self.rc), "-d", "5", "-f", target]
        typed = keys.replace('"', '\\"')
        on_terminal([*words, "-e", f'push "{typed}"'], self.folder)

    def traffic(self) -> str:
        """What mutt said and heard in its last run."""
        return (self.folder / ".muttdebug0").read_text("utf-8", "replace")


def on_terminal(command: list[str], home: Path) -> None:
    """Run a program that wants a terminal; what it paints is thrown away."""
    ours, its = pty.openpty()
    environment = {
        **os.environ,
        "HOME": str(home),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }
    painted: list[bytes] = []
    process = subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, env=environment, cwd=home
    )
    os.close(its)

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                painted.append(data)
        except OSError:  # the terminal is gone with the program
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        code = process.wait(timeout=12)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = -1
    reader.join()
    os.close(ours)
    assert code == 0, b"".join(painted).decode("utf-8", "replace")


@pytest.fixture(params=["imaps", "imap+tls"])
def mutt(user, request, tmp_path):
    user.put(*LETTERS)
    return Mutt(user, tmp_path, request.param)


def test_mutt_reads_flags_saves_and_deletes(user, mutt, tmp_path):
    user.server.do(lambda: user.tree.create("Grüße/日本"))
    copy = tmp_path / "copy"
    pipe = f"|cat > {copy}.1\n"
    keys = f"1\n{pipe}3\n|cat > {copy}.3\n2\n<flag-message>"
    keys += "3\n<copy-message>=Archive\n4\n<save-message>=Grüße/日本\n"
    keys += "5\n<save-message>=made-by-mutt\n<sync-mailbox><quit>"
    mutt.run(keys)
    assert (tmp_path / "copy.1").read_bytes() == unix(LETTERS[0])
    assert (tmp_path / "copy.3").read_bytes() == unix(LETTERS[2])
    assert user.contents() == LETTERS[:3]
    assert ["\\Flagged" in flags for flags in user.flags()] == [False, True, False]
    assert user.contents("Archive") == [LETTERS[2]]
    assert user.contents("Grüße/日本") == [LETTERS[3]]
    assert user.contents("made-by-mutt") == [LETTERS[4]]


def unix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def test_mutt_sees_in_its_cache_what_changed(user, mutt):
    mutt.run("<quit>")
    assert "FETCH 1:5 (UID FLAGS INTERNALDATE RFC822.SIZE" in mutt.traffic()
    user.set_flags(2, "\\Flagged")
    user.expunge(1)
    user.put(MESSAGES["answer"])
    mutt.run("<delete-pattern>~F\n<sync-mailbox><quit>")
    assert "QRESYNC" in mutt.traffic()
    assert "VANISHED (EARLIER) 1" in mutt.traffic()
    assert user.contents() == [*LETTERS[2:], MESSAGES["answer"]]


@pytest.mark.parametrize("way", ["pop3s", "pop3+tls"])
def test_mutt_reads_and_deletes_by_pop3(user, tmp_path, way):
    user.put(*LETTERS)
    mutt = Mutt(user, tmp_path, way)
    copy = tmp_path / "copy"
    keys = f"3\n|cat > {copy}\n1\n<delete-message>2\n<copy-message>{copy}.2\n<quit>"
    mutt.run(keys)
    assert copy.read_bytes() == unix(LETTERS[2])
    assert user.contents() == LETTERS[1:]
    assert unix(LETTERS[1]).split(b"\n\n")[1] in (tmp_path / "copy.2").read_bytes()
