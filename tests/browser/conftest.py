"""Chromium of the system, driven by Playwright; one JupyterLab for all tests here."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import exploring, jupyter

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SIZE = {"width": 1280, "height": 1000}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands in this folder drives a browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A new page that shares nothing with others."""
    context = browser.new_context(viewport=SIZE, service_workers="block")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where JupyterLab lives; the student's notebooks lie in bench/notebooks."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="session")
def lab(lab_folder: Path) -> Iterator[str]:
    """The address of a running JupyterLab."""
    with jupyter.lab(lab_folder) as address:
        yield address


@pytest.fixture
def open_notebook(page: Any, lab: str) -> Iterator[Any]:
    """Opens a notebook of the bench by its path."""

    def opened(path: str) -> jupyter.Notebook:
        return jupyter.Notebook(page, lab, path)

    yield opened
    page.close()  # or JupyterLab would ask what became of the kernel
    jupyter.stop_kernels(lab)


@pytest.fixture
def notebook(lab_folder: Path, open_notebook: Any, request: Any) -> Any:
    """Makes a notebook of these cells, opens it and runs it."""

    def made(*cells: str, wait: bool = True) -> jupyter.Notebook:
        name = f"{request.node.name}.ipynb"
        jupyter.write_notebook(lab_folder / "bench" / "notebooks" / name, *cells)
        opened = open_notebook(f"notebooks/{name}")
        opened.run_all(wait=wait)
        return opened

    return made


@pytest.fixture
def explorer(notebook: Any, request: Any) -> Any:
    """Opens explorers from the second cell on; looks at what must not be, at the end.

    Gives what stands under the second cell.
    """
    opened: list[jupyter.Notebook] = []

    def shown(before: str, *calls: str) -> Any:
        made = notebook(before, *calls)
        opened.append(made)
        output = made.output(1)
        output.locator(".jupyter-widgets:visible").first.wait_for()
        return output

    yield shown
    if not opened:
        return  # it has failed already
    (made,) = opened
    made.picture(request.node.name.removeprefix("test_"))
    assert made.failures == []
    assert made.outside == []
    assert made.errors == []
    assert exploring.faults(made.page, exploring.OURS) == []
