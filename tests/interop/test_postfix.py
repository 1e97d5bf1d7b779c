"""A real Postfix relays to a live world, and a live world relays to Postfix."""

import base64
import shutil

import pytest

from maillab.agents.smtp_dialogue import SMTPDialogue
from maillab.protocol.smtp_client_plan import Wishes
from maillab.wire.dsn import read_report
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import Address
from tests.interop.postfix import NAME, Service, wait_for
from tests.interop.postfix_world import (
    ALICE,
    ALPHA,
    BETA,
    BOB,
    GRETA,
    GRÜN,
    JÜRGEN,
    MANY_HERE,
    MANY_THERE,
    SECOND_PORT,
    body_of,
    letter,
    neighbours,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("postfix"), reason="no postfix"),
]

AWKWARD = b"".join(
    line + b"\r\n"
    for line in [
        b".",
        b"..",
        b".leading",
        b"",
        b"x" * 998,
        b"." + b"y" * 997,
        b"From here",
        b"trailing  \t",
        b"",
    ]
)
EIGHT_BITS = "Grüße aus München\r\n".encode()
MIME = "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8"
MIME += "\r\nContent-Transfer-Encoding: 8bit"


SERVICES = (
    Service("tls-only", settings={"smtpd_tls_security_level": "encrypt"}),
    Service("basic", settings={"smtpd_discard_ehlo_keywords": "8bitmime, smtputf8"}),
    Service("two-at-most", settings={"smtpd_recipient_limit": "2"}),
)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gamma")
    with neighbours(folder, *SERVICES, smtpd_tls_security_level="may") as both:
        yield both


def test_the_world_relays_to_postfix(both):
    both.alice_sends(letter("To the real world", ALICE))
    content = both.arrived_outside("Subject: To the real world")
    assert b"by mx.postfix.example (Postfix) with ESMTPS id" in content
    assert b"Return-Path: <alice@alpha.example>" in content


def test_postfix_relays_to_the_world(both):
    both.greta_sends(letter("From outside"))
    content = both.arrived("Subject: From outside")
    assert b"from mx.postfix.example" in content
    assert b"with ESMTPS id" in content
    # "Verified": Postfix looked at the certificate, as its policy for beta wants.
    assert "Verified TLS connection established" in both.postfix.logged()


def test_postfix_relays_without_tls(both):
    both.greta_sends(letter("In clear text"), ALICE)
    assert b"with ESMTP id" in both.arrived("Subject: In clear text", ALICE)


@pytest.mark.parametrize(
    ("level", "protocol"),
    [
        ("none", b"ESMTP"),
        ("may", b"ESMTPS"),
        ("encrypt", b"ESMTPS"),
        ("verify", b"ESMTPS"),
    ],
)
def test_the_world_uses_tls_as_it_is_told(both, level, protocol):
    with both.settings(ALPHA, delivery={"tls": level}):
        both.alice_sends(letter(f"TLS {level}", ALICE))
        content = both.arrived_outside(f"Subject: TLS {level}\n")
    assert b"(Postfix) with " + protocol + b" id" in content


def by(service, tls):
    """Settings: mail for gamma goes to another port of Postfix."""
    port = SECOND_PORT + [one.name for one in SERVICES].index(service)
    smart = {"host": NAME, "port": port, "tls": tls}
    return {"remote_domains": {"gamma.example": {"smart_host": smart}}}


def test_postfix_insists_on_tls_and_the_world_uses_it(both):
    with both.settings(ALPHA, **by("tls-only", "may")):
        both.alice_sends(letter("TLS only", ALICE))
        assert b"ESMTPS id" in both.arrived_outside("Subject: TLS only")


def test_postfix_insists_on_tls_and_the_world_must_not(both):
    with both.settings(ALPHA, **by("tls-only", "none")):
        both.alice_sends(letter("No TLS", ALICE))
        [recipient] = read_report(both.arrived("Subject: No TLS", ALICE)).recipients
    assert recipient.status == "5.7.0"
    assert "Must issue a STARTTLS command first" in recipient.diagnostic


def test_the_world_encodes_for_a_server_of_seven_bits(both):
    with both.settings(ALPHA, **by("basic", "may")):
        content = letter(f"encoded by maillab{MIME}", ALICE, body=EIGHT_BITS)
        both.alice_sends(content, mail=["BODY=8BITMIME"])
        content = both.arrived_outside("Subject: encoded by maillab")
    assert b"Content-Transfer-Encoding: base64" in content
    assert base64.b64decode(body_of(content)) == EIGHT_BITS


def test_awkward_lines_arrive_as_they_were(both):
    subject = "awkward lines"
    both.alice_sends(letter(subject, ALICE, body=AWKWARD))
    assert body_of(both.arrived_outside(f"Subject: {subject}")) == AWKWARD
    both.greta_sends(letter(subject, body=AWKWARD))
    assert body_of(both.arrived(f"Subject: {subject}")) == AWKWARD


def test_eight_bits_go_both_ways(both):
    content = letter(f"eight bits{MIME}", body=EIGHT_BITS)
    both.alice_sends(content, mail=["BODY=8BITMIME"])
    assert body_of(both.arrived_outside("Subject: eight bits")) == EIGHT_BITS
    both.greta_sends(content, mail=["BODY=8BITMIME"])
    assert body_of(both.arrived("Subject: eight bits")) == EIGHT_BITS


def test_postfix_encodes_for_a_server_of_seven_bits(both):
    with both.settings(BETA, access={"hide": ["8BITMIME", "SMTPUTF8"]}):
        content = letter(f"encoded by Postfix{MIME}", body=EIGHT_BITS)
        both.greta_sends(content, mail=["BODY=8BITMIME"])
        content = both.arrived("Subject: encoded by Postfix")
    assert b"Gr=C3=BC=C3=9Fe aus M=C3=BCnchen" in content


def test_addresses_beyond_ascii_go_both_ways(both):
    both.alice_sends(letter("Für Grün", ALICE, GRÜN), GRÜN, mail=["SMTPUTF8"])
    content = both.arrived_outside("Subject: Für Grün", "gruen")
    assert b"with UTF8SMTPS id" in content
    answer = letter("Für Jürgen", GRÜN, JÜRGEN)
    both.greta_sends(answer, JÜRGEN, sender=GRÜN, mail=["SMTPUTF8"])
    content = both.arrived("Subject: Für Jürgen", JÜRGEN)
    assert b"with UTF8SMTPS id" in content
    assert f"Return-Path: <{GRÜN}>".encode() in content


def test_five_megabytes_go_both_ways(both):
    body = (b"%076d\r\n" % 7) * 67_000
    both.alice_sends(letter("five megabytes", ALICE, body=body))
    assert body_of(both.arrived_outside("Subject: five megabytes")) == body
    both.greta_sends(letter("five megabytes", body=body))
    assert body_of(both.arrived("Subject: five megabytes")) == body


def test_who_was_too_many_for_postfix_is_sent_at_once(both):
    with both.settings(ALPHA, **by("two-at-most", "may")):
        both.alice_sends(letter("to many there", ALICE), MANY_THERE)
        for address in MANY_THERE:
            both.arrived_outside("Subject: to many there", address.partition("@")[0])
    said = [event["octets"] for event in both.world.trace.of_kind("line")]
    assert b"452 4.5.3 Error: too many recipients\r\n" in said


def test_who_was_too_many_for_us_is_sent_later_by_postfix(both):
    text = b"Subject: to many here"
    with both.settings(BETA, limits={"recipients": 2}):
        both.greta_sends(letter("to many here"), MANY_HERE)

        def has_all():
            both.postfix.flush()
            return all(both.lies_with(address, text) for address in MANY_HERE)

        wait_for(has_all)
    assert "said: 452 4.5.3" in both.postfix.logged()


def test_postfix_takes_chunks(both):
    content = letter("in chunks", BOB, body=AWKWARD)
    envelope = Envelope(Address.from_text(BOB), (Address.from_text(GRETA),), {})

    async def bring():
        machine = both.world.host("mx.beta.example")
        stream = await machine.connect(NAME, 25)
        dialogue = SMTPDialogue(machine, stream, wishes=Wishes(chunking="always"))
        await dialogue.greeting()
        await dialogue.ehlo(machine.name)
        transfer = await dialogue.send(envelope, content)
        await dialogue.quit()
        return transfer.final

    assert both.live.call(bring()).positive
    assert body_of(both.arrived_outside("Subject: in chunks")) == AWKWARD
    assert "bdat=1" in both.postfix.logged()
