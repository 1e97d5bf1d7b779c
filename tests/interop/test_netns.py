"""curl, swaks, dig and host, unmodified and unconfigured, on the virtual internet."""

import shutil
import subprocess
import sys

import pytest

from tests.test_netns import namespaces_work

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not namespaces_work(), reason="no namespaces here"),
]

BOB = "bob@beta.example"


def inside(script, *, code=0, seat="alice-pc"):
    """A shell script on a host of the world two-domains."""
    words = [sys.executable, "-m", "maillab", "world", "two-domains"]
    words += ["--netns", "--seat", seat, "--", "sh", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def needs(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")


@needs("swaks")
def test_swaks_finds_the_way_to_bob_by_itself():
    said = inside(f"swaks --to {BOB} --from alice@alpha.example --tls")
    assert "Trying mx.beta.example:25" in said
    assert "EHLO alice-pc" in said
    assert "250 2.0.0 Queued" in said


@needs("swaks", "curl")
def test_what_swaks_sends_curl_reads():
    said = inside(
        f"swaks --silent 2 --to {BOB} --from alice@alpha.example "
        "--header 'Subject: hello from inside' && sleep 1 && "
        f"curl -sS 'imaps://imap.beta.example/INBOX;MAILINDEX=1' --user {BOB}:sponge"
    )
    assert "Subject: hello from inside" in said


@needs("dig", "host")
def test_dig_and_host_ask_the_dns_of_the_world():
    said = inside(
        "dig +short MX beta.example; host smtp.beta.example;"
        "dig +short +tcp @203.0.113.53 TXT beta.example; dig +short +trace SOA example"
    )
    assert "10 mx.beta.example." in said
    assert "smtp.beta.example is an alias for mx.beta.example" in said
    assert '"v=spf1 mx -all"' in said
    assert "a.nic.example" in said


@needs("curl")
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("smtp://mx.beta.example", 0),
        ("smtp://mx.beta.example:26", 7),  # refused
        ("smtp://203.0.113.99", 7),  # no route
        ("smtp://nobody.beta.example", 6),  # NXDOMAIN
    ],
)
def test_curl_needs_no_options(url, code):
    inside(f"curl -sS {url}", code=code)
