"""Accounts in a real MariaDB, which this test starts on a socket of its own."""

import gc
import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import pymysql
import pytest

from maillab.store.sql_accounts import SqlDirectory
from tests.accounts_suite import ANN, DOMAINS, AccountsSuite, closing_all, plain, seeded

pytestmark = pytest.mark.interop

SERVICE = "mysql"  # Debian's user for the server, which does not run as root


class MariaDB:
    """A database server that nobody else sees."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "db.sock"
        self.data = folder / "data"
        self._names = count(1)
        self._user = SERVICE if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())[0]
        if os.geteuid() == 0:
            shutil.chown(folder, SERVICE)
        self._install()
        self.start()

    def _install(self) -> None:
        command = [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.data}",
            f"--user={self._user}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
        self.process = subprocess.Popen(
            [
                server,
                "--no-defaults",
                f"--datadir={self.data}",
                f"--user={self._user}",
                f"--socket={self.socket}",
                f"--pid-file={self.data}/server.pid",
                "--skip-networking",
                "--innodb-flush-log-at-trx-commit=0",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        said = []
        for line in self.process.stderr:
            said.append(line)
            if "ready for connections" in line:
                return
        raise AssertionError("".join(said))

    def stop(self) -> None:
        """Stop it as an administrator does."""
        self.process.terminate()
        self.process.communicate(timeout=60)

    def url(self) -> str:
        """A new database, with a user who may do anything in it."""
        name = f"mail{next(self._names)}"
        with (
            pymysql.connect(unix_socket=str(self.socket), user="root") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"CREATE DATABASE {name}")
            grant = f"GRANT ALL ON {name}.* TO maillab@localhost"
            cursor.execute(f"{grant} IDENTIFIED BY 'sesame'")
        where = f"localhost/{name}?unix_socket={self.socket}"
        return f"mysql+pymysql://maillab:sesame@{where}"


@pytest.fixture(scope="module")
def mariadb():
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB is not installed")
    folder = Path(tempfile.mkdtemp(prefix="maillab-"))  # a socket's path is short
    server = MariaDB(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


class TestInMariaDB(AccountsSuite):
    @pytest.fixture
    def make(self, mariadb):
        with closing_all() as made:
            yield lambda hasher: made(hasher, mariadb.url())


def mysql(mariadb: MariaDB, url: str, *statements: str) -> None:
    """What an administrator types into Debian's own client."""
    name = url.partition("localhost/")[2].partition("?")[0]
    subprocess.run(
        ["mariadb", "--no-defaults", f"--socket={mariadb.socket}", "-uroot", name],
        input=";".join(statements),
        text=True,
        check=True,
        timeout=60,
    )


def test_users_of_a_tutorial_log_in(mariadb):
    url = mariadb.url()
    mysql(
        mariadb,
        url,
        "CREATE TABLE virtual_domains (id int NOT NULL auto_increment,"
        " name varchar(50) NOT NULL, PRIMARY KEY (id)) ENGINE=InnoDB",
        "CREATE TABLE virtual_users (id int NOT NULL auto_increment,"
        " domain_id int NOT NULL, password varchar(106) NOT NULL,"
        " email varchar(100) NOT NULL, PRIMARY KEY (id), UNIQUE KEY email (email),"
        " FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE"
        ") ENGINE=InnoDB",
        "CREATE TABLE virtual_aliases (id int NOT NULL auto_increment,"
        " domain_id int NOT NULL, source varchar(100) NOT NULL,"
        " destination varchar(100) NOT NULL, PRIMARY KEY (id)) ENGINE=InnoDB",
        "INSERT INTO virtual_domains (name) VALUES ('alpha.example')",
        "INSERT INTO virtual_users (domain_id, password, email) VALUES"
        " (1, ENCRYPT('tea', CONCAT('$6$', SUBSTRING(SHA(RAND()), -16))),"
        " 'ann@alpha.example')",
    )
    directory = SqlDirectory(url, seeded())
    assert directory.verify(plain(ANN)).account.address == ANN
    assert not directory.verify(plain(ANN, "milk")).account
    directory.set_password(ANN, "milk")
    assert directory.verify(plain(ANN, "milk")).account
    mysql(mariadb, url, "UPDATE virtual_users SET enabled = 0")
    assert not directory.verify(plain(ANN, "milk")).account
    directory.close()


# PyMySQL leaves a socket that could not connect to the garbage collector
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_server_that_stops_is_a_failure_for_now(mariadb):
    directory = SqlDirectory(mariadb.url(), seeded(), domains=DOMAINS)
    directory.add(ANN, "tea")
    assert directory.verify(plain(ANN)).account
    mariadb.stop()
    login = directory.verify(plain(ANN))
    assert (login.account, login.temporary) == (None, True)
    del login
    gc.collect()
    mariadb.start()
    assert directory.verify(plain(ANN)).account
    directory.close()
