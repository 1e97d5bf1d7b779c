"""What an administrator does at the console acts at once, on every protocol."""

import imaplib
import poplib
import shutil
import smtplib
import subprocess
import sys

import pytest

from maillab import open_world
from maillab.clients import IMAP4_SSL, POP3_SSL, SMTP
from maillab.errors import LabError
from maillab.store.company import PasswordRules
from maillab.world.files import LAB_FOLDERS, load
from maillab.world.world import World
from tests.worlds import Journal, plain_world

SERVER, DC, PC = "mail.company.example", "dc.company.example", "zhangsan-pc"
ZHANG, OLD, NEW = "zhangsan@company.example", "Spring-2026", "Autumn-2026"
REFUSED = (smtplib.SMTPAuthenticationError, poplib.error_proto, imaplib.IMAP4.error)


@pytest.fixture
def world():
    with open_world("windows-company") as opened:
        yield opened
        assert Journal(opened).failures == []


@pytest.fixture
def console(world):
    return world.directory("company.example")


def log_in_by_smtp(world, user, password):
    with SMTP(world.host(PC), SERVER, 587) as client:
        client.starttls()
        client.login(user, password)


def log_in_by_pop3(world, user, password):
    client = POP3_SSL(world.host(PC), SERVER)
    try:
        client.user(user)
        client.pass_(password)
    finally:
        client.quit()


def log_in_by_imap(world, user, password):
    quoted = user.replace("\\", "\\\\")  # imaplib quotes passwords only
    with IMAP4_SSL(world.host(PC), SERVER) as client:
        client.login(f'"{quoted}"', password)


LOGINS = (log_in_by_smtp, log_in_by_pop3, log_in_by_imap)


def answers(world, user, password):
    """What SMTP, POP3 and IMAP say: True for yes, else the words."""
    found = []
    for log_in in LOGINS:
        try:
            log_in(world, user, password)
            found.append(True)
        except REFUSED as error:
            found.append(str(error))
    return found


def may_log_in(world, user, password):
    """All three protocols agree."""
    said = {answer is True for answer in answers(world, user, password)}
    assert len(said) == 1
    return said.pop()


def secure(world, port):
    """A session by hand, inside TLS."""
    console = world.console(PC, SERVER, port)
    console.say("STLS" if port == 110 else "a STARTTLS")
    console.start_tls()
    return console


def idle_session(world):
    console = secure(world, 143)
    console.say(f"b LOGIN zhangsan {OLD}", "c SELECT INBOX")
    assert console.say("d IDLE") == "+ idling"
    return console


def pop3_session(world):
    console = secure(world, 110)
    assert "+OK Maildrop has 1 " in console.say("USER zhangsan", f"PASS {OLD}")
    assert console.say("DELE 1").startswith("+OK")
    return console


# Creating, disabling, resetting, deleting ---------------------------------------------


@pytest.mark.parametrize(
    "name", ["wangwu", "COMPANY\\wangwu", "wangwu@company.example"]
)
def test_a_new_user_can_log_in_at_once_by_every_name(world, console, name):
    assert not may_log_in(world, "wangwu", NEW)
    account = console.create_user("wangwu", NEW, "Wang Wu")
    assert name in account.login_names
    assert may_log_in(world, name, NEW)
    assert not may_log_in(world, "OTHER\\wangwu", NEW)


def test_a_new_user_gets_and_sends_mail(world, console):
    console.create_user("wangwu", NEW, "Wang Wu")
    world.send("petra", "wangwu@company.example", "Welcome")
    assert b"Subject: Welcome" in world.read("wangwu")[0]
    world.send("wangwu", ZHANG, "Hello")
    assert b"Wang Wu" in world.read("zhangsan")[0]


def test_a_disabled_user_is_locked_out_at_once_and_gets_mail(world, console):
    assert may_log_in(world, "zhangsan", OLD)
    console.disable_user("zhangsan")
    assert not may_log_in(world, "zhangsan", OLD)
    world.send("petra", ZHANG, "While you were out")
    console.enable_user("zhangsan")
    assert b"While you were out" in world.read("zhangsan")[0]


def test_a_reset_password_replaces_the_old_one_at_once(world, console):
    console.reset_password("COMPANY\\zhangsan", NEW)
    assert not may_log_in(world, "zhangsan", OLD)
    assert may_log_in(world, "zhangsan", NEW)


def test_a_deleted_user_is_gone_and_a_new_one_gets_an_empty_mailbox(world, console):
    world.send("petra", ZHANG, "For your eyes only")
    console.delete_user("zhangsan")
    assert not may_log_in(world, "zhangsan", OLD)
    world.send("lisi", ZHANG, "Are you there?")  # IIS asks nobody before it takes mail
    (report,) = world.read("lisi")
    assert b"Final-Recipient: rfc822; zhangsan@company.example" in report
    assert b"Status: 5.1.1" in report
    console.create_user("zhangsan", NEW)
    assert world.read("zhangsan@company.example") == []


# Open sessions ------------------------------------------------------------------------

ENDINGS = {
    "disable_user": ("zhangsan",),
    "delete_user": ("zhangsan",),
    "reset_password": ("zhangsan", NEW),
}
WORDS = {
    "disable_user": "Your account was disabled",
    "delete_user": "Your account was removed",
    "reset_password": "Your password was changed, log in again",
}


@pytest.mark.parametrize("change", ENDINGS)
def test_an_idle_imap_session_ends_at_once(world, console, change):
    session = idle_session(world)
    before = world.time
    getattr(console, change)(*ENDINGS[change])
    assert session.say() == f"* BYE {WORDS[change]}"
    assert world.time - before < 1
    with pytest.raises(LabError, match="is closed"):
        session.say("DONE")


@pytest.mark.parametrize("change", ENDINGS)
def test_an_open_pop3_session_ends_at_once_and_deletes_nothing(world, console, change):
    world.send("petra", ZHANG, "Keep me")
    session = pop3_session(world)
    inbox = world.mailbox("zhangsan")
    getattr(console, change)(*ENDINGS[change])
    assert session.say() == f"-ERR [SYS/PERM] {WORDS[change]}"
    with pytest.raises(LabError, match="is closed"):
        session.say("QUIT")
    assert len(inbox.messages) == 1


def test_the_lock_of_an_ended_pop3_session_is_free(world, console):
    world.send("petra", ZHANG, "Keep me")
    pop3_session(world)
    console.disable_user("zhangsan")
    console.enable_user("zhangsan")
    assert len(world.user("zhangsan").read("POP3")) == 1


def test_sessions_of_others_go_on(world, console):
    session = idle_session(world)
    console.disable_user("lisi")
    assert session.say("DONE") == "d OK No longer idle"


def test_a_session_that_is_over_is_told_nothing(world, console):
    with idle_session(world) as session:
        session.say("DONE", "e LOGOUT")
    console.disable_user("zhangsan")
    world.advance(5)
    assert not [
        e for e in world.trace.of_kind("note") if "ends the session" in e["text"]
    ]


def test_the_trace_tells_why_a_session_ended_and_why_a_login_failed(world, console):
    idle_session(world)
    console.disable_user("zhangsan")
    may_log_in(world, "zhangsan", OLD)
    notes = [event["text"] for event in world.trace.of_kind("note")]
    ended = f"{SERVER} ends the session of {ZHANG}: your account was disabled"
    assert notes.count(ended) == 1
    reasons = {e["reason"] for e in world.trace.of_kind("auth") if not e["ok"]}
    assert reasons == {"the account is disabled"}


# The domain controller ----------------------------------------------------------------


def test_without_the_domain_controller_nobody_can_log_in_for_now(world, console):
    assert may_log_in(world, "zhangsan", OLD)  # the PC remembers addresses: DC has DNS
    world.power_off(DC)
    smtp, pop3, imap = answers(world, "zhangsan", OLD)
    assert smtp is not True
    assert "[SYS/TEMP] Logins fail at the moment" in pop3
    assert "[UNAVAILABLE] Logins fail at the moment" in imap
    with pytest.raises(LabError, match="the domain controller does not answer"):
        console.disable_user("zhangsan")
    with pytest.raises(LabError, match="the domain controller does not answer"):
        console.list_users()
    world.power_on(DC)
    assert may_log_in(world, "zhangsan", OLD)


def test_two_servers_share_the_users_of_one_directory(tmp_path):
    lab = next(labs / "windows-company" for labs in LAB_FOLDERS if labs.is_dir())
    shutil.copytree(lab, tmp_path / "company")
    file = tmp_path / "company" / "world.toml"
    second = f"""
[hosts."pop.company.example"]
network = "office"
address = "192.0.2.26"
serves = ["pop3", "imap"]
domains = ["company.example"]
accounts = "directory:{DC}"
plain_login = true
"""
    file.write_text(file.read_text("utf-8") + second, "utf-8")
    with World(load(file)) as world:
        world.send("petra", ZHANG, "One mailbox")
        console = world.console(PC, "192.0.2.26", 110)
        said = console.say("USER zhangsan", f"PASS {OLD}", "STAT")
        assert said.splitlines()[-1].startswith("+OK 1 ")
        world.directory("pop.company.example").disable_user("zhangsan")
        assert "[SYS/PERM]" in console.say()
        assert not may_log_in(world, "zhangsan", OLD)


def test_wrong_passwords_lock_an_account_where_the_domain_says_so(world, console):
    console.directory.rules = PasswordRules(lockout=3)
    assert not may_log_in(world, "lisi", "guess")  # by three protocols
    assert "locked" in repr(console.list_users())
    assert not may_log_in(world, "lisi", "Summer-2026")
    console.unlock("lisi")
    assert may_log_in(world, "lisi", "Summer-2026")


def test_a_short_password_is_refused_with_the_rule(console):
    console.directory.rules = PasswordRules(min_length=10)
    with pytest.raises(LabError, match="this domain wants 10 characters, it has 3"):
        console.create_user("wangwu", "tea")
    assert "wangwu" not in console.list_users().text()


def test_the_list_shows_the_folders_of_the_mailboxes(console):
    console.disable_user("lisi")
    assert console.list_users().text().splitlines()[1:] == [
        "zhangsan  Zhang San  zhangsan@company.example  enabled   "
        "C:\\MailboxRoot\\zhangsan",
        "lisi      Li Si      lisi@company.example      disabled  "
        "C:\\MailboxRoot\\lisi",
    ]


def test_an_unknown_directory_is_told_plainly(world):
    with pytest.raises(LabError, match="directory"):
        world.directory("nowhere.example")


# Any directory ------------------------------------------------------------------------


FLAG = "reversible_passwords = true"


def lab_with(tmp_path, accounts):
    """The two domains; alpha's server has its users elsewhere."""
    lab = next(labs / "two-domains" for labs in LAB_FOLDERS if labs.is_dir())
    shutil.copytree(lab, tmp_path / "lab")
    file = tmp_path / "lab" / "world.toml"
    text = file.read_text("utf-8")
    head = '[hosts."mail.alpha.example"]'
    assert head in text
    file.write_text(text.replace(head, f'{head}\naccounts = "{accounts}"'), "utf-8")
    return file


@pytest.mark.parametrize("where", ["sql", "sql:sqlite:///{}/accounts.db"])
def test_a_world_may_keep_its_users_in_a_database(tmp_path, where):
    file = lab_with(tmp_path, where.format(tmp_path))
    for _ in range(2 if "///" in where else 1):  # a file is there the next time
        with World(load(file)) as world:
            world.send("bob", "alice@alpha.example", "Hello")
            assert b"Subject: Hello" in world.read("alice")[0]
            console = world.directory("alpha.example")
            console.disable_user("alice")
            with pytest.raises(LabError, match="535"):
                world.send("alice", "bob@beta.example", "Hello")
            console.enable_user("alice")


@pytest.mark.parametrize("reversible", [False, True])
def test_passwords_can_be_read_only_where_the_scenario_says_so(tmp_path, reversible):
    file = lab_with(tmp_path, "sql")
    text = file.read_text("utf-8").replace(
        'accounts = "sql"', FLAG if reversible else ""
    )
    file.write_text(text, "utf-8")
    with World(load(file)) as world:
        directory = world.server("alpha.example").directory
        kept = directory.secret_for("CRAM-MD5", "alice")
        assert kept == (world.user("alice").password if reversible else None)


def test_a_world_without_a_database_does_not_load_one():
    code = (
        "import sys, maillab; maillab.open_world('hello').close(); "
        "assert 'maillab.store.accounts' in sys.modules; "
        "assert 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_database_that_cannot_be_opened_is_a_mistake_of_the_scenario(tmp_path):
    with pytest.raises(LabError, match="the database says OperationalError"):
        World(load(lab_with(tmp_path, f"sql:sqlite:///{tmp_path}/no/such.db")))


@pytest.mark.parametrize(
    ("accounts", "message"),
    [
        ("ldap", '\'ldap\' is no place for accounts; write "memory", "sql"'),
        ("directory:dc.alpha.example", "there is no host 'dc.alpha.example'"),
        ("directory:mx.beta.example", "mx.beta.example keeps users of its own"),
    ],
)
def test_a_wrong_place_for_accounts_is_told_with_its_line(tmp_path, accounts, message):
    with pytest.raises(LabError) as caught:
        load(lab_with(tmp_path, accounts))
    assert message in str(caught.value)


# What nobody should see ---------------------------------------------------------------


def story():
    """A day at the company, as the trace tells it."""
    with plain_world("windows-company") as world:
        console = world.directory("company.example")
        console.create_user("wangwu", NEW)
        world.send("wangwu", ZHANG, "Hello")
        world.read("zhangsan")
        console.reset_password("zhangsan", NEW)
        console.disable_user("wangwu")
        return [str(event) for event in world.trace]


def test_two_runs_are_the_same():
    assert story() == story()


def test_no_event_but_the_octets_on_the_wire_has_a_password():
    with open_world("windows-company") as world:
        world.directory("company.example").create_user("wangwu", NEW)
        may_log_in(world, "wangwu", NEW)
        may_log_in(world, "wangwu", "not-this-one")
        told = [e for e in world.trace if e.kind not in ("line", "segment", "datagram")]
        assert told
        for event in told:
            assert NEW not in str(event)
            assert "not-this-one" not in str(event)
