"""Accounts in a database, in the three tables that Postfix and Dovecot share.

Goes in: the URL of a database, as SQLAlchemy writes it. Comes out: a directory.

    virtual_domains(id, name, created)
    virtual_users(id, domain_id, password, email, enabled, full_name, scram)
    virtual_aliases(id, domain_id, source, destination)

Rule 1: nothing is remembered but mailboxes: each question is a query, so a change by
        SQL acts at the next login.
Rule 2: a row that somebody inserted by hand needs `domain_id`, `password` and `email`
        only; `password` is anything that `store.passwords` reads.
Rule 3: what a peer sent reaches the database as a bound parameter, never as SQL.
Rule 4: a database that does not answer is DirectoryUnavailable, whatever it says.

Queries block: a few milliseconds, or `PATIENCE` seconds when the database is gone.
"""

import hashlib
import random
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    IntegrityError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool, StaticPool

from maillab.errors import LabError
from maillab.store.account_changes import Mailboxes, State, changes, mailboxes_in_memory
from maillab.store.accounts import Account, DirectoryBase, DirectoryUnavailable
from maillab.store.passwords import Hasher, Secret, read_password
from maillab.wire.sasl_scram import ScramVerifier

PATIENCE = 5  # seconds, for a database that does not answer

tables = sql.MetaData()

_INNODB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _domain_id() -> sql.Column[int]:
    owner = sql.ForeignKey("virtual_domains.id", ondelete="CASCADE")
    return sql.Column("domain_id", sql.Integer, owner, nullable=False)


DOMAINS = sql.Table(
    "virtual_domains",
    tables,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("name", sql.String(255), nullable=False, unique=True),
    sql.Column("created", sql.DateTime, server_default=sql.func.now()),
    **_INNODB,
)

USERS = sql.Table(
    "virtual_users",
    tables,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    _domain_id(),
    sql.Column("password", sql.String(255), nullable=False),
    sql.Column("email", sql.String(254), nullable=False, unique=True),
    sql.Column("enabled", sql.Boolean, server_default=sql.true()),  # NULL: yes
    sql.Column("full_name", sql.String(255)),
    sql.Column("scram", sql.String(255)),  # see `_scram_text`
    **_INNODB,
)

ALIASES = sql.Table(
    "virtual_aliases",
    tables,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    _domain_id(),
    sql.Column("source", sql.String(254), nullable=False),
    sql.Column("destination", sql.Text, nullable=False),
    **_INNODB,
)


class SqlDirectory(DirectoryBase):
    """The domains and accounts of a mail server, in a database.

    url       "sqlite://" is a database in memory, "sqlite:///file.db" one in a file,
              "mysql+pymysql://user:password@host/name" a MariaDB; or an `Engine`
    domains   added if they are not there yet
    created   what stands as date of a new domain; None: the database's own clock

    Raises LabError: the URL is wrong.
    """

    def __init__(
        self,
        url: str | Engine = "sqlite://",
        hasher: Hasher | None = None,
        *,
        domains: Iterable[str] = (),
        created: datetime | None = None,
        mailboxes: Mailboxes = mailboxes_in_memory,
    ) -> None:
        super().__init__(hasher or Hasher(random.SystemRandom()), mailboxes)
        self.engine = url if isinstance(url, Engine) else open_engine(url)
        self._created = created
        self._is_ready = False
        self._mine = tuple(domain.lower() for domain in domains)
        self._mailboxes: dict[str, Account] = {}  # by address in lower case
        self._seen: dict[str, State] = {}  # ... at the last `refresh`

    # Asking ---------------------------------------------------------------------------

    @property
    def domains(self) -> frozenset[str]:
        """The domains whose mail ends here, in lower case."""
        return frozenset(row.name.lower() for row in self._rows(sql.select(DOMAINS)))

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        rows = self._rows(sql.select(USERS).order_by(USERS.c.id))
        return tuple(map(self._account, rows))

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """For whom mail for an address is; "@domain" is every other name of a domain.

        A row may name several destinations, with commas, as in Postfix's tables.
        """
        found: dict[str, tuple[str, ...]] = {}
        for row in self._rows(sql.select(ALIASES).order_by(ALIASES.c.id)):
            names = (name.strip() for name in row.destination.split(","))
            known = found.get(row.source, ())
            found[row.source] = (*known, *filter(None, names))
        return {source: to for source, to in found.items() if to}

    def refresh(self) -> None:
        """Look for what others changed; who watches is told. Raises as a query does."""
        now = {
            row.email.lower(): State(row.enabled is not False, _mark(row.password))
            for row in self._rows(sql.select(USERS))
        }
        before, self._seen = self._seen, now
        for address, what in changes(before, now):
            account = self._mailboxes.get(address)
            if account is None:
                continue  # nobody has logged in by it
            account.enabled = account.enabled and what == "password"
            if what == "removed":
                del self._mailboxes[address]
            self._tell(account, what)

    def close(self) -> None:
        """The end: the connections to the database are closed."""
        super().close()
        self.engine.dispose()

    # Administering --------------------------------------------------------------------

    def add(self, address: str, password: str, full_name: str = "") -> Account:
        """Create an account with an empty INBOX. Raises LabError."""
        self._check_new(address)
        values = self._columns(self._new_secret(password))
        domain = self._domain_id(address.rpartition("@")[2])
        row = {"domain_id": domain, "email": address, "full_name": full_name, **values}
        self._change(sql.insert(USERS).values(row))
        return self.require(address)

    def add_domain(self, name: str) -> None:
        """Be the home of one more domain, from now on. Raises LabError."""
        values: dict[str, Any] = {"name": name.lower()}
        if self._created is not None:
            values["created"] = self._created
        self._change(sql.insert(DOMAINS).values(values))

    def add_alias(self, source: str, *destinations: str) -> None:
        """Let mail for `source` go to other addresses. Raises LabError."""
        domain = self._domain_id(source.rpartition("@")[2])
        for to in destinations:
            row = {"domain_id": domain, "source": source, "destination": to}
            self._change(sql.insert(ALIASES).values(row))

    def _domain_id(self, name: str) -> int:
        same = sql.func.lower(DOMAINS.c.name) == name.lower()
        rows = self._rows(sql.select(DOMAINS).where(same))
        if not rows:
            raise LabError(f"{name} is no domain of this server: add_domain({name!r})")
        return rows[0].id

    def _keep(self, account: Account, secret: Secret) -> None:
        self._update(account, self._columns(secret))

    def _switch(self, account: Account, enabled: bool) -> None:
        self._update(account, {"enabled": enabled})
        account.enabled = enabled

    def _delete(self, account: Account) -> None:
        self._change(sql.delete(USERS).where(_has(account.address)))
        self._mailboxes.pop(account.address.lower(), None)

    def _update(self, account: Account, values: dict[str, Any]) -> None:
        self._change(sql.update(USERS).where(_has(account.address)).values(values))

    # Rows -----------------------------------------------------------------------------

    def _find(self, address: str) -> Account | None:
        rows = self._rows(sql.select(USERS).where(_has(address)))
        return self._account(rows[0]) if rows else None

    def _named(self, local_part: str) -> list[Account]:
        start = sql.func.lower(USERS.c.email).startswith(
            f"{local_part.lower()}@", autoescape=True
        )
        return [
            self._account(row) for row in self._rows(sql.select(USERS).where(start))
        ]

    def _secret_of(self, account: Account) -> Secret:
        rows = self._rows(sql.select(USERS).where(_has(account.address)))
        if not rows:
            raise DirectoryUnavailable("the account has just gone")
        try:
            return Secret(read_password(rows[0].password), _read_scram(rows[0]))
        except ValueError as error:
            raise DirectoryUnavailable(f"{account.address}: {error}") from error

    def _columns(self, secret: Secret) -> dict[str, Any]:
        text = secret.stored.to_text()
        scram = _scram_text(secret.scram, text) if secret.scram else None
        return {"password": text, "scram": scram}

    def _account(self, row: Any) -> Account:
        """The account of a row, with the mailboxes that it had before."""
        key = row.email.lower()
        if key not in self._mailboxes:
            names = (row.email, row.email.rpartition("@")[0])
            tree = self.mailboxes(row.email)
            self._mailboxes[key] = Account(row.email, tree, login_names=names)
        account = self._mailboxes[key]
        account.enabled = row.enabled is not False
        account.full_name = row.full_name or ""
        return account

    # The database ---------------------------------------------------------------------

    def _rows(self, query: sql.Select[Any]) -> list[Any]:
        with self._connect() as connection:
            return list(connection.execute(query).all())

    def _change(self, statement: sql.Insert | sql.Update | sql.Delete) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    @contextmanager
    def _connect(self) -> Generator[Connection, None, None]:
        """A transaction. Raises DirectoryUnavailable, LabError (a wrong row)."""
        self.prepare()
        with answered(), self.engine.begin() as connection:
            yield connection

    def prepare(self) -> None:
        """Make what is missing: tables, columns, domains. Every question does, once.

        Raises DirectoryUnavailable.
        """
        if self._is_ready:
            return
        with answered():
            tables.create_all(self.engine)
            add_missing_columns(self.engine)
        self._is_ready = True
        for domain in sorted(set(self._mine) - self.domains):
            self.add_domain(domain)

    def __repr__(self) -> str:
        return f"<SqlDirectory {self.engine.url.render_as_string(hide_password=True)}>"


@contextmanager
def answered() -> Generator[None, None, None]:
    """What a database says, as our errors: DirectoryUnavailable, LabError."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise LabError(f"the database refuses this row: {error.orig}") from error
    except (SQLAlchemyError, OSError) as error:
        kind = type(error).__name__
        raise DirectoryUnavailable(f"the database says {kind}") from error


def add_missing_columns(engine: Engine) -> None:
    """Let tables that somebody made by a tutorial have what ours have besides."""
    for table in tables.sorted_tables:
        there = {
            column["name"] for column in sql.inspect(engine).get_columns(table.name)
        }
        missing = [column for column in table.columns if column.name not in there]
        with engine.begin() as connection:
            for column in missing:
                kind = column.type.compile(engine.dialect)
                # both names are ours, and no value of anybody is in it
                change = f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                connection.execute(sql.text(change))


def open_engine(url: str) -> Engine:
    """An engine that nobody waits for long. Raises LabError."""
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
        if kind != "sqlite":
            arguments = {"connect_timeout": PATIENCE} if kind in _MARIADB else {}
            return sql.create_engine(parsed, connect_args=arguments, pool_pre_ping=True)
        arguments = {"check_same_thread": False, "timeout": PATIENCE}
        in_memory = parsed.database in (None, "", ":memory:")
        pool = StaticPool if in_memory else NullPool
        engine = sql.create_engine(parsed, connect_args=arguments, poolclass=pool)
    except (ArgumentError, ImportError) as error:
        raise LabError(
            f"no database can be opened: {error}; expected a URL such as "
            '"sqlite:///accounts.db" or "mysql+pymysql://user:password@host/name"'
        ) from error
    event.listen(engine, "connect", _mind_foreign_keys)
    return engine


_MARIADB = {"mysql", "mariadb"}


def _mind_foreign_keys(connection: Any, _record: Any) -> None:
    """Without this SQLite keeps the users of a domain that was deleted."""
    connection.execute("PRAGMA foreign_keys = ON")


def _has(address: str) -> sql.ColumnElement[bool]:
    return sql.func.lower(USERS.c.email) == address.lower()


def _scram_text(verifier: ScramVerifier, password: str) -> str:
    """A verifier, and a mark of the `password` column that it belongs to.

    Who changes a password by SQL changes that column only. Then the mark is wrong, and
    the old verifier counts for nothing.
    """
    return f"{verifier.to_text()} {_mark(password)}"


def _read_scram(row: Any) -> ScramVerifier | None:
    text, _, mark = (row.scram or "").partition(" ")
    return ScramVerifier.from_text(text) if mark == _mark(row.password) else None


def _mark(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()[:16]
