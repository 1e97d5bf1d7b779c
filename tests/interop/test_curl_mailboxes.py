"""curl reads, stores, searches and deletes by IMAP and POP3, octet for octet."""

import shutil
import subprocess

import pytest

from tests.interop.mail_server import SECRET
from tests.interop.odd_messages import MESSAGES

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]

ALL = list(MESSAGES.values())
WAYS = ("imap", "imaps", "imap+tls", "pop3", "pop3s", "pop3+tls")


class Curl:
    """curl as a user, by one way in."""

    def __init__(self, user, way: str) -> None:
        self.user = user
        scheme = way.removesuffix("+tls")
        self.url = f"{scheme}://localhost:{user.port(scheme)}/"
        self.words = ["--user", f"{user.address}:{SECRET}"]
        if way.endswith(("s", "+tls")):
            self.words += ["--ssl-reqd", "--cacert", str(user.server.ca)]

    def __call__(self, path: str = "", *options: str, code: int = 0) -> bytes:
        command = ["curl", "-sS", *self.words, self.url + path, *options]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture(params=WAYS)
def curl(user, request):
    return Curl(user, request.param)


@pytest.fixture
def by_imap(user):
    return Curl(user, "imaps")


@pytest.fixture
def by_pop3(user):
    return Curl(user, "pop3s")


def test_curl_reads_every_octet(user, curl):
    user.put(ALL[0], MESSAGES["mixed"], MESSAGES["long"])
    imap = curl.url.startswith("imap")
    for number, content in enumerate(user.contents(), 1):
        path = f"INBOX;UID={number}" if imap else str(number)
        assert curl(path) == content


def test_curl_appends_every_octet(user, by_imap, tmp_path):
    for name in ("mixed", "utf-8", "no end", "no last crlf"):
        (tmp_path / "letter").write_bytes(MESSAGES[name])
        by_imap("Archive", "-T", str(tmp_path / "letter"))
        assert user.contents("Archive")[-1] == MESSAGES[name]
    (tmp_path / "letter").write_bytes(ALL[0])
    said = by_imap("nowhere", "-T", str(tmp_path / "letter"), code=25)
    assert b"APPEND" in said or b"upload" in said.lower()


def test_curl_asks_what_it_likes(user, by_imap):
    user.put(*ALL, flags="\\Flagged")
    assert by_imap("INBOX?SUBJECT%20nested%20FLAGGED") == b"* SEARCH 12\r\n"
    assert by_imap("INBOX?UNFLAGGED").strip() == b"* SEARCH"
    section = by_imap("INBOX;UID=7;SECTION=2")
    assert section.startswith(b"AAECAwQFBg")
    header = by_imap("INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(Subject)")
    assert header == b"Subject: plain\r\n\r\n"
    by_imap("INBOX", "-X", "STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert b"* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n" in by_imap("INBOX", "-X", "EXPUNGE")
    assert user.contents() == ALL[2:]
    assert by_imap("", "-X", "CREATE two%20words".replace("%20", "-")) == b""
    assert "two-words" in user.names()
    assert b'"/" INBOX' in by_imap("", "-X", 'LIST "" *')
    found = by_imap("", "-X", "STATUS INBOX (MESSAGES UIDNEXT)")
    assert f"(MESSAGES {len(ALL) - 2} UIDNEXT {len(ALL) + 1})".encode() in found


def test_curl_deletes_and_lists_by_pop3(user, by_pop3):
    user.put(*ALL)
    listing = by_pop3().splitlines()
    assert listing == [b"%d %d" % (n, len(one)) for n, one in enumerate(ALL, 1)]
    unique = by_pop3("", "-X", "UIDL").splitlines()
    assert len({line.split()[1] for line in unique}) == len(ALL)
    top = by_pop3("1%201", "-X", "TOP").split(b"\r\n\r\n", 1)
    assert top == [ALL[0].split(b"\r\n\r\n")[0], b"Hello Ben,\r\n"]
    by_pop3("2", "-X", "DELE", "--list-only")
    assert user.contents() == [ALL[0], *ALL[2:]]


@pytest.mark.parametrize("way", ["imap", "imaps", "pop3", "pop3s"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_curl_logs_in_by_every_mechanism(user, way, mechanism):
    if "SCRAM" in mechanism and "gsasl" not in said_by("curl", "-V"):
        pytest.skip("this curl was made without SCRAM")
    user.put(ALL[0])
    curl = Curl(user, f"{way}+tls" if way in ("imap", "pop3") else way)
    path = "INBOX;UID=1" if way.startswith("imap") else "1"
    mechanism_of = ("--login-options", f"AUTH={mechanism}")
    assert curl(path, *mechanism_of) == ALL[0]
    curl.words[1] += "x"
    curl(path, *mechanism_of, code=67)


def test_curl_logs_in_by_apop(user):
    user.put(ALL[0])
    curl = Curl(user, "pop3s")
    assert curl("1", "--login-options", "AUTH=+APOP") == ALL[0]


def said_by(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True).stdout
