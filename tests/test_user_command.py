"""`maillab user`: accounts from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from maillab import cli_serve
from maillab.errors import LabError
from maillab.gateway.serving import stores
from maillab.gateway.serving.folder import ServerFolder
from maillab.store.file_accounts import FileDirectory
from maillab.store.passwords import Hasher
from maillab.wire.sasl_values import Credentials

ANN = "ann@example.test"


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    import random

    monkeypatch.setattr(stores, "real_hasher", lambda: Hasher(random.Random(1)))
    monkeypatch.setattr(
        "maillab.store.file_accounts.real_hasher", lambda: Hasher(random.Random(1))
    )


def run(folder: Path, words: Sequence[str], typed: str = "") -> Any:
    app = typer.Typer(pretty_exceptions_enable=False)
    cli_serve.register(app)
    arguments = ["user", *words, "--dir", str(folder)]
    return CliRunner().invoke(app, arguments, input=typed)


def good(folder: Path, *words: str, typed: str = "") -> str:
    result = run(folder, words, typed)
    assert result.exit_code == 0, result.exception
    return result.output


def complaint(folder: Path, *words: str, typed: str = "") -> str:
    error = run(folder, words, typed).exception
    assert isinstance(error, LabError)
    return str(error)


def may(folder: Path, password: str) -> bool:
    directory = FileDirectory(ServerFolder(folder).accounts, ["example.test"])
    return directory.verify(Credentials("", ANN, password)).account is not None


def test_an_account_lives_from_add_to_remove(tmp_path: Path) -> None:
    ServerFolder(tmp_path).make()
    said = good(
        tmp_path, "add", ANN, "--password-stdin", "--name", "Ann", typed="tea\n"
    )
    assert said == f"{ANN}: added\n"
    assert may(tmp_path, "tea")
    good(tmp_path, "passwd", ANN, "--password-stdin", typed="milk\n")
    assert (may(tmp_path, "tea"), may(tmp_path, "milk")) == (False, True)
    good(tmp_path, "disable", ANN)
    assert not may(tmp_path, "milk")
    assert good(tmp_path, "list").split() == [ANN, "Ann", "disabled"]
    good(tmp_path, "enable", "ann")
    assert may(tmp_path, "milk")
    assert "its mail stays in" in good(tmp_path, "remove", ANN)
    assert "no accounts yet: maillab user add" in good(tmp_path, "list")


def test_a_generated_password_is_told_once_and_works(tmp_path: Path) -> None:
    ServerFolder(tmp_path).make()
    said = good(tmp_path, "add", ANN, "--generate")
    password = said.splitlines()[0].removeprefix("password: ")
    assert len(password) == 20
    assert may(tmp_path, password)


def test_mail_is_deleted_only_when_that_is_said(tmp_path: Path) -> None:
    from maillab.store.mail_store import MailStore

    good(tmp_path, "add", ANN, "--generate")
    store = MailStore.open(tmp_path / "mail")
    store.tree(ANN)
    assert "open in another process" in complaint(
        tmp_path, "remove", ANN, "--delete-mail"
    )
    store.close()
    assert good(tmp_path, "remove", ANN, "--delete-mail").endswith("and its mail\n")
    store = MailStore.open(tmp_path / "mail")
    assert store.addresses == ()
    store.close()


def test_accounts_in_a_database_are_changed_in_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "maillab.toml").write_text('accounts = "sqlite:///users.db"\n')
    good(tmp_path, "add", ANN, "--password-stdin", typed="tea\n")
    good(tmp_path, "disable", ANN)
    assert good(tmp_path, "list").split() == [ANN, "disabled"]
    assert (tmp_path / "users.db").exists()
    assert not (tmp_path / "accounts.toml").exists()


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (
            ["add", "ann@far.example", "--generate"],
            "",
            "the domains of this server are",
        ),
        (["add", ANN, "--password-stdin"], "\n", "an empty one was given"),
        (["add", ANN, "--password-stdin", "--generate"], "x\n", "only one of them"),
        (["add", ANN], "", "use --password-stdin or --generate"),
        (["disable", "bob"], "", "there is no account bob; the accounts are none"),
        (["passwd", "bob", "--generate"], "", "there is no account bob"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, words: list[str], typed: str, said: str
) -> None:
    ServerFolder(tmp_path).make()
    result = run(tmp_path, words, typed)
    assert isinstance(result.exception, LabError)
    assert said in str(result.exception)
    assert "password: " not in result.output, "one that counts for nothing"


@pytest.mark.parametrize("word", ["list", "disable"])
def test_only_the_first_account_makes_a_folder(tmp_path: Path, word: str) -> None:
    here = tmp_path / "D"
    words = [word] if word == "list" else [word, ANN]
    assert "is no folder of a mail server" in complaint(here, *words)
    assert not here.exists()
    assert "made " in good(here, "add", ANN, "--generate")


def test_a_password_is_never_an_argument(tmp_path: Path) -> None:
    result = run(tmp_path, ["add", ANN, "tea"])
    assert result.exit_code == 2
    assert "unexpected extra argument" in result.output
