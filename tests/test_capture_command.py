"""`maillab capture FILE`: what it prints, what it writes, and how it fails."""

import os
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import maillab
from maillab import cli_capture
from maillab.errors import LabError
from maillab.trace import Trace, report

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traces and captures of two worlds."""
    folder = tmp_path_factory.mktemp("captures")
    with maillab.open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hello", "How are you?")
        world.read("bob")
        world.trace.write(folder / "good.jsonl")
        world.trace.capture("mail.alpha.example").write(folder / "good.pcapng")
    with maillab.open_world("home-server") as world:
        world.send("alice", "bob@bigmail.example", "Hello")
        world.trace.write(folder / "bad.jsonl")
        world.trace.capture("mail.home.example").write(folder / "bad.pcapng")
    return folder


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)


def run(*words: str | Path) -> str:
    """What the command prints. A LabError is raised, as `maillab` sees it."""
    app = typer.Typer()
    app.callback()(lambda: None)
    cli_capture.register(app)
    done = RUNNER.invoke(app, ["capture", *map(str, words)])
    if isinstance(done.exception, LabError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_without_options_it_lists_the_conversations(files: Path) -> None:
    told = run(files / "good.jsonl")
    assert told.startswith("good.jsonl: 3 sessions: 3 closed.\n")
    assert "mail.alpha.example → mx.beta.example:25" in told
    typed = f"maillab capture {files / 'good.jsonl'} --session c1"
    assert typed in told, "what to type next"


def test_a_session_alone_is_shown_as_a_transcript(files: Path) -> None:
    told = run(files / "good.jsonl", "--session", "c2")
    assert "MAIL FROM:<alice@alpha.example>" in told
    assert "c1" not in told
    trace = Trace.read(files / "good.jsonl")
    assert told == trace.session("c2").transcript().text() + "\n"


def test_a_capture_gives_the_same_dialogue_as_the_trace(files: Path) -> None:
    pytest.importorskip("maillab.trace.reading.capture_file")
    told = run(files / "good.pcapng")
    assert "good.pcapng: " in told
    assert "mx.beta.example:25" in told
    lines = run(files / "good.pcapng", "--transcript")
    assert "MAIL FROM:<alice@alpha.example>" in lines, "opened with the keys in it"


def test_the_packets_of_a_capture_are_listed(files: Path) -> None:
    pytest.importorskip("maillab.trace.reading.capture_file")
    told = run(files / "good.pcapng", "--list")
    assert "SYN" in told


def test_a_trace_has_no_packets_to_list(files: Path) -> None:
    with pytest.raises(LabError, match=r"in Python: Trace\.read"):
        run(files / "good.jsonl", "--list")


def test_views_may_be_combined_and_stand_apart(files: Path) -> None:
    told = run(files / "bad.jsonl", "--session", "c2", "--ladder", "--hints")
    assert "│" in told
    assert "no answer to 7 SYNs" in told
    assert "\n\nHints" in told


def test_hints_are_about_everything_without_a_session(files: Path) -> None:
    told = run(files / "bad.jsonl", "--hints")
    assert "DNS and mail" in told


def test_why_leads_back_to_the_rule(files: Path) -> None:
    told = run(files / "bad.jsonl", "--why")
    assert "rule 1 of provider (the provider blocks port 25) said: drop" in told
    assert "c1" not in told.split("\n")[0], "nothing failed in that one"
    assert run(files / "good.jsonl", "--why") == (
        "Nothing failed and nothing was refused.\n"
    )


def test_no_more_sessions_are_shown_than_asked_for(files: Path) -> None:
    told = run(files / "good.jsonl", "--most", "1")
    assert "… 2 more sessions: --most 3 shows all" in told
    assert "bob-pc" not in told
    told = run(files / "good.jsonl", "--most", "1", "--transcript")
    assert told.count("C = ") == 1
    assert "… 2 more sessions" in told


def test_the_page_is_written_and_told_of(files: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    told = run(files / "good.jsonl", "--html", page)
    size = page.stat().st_size
    assert told == f"{page}: 3 sessions, {size:,} octets\n"
    assert "<h1>good.jsonl</h1>" in page.read_text("utf-8")


def test_the_page_of_one_session_shows_that_one(files: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    told = run(files / "good.jsonl", "--session", "c3", "--html", page)
    assert "1 session, " in told
    assert "This page shows 1 session of 3 in detail" in told
    assert page.read_text("utf-8").count("<img") == 1


def test_a_page_never_takes_the_place_of_the_capture(
    files: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "capture.html"
    shutil.copy(files / "good.jsonl", copy)
    before = copy.read_bytes()
    with pytest.raises(LabError, match="the capture itself"):
        run(copy, "--html", copy)
    with pytest.raises(LabError, match=r"such as report\.html"):
        run(files / "good.jsonl", "--html", tmp_path / "mail.pcapng")
    assert copy.read_bytes() == before
    assert not (tmp_path / "mail.pcapng").exists()


def test_an_unknown_session_says_how_to_see_all(files: Path) -> None:
    with pytest.raises(LabError, match="none of that name; there are c1, c2, c3"):
        run(files / "good.jsonl", "--session", "c99")


@pytest.mark.parametrize("name", ["missing.pcap", "."])
def test_a_file_that_is_none_is_a_lab_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabError, match="expected a capture such as"):
        run(tmp_path / name)


def test_a_file_of_another_kind_is_a_lab_error(tmp_path: Path) -> None:
    for number, octets in enumerate((b"", b"hello world", b"{}", b'{"a": 1}\n')):
        if not octets.startswith(b"{"):
            pytest.importorskip("maillab.trace.reading.capture_file")
        file = tmp_path / f"file{number}"
        file.write_bytes(octets)
        with pytest.raises(LabError):
            run(file)


def test_keys_are_where_one_says_or_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "keys", tmp_path / "variable"
    assert cli_capture.keys_of(None) == ""
    monkeypatch.setenv("SSLKEYLOGFILE", os.fspath(there))
    assert cli_capture.keys_of(None) == "", "nothing was written there yet"
    with pytest.raises(LabError, match="there is no such file"):
        cli_capture.keys_of(here)
    here.touch()
    there.touch()
    assert cli_capture.keys_of(None) == os.fspath(there)
    assert cli_capture.keys_of(here) == os.fspath(here)


def test_help_tells_what_a_file_may_be() -> None:
    told = run("--help")
    for word in ("pcapng", "--transcript", "--html", "SSLKEYLOGFILE"):
        assert word in told


def test_of_many_hints_the_gravest_are_printed(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_capture, "MOST_HINTS", 1)
    told = run(files / "bad.jsonl", "--hints")
    assert told.startswith("Hints about 2 sessions, DNS and mail: 1 error, 1 note.")
    assert "\nerror " in told
    assert "\nnote " not in told
    assert "… the 1 gravest of 2 hints" in told


def test_a_damaged_capture_is_read_as_far_as_it_goes(
    files: Path, tmp_path: Path
) -> None:
    whole = (files / "good.pcapng").read_bytes()
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(whole[:-101])
    assert "mx.beta.example:25" in run(cut)


def test_why_has_packet_numbers_unless_that_would_take_long(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run(files / "bad.pcapng", "--why")
    assert "packets " in told
    monkeypatch.setattr(report, "MOST_SEARCHED", 1)
    told = run(files / "bad.pcapng", "--why")
    assert "packets 1" not in told
    assert "packet numbers are left out: --session ID" in told
