"""Personalities: defaults as `systems.md` and the vendors have them, words for each."""

from collections.abc import Iterator

import pytest

from maillab.errors import LabError
from maillab.policy.settings import Settings
from maillab.protocol.smtp_phrases import PHRASES
from maillab.world.mail_checks import settings_mistakes
from maillab.world.personality import (
    NAMES,
    SettingsPages,
    personality,
    shown_value,
    value_at,
)
from maillab.world.world import World
from tests.worlds import Journal, dressed_world

DEFAULTS = {
    "iis-smtp": {
        "limits.idle": "10 min",
        "limits.message_size": "2048 KB",
        "limits.session_size": "10240 KB",
        "delivery.messages": "20",
        "delivery.recipients": "100",
        "limits.hops": "15",
        "access.anonymous": "yes",
        "relay.authenticated": "yes",
        "relay.networks": "none",
        "delivery.smart_host": "none",
        "delivery.direct_first": "no",
    },
    "hmailserver": {
        "limits.message_size": "20480 KB",
        "delivery.recipients": "100",
        "delivery.retry": "60 min",
        "delivery.expire": "240 min",
        "delivery.max_mx": "15",
        "recipients.rule_loops": "5",
        "access.ip_ranges.0.priority": "10",
        "access.ip_ranges.2.priority": "30",
        "access.ip_ranges.2.login_for": "external-external",
        "defence.autoblock.attempts": "3",
        "defence.autoblock.window": "30 min",
        "defence.autoblock.ban": "60 min",
        "defence.greylisting.keep": "36 days",
    },
    "cloud-tenant": {"access.tls_required": "587", "relay.sender_match": "account"},
}
UNITS = {"min": "min", "KB": "KB", "days": "days"}


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [(name, *row) for name, rows in DEFAULTS.items() for row in rows.items()],
)
def test_the_defaults_are_those_of_the_real_server(name, path, expected):
    unit = expected.rpartition(" ")[2]
    value = value_at(personality(name).settings, path)
    assert shown_value(value, UNITS.get(unit, "")) == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_word_names_a_setting_that_exists(name):
    who = personality(name)
    for word in who.words:
        assert word.setting or word.note, word
        if word.setting:
            value_at(who.settings, word.setting)
    assert len({(word.page, word.word) for word in who.words}) == len(who.words)


@pytest.mark.parametrize("name", NAMES)
def test_every_default_can_be_meant(name):
    assert list(settings_mistakes(personality(name).settings)) == []


@pytest.mark.parametrize("name", NAMES)
def test_replies_in_other_words_say_the_same(name):
    """Positive stays positive; 4yz may stand for 5yz (Postfix defers relaying)."""
    for phrase, said in personality(name).phrases.items():
        assert (said.code < 400) == (PHRASES[phrase].code < 400), phrase
        if said.enhanced:
            assert said.enhanced[0] == str(said.code)[0], phrase


def test_an_unknown_personality_is_refused_with_advice():
    with pytest.raises(LabError, match="did you mean 'iis-smtp'"):
        personality("iis_smtp")


def test_the_settings_print_as_a_table():
    who = personality("iis-smtp")
    text = SettingsPages(who, who.settings).text()
    assert "First retry interval (minutes)" in text
    assert "delivery.retry.0" in text
    assert "240 min" in text
    html = SettingsPages(who, who.settings).html()
    assert "<caption" in html
    assert "limits.message_size" in html


def test_a_list_that_is_shorter_now_prints_too():
    who = personality("iis-smtp")
    assert "delivery.retry.3" in SettingsPages(who, Settings()).text()


# At work ------------------------------------------------------------------------------

BANNERS = {
    "maillab": "220 mail.alpha.example ESMTP maillab",
    "iis-smtp": "220 mail.alpha.example Microsoft ESMTP MAIL Service ready at Mon, 5 J",
    "hmailserver": "220 mail.alpha.example ESMTP",
    "postfix": "220 mail.alpha.example ESMTP Postfix",
    "synology": "220 mail.alpha.example ESMTP Postfix",
    "cloud-tenant": "220 mail.alpha.example Microsoft ESMTP MAIL Service ready at",
}
UNKNOWN = {
    "maillab": "550 5.1.1 No such user here",
    "iis-smtp": "250 2.1.5 nobody@alpha.example",  # a report follows
    "hmailserver": "550 Unknown user",
    "postfix": "550 5.1.1 <nobody@alpha.example>: Recipient address rejected: User",
    "synology": "550 5.1.1 <nobody@alpha.example>: Recipient address rejected: User",
    "cloud-tenant": "550 5.4.1 Recipient address rejected: Access denied",
}


@pytest.fixture(params=NAMES)
def dressed(request: pytest.FixtureRequest) -> Iterator[tuple[str, World]]:
    with dressed_world(request.param) as world:
        yield request.param, world
        assert Journal(world).failures == []


def test_a_session_in_its_words(dressed):
    name, world = dressed
    with world.console("bob-pc", "mail.alpha.example", 25) as console:
        assert console.greeting.startswith(BANNERS[name])
        offered = console.say("EHLO pc.beta.example")
        for word in personality(name).extensions:
            assert word in offered
        assert console.say("MAIL FROM:<bob@beta.example>").startswith("250")
        refused = console.say("RCPT TO:<nobody@alpha.example>")
        assert refused.startswith(UNKNOWN[name])
        assert console.say("RCPT TO:<alice@alpha.example>").startswith("250")
        assert console.say("DATA").startswith("354")
        assert console.say("Subject: Hello", "", ".").startswith("250")
        assert console.say("QUIT").startswith("221")
    world.settle()
    assert b"Subject: Hello" in world.mailbox("alice").messages[-1].content


def test_people_send_and_read(dressed):
    _name, world = dressed
    world.send("alice", "bob@beta.example", "Out")
    world.send("bob", "alice@alpha.example", "In")
    assert b"Subject: Out" in world.read("bob")[0]
    assert b"Subject: In" in world.read("alice", "POP3")[0]


def test_a_refused_recipient_is_explained_in_the_vendors_words():
    with dressed_world("iis-smtp") as world:
        with world.console("bob-pc", "mail.alpha.example", 25) as console:
            console.say("EHLO x")
            console.say("MAIL FROM:<bob@beta.example>")
            refused = console.say("RCPT TO:<carol@gamma.example>")
        assert refused == "550 5.7.1 Unable to relay for carol@gamma.example"
        why = world.why("carol@gamma.example")
        assert why.refusal.setting == "relay.networks"
        assert why.refusal.ref == "RFC 5321 §7.9"
        assert "Access: Relay: Only the list below" in why.text()
        assert "nowhere: the default of iis-smtp is 'none'" in why.text()
