"""Clients on one mailbox are kept in step, however their commands interleave."""

import pytest

from maillab.agents import imap_access_messages
from tests.imap_interleaving import Schedule


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """FETCH and SEARCH come in parts of two messages: others act in between."""
    monkeypatch.setattr(imap_access_messages, "MESSAGES", 2)


@pytest.mark.parametrize("seed", range(100))
def test_two_clients_never_lose_count(seed):
    Schedule(2, seed).run(commands=15)


@pytest.mark.parametrize("seed", range(100))
def test_ten_clients_never_lose_count(seed):
    Schedule(10, seed).run(commands=5)
