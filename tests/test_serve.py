"""`maillab serve` as a program, met by Python's own clients on real ports."""

import imaplib
import json
import poplib
import signal
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from maillab.store.mail_store import MailStore
from tests.serving import (
    ANN,
    BOB,
    COMMAND,
    HOST,
    PASSWORD,
    PATIENCE,
    Serving,
    add_users,
    letter,
    wait_for_mail,
    write_settings,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One for all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("serve") / "D"
    write_settings(folder, rest='[log]\nlevel = "debug"\nfile = "log.jsonl"')
    add_users(folder)
    with Serving(folder) as running:
        yield running


def test_it_says_its_ports_and_writes_them_down(server: Serving) -> None:
    told = json.loads((server.folder / "ports.json").read_text())
    assert told["pid"] == server.process.pid
    for name, number in told["ports"].items():
        assert any(line.split()[:2] == [name, str(number)] for line in server.said)
    assert server.said[-1].startswith("ready")


def test_mail_from_a_stranger_is_read_by_imap_and_pop3(server: Serving) -> None:
    with server.imap(BOB) as imap:
        imap.select()
        with server.smtp() as smtp:
            smtp.send_message(letter("from afar", to=BOB))
        wait_for_mail(imap)
        _, found = imap.search(None, "SUBJECT", '"from afar"')
        assert found == [b"1"]
    pop3 = server.pop3(BOB)
    try:
        assert b"Subject: from afar" in pop3.retr(1)[1]
    finally:
        pop3.quit()


def test_every_port_with_tls_has_a_certificate_that_the_ca_file_vouches_for(
    server: Serving,
) -> None:
    tls = server.tls
    for name in ("smtp_tls", "submissions"):
        with smtplib.SMTP_SSL(HOST, server.ports[name], context=tls) as smtp:
            assert smtp.noop()[0] == 250
    with smtplib.SMTP("localhost", server.ports["smtp"], timeout=PATIENCE) as smtp:
        assert smtp.starttls(context=tls)[0] == 220
    with imaplib.IMAP4(HOST, server.ports["imap"]) as imap:
        imap.starttls(tls)
        assert imap.login(ANN, PASSWORD)[0] == "OK"
    pop3 = poplib.POP3(HOST, server.ports["pop3"], timeout=PATIENCE)
    pop3.stls(tls)
    pop3.user(ANN)
    assert pop3.pass_(PASSWORD).startswith(b"+OK")
    pop3.quit()


def test_no_password_is_taken_without_tls(server: Serving) -> None:
    with server.smtp("submission") as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("AUTH")
    with imaplib.IMAP4(HOST, server.ports["imap"]) as imap:
        assert "LOGINDISABLED" in imap.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            imap.login(ANN, PASSWORD)
    pop3 = poplib.POP3(HOST, server.ports["pop3"], timeout=PATIENCE)
    with pytest.raises(poplib.error_proto):
        pop3.user(ANN)
    pop3.close()


def test_nobody_sends_mail_to_the_world(server: Serving) -> None:
    far = "somebody@world.example"
    with server.smtp() as stranger:
        stranger.ehlo()
        stranger.mail("eve@far.example")
        assert stranger.rcpt(far)[0] == 550
    with server.submission() as user:
        user.mail(ANN)
        code, text = user.rcpt(far)
        assert (code, b"sends no mail to other servers" in text) == (550, True)
        assert user.rcpt(BOB)[0] == 250


def test_it_listens_at_loopback_only(server: Serving) -> None:
    told = json.loads((server.folder / "ports.json").read_text())
    assert set(told["listen"]) <= {"127.0.0.1", "::1"}


def test_health_is_a_page_of_json(server: Serving) -> None:
    status, report = server.health()
    assert (status, report["status"], report["problems"]) == (200, "ok", [])
    assert report["listeners"] == server.ports
    with server.imap():
        open_now = server.health()[1]
        assert (open_now["sessions"], open_now["open"]) == (1, {"imaps": 1})
    assert server.health("/else")[0] == 404
    assert server.health(method="POST")[0] == 405
    assert server.health(method="HEAD") == (200, None)


def test_a_second_server_in_the_same_folder_is_told_who_is_there(
    server: Serving,
) -> None:
    done = subprocess.run(
        [*COMMAND, "serve", "--dir", str(server.folder)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"is open in another process (pid {server.process.pid})" in done.stderr


def test_the_log_is_json_and_knows_neither_passwords_nor_mail(server: Serving) -> None:
    with (
        imaplib.IMAP4_SSL(HOST, server.ports["imaps"], ssl_context=server.tls) as imap,
        pytest.raises(imaplib.IMAP4.error),
    ):
        imap.login(ANN, "wr0ng secret")
    with server.submission() as smtp:
        smtp.send_message(letter("about nothing", to=BOB, sender=ANN))
    text = (server.folder / "log.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    logins = [row for row in rows if row["event"] == "auth" and row["port"] == "imaps"]
    assert {"time", "level", "connection", "peer", "protocol", "user", "ok"} <= set(
        logins[0]
    )
    failed = [row for row in logins if not row["ok"]]
    assert [row["level"] for row in failed] == ["warning"]
    assert "********" in text, "dialogues are there at the level debug"
    for secret in (PASSWORD, "wr0ng secret", "nobody else shall read"):
        assert secret not in text


# Servers of their own -----------------------------------------------------------------


def test_sigterm_is_a_goodbye_and_what_was_on_its_way_is_taken(tmp_path: Path) -> None:
    write_settings(tmp_path)
    add_users(tmp_path)
    with Serving(tmp_path) as server:
        imap, pop3, idle = server.imap(), server.pop3(BOB), server.smtp()
        imap.select()
        imap.send(b"i IDLE\r\n")
        assert imap.readline().startswith(b"+")
        busy = server.smtp()
        busy.ehlo()
        busy.mail("eve@far.example")
        busy.rcpt(ANN)
        assert busy.docmd("DATA")[0] == 354
        server.signal(signal.SIGTERM)
        assert imap.readline().startswith(b"* BYE")
        assert pop3.file.readline().startswith(b"-ERR [SYS/TEMP]")
        assert idle.getreply()[0] == 421
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, server.ports["smtp"]))
        busy.send(b"Subject: late\r\n\r\nbut not too late\r\n.\r\n")
        assert busy.getreply()[0] == 250
        for client in (imap.sock, pop3, idle, busy):
            client.close()
        assert server.process.wait(PATIENCE) == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read().endswith("\nstopped\n")
        assert not (tmp_path / "ports.json").exists()
    store = MailStore.open(tmp_path / "mail")
    (message,) = store.tree(ANN).inbox.messages
    assert b"but not too late" in message.content
    store.close()


def test_a_second_signal_ends_it_at_once_and_the_queue_is_there_again(
    tmp_path: Path,
) -> None:
    with socket.create_server((HOST, 0)) as nobody:
        port = nobody.getsockname()[1]  # closed in a moment: mail must wait
    smart_host = f'[mail.delivery.smart_host]\nhost = "[{HOST}]"\nport = {port}'
    write_settings(tmp_path, 'grace = "1 h"', smart_host)
    add_users(tmp_path)
    with Serving(tmp_path) as server, server.smtp() as busy:
        busy.ehlo()
        busy.mail("eve@far.example")
        busy.rcpt(ANN)
        busy.docmd("DATA")
        with server.submission() as smtp:
            smtp.send_message(letter("waits", to="joe@far.example", sender=ANN))
        server.wait_for("deferred", recipient="joe@far.example")
        server.signal(signal.SIGINT)
        server.wait_for("stopping")
        server.signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 128 + signal.SIGTERM
        busy.close()
    with Serving(tmp_path) as again:
        assert again.health()[1]["queue"] == 1


def test_limits_and_bans_are_kept(tmp_path: Path) -> None:
    autoblock = "[mail.defence.autoblock]\nattempts = 2"
    write_settings(tmp_path, "sessions = 2", autoblock)
    add_users(tmp_path)
    with Serving(tmp_path) as server:
        first, second = server.imap(), server.smtp()
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            server.smtp()
        assert refused.value.smtp_code == 421
        second.quit()
        server.wait_for("disconnected", port="smtp", connection="c2")
        for _ in range(2):
            wrong = imaplib.IMAP4_SSL(
                HOST, server.ports["imaps"], ssl_context=server.tls
            )
            with pytest.raises(imaplib.IMAP4.error):
                wrong.login(ANN, "guess")
            wrong.shutdown()
            server.wait_for("disconnected", port="imaps")
        with pytest.raises(smtplib.SMTPConnectError) as banned:
            server.smtp()
        assert banned.value.smtp_code == 554
        first.shutdown()
        server.stop()
        assert any(row["event"] == "ban" for row in server.logged)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    write_settings(tmp_path)
    file = tmp_path / "maillab.toml"
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(file.read_text().replace("imap = 0", f"imap = {port}"))
        done = subprocess.run(
            [*COMMAND, "serve", "--dir", str(tmp_path)], capture_output=True, text=True
        )
    assert done.returncode == 2
    assert f"ports.imap: port {port} is taken" in done.stderr
