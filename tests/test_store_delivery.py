"""Mail for a store that cannot take it now stays in the queue."""

import pytest

from maillab.agents.mda import find_or_make
from maillab.policy.recipient_settings import Quota
from maillab.store.accounts import DirectoryUnavailable
from maillab.store.messages import StoreUnavailable
from tests.delivery_place import Place
from tests.mail_disks import FailingDisk, open_store
from tests.policy_cases import path

ANN = "ann@ours.example"


@pytest.fixture
def disk():
    return FailingDisk()


@pytest.fixture
def store(tmp_path, disk):
    opened = open_store(tmp_path, disk)
    yield opened
    opened.close()


def test_a_full_disk_defers(store, disk):
    place = Place()
    account = place.directory.find_address("ann", "ours.example")
    account.mailboxes = store.tree(ANN)
    disk.fail()
    outcome = place.send(ANN)
    assert (outcome.status, outcome.code) == ("deferred", "4.3.1")
    assert outcome.reason == "The disk of the mail store is full"
    assert store.tree(ANN).inbox.count == 0
    disk.fail_at = None
    assert place.send(ANN).status == "delivered"
    assert store.tree(ANN).inbox.count == 1


def test_a_folder_that_cannot_be_made_now_is_not_replaced_by_inbox(store, disk):
    tree = store.tree(ANN)
    disk.fail()
    with pytest.raises(StoreUnavailable):
        find_or_make(tree, "lists")
    disk.fail_at = None
    assert find_or_make(tree, "lists").name == "lists"
    assert find_or_make(tree, "no*name") is tree.inbox


def test_a_quota_that_cannot_be_looked_up_is_asked_for_later():
    class Gone:
        names = ("INBOX",)

        def require(self, name):
            raise StoreUnavailable("gone")

    place = Place(quotas=(Quota(ANN, 1000),))
    place.directory.find_address("ann", "ours.example").mailboxes = Gone()
    with pytest.raises(DirectoryUnavailable, match="gone"):
        place.delivery.judge_quota(path(ANN))
