"""`kill -9` of a whole server at 200 random moments, while SMTP, IMAP and POP3 speak.

What was acknowledged holds, what was not is done as a whole or not at all, and what
waits in the queue is delivered after the restart.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

if not hasattr(os, "fork"):
    pytest.skip("this system has no fork", allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")  # SIGKILL takes nothing that was written, synced or not
KILLS = 200


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again_keeps_its_promises():
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        command = [sys.executable, "-m", "tests.crash_mail", folder, f"{KILLS}", "7"]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr[-3000:]
    said = re.fullmatch(r"survived (\d+), changes (\d+), letters (\d+)\n", ended.stdout)
    kills, changes, letters = map(int, said.groups())
    assert kills == KILLS
    assert changes > 6 * KILLS  # most were killed under load
    assert letters > KILLS
