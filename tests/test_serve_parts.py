"""The parts of `maillab serve` that need no server: certificates, log, ports, …"""

import asyncio
import errno
import io
import json
import os
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from maillab.errors import LabError
from maillab.gateway.serving import host, privileges
from maillab.gateway.serving.certificates import (
    context_of,
    key_pem,
    new_authority,
    own_files,
    signed_for,
)
from maillab.gateway.serving.folder import reachable
from maillab.gateway.serving.health import Health, response
from maillab.gateway.serving.host import bind, close_all, own_addresses
from maillab.gateway.serving.log import Log
from maillab.gateway.serving.lookups import SystemLookups
from maillab.store import spool_lock
from maillab.store.spool_lock import SpoolLock

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAMES = ["mail.school.example", "school.example"]


# Certificates -------------------------------------------------------------------------


def test_a_folder_gets_an_authority_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    server = own_files(tmp_path, NAMES)
    first, authority = server.read_bytes(), (tmp_path / "ca.pem").read_bytes()
    assert own_files(tmp_path, NAMES).read_bytes() == first
    own_files(tmp_path, [*NAMES, "new.example"])
    assert server.read_bytes() != first
    assert (tmp_path / "ca.pem").read_bytes() == authority
    for file in (server, tmp_path / "tls" / "ca-key.pem"):
        assert file.stat().st_mode & 0o777 == 0o600
    made = x509.load_pem_x509_certificate(server.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {
        *NAMES,
        "new.example",
        "localhost",
    }


def test_a_damaged_authority_is_named(tmp_path: Path) -> None:
    own_files(tmp_path, NAMES)
    (tmp_path / "tls" / "server.pem").unlink()
    (tmp_path / "ca.pem").write_text("damaged")
    with pytest.raises(LabError, match=r"ca\.pem and .*ca-key\.pem are damaged"):
        own_files(tmp_path, NAMES)


def test_a_wrong_certificate_is_said_at_the_start(tmp_path: Path) -> None:
    file, other = tmp_path / "c.pem", tmp_path / "k.pem"
    with pytest.raises(LabError, match=r"c\.pem: cannot be read: No such file"):
        context_of(file, None)
    file.write_text("no certificate")
    with pytest.raises(LabError, match="no certificate with its key; expected PEM"):
        context_of(file, None)
    file.write_bytes(signed_for(NAMES, new_authority()))
    other.write_bytes(key_pem(new_authority().key))
    with pytest.raises(LabError, match="the key does not belong to the first"):
        context_of(file, other)
    assert context_of(file, None).minimum_version == ssl.TLSVersion.TLSv1_2


# The log ------------------------------------------------------------------------------


def logged(level: str, *events: tuple[str, str, dict[str, object]]) -> list[dict]:
    log = Log(None, level, lambda: NOON)  # type: ignore[arg-type]
    log._out = out = io.StringIO()
    for kind, connection, facts in events:
        log(kind, "mail.example.test", connection, 0, **facts)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_tells_of_its_connection() -> None:
    rows = logged(
        "info",
        ("connected", "c1", {"peer": "192.0.2.7", "port": "imaps"}),
        ("auth", "c1", {"protocol": "IMAP", "user": "ann", "ok": True, "reason": ""}),
        ("disconnected", "c1", {}),
        ("note", "c1", {"text": "later"}),
    )
    assert rows[1] == {
        "time": "2026-01-05T12:00:00.000Z",
        "level": "info",
        "event": "auth",
        "connection": "c1",
        "peer": "192.0.2.7",
        "port": "imaps",
        "protocol": "IMAP",
        "user": "ann",
        "ok": True,
    }
    assert "peer" not in rows[3]


def line(octets: bytes, what: str) -> dict[str, object]:
    secret = ((5, 8),) if octets.startswith(b"PASS") else ()
    facts: dict[str, object] = {"speaker": "C", "secure": True, "ref": "", "why": ""}
    return facts | {"octets": octets, "what": what, "secret": secret}


def test_dialogues_are_for_debugging_and_have_no_content() -> None:
    said = (
        ("line", "", line(b"PASS tea\r\n", "command")),
        ("line", "", line(b"a letter to nobody else\r\n", "content")),
        ("line", "", line(b"* 1 FETCH (BODY {3}\r\nabc)\r\n", "reply")),
    )
    assert logged("info", *said) == []
    first, content, reply = logged("debug", *said)
    assert first["text"] == "PASS ********"
    assert (content["octets"], "text" in content) == (25, False)
    assert reply["text"] == "* 1 FETCH (BODY {3}"


# Ports --------------------------------------------------------------------------------


def test_one_number_is_free_at_all_addresses() -> None:
    sockets = bind("imap", ["127.0.0.1", "127.0.0.2"], 0)
    assert len({one.getsockname()[1] for one in sockets}) == 1
    port = sockets[0].getsockname()[1]
    with pytest.raises(LabError, match=rf"ports\.imap: port {port} is taken"):
        bind("imap", ["127.0.0.1"], port)
    close_all(sockets)


def test_an_address_that_is_not_here_is_left_out_or_named() -> None:
    sockets = bind("imap", ["127.0.0.1", "192.0.2.77"], 0)
    assert [one.getsockname()[0] for one in sockets] == ["127.0.0.1"]
    close_all(sockets)
    said = r"ports\.imap: port 0 cannot be opened: .*listen = \['192\.0\.2\.77'\]"
    with pytest.raises(LabError, match=said):
        bind("imap", ["192.0.2.77"], 0)


def test_a_low_port_says_how_to_get_it() -> None:
    refused = PermissionError(13, "Permission denied")
    text = host.cannot_open("smtp", 25, refused)
    assert "needs root (below 1024)" in text
    assert "2525" in text


def test_loopback_is_no_address_of_ours() -> None:
    given = ["127.0.0.1", "::1", "0.0.0.0", "::", "192.0.2.25"]
    assert own_addresses(given) == ("192.0.2.25",)


# The folder ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EACCES, "type `chown -R USER D; "), (errno.ENOSPC, "the disk of D")],
)
def test_a_file_that_cannot_be_used_says_what_to_type(number: int, said: str) -> None:
    with pytest.raises(LabError, match=rf"D/lock: .*{said}"), reachable("D"):
        raise OSError(number, os.strerror(number), "D/lock")


def test_what_is_no_trouble_of_a_file_is_not_hidden() -> None:
    with pytest.raises(ConnectionResetError), reachable("D"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def test_a_lock_that_is_not_ours_is_not_taken_for_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(spool_lock, "fcntl", spool_lock)  # also where there is none
    with pytest.raises(LabError, match="chown -R USER"):
        SpoolLock(tmp_path)


# The rest -----------------------------------------------------------------------------


def test_who_is_unknown_cannot_be_become() -> None:
    with pytest.raises(LabError, match="no such user"):
        privileges.find_user("nobody-of-this-name")


def test_a_request_that_is_none_is_refused() -> None:
    health = Health(lambda: {"status": "ok"})
    for request in (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"GET /x HTTP/1.1",
    ):
        assert health.answer(request).startswith(b"HTTP/1.0 404")
    assert response(200, {"status": "ok"}).endswith(b'{\n  "status": "ok"\n}\n')


def test_names_of_this_computer_are_found_without_the_dns() -> None:
    async def ask() -> list[list[str]]:
        lookups = SystemLookups()
        names = "localhost", "192.0.2.1", "2001:db8::1"
        found = [await lookups.addresses(name) for name in names]
        lookups.close()
        return found

    local, four, six = asyncio.run(ask())
    assert set(local) & {"127.0.0.1", "::1"}
    assert (four, six) == (["192.0.2.1"], ["2001:db8::1"])
    assert socket.gethostbyname("localhost") in local
