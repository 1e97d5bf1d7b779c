"""The files that install maillab agree with each other."""

import importlib.metadata
import importlib.util
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import maillab

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
DOCS = [f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))]


def wanted(*without: str) -> list[str]:
    """All requirements, as pyproject.toml writes them, but for some extras."""
    core: list[str] = PROJECT["project"]["dependencies"]
    extras = [found for name, found in EXTRAS.items() if name not in without]
    return core + [requirement for extra in extras for requirement in extra]


def name_of(requirement: str) -> str:
    return re.split(r"[=<>~!;\[ ]", requirement)[0].lower().replace("_", "-")


def pins() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_conda_gets_the_same_packages_as_pip() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    assert environment["channels"] == ["conda-forge"]
    packages: list[Any] = environment["dependencies"]
    python = f"python{PROJECT['project']['requires-python']}"
    expected = {python, "pip", *wanted("browser")}
    assert {p for p in packages if isinstance(p, str)} == expected
    assert [p for p in packages if not isinstance(p, str)] == [{"pip": ["-e ."]}]


def test_constraints_are_plain_versions() -> None:
    assert not [pin for pin in pins() if not re.fullmatch(r"[\w.-]+==[\w.+]+", pin)]


def test_constraints_pin_every_requirement() -> None:
    assert not set(map(name_of, wanted())) - set(map(name_of, pins()))


def test_the_core_installs_without_jupyter() -> None:
    heavy = {"jupyterlab", "ipywidgets", "matplotlib", "scapy", "aiosmtpd"}
    assert not heavy & set(map(name_of, PROJECT["project"]["dependencies"]))


def test_the_version_has_three_numbers_and_a_change_log_entry() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", maillab.__version__)
    assert f"## {maillab.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_importing_maillab_is_light() -> None:
    """Neither the package nor its command loads what only some commands need."""
    heavy = ["asyncio", "cryptography", "dns", "pydantic", "jupyterlab", "matplotlib"]
    program = (
        f"import sys, maillab.cli; print(*[m for m in {heavy} if m in sys.modules])"
    )
    run = [sys.executable, "-c", program]
    assert subprocess.run(run, capture_output=True, check=True).stdout.split() == []


def test_the_rfc_index_is_up_to_date() -> None:
    """If this fails: make docs."""
    run = [sys.executable, str(ROOT / "scripts" / "rfc_index.py"), "--check"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_tables_of_states_are_up_to_date() -> None:
    """If this fails: make docs."""
    script = runpy.run_path(str(ROOT / "scripts" / "states.py"))
    assert (ROOT / "docs" / "states.md").read_text("utf-8") == script["page"]()


def test_the_tables_of_personalities_are_up_to_date() -> None:
    """`make docs` writes the page."""
    script = runpy.run_path(str(ROOT / "scripts" / "personalities.py"))
    page = (ROOT / "docs" / "personalities.md").read_text("utf-8")
    assert page == script["page"]()


@pytest.mark.parametrize("page", ["README.md", *DOCS])
def test_links_in_the_documentation_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8"))
    here = [(ROOT / page).parent / t for t in targets if "://" not in t]
    assert not [str(file.relative_to(ROOT)) for file in here if not file.exists()]


@pytest.mark.parametrize("package", ["jupyterlab", "ipywidgets", "matplotlib", "scapy"])
def test_the_lab_has_what_the_notebooks_use(package: str) -> None:
    assert importlib.util.find_spec(package)


@pytest.mark.parametrize("pin", pins())
def test_what_is_pinned_runs_on_the_oldest_python(pin: str) -> None:
    """If this fails: pin an older version by hand, pip cannot skip a pin."""
    name, _, version = pin.partition("==")
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not installed here")
    if metadata["Version"] != version:
        pytest.skip(f"{metadata['Version']} is installed here")
    wanted = SpecifierSet(metadata.get("Requires-Python") or ">=3")
    assert "3.11.0" in wanted
