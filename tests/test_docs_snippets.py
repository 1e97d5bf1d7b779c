"""The Python lines of the documentation do what it says: each is run as it stands."""

import re
from email.message import EmailMessage
from pathlib import Path
from shutil import copytree

import pytest

import maillab
from tests.worlds import Journal

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
MORE_HOSTS = """
[hosts."resolver.beta.example"]
address = "203.0.113.54"
serves = ["resolver"]
[hosts."ns1.dnshost.example"]
address = "198.51.100.9"
"""


@pytest.fixture
def lab(tmp_path):
    """The lab two-domains, with the hosts that docs/dns.md speaks of."""
    folder = copytree(ROOT / "labs" / "two-domains", tmp_path / "NAME")
    file = folder / "world.toml"
    file.write_text(file.read_text("utf-8") + MORE_HOSTS, "utf-8")
    return file


PAGES = [
    "dns.md",
    "faults.md",
    "live.md",
    "mail-servers.md",
    "seeing.md",
    "writing-labs.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_the_lines_of_a_page_work_one_after_the_other(page, lab, monkeypatch):
    monkeypatch.chdir(lab.parent)  # some lines write files
    names = {"maillab": maillab, "letter": letter(), "some_coroutine": some_coroutine}
    text = (ROOT / "docs" / page).read_text("utf-8").replace("labs/NAME", str(lab))
    blocks = BLOCK.findall(text)
    assert blocks
    with maillab.open_world(lab) as world:
        for number, block in enumerate(blocks, 1):
            names["world"] = world  # some lines open another one
            exec(compile(block, f"{page}, block {number}", "exec"), names)
            if names["world"] is not world:
                names["world"].close()
        assert Journal(world).failures == []


def letter():
    made = EmailMessage()
    made["From"], made["To"] = "alice@alpha.example", "bob@beta.example"
    made.set_content("Hello")
    return made


async def some_coroutine():
    """Stands for the reader's own."""
