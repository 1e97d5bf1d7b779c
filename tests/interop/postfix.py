"""A real Postfix of our own: its own configuration, queue and ports, on loopback.

Goes in: settings of main.cf, services of master.cf. Comes out: a running Postfix,
stopped at the end. It has a certificate of the lab's CA, and trusts that CA.

Postfix starts as root only: without root, or without the program, tests are skipped.
"""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from maillab.net.ca import KEYS, ca_certificate_pem, certificate_pem

NAME = "mx1.gamma.example"  # in its certificate
DAEMONS = "/usr/lib/postfix/sbin"
USUAL = {
    "compatibility_level": "3.6",
    "command_directory": "/usr/sbin",
    "daemon_directory": DAEMONS,
    "inet_interfaces": "loopback-only",
    "inet_protocols": "ipv4",
    "myhostname": "mx.postfix.example",
    "mydestination": "",
    "alias_maps": "",
    "alias_database": "",
    "local_transport": "error:no local mail",
    "biff": "no",
    "smtputf8_enable": "yes",
    "maillog_file_prefixes": "/tmp",
    "smtpd_peername_lookup": "no",
    "smtp_host_lookup": "native",
    "smtpd_error_sleep_time": "0",
    "disable_dns_lookups": "yes",
}
SERVICES = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
"""


QUEUES = ("maildrop", "incoming", "active", "deferred")
PATIENCE = 20.0  # seconds
Found = TypeVar("Found")


def wait_for(look: Callable[[], Found]) -> Found:
    """Look until there is something: real queues and folders tell nobody."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError("nothing came")


@dataclass(frozen=True)
class Service:
    """One more line of master.cf: a way in ("smtpd") or out ("smtp"), with settings."""

    name: str
    program: str = "smtpd"
    settings: dict[str, str] = field(default_factory=dict)

    def line(self, where: str) -> str:
        options = "".join(f" -o {{ {k} = {v} }}" for k, v in self.settings.items())
        private = "n" if self.program == "smtpd" else "-"
        return f"{where} {private} - n - - {self.program}{options}\n"


def free_port() -> int:
    """A port that nobody has at this moment.

    Below those that systems give to clients: none of them can take it meanwhile.
    """
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.SystemRandom().randrange(20_000, 32_000)))
            return probe.getsockname()[1]


class Postfix:
    """A running Postfix: `port` of its smtpd, its mail folders and its log.

    ports  of further services that are ways in, by their names
    """

    def __init__(
        self, folder: Path, services: tuple[Service, ...], settings: dict[str, str]
    ) -> None:
        self.folder = folder
        inside = [one for one in services if one.program == "smtpd"]
        self.ports = {one.name: free_port() for one in (Service("usual"), *inside)}
        self.port = self.ports["usual"]
        self.etc = folder / "etc"
        self.log = folder / "mail.log"
        self.mail = folder / "mail"  # of virtual users
        for name in ("etc", "queue", "data", "mail"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        os.chown(self.mail, 5000, 5000)
        self._write_keys()
        self._write_settings(settings)
        self._write_services(services)

    def _write_keys(self) -> None:
        chain = (KEYS / "server.pem").read_bytes() + certificate_pem((NAME,))
        (self.etc / "chain.pem").write_bytes(chain)
        (self.etc / "ca.pem").write_bytes(ca_certificate_pem())

    def _write_settings(self, settings: dict[str, str]) -> None:
        own = {
            "queue_directory": str(self.folder / "queue"),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.log),
            "maillog_file_prefixes": str(self.folder),
            "virtual_mailbox_base": str(self.mail),
            "virtual_uid_maps": "static:5000",
            "virtual_gid_maps": "static:5000",
            "smtpd_tls_chain_files": str(self.etc / "chain.pem"),
            "smtp_tls_CAfile": str(self.etc / "ca.pem"),
        }
        lines = [f"{k} = {v}" for k, v in (USUAL | own | settings).items()]
        (self.etc / "main.cf").write_text("\n".join(lines) + "\n", "utf-8")

    def _write_services(self, services: tuple[Service, ...]) -> None:
        lines = [Service("usual").line(self._entrance("usual"))]
        for one in services:
            out = f"{one.name} unix"
            lines.append(
                one.line(self._entrance(one.name) if one.name in self.ports else out)
            )
        (self.etc / "master.cf").write_text("".join(lines) + SERVICES, "utf-8")

    def _entrance(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]} inet"

    def change(self, **settings: str) -> None:
        """Change main.cf, and let it be read again."""
        with (self.etc / "main.cf").open("a") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        self.command("reload")

    def command(self, *words: str) -> str:
        """Run `postfix …` with this configuration."""
        done = subprocess.run(
            ["postfix", "-c", str(self.etc), *words],
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said + self.logged()
        return said

    def logged(self) -> str:
        """What it wrote into its log."""
        return self.log.read_text() if self.log.exists() else ""

    def flush(self) -> None:
        """Try everything in the queue now."""
        self.command("flush")

    @property
    def queued(self) -> list[Path]:
        """The messages in its queue."""
        folders = (self.folder / "queue" / one for one in QUEUES)
        return [file for one in folders for file in one.rglob("*") if file.is_file()]

    def letters(self, user: str) -> list[bytes]:
        """What lies in a user's Maildir."""
        return [file.read_bytes() for file in self.mail.glob(f"{user}/new/*")]

    def arrived(self, user: str, text: str) -> bytes:
        """Wait for a letter with this text; its lines end as mail's do."""

        def look() -> list[bytes]:
            return [one for one in self.letters(user) if text.encode() in one]

        try:
            return wait_for(look)[-1].replace(b"\n", b"\r\n")
        except TimeoutError:
            raise AssertionError(f"{text!r} did not arrive\n{self.logged()}") from None


@contextmanager
def running_postfix(*services: Service, **settings: str) -> Iterator[Postfix]:
    """Start Postfix, and stop it."""
    if shutil.which("postfix") is None:
        pytest.skip("postfix is not installed")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    with tempfile.TemporaryDirectory(prefix="postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postfix = Postfix(folder, services, settings)
        postfix.command("start")
        try:
            yield postfix
        finally:
            postfix.command("stop")
