"""The folder of a server: what lies where, and how it comes into being.

Goes in: a path. Comes out: the places of files, made when they are missing.

    maillab.toml   the settings           mail/      the mailboxes
    accounts.toml  the accounts           queue/     what waits for its delivery
    ca.pem, tls/   certificates, keys     mailroot/  Pickup, Drop, Badmail
    ports.json     the ports, while the server runs

Rule: others see where the server listens and which certificate to trust, and nothing
      else.
"""

import errno
import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maillab.errors import LabError
from maillab.gateway.serving import settings
from maillab.gateway.serving.settings import ServeSettings
from maillab.gateway.serving.template import template

PUBLIC = 0o644


class ServerFolder:
    """Where everything of one server is."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.settings = self.path / settings.FILE
        self.accounts = self.path / "accounts.toml"
        self.mail = self.path / "mail"
        self.queue = self.path / "queue"
        self.mailroot = self.path / "mailroot"
        self.ca = self.path / "ca.pem"
        self.tls = self.path / "tls"
        self.ports = self.path / "ports.json"
        self.lock = self.path / "lock"

    @property
    def ours(self) -> tuple[Path, ...]:
        """Everything that a running server must own."""
        return (
            self.accounts,
            self.accounts.with_name(self.accounts.name + ".lock"),
            self.mail,
            self.queue,
            self.mailroot,
            self.ca,
            self.tls,
            self.ports,
            self.lock,
        )

    def make(self) -> bool:
        """Make what is missing; True when it was empty. Raises LabError."""
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True)
                self.path.chmod(0o755)
            is_new = not self.settings.exists()
            if is_new:
                self.settings.write_text(template(), "utf-8")
        except OSError as error:
            raise LabError(
                f"{self.path}: cannot be made: {error.strerror}; give another folder "
                f"by --dir"
            ) from None
        return is_new

    def require(self) -> None:
        """Raises LabError when there is no server in this folder."""
        if not self.settings.is_file():
            raise LabError(
                f"{self.path} is no folder of a mail server (it has no "
                f"{settings.FILE}); make one: maillab serve --dir {self.path}"
            )

    def load(self) -> ServeSettings:
        """The settings. Raises LabError."""
        return settings.load(self.settings)

    def beside(self, text: str) -> Path:
        """A path of the settings file; it may begin in this folder."""
        return self.path / text

    def tell_ports(self, facts: Mapping[str, Any]) -> None:
        """Write down where the server listens, all at once."""
        partial = self.ports.with_name(self.ports.name + ".part")
        partial.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
        partial.chmod(PUBLIC)
        partial.replace(self.ports)

    def forget_ports(self) -> None:
        """The server listens no longer."""
        self.ports.unlink(missing_ok=True)


@contextmanager
def reachable(folder: Path | str = "") -> Generator[None]:
    """A file of a server that cannot be used is a LabError."""
    try:
        yield
    except OSError as error:
        if error.filename is None:  # no file: what failed is ours to mend
            raise
        where = folder or Path(error.filename).parent
        raise LabError(
            f"{error.filename}: {error.strerror}; {advice(error, where)}"
        ) from error


def advice(error: OSError, folder: Path | str) -> str:
    """What helps when a file cannot be used."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"all of {folder} must belong to the user who runs the server: type "
            f"`chown -R USER {folder}; chmod -R u+rwX {folder}`, or give another "
            "folder by --dir"
        )
    return f"look after the disk of {folder}, or give another folder by --dir"


def private_files() -> None:
    """What this process makes is for its owner only."""
    os.umask(0o077)
