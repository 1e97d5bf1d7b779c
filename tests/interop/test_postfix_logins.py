"""Logins between a live world and a real Postfix, by every mechanism of SASL.

Postfix as a client uses Cyrus SASL, as a server Dovecot: two more readings of the RFCs.
"""

import shutil
from pathlib import Path

import pytest

from tests.interop import dovecot
from tests.interop.conftest import ALICE, BOB, MECHANISMS
from tests.interop.postfix import NAME, Service, running_postfix, wait_for
from tests.interop.postfix_world import (
    ALPHA,
    USERS,
    letter,
    neighbours,
    send,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("postfix"), reason="no postfix"),
]

PASSWORDS = {"alpha": "pêché", "wrong": "apple"}  # Dovecot knows the first one


def client(name, **settings):
    """A way out of Postfix, which sends mail of NAME@gamma.example."""
    return Service(name.lower(), "smtp", settings)


WAYS_OUT = (
    *(client(one, smtp_sasl_mechanism_filter=one.lower()) for one in MECHANISMS),
    client("implicit", smtp_tls_wrappermode="yes"),
    client(
        "wrong",
        smtp_sasl_password_maps=f"static:{ALICE}:wrong",
        smtp_sasl_auth_soft_bounce="no",
    ),
)


@pytest.fixture(scope="module")
def relayed(equipped):
    """A Postfix that gives all its mail to alpha's server, as alice."""
    if not list(Path("/usr/lib").glob("*/sasl2/libscram.so*")):
        pytest.skip("libsasl2-modules is not installed")
    ports = {one.name: 465 if one.name == "implicit" else 587 for one in WAYS_OUT}
    ways = " ".join(
        f"{name}@gamma.example={name}:[127.0.0.1]:{equipped.port(ALICE, port)}"
        for name, port in ports.items()
    )
    lmtp = f"lmtp:[127.0.0.1]:{equipped.port(ALICE, 24)}"
    ways += f" lmtp@gamma.example={lmtp}"
    settings = {
        "sender_dependent_default_transport_maps": f"inline:{{ {ways} }}",
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"static:{ALICE}:rabbit-hole",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": ALPHA,
    }
    with running_postfix(*WAYS_OUT, **(USERS | settings)) as postfix:
        yield postfix


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_postfix_logs_in_at_our_server(equipped, relayed, mechanism):
    subject = f"Postfix by {mechanism}"
    send(relayed.port, f"{mechanism}@gamma.example", BOB, letter(subject))
    content = equipped.arrived(f"Subject: {subject}\r\n").content
    assert b"with ESMTPSA id" in content
    [*_, login] = equipped.world.trace.of_kind("auth")
    assert (login["mechanism"], login["user"], login["ok"]) == (mechanism, ALICE, True)


def test_postfix_logs_in_by_implicit_tls(equipped, relayed):
    send(relayed.port, "implicit@gamma.example", BOB, letter("Postfix by 465"))
    content = equipped.arrived("Subject: Postfix by 465\r\n").content
    assert b"with ESMTPSA id" in content


def test_postfix_delivers_by_lmtp(equipped, relayed):
    people = [ALICE, "nobody@alpha.example"]
    send(relayed.port, "lmtp@gamma.example", people, letter("Postfix by LMTP"))
    content = equipped.arrived("Subject: Postfix by LMTP\r\n", ALICE).content
    assert b"with LMTP id" in content
    refusal = "to=<nobody@alpha.example>, relay=127.0.0.1[127.0.0.1]"
    wait_for(lambda: refusal in relayed.logged())


def test_postfix_gives_up_after_a_wrong_password(relayed):
    send(relayed.port, "wrong@gamma.example", BOB, letter("refused"))
    refusal = "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8"
    wait_for(lambda: refusal in relayed.logged())
    wait_for(lambda: not relayed.queued)


@pytest.fixture(scope="module")
def smart(tmp_path_factory):
    """A Postfix that takes mail from whoever logs in."""
    only_users = {
        **dovecot.SETTINGS,
        "smtpd_tls_security_level": "encrypt",
        "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
        "mynetworks": "",
    }
    folder = tmp_path_factory.mktemp("gamma")
    submission = Service("submission", settings=only_users)
    with neighbours(folder, submission) as both:
        port = both.postfix.ports["submission"]
        both.live.open_outside(NAME, 587, f"127.0.0.1:{port}")
        with dovecot.running_dovecot(both.postfix, {"alpha": PASSWORDS["alpha"]}):
            yield both


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_our_server_logs_in_at_a_smart_host(smart, mechanism):
    with smart.settings(ALPHA, delivery={"mechanisms": [mechanism]}):
        smart.world.use_smart_host(ALPHA, NAME, "alpha", PASSWORDS["alpha"])
        smart.alice_sends(letter(f"smart by {mechanism}", ALICE))
        content = smart.arrived_outside(f"Subject: smart by {mechanism}")
    assert b"(Postfix) with ESMTPSA id" in content
    assert f"sasl_method={mechanism}, sasl_username=alpha" in smart.postfix.logged()


def test_mail_for_elsewhere_goes_by_the_smart_host(smart):
    with smart.settings(ALPHA):
        smart.world.use_smart_host(ALPHA, NAME, "alpha", PASSWORDS["alpha"])
        smart.alice_sends(letter("by way of Postfix", ALICE), BOB)
        content = smart.arrived("Subject: by way of Postfix")
    received = content.split(b"\r\nReceived: ")
    assert b"from mx.postfix.example" in received[0] + received[1]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_at_the_smart_host_keeps_mail_waiting(smart, mechanism):
    subject = f"wrong {mechanism}"
    with smart.settings(ALPHA, delivery={"mechanisms": [mechanism]}):
        smart.world.use_smart_host(ALPHA, NAME, "alpha", PASSWORDS["wrong"])
        smart.alice_sends(letter(subject, ALICE))
        wait_for(lambda: waits_for_a_login(smart.world, mechanism))
        smart.world.use_smart_host(ALPHA, NAME, "alpha", PASSWORDS["alpha"])
        smart.live.call(retry_all(smart.world))
        smart.arrived_outside(f"Subject: {subject}")


def waits_for_a_login(world, mechanism) -> bool:
    queue = world.server(ALPHA).queue
    said = [one.reason for e in queue.entries.values() for one in e.recipients]
    return any("535 5.7.8" in reason for reason in said)


async def retry_all(world) -> None:
    world.server(ALPHA).queue.retry("all")
