"""Unmodified curl sends and reads: SMTP, SMTPS, POP3, POP3S, IMAP, IMAPS."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.interop.conftest import ALICE, BOB, MECHANISMS, run

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]

PASSWORDS = {ALICE: "rabbit-hole", BOB: "sponge"}
SCHEMES = {
    "smtp": 587,
    "smtps": 465,
    "pop3": 110,
    "pop3s": 995,
    "imap": 143,
    "imaps": 993,
}


def curl(site, who, scheme, path="", *options, **expected):
    url = f"{scheme}://localhost:{site.port(who, SCHEMES[scheme])}/{path}"
    login = ("--user", f"{who}:{PASSWORDS[who]}")
    safe = ("--ssl-reqd", "--cacert", site.ca)
    return run("curl", "-sS", "--url", url, *login, *safe, *options, **expected)


def send(site, folder, subject, scheme="smtps", *options, **expected):
    file = folder / "letter"
    head = f"From: {ALICE}\nTo: {BOB}\nSubject: {subject}\n\n"
    file.write_text(head + "Dots:\n.\n..\n", "utf-8", newline="\r\n")
    envelope = ("--mail-from", ALICE, "--mail-rcpt", BOB, "-T", file)
    return curl(site, ALICE, scheme, "pc.example", *envelope, *options, **expected)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_curl_sends(site, tmp_path, scheme):
    send(site, tmp_path, f"by {scheme}", scheme)
    stored = site.arrived(f"Subject: by {scheme}\r\n")
    assert b"with ESMTPSA id" in stored.content
    assert stored.content.endswith(b"\r\nDots:\r\n.\r\n..\r\n")


@pytest.mark.parametrize("scheme", ["pop3", "pop3s"])
def test_curl_reads_by_pop3(site, tmp_path, scheme):
    send(site, tmp_path, f"for {scheme}")
    site.arrived(f"Subject: for {scheme}\r\n")
    number = len(site.world.mailbox(BOB).messages)
    listing = curl(site, BOB, scheme)
    assert listing.splitlines()[-1].split()[0] == str(number)
    assert f"Subject: for {scheme}" in curl(site, BOB, scheme, str(number))


@pytest.mark.parametrize("scheme", ["imap", "imaps"])
def test_curl_reads_by_imap(site, tmp_path, scheme):
    send(site, tmp_path, f"for {scheme}")
    uid = site.arrived(f"Subject: for {scheme}\r\n").uid
    assert "INBOX" in curl(site, BOB, scheme)
    assert f"Subject: for {scheme}" in curl(site, BOB, scheme, f"INBOX;UID={uid}")
    found = curl(site, BOB, scheme, f"INBOX?SUBJECT%20%22for%20{scheme}%22")
    assert found.startswith("* SEARCH ")


def has_scram():
    return (
        "gsasl" in subprocess.run(["curl", "-V"], capture_output=True).stdout.decode()
    )


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_curl_logs_in_by_every_mechanism(equipped, tmp_path, scheme, mechanism):
    if mechanism.startswith("SCRAM") and not has_scram():
        pytest.skip("this curl was made without SCRAM")
    chosen = ("--login-options", f"AUTH={mechanism}", "-v")
    subject = f"{mechanism} by {scheme}"
    said = send(equipped, tmp_path, subject, scheme, *chosen)
    assert f"> AUTH {mechanism}" in said
    equipped.arrived(f"Subject: {subject}\r\n")


def test_curl_stores_a_message_by_imap(site, tmp_path):
    file = tmp_path / "draft"
    file.write_bytes(b"Subject: put here by curl\r\n\r\nA draft.\r\n")
    curl(site, BOB, "imaps", "INBOX", "-T", file)
    assert b"A draft." in site.arrived("Subject: put here by curl\r\n").content


def test_curl_deletes_by_pop3(site, tmp_path):
    send(site, tmp_path, "short life")
    site.arrived("Subject: short life\r\n")
    number = len(site.world.mailbox(BOB).messages)
    curl(site, BOB, "pop3s", str(number), "-X", "DELE", "--list-only")
    texts = [message.content for message in site.world.mailbox(BOB).messages]
    assert not any(b"short life" in text for text in texts)


def test_a_wrong_password_and_an_unknown_authority_are_refused(site, tmp_path):
    url = f"imaps://localhost:{site.port(BOB, 993)}/"
    run("curl", "-sS", url, "--user", f"{BOB}:x", "--cacert", site.ca, code=67)
    run("curl", "-sS", url, "--user", f"{BOB}:{PASSWORDS[BOB]}", code=60)


# The command and the lines it prints --------------------------------------------------

PATIENCE = "retry = 10\nretry-all-errors\nretry-delay = 1\n"


@pytest.fixture
def shell(tmp_path):
    """Runs a line as it is. A letter may still be on its way: curl is told to retry."""
    (tmp_path / ".curlrc").write_text(PATIENCE, "utf-8")

    def run_line(line):
        done = subprocess.run(
            ["sh", "-c", line],
            capture_output=True,
            text=True,
            env={**os.environ, "CURL_HOME": str(tmp_path)},
        )
        assert done.returncode == 0, line + done.stderr
        return done.stdout

    return run_line


@pytest.fixture
def command():
    """`maillab world two-domains --live`, until the end of the test."""
    words = [sys.executable, "-m", "maillab", "world", "two-domains", "--live"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def until(lines, text):
    """The lines up to the one with `text`."""
    found = []
    for line in lines:
        found.append(line.strip())
        if text in line:
            return found
    raise AssertionError("\n".join(found))


def test_the_lines_that_the_command_prints_work_as_they_are(command, shell):
    printed = until(command.stdout, "Ctrl-C stops it")
    send_it, by_pop3, by_imap = [line for line in printed if "curl -sS" in line]
    shell(send_it)
    assert "How are you?" in shell(by_pop3)
    assert "How are you?" in shell(by_imap)
    command.send_signal(signal.SIGINT)
    summary = command.stdout.read()
    assert command.wait(timeout=30) == 0
    assert "your-computer → mail.alpha.example:587" in summary
    assert "mail.alpha.example → mx.beta.example:25" in summary
    assert "SMTP +TLS" in summary
