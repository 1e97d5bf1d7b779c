"""A `maillab serve` in a process of its own, for tests: all ports by the system."""

import http.client
import imaplib
import json
import os
import poplib
import signal
import smtplib
import ssl
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from maillab.gateway.serving.folder import ServerFolder
from maillab.store.file_accounts import FileDirectory
from maillab.store.passwords import Hasher

HOST = "127.0.0.1"
COMMAND = [sys.executable, str(Path(__file__).with_name("serve_command.py"))]
ROOT = Path(__file__).resolve().parents[1]
ANN, BOB = "ann@example.test", "bob@example.test"
PASSWORD = "correct horse"
PORTS = "smtp smtp_tls submission submissions pop3 pop3s imap imaps".split()
ANY_PORTS = "\n".join(["[ports]", *(f"{name} = 0" for name in PORTS)])
PATIENCE = 20.0


def write_settings(folder: Path, top: str = "", rest: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{top}\n{ANY_PORTS}\n[health]\nport = 0\n{rest}\n"
    (folder / "maillab.toml").write_text(text, "utf-8")


def add_users(folder: Path, *addresses: str) -> FileDirectory:
    """Accounts with cheap hashes."""
    import random

    file = ServerFolder(folder).accounts
    directory = FileDirectory(file, ["example.test"], Hasher(random.Random(1)))
    for address in addresses or (ANN, BOB):
        directory.add(address, PASSWORD)
    return directory


class Serving:
    """One server, from its start until it is ready, to its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--dir", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.said: list[str] = []
        self.logged: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("ready"):
                break
        else:
            raise AssertionError(f"it did not start: {self.process.communicate()[1]}")
        self.ports = json.loads((folder / "ports.json").read_text())["ports"]

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    # The log --------------------------------------------------------------------------

    def wait_for(self, event: str, **facts: Any) -> dict[str, Any]:
        """Read the log up to an event."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            row = json.loads(line)
            self.logged.append(row)
            if row["event"] == event and facts.items() <= row.items():
                return row
        raise AssertionError(f"the log ended without {event} {facts}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it well; the exit status."""
        self.signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE)
        self.logged += [json.loads(line) for line in errors.splitlines()]
        return self.process.returncode

    # Clients --------------------------------------------------------------------------

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))

    def smtp(self, port: str = "smtp") -> smtplib.SMTP:
        return smtplib.SMTP(HOST, self.ports[port], timeout=PATIENCE)

    def submission(self, user: str = ANN) -> smtplib.SMTP:
        client = self.smtp("submission")
        client.starttls(context=self.tls)
        client.login(user, PASSWORD)
        return client

    def imap(self, user: str = ANN) -> imaplib.IMAP4_SSL:
        client = imaplib.IMAP4_SSL(
            HOST, self.ports["imaps"], ssl_context=self.tls, timeout=PATIENCE
        )
        try:
            client.login(user, PASSWORD)
        except imaplib.IMAP4.error:
            client.shutdown()
            raise
        return client

    def pop3(self, user: str = ANN) -> poplib.POP3_SSL:
        client = poplib.POP3_SSL(
            HOST, self.ports["pop3s"], context=self.tls, timeout=PATIENCE
        )
        client.user(user)
        client.pass_(PASSWORD)
        return client

    def health(self, path: str = "/health", method: str = "GET") -> tuple[int, Any]:
        connection = http.client.HTTPConnection(
            HOST, self.ports["health"], timeout=PATIENCE
        )
        try:
            connection.request(method, path)
            response = connection.getresponse()
            content = response.read()
            return response.status, json.loads(content) if content else None
        finally:
            connection.close()


def letter(
    subject: str, to: str = ANN, sender: str = "eve@far.example"
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message.set_content("a text that nobody else shall read")
    return message


def wait_for_mail(client: imaplib.IMAP4, number: int = 1) -> None:
    """Until the mailbox that is open has so many messages."""
    if int(client.untagged_responses["EXISTS"][-1]) >= number:
        return
    client.send(b"i IDLE\r\n")
    while f"* {number} EXISTS".encode() not in client.readline():
        pass
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"i OK"):
        pass
