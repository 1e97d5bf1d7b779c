"""What students may try. Each is contained, costs its own points and nothing else.

Every attack stands in the answer cell of exercise 1.2; the other three answers are
right. All are graded by one worker, one after the other, while another worker grades
honest submissions.
"""

import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytest

from maillab.grading.authoring.notebook import MAX_SIZE, is_check
from maillab.grading.results import Result
from maillab.grading.running import Bundle, Limits, Submission, grade_one
from maillab.grading.running.bubblewrap import bubblewrap_works
from tests.grading.handing_in import (
    POINTS,
    cell_called,
    endings,
    handed_in,
    notebook,
    public,
    secret,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not bubblewrap_works(), reason="no bubblewrap here"),
]

LIMITS = Limits(jail="bwrap", cell=60.0)
LOOPS = 8.0  # seconds that a loop may last
MOST_MEMORY = 300 << 10  # KiB, of a grader
EVIDENCE = "application/vnd.maillab.check+json"
FORGED = (
    f"{{'text/plain': '✓ 1.2', '{EVIDENCE}': {{'id': '1.2', 'passed': True, 'parts':"
    " [{'name': '', 'points': 3, 'title': 'x', 'passed': True, 'evidence': {}}]}}"
)


class Attack(NamedTuple):
    """`code` in the answer cell of 1.2; how that check ends; what its feedback says.

    others  how the checks after it end: who breaks the kernel breaks it for oneself
    """

    code: str
    ending: str
    says: str = ""
    others: str = "pass"


ATTACKS = {
    "reads stored outputs": Attack(
        "import maillab, os, pathlib\n"
        "home = pathlib.Path(maillab.__file__).parents[1]\n"
        "tops = [home, *map(pathlib.Path, ('.', '/jail', '/sockets'))]\n"
        "found = [f for top in tops for f in top.rglob('*.ipynb')]\n"
        f"told = [f for f in found if '{EVIDENCE}' in f.read_text()]\n"
        "raise RuntimeError(f'told by {told}')",
        "error",
        "told by []",
    ),
    "looks for the instructor's files": Attack(
        "import os, sys, maillab\n"
        "home = os.path.dirname(os.path.dirname(maillab.__file__))\n"
        "seen = set(os.listdir(home)) - {os.path.basename(sys.prefix)}\n"  # a venv
        "raise RuntimeError(f'found {sorted(seen)}, here {os.listdir()}')",
        "error",
        "found ['labs', 'maillab'], here []",
    ),
    "rewrites the check before it runs": Attack(
        "def cheat(lines):\n"
        "    return ['print(\"✓\")\\n'] if 'check' in ''.join(lines) else lines\n"
        "get_ipython().input_transformers_cleanup.append(cheat)",
        "fail",
        others="fail",
    ),
    "patches the class of verdicts": Attack(
        "from maillab.grading.verdict import Verdict\n"
        f"Verdict._repr_mimebundle_ = lambda *a, **k: {FORGED}\n"
        "read_reply = 1",
        "fail",
        "not that of a right answer",
        others="fail",
    ),
    "patches the check": Attack(
        "for exercise in lab.exercises:\n"
        "    object.__setattr__(exercise, 'check', lambda *a: {})\n"
        "read_reply = 1",
        "fail",
        "not that of a right answer",
        others="fail",
    ),
    "shows a verdict of its own": Attack(
        f"from IPython.display import display\ndisplay({FORGED}, raw=True)", "error"
    ),
    "shows a verdict in the check cell": Attack(
        "from IPython.display import display\n"
        f"class Cheat:\n    def __repr__(self):\n        display({FORGED}, raw=True)\n"
        "        return ''\n"
        "read_reply = Cheat()",
        "fail",
    ),
    "sends messages of no shape": Attack(
        "kernel = get_ipython().kernel\n"
        "for content in ({}, [], {'data': 7, 'metadata': {}}, {'text': 7}):\n"
        "    for kind in ('status', 'display_data', 'stream', 'error', 'odd'):\n"
        "        kernel.session.send(kernel.iopub_socket, kind, content)",
        "error",
    ),
    "ends the process": Attack("import os; os._exit(0)", "killed", "the kernel died"),
    "kills itself": Attack("import os; os.kill(os.getpid(), 9)", "killed"),
    "raises SystemExit": Attack("raise SystemExit(0)", "error", "SystemExit"),
    "reads a null pointer": Attack("import ctypes; ctypes.string_at(0)", "killed"),
    "loops": Attack("while True: pass", "timeout", "more than 8 seconds"),
    "loops and will not be interrupted": Attack(
        "while True:\n try:\n  while True: pass\n except BaseException: pass",
        "timeout",
    ),
    "asks for input": Attack("input('?')", "error", "StdinNotImplementedError"),
    "prints for ever": Attack("while True: print('all work')", "output-limit"),
    "shows for ever": Attack(
        "from IPython.display import display\nwhile True: display('x')", "output-limit"
    ),
    "prints 200 MB": Attack("print('x' * 200_000_000)", "output-limit"),
    "writes 200 MB": Attack(
        "import os\nos.write(1, b'x' * 200_000_000)", "output-limit"
    ),
    "forks for ever": Attack(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "killed",
        "processes",
    ),
    "starts threads for ever": Attack(
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(100,)).start()",
        "error",
        "can't start new thread",
    ),
    "takes all memory": Attack(
        "held = []\nwhile True: held.append(b'x' * (50 << 20))", "killed", "memory"
    ),
    "takes all memory in children": Attack(
        "import os, time\n"
        "for _ in range(8):\n"
        "    if not os.fork():\n"
        "        held = b'x' * (400 << 20)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)",
        "killed",
        "memory",
    ),
    "fills the disk": Attack(
        "import errno\n"
        "full = set()\n"
        "for place in ('.', '/tmp', '/dev/shm', '/sockets', '/', '/dev', '/usr'):\n"
        "    try:\n"
        "        for number in range(200):\n"
        "            with open(f'{place}/{number}', 'wb') as file:\n"
        "                file.write(b'x' * 1_000_000)\n"
        "        full.add('NOTHING')\n"
        "    except OSError as error:\n"
        "        full.add(errno.errorcode[error.errno])\n"
        "raise RuntimeError(str(sorted(full)))",
        "error",
        "['ENOSPC', 'EROFS']",
    ),
    "mounts a disk of its own": Attack(
        "import subprocess, sys\n"
        "code = 'import ctypes, errno; libc = ctypes.CDLL(None, use_errno=True);"
        " libc.unshare(0x10000000); print(errno.errorcode[ctypes.get_errno()])'\n"
        "done = subprocess.run([sys.executable, '-c', code], capture_output=True)\n"
        "raise RuntimeError(done.stdout.decode())",
        "error",
        "ENOSPC",
    ),
    "calls home": Attack(
        "import socket\nsocket.create_connection(('192.0.2.1', 80), 5)",
        "error",
        "Network is unreachable",
    ),
    "tells the seed": Attack(
        "raise RuntimeError(lab.seed)", "error", "RuntimeError: …"
    ),
    "removes its sockets": Attack(
        "import glob, os\nfor file in glob.glob('/sockets/*'): os.unlink(file)", "error"
    ),
}


class Graded(NamedTuple):
    result: Result
    memory: int  # KiB, the most so far


def graded(bundle: Bundle, submission: Submission, limits: Limits = LIMITS) -> Graded:
    """What a worker does, and the most memory that it ever had."""
    result = grade_one(bundle, submission, limits)
    return Graded(result, most_memory())


def most_memory() -> int:
    """KiB, of this process since its start; ru_maxrss counts who started it, too."""
    for row in Path("/proc/self/status").read_text().splitlines():
        if row.startswith("VmHWM:"):
            return int(row.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.fixture(scope="module")
def worker() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_costs_its_own_points(name: str, worker: ProcessPoolExecutor) -> None:
    attack = ATTACKS[name]
    submission = handed_in(notebook(_1_2=attack.code), "eve")
    limits = replace(LIMITS, cell=LOOPS) if attack.ending == "timeout" else LIMITS
    found = worker.submit(graded, secret(), submission, limits).result()
    ends = endings(found.result)
    assert ends == ["pass", attack.ending, attack.others, attack.others]
    assert attack.says in found.result.checks[1].feedback
    assert secret().seed not in found.result.to_json()
    assert found.result.trouble == ""
    assert found.memory < MOST_MEMORY
    if attack.ending == "killed":  # a death is seen at once, not when the time is over
        assert found.result.checks[1].seconds < LIMITS.cell


def test_others_are_graded_meanwhile(worker: ProcessPoolExecutor) -> None:
    bombs = ["forks for ever", "takes all memory in children", "prints 200 MB"]
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        attacks = [
            worker.submit(graded, secret(), handed_in(notebook(_1_2=ATTACKS[b].code)))
            for b in bombs
        ]
        honest = [
            other.submit(graded, secret(), handed_in(notebook(), student))
            for student in ("xia", "yan", "zoe")
        ]
        assert [found.result().result.points for found in honest] == [POINTS] * 3
        assert [found.result().result.points for found in attacks] == [POINTS - 3] * 3


def test_nothing_of_a_stored_output_counts(worker: ProcessPoolExecutor) -> None:
    mine = notebook(public().release)
    for cell in mine["cells"]:
        if is_check(cell):
            stored = cell_called(public().notebook, cell["id"])["outputs"]
            cell |= {"outputs": stored, "source": "print('✓')", "execution_count": 1}
    found = worker.submit(graded, public(), handed_in(mine)).result()
    assert endings(found.result) == ["fail"] * 4


def test_deleted_and_double_cells_cost_their_own_points(
    worker: ProcessPoolExecutor,
) -> None:
    mine = notebook()
    answer = cell_called(mine, "answer-1-2")
    mine["cells"].remove(cell_called(mine, "answer-1-3"))
    mine["cells"].remove(cell_called(mine, "check-1-4"))
    mine["cells"].append({**answer, "source": "read_reply = None"})
    found = worker.submit(graded, secret(), handed_in(mine)).result()
    assert endings(found.result) == ["pass", "pass", "missing", "pass"]
    assert found.result.remarks == (
        "answer-1-2 occurs 2 times: the first that was changed counts",
        "answer-1-3 is missing",
    )


@pytest.mark.parametrize("content", [b"{", b"x" * (MAX_SIZE + 1)], ids=["half", "6 MB"])
def test_a_damaged_file_is_refused_in_words(
    content: bytes, worker: ProcessPoolExecutor
) -> None:
    submission = Submission("eve", "mine.ipynb", content)
    found = worker.submit(graded, secret(), submission).result()
    assert found.result.trouble
    assert (found.result.points, found.result.of) == (0, POINTS)
    assert found.memory < MOST_MEMORY


def test_no_process_and_no_folder_is_left(worker: ProcessPoolExecutor) -> None:
    import psutil

    def left() -> list[str]:
        return [
            " ".join(process.info["cmdline"])
            for process in psutil.process_iter(["cmdline"])
            if TOKEN in str(process.info["cmdline"])
        ]

    code = f"import subprocess\nsubprocess.Popen(['sleep', '{TOKEN}'])\nread_reply = 1"
    for ending in ("", "\nimport os; os._exit(0)"):
        submission = handed_in(notebook(_1_2=code + ending))
        worker.submit(graded, secret(), submission).result()
        assert left() == []


TOKEN = "98765.4321"  # seconds of a sleep that nobody else sleeps


def test_it_is_a_jail_for_the_folders_of_the_grader_too(
    worker: ProcessPoolExecutor, tmp_path: Path
) -> None:
    treasure = tmp_path / "treasure"
    treasure.write_text("gold")
    code = f"raise RuntimeError(open({str(treasure)!r}).read())"
    submission = handed_in(notebook(_1_2=code))
    found = worker.submit(graded, secret(), submission).result()
    assert "FileNotFoundError" in found.result.checks[1].feedback
    assert "gold" not in found.result.to_json()
