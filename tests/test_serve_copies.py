"""`maillab backup`, `restore` and `serve --check`: copies and a look."""

import errno
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from maillab import cli_serve
from maillab.errors import LabError
from maillab.gateway.serving.folder import ServerFolder
from maillab.store.mail_store import MailStore
from tests.serving import ANN, Serving, add_users, letter, wait_for_mail, write_settings


def run(*words: object) -> Any:
    app = typer.Typer(pretty_exceptions_enable=False)
    cli_serve.register(app)
    return CliRunner().invoke(app, [str(word) for word in words])


def complaint(*words: object) -> str:
    error = run(*words).exception
    assert isinstance(error, LabError), error
    return str(error)


def subjects(folder: Path) -> list[bytes]:
    store = MailStore.open(folder / "mail")
    lines = [
        line
        for message in store.tree(ANN).inbox.messages
        for line in message.content.splitlines()
        if line.startswith(b"Subject:")
    ]
    store.close()
    return lines


def test_a_running_server_is_copied_and_comes_back(tmp_path: Path) -> None:
    server, copy, back = tmp_path / "D", tmp_path / "copy", tmp_path / "back"
    write_settings(server)
    add_users(server)
    with Serving(server) as running, running.imap() as imap:
        imap.select()
        with running.smtp() as smtp:
            smtp.send_message(letter("kept"))
        wait_for_mail(imap)
        said = run("backup", copy, "--dir", server).output
        assert "mail: 1 users, 6 mailboxes, 1 messages" in said
        assert "is there already" in complaint("backup", copy, "--dir", server)
    assert "is there already" in complaint("restore", copy, "--dir", server)
    assert run("restore", copy, "--dir", back).exit_code == 0
    assert subjects(back) == [b"Subject: kept"]
    for name in ("maillab.toml", "accounts.toml", "ca.pem", "tls/ca-key.pem"):
        assert (back / name).read_bytes() == (server / name).read_bytes()
    assert (back / "accounts.toml").stat().st_mode & 0o777 == 0o600
    assert "is no backup" in complaint("restore", tmp_path / "no", "--dir", back)


def check(folder: Path) -> tuple[int, Sequence[str]]:
    result = run("serve", "--check", "--dir", folder)
    return result.exit_code, result.output.splitlines()


def test_check_says_what_is_there_and_opens_nothing(tmp_path: Path) -> None:
    write_settings(tmp_path)
    add_users(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, lines = check(tmp_path)
    assert code == 0
    assert f"{tmp_path / 'maillab.toml'}: fine" in lines
    assert "accounts: 2" in lines
    assert sorted(tmp_path.rglob("*")) == before
    assert "is no folder of a mail server" in complaint(
        "serve", "--check", "--dir", tmp_path / "other"
    )


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ("hostname = 3", "hostname: found 3, expected a text in quotes"),
        ('domains = ["other.example"]', f"{ANN}, bob@example.test cannot get mail"),
        ('[tls]\ncertificate = "none.pem"', "none.pem: cannot be read: No such file"),
        ('user = "nobody-of-this-name"', "this computer has no such user"),
    ],
)
def test_check_finds_what_would_stop_a_start(
    tmp_path: Path, top: str, said: str
) -> None:
    add_users(tmp_path)
    (tmp_path / "maillab.toml").write_text(top)
    code, lines = check(tmp_path)
    assert code == 1
    assert any(said in line for line in lines)


def test_check_finds_mail_that_is_lost(tmp_path: Path) -> None:
    write_settings(tmp_path)
    store = MailStore.open(ServerFolder(tmp_path).mail)
    from datetime import UTC, datetime

    store.tree(ANN).inbox.append(b"Subject: x\r\n\r\n", datetime.now(UTC))
    store.close()
    files = (tmp_path / "mail").rglob("*")
    message = next(one for one in files if one.parent.name in ("new", "cur"))
    message.write_bytes(b"other\r\n")
    code, lines = check(tmp_path)
    assert code == 1
    assert any("the file is not what it was" in line for line in lines)


def test_what_only_the_settings_name_is_copied_too(tmp_path: Path) -> None:
    server, copy, back = tmp_path / "D", tmp_path / "copy", tmp_path / "back"
    own = '[tls]\ncertificate = "own/cert.pem"\nkey = "/elsewhere/key.pem"'
    write_settings(server, 'accounts = "sqlite:///people/list.db"', own)
    files = {
        "own/cert.pem": b"certificate",
        "mailroot/Drop/1.eml": b"To: x\r\n\r\n",
        "queue/messages/1.mail": b"{}",
    }
    for name, content in files.items():
        (server / name).parent.mkdir(parents=True)
        (server / name).write_bytes(content)
    (server / "people").mkdir()
    with closing(sqlite3.connect(server / "people/list.db")) as people:
        people.execute("PRAGMA journal_mode = WAL")
        people.execute("CREATE TABLE person (name)")
        people.execute("INSERT INTO person VALUES ('ann')")
        people.commit()  # stands in the log, until somebody closes the file
        assert "queue: 1 messages" in run("backup", copy, "--dir", server).output
    assert run("restore", copy, "--dir", back).exit_code == 0
    for name, content in files.items():
        assert (back / name).read_bytes() == content
    with closing(sqlite3.connect(back / "people/list.db")) as people:
        assert people.execute("SELECT name FROM person").fetchall() == [("ann",)]


def test_a_copy_that_cannot_be_finished_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(tmp_path / "D")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copy2", full)
    said = complaint("backup", tmp_path / "copy", "--dir", tmp_path / "D")
    assert "is not whole: No space left on device; remove" in said
