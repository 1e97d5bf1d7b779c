"""Which way mail takes: routes per domain, smart hosts, MX records and their traps."""

import pytest

from maillab.policy.routes import choose_route
from maillab.policy.settings import Delivery, RemoteDomain, Settings, SmartHost
from tests.queue_worlds import ALPHA, BOB, CAROL, LETTER, MX1, MX2, TWO_MX

RELAY = SmartHost("relay.example", 587, "ann", "tea", "verify")
OTHER = SmartHost("other.example")
DOMAINS = (
    RemoteDomain("*.sub.example", smart_host=OTHER),
    RemoteDomain("*.example", tls="encrypt"),
    RemoteDomain("a.sub.example", smart_host=RELAY, tls="may"),
)
GLOBAL = Delivery(smart_host=RELAY, tls="none", port=2525)


@pytest.mark.parametrize(
    ("domain", "key", "tls", "setting"),
    [
        ("a.sub.example", "smart host relay.example:587 as ann", "may", 2),
        ("A.Sub.Example.", "smart host relay.example:587 as ann", "may", 2),
        ("b.sub.example", "smart host other.example:25", "may", 0),
        ("c.b.sub.example", "smart host other.example:25", "may", 0),
        ("beta.example", "beta.example", "encrypt", 1),
        ("sub.example", "sub.example", "encrypt", 1),
    ],
)
def test_a_remote_domain_goes_its_own_way(domain, key, tls, setting):
    settings = Settings(remote_domains=DOMAINS, delivery=GLOBAL)
    choice = choose_route(domain, settings)
    assert (choice.key, choice.tls) == (key, tls)
    assert choice.setting.removesuffix(".smart_host") == f"remote_domains.{setting}"
    assert choice.reason


@pytest.mark.parametrize(
    ("delivery", "key", "fallback", "setting"),
    [
        (Delivery(), "x.test", None, ""),
        (GLOBAL, "smart host relay.example:587 as ann", None, "delivery.smart_host"),
        (
            Delivery(smart_host=OTHER, direct_first=True),
            "x.test",
            "smart host other.example:25",
            "delivery.direct_first",
        ),
    ],
)
def test_other_domains_go_by_the_dns_or_the_smart_host(
    delivery, key, fallback, setting
):
    choice = choose_route("X.test", Settings(delivery=delivery))
    assert (choice.key, choice.setting) == (key, setting)
    assert (choice.fallback.key if choice.fallback else None) == fallback


# In a world ---------------------------------------------------------------------------


def test_the_smart_host_of_a_domain_goes_before_the_one_for_all(queue_world):
    lab = queue_world()
    everything, gamma = lab.mx(MX1), lab.mx(MX2)
    lab.deliver(smart_host=SmartHost("[198.51.100.71]"))
    own = RemoteDomain("gamma.example", smart_host=SmartHost(MX2))
    lab.set(remote_domains=(own,))
    lab.send(CAROL, BOB)
    assert [c for c in everything.commands if "RCPT" in c] == [f"RCPT TO:<{BOB}>"]
    assert [c for c in gamma.commands if "RCPT" in c] == [f"RCPT TO:<{CAROL}>"]
    asked = {event["question"] for event in lab.events("dns") if event.host == ALPHA}
    assert asked == {MX2}, "an [address] needs no DNS, a smart host no MX"


@pytest.mark.parametrize("trouble", ["off", "closed", "451 banner", "451 rcpt"])
def test_direct_first_and_the_smart_host_when_that_fails_for_now(queue_world, trouble):
    lab = queue_world()
    smart = lab.mx(MX2)
    lab.deliver(smart_host=SmartHost(MX2), direct_first=True)
    if trouble == "off":
        lab.off()
    elif trouble == "closed":
        lab.world.add_host(MX1, "198.51.100.71")
    else:
        lab.mx(MX1, **{trouble.split()[1]: "451 4.7.1 later"})
    lab.send(CAROL)
    assert lab.tries() == [MX1, MX2]
    assert len(smart.messages) == 1
    assert lab.events("deferred") == []
    assert len(lab.queue) == 0


def test_direct_first_and_no_smart_host_when_that_works_or_fails_for_good(queue_world):
    lab = queue_world()
    lab.mx(MX1, rcpt=["250 ok", "550 5.1.1 nobody"])
    smart = lab.mx(MX2)
    lab.deliver(smart_host=SmartHost(MX2), direct_first=True)
    lab.send(CAROL)
    lab.send(CAROL)
    assert smart.sessions == 0
    assert len(lab.reasons("bounced")) == 1


def test_who_is_known_to_be_down_is_not_tried_before_the_smart_host(queue_world):
    lab = queue_world()
    lab.off()
    smart = lab.mx(MX2)
    lab.deliver(smart_host=SmartHost(MX2), direct_first=True)
    lab.send(CAROL)
    lab.send(CAROL)
    assert lab.tries() == [MX1, MX2, MX2]
    assert len(smart.messages) == 2


def test_the_dns_route_of_a_domain_overrides_the_smart_host(queue_world):
    lab = queue_world()
    gamma, smart = lab.mx(MX1), lab.mx(MX2)
    lab.deliver(smart_host=SmartHost(MX2))
    lab.set(remote_domains=(RemoteDomain("gamma.example"),))
    lab.send(CAROL)
    assert (len(gamma.messages), smart.sessions) == (1, 0)


def test_a_new_route_counts_at_the_next_try(queue_world):
    lab = queue_world()
    lab.off()
    smart = lab.mx(MX2)
    lab.send(CAROL)
    assert len(lab.queue) == 1
    lab.deliver(smart_host=SmartHost(MX2))
    lab.world.advance("6 min")
    assert len(smart.messages) == 1
    assert len(lab.queue) == 0


@pytest.mark.parametrize(("most", "tried"), [(0, 2), (1, 1), (2, 2)])
def test_so_many_mail_exchangers_are_tried(queue_world, most, tried):
    lab = queue_world(TWO_MX)
    lab.mx(MX1, banner="421 busy")
    lab.mx(MX2, banner="421 busy")
    lab.deliver(max_mx=most)
    lab.send(CAROL)
    assert len(lab.tries()) == tried


# Traps in the DNS ---------------------------------------------------------------------

ALIAS = "www CNAME mx1\n@ MX 5 www\n"


def test_a_mail_exchanger_that_is_an_alias_is_passed_over(queue_world):
    """RFC 2181 §10.3, RFC 5321 §5.1."""
    lab = queue_world(ALIAS + "@ MX 20 mx2\n")
    second = lab.mx(MX2)
    lab.send(CAROL)
    assert lab.tries() == [MX2]
    assert len(second.messages) == 1
    assert any("is an alias (CNAME) of mx1" in e["text"] for e in lab.events("note"))


def test_nothing_but_an_alias_is_an_error(queue_world):
    lab = queue_world(ALIAS)
    lab.mx(MX1)
    lab.send(CAROL)
    [reason] = lab.reasons("bounced")
    assert "www.gamma.example is an alias (CNAME) of mx1.gamma.example" in reason
    assert lab.reports()[0].recipients[0].status == "5.4.4"
    assert lab.tries() == []


def test_a_null_mx_is_final(queue_world):
    lab = queue_world("@ MX 0 .\n")
    lab.send(CAROL)
    [status] = lab.reports()[0].recipients
    assert (status.action, status.status) == ("failed", "5.1.10")


BACKUP = "@ MX 10 mx1\n@ MX 20 mail.alpha.example.\n@ MX 30 mx2\n"
BACKUP_BY_ADDRESS = "@ MX 10 mx1\n@ MX 20 us\n@ MX 30 mx2\nus A 192.0.2.25\n"


@pytest.mark.parametrize("records", [BACKUP, BACKUP_BY_ADDRESS])
def test_a_backup_mx_passes_mail_on_to_better_hosts_only(queue_world, records):
    """RFC 5321 §5.1: hosts as good as ourselves, or worse, are left out."""
    lab = queue_world(records)
    first, worse = lab.mx(MX1, banner=["421 down", "220 up"]), lab.mx(MX2)
    lab.send(CAROL)
    assert lab.tries() == [MX1], "the host with preference 30 would send it back"
    assert "421 down" in lab.reasons("deferred")[0]
    lab.world.advance("6 min")
    assert (len(first.messages), worse.sessions) == (1, 0)


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ("@ MX 10 mail.alpha.example.\n", "the best mail exchanger is mail.alpha"),
        (
            "@ MX 10 us\nus A 192.0.2.25\n",
            "mail loops back to myself: us.gamma.example",
        ),
        ("@ A 192.0.2.25\n", "mail loops back to myself: gamma.example"),
        ("@ MX 10 us\nus AAAA 2001:db8::25\n", "has my address 2001:db8::25"),
        ("@ MX 10 mx1\n@ MX 10 us\nus A 192.0.2.25\n", "mail loops back to myself"),
    ],
)
def test_mail_that_would_come_back_is_not_sent(queue_world, records, words):
    lab = queue_world(records)
    lab.mx(MX1)
    lab.send(CAROL)
    [reason] = lab.reasons("bounced")
    assert words in reason
    assert lab.reports()[0].recipients[0].status == "5.4.6"
    assert lab.tries() == []


def test_our_own_address_literal_is_local(queue_world):
    lab = queue_world()
    lab.send("postmaster@[192.0.2.25]")
    assert len(lab.inbox("alice")) == 1
    assert lab.tries() == []


# Names that others see ----------------------------------------------------------------


def test_ehlo_says_the_name_that_was_set(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.send(CAROL)
    lab.deliver(helo="mail.public.example")
    lab.send(CAROL)
    said = [line for line in server.commands if line.startswith("EHLO")]
    assert said == [f"EHLO {ALPHA}", "EHLO mail.public.example"]


@pytest.mark.parametrize(
    ("sender", "user", "seen"),
    [
        ("alice@alpha.example", "alice@alpha.example", "alice@public.example"),
        ("alice@alpha.example", "", "alice@alpha.example"),
        ("dora@far.example", "alice@alpha.example", "dora@far.example"),
        ("", "alice@alpha.example", ""),
    ],
)
def test_masquerade_is_for_local_senders_at_the_first_hop(
    queue_world, sender, user, seen
):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(masquerade="public.example")
    lab.send(CAROL, sender=sender, user=user)
    [mail] = [line for line in server.commands if line.startswith("MAIL")]
    assert mail.startswith(f"MAIL FROM:<{seen}>")
    assert LETTER.splitlines()[0] in server.messages[0], "RFC5322.From stays"


def test_a_scanner_that_may_relay_by_its_address_is_masqueraded_too(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(masquerade="public.example")
    lab.world.configure(ALPHA, relay={"networks": ["0.0.0.0/0"]})
    lab.send(CAROL, sender="alice@alpha.example", user="")
    [mail] = [line for line in server.commands if line.startswith("MAIL")]
    assert mail.startswith("MAIL FROM:<alice@public.example>")


def test_the_port_of_mail_exchangers_can_be_another(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.world.run(server.host.listen(2525, server.serve))
    lab.deliver(port=2525)
    lab.send(CAROL)
    assert len(server.messages) == 1
    assert lab.world.trace.find_sessions(client=ALPHA, port=25) == []


@pytest.mark.parametrize("trouble", ["off", "451 later"])
def test_the_straight_way_comes_first_again_when_the_smart_host_failed(
    queue_world, trouble
):
    lab = queue_world()
    host = lab.off()
    lab.off(MX2, "198.51.100.72") if trouble == "off" else lab.mx(MX2, mail=trouble)
    lab.deliver(smart_host=SmartHost(MX2), direct_first=True)
    lab.send(CAROL)
    lab.world.advance("1 h")
    assert len(lab.queue) == 1
    host.up = True
    server = lab.mx(MX1)
    lab.world.advance("3 h")
    assert len(server.messages) == 1
    assert len(lab.queue) == 0
