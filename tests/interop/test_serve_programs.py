"""`maillab serve`, as a person starts it: curl sends and reads, mail is dropped in."""

import shutil
import subprocess

import pytest

from maillab.store.maildir_names import to_user_folder
from tests.interop.odd_messages import MESSAGES
from tests.interop.test_maildir_programs import deliver
from tests.serving import ANN, PASSWORD, Serving, add_users, write_settings

pytestmark = pytest.mark.interop


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "D"
    write_settings(folder)
    add_users(folder)
    with Serving(folder) as running:
        yield running


def curl(server, *words: str) -> bytes:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    safe = ["--ssl-reqd", "--cacert", str(server.folder / "ca.pem")]
    login = ["--user", f"{ANN}:{PASSWORD}"]
    done = subprocess.run(
        ["curl", "-sS", *safe, *login, *words], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def url(server, scheme: str, name: str, path: str) -> str:
    return f"{scheme}://localhost:{server.ports[name]}/{path}"


def test_curl_sends_and_reads_every_octet(server, tmp_path):
    for name in ("plain", "mixed", "long"):
        (tmp_path / "letter").write_bytes(MESSAGES[name])
        to = url(server, "smtp", "submission", "pc.example")
        ends = ("--mail-from", ANN, "--mail-rcpt", ANN)
        curl(server, to, *ends, "-T", str(tmp_path / "letter"))
    with server.imap() as client:
        client.select()
        while len(client.search(None, "ALL")[1][0].split()) < 3:
            client.noop()
    for number, name in enumerate(("plain", "mixed", "long"), 1):
        by_imap = curl(server, url(server, "imaps", "imaps", f"INBOX;UID={number}"))
        by_pop3 = curl(server, url(server, "pop3s", "pop3s", str(number)))
        assert by_imap == by_pop3
        assert by_imap.endswith(MESSAGES[name])


def test_mail_that_is_dropped_into_a_folder_is_seen(server):
    place = next(server.folder.rglob(to_user_folder(ANN)), None)
    with server.imap() as client:
        client.select()
        place = place or next(server.folder.rglob(to_user_folder(ANN)))
        deliver(place, MESSAGES["answer"])
        while client.response("EXISTS")[1][-1] != b"1":
            client.noop()
        found = client.fetch("1", "(BODY.PEEK[])")[1]
    assert found[0][1] == MESSAGES["answer"]
