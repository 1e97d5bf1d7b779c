"""An index that is old, gone or replaced: no UID is given twice, no mail is lost."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from maillab.store.mail_index import INDEX
from maillab.store.messages import StoreUnavailable
from tests.mail_disks import ANN, LETTER, NOW, OTHER, abandon, home, open_store


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "mail")
    opened.tree(ANN)
    yield opened
    opened.close()


def contents(box):
    return [one.content for one in box.messages]


def test_an_older_index_never_gives_a_uid_again(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    store.close()
    old = (home(store) / INDEX).read_bytes()
    opened = open_store(store.folder)
    opened.tree(ANN).inbox.append(OTHER, NOW)
    opened.tree(ANN).inbox.append(LETTER, NOW, ["\\Seen"])
    opened.tree(ANN).inbox.expunge([2])
    before = opened.tree(ANN).inbox.uid_validity
    opened.close()
    (home(store) / INDEX).write_bytes(old)
    opened = open_store(store.folder)
    inbox = opened.tree(ANN).inbox
    assert inbox.uid_validity > before
    assert contents(inbox) == [LETTER, LETTER]
    assert "older than the folders" in opened.problems_of(ANN)[0]
    opened.close()


def test_a_log_without_its_index_is_of_no_use(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    log = home(store) / f"{INDEX}-wal"
    assert log.stat().st_size
    kept = log.read_bytes()
    before = inbox.uid_validity
    abandon(store)
    (home(store) / INDEX).unlink()
    log.write_bytes(kept)
    opened = open_store(store.folder)
    assert contents(opened.tree(ANN).inbox) == [LETTER]
    assert opened.tree(ANN).inbox.uid_validity > before
    opened.close()


@pytest.mark.parametrize("how", ["gone", "another", "all gone"])
def test_nothing_is_acknowledged_into_an_index_that_is_gone(store, how):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    if how == "all gone":
        shutil.rmtree(home(store))
    else:
        (home(store) / INDEX).unlink()
    if how == "another":
        with closing(sqlite3.connect(home(store) / INDEX)) as other:
            other.execute("CREATE TABLE x (y)")
    for change in (
        lambda: inbox.append(OTHER, NOW),
        lambda: inbox.set_flags(1, ["\\Seen"]),
        lambda: store.tree(ANN).create("w"),
    ):
        with pytest.raises(StoreUnavailable):
            change()
    store.refresh()
    assert "restart the server" in store.problems_of(ANN)[0]
    abandon(store)
    opened = open_store(store.folder)
    assert contents(opened.tree(ANN).inbox) == [LETTER] * (how != "all gone")
    opened.close()
