"""Which jail is used, what is said when there is none, and how docker is called."""

import json
import multiprocessing
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.running import Limits, bubblewrap, choosing, docker
from maillab.grading.running.choosing import choose_jail
from maillab.grading.running.jail import (
    LAUNCHER,
    PACKAGE,
    compile_once,
    no_cage,
    variables,
    visible,
)
from maillab.grading.running.kernel import has_shape
from maillab.grading.running.process import connection_of, resource_limits, sweep

LIMITS = Limits(jail="none")
needs_bubblewrap = pytest.mark.skipif(
    not bubblewrap.bubblewrap_works(), reason="no bubblewrap here"
)


# Choosing -----------------------------------------------------------------------------


def test_a_named_jail_that_does_not_work_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choosing, "bubblewrap_works", lambda: False)
    monkeypatch.setattr(choosing, "docker_works", lambda: False)
    with pytest.raises(LabError, match=r"bwrap does not work here.*bubblewrap 0\.8"):
        choose_jail("bwrap")
    with pytest.raises(LabError, match=r"docker does not work here.*its daemon"):
        choose_jail("docker")
    with pytest.raises(LabError, match="expected auto, bwrap, docker, none"):
        choose_jail("cellar")  # pyright: ignore


def test_only_auto_becomes_none_and_that_is_said_loudly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choosing, "bubblewrap_works", lambda: False)
    jail = choose_jail("auto")
    choosing._warn.cache_clear()
    choosing.warn_of(jail)
    told = capsys.readouterr()
    assert jail == "none"
    assert "NO JAIL: the code of students runs with your rights" in told.err
    assert told.out == ""


def test_a_jail_that_is_there_needs_no_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    choosing.warn_of("bwrap")
    assert capsys.readouterr().err == ""


def test_workers_leave_the_warning_to_who_started_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.Process)
    choosing._warn.cache_clear()
    choosing.warn_of("none")
    assert capsys.readouterr().err == ""


# What is seen from inside -------------------------------------------------------------


def test_of_a_checkout_only_the_package_and_its_labs_are_seen() -> None:
    checkout = PACKAGE.parent
    seen = {path for path in visible() if path.is_relative_to(checkout)}
    assert {PACKAGE, checkout / "labs"} <= seen | set(checkout.parents)
    for hidden in ("notebooks/instructor", "tests", "docs"):
        assert not any((checkout / hidden).is_relative_to(path) for path in visible())


def test_a_secret_stands_in_no_command_line_and_no_environment(tmp_path: Path) -> None:
    cage = no_cage(tmp_path, LIMITS)
    assert "MAILLAB_SEED" not in cage.environment
    assert connection_of(cage)["key"] not in " ".join(cage.argv)
    assert not any("TOKEN" in name for name in cage.environment)
    assert variables("/jail", "/sockets")["HOME"] == "/jail"


@pytest.mark.slow
@needs_bubblewrap
def test_bubblewrap_shows_no_disk_that_can_be_written(tmp_path: Path) -> None:
    cage = bubblewrap.bubblewrap(tmp_path, LIMITS)
    code = (
        "import json, os\n"
        "can = [p for p in ('/', '/usr', '/dev', '/jail', '/tmp') "
        "if os.access(p, os.W_OK)]\n"
        "print(json.dumps([os.getuid(), can, os.listdir('/jail'),"
        " os.listdir('/sys') if os.path.exists('/sys') else []]))"
    )
    assert cage.info_fd
    read, write = cage.info_fd
    told = subprocess.run(
        [*cage.argv[:-1], code], capture_output=True, check=True, pass_fds=[write]
    )
    os.close(write)
    with os.fdopen(read) as info:
        assert json.load(info)["child-pid"] > 0
    assert json.loads(told.stdout) == [1000, ["/jail", "/tmp"], [], []]


def test_the_launcher_imports_nothing_of_maillab() -> None:
    assert "import maillab" not in LAUNCHER
    assert "from maillab" not in LAUNCHER


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_the_launcher_takes_limits_upon_itself(tmp_path: Path) -> None:
    code = LAUNCHER.replace("    start_kernel(", "    print_limits(").replace(
        'if __name__ == "__main__":',
        "def print_limits(file):\n"
        "    import resource\n"
        "    got = [resource.getrlimit(resource.RLIMIT_FSIZE)[0],\n"
        "           resource.getrlimit(resource.RLIMIT_NOFILE)[0],\n"
        "           os.environ['MAILLAB_SEED'], json.loads(Path(file).read_text())]\n"
        "    print(json.dumps(got))\n"
        'if __name__ == "__main__":',
    )
    file = tmp_path / "connection.json"
    wishes = {
        "connection_file": str(file),
        "connection": {"key": "k"},
        "environment": {"MAILLAB_SEED": "s"},
        "limits": {"FSIZE": 1000, "NOFILE": 50, "NO_SUCH_LIMIT": 1},
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(wishes) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [1000, 50, "s", {"key": "k"}]


def test_processes_are_only_limited_where_they_are_counted_apart(
    tmp_path: Path,
) -> None:
    cage = no_cage(tmp_path, LIMITS)
    assert "NPROC" not in resource_limits(LIMITS, cage)
    assert resource_limits(LIMITS, replace(cage, counts=True))["NPROC"] == 64


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", {"name": "stdout", "text": 7}),
        ("stream", []),
        ("display_data", {"data": "x", "metadata": {}}),
        ("execute_result", {"data": {}, "metadata": {}}),
        ("status", {}),
        ("odd", {}),
        (7, {}),
    ],
)
def test_a_message_without_its_shape_is_dropped(kind: object, content: object) -> None:
    message = {"msg_type": kind, "content": content, "parent_header": {}}
    assert not has_shape(message)


def test_folders_of_graders_that_were_killed_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"{dead.pid}-a", f"{os.getpid()}-b", "someone"):
        (tmp_path / f"maillab-jail-{name}").mkdir()
    sweep(tmp_path)
    left = {folder.name for folder in tmp_path.iterdir()}
    assert left == {f"maillab-jail-{os.getpid()}-b", "maillab-jail-someone"}


# Docker -------------------------------------------------------------------------------

FAKE = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["DOCKER_LOG"], "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit(int(os.environ.get("DOCKER_EXIT", "0")))
"""


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program docker that writes down how it was called."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("DOCKER_LOG", str(tmp_path / "log"))
    docker.docker_works.cache_clear()
    return tmp_path / "log"


def test_docker_works_when_its_daemon_answers(
    fake_docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert docker.docker_works()
    assert json.loads(fake_docker.read_text())[0] == "version"
    docker.docker_works.cache_clear()
    monkeypatch.setenv("DOCKER_EXIT", "1")
    assert not docker.docker_works()
    docker.docker_works.cache_clear()


def test_a_container_has_no_network_no_rights_and_little_room(tmp_path: Path) -> None:
    limits = replace(LIMITS, image="course:7", memory=100, processes=9, disk=80)
    words = docker.docker(tmp_path, limits).argv
    line = " ".join(words[: words.index("course:7")])
    for wanted in (
        *("--network none", "--read-only", "--cap-drop ALL", "--pids-limit 9"),
        *("--memory 100 --memory-swap 100", "--security-opt no-new-privileges"),
        *("--tmpfs /jail:rw,mode=1777,size=40", "--tmpfs /tmp:rw,mode=1777,size=20"),
        *(f"--volume {PACKAGE}:/maillab/maillab:ro", "--env PYTHONPATH=/maillab"),
    ):
        assert wanted in line
    assert words[words.index("course:7") + 1 :] == ["python", "-c", LAUNCHER]
    assert "MAILLAB_SEED" not in line
    writable = [word for word in words if word.endswith(":rw")]
    assert writable == [f"{tmp_path}/sockets:/sockets:rw"]


def test_a_container_is_removed_by_its_name(tmp_path: Path) -> None:
    cage = docker.docker(tmp_path, LIMITS)
    name = cage.argv[cage.argv.index("--name") + 1]
    assert cage.closing == ["docker", "rm", "--force", name]
    assert cage.outside(1) == f"{tmp_path}/sockets"


def test_an_image_is_made_here_and_never_fetched(
    fake_docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.demand_image("course:7")
    assert json.loads(fake_docker.read_text())[-1] == "course:7"
    monkeypatch.setenv("DOCKER_EXIT", "1")
    with pytest.raises(LabError, match=r"docker build -t course:7 -f maillab/.*file"):
        docker.demand_image("course:7")
    assert "--pull never" in " ".join(docker.docker(tmp_path, LIMITS).argv)


def test_the_recipe_of_the_image_is_there_and_copies_no_notebook() -> None:
    recipe = (PACKAGE.parent / docker.RECIPE).read_text("utf-8")
    copied = [row for row in recipe.splitlines() if row.startswith(("COPY", "ADD"))]
    assert copied == ["COPY pyproject.toml constraints.txt ./"]


def test_a_grader_compiles_what_kernels_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lesson.py").write_text("letters = 1\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    compile_once.__wrapped__((tmp_path,))
    assert not list(tmp_path.glob("*/lesson.*.pyc"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    compile_once.__wrapped__((tmp_path,))
    assert len(list(tmp_path.glob("*/lesson.*.pyc"))) == 1


def test_what_each_kernel_pays_for_is_little() -> None:
    code = (
        "import sys, maillab.grading; from maillab.wire import smtp_path as path; "
        "path.parse_path('<ann@post.example>'); "
        "print('encodings.big5' in sys.modules, path._grammar.cache_info().currsize)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert told.stdout.split() == [b"False", b"1"]  # the grammar of ASCII only
    assert 'setdefault("debugpy", None)' in LAUNCHER
