"""The `maillab` command.

Rule 1: a `LabError` is one clear line and exit code 2; a traceback is a bug of ours.
Rule 2: `maillab --help` is quick: each command imports what it needs when it runs.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from maillab import __version__
from maillab.errors import LabError

app = typer.Typer(
    help="An internet of mail in one process, for learning how mail works.",
    epilog="Start with: maillab lab",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command that was typed."""
    try:
        app()
    except LabError as error:
        print(f"maillab: {error}", file=sys.stderr)
        sys.exit(2)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"maillab {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and stop.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """What is common to all commands."""
    del version  # `_print_version` has used it


@app.command(context_settings={"ignore_unknown_options": True})
def lab(
    port: Annotated[
        int,
        typer.Option(
            envvar="PORT",
            min=1,
            max=65535,
            help="Where JupyterLab listens; a taken port gives the next free one.",
        ),
    ] = 8888,
    folder: Annotated[
        Path,
        typer.Option(help="Where you work; your copies of the notebooks go there."),
    ] = Path("maillab-workbench"),
    browser: Annotated[bool, typer.Option(help="Open a web browser.")] = True,
    options: Annotated[
        list[str] | None,
        typer.Argument(help="Handed to JupyterLab as they are.", show_default=False),
    ] = None,
) -> None:
    """Check the world, then open the notebooks in JupyterLab."""
    from maillab.ui.launch import launch
    from maillab.world import selfcheck

    print(selfcheck.run(), flush=True)
    launch(folder, port, browser=browser, options=options or ())


if __name__ == "__main__":
    main()
