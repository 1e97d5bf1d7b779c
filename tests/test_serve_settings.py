"""`maillab.toml`: its defaults, its mistakes, and the file that says all of it."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.gateway.serving.folder import ServerFolder
from maillab.gateway.serving.settings import (
    MAIL_DEFAULTS,
    ServeSettings,
    examine,
    load,
    reload_note,
)
from maillab.gateway.serving.template import settings_table, template

ROOT = Path(__file__).resolve().parents[1]


def written(folder: Path, text: str) -> Path:
    file = folder / "maillab.toml"
    file.write_text(text, "utf-8")
    return file


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(LabError) as caught:
        load(written(folder, text))
    return str(caught.value)


def same_as_default(told: ServeSettings) -> None:
    usual, rest = ServeSettings(), {"mail"}
    assert told.model_dump(exclude=rest) == usual.model_dump(exclude=rest)
    assert told.policies == usual.policies


def test_the_file_of_a_first_start_says_every_default(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path / "new")
    assert folder.make()
    assert not folder.make(), "the second time it is there"
    same_as_default(folder.load())
    active = re.sub(r"(?m)^#(?=[a-z])", "", folder.settings.read_text("utf-8"))
    same_as_default(load(written(tmp_path, active)))
    told_keys = {name for name, value in tomllib.loads(active).items() if value != {}}
    assert told_keys == set(ServeSettings.model_fields)


def test_no_setting_of_the_agents_is_missing_in_it() -> None:
    text = template()

    def check(path: str, section: object) -> None:
        assert f"\n[{path}]\n" in text
        for field in fields(section):  # type: ignore[arg-type]
            value = getattr(section, field.name)
            if is_dataclass(value):
                check(f"{path}.{field.name}", value)
            else:
                assert re.search(rf"(?m)^# ?{field.name} = ", text), field.name

    check("mail", MAIL_DEFAULTS)


def test_the_page_has_all_settings() -> None:
    assert settings_table() in (ROOT / "docs" / "serve.md").read_text("utf-8")


def test_the_defaults_are_safe() -> None:
    settings = ServeSettings()
    policies = settings.policies
    assert settings.listen == ["127.0.0.1", "::1"]
    assert not policies.access.plain_login
    assert not policies.relay.open
    assert not policies.relay.authenticated
    assert not policies.relay.networks
    assert all(port > 1023 for _, port in settings.ports)


@pytest.mark.parametrize(
    "text",
    [
        "[relay]\noutbound = true",
        '[mail.delivery.smart_host]\nhost = "smtp.example.org"',
        '[mail.remote_domains]\n"x.example" = { smart_host = { host = "mx.example" } }',
    ],
)
def test_users_may_send_out_where_somebody_said_so(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, text)).policies.relay.authenticated


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "hostnam = 'x.example'",
            ":1: unknown key 'hostnam': did you mean",
        ),
        ("[ports]\n\nimap = true", ":3: ports.imap: True is no port; write a number"),
        ("[ports]\nimap = 70000", ":2: ports.imap: 70000 is no port"),
        ("[ports]\nimap = 2525", "2525 is the port of ports.smtp already"),
        ("[mail.limits]\nrecipents = 3", ":2: unknown key 'recipents': did you mean"),
        (
            "[mail.limits]\nidle = 'long'",
            "mail.limits.idle: 'long' is not a length",
        ),
        ("listen = ['nowhere']", "'nowhere'"),
        ("listen = []", ":1: listen: none given"),
        ("domains = 'a b'", "'a b' is no domain name; write"),
        ("accounts = 'passwd'", "'passwd' is no place for accounts; write \"file\""),
        ("[log]\nlevel = 'loud'", "expected 'debug', 'info', 'warning' or 'error'"),
        ("[tls]\nkey = 'k.pem'", ":2: tls.key: there is a key, and no certificate"),
        ("[mail.relay]\nopen = true", "that needs relay.outbound = true"),
        ("[mail.relay]\nnetworks = '10.0.0.0/8'", "nothing leaves this server"),
        ("[mail.access]\nmechanisms = ['CRAM-MD5']", "needs passwords that"),
        ("grace = =", ":1: is not valid TOML"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(
    tmp_path: Path, text: str, said: str
) -> None:
    line = complaint(tmp_path, text)
    assert line.startswith(str(tmp_path / "maillab.toml"))
    assert said in line
    assert "\n" not in line


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    _, problems = examine(written(tmp_path, "grace = -1\nsessions = 'many'\n"))
    assert [problem.line for problem in problems] == [1, 2]


def test_what_needs_a_new_start_is_said() -> None:
    old = ServeSettings()
    assert reload_note(old, old) == ""
    new = ServeSettings.model_validate({"listen": ["0.0.0.0"], "sessions": 5})
    assert reload_note(old, new) == "listen changed: that acts after a new start"
