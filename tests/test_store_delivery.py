"""Mail for a store that cannot take it now stays in the queue."""

import pytest

from maillab.agents.mda import find_or_make
from maillab.policy.recipient_settings import Action, MailRule, Quota
from maillab.store.accounts import DirectoryUnavailable
from maillab.store.disk import RealDisk
from maillab.store.messages import StoreUnavailable
from maillab.store.queue import Recipient
from maillab.store.spool import Spool
from tests.delivery_place import Place, run
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


def test_copies_of_rules_leave_once_however_often_it_is_tried(store, disk, tmp_path):
    copy = MailRule("copy", (), (Action("forward", "far@far.example"),))
    place = Place(rules=(copy,))
    account = place.directory.find_address("ann", "ours.example")
    account.mailboxes = store.tree(ANN)
    entry = place.entry(b"To: ann@ours.example\r\n\r\nHi\r\n")
    other = place.entry(b"To: ann@ours.example\r\n\r\nHo\r\n")
    for one in (entry, other):
        one.recipients.append(Recipient(path(ANN)))
    spool = Spool(RealDisk(tmp_path / "queue"))
    spool.add(entry)
    disk.fail()
    for one in (entry, other, entry):
        outcome = run(place.delivery.deliver(one, one.recipients[0]))
        assert outcome.status == "deferred"
    assert len(place.out) == 2
    spool.note(entry)
    [after] = Spool(RealDisk(tmp_path / "queue")).entries.values()  # a restart
    disk.fail_at = None
    delivery = Place(rules=(copy,))
    outcome = run(delivery.delivery.deliver(after, after.recipients[0]))
    assert (outcome.status, delivery.out) == ("delivered", [])


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
