"""Certificates end by the world's clock, and are trusted by who was told to."""

import ssl

import pytest

from maillab import clients, open_world
from maillab.errors import LabError

SENDER, SERVER = "mail.alpha.example", "mx.beta.example"


@pytest.fixture
def world():
    with open_world("two-domains") as opened:
        opened.configure(SENDER, delivery={"tls": "verify"})
        yield opened


def arrived(world, subject, wait="1 min"):
    """A letter to Bob, by a server that insists on a certificate that is right."""
    before = len(world.mailbox("bob").messages)
    world.send("alice", "bob@beta.example", subject)
    world.advance(wait)
    return len(world.mailbox("bob").messages) - before


def failures(world):
    return [e["reason"] for e in world.trace.of_kind("tls_failed") if e["side"] == "C"]


def test_a_certificate_holds_for_its_days_and_no_longer(world):
    shown = world.issue_certificate(SERVER, days=90)
    assert shown.days_left == 90
    assert arrived(world, "in time") == 1
    world.advance("91 days")
    assert arrived(world, "too late") == 0
    assert failures(world) == ["certificate has expired"]
    assert "certificate has expired" in world.why("bob@beta.example").text()
    assert "ended 2 days ago" in world.certificate(SERVER).describe()


def test_a_new_certificate_brings_what_had_waited(world):
    world.issue_certificate(SERVER, days=1)
    world.advance("2 days")
    assert arrived(world, "waits") == 0
    world.issue_certificate(SERVER)
    world.advance("2 h")
    assert len(world.mailbox("bob").messages) == 1


def test_a_certificate_for_another_name_is_refused(world):
    world.issue_certificate(SERVER, "mx.elsewhere.example")
    assert arrived(world, "to whom?") == 0
    assert "mx.beta.example" in failures(world)[0]


def test_an_authority_of_ones_own_is_trusted_where_somebody_said_so(world):
    ours = world.new_authority("Beta's own CA")
    shown = world.issue_certificate(SERVER, SERVER, by=ours)
    assert (shown.issuer, shown.names) == ("Beta's own CA", [SERVER])
    assert arrived(world, "never heard of them") == 0
    world.trust(SENDER, ours)
    world.advance("2 h")
    assert len(world.mailbox("bob").messages) == 1
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local"):
        by_library(world, "bob-pc")
    world.trust("bob-pc", ours)
    assert by_library(world, "bob-pc").startswith(b"+OK")
    world.distrust("bob-pc")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local"):
        by_library(world, "bob-pc")


def by_library(world, host):
    """Python's own POP3 client on a virtual host, with TLS from the first octet."""
    client = clients.POP3_SSL(world.host(host), SERVER)
    try:
        return client.getwelcome()
    finally:
        client.quit()


def test_an_expired_certificate_is_refused_by_python_s_own_client(world):
    world.issue_certificate(SERVER, days=30)
    assert by_library(world, "bob-pc").startswith(b"+OK")
    world.advance("31 days")
    with pytest.raises(ssl.SSLCertVerificationError, match="has expired"):
        by_library(world, "bob-pc")


def test_the_certificates_of_the_beginning_never_end_in_a_lesson(world):
    world.advance("2000 days")
    assert arrived(world, "years later") == 1


def test_a_world_with_certificates_is_the_same_each_time():
    def sizes():
        with open_world("two-domains") as world:
            world.configure(SENDER, delivery={"tls": "verify"})
            world.issue_certificate(SERVER, days=90)
            arrived(world, "again")
            sent = world.trace.of_kind("bytes")
            return [(e.time_ns, e.host, len(e["data"])) for e in sent]

    assert sizes() == sizes()


def test_what_cannot_be_is_said(world):
    with pytest.raises(LabError, match="1 day or more, not 0"):
        world.issue_certificate(SERVER, days=0)
    with pytest.raises(LabError, match="a name of its own"):
        world.new_authority("")
    with pytest.raises(LabError, match=r"mx\.gamma\.example"):
        world.certificate("mx.gamma.example")
