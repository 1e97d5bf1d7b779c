"""`maillab serve` while it runs: accounts, settings and certificates that change."""

import imaplib
import os
import signal
import smtplib
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from maillab.gateway.serving.certificates import new_authority, signed_for
from tests.serving import (
    ANN,
    BOB,
    HOST,
    PASSWORD,
    Serving,
    add_users,
    letter,
    wait_for_mail,
    write_settings,
)

NEW = "another password"
OUT = "out@example.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("changes") / "D"
    write_settings(
        folder, rest=f"[mail.recipients.aliases]\n{OUT!r} = 'joe@far.example'"
    )
    add_users(folder)
    with Serving(folder) as running:
        yield running


def goodbye(client: imaplib.IMAP4) -> bytes:
    """The next line; the connection is closed."""
    line = client.readline()
    client.shutdown()
    return line


def test_whoever_is_disabled_loses_the_session_within_seconds(server: Serving) -> None:
    client = server.imap(ANN)
    accounts = add_users(server.folder, "tim@example.test")  # as another process does
    accounts.disable(ANN)
    assert goodbye(client).startswith(b"* BYE Your account was disabled")
    with pytest.raises(imaplib.IMAP4.error):
        server.imap(ANN)
    accounts.enable(ANN)
    with server.imap(ANN), server.imap("tim@example.test"):
        pass


def test_a_new_password_acts_at_once_after_sighup(server: Serving) -> None:
    accounts = add_users(server.folder, "eva@example.test")
    client = server.imap("eva@example.test")
    accounts.set_password("eva@example.test", NEW)
    server.signal(signal.SIGHUP)
    assert b"password was changed" in goodbye(client)
    accounts.set_password("eva@example.test", PASSWORD)
    with server.imap("eva@example.test"):
        pass


def test_a_wrong_file_of_accounts_changes_nothing_and_shows(server: Serving) -> None:
    file = server.folder / "accounts.toml"
    right = file.read_text()
    file.write_text(right + "\n[damaged\n")
    server.wait_for("error")
    assert str(file) in server.logged[-1]["text"]
    with server.imap(BOB):
        status, report = server.health()
    assert (status, report["status"]) == (503, "degraded")
    assert str(file) in report["problems"][0]
    file.write_text(right)
    server.signal(signal.SIGHUP)
    server.wait_for("reloaded")
    assert server.health()[0] == 200


def test_sighup_reads_the_settings_again(server: Serving) -> None:
    file = server.folder / "maillab.toml"
    before = file.read_text()
    more = '[relay]\noutbound = true\n[mail.limits]\nmessage_size = "2 MB"\n'
    file.write_text(before.replace("smtp = 0", "smtp = 2525") + more)
    server.signal(signal.SIGHUP)
    told = server.wait_for("reloaded")
    assert told["text"] == "ports changed: that acts after a new start"
    with server.submission(BOB) as smtp:
        assert smtp.esmtp_features["size"] == str(2 * 1024 * 1024)
        smtp.mail(BOB)
        assert smtp.rcpt("joe@far.example")[0] == 250
        smtp.rset()
    file.write_text("[mail.limits]\nmessage_sice = 1\n")
    server.signal(signal.SIGHUP)
    error = server.wait_for("error")
    assert f"{file}:2: unknown key 'message_sice'" in error["text"]
    with server.smtp() as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["size"] == str(2 * 1024 * 1024)
    file.write_text(before)
    server.signal(signal.SIGHUP)
    server.wait_for("reloaded")


def test_sighup_takes_a_new_certificate_and_no_damaged_one(server: Serving) -> None:
    file = server.folder / "maillab.toml"
    before = file.read_text()
    authority = new_authority()
    given = server.folder / "given.pem"
    given.write_bytes(signed_for(["mail.example.test"], authority))
    file.write_text(before + '\n[tls]\ncertificate = "given.pem"\n')
    server.signal(signal.SIGHUP)
    server.wait_for("reloaded")
    with pytest.raises(ssl.SSLCertVerificationError):
        server.imap(BOB)
    given.write_text("no certificate")
    server.signal(signal.SIGHUP)
    assert f"{given}: no certificate" in server.wait_for("error")["text"]
    with smtplib.SMTP_SSL(
        HOST, server.ports["submissions"], context=ssl._create_unverified_context()
    ) as smtp:
        assert smtp.noop()[0] == 250
    file.write_text(before)
    server.signal(signal.SIGHUP)
    server.wait_for("reloaded")
    with server.imap(BOB):
        pass


def test_mail_dropped_into_pickup_is_sent(server: Serving) -> None:
    with server.imap(BOB) as imap:
        imap.select()
        dropped = letter("by file", to=BOB, sender=ANN).as_bytes()
        pickup = server.folder / "mailroot" / "Pickup"
        (pickup / "letter.part").write_bytes(dropped)
        (pickup / "letter.part").rename(pickup / "letter.eml")
        wait_for_mail(imap)
        assert imap.search(None, "SUBJECT", '"by file"')[1] == [b"1"]


def test_an_alias_to_elsewhere_leads_nowhere_and_the_sender_hears_it(
    server: Serving,
) -> None:
    with server.imap(ANN) as imap:
        imap.select()
        there = int(imap.untagged_responses["EXISTS"][-1])
        with server.submission(ANN) as smtp:
            smtp.send_message(letter("out", to=OUT, sender=ANN))
        wait_for_mail(imap, there + 1)
        report = imap.fetch(str(there + 1), "(BODY[TEXT])")[1][0][1]
        assert b"joe@far.example" in report
        assert b"sends no mail to other servers" in report


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="not root")
def test_root_becomes_another_user_for_good() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)  # pytest's own folders are closed to others
        folder = Path(place) / "D"
        write_settings(folder, top='user = "nobody"')
        add_users(folder)
        with Serving(folder) as server:
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            rows = dict(line.split(":\t", 1) for line in status.splitlines())
            ids = {int(number) for number in rows["Uid"].split()}
            assert 0 not in ids
            assert "0" not in rows["Groups"].split()
            with server.imap() as imap:
                imap.select()
                with server.smtp() as smtp:
                    smtp.send_message(letter("for nobody"))
                wait_for_mail(imap)
            owners = {file.stat().st_uid for file in (folder / "mail").rglob("*")}
            assert owners == ids
            add_users(folder, "late@example.test")  # by root
            with server.imap("late@example.test"):
                pass
            server.signal(signal.SIGHUP)
            assert "text" not in server.wait_for("reloaded")
            assert server.stop() == 0
