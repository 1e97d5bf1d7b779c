"""The jail of docker.

Goes in: a folder of the grader, limits. Comes out: a `Cage`.

The image has Python and the libraries of maillab; maillab itself and its labs are
mounted from here, read-only. The `Dockerfile` beside this makes it.

Rule: of this computer's disks the container may write into one folder, for the sockets
      of the kernel. Docker cannot limit its size; a limit of the size of a file does.
"""

import os
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.running.jail import LAUNCHER, PACKAGE, Cage, variables
from maillab.grading.running.limits import Limits

HOME = "/jail"
SOCKETS = "/sockets"
MAILLAB = "/maillab"
RECIPE = "maillab/grading/running/Dockerfile"  # of the image


def docker(desk: Path, limits: Limits) -> Cage:
    """A container with no network and a disk that cannot be written."""
    sockets = desk / "sockets"
    sockets.mkdir(mode=0o777)
    sockets.chmod(0o777)  # whatever the umask says: the container has another user
    name = f"maillab-{secrets.token_hex(8)}"
    return Cage(
        [
            *("docker", "run", "--rm", "--interactive", "--init", "--name", name),
            *("--pull", "never"),
            *container_limits(limits),
            *mounts(sockets, limits),
            *settings(),
            *(limits.image, "python", "-c", LAUNCHER),
        ],
        HOME,
        SOCKETS,
        lambda _: str(sockets),
        closing=["docker", "rm", "--force", name],
    )


@cache
def docker_works() -> bool:
    """Whether the daemon answers."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def demand_image(image: str) -> None:
    """Raise LabError when docker does not have it; none is fetched from elsewhere."""
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise LabError(
            f"docker has no image {image!r}; make one, in a checkout: "
            f"docker build -t {image} -f {RECIPE} ."
        )


def container_limits(limits: Limits) -> list[str]:
    """No network, no rights, and the limits of docker."""
    return [
        *("--network", "none", "--read-only", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--ipc", "private"),
        *("--user", f"{os.getuid() or 65534}:{os.getgid() or 65534}"),
        *("--memory", str(limits.memory), "--memory-swap", str(limits.memory)),
        *("--pids-limit", str(limits.processes), "--cpus", "1"),
        *("--shm-size", str(limits.disk // 4), "--log-driver", "none"),
    ]


def mounts(sockets: Path, limits: Limits) -> list[str]:
    """What of this computer is seen, and two folders in memory."""
    labs = PACKAGE.parent / "labs"
    words: list[str] = []
    for path, size in ((HOME, 2), ("/tmp", 4)):
        words += ["--tmpfs", f"{path}:rw,mode=1777,size={limits.disk // size}"]
    words += ["--volume", f"{sockets}:{SOCKETS}:rw"]
    words += ["--volume", f"{PACKAGE}:{MAILLAB}/maillab:ro"]
    if labs.is_dir():
        words += ["--volume", f"{labs}:{MAILLAB}/labs:ro"]
    return [*words, "--workdir", HOME]


def settings() -> list[str]:
    """Environment variables."""
    pairs = variables(HOME, SOCKETS) | {"PYTHONPATH": MAILLAB}
    return [word for pair in pairs.items() for word in ("--env", "=".join(pair))]
