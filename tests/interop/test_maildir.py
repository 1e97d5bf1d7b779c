"""Unmodified Dovecot and mbsync use the Maildir folders of our store."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.mail_disks import ANN, NOW, open_store

DOVECOT = "/usr/lib/dovecot/imap"
NOBODY = 65534
LETTER = b"Subject: hi\r\nMessage-ID: <1@a>\r\n\r\nHello\r\n"

pytestmark = pytest.mark.interop

DOVECOT_CONF = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
protocols =
mail_location = maildir:{mail}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""
MBSYNC_CONF = """\
MaildirStore far
Inbox {mail}
SubFolders Maildir++

MaildirStore near
Path {folder}/near/
Inbox {folder}/near/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState {folder}/state/
Sync All
"""


@pytest.fixture
def folder():
    """Dovecot does not read mail as root: a folder that nobody may read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def store(folder):
    opened = open_store(folder / "mail")
    tree = opened.tree(ANN)
    tree.inbox.append(LETTER, NOW, ["\\Seen", "$Junk"])
    tree.inbox.append(LETTER, NOW)
    tree.create("lists/mail").append(LETTER, NOW, ["\\Flagged"])
    yield opened
    opened.close()


def dovecot(folder, *commands):
    """What a Dovecot says to IMAP commands about the mail of ann."""
    text = DOVECOT_CONF.format(folder=folder, mail=folder / "mail" / ANN)
    (folder / "dovecot.conf").write_text(text)
    root = os.geteuid() == 0
    if root:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)
    lines = [*commands, "LOGOUT"]
    said = subprocess.run(
        [DOVECOT, "-c", folder / "dovecot.conf"],
        input="".join(f"{n} {line}\r\n" for n, line in enumerate(lines)).encode(),
        capture_output=True,
        env={"USER": "ann", "HOME": str(folder)},
        check=True,
        **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}),
    )
    return said.stdout


@pytest.mark.skipif(not Path(DOVECOT).exists(), reason="dovecot is not installed")
def test_dovecot_reads_marks_and_brings_mail(store, folder):
    said = dovecot(
        folder,
        "SELECT INBOX",
        "FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])",
        "STORE 1 +FLAGS.SILENT (\\Answered dovecots)",
        'LIST "" *',
        'LSUB "" *',
        f"APPEND lists/mail (\\Draft) {{{len(LETTER)}+}}\r\n{LETTER.decode()}",
    )
    assert b"2 EXISTS" in said
    assert re.search(rb"FLAGS \(\\Seen [^)]*\$Junk\)", said)
    assert said.count(b"BODY[] {%d}\r\n%s" % (len(LETTER), LETTER)) == 2
    assert b"01-Jan-2026 09:00:00 +0000" in said
    for name in (b"lists/mail", b"Sent", b"INBOX"):
        assert b'* LIST (\\HasNoChildren) "/" ' + name in said
    assert b'* LSUB () "/" Drafts' in said
    store.refresh()
    tree = store.tree(ANN)
    marked = {"\\Seen", "\\Answered", "$Junk", "dovecots"}
    assert marked in [set(one.flags) for one in tree.inbox.messages]
    brought = tree.require("lists/mail").messages[-1]
    assert (brought.content, brought.flags) == (LETTER, {"\\Draft"})


@pytest.mark.skipif(not shutil.which("mbsync"), reason="isync is not installed")
def test_mbsync_copies_in_both_directions(store, folder):
    (folder / "near").mkdir()
    (folder / "state").mkdir()
    config = folder / "mbsyncrc"
    config.write_text(MBSYNC_CONF.format(folder=folder, mail=folder / "mail" / ANN))

    def mbsync():
        environment = {**os.environ, "HOME": str(folder)}
        command = ["mbsync", "-q", "-c", config, "all"]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        store.refresh()

    tree, near = store.tree(ANN), folder / "near"
    mbsync()
    [path] = (near / "INBOX" / "cur").iterdir()
    assert path.read_bytes().startswith(b"Subject: hi")  # it adds X-TUID
    assert tree.inbox.uids == (1, 2)  # mbsync renames files: they are the same
    path.rename(path.with_name(path.name.replace(":2,S", ":2,FS")))
    (near / "lists" / "mail" / "new" / "1.new.a").write_bytes(b"To: x\n\nnew\n")
    tree.inbox.expunge([2])
    mbsync()
    assert {"\\Flagged", "\\Seen"} <= tree.inbox.messages[0].flags
    assert tree.require("lists/mail").messages[-1].content.endswith(b"\r\n\r\nnew\r\n")
    assert not [*(near / "INBOX" / "new").iterdir()]
