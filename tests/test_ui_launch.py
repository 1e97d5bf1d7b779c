"""`maillab lab` for real: JupyterLab starts, says where it is, and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from maillab.ui.launch import launch
launch(Path(sys.argv[1]), int(sys.argv[2]), browser=False)
"""


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens at."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


@pytest.fixture
def launched(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[str]]:
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "bench"), str(taken_port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, encoding="utf-8") as it:
        yield it
        it.kill()


def told_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """What it printed up to the line with `word`."""
    told: list[str] = []
    assert process.stdout
    assert process.stderr
    while not told or word not in told[-1]:
        line = process.stdout.readline()
        assert line, f"it stopped: {''.join(told)} {process.stderr.read()}"
        told.append(line)
    return told


def ask(address: str, path: str) -> dict[str, object]:
    """A question to the API of JupyterLab, with the token of `address`."""
    base, _, token = address.partition("?")
    place = "/".join(base.split("/")[:3])
    with urllib.request.urlopen(f"{place}{path}?{token}") as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_a_taken_port_is_passed_over_and_ctrl_c_stops_it(
    launched: subprocess.Popen[str], taken_port: int
) -> None:
    told = told_until(launched, "Ctrl-C stops it")
    address = next(line.strip() for line in told if "http://" in line)
    assert any(line.startswith(f"Port {taken_port} is taken") for line in told)
    assert f":{taken_port}/" not in address
    assert "/lab/tree/notebooks/00-start-here.ipynb?token=" in address
    assert ask(address, "/api/contents/notebooks")["type"] == "directory"
    launched.send_signal(signal.SIGINT)
    assert "JupyterLab has stopped" in told_until(launched, "stopped")[-1]
    assert launched.wait() == 0
