"""Unmodified swaks tries the doors: logins, TLS, and what must be refused."""

import shutil
import smtplib

import pytest

from tests.interop.conftest import ALICE, BOB, run

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed"),
]

# Exit codes of swaks.
REFUSED_RECIPIENT, NO_XCLIENT, REFUSED_LOGIN = 24, 33, 28
LOGIN = ("--auth-user", ALICE, "--auth-password", "rabbit-hole")
WRONG = ("--auth-user", ALICE, "--auth-password", "x")
WAYS = [(587, "--tls"), (465, "--tls-on-connect")]
KNOWN = ["PLAIN", "LOGIN", "CRAM-MD5"]  # of what we have, by swaks


def swaks(site, number, *options, who=ALICE, to=BOB, code=0):
    server = ("--server", "localhost", "--port", str(site.port(who, number)))
    people = ("--from", ALICE, "--to", to)
    return run("swaks", *server, *people, *options, code=code)


@pytest.mark.parametrize("mechanism", KNOWN)
@pytest.mark.parametrize(("number", "tls"), WAYS)
def test_swaks_logs_in_and_sends(equipped, number, tls, mechanism):
    subject = f"swaks {number} {mechanism}"
    trust = ("--tls-ca-path", equipped.ca, "--tls-verify")
    auth = ("--auth", mechanism, *LOGIN)
    header = ("--header", f"Subject: {subject}")
    said = swaks(equipped, number, tls, *trust, *auth, *header)
    assert "235 2.7.0" in said
    assert b"with ESMTPSA id" in equipped.arrived(f"Subject: {subject}\r\n").content


@pytest.mark.parametrize("mechanism", KNOWN)
@pytest.mark.parametrize(("number", "tls"), WAYS)
def test_a_wrong_password_is_refused_by_every_mechanism(
    equipped, number, tls, mechanism
):
    auth = ("--auth", mechanism, *WRONG)
    assert "535 5.7.8" in swaks(equipped, number, tls, *auth, code=REFUSED_LOGIN)


def test_swaks_goes_on_where_no_login_is_offered(site):
    header = ("--header", "Subject: optional")
    said = swaks(site, 25, "--auth-optional", *LOGIN, *header, who=BOB)
    assert "-> AUTH" not in said
    site.arrived("Subject: optional\r\n")


def test_swaks_delivers_by_lmtp(equipped):
    header = ("--header", "Subject: by LMTP")
    said = swaks(equipped, 24, "--protocol", "LMTP", *header, to=ALICE)
    assert "LHLO" in said
    content = equipped.arrived("Subject: by LMTP\r\n", ALICE).content
    assert b"with LMTP id" in content


def test_lmtp_knows_no_strangers(equipped):
    to = {"to": "nobody@alpha.example", "code": REFUSED_RECIPIENT}
    assert "550 5.1.1" in swaks(equipped, 24, "--protocol", "LMTP", **to)


def test_xclient_is_for_nobody(site):
    claim = ("--xclient-addr", "192.0.2.1")
    said = swaks(site, 25, *claim, who=BOB, code=NO_XCLIENT)
    assert "Host did not advertise XCLIENT" in said
    swaks(site, 25, *claim, "--xclient-optional", who=BOB)
    with smtplib.SMTP("localhost", site.port(BOB, 25)) as client:
        client.ehlo("pc.example")
        assert client.docmd("XCLIENT", "ADDR=192.0.2.1")[0] == 502


def test_swaks_brings_mail_to_port_25_without_a_login(site):
    header = ("--header", "Subject: swaks 25")
    swaks(site, 25, "--tls", *header, who=BOB)
    assert b"with ESMTPS id" in site.arrived("Subject: swaks 25\r\n").content


def test_relaying_without_a_login_is_refused(site):
    said = swaks(site, 25, to="x@nowhere.example", code=REFUSED_RECIPIENT)
    assert "550 5.7.1" in said


def test_a_wrong_password_is_refused(site):
    wrong = ("--auth", "PLAIN", *WRONG)
    assert "535 5.7.8" in swaks(site, 587, "--tls", *wrong, code=REFUSED_LOGIN)


def test_swaks_pipelines(site):
    header = ("--header", "Subject: swaks pipeline")
    swaks(site, 25, "--pipeline", *header, who=BOB)
    site.arrived("Subject: swaks pipeline\r\n")
