"""`maillab author new` gives a notebook that builds, passes its check and its tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("maillab", "labs", "tests/exercises", "pyproject.toml")
MADE = shutil.ignore_patterns("__pycache__", "*.pyc")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=MADE)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def run(checkout: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_new_notebook_is_whole(checkout: Path) -> None:
    told = run(checkout, "maillab", "author", "new", "99", "The lost letter")
    assert "notebooks/instructor/99-the-lost-letter.py" in told
    run(checkout, "maillab", "author", "build", "99")
    assert run(checkout, "maillab", "author", "check", "99").startswith("✓ 99")
    tests = ("tests/exercises/test_answers.py", "tests/exercises/test_seeds.py")
    chosen = ("-k", "99", "-m", "slow or not slow", "-p", "no:cacheprovider")
    assert " passed" in run(checkout, "pytest", "-q", *tests, *chosen)
    files = ("labs/the-lost-letter", "tests/exercises", "notebooks")
    run(checkout, "ruff", "check", "--no-cache", *files)
    run(checkout, "ruff", "format", "--no-cache", "--check", *files)
