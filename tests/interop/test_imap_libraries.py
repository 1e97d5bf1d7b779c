"""imaplib and IMAPClient: other people's Python at maillab's IMAP server."""

import email
import imaplib
import ssl
from datetime import UTC, datetime

import pytest

from tests.interop.mail_server import SECRET, WHEN
from tests.interop.odd_messages import MESSAGES

pytestmark = pytest.mark.interop

HERE = "localhost"
ALL = list(MESSAGES.values())


def tls(user) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=user.server.ca)


# imaplib ------------------------------------------------------------------------------


@pytest.fixture(params=["imap", "starttls", "imaps"])
def plain(user, request):
    """imaplib, logged in, by each way in."""
    if request.param == "imaps":
        context = tls(user)
        client = imaplib.IMAP4_SSL(HERE, user.port("imaps"), ssl_context=context)
    else:
        client = imaplib.IMAP4(HERE, user.port("imap"), timeout=30)
    if request.param == "starttls":
        client.starttls(ssl_context=tls(user))
    client.login(user.address, SECRET)
    yield client
    client.logout()


def test_imaplib_appends_and_fetches_every_octet(user, plain):
    for content in ALL:
        answer = plain.append("INBOX", r"(\Seen Own)", WHEN, content)
        assert answer[0] == "OK", answer
    assert user.contents() == ALL
    assert plain.select() == ("OK", [str(len(ALL)).encode()])
    _, found = plain.fetch("1:*", "(UID BODY.PEEK[])")
    assert [one[1] for one in found if isinstance(one, tuple)] == ALL
    assert user.flags() == [{"\\Seen", "Own"}] * len(ALL)


def test_imaplib_moves_flags_searches_and_sorts(user, plain):
    user.put(*ALL)
    plain.select()
    assert plain.store("1:3", "+FLAGS", r"(\Deleted)")[0] == "OK"
    assert plain.search(None, "DELETED")[1] == [b"1 2 3"]
    assert plain.uid("search", "SUBJECT", "nested")[1] == [b"12"]
    assert plain.copy("4", "Archive")[0] == "OK"
    assert plain.expunge() == ("OK", [b"1", b"1", b"1"])
    assert user.contents() == ALL[3:]
    assert user.contents("Archive") == [ALL[3]]
    _, sorted_by_size = plain.sort("(REVERSE SIZE)", "UTF-8", "ALL")
    order = [int(number) for number in sorted_by_size[0].split()]
    sizes = [len(one) for one in ALL[3:]]
    assert [sizes[at - 1] for at in order] == sorted(sizes, reverse=True)
    _, threads = plain.thread("REFERENCES", "UTF-8", "ALL")
    named = threads[0].translate(_NO_BRACKETS).split()
    assert sorted(map(int, named)) == list(range(1, len(ALL) - 2))


_NO_BRACKETS = bytes.maketrans(b"()", b"  ")


def test_imaplib_names_mailboxes(user, plain):
    for name in ("Work", "Work/old", '"two words"', "&APw-ber"):
        assert plain.create(name)[0] == "OK"
    assert plain.rename("Work", "Labour")[0] == "OK"
    assert plain.delete("Archive")[0] == "OK"
    listed = b"\n".join(plain.list()[1])
    for name in (b"Labour", b"Labour/old", b"two words", b"&APw-ber", b"INBOX"):
        assert name in listed
    assert {"über", "two words", "Labour", "Labour/old"} <= set(user.names())
    assert "Archive" not in user.names()
    assert plain.create("INBOX")[0] == "NO"
    with pytest.raises(imaplib.IMAP4.error):
        plain.select("Labour", readonly=False) and plain.fetch("x", "FLAGS")


# IMAPClient ---------------------------------------------------------------------------


@pytest.fixture
def client(user):
    """IMAPClient by implicit TLS, logged in."""
    imapclient = pytest.importorskip("imapclient")
    context = tls(user)
    options = {"port": user.port("imaps"), "ssl_context": context, "timeout": 30}
    with imapclient.IMAPClient(HERE, use_uid=True, **options) as client:
        client.login(user.address, SECRET)
        yield client


def test_imapclient_reads_structures_as_python_does(user, client):
    user.put(*ALL)
    assert client.select_folder("INBOX")[b"EXISTS"] == len(ALL)
    wanted = ["BODYSTRUCTURE", "ENVELOPE", "RFC822.SIZE", "BODY.PEEK[]"]
    found = client.fetch(client.search(), wanted)
    assert len(found) == len(ALL)
    for data, content in zip(found.values(), ALL, strict=True):
        message = email.message_from_bytes(content)
        assert data[b"BODY[]"] == content
        assert data[b"RFC822.SIZE"] == len(content)
        assert data[b"BODYSTRUCTURE"].is_multipart == (
            message.get_content_maintype() == "multipart"
        )
        subject = data[b"ENVELOPE"].subject or b""
        unfolded = "".join((message["Subject"] or "").splitlines())
        assert subject.decode() == unfolded
        assert data[b"ENVELOPE"].message_id == _octets(message["Message-ID"])


def _octets(text: str | None) -> bytes | None:
    return text.encode() if text else None


def test_imapclient_flags_labels_and_dates(user, client):
    when = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    client.append("INBOX", ALL[0], (b"\\Flagged",), when)
    client.select_folder("INBOX")
    assert client.add_flags(1, [b"\\Seen", b"$label"]) == {
        1: (b"$label", b"\\Flagged", b"\\Recent", b"\\Seen")
    } or user.flags() == [{"\\Seen", "$label", "\\Flagged"}]
    client.remove_flags(1, [b"\\Flagged"])
    assert user.flags() == [{"\\Seen", "$label"}]
    client.normalise_times = False
    assert client.fetch(1, ["INTERNALDATE"])[1][b"INTERNALDATE"] == when


def test_imapclient_uses_extensions(user, client):
    assert {b"IDLE", b"MOVE", b"UIDPLUS"} <= set(client.capabilities())
    user.put(*ALL[:4])
    client.select_folder("INBOX")
    client.move([1, 2], "Archive")
    assert user.contents("Archive") == ALL[:2]
    client.add_flags([3, 4], [b"\\Deleted"])
    client.uid_expunge([3])
    assert user.contents() == [ALL[3]]
    assert client.namespace().personal == (("", "/"),)
    assert client.find_special_folder(b"\\Sent") == "Sent"
    assert client.id_({"name": "test"})
    client.create_folder("Grüße/日本")
    assert "Grüße/日本" in user.names()
    assert "Grüße/日本" in [name for _, _, name in client.list_folders()]
    assert client.folder_status("Archive", ["MESSAGES"]) == {b"MESSAGES": 2}


def test_imapclient_hears_news_while_it_idles(user, client):
    client.select_folder("INBOX")
    client.idle()
    user.put(ALL[0])
    news = []
    while (1, b"EXISTS") not in news:
        news += client.idle_check(timeout=30)
    user.set_flags(1, "\\Answered")
    while not any(one[1] == b"FETCH" for one in news):
        news += client.idle_check(timeout=30)
    user.expunge(1)
    while (1, b"EXPUNGE") not in news:
        news += client.idle_check(timeout=30)
    client.idle_done()
    client.unselect_folder()


def test_imapclient_fetches_what_changed(user, client):
    user.put(*ALL[:5])
    before = client.select_folder("INBOX")[b"HIGHESTMODSEQ"]
    user.set_flags(3, "\\Seen")
    changed = client.fetch([1, 2, 3, 4, 5], ["FLAGS"], [f"CHANGEDSINCE {before}"])
    assert list(changed) == [3]
    assert changed[3][b"MODSEQ"][0] > before


def test_imapclient_sorts_threads_and_searches(user, client):
    user.put(*ALL)
    client.select_folder("INBOX")
    sizes = [len(ALL[uid - 1]) for uid in client.sort("SIZE")]
    assert sizes == sorted(len(one) for one in ALL)
    threads = client.thread("REFERENCES")
    names = list(MESSAGES)
    plain = next(one for one in threads if one[0] == names.index("plain") + 1)
    assert names.index("answer") + 1 in flat(plain)
    assert client.search(["SUBJECT", "folded"]) == [names.index("folded") + 1]
    assert client.search(["TEXT", "Grüße"], "UTF-8")


def flat(thread) -> list[int]:
    return [
        n for one in thread for n in (flat(one) if isinstance(one, tuple) else [one])
    ]


def test_plain_and_sasl_logins(user):
    imapclient = pytest.importorskip("imapclient")
    options = {"port": user.port("imap"), "ssl": False, "timeout": 30}
    with imapclient.IMAPClient(HERE, **options) as client:
        client.starttls(tls(user))
        client.plain_login(user.address, SECRET)
        assert client.select_folder("INBOX")[b"EXISTS"] == 0
    with (
        imapclient.IMAPClient(HERE, **options) as client,
        pytest.raises(imapclient.exceptions.LoginError, match="AUTHENTICATIONFAIL"),
    ):
        client.login(user.address, "wrong")
