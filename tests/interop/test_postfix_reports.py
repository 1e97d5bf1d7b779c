"""Reports (RFC 3461, RFC 3464) between a live world and Postfix, and second tries.

Whoever gives up tells the sender, and each side can read what the other one wrote.
"""

import shutil

import pytest

from maillab.wire.dsn import read_report
from tests.interop.postfix import wait_for
from tests.interop.postfix_world import (
    ALICE,
    ALPHA,
    BETA,
    BOB,
    GRETA,
    letter,
    neighbours,
)
from tests.worlds import queued

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("postfix"), reason="no postfix"),
]

LATER = "later@gamma.example"
MOVED = "moved@gamma.example"  # an alias for somebody whom beta does not know
NOTIFY = "NOTIFY=SUCCESS,FAILURE"
ACCESS = "smtpd_recipient_restrictions"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gamma")
    with neighbours(
        folder,
        smtpd_tls_security_level="may",
        virtual_mailbox_maps=f"inline:{{ {GRETA}=greta/ {LATER}=later/ }}",
        virtual_alias_maps=f"inline:{{ {MOVED}=nobody@beta.example }}",
        **{ACCESS: f"check_recipient_access inline:{{ {{ {LATER} = 450 busy }} }}"},
    ) as both:
        yield both


def report_for_alice(both, envid):
    """What came back to alice, and the whole message."""
    content = both.arrived(f"Original-Envelope-Id: {envid}\r\n", ALICE)
    return read_report(content), content


def report_for_greta(both, envid):
    content = both.arrived_outside(f"Original-Envelope-Id: {envid}\n")
    return read_report(content), content


def test_postfix_reports_success_to_alice(both):
    asked = [NOTIFY, "ORCPT=rfc822;Greta+2B1@gamma.example"]
    content = letter("asked for a report", ALICE)
    both.alice_sends(content, mail=["RET=HDRS", "ENVID=QQ+2B7"], rcpt=asked)
    report, content = report_for_alice(both, "QQ+7")
    [one] = report.recipients
    assert (one.action, one.status) == ("delivered", "2.0.0")
    assert one.original == "rfc822;Greta+2B1@gamma.example"
    assert one.final == GRETA
    assert report.reporting_mta == "mx.postfix.example"
    assert content.startswith(b"Return-Path: <>")


def test_our_report_of_success_is_taken_by_postfix(both):
    asked = [NOTIFY, "ORCPT=rfc822;Bob+2B1@beta.example"]
    content = letter("asked beta for a report")
    both.greta_sends(content, mail=["RET=HDRS", "ENVID=RR+2B8"], rcpt=asked)
    report, content = report_for_greta(both, "RR+8")
    [one] = report.recipients
    assert (one.action, one.status) == ("delivered", "2.0.0")
    assert one.original == "rfc822;Bob+2B1@beta.example"
    assert report.reporting_mta == BETA
    assert b"Return-Path: <>" in content


def test_an_unknown_user_at_postfix_is_reported_by_us(both):
    nobody = "nobody@gamma.example"
    both.alice_sends(letter("to nobody", ALICE), nobody, mail=["ENVID=N1"])
    report, _ = report_for_alice(both, "N1")
    [one] = report.recipients
    assert (one.final, one.action, one.status) == (nobody, "failed", "5.1.1")
    assert "User unknown in virtual mailbox table" in one.diagnostic
    assert (report.reporting_mta, one.remote) == (ALPHA, "mx1.gamma.example")


def test_an_unknown_user_here_is_reported_by_postfix(both):
    both.greta_sends(letter("to nobody"), "nobody@beta.example", mail=["ENVID=N2"])
    report, _ = report_for_greta(both, "N2")
    [one] = report.recipients
    assert (one.action, one.status) == ("failed", "5.1.1")
    assert one.remote == "127.0.0.1"  # Postfix was told an address, no name
    assert "550" in one.diagnostic


def test_a_bounce_of_postfix_comes_back_to_alice(both):
    both.alice_sends(letter("to one who moved", ALICE), MOVED, mail=["ENVID=N3"])
    report, content = report_for_alice(both, "N3")
    [one] = report.recipients
    assert one.final == "nobody@beta.example"
    assert one.original == f"rfc822;{MOVED}"
    assert (one.action, one.status) == ("failed", "5.1.1")
    assert b"Subject: to one who moved" in content


def test_never_means_never_on_both_sides(both):
    quiet = {"mail": ["ENVID=N4"], "rcpt": ["NOTIFY=NEVER"]}
    both.alice_sends(letter("quiet", ALICE), "nobody@gamma.example", **quiet)
    both.greta_sends(letter("quiet"), "nobody@beta.example", **quiet)
    both.alice_sends(letter("quiet, too", ALICE), MOVED, **quiet)
    wait_for(lambda: not queued(both.world, ALPHA))
    wait_for(lambda: not both.postfix.queued)
    alices = [one.content for one in both.world.mailbox(ALICE).messages]
    assert not any(b"-Id: N4" in one for one in alices + both.postfix.letters("greta"))


def test_postfix_comes_back_after_greylisting(both):
    with both.settings(BETA, defence={"greylisting": {"delay": 0.5}}):
        both.greta_sends(letter("greylisted"))
        wait_for(lambda: "said: 450 4.7.1 Greylisted" in both.postfix.logged())

        def come_again():
            both.postfix.flush()
            return both.lies_with(BOB, b"Subject: greylisted")

        wait_for(come_again)


def test_our_queue_comes_back_after_450(both):
    """The last test here: Postfix is not as it was afterwards."""
    with both.settings(ALPHA, delivery={"retry": [0.2]}):
        both.alice_sends(letter("busy", ALICE), LATER)
        wait_for(lambda: f"450 4.7.1 <{LATER}>" in both.postfix.logged())
        assert both.postfix.letters("later") == []
        both.postfix.change(**{ACCESS: "permit_mynetworks, reject"})
        both.arrived_outside("Subject: busy", "later")
    wait_for(lambda: not queued(both.world, ALPHA))
