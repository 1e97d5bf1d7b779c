"""TLS to the next host: none, may, encrypt, verify; and logins at smart hosts."""

import base64

import pytest

from maillab.policy.settings import RemoteDomain, SmartHost
from tests.queue_worlds import ALPHA, BOB, CAROL, MX1, ONE_MX

BETA = "mx.beta.example"
# gamma's exchanger is beta's host under a name that is not in its certificate
OTHER_NAME = "@ MX 10 impostor\nimpostor A 203.0.113.25\n"
REFUSES = ["250-fake\r\n250 STARTTLS"]


def session(lab):
    [found] = lab.world.trace.find_sessions(client=ALPHA, port=25)
    return found


def said(lab):
    lines = [event["octets"] for event in lab.events("line") if event.host == ALPHA]
    return [line.split()[0].decode() for line in lines if line.strip()]


@pytest.mark.parametrize(
    ("level", "secure"),
    [("none", False), ("may", True), ("encrypt", True), ("verify", True)],
)
def test_each_level_with_a_host_that_has_a_right_certificate(
    queue_world, level, secure
):
    lab = queue_world()
    lab.deliver(tls=level)
    lab.send(BOB)
    assert len(lab.inbox("bob")) == 1
    assert ("STARTTLS" in said(lab)) is secure
    lines = lab.events("line")
    secured = {e["secure"] for e in lines if e["octets"].startswith(b"RCPT TO")}
    assert secured == {secure}


@pytest.mark.parametrize(
    ("level", "outcome", "words"),
    [
        ("may", "bounced", "550"),  # beta does not relay for strangers
        ("encrypt", "bounced", "550"),
        ("verify", "deferred", "TLS failed: "),
    ],
)
def test_each_level_with_a_certificate_for_another_name(
    queue_world, level, outcome, words
):
    lab = queue_world(OTHER_NAME)
    lab.deliver(tls=level)
    lab.send(CAROL)
    [reason] = lab.reasons(outcome)
    assert words in reason
    if level == "verify":
        assert lab.queue.find(lab.events("deferred")[0]["queue_id"]).recipients[
            0
        ].code == ("4.7.5")


@pytest.mark.parametrize("level", ["none", "may", "encrypt", "verify"])
def test_each_level_with_a_host_without_tls(queue_world, level):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(tls=level)
    lab.send(CAROL)
    if level in ("none", "may"):
        assert len(server.messages) == 1
        return
    [reason] = lab.reasons("deferred")
    assert reason == f'{MX1} offers no STARTTLS, which "{level}" wants'
    [entry] = lab.queue.entries.values()
    assert entry.recipients[0].code == "4.7.4"
    assert "MAIL" not in " ".join(server.commands)


@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_a_handshake_that_fails(queue_world, level):
    """RFC 7435: opportunistic security goes on without."""
    lab = queue_world()
    server = lab.mx(ehlo=REFUSES, starttls="220 go on, but I know no TLS")
    lab.deliver(tls=level)
    lab.send(CAROL)
    assert server.sessions == (2 if level == "may" else 1)
    if level == "may":
        assert len(server.messages) == 1
    else:
        [reason] = lab.reasons("deferred")
        assert reason.startswith(f"{MX1}: TLS failed: ")


def test_a_refused_starttls(queue_world):
    lab = queue_world()
    server = lab.mx(ehlo=REFUSES, starttls="454 4.7.0 not now")
    lab.send(CAROL)
    assert len(server.messages) == 1
    lab.deliver(tls="encrypt")
    lab.send(CAROL)
    assert len(server.messages) == 1
    assert len(lab.reasons("deferred")) == 1


def test_a_domain_has_a_level_of_its_own(queue_world):
    lab = queue_world(ONE_MX)
    lab.mx()
    lab.set(remote_domains=(RemoteDomain("gamma.example", tls="verify"),))
    lab.send(CAROL, BOB)
    assert "STARTTLS" in lab.reasons("deferred")[0]
    assert len(lab.inbox("bob")) == 1


# Smart hosts --------------------------------------------------------------------------


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("level", ["may", "encrypt", "verify"])
def test_a_smart_host_with_a_login(queue_world, level, implicit):
    lab = queue_world()
    smart = SmartHost(
        BETA, 465 if implicit else 587, BOB, "sponge", level, implicit_tls=implicit
    )
    lab.deliver(smart_host=smart)
    lab.send("bob@beta.example")
    assert len(lab.inbox("bob")) == 1
    assert b"with ESMTPSA" in lab.inbox("bob")[0]
    assert "sponge" not in lab.world.trace.to_jsonl()


def test_the_mechanisms_of_the_settings_are_used(queue_world):
    lab = queue_world()
    lab.deliver(
        smart_host=SmartHost(BETA, 587, BOB, "sponge", "verify"), mechanisms=("LOGIN",)
    )
    lab.send(BOB)
    lines = [e["octets"] for e in lab.events("line") if e["octets"].startswith(b"AUTH")]
    assert lines
    assert all(line.startswith(b"AUTH LOGIN") for line in lines)


def test_a_password_leaves_in_clear_text_only_where_somebody_wants_that(queue_world):
    lab = queue_world()
    server = lab.mx(ehlo=["250-fake\r\n250 AUTH PLAIN"], auth="235 welcome")
    lab.deliver(smart_host=SmartHost(MX1, 25, "ann", "tea"))
    lab.send(BOB)
    assert not any("AUTH" in line for line in server.commands)
    [reason] = lab.reasons("deferred")
    assert reason == f"{MX1} offers no STARTTLS: the password was not sent"
    lab.deliver(smart_host=SmartHost(MX1, 25, "ann", "tea", "none"))
    lab.queue.retry()
    lab.world.settle()
    assert len(server.messages) == 1
    secret = base64.b64encode(b"\0ann\0tea").decode()
    assert f"AUTH PLAIN {secret}" in server.commands
    assert any("without TLS" in event["text"] for event in lab.events("note"))


def test_a_smart_host_that_refuses_the_login(queue_world):
    lab = queue_world()
    lab.deliver(smart_host=SmartHost(BETA, 587, BOB, "wrong", "verify"))
    lab.send(BOB)
    assert "535" in lab.reasons("deferred")[0]
    assert lab.reports() == [], "the message is fine: it waits for the right password"
    lab.deliver(smart_host=SmartHost(BETA, 587, BOB, "sponge", "verify"))
    lab.world.advance("6 min")
    assert len(lab.inbox("bob")) == 1


def test_a_session_that_waits_is_not_used_under_stricter_settings(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(keep_open=600.0)
    lab.send(CAROL)
    lab.deliver(tls="encrypt")
    lab.send(CAROL)
    assert len(server.messages) == 1
    assert "offers no STARTTLS" in lab.reasons("deferred")[0]
