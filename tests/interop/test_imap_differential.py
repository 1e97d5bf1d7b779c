"""170 IMAP sessions at maillab and at Dovecot: the same data, the same OK, NO and BAD.

What a server may choose is taken away first (`imap_outcomes` says what). What remains
is equal, or it stands in `imap_differences`, with the reason.
"""

import pytest

from maillab.store.mailbox_tree import STANDARD_FOLDERS
from tests.interop.dovecot_mail import PASSWORD, Dovecot, serving_dovecot
from tests.interop.imap_differences import KNOWN_DIFFERENCES, Known, find_known
from tests.interop.imap_outcomes import Player, differences
from tests.interop.imap_sequences import sequence
from tests.interop.mail_server import DOMAIN, SECRET, MailServer

pytestmark = pytest.mark.interop

COUNT = 170
ON_DISK = 30  # of them again, with mail in folders


@pytest.fixture(scope="module")
def dovecot():
    with serving_dovecot() as dovecot:
        yield dovecot


@pytest.fixture
def in_memory(tmp_path):
    server = MailServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def on_disk(tmp_path):
    server = MailServer(tmp_path, tmp_path / "store")
    yield server
    server.close()


def compare(
    ours: MailServer, dovecot: Dovecot, seed: int
) -> tuple[list[str], set[Known]]:
    """What is different without a reason; and the known differences that were met."""
    address = f"u{seed}@{DOMAIN}"
    ours.add(address)
    mine = Player(ours.ports["imap"], address, SECRET)
    theirs = Player(dovecot.imap, f"u{seed}-{ours.ports['imap']}", PASSWORD)
    theirs.prepare(b"SUBSCRIBE INBOX")
    for name in STANDARD_FOLDERS:
        theirs.prepare(f"CREATE {name}".encode(), f"SUBSCRIBE {name}".encode())
    unknown: list[str] = []
    met: set[Known] = set()
    for number, step in enumerate(sequence(seed)):
        one, other = mine.play(step), theirs.play(step)
        for difference in differences(step.command, one, other):
            known = find_known(step, difference)
            if known is None:
                what = "\n    ".join(difference)
                unknown.append(f"{seed}.{number} {step}\n    {what}")
            else:
                met.add(known)
        if unknown or any(one.parts for one in met):  # now the two stand elsewhere
            break
    mine.close()
    theirs.close()
    return unknown, met


def test_sessions_agree_or_the_difference_has_a_reason(in_memory, dovecot):
    unknown, met = compare_all(in_memory, dovecot, range(COUNT))
    assert not unknown, f"{len(unknown)} differences\n" + "\n".join(unknown)
    assert met == set(KNOWN_DIFFERENCES)


def test_sessions_agree_when_mail_is_on_disk(on_disk, dovecot):
    unknown, _ = compare_all(on_disk, dovecot, range(ON_DISK))
    assert not unknown, f"{len(unknown)} differences\n" + "\n".join(unknown)


def compare_all(
    ours: MailServer, dovecot: Dovecot, seeds: range
) -> tuple[list[str], set[Known]]:
    """`compare` for some seeds."""
    unknown: list[str] = []
    met: set[Known] = set()
    for seed in seeds:
        more, known = compare(ours, dovecot, seed)
        unknown += more
        met |= known
    return unknown, met
