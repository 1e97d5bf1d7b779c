"""A real Dovecot that serves Maildirs of its own by IMAP and POP3, on loopback.

Goes in: a folder, if there is mail already. Comes out: two ports. Every user name is
good, with one password; the mail of a user lies in `mail/NAME/Maildir`.

Dovecot wants to be root, to become somebody else; without that, tests are skipped.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.postfix import free_port, wait_for

OWNER = 5000  # user and group of all mail; they need no name
PASSWORD = "tea-for-two"
LAYOUT = "maildir:~/Maildir:LAYOUT=fs"
CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = {mechanisms}
mail_location = {location}
mail_fsync = never
mail_max_userip_connections = 1000
pop3_uidl_format = %v.%u
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Archive {{
    special_use = \\Archive
  }}
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
service imap-login {{
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{  # it would make a client wait longer after each wrong password
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running Dovecot."""

    folder: Path
    imap: int
    pop3: int

    def home(self, user: str) -> Path:
        """Where the mail of a user lies."""
        return self.folder / "mail" / user

    def logged(self) -> str:
        """What it wrote into its log."""
        log = self.folder / "log"
        return log.read_text("utf-8") if log.exists() else ""


def listens(port: int) -> bool:
    """Is anybody at this port?"""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving_dovecot(
    location: str = LAYOUT, mechanisms: str = "plain login"
) -> Iterator[Dovecot]:
    """Start Dovecot, and stop it."""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    if program is None or not Path("/usr/lib/dovecot/imap").exists():
        pytest.skip("dovecot-imapd is not installed")
    if os.geteuid() != 0:
        pytest.skip("Dovecot starts as root only")
    # Not below tmp_path: there only root may look. Thousands of small files come and
    # go, so not on a disk either, if the system has a place in memory.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="dovecot-", dir=place) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "mail").mkdir()
        os.chown(folder / "mail", OWNER, OWNER)
        dovecot = Dovecot(folder, free_port(), free_port())
        text = CONFIGURATION.format(
            folder=folder,
            location=location,
            mechanisms=mechanisms,
            imap=dovecot.imap,
            pop3=dovecot.pop3,
            password=PASSWORD,
            owner=OWNER,
        )
        (folder / "dovecot.conf").write_text(text, "utf-8")
        command = [program, "-F", "-c", str(folder / "dovecot.conf")]
        with subprocess.Popen(command) as process:
            try:
                wait_for(lambda: listens(dovecot.imap) and listens(dovecot.pop3))
                yield dovecot
            finally:
                process.terminate()
                process.wait(timeout=30)
