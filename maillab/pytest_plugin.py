"""For pytest: the fixture `maillab`, a mail server; and a grader of notebooks.

Goes in: a test that has an argument `maillab`. Comes out: a server in this process,
with SMTP, submission, IMAP and POP3, which the test has to itself
(`gateway.serving.in_process.InProcess`).

    def test_the_shop_confirms_an_order(maillab):
        maillab.add_user("ann@example.org", "secret")
        shop = Shop(smtp=(maillab.host, maillab.smtp_port))
        shop.order("tea", customer="ann@example.org")
        letter = maillab.wait_for_message(to="ann@example.org", subject="Your order")
        assert "tea" in letter.get_content()

    pytest --maillab-grade handed-in/*.ipynb

grades notebooks with nbval, each check as a test, and lists the points at the end.

Rule: nothing is imported before a test asks for the fixture, or the option is there.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

GRADING = "maillab.grading.running.with_pytest"

if TYPE_CHECKING:
    from maillab.gateway.serving.in_process import InProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    """How notebooks are graded."""
    group = parser.getgroup("maillab", "Grading notebooks of maillab")
    group.addoption(
        "--maillab-grade", action="store_true", help="grade .ipynb files, in points"
    )
    group.addoption("--maillab-reference", help="01, or the instructor's notebook")
    group.addoption("--maillab-seed", help="of the world to grade in (a secret)")
    group.addoption(
        "--maillab-jail", default="auto", help="bwrap, docker or none (default: auto)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the grader when it is wanted."""
    if config.option.maillab_grade:
        config.pluginmanager.import_plugin(GRADING)


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
