"""Accounts in a file, and accounts that somebody else changes: also those of SQL."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.store.accounts import DirectoryBase, Event
from maillab.store.file_accounts import FileDirectory
from maillab.store.mailbox_tree import MailboxTree
from maillab.store.passwords import Hasher
from maillab.store.sql_accounts import SqlDirectory
from maillab.wire.sasl_values import Credentials

ANN, BOB = "ann@alpha.example", "bob@alpha.example"
Opener = Callable[[Path], DirectoryBase]


def open_file(folder: Path) -> FileDirectory:
    hasher = Hasher(random.Random(1))
    return FileDirectory(folder / "accounts.toml", ["alpha.example"], hasher)


def open_sql(folder: Path) -> SqlDirectory:
    hasher = Hasher(random.Random(1))
    url = f"sqlite:///{folder / 'accounts.db'}"
    return SqlDirectory(url, hasher, domains=["alpha.example"])


def may(directory: DirectoryBase, address: str, password: str) -> bool:
    return directory.verify(Credentials("", address, password)).account is not None


def test_the_file_can_be_read_by_people_and_by_its_owner_only(tmp_path: Path) -> None:
    open_file(tmp_path).add(ANN, "tea", 'Ann "the First" Ash')
    file = tmp_path / "accounts.toml"
    text = file.read_text("utf-8")
    assert (
        f'["{ANN}"]\nname = "Ann \\"the First\\" Ash"\npassword = "{{SCRYPT}}' in text
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert "tea" not in text
    again = open_file(tmp_path)
    assert again.require(ANN).full_name == 'Ann "the First" Ash'
    assert may(again, "ann", "tea")
    assert again.secret_for("SCRAM-SHA-256", ANN) is not None


def test_a_row_that_a_person_wrote_counts_at_the_next_login(tmp_path: Path) -> None:
    directory = open_file(tmp_path)
    assert not may(directory, BOB, "milk")
    (tmp_path / "accounts.toml").write_text(f'["{BOB}"]\npassword = "{{PLAIN}}milk"\n')
    assert may(directory, BOB, "milk")


def test_two_who_write_lose_nothing(tmp_path: Path) -> None:
    one, other = open_file(tmp_path), open_file(tmp_path)
    one.add(ANN, "tea")
    other.add(BOB, "milk")
    one.set_password(ANN, "coffee")
    assert one.names == other.names == (ANN, BOB)
    assert may(other, ANN, "coffee")
    with pytest.raises(LabError, match="there is an account"):
        other.add(ANN, "tea")


@pytest.mark.parametrize("opener", [open_file, open_sql])
def test_who_watches_hears_what_others_did(tmp_path: Path, opener: Opener) -> None:
    ours, theirs = opener(tmp_path), opener(tmp_path)
    heard: list[tuple[str, Event]] = []
    ours.watch(lambda account, event: heard.append((account.address, event)))
    for address in (ANN, BOB, "tim@alpha.example"):
        ours.add(address, "tea")
    ours.refresh()
    assert heard == []
    theirs.disable(ANN)
    theirs.set_password(BOB, "milk")
    theirs.remove("tim@alpha.example")
    ours.refresh()
    ours.refresh()
    assert heard == [
        (ANN, "disabled"),
        (BOB, "password"),
        ("tim@alpha.example", "removed"),
    ]
    assert not may(ours, ANN, "tea")
    assert not may(ours, "tim@alpha.example", "tea")
    theirs.enable(ANN)
    assert may(ours, ANN, "tea")
    ours.close()
    theirs.close()


@pytest.mark.parametrize("opener", [open_file, open_sql])
def test_mailboxes_come_from_where_the_server_wants(
    tmp_path: Path, opener: Opener
) -> None:
    directory = opener(tmp_path)
    trees: dict[str, MailboxTree] = {}
    directory.mailboxes = lambda address: trees.setdefault(address, MailboxTree())
    directory.add(ANN, "tea")
    assert directory.require("ann").mailboxes is trees[ANN]
    assert directory.require(ANN).mailboxes is trees[ANN]
    directory.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[damaged", "cannot be read"),
        ("ann = 3", "expected an account such as"),
        (f'["{ANN}"]\npasword = "x"', "unknown key 'pasword'; known: name, password"),
        (f'["{ANN}"]\npassword = "hidden"', "begins with its scheme"),
        (f'["{ANN}"]\nname = 3', "name must be a text in quotes"),
        (f'["{ANN}"]\npassword = "{{PLAIN}}x"\ndisabled = 1', "true or false"),
    ],
)
def test_a_wrong_file_is_named_and_the_accounts_stay(
    tmp_path: Path, text: str, said: str
) -> None:
    directory = open_file(tmp_path)
    directory.add(ANN, "tea")
    (tmp_path / "accounts.toml").write_text(text)
    assert may(directory, ANN, "tea")
    assert str(tmp_path / "accounts.toml") in directory.problem
    assert said in directory.problem
    assert "hidden" not in directory.problem
    with pytest.raises(LabError):
        directory.add(BOB, "milk")
    assert (tmp_path / "accounts.toml").read_text() == text


def test_odd_names_survive_the_file(tmp_path: Path) -> None:
    name = 'Zoë \\ "x" \t\x7f\U0001f600 # ]'
    open_file(tmp_path).add('"odd name"@alpha.example', "tea", name)
    kept = open_file(tmp_path).rows[0]
    assert (kept.address, kept.name) == ('"odd name"@alpha.example', name)
