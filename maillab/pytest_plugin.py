"""A mail server for tests: the fixture `maillab`.

Goes in: a test that has an argument `maillab`. Comes out: a server in this process,
with SMTP, submission, IMAP and POP3, which the test has to itself
(`gateway.serving.in_process.InProcess`).

    def test_the_shop_confirms_an_order(maillab):
        maillab.add_user("ann@example.org", "secret")
        shop = Shop(smtp=(maillab.host, maillab.smtp_port))
        shop.order("tea", customer="ann@example.org")
        letter = maillab.wait_for_message(to="ann@example.org", subject="Your order")
        assert "tea" in letter.get_content()

Rule: nothing is imported before a test asks for the fixture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from maillab.gateway.serving.in_process import InProcess


@pytest.fixture
def maillab_options() -> dict[str, Any]:
    """Override it for other servers: {"store": tmp_path / "mail"} keeps mailboxes on
    disk, {"plain_login": False} takes passwords under TLS only.
    """
    return {}


@pytest.fixture
def maillab(maillab_options: dict[str, Any]) -> "Iterator[InProcess]":
    """A mail server of this test's own."""
    from maillab.gateway.serving.in_process import InProcess

    with InProcess(**maillab_options) as server:
        yield server
