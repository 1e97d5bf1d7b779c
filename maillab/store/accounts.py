"""Who has a mailbox here, and with which password.

Goes in: addresses and passwords. Comes out: accounts, by address or by login.

Rule 1: domains compare without regard to case; so do local parts, here. RFC 5321 §2.4
        leaves the local part to the host that owns it, and this is that host.
Rule 2: a login is the full address, or the local part when only one account has it.
"""

import hmac
from dataclasses import dataclass, field

from maillab.errors import LabError
from maillab.store.mailboxes import STANDARD_FOLDERS, MailboxTree


@dataclass(slots=True)
class Account:
    """One user of a mail server."""

    address: str
    password: str
    mailboxes: MailboxTree = field(repr=False)
    enabled: bool = True

    @property
    def local_part(self) -> str:
        """What stands before the @."""
        return self.address.rpartition("@")[0]


class Directory:
    """The domains and the accounts of one mail server."""

    def __init__(self, domains: tuple[str, ...] = ()) -> None:
        self.domains = {domain.lower() for domain in domains}
        self.accounts: dict[str, Account] = {}  # by address in lower case

    def add(self, address: str, password: str) -> Account:
        """Create an account with an empty INBOX. Raises LabError."""
        domain = address.rpartition("@")[2].lower()
        if domain not in self.domains:
            known = ", ".join(sorted(self.domains)) or "none"
            raise LabError(
                f"{address} cannot live here: the domains of this server are {known}"
            )
        if address.lower() in self.accounts:
            raise LabError(f"there is an account {address} already")
        account = Account(address, password, MailboxTree(STANDARD_FOLDERS))
        self.accounts[address.lower()] = account
        return account

    def is_local(self, domain: str) -> bool:
        """Mail for this domain ends here."""
        return domain.lower() in self.domains

    def find_address(self, local_part: str, domain: str) -> Account | None:
        """The account that gets mail for an address; postmaster of a local domain too.

        RFC 5321 §4.5.1: every domain accepts mail for postmaster; the first account of
        the server gets it when nobody has that name.
        """
        plain = local_part.strip('"').replace("\\", "")
        domain = domain.lower() if domain else min(self.domains, default="")
        account = self.accounts.get(f"{plain.lower()}@{domain}")
        if account is None and plain.lower() == "postmaster" and domain in self.domains:
            return next(iter(self.accounts.values()), None)
        return account

    def find_login(self, login: str) -> Account | None:
        """The account for a login name."""
        account = self.accounts.get(login.lower())
        if account is not None or "@" in login:
            return account
        same = [a for a in self.accounts.values() if a.local_part == login.lower()]
        return same[0] if len(same) == 1 else None

    def verify(self, login: str, password: str) -> Account | None:
        """The account, if it is enabled and the password is right."""
        account = self.find_login(login)
        known = account.password if account is not None else ""
        right = hmac.compare_digest(known.encode(), password.encode())
        return account if account is not None and account.enabled and right else None
