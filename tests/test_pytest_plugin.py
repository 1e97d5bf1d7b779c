"""The fixture `maillab`, in test runs of its own."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from maillab.errors import LabError
from maillab.gateway.serving.in_process import InProcess
from maillab.net.ca import certificate_pem

pytest_plugins = ["pytester"]

PLUGIN = "maillab.pytest_plugin"
MAIL = """
import smtplib, imaplib, poplib
import pytest
"""


@pytest.fixture(autouse=True, scope="module")
def _loaded_before() -> None:
    """A run inside this process forgets its modules; those of Rust load only once."""
    certificate_pem(("localhost",))


def installed() -> bool:
    return any(one.value == PLUGIN for one in entry_points(group="pytest11"))


def run(pytester: pytest.Pytester, text: str) -> pytest.RunResult:
    pytester.makepyfile(MAIL + text)
    options = [] if installed() else ["-p", PLUGIN]
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def test_mail_goes_in_by_smtp_and_comes_out_by_imap_and_pop3(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
def test_it(maillab):
    ann = maillab.add_user("ann@example.org", "secret")
    maillab.send(to=ann, subject="Hello", text="How are you?")
    letter = maillab.wait_for_message(to=ann, subject="Hello")
    assert letter.get_content() == "How are you?\\n"
    assert [one["Subject"] for one in maillab.messages(ann)] == ["Hello"]
    with imaplib.IMAP4(maillab.host, maillab.imap_port) as imap:
        imap.login(ann, "secret")
        assert imap.select() == ("OK", [b"1"])
    pop3 = poplib.POP3(maillab.host, maillab.pop3_port)
    pop3.user(ann)
    pop3.pass_("secret")
    assert pop3.stat()[0] == 1
    pop3.quit()

def test_nothing_is_left_from_the_test_before(maillab):
    assert maillab.messages() == []
""",
    )
    result.assert_outcomes(passed=2)


def test_every_port_has_its_tls_and_logins_are_taken(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
def test_it(maillab):
    maillab.add_user("ann@example.org", "secret")
    tls = maillab.ssl_context
    with smtplib.SMTP_SSL(maillab.host, maillab.submissions_port, context=tls) as smtp:
        smtp.login("ann@example.org", "secret")
        smtp.sendmail("ann@example.org", "ann@example.org", "Subject: me\\r\\n\\r\\nx")
    maillab.wait_for_message(subject="me", sender="ann@example.org")
    with imaplib.IMAP4_SSL(maillab.host, maillab.imaps_port, ssl_context=tls) as imap:
        imap.login("ann@example.org", "secret")
    poplib.POP3_SSL(maillab.host, maillab.pop3s_port, context=tls).quit()
    with smtplib.SMTP(maillab.host, maillab.submission_port) as smtp:
        smtp.starttls(context=tls)
    with smtplib.SMTP_SSL(maillab.host, maillab.smtp_tls_port, context=tls) as smtp:
        assert smtp.noop()[0] == 250
""",
    )
    result.assert_outcomes(passed=1)


def test_a_message_that_does_not_come_is_told_with_those_that_came(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
def test_it(maillab):
    maillab.add_user("ann@example.org")
    maillab.send(to="ann@example.org", subject="Something else")
    maillab.wait_for_message(subject="Something else")
    maillab.wait_for_message(to="bob@example.org", subject="Hello", timeout=0)
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*no message with to='bob@example.org', subject='Hello' within 0 s;*",
            "*to ann@example.org from <sender@elsewhere.example>: 'Something else'",
        ]
    )


def test_a_message_that_comes_later_ends_the_waiting(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
import threading

def test_it(maillab):
    maillab.add_user("ann@example.org")
    later = threading.Thread(target=maillab.send, args=("ann@example.org", "late"))
    later.start()
    assert maillab.wait_for_message(subject="late")["To"] == "ann@example.org"
    later.join()
""",
    )
    result.assert_outcomes(passed=1)


def test_strangers_are_refused_or_caught_all(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_it(maillab):
    maillab.add_user("ann@example.org")
    for nobody in ("bob@example.org", "eve@far.example"):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            maillab.send(to=nobody)
    maillab.catch_all = True
    for nobody in ("bob@example.org", "eve@far.example"):
        maillab.send(to=nobody, subject="caught")
        assert maillab.wait_for_message(to=nobody)["Subject"] == "caught"
    maillab.send(to="ann@example.org", subject="hers")
    maillab.wait_for_message(to="ann@example.org")
    assert [one["Subject"] for one in maillab.messages("ann@example.org")] == ["hers"]
    maillab.catch_all = False
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        maillab.send(to="eve@far.example")
""",
    )
    result.assert_outcomes(passed=1)


def test_who_was_refused_is_told_and_what_to_do(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_it(maillab):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        maillab.send(to="eve@far.example")
    maillab.wait_for_message(timeout=0)
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*refused (`add_user` makes a mailbox, `catch_all = True` takes all):",
            "*RCPT TO:<eve@far.example>: the domain is not ours*",
        ]
    )


def test_after_clear_the_next_message_of_the_same_kind_is_a_new_one(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
def test_it(maillab):
    ann = maillab.add_user("ann@example.org")
    for text in ("first", "second"):
        maillab.send(to=ann, subject="Code", text=text)
        assert maillab.wait_for_message(subject="Code").get_content() == f"{text}\\n"
        maillab.clear()
    assert maillab.messages() == []
""",
    )
    result.assert_outcomes(passed=1)


def test_programs_trust_the_server_by_a_file(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import ssl

def test_it(maillab, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(maillab.ca_file))
    with smtplib.SMTP(maillab.host, maillab.submission_port) as smtp:
        assert smtp.starttls(context=ssl.create_default_context())[0] == 220
    with maillab.ca_file.open() as file:
        assert file.read() == maillab.ca_pem
""",
    )
    result.assert_outcomes(passed=1)


def test_a_server_can_keep_its_mail_on_disk(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def maillab_options(tmp_path):
    return {"store": tmp_path / "mail", "plain_login": False}

def test_it(maillab, tmp_path):
    maillab.add_user("ann@example.org")
    maillab.send(to="ann@example.org", subject="on disk")
    maillab.wait_for_message(subject="on disk")
    files = [file for file in (tmp_path / "mail").rglob("*") if file.is_file()]
    assert any(b"Subject: on disk" in file.read_bytes() for file in files)
    with imaplib.IMAP4(maillab.host, maillab.imap_port) as imap:
        assert "LOGINDISABLED" in imap.capabilities
""",
    )
    result.assert_outcomes(passed=1)


def test_a_world_comes_on_request(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_a_lab(maillab):
    world = maillab.world("hello")
    assert world.servers

def test_a_text(maillab):
    from maillab.world.files import find_scenario
    folder = find_scenario("hello").parent
    names = ["zones/root.zone", "zones/hello.example.zone"]
    files = {name: (folder / name).read_text() for name in names}
    world = maillab.world((folder / "world.toml").read_text(), files)
    world.send("alice", "bob@hello.example", "Hi", "there")
""",
    )
    result.assert_outcomes(passed=2)


def test_a_server_that_does_not_run_says_so_at_once() -> None:
    server = InProcess()
    with pytest.raises(LabError, match="is not running"):
        server.add_user("ann@example.org")
    with server:
        server.add_user("ann@example.org")
    with pytest.raises(LabError, match="is not running"):
        server.messages()


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import pytest, sys; before = set(sys.modules); "
        f"import {PLUGIN}; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == f"['maillab', '{PLUGIN}']"
