"""The `maillab` command: what it says, and how it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from maillab import __version__, cli
from maillab.errors import LabError


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maillab", *words]
    environment = {"PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=environment
    )


def test_version() -> None:
    assert run("--version").stdout == f"maillab {__version__}\n"


def test_help_lists_the_commands_and_says_where_to_start() -> None:
    told = run("--help").stdout
    assert "Start with: maillab lab" in told
    assert "open the notebooks in JupyterLab" in told


def test_an_unknown_command_is_answered_with_help_and_code_2() -> None:
    done = run("postman")
    assert done.returncode == 2
    assert "No such command 'postman'" in done.stderr
    assert "--help" in done.stderr


def test_a_port_that_is_no_number_is_named() -> None:
    done = run("lab", PORT="http")
    assert done.returncode == 2
    assert "PORT" in done.stderr
    assert "integer" in done.stderr


def test_a_lab_error_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong() -> None:
        raise LabError(f"no world named {Path('helo')}: type maillab world hello")

    monkeypatch.setattr(cli, "app", wrong)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said == "maillab: no world named helo: type maillab world hello\n"


def test_explain_says_which_rule_decides() -> None:
    told = run("explain", "home-server", "home", "mx.bigmail.example").stdout
    assert told.startswith(
        "From mail.home.example to mx.bigmail.example, tcp port 25: "
    )
    assert "drop by provider, rule 1: 127 s, then timed out" in told
    wrong = run("explain", "home-server", "alise", "mx.bigmail.example")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean 'alice-pc'" in wrong.stderr
