"""What POP3 and IMAP access share: whose mailboxes, and how passwords travel."""

from maillab.agents.faults import Faults
from maillab.agents.machine import Machine
from maillab.agents.serving import Security
from maillab.store.accounts import Directory


class Access:
    """Serves all accounts of a directory on one machine.

    plain_login    passwords may be sent without TLS
    faults         what shall go wrong, if anything
    """

    def __init__(
        self,
        machine: Machine,
        directory: Directory,
        security: Security | None = None,
        *,
        plain_login: bool = False,
        faults: Faults | None = None,
    ) -> None:
        self.machine = machine
        self.directory = directory
        self.security = security or Security()
        self.plain_login = plain_login
        self.faults = faults
