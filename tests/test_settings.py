"""Mistakes in `[hosts.NAME.mail]` and in `world.configure`: said with advice, and with
the line where there is one; nothing is changed by a mistake.
"""

from dataclasses import fields
from pathlib import Path
from shutil import copytree

import pytest

from maillab.errors import LabError
from maillab.policy.recipient_settings import Recipients
from maillab.policy.settings import (
    Access,
    Defence,
    Limits,
    Relay,
    Settings,
    SmartHost,
)
from maillab.world.files import examine, find_scenario
from maillab.world.mail_checks import settings_mistakes
from maillab.world.mail_tables import MailTable
from maillab.world.why import find_line
from tests.reception_worlds import ALPHA, written_file
from tests.worlds import dressed_world

# section, key, what is written in TOML, the same in Python, a part of the complaint.
MISTAKES = [
    ("limits", "mesage_size", "1", 1, "did you mean 'message_size'?"),
    ("limits", "message_size", '"1 XB"', "1 XB", "is not a size; write octets, or"),
    ("limits", "message_size", "-1", -1, "0 or more"),
    ("limits", "message_size", "true", True, "is no number"),
    ("limits", "recipients", '"many"', "many", "a whole number"),
    ("limits", "recipients", "1.5", 1.5, "a whole number"),
    ("limits", "hops", "true", True, "is no number"),
    ("limits", "idle", '"5 fortnights"', "5 fortnights", "5 fortnights"),
    ("limits", "idle", "-3", -3, "0 or more"),
    ("limits", "idle", "false", False, 'write "30 min"'),
    ("access", "grant", '["10.0.0.300"]', ["10.0.0.300"], "is not a prefix"),
    ("access", "grant", "[5]", [5], "is not a prefix"),
    ("access", "deny", '"10.1.2.3/8"', "10.1.2.3/8", "is not a prefix"),
    ("access", "anonymous", '"perhaps"', "perhaps", "true or false"),
    ("access", "vrfy", '"loud"', "loud", "expected 'hide', 'tell' or 'off'"),
    ("access", "mechanisms", '["PLIAN"]', ["PLIAN"], "is no mechanism; known are"),
    (
        "access",
        "mechanisms",
        '["CRAM-MD5"]',
        ["CRAM-MD5"],
        "reversible_passwords = true",
    ),
    ("access", "hide", '["STARTLS"]', ["STARTLS"], "did you mean 'STARTTLS'?"),
    ("reading", "hide", '["IDEL"]', ["IDEL"], "did you mean 'IDLE'?"),
    ("reading", "append_limit", '"1 XB"', "1 XB", "is not a size; write octets, or"),
    ("reading", "expire_days", '"always"', "always", "is no number of days; write 30"),
    ("reading", "login_delay", '"soon"', "soon", "soon"),
    ("access", "tls_required", "[70000]", [70000], "is no port"),
    (
        "access",
        "smuggling",
        '"some"',
        "some",
        "expected 'strict', 'keep' or 'vulnerable'",
    ),
    ("relay", "networks", '["here"]', ["here"], "is not a prefix"),
    ("relay", "sender_match", '"all"', "all", "expected 'any', 'domain' or 'account'"),
    ("recipients", "refuse_unknow", "true", True, "did you mean 'refuse_unknown'?"),
    ("recipients", "default_quota", '"much"', "much", "is not a size"),
    (
        "recipients",
        "aliases",
        '{ "a@x.example" = ["b"] }',
        {"a@x.example": ["b"]},
        "'b'",
    ),
    (
        "recipients",
        "aliases",
        '{ "a" = ["b@x.test"] }',
        {"a": ["b@x.test"]},
        "user@domain",
    ),
    (
        "recipients",
        "catch_all",
        '{ "x y" = "a@x.test" }',
        {"x y": "a@x.test"},
        "domain",
    ),
    ("defence", "dnsbl", '["no zone"]', ["no zone"], "is no zone"),
    ("defence", "tell_bans", '"shout"', "shout", "expected 'refuse' or 'drop'"),
    ("defence", "greylisting", "5", 5, "a table"),
    ("defence", "autoblock", "{ tries = 3 }", {"tries": 3}, "known here: attempts"),
    ("recipients", "separator", '"at"', "at", "write one sign"),
    ("delivery", "lmtp", '"store:lmtp"', "store:lmtp", "store.alpha.example:24"),
    ("delivery", "lmtp", '":24"', ":24", "store.alpha.example:24"),
    ("delivery", "report_copy", '"boss"', "boss", "write user@domain"),
    ("delivery", "masquerade", '"a b"', "a b", "is not a domain"),
    ("delivery", "retry", "[]", [], "none given"),
    ("delivery", "retry", '["0 s"]', ["0 s"], "longer than 0 s"),
]
LISTS = [  # the mistake stands in the last line
    ('lists."team@x.example".members = []\n', 'lists."team@x.example".mode = "all"'),
    ('lists."team@x.example".members = [\n', '"team"]'),
    ('[hosts."{0}".mail.recipients.lists."team"]\n', "members = []"),
    ('[[hosts."{0}".mail.recipients.lists]]\nmembers = []\n', 'address = "team"'),
    ('[hosts."{0}".mail.recipients.lists]\n"a@x.test" = []\n', '"b" = []'),
    ('[hosts."{0}".mail.recipients.quotas]\n"a@x.test" = 5\n', '"b@x.test" = "x"'),
]


def complaints(tmp_path, toml):
    """What is wrong with a scenario: (line number, text)."""
    file = written_file(tmp_path, toml)
    return file, [(one.line, str(one)) for one in examine(file)[1]]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_has_its_line(tmp_path, mistake):
    section, key, toml, _value, said = mistake
    text = (
        f'\n[hosts."{ALPHA}".mail.{section}]\n# what follows is wrong\n{key} = {toml}\n'
    )
    file, [(line, message)] = complaints(tmp_path, text)
    assert file.read_text("utf-8").splitlines()[line - 1].startswith(key)
    assert message.startswith(f"{file}:{line}: ")
    assert said in message


@pytest.fixture(scope="module")
def world():
    with dressed_world("maillab") as opened:
        yield opened


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_same_mistake_at_run_time_changes_nothing(world, mistake):
    section, key, _toml, value, said = mistake
    before = world.server(ALPHA).mta.settings
    fine = {} if section == "relay" else {"relay": {"open": True}}
    with pytest.raises(LabError) as caught:
        world.configure(ALPHA, **fine, **{section: {key: value}})
    assert said in str(caught.value)
    assert key in str(caught.value)
    assert world.server(ALPHA).mta.settings is before


@pytest.mark.parametrize(("before", "wrong"), LISTS)
def test_a_list_that_is_written_as_a_table_has_its_line_too(tmp_path, before, wrong):
    head = "" if before.startswith("[") else f'[hosts."{ALPHA}".mail.recipients]\n'
    text = f"\n{head}{before.format(ALPHA)}{wrong}\n"
    file, [(line, message)] = complaints(tmp_path, text)
    lines = file.read_text("utf-8").splitlines()
    header = '.lists."team"]' in before  # there the name of the table is wrong
    assert lines[line - 1] == (lines[-2] if header else wrong), message


@pytest.mark.parametrize(
    "toml",
    [
        'delivery.smart_host = { host = "mx", password = ["secret"] }',
        'delivery.smart_host = [{ host = "mx", password = "secret" }]',
        'remote_domains."x.example" = [{ smart_host = { password = "secret" } }]',
    ],
)
def test_a_complaint_does_not_show_a_password(tmp_path, toml):
    text = f'\n[hosts."{ALPHA}".mail]\n{toml}\n'
    _, found = complaints(tmp_path, text)
    assert found
    assert "secret" not in str(found)


def test_a_table_does_not_show_a_password():
    host = {"host": "mx", "password": "secret"}
    table = MailTable.model_validate({"delivery": {"smart_host": host}})
    assert "secret" not in repr(table)
    assert "host='mx'" in repr(table)


# More than one thing at a time --------------------------------------------------------


def test_ranges_that_cannot_be_meant(tmp_path):
    text = f"""
[hosts."{ALPHA}".mail.access.ip_ranges.Inside]
first = "10.0.0.9"
last = "10.0.0.1"
protocols = ["smtp", "ftp"]
relays = ["local-remote"]
"""
    file, found = complaints(tmp_path, text)
    lines = file.read_text("utf-8").splitlines()
    said = {lines[line - 1].split()[0]: message for line, message in found}
    header = f'[hosts."{ALPHA}".mail.access.ip_ranges.Inside]'
    assert "write the lower address first" in said[header]
    assert "'ftp' is not known; write smtp, pop3, imap" in said["protocols"]
    assert "'local-remote' is not known" in said["relays"]


def test_settings_of_a_host_that_is_no_mail_server(tmp_path):
    text = "\n[hosts.bob-pc.mail.relay]\nopen = true\n"
    _, [(_, message)] = complaints(tmp_path, text)
    assert "bob-pc is no mail server" in message


def test_an_unknown_section_and_an_unknown_server():
    with dressed_world("maillab") as world:
        with pytest.raises(LabError, match="did you mean 'limits'"):
            world.configure(ALPHA, limit={"hops": 1})
        with pytest.raises(LabError, match="expected a table"):
            world.configure(ALPHA, limits=5)
        with pytest.raises(LabError, match=r"did you mean 'mail\.alpha\.example'"):
            world.configure("mail.alfa.example", limits={})
        with pytest.raises(LabError, match="nothing was refused"):
            world.why()
        with pytest.raises(LabError, match="nothing was refused that mentions 'x@y'"):
            world.why("x@y")


def test_what_is_not_named_stays_as_it_is():
    with dressed_world("maillab", limits={"hops": 7}) as world:
        pages = world.configure(ALPHA, limits={"recipients": 5})
        pages = world.configure("alpha.example", defence={"greylisting": {"delay": 60}})
        settings = world.server(ALPHA).mta.settings
        assert (settings.limits.hops, settings.limits.recipients) == (7, 5)
        assert settings.defence.greylisting.delay == 60
        assert settings.defence.greylisting.keep == Settings().defence.greylisting.keep
        assert pages.settings == settings
        assert "recipients" in pages.text()


@pytest.mark.parametrize("kind", [Limits, Access, Relay, Defence, Recipients])
def test_every_setting_of_a_receiving_server_has_a_session(kind):
    files = Path(__file__).parent.glob("test_reception_*.py")
    text = "".join(file.read_text("utf-8") for file in files)
    elsewhere = {"rule_loops", "detect_loops"}  # test_policy_content, test_delivery_…
    names = {field.name for field in fields(kind)} - elsewhere
    assert [name for name in sorted(names) if name not in text] == []


def test_cram_md5_is_no_mistake_where_passwords_can_be_read(tmp_path):
    host = f'[hosts."{ALPHA}"]\n'
    readable = (host, f"{host}reversible_passwords = true\n")
    toml = f'\n[hosts."{ALPHA}".mail]\naccess.mechanisms = ["CRAM-MD5"]\n'
    assert examine(written_file(tmp_path, toml, host=readable))[1] == []
    assert list(settings_mistakes(Settings())) == []


def with_keys(folder, *lines):
    """The lab two-domains, with more keys in the table of alpha's server."""
    copytree(find_scenario("two-domains").parent, folder / "lab")
    file = folder / "lab" / "world.toml"
    text = file.read_text("utf-8").replace("plain_login = true", "#", 1)
    table = f'[hosts."{ALPHA}"]'
    file.write_text(text.replace(table, "\n".join([table, *lines])), "utf-8")
    loaded, problems = examine(file)
    assert problems == []
    return loaded


SHORT = 'smart_host = { host = "mx.beta.example", user = "bob", password = "x" }'


def test_the_short_key_of_a_smart_host_means_submission_with_tls(tmp_path):
    loaded = with_keys(tmp_path, SHORT)
    smart = loaded.scenario.hosts[ALPHA].settings.delivery.smart_host
    assert smart == SmartHost("mx.beta.example", 587, "bob", "x", tls="verify")
    line = find_line(loaded, ALPHA, "delivery.smart_host.host")
    assert loaded.text.splitlines()[line - 1] == SHORT


@pytest.mark.parametrize(
    ("lines", "plain", "written"),
    [
        ((), True, None),  # hMailServer's default
        (("plain_login = false",), False, "plain_login = false"),
        (
            ("plain_login = false", "mail.access.plain_login = true"),
            True,
            "mail.access.plain_login = true",
        ),
    ],
)
def test_the_long_key_counts_and_the_short_one_before_the_default(
    tmp_path, lines, plain, written
):
    loaded = with_keys(tmp_path, 'personality = "hmailserver"', *lines)
    assert loaded.scenario.hosts[ALPHA].settings.access.plain_login is plain
    line = find_line(loaded, ALPHA, "access.plain_login")
    assert (line and loaded.text.splitlines()[line - 1]) == written
