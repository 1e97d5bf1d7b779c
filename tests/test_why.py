"""`world.why`: whoever said no, and in whatever protocol, it has a reason."""

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.trace.events import Event
from maillab.trace.why import refusals


@pytest.fixture
def world(request):
    with open_world(request.param) as opened:
        yield opened


def lab(name):
    return pytest.mark.parametrize("world", [name], indirect=True)


def try_to(do, *arguments):
    with pytest.raises(LabError):
        do(*arguments)


@lab("windows-company")
@pytest.mark.parametrize("protocol", ["POP3", "IMAP"])
def test_a_login_to_read_mail_is_explained(world, protocol):
    world.directory("company.example").disable_user("lisi")
    try_to(world.read, "lisi", protocol)
    why = world.why()
    assert why.refusal.reason == "lisi@company.example: the account is disabled"
    assert why.refusal.rule.startswith("login by ")
    assert "directory:dc.company.example" in why.text()
    assert "Summer-2026" not in why.text()


@lab("windows-company")
@pytest.mark.parametrize(
    ("port", "command", "reply"),
    [
        (110, "RETR 1", "-ERR RETR is not legal"),
        (143, "a1 FROB", "a1 BAD"),
        (143, "500 FROB", "500 BAD"),
    ],
)
def test_commands_of_pop3_and_imap_are_refusals_too(world, port, command, reply):
    with world.console("lisi-pc", "mail.company.example", port) as console:
        console.say(command)
    assert world.why().refusal.command == command
    assert world.why().refusal.reply.startswith(reply)


@lab("windows-company")
def test_a_session_without_refusals_has_none(world):
    with world.console("lisi-pc", "mail.company.example", 143) as console:
        console.say("500 LOGIN lisi Summer-2026")  # the tag looks like a code of SMTP
        console.say("501 LOGOUT")  # BYE is no refusal here
    with pytest.raises(LabError, match=r"nothing was refused; see .*world\.explain"):
        world.why()
    with pytest.raises(LabError, match="mentions 'nix'"):
        world.why("nix")


@lab("nas-office")
def test_a_ban_without_a_word_is_explained(world):
    with world.console("bot", "mail.office.example", 110) as bot:
        for guess in ("1234", "carol", "letmein", "qwerty", "office"):
            bot.say("USER carol")
            bot.say(f"PASS {guess}")
    assert world.why("[AUTH]").refusal.reason == "carol: wrong password"
    assert world.why().refusal.reason.endswith("5 wrong logins within 10 minutes")
    world.console("bot", "mail.office.example", 25).close()
    why = world.why("203.0.113.66")
    assert why.refusal.reply == ""
    assert why.refusal.rule == "ban"
    assert "nothing: the connection ended" in why.text()
    assert "attempts 5, window 10 min, ban 1 h" in why.text()
    assert "Control Panel, Auto Block: Login attempts" in why.text()
    assert "without a word" in why.describe()


@lab("windows-company")
def test_a_delivery_is_explained_by_whoever_refused_it(world):
    world.send("zhangsan", "nobody@bigmail.example", "Hello")
    why = world.why()
    assert why.refusal.server == "mx.bigmail.example"
    assert why.refusal.command == "RCPT TO:<nobody@bigmail.example>"
    assert why.refusal.setting == "recipients.refuse_unknown"
    own = world.why("nobody@bigmail.example", server="company.example")
    assert own.refusal.reason.endswith("said 550 5.1.1 No such user here")


@lab("windows-company")
def test_data_without_recipients_has_the_reason_of_the_last_one(world):
    with world.console("stranger", "mail.company.example", 25) as console:
        console.say("EHLO x")
        console.say("MAIL FROM:<a@x.example>")
        console.say("RCPT TO:<bob@bigmail.example>")
        console.say("DATA")
    why = world.why()
    assert why.refusal.command == "DATA"
    assert why.refusal.reason.startswith("no recipient was taken: the domain is not")
    assert why.refusal.setting == "relay.networks"


@lab("windows-company")
def test_a_domain_that_does_not_exist_is_the_last_refusal(world):
    try_to(world.send, "lisi", "not an address", "?")
    world.send("zhangsan", "x@nowhere.example", "Hello?")
    why = world.why()
    assert why.refusal.rule == "DNS: given up"
    assert why.refusal.ref == "RFC 5321 §5.1"
    assert why.describe().startswith("mail.company.example gave up delivery to x@now")


@lab("home-server")
def test_a_wrong_password_for_the_smart_host(world):
    relay = "relay.cloud.example"
    world.use_smart_host("home.example", relay, "home-server@cloud.example", "wrong")
    world.send("alice", "bob@bigmail.example", "Hello")
    why = world.why()
    assert why.refusal.server == relay
    assert why.refusal.reason == "home-server@cloud.example: wrong password"
    assert "wrong'" not in why.text()


@lab("home-server")
def test_greylisting_and_faults_say_so(world):
    world.configure("bigmail.example", defence={"greylisting": {"delay": "5 min"}})
    world.send("dora", "bob@bigmail.example", "Hello")
    why = world.why()
    assert why.refusal.rule == "greylisting"
    assert "it is '5 min' now" in why.text()
    world.fault("RCPT", host="mx.bigmail.example", reply="452 4.2.2 Full", times=1)
    world.advance("20 min")
    assert world.why().refusal.rule == "fault"
    assert "world.fault" in world.why().text()


@lab("home-server")
def test_what_waited_too_long_names_the_setting(world):
    world.power_off("mx.bigmail.example")
    world.send("dora", "bob@bigmail.example", "Hello")
    world.advance("1 day")
    assert world.why().refusal.setting == ""
    world.advance("5 days")
    why = world.why("delivery to bob")
    assert why.refusal.rule == "given up"
    assert "delivery.expire" in why.text()
    assert "the default of maillab is '5 days'" in why.text()


@lab("notifier")
def test_tls_at_the_wrong_port_is_explained(world):
    smart = {"host": "mx.bigmail.example", "port": 587, "implicit_tls": True}
    listed = {"bigmail.example": {"allow_relay": True, "smart_host": smart}}
    world.configure("web.shop.example", remote_domains=listed)
    letter = b"From: shop@web.shop.example\r\nTo: bob@bigmail.example\r\n\r\nHi\r\n"
    world.server("web.shop.example").mta.mailroot.pickup.put("1.eml", letter)
    world.settle()
    why = world.why()
    assert why.refusal.rule == "TLS: it will be tried again"
    assert why.refusal.ref == "RFC 3207 §4"
    assert why.describe().startswith("web.shop.example put off delivery to bob@")


def test_a_server_of_another_world_is_quoted():
    """No events of its own: all that is known is the reply."""
    facts = {"queue_id": "A", "message": "<m>", "recipient": "x@far.example"}
    reason = "mx.far.example said 554 5.7.1 Go away"
    event = Event(1, 0, "bounced", "mail.here.example", "", facts | {"reason": reason})
    [refusal] = refusals([event])
    assert (refusal.reason, refusal.rule) == (reason, "given up")
    assert refusal.mentions("554 5.7.1")
