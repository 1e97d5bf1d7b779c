"""A real Postfix as smart host, and as sender, of a server in each of its clothes."""

import shutil

import pytest

from maillab.gateway.live import Live
from maillab.wire.dsn import read_report
from tests.interop.postfix import NAME, free_port, running_postfix
from tests.interop.postfix_world import (
    ALICE,
    ALPHA,
    GRETA,
    USERS,
    body_of,
    letter,
    send,
)
from tests.worlds import Journal, arrived, dressed_world

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("postfix"), reason="no postfix"),
]

ADDRESS = "198.51.100.71"
PERSONALITIES = ["iis-smtp", "hmailserver", "postfix", "synology", "cloud-tenant"]

STATUS = {
    "hmailserver": "5.0.0",  # it has no enhanced codes: Postfix makes one up
    "cloud-tenant": "5.4.1",  # what Exchange Online says of unknown recipients
}


@pytest.fixture(scope="module")
def postfix():
    door = free_port()  # of alpha's server, in each world
    ways = f"inline:{{ alpha.example=smtp:[127.0.0.1]:{door} }}"
    settings = {"transport_maps": ways, "smtpd_tls_security_level": "may"}
    with running_postfix(**(USERS | settings)) as postfix:
        postfix.door = door
        yield postfix


@pytest.fixture(params=PERSONALITIES)
def dressed(request, postfix):
    """A live world in which alpha's server has this personality."""
    with dressed_world(request.param) as world:
        with Live(world) as live:
            world.add_host(NAME, ADDRESS)
            live.open_outside(NAME, 587, f"127.0.0.1:{postfix.port}")
            live.open_door(ALPHA, 25, postfix.door)
            smart = {"host": f"[{ADDRESS}]", "port": 587, "tls": "encrypt"}
            world.configure(ALPHA, delivery={"smart_host": smart})
            yield live, request.param
        assert Journal(world).failures == []


def test_postfix_is_the_smart_host_of_every_personality(dressed, postfix):
    live, name = dressed
    mua = live.world.user("alice").mua
    content = mua.compose([GRETA], f"from {name}", "Dots:\n.\n..\n")
    live.call(mua.submit(content, [GRETA]))
    content = postfix.arrived("greta", f"Subject: from {name}")
    assert b"(Postfix) with ESMTPS id" in content
    assert body_of(content) == b"Dots:\r\n.\r\n..\r\n"


def test_postfix_brings_mail_to_every_personality(dressed, postfix):
    live, name = dressed
    send(postfix.port, GRETA, ALICE, letter(f"to {name}", to=ALICE))
    inbox = live.world.mailbox(ALICE)
    found = live.call(arrived(inbox, f"Subject: to {name}\r\n".encode()))
    assert b"from mx.postfix.example" in found.content


def test_greta_hears_of_unknown_users_of_every_personality(dressed, postfix):
    """Postfix reports what was refused; iis-smtp takes the letter and reports later."""
    live, name = dressed
    nobody, subject = "nobody@alpha.example", f"to nobody at {name}"
    send(postfix.port, GRETA, nobody, letter(subject))
    content = postfix.arrived("greta", f"Subject: {subject}\n")
    report = read_report(content)
    [one] = report.recipients
    status = STATUS.get(name, "5.1.1")
    assert (one.final, one.action, one.status) == (nobody, "failed", status)
    early = live.world.server(ALPHA).mta.settings.recipients.refuse_unknown
    assert report.reporting_mta == ("mx.postfix.example" if early else ALPHA)
