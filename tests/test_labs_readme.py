"""What the README of each lab tells to type does what it says."""

import re
from pathlib import Path

import pytest

import maillab
from tests.worlds import Journal

LABS = Path(__file__).parents[1] / "labs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(page.parent.name for page in LABS.glob("*/README.md"))


@pytest.mark.parametrize("lab", PAGES)
def test_the_lines_of_a_readme_work_one_after_the_other(lab, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # some lines write files
    text = (LABS / lab / "README.md").read_text("utf-8")
    names = {"maillab": maillab}
    try:
        for number, block in enumerate(BLOCK.findall(text), 1):
            exec(compile(block, f"{lab}, block {number}", "exec"), names)
        assert "world" not in names or Journal(names["world"]).failures == []
    finally:
        if "world" in names:
            names["world"].close()
