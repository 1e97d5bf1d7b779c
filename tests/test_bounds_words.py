"""Strangers' words stay words: in replies, in paths, in logs; and nobody's secret."""

import base64
import json
import random

import pytest

from maillab.errors import LabError
from maillab.gateway.serving.log import shown
from maillab.protocol.imap_server import IMAPServer
from maillab.protocol.imap_server_options import IMAPServerOptions
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.pop3_server_events import POP3ServerOptions
from maillab.store.mail_store import MailStore
from maillab.store.messages import MailboxError
from maillab.store.passwords import Hasher, PlainPassword, Secret
from maillab.wire.imap_thread import message_ids
from maillab.wire.pop3_surrogate import surrogate
from maillab.wire.sasl_scram import ScramServer
from tests.bounds import NO_PROOF, Peer, imap_of, mail_server

INJECTED = b"* BYE injected"
CRLF_INSIDE = b"x\r\n* BYE injected\r\ny"
IN_BASE64 = base64.b64encode(CRLF_INSIDE.decode().encode("utf-16-be")).rstrip(b"=")
LITERAL = b"{%d+}\r\n%b" % (len(CRLF_INSIDE), CRLF_INSIDE)
AS_UTF7 = b"&%b-" % IN_BASE64


@pytest.fixture(scope="module")
def server():
    with mail_server() as opened:
        yield opened


@pytest.fixture
def ann(server):
    return server.newcomer()


def outside_literals(octets):
    """The lines of a response, without what stands in literals."""
    text, rest = b"", octets
    while b"}\r\n" in rest:
        before, _, after = rest.partition(b"}\r\n")
        size = before.rpartition(b"{")[2]
        text += before + b"}"
        rest = after[int(size) :] if size.isdigit() else after
    return (text + rest).split(b"\r\n")


# Replies ------------------------------------------------------------------------------

NAMES = [
    b"SELECT %b",
    b"EXAMINE %b",
    b"CREATE %b",
    b"DELETE %b",
    b"RENAME INBOX %b",
    b"RENAME %b a",
    b"SUBSCRIBE %b",
    b"UNSUBSCRIBE %b",
    b'LIST "" %b',
    b"LIST %b *",
    b'LSUB "" %b',
    b"STATUS %b (MESSAGES)",
    b"COPY 1 %b",
    b"MOVE 1 %b",
    b"APPEND %b {1+}\r\nx",
    b"GETQUOTA %b",
    b"GETQUOTAROOT %b",
    b"LOGIN %b x",
    b"ID (%b %b)",
    b"FETCH 1 BODY.PEEK[HEADER.FIELDS (%b)]",
    b"FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (%b)]",
    b"SEARCH TEXT %b",
    b"SEARCH HEADER %b %b",
    b"SEARCH KEYWORD %b",
    b"SEARCH CHARSET %b ALL",
    b"SORT (DATE) %b ALL",
    b"STORE 1 +FLAGS (%b)",
    b"ENABLE %b",
    b"AUTHENTICATE PLAIN %b",
    b"THREAD %b UTF-8 ALL",
    b"COMPRESS %b",
]


@pytest.mark.parametrize("utf8", [False, True])
def test_no_word_of_a_client_becomes_a_line_of_the_server(ann, utf8):
    ann.put(b"Subject: x\r\n\r\n")
    for command in NAMES:
        for word in (LITERAL, AS_UTF7, b'"x\r* BYE injected"', b"x\n* BYE injected"):
            words = [word] * command.count(b"%b")
            with imap_of(ann) as peer:
                peer.send(b"u UNSELECT\r\n" + b"v ENABLE UTF8=ACCEPT\r\n" * utf8)
                peer.send(b"w SELECT INBOX\r\n")
                heard = peer.throw(b"a " + command % tuple(words) + b"\r\nz NOOP\r\n")
            for line in outside_literals(heard):
                assert not line.lstrip(b"\n\r").startswith(INJECTED), command
                assert b"\n" not in line, command


def test_no_field_of_a_letter_becomes_a_line_of_the_server(ann):
    letter = (
        b"Subject: x\ry\r* BYE injected\r\nFrom: a\r* BYE injected <b\r@c>\r\n"
        b'Content-Type: a/b\r* BYE; x="y\r* BYE injected"\r\n'
        b"Content-ID: \n* BYE injected\r\n\r\n* BYE injected\r\n"
    )
    ann.put(letter)
    with imap_of(ann) as peer:
        heard = peer.throw(
            b"a FETCH 1 (ENVELOPE BODYSTRUCTURE PREVIEW BODY[HEADER.FIELDS (SUBJECT)])"
            b"\r\nz NOOP\r\n"
        )
    assert b"z OK" in heard
    for line in outside_literals(heard):
        assert not line.startswith(INJECTED)
        assert b"\r" not in line
        assert b"\n" not in line


# Paths --------------------------------------------------------------------------------

EVIL = ["../../x", "..", ".", "/etc/x", "a/../../b", "~", "~root", "cur", "new", "tmp"]
EVIL += [
    "a\\..\\b",
    "%2e%2e/x",
    "CON",
    "a" * 300,
    "é" * 200,
    "lock",
    "a/b/" * 40,
    "\x00",
]


def test_no_name_leads_out_of_the_store(tmp_path):
    folder = tmp_path / "outer" / "store"
    store = MailStore.open(folder)
    tree = store.tree("ann@here.example")
    for name in EVIL:
        for address in (name, f"{name}@here.example", f"a@{name}"):
            try:
                store.tree(address)
            except LabError:
                continue
        try:
            tree.create(name)
        except MailboxError:
            continue
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["outer"]
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["store"]
    mail = folder / "ann@here.example"
    found = {path.name for path in mail.iterdir() if path.is_dir()}
    assert all(name in {"cur", "new", "tmp"} or name.startswith(".") for name in found)
    assert not found & {".", ".."}


# TLS ----------------------------------------------------------------------------------


TLS = {  # what begins it, what is smuggled, and what is asked and heard inside
    "imap": (b"a STARTTLS\r\n", b"b CREATE evil\r\n", b"c NOOP", b"c OK"),
    "pop3": (b"STLS\r\n", b"USER injected\r\n", b"CAPA", b"+OK Cap"),
    "smtp": (b"STARTTLS\r\n", b"NOOP injected\r\n", b"EHLO x", b"250-"),
}


@pytest.mark.parametrize("service", TLS)
def test_what_is_said_behind_starttls_is_never_heard(server, service):
    begin, smuggled, ask, wanted = TLS[service]
    with Peer(server, service) as peer:
        peer.line()
        if service == "smtp":
            peer.send(b"EHLO x\r\n")
            peer.until(b"250 ")
        peer.send(begin + smuggled)
        peer.line()
        peer.socket = NO_PROOF.wrap_socket(peer.socket)
        peer.file = peer.socket.makefile("rb")
        peer.send(ask + b"\r\n")
        assert peer.line().startswith(wanted)


# Who is there -------------------------------------------------------------------------


def wrong_logins(server, name):
    """What is said to somebody who gives a wrong password."""
    plain = base64.b64encode(b"\0%b\0wrong" % name)
    scram = base64.b64encode(b"n,,n=%b,r=abc" % name)
    heard = []
    with Peer(server, "imap") as peer:
        peer.line()
        for command in (b"LOGIN %b wrong" % name, b"AUTHENTICATE PLAIN %b" % plain):
            heard += peer.ask(command)
        peer.send(b"a AUTHENTICATE SCRAM-SHA-256 %b\r\n" % scram)
        challenge = base64.b64decode(peer.line()[2:])
        heard.append([len(piece) for piece in challenge.split(b",")])
        heard.append(challenge.rpartition(b",")[2])
    with Peer(server, "pop3") as peer:
        peer.line()
        peer.send(b"USER %b\r\nPASS wrong\r\nAUTH PLAIN %b\r\n" % (name, plain))
        heard += [peer.line() for _ in range(3)]
    return heard


def test_nobody_hears_whether_a_user_exists(server, ann):
    known = wrong_logins(server, ann.address.encode())
    unknown = wrong_logins(server, b"zoe" + ann.address.encode()[3:])
    assert known == unknown


def challenge_of(name):
    scram = ScramServer("nonce", b"key")
    scram.respond(b"n,,n=%b,r=abc" % name)
    return scram.give_secret(None)


def test_the_salt_of_somebody_unknown_is_the_same_in_any_case():
    """As it is for those who are known: their names are compared without case."""
    assert challenge_of(b"ann") == challenge_of(b"ANN") != challenge_of(b"bob")


def test_the_salt_of_a_password_that_is_kept_as_it_is_is_always_the_same():
    """Another one at each login would tell that this user exists."""
    hasher, secret = Hasher(random.Random(1)), Secret(PlainPassword("tea"), None)
    ann = [hasher.secret_for("SCRAM-SHA-256", secret, "ann@b.example") for _ in "12"]
    bob = hasher.secret_for("SCRAM-SHA-256", secret, "bob@b.example")
    assert ann[0] == ann[1]
    assert ann[0].has_password("tea")
    assert ann[0].salt != bob.salt  # nor that two have the same password


# The log ------------------------------------------------------------------------------

PASSWORD = b"wonder-land"
IN_PLAIN = base64.b64encode(b"\0ann\0" + PASSWORD)
LOGINS = {
    "imap": [
        [b"a LOGIN ann wonder-land\r\n"],
        [b'a login "ann" "wonder-land"\r\n'],
        [b'a LOGIN "ann" "wonder-land\r\n'],
        [b"a LOGIN {3}\r\n", b"ann {11}\r\n", b"wonder-land\r\n"],
        [b"a LOGIN {3+}\r\nann {11+}\r\nwonder-land\r\n"],
        [b"a LOGIN {9000+}\r\n" + b"x" * 9000 + b" wonder-land\r\n"],
        [b"a LOGIN ann {9000+}\r\nwonder-land" + b"x" * 8989 + b"wonder-land\r\n"],
        [b"a LOGIN ann wonder-land\0\r\n"],
        [b"a LOGIN ann wonder-land extra\r\n"],
        [b"LOGIN ann wonder-land\r\n"],
        [b"a AUTHENTICATE PLAIN\r\n", IN_PLAIN + b"\r\n"],
        [b"a AUTHENTICATE PLAIN %b\r\n" % IN_PLAIN],
        [b"a AUTHENTICATE LOGIN\r\n", b"YW5u\r\n", IN_PLAIN + b"\r\n"],
        [b"a AUTHENTICATE NONSENSE\r\n" + IN_PLAIN + b"\r\n"],
        [b"a\tLOGIN ann wonder-land\r\n"],
        [b"a LOGIN\tann wonder-land\r\n"],
    ],
    "pop3": [
        [b"USER ann\r\nPASS wonder-land\r\n"],
        [b"pass  wonder-land\r\n"],
        [b"PASS wonder-land\0\r\n"],
        [b"USER ann\r\nPASS wonder-land" + b"x" * 400 + b"\r\n"],
        [b"AUTH PLAIN\r\n", IN_PLAIN + b"\r\n"],
        [b"AUTH PLAIN %b\r\n" % IN_PLAIN],
        [b"AUTH NONSENSE\r\n" + IN_PLAIN + b"\r\n"],
        [b"PASS\twonder-land\r\n"],
    ],
}
MADE = {
    "imap": lambda: IMAPServer(IMAPServerOptions("mx", plain_login=True)),
    "pop3": lambda: POP3Server(POP3ServerOptions("mx"), implicit_tls=True),
}
CASES = [(name, pieces) for name in LOGINS for pieces in LOGINS[name]]


@pytest.mark.parametrize(("protocol", "pieces"), CASES)
def test_no_log_has_a_password(protocol, pieces):
    engine = MADE[protocol]()
    rows = []
    for piece in (b"", *pieces):
        engine.receive(piece)
        while not (engine.closed or engine._question) and engine.next_event():
            pass
        rows += [shown("line", facts_of(said)) for said in engine.lines_spoken()]
    written = json.dumps(rows)
    assert len(rows) > 1
    for secret in (PASSWORD, IN_PLAIN, IN_PLAIN[4:-4]):
        assert secret.decode() not in written


def facts_of(said):
    names = ("speaker", "secure", "octets", "what", "secret", "why")
    return {name: getattr(said, name) for name in names}


# Patterns -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "ids"),
    [
        (b"<" + b"a@" * 500_000, 0),
        (b"<" + b"@" * 500_000 + b">", 0),
        (b'<"' + b'\\"' * 300_000 + b"@x>", 0),
        ((b'<"' + b'\\"' * 400 + b"@x\\>") * 500, 500),
        (b"<a@b><a@><@b><@@b>" * 20_000, 40_000),
    ],
)
def test_message_ids_are_found_in_one_go(field, ids):
    """With patterns that go back each of these took hours."""
    assert len(message_ids([field])) == ids


@pytest.mark.parametrize("odd", ["(", "()", "\\", '"', "a ", "a,", "<", ":;"])
def test_a_surrogate_of_odd_addresses_is_made_in_one_go(odd):
    letter = f"To: é{odd * 50_000}\r\nSubject: é{odd * 50_000}\r\n\r\n".encode()
    made = surrogate(letter)
    assert made.isascii()
    assert all(line.endswith(b"\r\n") for line in made.splitlines(keepends=True))
