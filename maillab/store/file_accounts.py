"""Accounts in a file that a person can read and edit.

Goes in: a file, and changes. Comes out: a directory.

    ["ann@alpha.example"]
    name = "Ann Ash"
    password = "{SCRYPT}ln=15,r=8,p=1$…"
    scram = "…"
    disabled = true

Rule 1: `password` is anything that `store.passwords` reads; the other keys may be
        missing. Without `scram`, SCRAM-SHA-256 is for other accounts.
Rule 2: the file is written under another name, synced and renamed, and only its owner
        may read it. Who changes it by `FileDirectory` waits for others who do.
Rule 3: a change of the file acts at the next question, whoever made it. A file that is
        wrong changes nothing: what was known before stays, and `problem` says why.
"""

import os
import tomllib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from maillab.errors import LabError
from maillab.store.account_changes import Mailboxes, State, changes, mailboxes_in_memory
from maillab.store.accounts import Account, DirectoryBase, DirectoryUnavailable
from maillab.store.folders import sync_folder
from maillab.store.messages import MailboxError
from maillab.store.passwords import Hasher, Secret, read_password, real_hasher
from maillab.wire.sasl_scram import ScramVerifier

try:
    import fcntl
except ImportError:  # Windows: the last one to write wins
    fcntl = None

HEAD = """\
# The accounts of this mail server. `maillab user` changes them; so may you.
# A change acts at the next login, and ends sessions of those who may not go on.
"""
KEYS = ("name", "password", "scram", "disabled")

Rows = dict[str, "Row"]  # by address in lower case
Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One account, as the file has it."""

    address: str
    secret: Secret
    name: str = ""
    disabled: bool = False

    @property
    def state(self) -> State:
        """What matters to sessions."""
        return State(not self.disabled, self.secret.stored.to_text())


class FileDirectory(DirectoryBase):
    """The accounts of a file, for some domains.

    problem  why the file of now does not count; "" when it does
    """

    def __init__(
        self,
        file: Path | str,
        domains: Iterable[str] = (),
        hasher: Hasher | None = None,
        mailboxes: Mailboxes = mailboxes_in_memory,
    ) -> None:
        super().__init__(hasher or real_hasher(), mailboxes)
        self.file = Path(file)
        self.problem = ""
        self._domains = frozenset(domain.lower() for domain in domains)
        self._rows: Rows = {}
        self._accounts: dict[str, Account] = {}  # those that somebody asked for
        self._signature: Signature | None = None

    # Asking ---------------------------------------------------------------------------

    @property
    def domains(self) -> frozenset[str]:
        """The domains whose mail ends here, in lower case."""
        return self._domains

    @domains.setter
    def domains(self, names: Iterable[str]) -> None:
        self._domains = frozenset(name.lower() for name in names)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        self.refresh()
        return tuple(self._account(key) for key in self._rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The addresses of all accounts, the oldest first."""
        self.refresh()
        return tuple(row.address for row in self._rows.values())

    @property
    def rows(self) -> tuple[Row, ...]:
        """What the file says; their mailboxes are left alone."""
        self.refresh()
        return tuple(self._rows.values())

    def refresh(self) -> None:
        """Look for what others changed; who watches is told."""
        signature = signature_of(self.file)
        if signature == self._signature:
            return
        self._signature = signature
        try:
            rows = read_rows(self.file)
        except LabError as error:
            self.problem = str(error)
            return
        self.problem = ""
        self._take_over(rows)

    def check(self) -> None:
        """Raises LabError when the file is wrong."""
        self.refresh()
        if self.problem:
            raise LabError(self.problem)

    def _take_over(self, rows: Rows) -> None:
        before, self._rows = self._rows, rows
        for key, row in rows.items():
            if key in self._accounts:
                self._accounts[key].enabled = not row.disabled
                self._accounts[key].full_name = row.name
        for key, event in changes(states(before), states(rows)):
            account = self._accounts.get(key)
            if event == "removed":
                self._accounts.pop(key, None)
            if account is not None:  # else nobody has logged in by it
                account.enabled = account.enabled and event != "removed"
                self._tell(account, event)

    # Administering --------------------------------------------------------------------

    def add(self, address: str, password: str, full_name: str = "") -> Account:
        """Create an account with an empty INBOX. Raises LabError."""
        secret = self._new_secret(password)
        with self._changing() as rows:
            self._check_new(address)
            rows[address.lower()] = Row(address, secret, full_name)
        return self._account(address.lower())

    def _keep(self, account: Account, secret: Secret) -> None:
        self._replace(account, secret=secret)

    def _switch(self, account: Account, enabled: bool) -> None:
        self._replace(account, disabled=not enabled)
        account.enabled = enabled

    def _delete(self, account: Account) -> None:
        with self._changing() as rows:
            rows.pop(account.address.lower(), None)
        self._accounts.pop(account.address.lower(), None)

    def _replace(self, account: Account, **changed: Any) -> None:
        key = account.address.lower()
        with self._changing() as rows:
            if key not in rows:
                raise LabError(f"the account {account.address} has just gone")
            rows[key] = replace(rows[key], **changed)

    @contextmanager
    def _changing(self) -> Generator[Rows, None, None]:
        """The rows of now, to change; they are written at the end. Raises LabError."""
        with locked(self.file):
            self.check()
            rows = dict(self._rows)
            yield rows
            write_rows(self.file, rows)
            self._signature = signature_of(self.file)
            self._rows = rows

    # Looking up -----------------------------------------------------------------------

    def _find(self, address: str) -> Account | None:
        self.refresh()
        key = address.lower()
        return self._account(key) if key in self._rows else None

    def _named(self, local_part: str) -> list[Account]:
        self.refresh()
        start = f"{local_part.lower()}@"
        return [self._account(key) for key in self._rows if key.startswith(start)]

    def _secret_of(self, account: Account) -> Secret:
        row = self._rows.get(account.address.lower())
        if row is None:
            raise DirectoryUnavailable("the account has just gone")
        return row.secret

    def _account(self, key: str) -> Account:
        """The account of a row; its mailboxes are opened when it is first asked for."""
        if key not in self._accounts:
            row = self._rows[key]
            try:
                mailboxes = self.mailboxes(row.address)
            except (OSError, MailboxError, LabError) as error:
                raise DirectoryUnavailable(f"{row.address}: {error}") from error
            account = Account(row.address, mailboxes, not row.disabled)
            account.full_name = row.name
            account.login_names = (row.address, account.local_part)
            self._accounts[key] = account
        return self._accounts[key]

    def __repr__(self) -> str:
        return f"<FileDirectory {self.file}: {len(self._rows)} accounts>"


def states(rows: Rows) -> dict[str, State]:
    """What matters of all accounts."""
    return {key: row.state for key, row in rows.items()}


# The file -----------------------------------------------------------------------------


def signature_of(file: Path) -> Signature | None:
    """Another one when the file is."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_rows(file: Path) -> Rows:
    """The accounts of a file; no file has none. Raises LabError."""
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LabError(f"{file}: cannot be read: {error}") from None
    return {address.lower(): read_row(file, address, data[address]) for address in data}


def read_row(file: Path, address: str, value: Any) -> Row:
    """One account. Raises LabError, which does not quote the password."""
    where = f"{file}: {address!r}"
    if "@" not in address or not isinstance(value, dict):
        raise LabError(f'{where}: expected an account such as ["ann@alpha.example"]')
    table = cast("dict[str, Any]", value)
    for key, entry in table.items():
        if key not in KEYS:
            raise LabError(f"{where}: unknown key {key!r}; known: {', '.join(KEYS)}")
        kind = bool if key == "disabled" else str
        if not isinstance(entry, kind):
            raise LabError(f"{where}: {key} must be a {words(kind)}")
    try:
        secret = Secret(
            read_password(table.get("password", "")), read_scram(table.get("scram", ""))
        )
    except ValueError as error:
        raise LabError(f"{where}: {error}") from None
    return Row(address, secret, table.get("name", ""), table.get("disabled", False))


def words(kind: type) -> str:
    """A type, as people say it."""
    return "text in quotes" if kind is str else "true or false"


def read_scram(text: str) -> ScramVerifier | None:
    """A verifier, or none. Raises ValueError."""
    return ScramVerifier.from_text(text) if text else None


def write_rows(file: Path, rows: Rows) -> None:
    """All or nothing; readable by the owner only."""
    text = HEAD + "".join(f"\n{row_text(row)}" for row in rows.values())
    partial = file.with_name(file.name + ".part")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        keep_owner(file, handle)
        out.write(text)
        out.flush()
        os.fsync(handle)
    partial.replace(file)
    sync_folder(file.parent)


def keep_owner(file: Path, handle: int) -> None:
    """When root changes it, the server that runs as somebody else can still read it."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = (file if file.exists() else file.parent).stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def row_text(row: Row) -> str:
    """One account as TOML.

    >>> kept = Secret(read_password("{PLAIN}tea"))
    >>> print(row_text(Row("ann@alpha.example", kept, "Ann", True)), end="")
    ["ann@alpha.example"]
    name = "Ann"
    password = "{PLAIN}tea"
    disabled = true
    """
    lines = [f"[{quoted(row.address)}]"]
    if row.name:
        lines.append(f"name = {quoted(row.name)}")
    lines.append(f"password = {quoted(row.secret.stored.to_text())}")
    if row.secret.scram is not None:
        lines.append(f"scram = {quoted(row.secret.scram.to_text())}")
    if row.disabled:
        lines.append("disabled = true")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    r"""A basic string of TOML.

    >>> print(quoted('say "hi"\n'))
    "say \"hi\"\u000A"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    safe = (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}" for c in escaped)
    return f'"{"".join(safe)}"'


@contextmanager
def locked(file: Path) -> Generator[None, None, None]:
    """One at a time: other processes wait."""
    if fcntl is None:
        yield
        return
    handle = os.open(file.with_name(file.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        keep_owner(file, handle)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
