"""The directory of a company: one list of users for all its servers.

Goes in: what an administrator does at the console. Comes out: accounts that mail
servers ask for, by short name, by COMPANY\\name, and by address.

    CompanyDirectory   what a domain controller keeps (Active Directory, in small)
    DirectoryConsole   the administrator's tool for this and for any other directory

Rule 1: the directory lives on a host of its own. Without that host nobody can log in.
Rule 2: what the console does, acts at once: on the next login and on open sessions.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from maillab.errors import LabError
from maillab.store.accounts import (
    Account,
    DirectoryBase,
    DirectoryUnavailable,
    Login,
    MemoryDirectory,
)
from maillab.store.passwords import Hasher, Secret
from maillab.wire.sasl_values import Credentials

MAILBOX_ROOT = "C:\\MailboxRoot"


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """What a domain wants of passwords.

    min_length   characters
    lockout      wrong passwords in a row that lock an account; 0: any number is fine
    """

    min_length: int = 1
    lockout: int = 0


class CompanyDirectory(MemoryDirectory):
    """The users of a Windows domain.

    netbios    the short name of the domain: "COMPANY" of company.example
    reachable  whether the domain controller has power
    """

    def __init__(
        self,
        domains: Iterable[str],
        hasher: Hasher | None = None,
        rules: PasswordRules | None = None,
        reachable: Callable[[], bool] | None = None,
    ) -> None:
        names = tuple(domains)
        super().__init__(names, hasher)
        self.netbios = names[0].partition(".")[0].upper() if names else ""
        self.rules = rules or PasswordRules()
        self._reachable = reachable
        self._wrong: Counter[str] = Counter()

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        self._ask()
        return super().accounts

    def find_login(self, login: str) -> Account | None:
        """The account for "zhangsan", "COMPANY\\\\zhangsan" or an address."""
        domain, backslash, name = login.rpartition("\\")
        if backslash and domain.upper() != self.netbios:
            return None
        return super().find_login(name)

    def unlock(self, address: str) -> None:
        """Let a user try again who was wrong too often. Raises LabError."""
        super().unlock(address)
        del self._wrong[self.require(address).address]

    def _judge(self, account: Account, credentials: Credentials, right: bool) -> Login:
        outcome = super()._judge(account, credentials, right)
        self._wrong[account.address] += 1
        if right:
            del self._wrong[account.address]
        elif self._wrong[account.address] == self.rules.lockout:
            account.locked = True
        return outcome

    def _new_secret(self, password: str) -> Secret:
        if len(password) < self.rules.min_length:
            raise LabError(
                f"the password is too short: this domain wants {self.rules.min_length} "
                f"characters, it has {len(password)}"
            )
        return super()._new_secret(password)

    def _logins_of(self, account: Account) -> tuple[str, ...]:
        name = account.local_part
        return (name, f"{self.netbios}\\{name}", account.address)

    def _find(self, address: str) -> Account | None:
        self._ask()
        return super()._find(address)

    def _named(self, local_part: str) -> list[Account]:
        self._ask()
        return super()._named(local_part)

    def _ask(self) -> None:
        if self._reachable is not None and not self._reachable():
            raise DirectoryUnavailable("the domain controller does not answer")


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user, as the console lists them. `state`: "enabled", "disabled", "locked"."""

    name: str
    full_name: str
    address: str
    state: str
    folder: str


class UserList(tuple[UserRow, ...]):
    """All users; prints as a table."""

    __slots__ = ()

    def text(self) -> str:
        """The table."""
        head = ("Name", "Full name", "Address", "State", "Mailbox folder")
        rows = [
            head,
            *((r.name, r.full_name, r.address, r.state, r.folder) for r in self),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True))
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return self.text()


class DirectoryConsole:
    """What an administrator does to the users of one domain. All calls raise LabError.

    created  told of every new account and its password: the person should know, too

    >>> console = DirectoryConsole(CompanyDirectory(["company.example"]))
    >>> console.create_user("zhangsan", "Tea-2026", "Zhang San").address
    'zhangsan@company.example'
    >>> console.disable_user("zhangsan")
    >>> console.list_users()
    Name      Full name  Address                   State     Mailbox folder
    zhangsan  Zhang San  zhangsan@company.example  disabled  C:\\MailboxRoot\\zhangsan
    """

    def __init__(
        self,
        directory: DirectoryBase,
        domain: str = "",
        created: Callable[[Account, str], None] | None = None,
    ) -> None:
        self.directory = directory
        self._domain = domain
        self._created = created

    @property
    def domain(self) -> str:
        """Where new users get their address."""
        return self._domain or min(self.directory.domains, default="")

    def create_user(self, name: str, password: str, full_name: str = "") -> Account:
        """Let somebody in, with an empty mailbox."""
        with reachable():
            account = self.directory.add(self._address(name), password, full_name)
        if self._created is not None:
            self._created(account, password)
        return account

    def delete_user(self, name: str) -> None:
        """Remove a user and the mailbox; open sessions end."""
        with reachable():
            self.directory.remove(self._address(name))

    def disable_user(self, name: str) -> None:
        """Keep a user out; mail still arrives; open sessions end."""
        with reachable():
            self.directory.disable(self._address(name))

    def enable_user(self, name: str) -> None:
        """Let a disabled user in again."""
        with reachable():
            self.directory.enable(self._address(name))

    def reset_password(self, name: str, password: str) -> None:
        """Give a user a new password; sessions that began with the old one end."""
        with reachable():
            self.directory.set_password(self._address(name), password)

    def unlock(self, name: str) -> None:
        """Let a user try again who was wrong too often."""
        with reachable():
            self.directory.unlock(self._address(name))

    def list_users(self) -> UserList:
        """All users of the domain, with the folders of their mailboxes."""
        domain = f"@{self.domain}"
        with reachable():
            accounts = self.directory.accounts
        mine = [one for one in accounts if one.address.lower().endswith(domain)]
        return UserList(map(_row, mine))

    def _address(self, name: str) -> str:
        short = name.rpartition("\\")[2]
        return short if "@" in short else f"{short}@{self.domain}"

    def __repr__(self) -> str:
        return f"<Directory {self.domain}>"


def _row(account: Account) -> UserRow:
    state = "enabled" if account.enabled else "disabled"
    return UserRow(
        account.local_part,
        account.full_name,
        account.address,
        "locked" if account.locked else state,
        f"{MAILBOX_ROOT}\\{account.local_part}",
    )


@contextmanager
def reachable() -> Generator[None, None, None]:
    """Tell an administrator plainly when the directory is out of reach."""
    try:
        yield
    except DirectoryUnavailable as error:
        raise LabError(f"{error}: make it reachable, then repeat this") from error
