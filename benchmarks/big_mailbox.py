"""A mailbox of 100,000 messages in maillab and in Dovecot, side by side.

`python benchmarks/big_mailbox.py`

Both get the same Maildir, dropped in by "another program" (this script), and answer the
same commands of the same client (imaplib), one after the other, on loopback. Prints
seconds of real time; `--messages 1000` makes it small. Dovecot needs root.

    1st SELECT     with LOGIN; the index is made from the files
    SELECT         ... and is there
    FETCH page     UID FLAGS ENVELOPE BODYSTRUCTURE of the last 50 messages
    SEARCH header  SUBJECT of all messages, twice: the second time caches are filled
    SEARCH flags   UNSEEN FLAGGED
    SORT, THREAD   by subject; by references
    IDLE           from an APPEND in another session to EXISTS in an idle one
"""

import argparse
import imaplib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.interop import dovecot_mail  # noqa: E402  (from the checkout)

ANN, SECRET = "ann@bench.example", "tea for two"
LETTER = """\
From: Zoe <zoe@gamma.example>
To: ann@bench.example
Subject: Letter {number} about {topic}
Date: Thu, 1 Jan 2026 09:00:00 +0000
Message-ID: <{number}@gamma.example>
References: <{thread}@gamma.example>

Hello {number}.
{padding}
"""
TOPICS = ("tea", "biscuits", "milk", "sugar", "lemon")
PADDING = "A line of a letter as long as letters have them.\n" * 20

Figures = dict[str, float]


def fill(maildir: Path, count: int) -> None:
    """Write letters into a Maildir, as another program would."""
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        topic, thread = TOPICS[number % len(TOPICS)], number - number % 10
        text = LETTER.format(
            number=number, topic=topic, thread=thread, padding=PADDING
        ).replace("\n", "\r\n")
        info = ("S", "", "FS", "F")[number % 4]
        name = f"{1_760_000_000 + number}.M{number}P1.bench:2,{info}"
        (maildir / "cur" / name).write_bytes(text.encode())


def timed(work: Callable[[], object]) -> float:
    """Seconds of real time."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def good(answer: tuple[str, list[bytes]]) -> list[bytes]:
    """The data of an answer that was OK."""
    assert answer[0] in ("OK", "BYE"), answer
    return answer[1]


def measure(port: int, user: str, password: str, count: int) -> Figures:
    """One client's commands."""
    imaplib._MAXLINE = 50_000_000  # type: ignore[attr-defined]
    client = imaplib.IMAP4("127.0.0.1", port)

    def come_in() -> None:
        good(client.login(user, password))
        good(client.select("INBOX"))

    figures = {"LOGIN, 1st SELECT": timed(come_in)}
    assert good(client.select("INBOX")) == [str(count).encode()]
    page = f"{max(1, count - 49)}:{count}"
    items = "(UID FLAGS ENVELOPE BODYSTRUCTURE)"
    commands: dict[str, Callable[[], object]] = {
        "SELECT": lambda: good(client.select("INBOX")),
        "FETCH page": lambda: good(client.fetch(page, items)),
        "FETCH all flags": lambda: good(client.fetch("1:*", "(UID FLAGS)")),
        "SEARCH header, 1st": lambda: found(client, count, "SUBJECT", "biscuits"),
        "SEARCH header, 2nd": lambda: found(client, count, "SUBJECT", "biscuits"),
        "SEARCH flags": lambda: good(client.search(None, "UNSEEN", "FLAGGED")),
        "SORT": lambda: good(client.sort("(SUBJECT)", "UTF-8", "ALL")),
        "THREAD": lambda: good(client.thread("REFERENCES", "UTF-8", "ALL")),
    }
    figures |= {name: timed(work) for name, work in commands.items()}
    figures["IDLE"] = idle(client, port, user, password)
    good(client.logout())
    return figures


def found(client: imaplib.IMAP4, count: int, *keys: str) -> None:
    """Both must find the same."""
    assert len(good(client.search(None, *keys))[0].split()) == count // len(TOPICS)


def idle(client: imaplib.IMAP4, port: int, user: str, password: str) -> float:
    """Seconds from another session's APPEND to its news here."""
    other = imaplib.IMAP4("127.0.0.1", port)
    good(other.login(user, password))
    client.send(b"i1 IDLE\r\n")
    assert client.readline().startswith(b"+")
    began = time.perf_counter()
    other.send(b"o1 APPEND INBOX {14+}\r\nSubject: x\r\n\r\n\r\n")
    while not re.match(rb"\* \d+ EXISTS", client.readline()):
        pass
    seconds = time.perf_counter() - began
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"i1 OK"):
        pass
    other.shutdown()
    return seconds


@contextmanager
def maillab_server(folder: Path, count: int) -> Iterator[int]:
    """`maillab serve` with the mail; gives its IMAP port."""
    program = [sys.executable, "-m", "maillab"]
    where = ["--dir", str(folder)]
    add = [*program, "user", "add", ANN, "--password-stdin", *where]
    (folder / "maillab.toml").write_text(CONFIGURATION)
    subprocess.run(add, input=SECRET, text=True, check=True, stdout=subprocess.DEVNULL)
    fill(folder / "mail" / ANN, count)
    with subprocess.Popen(
        [*program, "serve", *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = next(
            int(line.split()[1])
            for line in server.stdout
            if line.split()[:1] == ["imap"]
        )
        while not server.stdout.readline().startswith("ready"):
            pass
        try:
            yield port
        finally:
            server.send_signal(signal.SIGTERM)


CONFIGURATION = """\
domains = ["bench.example"]
listen = "127.0.0.1"
[ports]
imap = 0
smtp = false
smtp_tls = false
submission = false
submissions = false
pop3 = false
pop3s = false
imaps = false
[health]
port = false
[mail.access]
plain_login = true
"""


def main() -> None:
    """Measure both, and print them side by side."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    count = parser.parse_args().messages
    columns: dict[str, Figures] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        maillab_server(Path(name), count) as port,
    ):
        columns["maillab"] = measure(port, ANN, SECRET, count)
    if os.geteuid() == 0 and shutil.which("dovecot"):
        with dovecot_mail.serving_dovecot() as dovecot:
            fill(dovecot.home("ann") / "Maildir", count)
            for path in (dovecot.folder / "mail").rglob("*"):
                os.chown(path, dovecot_mail.OWNER, dovecot_mail.OWNER)
            columns["Dovecot"] = measure(
                dovecot.imap, "ann", dovecot_mail.PASSWORD, count
            )
    print(f"{count:,} messages, seconds".ljust(28), *(f"{n:>10}" for n in columns))
    for figure in columns["maillab"]:
        values = (f"{column[figure]:10.3f}" for column in columns.values())
        print(figure.ljust(28), *values)


if __name__ == "__main__":
    main()
