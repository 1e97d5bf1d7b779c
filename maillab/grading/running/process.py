"""The process of a kernel, and all that it starts.

Goes in: a `Cage`. Comes out: a process that can be watched and ended.

Rule 1: whoever starts one closes it; then no process and no folder of it is left.
Rule 2: what a limit of the operating system cannot count, the watch counts: memory and
        processes of a whole family.
"""

import contextlib
import importlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from maillab.errors import LabError
from maillab.grading.lab import SEED_VARIABLE
from maillab.grading.running.choosing import cage_for
from maillab.grading.running.jail import Cage, compile_once
from maillab.grading.running.limits import Limits

WATCH = 0.25  # seconds between two looks
FOLDERS = "maillab-jail-"
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
OWN_GROWTH = 200 << 20  # octets by which the grader itself may grow
FAMILY = 4  # a quarter of the processes: the rest of the limit is for threads
STDERR_SHOWN = 300


class KernelProcess:
    """A kernel that starts, in its cage.

    connection  what ipykernel and Jupyter call a connection file
    """

    def __init__(self, seed: str, limits: Limits) -> None:
        self.limits = limits
        self.desk = Path(tempfile.mkdtemp(prefix=folder_prefix()))
        self.psutil: Any = importlib.import_module("psutil")
        sweep(Path(tempfile.gettempdir()))
        compile_once()
        self.own = self.psutil.Process()
        self.own_memory = self.own.memory_info().rss
        self.looked = 0.0
        self.cage = cage_for(self.desk, limits)
        self.connection = connection_of(self.cage)
        try:
            self.popen = self._start()
            self._tell(seed)
            self.inside = self._inside()
        except (OSError, ValueError) as error:
            said = self.complaint()
            self.close()
            raise LabError(f"the kernel does not start: {said or error}") from error

    def endpoint(self, channel: str) -> str:
        """Where to reach a channel ("shell") from outside."""
        port = self.connection[f"{channel}_port"]
        if self.connection["transport"] == "tcp":
            return f"tcp://{self.connection['ip']}:{port}"
        return f"ipc://{self.cage.outside(self.inside)}/k-{port}"

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def excess(self) -> str:
        """What it has too much of ("memory"), or ""; looks now and then."""
        if time.monotonic() < self.looked + WATCH:
            return ""
        self.looked = time.monotonic()
        if self.own.memory_info().rss > self.own_memory + OWN_GROWTH:
            return "output"
        family = self._family()
        if len(family) > max(4, self.limits.processes // FAMILY):
            return "processes"
        if sum(map(private_memory, family)) > self.limits.memory:
            return "memory"
        return ""

    def complaint(self) -> str:
        """What it said before it died."""
        file = self.desk / "stderr"
        if not file.exists():
            return ""
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - STDERR_SHOWN))
            return stream.read(STDERR_SHOWN).decode(errors="replace").strip()

    def close(self) -> None:
        """End it and everything that it started, and remove its folder."""
        if hasattr(self, "popen"):
            family = self._family()
            kill_group(self.popen)
            for process in family:
                kill_one(process)
            self.popen.wait()
            if self.popen.stdin:
                self.popen.stdin.close()
        if self.cage.closing:
            subprocess.run(self.cage.closing, capture_output=True, check=False)
        shutil.rmtree(self.desk, ignore_errors=True)

    # Inside ---------------------------------------------------------------------------

    def _start(self) -> "subprocess.Popen[bytes]":
        fds = self.cage.info_fd
        with (self.desk / "stderr").open("wb") as stderr:
            try:
                return subprocess.Popen(
                    self.cage.argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    cwd=self.cage.folder or self.desk,
                    env=self.cage.environment or None,
                    pass_fds=() if fds is None else (fds[1],),
                    start_new_session=True,
                )
            finally:
                if fds:
                    os.close(fds[1])

    def _tell(self, seed: str) -> None:
        wishes = {
            "connection": self.connection,
            "connection_file": f"{self.cage.sockets}/connection.json",
            "environment": {SEED_VARIABLE: seed},
            "limits": resource_limits(self.limits, self.cage),
        }
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(wishes).encode() + b"\n")
        self.popen.stdin.flush()

    def _inside(self) -> int:
        """The id of a process in the cage."""
        if self.cage.info_fd is None:
            return self.popen.pid
        with os.fdopen(self.cage.info_fd[0], "rb") as told:
            return int(json.load(told)["child-pid"])

    def _family(self) -> list[Any]:
        try:
            found = self.psutil.Process(self.popen.pid)
            return [found, *found.children(recursive=True)]
        except self.psutil.Error:
            return []


def folder_prefix() -> str:
    """How folders of this grader are called."""
    return f"{FOLDERS}{os.getpid()}-"


@cache
def sweep(place: Path) -> None:
    """Remove the folders of graders that were killed; once for each process."""
    psutil: Any = importlib.import_module("psutil")
    for folder in place.glob(f"{FOLDERS}*-*"):
        owner = folder.name.removeprefix(FOLDERS).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def connection_of(cage: Cage) -> dict[str, Any]:
    """Sockets in the file system; on Windows, ports of this computer."""
    found: dict[str, Any] = {
        "key": secrets.token_hex(16),
        "signature_scheme": "hmac-sha256",
        "kernel_name": "",
    }
    if sys.platform != "win32":
        ports = {name: number for number, name in enumerate(PORTS, 1)}
        return {**found, **ports, "transport": "ipc", "ip": f"{cage.sockets}/k"}
    connect: Any = importlib.import_module("jupyter_client.connect")
    file = str(Path(cage.sockets) / "ports.json")
    told: dict[str, Any] = connect.write_connection_file(file, ip="127.0.0.1")[1]
    return {**found, **{name: told[name] for name in PORTS}} | {
        "transport": "tcp",
        "ip": "127.0.0.1",
    }


def resource_limits(limits: Limits, cage: Cage) -> dict[str, int]:
    """What the launcher asks of the operating system."""
    wanted = {
        "AS": 4 * limits.memory,  # addresses, of which most are never used
        "CORE": 0,
        "CPU": int(limits.notebook) + 1,
        "FSIZE": limits.disk,
        "NOFILE": 512,
    }
    if cage.counts:
        wanted["NPROC"] = limits.processes
    return wanted


def private_memory(process: Any) -> int:
    """Octets that a process shares with no file; 0 when it is gone."""
    try:
        told = process.memory_info()
    except process_errors():
        return 0
    return int(told.rss) - int(getattr(told, "shared", 0))


def process_errors() -> Any:
    """What psutil raises when a process is gone or is not ours."""
    return importlib.import_module("psutil").Error


def kill_one(process: Any) -> None:
    """End a process, if it is still there."""
    with contextlib.suppress(process_errors()):
        process.kill()


def kill_group(popen: "subprocess.Popen[bytes]") -> None:
    """End a process and those of its session."""
    if sys.platform == "win32":
        popen.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
