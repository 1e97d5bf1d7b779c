"""A real Postfix of our own: its own configuration, queue and ports, on loopback.

Goes in: settings of main.cf, ports. Comes out: a running Postfix, stopped at the end.

Postfix starts as root only: without root, or without the program, tests are skipped.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postfix:
    """A running Postfix: `port` of its smtpd, its mail folders and its log."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.etc = folder / "etc"
        self.log = folder / "mail.log"
        self.mail = folder / "mail"  # of virtual users
        self._write(settings)

    def _write(self, settings: dict[str, str]) -> None:
        for name in ("etc", "queue", "data", "mail"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        os.chown(self.mail, 5000, 5000)
        own = {
            "queue_directory": str(self.folder / "queue"),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.log),
            "maillog_file_prefixes": str(self.folder),
            "virtual_mailbox_base": str(self.mail),
            "virtual_uid_maps": "static:5000",
            "virtual_gid_maps": "static:5000",
        }
        lines = [f"{k} = {v}" for k, v in (USUAL | own | settings).items()]
        (self.etc / "main.cf").write_text("\n".join(lines) + "\n")
        smtpd = f"127.0.0.1:{self.port} inet n - n - - smtpd"
        (self.etc / "master.cf").write_text(smtpd + SERVICES)

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


@contextmanager
def running_postfix(**settings: str) -> Iterator[Postfix]:
    """Start Postfix, and stop it."""
    if shutil.which("postfix") is None:
        pytest.skip("postfix is not installed")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    with tempfile.TemporaryDirectory(prefix="postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postfix = Postfix(folder, settings)
        postfix.command("start")
        try:
            yield postfix
        finally:
            postfix.command("stop")
