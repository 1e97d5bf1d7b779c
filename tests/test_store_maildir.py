"""A tree on disk is a tree in memory that survives: all of a step, or nothing."""

from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from maillab.store.mailbox_tree import STANDARD_FOLDERS, MailboxTree
from tests.mail_disks import (
    ANN,
    Crash,
    CrashingDisk,
    ForgetfulDisk,
    QuickDisk,
    abandon,
    facts,
    fresh,
    open_store,
)
from tests.store_steps import ORDERS, SCRIPT, do

# A process that crashes, in these tests, has closed nothing: Python 3.13 says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed database:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(scope="module")
def quick_folder():
    """In memory where that is possible: what a crash leaves is simulated anyway."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@settings(max_examples=30)
@given(st.lists(ORDERS, min_size=3, max_size=14), st.integers(0, 14))
def test_the_same_steps_give_the_same_in_memory_and_on_disk(
    quick_folder, orders, reopen_at
):
    folder = fresh(quick_folder / "same")
    memory, store = MailboxTree(STANDARD_FOLDERS), open_store(folder)
    for number, order in enumerate(orders):
        if number == reopen_at:
            store.close()
            store = open_store(folder)
        assert do(store.tree(ANN), order) == do(memory, order)
    assert facts(store.tree(ANN)) == facts(memory)
    store.refresh()
    assert facts(store.tree(ANN)) == facts(memory)
    store.close()
    again = open_store(folder)
    assert facts(again.tree(ANN)) == facts(memory)
    assert again.problems == []
    again.close()


def run_until_crash(store, disk, memory, orders):
    """Returns what the tree may be now: as before the last step, or as after it."""
    before = after = facts(memory)
    try:
        tree = store.tree(ANN)
        for order in orders:
            before, commits = facts(memory), disk.commits
            do(memory, order)
            after = facts(memory)
            do(tree, order)
            before = after
    except Crash:
        if disk.commits == commits:
            return [before]
    return [before, after]


@settings(max_examples=50)
@given(st.lists(ORDERS, min_size=2, max_size=10), st.integers(1, 60))
def test_a_process_that_ends_between_two_steps_of_the_disk(
    quick_folder, orders, crash_in
):
    folder = fresh(quick_folder / "crash")
    disk, memory = CrashingDisk(), MailboxTree(STANDARD_FOLDERS)
    store = open_store(folder, disk)
    store.tree(ANN)
    disk.crash_at = disk.steps + crash_in
    possible = run_until_crash(store, disk, memory, orders)
    abandon(store)
    again = open_store(folder)
    found = facts(again.tree(ANN))
    assert found in possible
    assert again.problems == []
    again.refresh()
    assert facts(again.tree(ANN)) == found
    again.close()


def steps_of_the_script(quick_folder):
    disk = QuickDisk()
    store = open_store(fresh(quick_folder / "script"), disk)
    store.tree(ANN)
    first = disk.steps
    for order in SCRIPT:
        do(store.tree(ANN), order)
    store.close()
    return first, disk.steps


@pytest.mark.parametrize(("fate", "every"), [("torn", 5), ("lost", 2)])
def test_a_power_cut_before_any_step_takes_nothing_that_was_acknowledged(
    quick_folder, fate, every
):
    first, last = steps_of_the_script(quick_folder)
    for crash_at in range(first + 1, last + 1, every):
        folder = fresh(quick_folder / "power")
        disk = ForgetfulDisk(fresh(quick_folder / "stash"), crash_at)
        memory = MailboxTree(STANDARD_FOLDERS)
        store = open_store(folder, disk)
        possible = run_until_crash(store, disk, memory, SCRIPT)
        abandon(store)
        disk.forget(fate)
        again = open_store(folder)
        assert facts(again.tree(ANN)) in possible, crash_at
        assert again.problems == []
        again.close()


@pytest.mark.parametrize("fate", ["torn", "lost"])
def test_a_power_cut_while_a_new_user_gets_his_folders(quick_folder, fate):
    first, _ = steps_of_the_script(quick_folder)
    for crash_at in range(1, first + 1):
        folder = fresh(quick_folder / "begin")
        disk = ForgetfulDisk(fresh(quick_folder / "stash"), crash_at)
        try:
            store = open_store(folder, disk)
        except Crash:
            (folder / "lock").unlink(missing_ok=True)
        else:
            with pytest.raises(Crash):
                store.tree(ANN)
            abandon(store)
        disk.forget(fate)
        again = open_store(folder)
        assert again.tree(ANN).names == MailboxTree(STANDARD_FOLDERS).names
        again.close()


@pytest.mark.parametrize("second", range(1, 12))
def test_a_crash_while_recovering_from_a_crash(tmp_path, second):
    disk, memory = CrashingDisk(), MailboxTree(STANDARD_FOLDERS)
    store = open_store(tmp_path / "mail", disk)
    store.tree(ANN)
    disk.crash_at = disk.steps + 57
    possible = run_until_crash(store, disk, memory, SCRIPT)
    abandon(store)
    dying = CrashingDisk()
    store = open_store(tmp_path / "mail", dying)
    dying.crash_at = dying.steps + second
    try:
        store.tree(ANN)
    except Crash:
        store._lock.release()
    else:
        store.close()
    again = open_store(tmp_path / "mail")
    assert facts(again.tree(ANN)) in possible
    again.close()
