"""What students may try from inside the kernel: its files, its sockets, its messages.

Every attack stands behind a right answer to exercise 1.1 of a small notebook, which
starts fast; the answer to 1.2 is right. What ends well may well have its points.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from maillab.grading.results import Result
from maillab.grading.running import Bundle, Limits, Submission, grade_one
from maillab.grading.running.bubblewrap import bubblewrap, bubblewrap_works
from maillab.grading.running.bundle import executed
from maillab.grading.running.kernel import GRACE
from tests.grading.handing_in import endings, handed_in, notebook, secret
from tests.grading.small_notebook import RIGHT, small, submission

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not bubblewrap_works(), reason="no bubblewrap here"),
]

LIMITS = Limits(jail="bwrap", cell=30.0)
LOOPS = Limits(jail="bwrap", cell=4.0)
SEED = "a secret seed"
OUR_SECRET = "the grader's own password"
DIE = "\nimport os; os._exit(0)"
SOCKET = """
kernel = get_ipython().kernel
session, socket = kernel.session, kernel.iopub_socket
parent = kernel.get_parent("shell")
"""
EARLY_REPLY = """
ident = kernel.get_parent.__self__._shell_parent_ident.get()
session.send(kernel.shell_stream, "execute_reply", {"status": "ok"}, parent, ident)
"""
CELLS = 10_000
DEEP = "[" * 300 + "]" * 300


class Attack(NamedTuple):
    """How both checks end, and what the feedback of the first says."""

    code: str
    first: str = "pass"
    second: str = "pass"
    says: str = ""


ATTACKS = {
    "edits what IPython runs at the start": Attack(
        "from pathlib import Path\n"
        "import os\n"
        "for home in (Path.home() / '.ipython', Path(os.environ['IPYTHONDIR'])):\n"
        "    folder = home / 'profile_default/startup'\n"
        "    folder.mkdir(parents=True, exist_ok=True)\n"
        "    (folder / '00.py').write_text('display = None')" + DIE,
        "killed",
    ),
    "writes a sitecustomize": Attack(
        "for name in ('sitecustomize', 'random', 'usercustomize'):\n"
        "    open(f'{name}.py', 'w').write('raise SystemExit')" + DIE,
        "killed",
    ),
    "hooks imports": Attack(
        "import sys\n"
        "class Hook:\n"
        "    def find_spec(self, *_): raise ImportError('none today')\n"
        "sys.meta_path.insert(0, Hook())"
    ),
    "puts modules of its own in place": Attack(
        "import os, sys\n"
        "os.makedirs('maillab')\n"
        "open('maillab/__init__.py', 'w').write('raise SystemExit')\n"
        "sys.path.insert(0, os.getcwd())\n"
        "sys.modules['maillab'] = sys.modules['random'] = None"
    ),
    "says things at the exit": Attack(
        "import atexit\n@atexit.register\ndef f():\n    while True: print('late')"
    ),
    "says things in later cells": Attack(
        "import threading, time\n"
        "def talk():\n"
        "    while True:\n        print('late')\n        time.sleep(0.02)\n"
        "threading.Thread(target=talk, daemon=True).start()"
    ),
    "shows a verdict in later cells": Attack(
        "def forge(*_):\n"
        "    told = {'id': '1.2', 'passed': True, 'parts': []}\n"
        "    kind = 'application/vnd.maillab.check+json'\n"
        "    display({kind: told}, raw=True)\n"
        "get_ipython().events.register('pre_run_cell', forge)",
        "fail",
        "fail",
    ),
    "reads the environment of all": Attack(
        "import glob\n"
        "found = []\n"
        "for file in glob.glob('/proc/[0-9]*/environ') + ['/proc/self/environ']:\n"
        "    try: found.append(open(file).read())\n"
        "    except OSError: pass\n"
        f"told = [{SEED!r} in text or {OUR_SECRET!r} in text for text in found]\n"
        "raise RuntimeError(f'{len(found) > 0}, told {any(told)}')",
        says="True, told False",
    ),
    "floods the channel of widgets": Attack(
        "from comm import create_comm\n"
        "comm = create_comm(target_name='x')\n"
        "while True: comm.send({'a': 'x' * 1000})",
        says="more than 4 seconds",
    ),
    "says that it is ready and goes on": Attack(
        SOCKET
        + EARLY_REPLY
        + "import time\n"
        + "while True:\n"
        + "    try:\n"
        + "        time.sleep(1)\n"
        + "        state = {'execution_state': 'busy'}\n"
        + "        session.send(socket, 'status', state, parent)\n"
        + "    except BaseException: pass",
        "timeout",
        says="more than 4 seconds",
    ),
    "sends messages of odd headers": Attack(
        SOCKET + "from itertools import product\n"
        "odd = ([], 'x', None, 7, {'msg_id': [], 'msg_type': {}}, {'date': 'z'})\n"
        "for header, above in product((*odd, parent['header']), repeat=2):\n"
        "    parts = [header, above, {}, {'execution_state': 'idle'}]\n"
        "    parts = [session.pack(part) for part in parts]\n"
        "    signed = [b'x', b'<IDS|MSG>', session.sign(parts), *parts]\n"
        "    for length in range(len(signed) + 1):\n"
        "        socket.send_multipart(signed[:length] or [b''])"
    ),
    "sends JSON that is deep, long, or none": Attack(
        SOCKET + "header = session.pack(parent['header'])\n"
        "deep = b'[' * 99_999 + b']' * 99_999\n"
        "for data in (deep, b'9' * 9_999, b'NaN', b'{', b'\\xff', b''):\n"
        "    for kind in (b'display_data', b'status', b'stream'):\n"
        "        mine = header.replace(b'execute_request', kind)\n"
        "        content = b'{\"metadata\": {}, \"data\": ' + data + b'}'\n"
        "        parts = [mine, header, b'{}', content]\n"
        "        signed = [b'x', b'<IDS|MSG>', session.sign(parts), *parts]\n"
        "        socket.send_multipart(signed)"
    ),
    "sends half a character": Attack(
        SOCKET + "import json\n"
        "header = {**parent['header'], 'msg_type': 'error'}\n"
        "error = {'ename': 'E', 'evalue': 'half \\ud83d', 'traceback': []}\n"
        "parts = [header, parent['header'], {}, error]\n"
        "parts = [json.dumps(part, default=str).encode() for part in parts]\n"
        "socket.send_multipart([b'x', b'<IDS|MSG>', session.sign(parts), *parts])",
        says="half ?",
    ),
}
IN_A_WORLD = {  # instead of the answer to 1.2 of notebook 01
    "takes another seed": Attack("lab.seed = 'public'", "pass", "any"),
    "closes the world": Attack("lab.close()", "pass", "any"),
    "deletes the lab": Attack("lab = None", "pass", "error"),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    file = tmp_path_factory.mktemp("instructor") / "42-small.ipynb"
    file.write_text(json.dumps(small()))
    return Bundle("42", "Small", executed(small(), SEED, file), SEED)


def told(result: Result) -> str:
    """What goes to a file, and comes back."""
    octets = result.to_json().encode()
    assert Result.from_json(octets.decode()) == result
    return octets.decode()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_from_inside_gains_nothing(
    name: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILLAB_TEST", OUR_SECRET)
    attack = ATTACKS[name]
    mine = submission(small(_1_1=f"{RIGHT['1.1']}\n{attack.code}"))
    limits = LOOPS if "seconds" in attack.says else LIMITS
    result = grade_one(bundle, mine, limits)
    assert endings(result) == [attack.first, attack.second]
    assert attack.says in result.checks[0].feedback
    assert SEED not in told(result)
    assert result.seconds < 2 * (limits.cell + 30)


@pytest.mark.parametrize("name", IN_A_WORLD)
def test_who_breaks_the_world_breaks_it_for_oneself(name: str) -> None:
    attack = IN_A_WORLD[name]
    mine = handed_in(notebook(_1_2=attack.code))
    result = grade_one(secret(), mine, LIMITS)
    first, second, *_ = endings(result)
    assert first == attack.first
    assert second != "pass"
    assert result.trouble == ""
    assert SEED not in told(result)


def test_bubblewrap_itself_has_no_environment_of_the_grader() -> None:
    cage = bubblewrap(Path(), LIMITS)
    for number in cage.info_fd or ():
        os.close(number)
    assert set(cage.environment) == {"PATH"}


def test_a_slow_cell_may_be_as_slow_when_it_is_run_again(bundle: Bundle) -> None:
    slow = f"{RIGHT['1.1']}\nimport time\ntime.sleep({GRACE + 1})"
    mine = submission(small(_1_1=slow, _1_2=RIGHT["1.2"] + DIE))
    result = grade_one(bundle, mine, LIMITS)
    assert endings(result) == ["pass", "killed"]
    assert result.checks[0].feedback == "checked 1.1"


def test_ten_thousand_cells_are_looked_through(bundle: Bundle) -> None:
    mine = small()
    plain = {"cell_type": "code", "metadata": {}, "source": "x = 1", "outputs": []}
    mine["cells"][1:1] = [plain | {"id": str(n)} for n in range(CELLS)]
    result = grade_one(bundle, submission(mine), LIMITS)
    assert endings(result) == ["pass", "pass"]


def with_text(text: str) -> Submission:
    return Submission("zoe", "mine.ipynb", text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2_000_000,
        '{"nbformat": 4, "cells": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"nbformat": NaN, "cells": []}',
        '{"nbformat": 4, "cells": [], "cells": {}, "nbformat": 4}',
        "9" * 10_000,
        '{"nbformat": 4, "cells": [{"cell_type": [], "source": 7, "metadata": NaN}]}',
    ],
    ids=["deep", "deep cells", "NaN", "twice", "a long number", "odd cells"],
)
def test_odd_json_is_refused_in_words(text: str, bundle: Bundle) -> None:
    result = grade_one(bundle, with_text(text), LIMITS)
    assert result.trouble
    assert endings(result) == ["not-run", "not-run"]
    told(result)


def test_odd_metadata_of_answers_costs_nothing(bundle: Bundle) -> None:
    mine = small()
    for cell in mine["cells"]:
        cell["metadata"] |= {"maillab": [], "tags": 7, "deep": json.loads(DEEP)}
        cell["metadata"].setdefault("nbgrader", {"grade_id": ["\ud83d"], "grade": {}})
    text = json.dumps(mine).replace('"deep"', '"nbgrader_": NaN, "deep"')
    result = grade_one(bundle, with_text(text), LIMITS)
    assert endings(result) == ["pass", "pass"]
    told(result)
