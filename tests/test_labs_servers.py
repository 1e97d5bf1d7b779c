"""The labs of five servers that students meet: what each is there to show."""

import pytest

from maillab import open_world
from maillab.errors import LabError
from tests.worlds import Journal


@pytest.fixture
def world(request):
    with open_world(request.param) as opened:
        yield opened
        assert Journal(opened).failures == []


def lab(name):
    return pytest.mark.parametrize("world", [name], indirect=True)


def ask(world, host, server, *lines, port=25):
    """The reply to each line of a session."""
    with world.console(host, server, port) as console:
        return [console.say(line) for line in lines]


def hand_in(world, host, server, sender, recipient):
    """The reply to RCPT, when it is a refusal; else that to the final dot."""
    with world.console(host, server, 25) as console:
        console.say("EHLO x.example")
        console.say(f"MAIL FROM:<{sender}>")
        reply = console.say(f"RCPT TO:<{recipient}>")
        if not reply.startswith("250"):
            return reply
        console.say("DATA")
        return console.say("Subject: Hello", "", ".")


def subjects(world, who):
    contents = [one.content for one in world.mailbox(who).messages]
    return [c.partition(b"Subject: ")[2].partition(b"\r")[0].decode() for c in contents]


# windows-company ----------------------------------------------------------------------

COMPANY = "mail.company.example"


@lab("windows-company")
def test_the_scanner_relays_and_a_stranger_does_not(world):
    scan = hand_in(
        world, "scanner", COMPANY, "scanner@company.example", "bob@bigmail.example"
    )
    assert scan.startswith("250 2.6.0")
    spam = hand_in(world, "stranger", COMPANY, "a@x.example", "bob@bigmail.example")
    assert spam == "550 5.7.1 Unable to relay for bob@bigmail.example"
    world.settle()
    assert subjects(world, "bob") == ["Hello"]
    why = world.why("bob@bigmail.example").text()
    assert "world.toml:" in why
    assert "Access: Relay: Only the list below" in why


@lab("windows-company")
def test_the_company_is_the_backup_of_its_partner(world):
    world.power_off("mx.partner.example")
    world.send("bob", "petra@partner.example", "While you were away")
    world.advance("10 min")
    assert "petra@partner.example" in world.queue(COMPANY).text()
    world.power_on("mx.partner.example")
    world.advance("2 h")
    assert subjects(world, "petra") == ["While you were away"]


@lab("windows-company")
def test_an_open_relay_is_one_switch_away(world):
    world.configure(COMPANY, relay={"open": True})
    spam = hand_in(world, "stranger", COMPANY, "a@x.example", "bob@bigmail.example")
    assert spam.startswith("250")
    world.configure(COMPANY, relay={"open": False})
    spam = hand_in(world, "stranger", COMPANY, "a@x.example", "bob@bigmail.example")
    assert spam.startswith("550")


@lab("windows-company")
def test_who_is_created_has_mail_and_who_is_disabled_has_not(world):
    people = world.directory("company.example")
    people.create_user("wangwu", "Autumn-2026")
    world.send("zhangsan", "wangwu@company.example", "Welcome")
    assert subjects(world, "zhangsan") == []
    console = world.console("zhangsan-pc", COMPANY, 110)
    assert console.say("USER COMPANY\\wangwu").startswith("+OK")
    assert console.say("PASS Autumn-2026").startswith("+OK")
    assert "1 " in console.say("STAT")
    console.close()
    people.disable_user("lisi")
    with pytest.raises(LabError):
        world.read("lisi")
    with pytest.raises(LabError, match="535"):
        world.send("lisi", "bob@bigmail.example", "Still here?")


# notifier -----------------------------------------------------------------------------

SHOP = "web.shop.example"


@lab("notifier")
def test_the_shop_alone_may_connect_and_only_to_listed_domains(world):
    sender = "shop@web.shop.example"
    assert hand_in(world, SHOP, SHOP, sender, "bob@bigmail.example").startswith("250")
    refused = hand_in(world, SHOP, SHOP, sender, "dora@megapost.example")
    assert refused == "550 5.7.1 Unable to relay for dora@megapost.example"
    with world.console("stranger", SHOP, 25) as console:
        assert console.greeting.startswith("554")
    world.settle()
    assert subjects(world, "bob") == ["Hello"]
    [session] = world.trace.find_sessions(client=SHOP, server="mx.bigmail.example")
    assert session.tls is not None


@lab("notifier")
def test_the_remote_domain_insists_on_tls(world):
    rules = world.firewall("mx.bigmail.example")
    world.add_rule("mx.bigmail.example", action="strip-starttls", ports=25)
    hand_in(world, SHOP, SHOP, "shop@web.shop.example", "bob@bigmail.example")
    world.settle()
    assert subjects(world, "bob") == []
    [reason] = Journal(world).reasons("deferred")
    assert "STARTTLS" in reason
    assert len(rules) == 1


@lab("notifier")
def test_a_limit_that_is_too_low(world):
    world.configure(SHOP, limits={"message_size": "1 KB"})
    text = "Subject: long\r\nX: " + "x" * 900 + "\r\n\r\n" + "y" * 900
    with world.console(SHOP, SHOP, 25) as console:
        console.say("EHLO x")
        console.say("MAIL FROM:<shop@web.shop.example>")
        console.say("RCPT TO:<bob@bigmail.example>")
        console.say("DATA")
        said = console.send_raw(text.encode() + b"\r\n.\r\n")
    assert said == "552 5.3.4 Message size exceeds fixed maximum message size"
    assert "limits.message_size" in world.why("552").text()


@lab("notifier")
def test_implicit_tls_at_the_port_of_starttls_fails(world):
    smart = {"host": "mx.bigmail.example", "port": 587, "implicit_tls": True}
    domains = {"bigmail.example": {"allow_relay": True, "smart_host": smart}}
    world.configure(SHOP, remote_domains=domains)
    hand_in(world, SHOP, SHOP, "shop@web.shop.example", "bob@bigmail.example")
    world.settle()
    assert subjects(world, "bob") == []
    [reason] = Journal(world).reasons("deferred")
    assert "TLS" in reason


@lab("notifier")
def test_the_pickup_folder(world):
    folder = world.server(SHOP).mta.mailroot.pickup
    folder.put(
        "a.eml", b"From: shop@web.shop.example\r\nTo: bob@bigmail.example\r\n\r\n"
    )
    folder.put("b.eml", b"no header at all")
    world.settle()
    assert len(world.mailbox("bob").messages) == 1
    assert len(world.server(SHOP).mta.mailroot.badmail.names) >= 1


# nas-office ---------------------------------------------------------------------------

NAS = "mail.office.example"  # its name outside


def guess(world, host, password):
    return ask(world, host, NAS, "USER carol", f"PASS {password}", port=110)[-1]


@lab("nas-office")
def test_auto_block_stops_the_bot_and_nobody_else(world):
    for word in ("1234", "carol", "letmein", "qwerty", "office"):
        assert guess(world, "bot", word).startswith("-ERR")
    [ban] = world.server("office.example").doorkeeper.bans
    assert (ban.first, ban.last) == ("203.0.113.66", "203.0.113.66")
    for port in (25, 110, 143):  # every port, and without a word
        with world.console("bot", NAS, port) as console:
            assert "220" not in console.greeting
            assert "OK" not in console.greeting
    assert len(world.read("carol")) == len(world.read("dan")) == 0  # no error
    world.advance("61 min")
    assert world.server("office.example").doorkeeper.bans == ()
    assert guess(world, "bot", "again").startswith("-ERR")


@lab("nas-office")
def test_four_typing_errors_are_no_attack(world):
    for word in ("staple47", "Staple-47", "staple_47", "stapel-47"):
        guess(world, "carol-pc", word)
    assert world.server("office.example").doorkeeper.bans == ()
    assert world.read("carol") == []


@lab("nas-office")
def test_without_its_mx_record_mail_goes_to_the_hoster(world):
    world.send("bob", "carol@office.example", "One")
    assert subjects(world, "carol") == ["One"]
    world.zone("office.example").remove("@", "MX")
    world.advance("2 h")  # until the old answer is forgotten
    world.send("bob", "carol@office.example", "Two")
    world.settle()
    assert subjects(world, "carol") == ["One"]
    refusal = world.why("carol@office.example", server="mx.hoster.example")
    assert "Relay access denied" in refusal.text()


# cloud-tenant -------------------------------------------------------------------------

CLOUD = "smtp.cloud.example"


@lab("cloud-tenant")
def test_the_office_server_is_a_client_of_the_cloud(world):
    world.send("eve", "adam@tenant.example", "As eve")
    assert "Client does not have permissions" in world.why("eve@small.test").text()
    server = "server.small.test"
    hand_in(world, "eve-pc", server, "office@tenant.example", "eve@small.test")
    world.configure(server, relay={"networks": "192.168.3.0/24"})
    reply = hand_in(
        world, "eve-pc", server, "office@tenant.example", "bob@bigmail.example"
    )
    assert reply.startswith("250")
    world.settle()
    assert subjects(world, "bob") == ["Hello"]
    assert not world.trace.find_sessions(client=server, port=25, server="bigmail")


@lab("cloud-tenant")
def test_the_cloud_wants_tls_before_anything(world):
    mail = "MAIL FROM:<office@tenant.example>"
    replies = ask(world, "eve-pc", CLOUD, "EHLO x", mail, port=587)
    assert replies[1].startswith("530")


@lab("cloud-tenant")
def test_strangers_do_not_relay_through_the_cloud(world):
    reply = hand_in(world, "stranger", CLOUD, "a@x.example", "bob@bigmail.example")
    assert reply == "550 5.7.64 TenantAttribution; Relay Access Denied"


# home-server --------------------------------------------------------------------------


@lab("home-server")
def test_a_day_without_power_loses_nothing(world):
    world.zone("home.example").add("@", "MX", "20 relay.cloud.example.")
    world.power_off("mail.home.example")
    for number in range(5):
        world.send("bob", "alice@home.example", f"Letter {number}")
        world.advance("5 h")
    assert "5 messages" in world.queue("relay.cloud.example").describe()
    world.power_on("mail.home.example")
    world.advance("3 h")
    assert sorted(subjects(world, "alice")) == [f"Letter {n}" for n in range(5)]
    assert not world.trace.of_kind("bounced")


@lab("home-server")
def test_three_wrong_logons_ban_as_hmailserver_does(world):
    for _ in range(3):
        ask(world, "dora-phone", "mail.home.example", "USER alice", "PASS x", port=110)
    [ban] = world.server("home.example").doorkeeper.bans
    assert ban.expires - world.time == pytest.approx(3600, abs=30)
