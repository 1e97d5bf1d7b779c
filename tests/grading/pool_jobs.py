"""What processes of a pool do in tests. They import this module, so it is small."""

import os
import signal
import threading
from pathlib import Path


def do(job: str) -> str:
    """Answer with the job and the process, or die of it."""
    what, _, argument = job.partition(" ")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "leave":
        os._exit(3)
    if what == "die-once" and not Path(argument).exists():
        Path(argument).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        threading.Event().wait()
    return f"{job} {os.getpid()}"
