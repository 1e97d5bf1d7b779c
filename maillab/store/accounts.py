"""Who has a mailbox here, and who may log in: what a mail server asks of a directory.

Goes in: addresses, logins and credentials. Comes out: accounts, and reasons.

    Directory         what agents know of any directory
    DirectoryBase     what all directories of maillab have in common
    MemoryDirectory   ... this one forgets everything at the end
    (store.sql_accounts asks a database, store.company a domain controller)

Rule 1: domains compare without regard to case; so do local parts, here. RFC 5321 §2.4
        leaves the local part to the host that owns it, and this is that host.
Rule 2: a login is the full address, or the local part when only one account has it.
Rule 3: every change acts at the next question, and who watches is told at once.
Rule 4: nobody learns from the time an answer takes whether an account exists.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from maillab.errors import LabError
from maillab.store.account_changes import (
    DirectoryUnavailable,
    Event,
    Mailboxes,
    mailboxes_in_memory,
)
from maillab.store.mailbox_tree import MailboxTree
from maillab.store.passwords import Hasher, Secret
from maillab.wire.sasl_scram import ScramVerifier
from maillab.wire.sasl_values import Credentials

NO_ACCOUNT = "no such account"
WRONG_PASSWORD = "wrong password"
DISABLED = "the account is disabled"
LOCKED = "the account is locked after too many wrong passwords"
OTHER_USER = "authzid is another user"  # nobody acts for somebody else (RFC 4616 §2)

POSTMASTER = "postmaster"


@dataclass(slots=True, eq=False)
class Account:
    """One user of a mail server. The directory has the password, hashed.

    enabled  may log in
    locked   ... but not until an administrator unlocks it
    """

    address: str
    mailboxes: MailboxTree = field(repr=False)
    enabled: bool = True
    locked: bool = False
    full_name: str = ""
    login_names: tuple[str, ...] = ()

    @property
    def local_part(self) -> str:
        """What stands before the @."""
        return self.address.rpartition("@")[0]


@dataclass(frozen=True, slots=True)
class Login:
    """May somebody log in? `account` says yes; else `reason` says why not.

    temporary  nobody can say now: the directory is out of reach
    """

    account: Account | None
    reason: str = ""
    temporary: bool = False


Watcher = Callable[[Account, Event], None]
Stop = Callable[[], None]


class Directory(Protocol):
    """What agents may ask. All but `verify` may raise DirectoryUnavailable."""

    @property
    def domains(self) -> frozenset[str]:
        """The domains whose mail ends here, in lower case."""
        ...

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        ...

    def is_local(self, domain: str) -> bool:
        """Mail for this domain ends here."""
        ...

    def find_address(self, local_part: str, domain: str) -> Account | None:
        """The account that gets mail for an address."""
        ...

    def find_login(self, login: str) -> Account | None:
        """The account for a login name."""
        ...

    def verify(self, credentials: Credentials) -> Login:
        """May they log in? Never raises."""
        ...

    def secret_for(self, mechanism: str, user: str) -> ScramVerifier | str | None:
        """What SCRAM-SHA-256 (a verifier) or CRAM-MD5 (the password) needs to go on."""
        ...

    def is_active(self, user: str) -> bool:
        """Whoever has logged in by this name may go on."""
        ...

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """For whom mail for an address is, as far as the directory says so."""
        ...

    def watch(self, watcher: Watcher) -> Stop:
        """Be told when an account loses its rights; call the result to stop that."""
        ...


class DirectoryBase(ABC):
    """A directory and its administration, but not where things are kept.

    `hasher` makes what is kept of passwords, `mailboxes` those of an address.
    """

    def __init__(
        self, hasher: Hasher, mailboxes: Mailboxes = mailboxes_in_memory
    ) -> None:
        self.hasher = hasher
        self.mailboxes = mailboxes
        self._watchers: list[Watcher] = []

    @property
    @abstractmethod
    def domains(self) -> frozenset[str]:
        """The domains whose mail ends here, in lower case."""
        raise NotImplementedError

    @property
    @abstractmethod
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        raise NotImplementedError

    @property
    def names(self) -> tuple[str, ...]:
        """The addresses of all accounts, the oldest first."""
        return tuple(account.address for account in self.accounts)

    def is_local(self, domain: str) -> bool:
        """Mail for this domain ends here."""
        return domain.lower() in self.domains

    def find_address(self, local_part: str, domain: str) -> Account | None:
        """The account that gets mail for an address; postmaster of a local domain too.

        RFC 5321 §4.5.1: the first account of the server gets it when nobody has that
        name.
        """
        plain = local_part.strip('"').replace("\\", "")
        domain = domain.lower() if domain else min(self.domains, default="")
        account = self._find(f"{plain}@{domain}")
        if account is None and plain.lower() == POSTMASTER and self.is_local(domain):
            return next(iter(self.accounts), None)
        return account

    def find_login(self, login: str) -> Account | None:
        """The account for a login name."""
        account = self._find(login)
        if account is not None or "@" in login:
            return account
        same = self._named(login)
        return same[0] if len(same) == 1 else None

    def verify(self, credentials: Credentials) -> Login:
        """May they log in? Never raises."""
        try:
            return self._verify(credentials)
        except DirectoryUnavailable as error:
            return Login(None, f"the directory cannot answer: {error}", True)

    def secret_for(self, mechanism: str, user: str) -> ScramVerifier | str | None:
        """What SCRAM-SHA-256 (a verifier) or CRAM-MD5 (the password) needs to go on.

        None: there is no such account, or nothing of that kind is kept. An account
        that is disabled has its secret still; `verify` will say no.
        """
        if not (account := self.find_login(user)):
            return None
        kept = self._secret_of(account)
        return self.hasher.secret_for(mechanism, kept, account.address)

    def is_active(self, user: str) -> bool:
        """Whoever has logged in by this name may go on."""
        account = self.find_login(user)
        return account is not None and account.enabled

    def watch(self, watcher: Watcher) -> Stop:
        """Be told when an account loses its rights; call the result to stop that.

        "password": it has a new one, and who knew the old one should go.
        """
        self._watchers.append(watcher)

        def stop() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return stop

    def _verify(self, credentials: Credentials) -> Login:
        account = self.find_login(credentials.user)
        if account is None:
            self.hasher.pretend(credentials.password)
            return Login(None, NO_ACCOUNT)
        right = credentials.proven
        if not right:
            right = self._secret_of(account).matches(credentials.password)
        return self._judge(account, credentials, right)

    def _judge(self, account: Account, credentials: Credentials, right: bool) -> Login:
        if account.locked:
            return Login(None, LOCKED)
        if not right:
            return Login(None, WRONG_PASSWORD)
        if not account.enabled:
            return Login(None, DISABLED)
        if credentials.authzid not in ("", credentials.user):
            return Login(None, OTHER_USER)
        return Login(account)

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """For whom mail for an address is; only databases keep this beside accounts."""
        return {}

    def refresh(self) -> None:  # noqa: B027  (most have nothing to look for)
        """Look for what others changed; who watches is told (rule 3)."""

    def close(self) -> None:
        """The end: nobody is told anything any more."""
        self._watchers.clear()

    # Administering --------------------------------------------------------------------

    @abstractmethod
    def add(self, address: str, password: str, full_name: str = "") -> Account:
        """Create an account with an empty INBOX. Raises LabError."""
        raise NotImplementedError

    def remove(self, address: str) -> None:
        """Delete an account and its mailboxes. Raises LabError."""
        account = self.require(address)
        self._delete(account)
        account.enabled = False
        self._tell(account, "removed")

    def enable(self, address: str) -> None:
        """Let the user log in again. Raises LabError."""
        self._switch(self.require(address), True)

    def disable(self, address: str) -> None:
        """Lock the user out, from now on; mail still arrives. Raises LabError."""
        account = self.require(address)
        self._switch(account, False)
        self._tell(account, "disabled")

    def unlock(self, address: str) -> None:
        """Let a user try again who was wrong too often. Raises LabError."""
        self.require(address).locked = False

    def set_password(self, address: str, password: str) -> None:
        """Give an account a new password. Raises LabError."""
        account = self.require(address)
        self._keep(account, self._new_secret(password))
        self._tell(account, "password")

    def require(self, address: str) -> Account:
        """The account with this address or login. Raises LabError."""
        account = self.find_login(address)
        if account is None:
            known = ", ".join(self.names) or "none"
            raise LabError(f"there is no account {address}; the accounts are {known}")
        return account

    def _new_secret(self, password: str) -> Secret:
        if not password:
            raise LabError("an account needs a password; an empty one was given")
        return self.hasher.secret(password)

    def _check_new(self, address: str) -> None:
        """Raises LabError: there cannot be (another) account of this address."""
        local_part, _, domain = address.rpartition("@")
        if not local_part or not self.is_local(domain):
            known = ", ".join(sorted(self.domains)) or "none"
            raise LabError(
                f"{address} cannot live here: the domains of this server are {known}"
            )
        if self._find(address) is not None:
            raise LabError(f"there is an account {address} already")

    def _tell(self, account: Account, event: Event) -> None:
        for watcher in tuple(self._watchers):
            watcher(account, event)

    # Where things are kept ------------------------------------------------------------

    @abstractmethod
    def _find(self, address: str) -> Account | None:
        """The account with exactly this address."""
        raise NotImplementedError

    @abstractmethod
    def _named(self, local_part: str) -> list[Account]:
        """The accounts with this local part."""
        raise NotImplementedError

    @abstractmethod
    def _secret_of(self, account: Account) -> Secret:
        raise NotImplementedError

    @abstractmethod
    def _keep(self, account: Account, secret: Secret) -> None:
        raise NotImplementedError

    @abstractmethod
    def _switch(self, account: Account, enabled: bool) -> None:
        raise NotImplementedError

    @abstractmethod
    def _delete(self, account: Account) -> None:
        raise NotImplementedError


class MemoryDirectory(DirectoryBase):
    """The domains and the accounts of one mail server, in memory."""

    def __init__(
        self,
        domains: Iterable[str] = (),
        hasher: Hasher | None = None,
        mailboxes: Mailboxes = mailboxes_in_memory,
    ) -> None:
        super().__init__(hasher or Hasher(random.SystemRandom()), mailboxes)
        self._domains = frozenset(domain.lower() for domain in domains)
        self._accounts: dict[str, Account] = {}  # by address in lower case
        self._secrets: dict[str, Secret] = {}

    @property
    def domains(self) -> frozenset[str]:
        """The domains whose mail ends here, in lower case."""
        return self._domains

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        return tuple(self._accounts.values())

    def add(self, address: str, password: str, full_name: str = "") -> Account:
        """Create an account with an empty INBOX. Raises LabError."""
        self._check_new(address)
        secret = self._new_secret(password)
        account = Account(address, self.mailboxes(address), full_name=full_name)
        account.login_names = self._logins_of(account)
        self._accounts[address.lower()] = account
        self._keep(account, secret)
        return account

    def _logins_of(self, account: Account) -> tuple[str, ...]:
        return (account.address, account.local_part)

    def _find(self, address: str) -> Account | None:
        return self._accounts.get(address.lower())

    def _named(self, local_part: str) -> list[Account]:
        name = local_part.lower()
        return [a for a in self._accounts.values() if a.local_part.lower() == name]

    def _secret_of(self, account: Account) -> Secret:
        return self._secrets[account.address.lower()]

    def _keep(self, account: Account, secret: Secret) -> None:
        self._secrets[account.address.lower()] = secret

    def _switch(self, account: Account, enabled: bool) -> None:
        account.enabled = enabled

    def _delete(self, account: Account) -> None:
        del self._accounts[account.address.lower()]
        del self._secrets[account.address.lower()]

    def __repr__(self) -> str:
        domains = ", ".join(sorted(self._domains)) or "no domain"
        return f"<{type(self).__name__} {domains}: {len(self._accounts)} accounts>"
