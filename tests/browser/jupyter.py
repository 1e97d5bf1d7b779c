"""A real JupyterLab in a real browser: start it, open notebooks, press, read, look.

Nothing leaves this machine: requests to elsewhere are refused and remembered, and so is
what the page writes to its console as an error.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import nbformat
import pytest

PICTURES = Path(__file__).parents[2] / "build" / "browser"
HOME = ("127.0.0.1", "localhost", "")
PATIENCE = 60_000  # milliseconds, on two busy cores
# Notebooks are drawn whole: JupyterLab would leave out what is scrolled away. Nobody
# answers questions about kernels and news.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {
        "windowingMode": "none"
    },
}
# What JupyterLab itself says when all is well.
HARMLESS = (
    "Failed to load resource: the server responded with a status of 404",
    "the server responded with a status of 404 (Not Found)",
)


def free_port() -> int:
    """A port that the system does not use just now; JupyterLab tries the next ones."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        return somebody.getsockname()[1]


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """`maillab lab`, until the end of the block; gives its address with the token."""
    settings = folder / "settings"
    for name, values in SETTINGS.items():
        file = settings / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(folder / name.lower())
    command = [sys.executable, "-m", "maillab", "lab", "--no-browser"]
    command += ["--folder", str(folder / "bench"), "--port", str(free_port())]
    with (
        (folder / "jupyter.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
            env=environment,
        ) as process,
    ):
        try:
            yield address_told_by(process)
        finally:
            process.send_signal(signal.SIGTERM)


def stop_kernels(address: str) -> None:
    """Let all kernels go: each takes memory, and some go on working."""
    base, _, token = address.partition("?token=")
    place = "{0.scheme}://{0.netloc}/api/kernels".format(urlsplit(base))
    allowed = {"Authorization": f"token {token}"}
    with urlopen(Request(place, headers=allowed)) as told:
        kernels = [kernel["id"] for kernel in json.load(told)]
    for id in kernels:
        with suppress(HTTPError):  # it has gone by itself
            urlopen(Request(f"{place}/{id}", headers=allowed, method="DELETE")).close()


def address_told_by(process: "subprocess.Popen[str]") -> str:
    """The address that `maillab lab` prints."""
    assert process.stdout
    for line in process.stdout:
        if "?token=" in line:
            return line.strip()
    raise AssertionError("maillab lab stopped before it said where it is")


class Watched:
    """A page, and what it should not have done."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.outside: list[str] = []
        self.errors: list[str] = []
        page.route("**/*", self._let_through)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE)

    def _let_through(self, route: Any) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in ("data", "blob", "file") or address.hostname in HOME:
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _heard(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith(HARMLESS):
            self.errors.append(message.text)

    def picture(self, name: str) -> Path:
        """Keep a screenshot of all of it, for people."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        file = PICTURES / f"{name}.png"
        self.page.screenshot(path=file, full_page=True)
        return file


class Notebook(Watched):
    """One notebook, open in JupyterLab."""

    def __init__(self, page: Any, address: str, path: str) -> None:
        super().__init__(page)
        self.name = path.rpartition("/")[2]
        base, _, token = address.partition("?")
        place = "{0.scheme}://{0.netloc}".format(urlsplit(base))
        page.goto(f"{place}/lab/tree/{path}?reset&{token}")  # no tabs of before
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.get_by_text("(ipykernel) | Idle").wait_for()
        page.add_locator_handler(
            page.get_by_text("Select kernel for:"),
            lambda: page.get_by_role("button", name="Select Kernel").click(),
        )

    def choose(self, menu: str, entry: str) -> None:
        """Choose from the menus at the top."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=entry, exact=True).click()

    def save(self) -> None:
        """Save it, and wait until that is done."""
        with self.page.expect_response(
            lambda told: told.request.method == "PUT" and "/api/contents/" in told.url
        ):
            self.page.keyboard.press("ControlOrMeta+s")

    def shut_down(self) -> None:
        """Let the kernel go."""
        self.choose("Kernel", "Shut Down Kernel")
        self.page.get_by_text("No Kernel").first.wait_for()

    def run_all(self, *, wait: bool = True) -> None:
        """Run all cells, and wait until the last one is done."""
        self.choose("Run", "Run All Cells")
        if wait:
            self.wait_until_done()

    def wait_until_done(self) -> None:
        """Wait until no cell runs any more."""
        self.page.wait_for_function(
            """() => {
                const all = document.querySelectorAll('.jp-Notebook .jp-CodeCell');
                const asked = [...all].filter(
                    c => c.querySelector('.cm-content').innerText.trim());
                const done = c =>
                    /\\[\\d+\\]/.test(c.querySelector('.jp-InputPrompt').innerText);
                return asked.length && asked.every(done);
            }"""
        )

    def cell(self, number: int) -> Any:
        """A code cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def output(self, number: int) -> Any:
        """What stands under a code cell."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    @property
    def count(self) -> int:
        """How many code cells there are."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").count()

    def text(self, number: int) -> str:
        """The code that stands in a code cell."""
        return str(self.cell(number).locator(".cm-content").inner_text())

    def type(self, number: int, code: str) -> None:
        """Click into a code cell and type this over what stands there."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(code)

    def run_cell(self, number: int) -> None:
        """Run a code cell, and wait until it is done."""
        prompt = self.cell(number).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function(
            "([e, before]) => /\\d/.test(e.innerText) && e.innerText !== before",
            arg=[prompt.element_handle(), before],
        )

    def press_beside(self, number: int, *keys: str) -> None:
        """Select a code cell, not its text, and press these keys."""
        self.cell(number).locator(".jp-InputPrompt").click()
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def failures(self) -> list[str]:
        """Tracebacks that stand under cells."""
        marked = '[data-mime-type="application/vnd.jupyter.stderr"]'
        return self.page.locator(f".jp-Notebook {marked}").all_inner_texts()


def write_notebook(file: Path, *cells: str) -> None:
    """A notebook of code cells."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    made.cells = [
        nbformat.v4.new_code_cell(cell, id=f"cell-{n}") for n, cell in enumerate(cells)
    ]
    nbformat.write(made, file)


def as_page(file: Path) -> str:
    """A notebook with what it shows, as one page of HTML, without JupyterLab."""
    nbconvert: Any = pytest.importorskip("nbconvert")
    read = nbformat.read(file, as_version=4)
    body, _ = nbconvert.HTMLExporter(template_name="basic").from_notebook_node(read)
    return f"<!doctype html><html lang=en><title>{file.stem}</title>{body}"
