"""Unmodified msmtp sends: every mechanism, every kind of TLS, and words of refusals."""

import shutil
import subprocess

import pytest

from tests.interop.conftest import ALICE, BOB, MECHANISMS

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("msmtp"), reason="msmtp is not installed"),
]

# From sysexits.h, with which msmtp ends.
BAD_DATA, NO_PERMISSION = 65, 77
WAYS = {
    587: ("--tls=on", "--tls-starttls=on"),
    465: ("--tls=on", "--tls-starttls=off"),
}


def msmtp(site, number, *options, to=BOB, password="rabbit-hole", subject=""):
    """Send; return the exit code and what it said."""
    command = (
        *("msmtp", "--host=localhost", f"--port={site.port(ALICE, number)}"),
        *(f"--from={ALICE}", "--domain=pc.example", "--timeout=30"),
        *(f"--user={ALICE}", f"--passwordeval=echo {password}"),
        *(*options, to),
    )
    text = f"From: {ALICE}\nTo: {to}\nSubject: {subject}\n\nDots:\n.\n..\n"
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr


def trusting(site):
    return f"--tls-trust-file={site.ca}"


@pytest.mark.parametrize("number", WAYS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_msmtp_logs_in_and_sends(equipped, number, mechanism):
    subject = f"msmtp {number} {mechanism}"
    options = (*WAYS[number], trusting(equipped), f"--auth={mechanism.lower()}")
    assert msmtp(equipped, number, *options, subject=subject) == (0, "")
    content = equipped.arrived(f"Subject: {subject}\r\n").content
    assert b"with ESMTPSA id" in content
    assert content.endswith(b"\r\nDots:\r\n.\r\n..\r\n")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_refused(equipped, mechanism):
    options = (*WAYS[465], trusting(equipped), f"--auth={mechanism.lower()}")
    code, said = msmtp(equipped, 465, *options, password="wrong")
    assert code == NO_PERMISSION
    assert "authentication failed" in said
    assert "535 5.7.8" in said


def test_msmtp_chooses_a_mechanism_by_itself(equipped):
    options = (*WAYS[587], trusting(equipped), "--auth=on")
    assert msmtp(equipped, 587, *options, subject="its own choice") == (0, "")
    equipped.arrived("Subject: its own choice\r\n")


def test_msmtp_sends_without_tls_what_may_go_so(equipped):
    options = ("--tls=off", "--auth=cram-md5")
    assert msmtp(equipped, 587, *options, subject="in clear text") == (0, "")
    content = equipped.arrived("Subject: in clear text\r\n").content
    assert b"with ESMTPA id" in content


def test_msmtp_does_not_trust_the_lab_by_itself(site):
    options = (*WAYS[465], "--tls-trust-file=system", "--auth=plain")
    code, said = msmtp(site, 465, *options)
    assert code != 0
    assert "certificate" in said


def test_msmtp_delivers_by_lmtp(equipped):
    options = ("--protocol=lmtp", "--tls=off", "--auth=off")
    assert msmtp(equipped, 24, *options, to=ALICE, subject="LMTP") == (0, "")
    assert b"with LMTP id" in equipped.arrived("Subject: LMTP\r\n", ALICE).content


def test_the_words_of_a_refused_recipient_are_shown(site):
    options = ("--tls=off", "--auth=off")
    code, said = msmtp(site, 25, *options, to="nobody@alpha.example")
    assert code == BAD_DATA
    assert "recipient address nobody@alpha.example not accepted" in said
    assert "550 5.1.1" in said


def test_the_words_of_a_refused_relay_are_shown(site):
    options = ("--tls=off", "--auth=off")
    code, said = msmtp(site, 25, *options, to="x@nowhere.example")
    assert code == BAD_DATA
    assert "550 5.7.1" in said


def test_the_words_for_one_who_did_not_log_in_are_shown(site):
    code, said = msmtp(site, 587, "--tls=off", "--auth=off")
    assert code != 0
    assert "530 5.7.0" in said


def test_msmtp_reads_what_the_server_offers(equipped):
    options = (*WAYS[587], trusting(equipped), "--serverinfo")
    port = equipped.port(ALICE, 587)
    command = ["msmtp", "--host=localhost", f"--port={port}", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "PIPELINING" in done.stdout
    assert "STARTTLS" in done.stdout
    for mechanism in MECHANISMS:
        assert mechanism in done.stdout
