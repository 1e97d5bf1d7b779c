"""A store's folders are Maildirs: other programs read them, and bring mail while
maillab is running."""

import imaplib
import os
import shutil
from pathlib import Path

import pytest

from maillab.store.maildir_names import to_user_folder
from maillab.wire.mutf7 import to_wire
from tests.interop.conftest import run
from tests.interop.dovecot_mail import OWNER, PASSWORD, serving_dovecot
from tests.interop.imap_wire import Wire
from tests.interop.mail_server import SECRET, MailServer
from tests.interop.odd_messages import MESSAGES
from tests.interop.test_mutt import on_terminal

pytestmark = pytest.mark.interop

ALL = list(MESSAGES.values())
NAMES = ("lists/mail", "Grüße/日本", "two words")
MAILDIR = "maildir:~/Maildir"  # Maildir++, as Dovecot does it if not told otherwise


@pytest.fixture
def server(tmp_path):
    server = MailServer(tmp_path, tmp_path / "store")
    yield server
    if server.store:
        server.close()


@pytest.fixture
def user(server):
    """Somebody with mail in several mailboxes, with flags."""
    user = server.newcomer()
    user.put(*ALL)
    user.set_flags(1, "\\Seen \\Flagged")
    user.set_flags(2, "\\Answered Own")
    user.set_flags(3, "\\Deleted \\Draft")
    for name in NAMES:
        server.do(lambda name=name: user.tree.create(name))
        user.put(*ALL[:3], box=name)
    return user


def place_of(user) -> Path:
    """The user's folder."""
    return user.server.disk / to_user_folder(user.address)


def close(server: MailServer) -> None:
    server.close()
    server.store = None


# Afterwards ---------------------------------------------------------------------------


def test_dovecot_serves_the_maildir_and_hands_it_back(user, server, tmp_path):
    flags, contents = user.flags(), {name: user.contents(name) for name in user.names()}
    place = place_of(user)
    close(server)
    with serving_dovecot(MAILDIR) as dovecot:
        home = dovecot.home("ann")
        shutil.copytree(place, home / "Maildir")
        for path in (home, *home.rglob("*")):
            os.chown(path, OWNER, OWNER)
        client = imaplib.IMAP4("127.0.0.1", dovecot.imap)
        client.login("ann", PASSWORD)
        for name, wanted in contents.items():
            assert sorted(read_all(client, name)) == sorted(wanted), name
        assert flags_by_content(client) == dict(zip(ALL, flags, strict=True))
        change(client)
        client.logout()
        shutil.rmtree(place)
        shutil.copytree(home / "Maildir", place)
    again = MailServer(tmp_path, tmp_path / "store")
    tree = again.add(user.address)
    left = again.do(lambda: {one.content: one.flags for one in tree.inbox.messages})
    made = tree.require("made/there")
    there = again.do(lambda: [one.content for one in made.messages])
    again.close()
    assert left.keys() == set(ALL) - {MESSAGES["no date"]}
    assert left[MESSAGES["answer"]] == {"\\Seen", "\\Answered", "Own"}
    assert there == [ALL[4]]


def flags_by_content(client: imaplib.IMAP4) -> dict[bytes, set[str]]:
    """The flags of each message."""
    contents = read_all(client, "INBOX")
    client.select("INBOX")
    _, found = client.fetch("1:*", "(FLAGS)")
    flags = (map(bytes.decode, imaplib.ParseFlags(one)) for one in found)
    return dict(zip(contents, (set(one) - {"\\Recent"} for one in flags), strict=True))


def change(client: imaplib.IMAP4) -> None:
    """What a user does: deletes "no date", reads "answer", makes a folder."""
    client.store("1:*", "-FLAGS", "(\\Deleted)")
    deleted, seen = (
        client.search(None, *keys)[1][0].decode()
        for keys in (("SUBJECT", "zebra"), ("KEYWORD", "Own"))
    )
    client.store(seen, "+FLAGS", "(\\Seen)")
    client.store(deleted, "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.create("made/there")
    client.append("made/there", "", "", ALL[4])


def read_all(client: imaplib.IMAP4, name: str) -> list[bytes]:
    """The messages of a mailbox."""
    assert client.select(f'"{to_wire(name).decode()}"', readonly=True)[0] == "OK"
    _, found = client.uid("fetch", "1:*", "(BODY.PEEK[])")
    return [one[1] for one in found if isinstance(one, tuple)]


def test_mbsync_carries_a_maildir_to_a_server(user, server, tmp_path):
    if shutil.which("mbsync") is None:
        pytest.skip("isync is not installed")
    names = [name for name in user.names() if user.contents(name)]
    contents = {name: user.contents(name) for name in names}
    place = place_of(user)
    shutil.copytree(place, tmp_path / "copy")
    target = server.newcomer()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"IMAPStore far\nHost localhost\nPort {server.ports['imap']}\n"
        f"User {target.address}\nPass {SECRET}\nSSLType None\nAuthMechs LOGIN\n\n"
        f"MaildirStore near\nInbox {tmp_path}/copy/\nSubFolders Maildir++\n\n"
        f"Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Far\nSync Push\n"
        f"SyncState {tmp_path}/state-\n",
        "utf-8",
    )
    run("mbsync", "-c", config, "all")
    for name, wanted in contents.items():
        # For mbsync, a message that ends with its header is none.
        whole = [one for one in wanted if one != MESSAGES["header only"]]
        got = [without_mark(one) for one in target.contents(name)]
        assert sorted(got) == sorted(whole), name
    assert sorted(map(sorted, target.flags("INBOX")))[-1] == ["\\Flagged", "\\Seen"]


def without_mark(content: bytes) -> bytes:
    lines = content.split(b"\r\n")
    return b"\r\n".join(one for one in lines if not one.startswith(b"X-TUID: "))


# While maillab is running -------------------------------------------------------------


@pytest.fixture
def client(user):
    """Somebody who is looking at the INBOX."""
    client = Wire(user.port("imap"))
    client.say(f"LOGIN {user.address} {SECRET}".encode())
    client.say(b"SELECT INBOX")
    yield client
    client.close()


def look(user, client: Wire) -> bytes:
    """maillab looks at the folders, twice (see `maildir_watch`); news for clients."""
    for _ in range(2):
        user.server.do(user.tree.refresh)
    return client.say(b"NOOP").raw


def deliver(
    place: Path, content: bytes, name: str = "1767258000.1_1.elsewhere"
) -> None:
    """What a delivery agent does: first to tmp/, then to new/."""
    (place / "tmp" / name).write_bytes(content)
    (place / "tmp" / name).rename(place / "new" / name)


def test_mail_that_another_program_brings_is_seen(user, client):
    place = place_of(user)
    deliver(place, ALL[0].replace(b"\r\n", b"\n"))
    assert b"* %d EXISTS" % (len(ALL) + 1) in look(user, client)
    assert user.contents()[-1] == ALL[0]
    said = client.say(b"FETCH * (UID BODY.PEEK[])").raw
    assert ALL[0] in said
    assert b"UID %d " % (len(ALL) + 1) in said


def file_of(place: Path, text: bytes) -> Path:
    """The file with this text."""
    files = (*(place / "new").iterdir(), *(place / "cur").iterdir())
    return next(one for one in files if text in one.read_bytes())


def test_flags_deletions_and_folders_of_another_program_are_seen(user, client):
    place = place_of(user)
    last, gone = file_of(place, b"Zulu"), file_of(place, b"no body")
    last.rename(place / "cur" / f"{last.name.partition(':')[0]}:2,FS")
    gone.unlink()
    shutil.copytree(place / ".two words", place / ".by hand")
    said = look(user, client)
    assert b"\\Flagged" in said
    assert b"EXPUNGE" in said
    assert len(user.contents()) == len(ALL) - 1
    assert user.contents("by hand") == ALL[:3]


def test_mutt_reads_and_changes_the_maildir_meanwhile(user, client, tmp_path):
    if shutil.which("mutt") is None:
        pytest.skip("mutt is not installed")
    place = place_of(user)
    (tmp_path / "muttrc").write_text(
        f"set folder={tmp_path}\n"
        "set mbox_type=maildir delete=yes move=no confirmappend=no sleep_time=0\n"
        "set pipe_decode=no mark_old=no sort=mailbox-order copy=no wait_key=no\n"
    )
    keys = f"<delete-pattern>~s zebra\n<limit>~s Zulu\n|cat > {tmp_path}/copy\n"
    keys += f"<copy-message>{place}/.lists.mail\n<limit>all\n<sync-mailbox><quit>"
    words = ["mutt", "-n", "-F", str(tmp_path / "muttrc"), "-f", str(place)]
    on_terminal([*words, "-e", f'push "{keys}"'], tmp_path)
    wanted = MESSAGES["no last crlf"].replace(b"\r\n", b"\n")
    copied = (tmp_path / "copy").read_bytes()  # with the ends of lines that files have
    assert copied.replace(b"\r\n", b"\n").rstrip(b"\n") == wanted
    assert b"EXPUNGE" in look(user, client)
    # The other one had \\Deleted already.
    gone = [MESSAGES["answer2"], MESSAGES["no date"]]
    assert user.contents() == [one for one in ALL if one not in gone]
    assert len(user.contents("lists/mail")) == 4
