"""Clients on one mailbox are kept in step, however their commands interleave."""

import pytest

from tests.imap_interleaving import Schedule


@pytest.mark.parametrize("seed", range(100))
def test_two_clients_never_lose_count(seed):
    Schedule(2, seed).run(commands=20)


@pytest.mark.parametrize("seed", range(100))
def test_ten_clients_never_lose_count(seed):
    Schedule(10, seed).run(commands=8)
