"""Accounts in memory and in SQLite: the same behaviour, and what is special."""

import pickle
import random

import pytest
import sqlalchemy as sql

from maillab.agents.directory_aliases import with_directory_aliases
from maillab.errors import LabError
from maillab.policy.recipient_settings import Alias, CatchAll, Recipients
from maillab.policy.settings import Settings
from maillab.store.accounts import WRONG_PASSWORD, DirectoryUnavailable, MemoryDirectory
from maillab.store.sql_accounts import SqlDirectory
from tests.accounts_suite import ANN, DOMAINS, AccountsSuite, closing_all, plain, seeded


class TestInMemory(AccountsSuite):
    @pytest.fixture
    def make(self):
        return lambda hasher: MemoryDirectory(DOMAINS, hasher)


class TestInSqlite(AccountsSuite):
    @pytest.fixture
    def make(self):
        with closing_all() as made:
            yield lambda hasher: made(hasher, "sqlite://")


class TestInASqliteFile(AccountsSuite):
    @pytest.fixture
    def make(self, tmp_path):
        with closing_all() as made:
            yield lambda hasher: made(hasher, f"sqlite:///{tmp_path}/accounts.db")


OF_CRYPT = (  # what crypt(3) makes of "Hello world!"
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/"
    "O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
)
TUTORIAL = """
CREATE TABLE virtual_domains (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL);
CREATE TABLE virtual_users (
  id INTEGER PRIMARY KEY, domain_id INTEGER NOT NULL, password VARCHAR(106) NOT NULL,
  email VARCHAR(100) NOT NULL UNIQUE,
  FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE);
CREATE TABLE virtual_aliases (
  id INTEGER PRIMARY KEY, domain_id INTEGER NOT NULL,
  source VARCHAR(100) NOT NULL, destination VARCHAR(100) NOT NULL);
INSERT INTO virtual_domains (name) VALUES ('alpha.example');
INSERT INTO virtual_users (domain_id, password, email) VALUES
  (1, 'OF_CRYPT',
   'hello@alpha.example'),
  (1, '{PLAIN}tea', 'Ann@alpha.example');
INSERT INTO virtual_aliases (domain_id, source, destination) VALUES
  (1, 'info@alpha.example', 'ann@alpha.example'),
  (1, 'info@alpha.example', 'hello@alpha.example, bob@beta.example'),
  (1, '@alpha.example', 'ann@alpha.example');
"""


def run(directory, *statements):
    """What an administrator types into the database's own client."""
    with directory.engine.begin() as connection:
        for statement in statements:
            connection.execute(sql.text(statement))


@pytest.fixture
def by_tutorial():
    directory = SqlDirectory("sqlite://", seeded())
    run(
        directory, *filter(str.strip, TUTORIAL.replace("OF_CRYPT", OF_CRYPT).split(";"))
    )
    yield directory
    directory.close()


@pytest.fixture
def database():
    directory = SqlDirectory("sqlite://", seeded(), domains=DOMAINS)
    directory.add(ANN, "tea")
    yield directory
    directory.close()


def test_the_tables_of_a_tutorial_are_good_as_they_are(by_tutorial):
    assert by_tutorial.domains == {"alpha.example"}
    assert by_tutorial.verify(plain("ann@alpha.example")).account
    assert by_tutorial.verify(plain("hello", "Hello world!")).account
    assert by_tutorial.verify(plain("hello", "tea")).reason == WRONG_PASSWORD
    assert by_tutorial.add("bob@alpha.example", "milk").enabled
    assert by_tutorial.verify(plain("bob", "milk")).account
    by_tutorial.disable("hello")
    assert not by_tutorial.verify(plain("hello", "Hello world!")).account


def test_aliases_are_read_from_their_table(by_tutorial):
    both = ("ann@alpha.example", "hello@alpha.example", "bob@beta.example")
    assert by_tutorial.aliases() == {
        "info@alpha.example": both,
        "@alpha.example": ("ann@alpha.example",),
    }
    by_tutorial.add_alias("sales@alpha.example", "ann@alpha.example")
    assert by_tutorial.aliases()["sales@alpha.example"] == ("ann@alpha.example",)
    assert MemoryDirectory(DOMAINS, seeded()).aliases() == {}


def test_aliases_of_the_table_stand_behind_those_of_the_settings(by_tutorial):
    mine = Settings(recipients=Recipients(aliases=(Alias("a@alpha.example", (ANN,)),)))
    both = with_directory_aliases(mine, by_tutorial).recipients
    addresses = [alias.address for alias in both.aliases]
    assert addresses == ["a@alpha.example", "info@alpha.example"]
    assert both.catch_all == (CatchAll("alpha.example", "ann@alpha.example"),)
    assert with_directory_aliases(mine, MemoryDirectory()) is mine


def test_a_plain_password_in_the_table_is_good_for_every_mechanism(by_tutorial):
    assert by_tutorial.secret_for("CRAM-MD5", "ann") == "tea"
    assert by_tutorial.secret_for("SCRAM-SHA-256", "ann").has_password("tea")
    assert by_tutorial.secret_for("SCRAM-SHA-256", "hello") is None


def test_a_change_by_sql_acts_at_the_next_login(database):
    assert database.verify(plain(ANN)).account
    run(database, "UPDATE virtual_users SET enabled = 0")
    assert not database.verify(plain(ANN)).account
    run(database, "UPDATE virtual_users SET enabled = NULL, password = '{PLAIN}cocoa'")
    assert database.verify(plain(ANN)).reason == WRONG_PASSWORD
    assert database.verify(plain(ANN, "cocoa")).account
    run(database, "DELETE FROM virtual_domains WHERE name = 'alpha.example'")
    assert database.find_login(ANN) is None, "the users go with their domain"


def test_an_old_verifier_counts_for_nothing_after_a_change_by_sql(database):
    assert database.secret_for("SCRAM-SHA-256", ANN).has_password("tea")
    hashed = seeded().secret("cocoa").stored.to_text()
    run(database, f"UPDATE virtual_users SET password = '{hashed}'")
    assert database.verify(plain(ANN, "cocoa")).account
    assert database.secret_for("SCRAM-SHA-256", ANN) is None


def test_the_table_has_no_password_that_can_be_read(database):
    with database.engine.begin() as connection:
        rows = connection.execute(sql.text("SELECT * FROM virtual_users")).all()
    assert "{SCRYPT}ln=8,r=8,p=1$" in rows[0].password
    assert len(rows[0].password) <= 106, "a column of many a tutorial"
    assert rows[0].scram.startswith("SCRAM-SHA-256$4096:")
    assert "tea" not in str(rows)


def test_a_database_that_is_gone_is_a_failure_for_now(tmp_path):
    directory = SqlDirectory(f"sqlite:///{tmp_path}/no/such/folder.db", seeded())
    login = directory.verify(plain(ANN))
    assert (login.account, login.temporary) == (None, True)
    assert (
        login.reason
        == "the directory cannot answer: the database says OperationalError"
    )
    for question in (
        lambda: directory.find_address("ann", "alpha.example"),
        lambda: directory.is_local("alpha.example"),
        lambda: directory.is_active("ann"),
        lambda: directory.secret_for("SCRAM-SHA-256", "ann"),
    ):
        with pytest.raises(DirectoryUnavailable):
            question()


def test_a_database_that_comes_back_is_asked_again(tmp_path):
    folder = tmp_path / "later"
    url = f"sqlite:///{folder}/accounts.db"
    directory = SqlDirectory(url, seeded(), domains=DOMAINS)
    assert directory.verify(plain(ANN)).temporary
    folder.mkdir()
    directory.add(ANN, "tea")
    assert directory.verify(plain(ANN)).account
    again = SqlDirectory(url, seeded(), domains=DOMAINS)
    assert again.verify(plain(ANN)).account


def test_a_damaged_password_is_our_fault_and_is_not_quoted(database):
    run(database, "UPDATE virtual_users SET password = 'tea'")
    login = database.verify(plain(ANN))
    assert login.temporary
    assert f"{ANN}: a stored password begins with its scheme" in login.reason
    assert "tea" not in login.reason


def test_a_row_that_does_not_fit_is_told_plainly(database):
    with pytest.raises(LabError, match="the database refuses this row"):
        database.add_domain("alpha.example")
    with pytest.raises(LabError, match=r"gamma.example is no domain of this server"):
        database.add_alias("info@gamma.example", ANN)


@pytest.mark.parametrize("url", ["nonsense", "nosuchsql://host/name"])
def test_a_wrong_url_is_told_plainly(url):
    with pytest.raises(LabError, match="expected a URL such as"):
        SqlDirectory(url)


def test_a_url_is_shown_without_its_password():
    directory = SqlDirectory("mysql+pymysql://mail:sesame@db.example/mail")
    assert "sesame" not in repr(directory)


@pytest.mark.parametrize("reversible", [False, True])
def test_the_same_seed_keeps_the_same_bytes(reversible):
    def made(seed):
        from maillab.store.passwords import Hasher

        hasher = Hasher(random.Random(seed), reversible=reversible)
        directory = MemoryDirectory(DOMAINS, hasher)
        directory.add(ANN, "tea")
        return pickle.dumps(directory)

    assert made("one") == made("one")
    assert made("one") != made("two")


def test_a_pickled_directory_has_no_password():
    directory = MemoryDirectory(DOMAINS, seeded())
    directory.add(ANN, "oolong-tea")
    pickled = pickle.dumps(directory)
    assert b"oolong" not in pickled
    assert pickle.loads(pickled).verify(plain(ANN, "oolong-tea")).account
