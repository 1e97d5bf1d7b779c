"""A live world for programs that we did not write."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from maillab import open_world
from maillab.gateway.live import Live
from maillab.store.messages import StoredMessage
from maillab.world.files import find_scenario, load
from maillab.world.mail_tables import MailTable
from maillab.world.scenario import LoadedScenario
from maillab.world.world import World
from tests.interop.mail_server import MailServer, User
from tests.worlds import Journal, arrived

ALICE, BOB = "alice@alpha.example", "bob@beta.example"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
SERVERS = {ALICE: "mail.alpha.example", BOB: "mx.beta.example"}


class Site:
    """The world two-domains behind real ports; alice sends, bob reads."""

    def __init__(self, live: Live, folder: Path) -> None:
        self.live = live
        self.world = live.world
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.world.ca.pem)

    def port(self, who: str, number: int) -> int:
        """The real port of somebody's server."""
        return self.live.door(SERVERS[who], number).real_port

    def arrived(self, text: str, who: str = BOB) -> StoredMessage:
        """Wait for a message with this text."""
        return self.live.call(arrived(self.world.mailbox(who), text.encode()))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_world("two-domains") as world:
        with Live(world) as live:
            yield Site(live, tmp_path_factory.mktemp("site"))
        assert Journal(world).failures == []


@pytest.fixture(scope="module")
def equipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same world; alpha's server knows every mechanism of AUTH, and LMTP."""
    with equipped_world() as world:
        with Live(world) as live:
            yield Site(live, tmp_path_factory.mktemp("equipped"))
        assert Journal(world).failures == []


def equipped_world() -> World:
    """See the fixture `equipped`."""
    loaded = load(find_scenario("two-domains"))
    hosts = dict(loaded.scenario.hosts)
    alpha = hosts[SERVERS[ALICE]]
    changed = {
        "serves": [*alpha.serves, "lmtp"],
        "reversible_passwords": True,  # for CRAM-MD5
        "mail": MailTable.model_validate({"access": {"mechanisms": MECHANISMS}}),
    }
    hosts[SERVERS[ALICE]] = alpha.model_copy(update=changed)
    scenario = loaded.scenario.model_copy(update={"hosts": hosts})
    return World(LoadedScenario(loaded.file, loaded.text, scenario))


@pytest.fixture(scope="module", params=["memory", "disk"])
def mail_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MailServer]:
    """maillab on real ports, without a world; mail in memory or on disk."""
    folder = tmp_path_factory.mktemp("mail")
    server = MailServer(folder, folder / "store" if request.param == "disk" else None)
    yield server
    server.close()


@pytest.fixture
def user(mail_server: MailServer) -> User:
    """Somebody new on that server."""
    return mail_server.newcomer()


def run(*command: str | Path, code: int = 0) -> str:
    """Run a program, expect its exit code, return what it said."""
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
