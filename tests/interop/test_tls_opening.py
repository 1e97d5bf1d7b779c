"""Captures of foreign programs, opened by the keys that they wrote to SSLKEYLOGFILE."""

import os
import shutil
import subprocess

import pytest

from maillab.net.ca import KEYS, certificate_pem
from maillab.trace.reading.capture_file import CaptureFile
from tests.interop.conftest import ALICE, BOB
from tests.interop.relaying import Relay

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed"),
]

SCHEMES = {"smtp": 587, "smtps": 465, "pop3": 110, "pop3s": 995, "imap": 143}
SAID = {
    "smtp": ("AUTH", "MAIL FROM:<alice@alpha.example>", "Subject: watched", "QUIT"),
    "pop3": ("AUTH", "LIST", "QUIT"),
    "imap": ("AUTHENTICATE", "SELECT INBOX", "LOGOUT"),
}
SUITES = {
    "-tls1_3": (
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ),
    "-tls1_2": ("DHE-RSA-AES128-CCM", "DHE-RSA-AES256-SHA256", "AES256-SHA"),
}
CASES = [(version, suite) for version, suites in SUITES.items() for suite in suites]


def watched(site, folder, scheme, *options):
    """What a capture tells of curl's session, with the keys that curl wrote."""
    who, password = (ALICE, "rabbit-hole") if "smtp" in scheme else (BOB, "sponge")
    port = SCHEMES[scheme]
    relay = Relay(site.port(who, port))
    path = {"smtp": "pc.example", "imap": "INBOX?ALL"}.get(scheme.rstrip("s"), "")
    url = f"{scheme}://localhost:{relay.port}/{path}"
    command = ["curl", "-sS4", "--url", url, "--user", f"{who}:{password}"]
    keys = folder / "keys"
    subprocess.run(
        [*command, "--ssl-reqd", "--cacert", str(site.ca), *options],
        env=os.environ | {"SSLKEYLOGFILE": str(keys)},
        check=True,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )
    file = relay.capture(folder / "mail.pcapng", port)
    return CaptureFile.read(file, str(keys)), CaptureFile.read(file)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_sessions_of_curl_are_opened(site, tmp_path, scheme, version):
    options = ["--tls-max", version, "--tlsv1.2"]
    if "smtp" in scheme:
        letter = tmp_path / "letter"
        letter.write_bytes(b"Subject: watched\r\n\r\nHello\r\n")
        options += ["--mail-from", ALICE, "--mail-rcpt", BOB, "-T", str(letter)]
    opened, closed = watched(site, tmp_path, scheme, *options)
    (session,) = opened.trace.sessions
    text = session.transcript(fold=None).text()
    for words in SAID[scheme.removesuffix("s")]:
        assert words in text
    assert "********" in text
    assert session.opened.why == ""
    assert session.tls.version == f"TLSv{version}"
    assert session.tls.server_name == "localhost"
    (session,) = closed.trace.sessions
    assert not any(line.secure for line in session.lines)
    assert "SSLKEYLOGFILE" in session.opened.why


# Ciphers that Python cannot ask for ---------------------------------------------------


@pytest.fixture(params=CASES, ids=[suite for _, suite in CASES])
def reversing(request, tmp_path):
    """`openssl s_server` that says every line backwards; its cipher, and a relay."""
    version, suite = request.param
    chain = tmp_path / "server.pem"
    names = ("localhost",)
    chain.write_bytes((KEYS / "server.pem").read_bytes() + certificate_pem(names))
    option = "-ciphersuites" if version == "-tls1_3" else "-cipher"
    chosen = suite if version == "-tls1_3" else f"{suite}:@SECLEVEL=0"
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", version]
    with subprocess.Popen(
        [*command, "-cert", str(chain), option, chosen],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout
        accepts = next(line for line in server.stdout if line.startswith("ACCEPT"))
        yield suite, Relay(int(accepts.rpartition(":")[2])), [version, option, chosen]
        server.terminate()


def test_every_cipher_is_opened_also_behind_a_key_update(reversing, tmp_path):
    suite, relay, options = reversing
    keys = tmp_path / "keys"
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{relay.port}", "-crlf"]
    with subprocess.Popen(
        [*command, "-keylogfile", str(keys), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as client:
        assert client.stdin
        assert client.stdout
        assert client.stderr
        for line in (b"one", b"two", b"three"):
            client.stdin.write(line + b"\n")
            client.stdin.flush()
            assert any(line[::-1] in said for said in client.stdout)
            if "-tls1_3" in options:  # RFC 8446 §4.6.3: the client asks for new keys
                client.stdin.write(b"K\n")
                client.stdin.flush()
                assert any(b"KEYUPDATE" in said for said in client.stderr)
        client.stdin.close()
    file = relay.capture(tmp_path / "mail.pcapng", 443)
    session = CaptureFile.read(file, str(keys)).trace.session()
    inside = {
        side: b"".join(piece.data for piece in pieces)
        for side, pieces in session.opened.pieces.items()
    }
    assert session.tls.cipher == suite
    assert session.opened.why == ""
    assert inside == {"C": b"one\r\ntwo\r\nthree\r\n", "S": b"eno\nowt\neerht\n"}
