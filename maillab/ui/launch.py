"""Start JupyterLab on the notebooks and say where it is.

Goes in: a folder, a port. Comes out: a running JupyterLab, until Ctrl-C.

Rule 1: the address, with its token, is printed once, when the server listens.
Rule 2: what a fresh machine lacks (a browser, another user than root, a free port) is
        said and never an obstacle.
Rule 3: nothing is asked of the outside world: no news, updates, extensions.
"""

import importlib
import os
import secrets
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maillab.errors import LabError
from maillab.ui import saving, workbench

SETTINGS = Path(__file__).with_name("jupyter")
FIRST = "notebooks/00-start-here.ipynb"
STAY_AT_HOME = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class="
    "jupyterlab.handlers.announcements.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


def launch(
    folder: Path, port: int, *, browser: bool = True, options: Sequence[str] = ()
) -> None:
    """Serve `folder` with JupyterLab, from `port` or the next free one, until Ctrl-C.

    `options` go to JupyterLab as they are. Raises LabError when it is not installed.
    """
    try:
        lab: Any = importlib.import_module("jupyterlab.labapp")
    except ImportError as error:
        raise LabError(
            "JupyterLab is not installed. Type: pip install 'maillab[lab]' "
            "(in a checkout: make lab)"
        ) from error
    tell_about(workbench.refresh(workbench.originals(), folder / "notebooks"))
    warn_root()
    add_settings()
    arguments = server_options(folder, port, browser=browser and browser_is_here())
    server = lab.LabApp.initialize_server(argv=[*arguments, *options])
    server.contents_manager.register_pre_save_hook(saving.keep_pictures)
    server.io_loop.add_callback(announce, server, port)
    server.start()
    let_go()
    print(f"\nJupyterLab has stopped. Your notebooks are in {folder / 'notebooks'}.")


def server_options(folder: Path, port: int, *, browser: bool) -> list[str]:
    """The command line of JupyterLab."""
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(16)
    options = [
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.answer_yes=True",  # the first Ctrl-C stops it
        f"--IdentityProvider.token={token}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        "--ServerApp.log_level=WARN",
        "--LabApp.log_level=WARN",
        *STAY_AT_HOME,
    ]
    if not browser:
        options.append("--no-browser")
    if is_root():
        options.append("--allow-root")
    return options


def let_go() -> None:
    """End the threads that the server's AnyIO keeps for later work.

    They wait for a queue that nobody fills any more, and Python waits for them.
    """
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("anyio."):
            stop: Any = getattr(thread, "stop", None)
            if stop is not None:
                stop()


def add_settings() -> None:
    """Let JupyterLab find our settings: no pop-up that asks about news."""
    others = os.environ.get("JUPYTER_CONFIG_PATH", "")
    paths = [str(SETTINGS), *filter(None, [others])]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(paths)


def announce(server: Any, wanted: int) -> None:
    """Print the address."""
    if server.port != wanted:
        print(f"Port {wanted} is taken; {server.port} is free.")
    address = server.local_url.partition("?")[0]
    token = server.identity_provider.token
    print(f"\nJupyterLab is ready at\n\n    {address}?token={token}\n")
    print("Ctrl-C stops it.", flush=True)


def tell_about(refreshed: workbench.Refreshed) -> None:
    """Say what happened to the student's copies."""
    if refreshed.copied:
        print(f"Copied for you: {', '.join(refreshed.copied)}")
    for name in refreshed.outdated:
        print(f"A newer {name} exists. To get it, rename yours and start again.")


def warn_root() -> None:
    """Say what it means to be root here."""
    if is_root():
        print(
            "You are root: whoever knows the address below can do anything on this "
            "machine.\nAn ordinary user is the safer choice.",
            file=sys.stderr,
        )


def is_root() -> bool:
    """Whether this process may do anything (never said of Windows)."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def browser_is_here() -> bool:
    """Whether a graphical browser can be expected."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
