"""`[hosts.NAME.mail.reading]`: the settings of POP3 and IMAP act in a running world."""

import poplib

import pytest

from maillab.clients import IMAP4, POP3
from tests.worlds import dressed_world

ALPHA, ALICE, PASSWORD = "mail.alpha.example", "alice@alpha.example", "rabbit-hole"
LETTER = b"Subject: Hello\r\n\r\nHow are you?\r\n"


@pytest.fixture
def world():
    with dressed_world("maillab", access={"plain_login": True}) as world:
        yield world


def imap(world):
    client = IMAP4(world.host("alice-pc"), ALPHA)
    client.login(ALICE, PASSWORD)
    return client


def pop3(world):
    client = POP3(world.host("alice-pc"), ALPHA)
    client.user(ALICE)
    client.pass_(PASSWORD)
    return client


def test_what_is_hidden_is_not_there_in_the_next_session(world):
    before = imap(world)
    world.configure("alpha.example", reading={"hide": ["IDLE", "MOVE"]})
    after = imap(world)
    assert "IDLE" in before.capabilities
    assert not {"IDLE", "MOVE"} & set(after.capabilities)
    with pytest.raises(IMAP4.error, match="No such command: IDLE"):
        after.xatom("IDLE")


def test_a_message_has_a_limit_of_its_own_in_imap(world):
    world.configure("alpha.example", reading={"append_limit": 20})
    client = imap(world)
    assert "APPENDLIMIT=20" in client.capabilities
    kind, said = client.append("INBOX", None, None, LETTER)
    assert (kind, said[0][:8]) == ("NO", b"[TOOBIG]")


def test_quota_is_one_for_delivery_and_imap(world):
    world.configure("alpha.example", recipients={"default_quota": "2 KB"})
    client = imap(world)
    assert client.append("INBOX", None, None, LETTER * 40)[0] == "OK"
    kind, said = client.append("INBOX", None, None, LETTER * 40)
    assert (kind, said[0][:11]) == ("NO", b"[OVERQUOTA]")
    assert client.getquotaroot("INBOX")[1][1] == [b'"" (STORAGE 2 2)']


def test_who_comes_back_too_soon_waits_on_the_clock_of_the_world(world):
    world.configure("alpha.example", reading={"login_delay": "10 min"})
    pop3(world).quit()
    with pytest.raises(poplib.error_proto, match="LOGIN-DELAY"):
        pop3(world)
    world.advance("10 min")
    assert pop3(world).stat()[0] == 0


def test_mail_that_was_retrieved_goes_when_nothing_is_kept(world):
    world.configure("alpha.example", reading={"expire_days": 0})
    imap(world).append("INBOX", None, None, LETTER)
    client = pop3(world)
    assert client.capa()["EXPIRE"] == ["0"]
    assert client.retr(1)[1] == LETTER.splitlines()
    client.quit()
    assert pop3(world).stat() == (0, 0)
