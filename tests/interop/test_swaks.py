"""Unmodified swaks tries the doors: logins, TLS, and what must be refused."""

import shutil

import pytest

from tests.interop.conftest import ALICE, BOB, run

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed"),
]

REFUSED_RECIPIENT, REFUSED_LOGIN = 24, 28  # exit codes of swaks
LOGIN = ("--auth-user", ALICE, "--auth-password", "rabbit-hole")


def swaks(site, number, *options, who=ALICE, to=BOB, code=0):
    server = ("--server", "localhost", "--port", str(site.port(who, number)))
    people = ("--from", ALICE, "--to", to)
    return run("swaks", *server, *people, *options, code=code)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("number", "tls"), [(587, "--tls"), (465, "--tls-on-connect")])
def test_swaks_logs_in_and_sends(site, number, tls, mechanism):
    subject = f"swaks {number} {mechanism}"
    trust = ("--tls-ca-path", site.ca, "--tls-verify")
    auth = ("--auth", mechanism, *LOGIN)
    header = ("--header", f"Subject: {subject}")
    said = swaks(site, number, tls, *trust, *auth, *header)
    assert "235 2.7.0" in said
    assert b"with ESMTPSA id" in site.arrived(f"Subject: {subject}\r\n").content


def test_swaks_brings_mail_to_port_25_without_a_login(site):
    header = ("--header", "Subject: swaks 25")
    swaks(site, 25, "--tls", *header, who=BOB)
    assert b"with ESMTPS id" in site.arrived("Subject: swaks 25\r\n").content


def test_relaying_without_a_login_is_refused(site):
    said = swaks(site, 25, to="x@nowhere.example", code=REFUSED_RECIPIENT)
    assert "550 5.7.1" in said


def test_a_wrong_password_is_refused(site):
    wrong = ("--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", "x")
    assert "535 5.7.8" in swaks(site, 587, "--tls", *wrong, code=REFUSED_LOGIN)


def test_swaks_pipelines(site):
    header = ("--header", "Subject: swaks pipeline")
    swaks(site, 25, "--pipeline", *header, who=BOB)
    site.arrived("Subject: swaks pipeline\r\n")
