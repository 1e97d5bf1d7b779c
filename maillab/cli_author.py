"""`maillab author build|check|new`: for those who write notebooks.

Goes in: numbers of notebooks, in a checkout. Comes out: notebooks, complaints, files to
begin with.
"""

from pathlib import Path
from typing import Annotated

import typer

author = typer.Typer(
    help="Write graded notebooks: build, check, begin a new one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Numbers = Annotated[
    list[str] | None,
    typer.Argument(help="Numbers, such as 01 04; all, if none.", show_default=False),
]
Folder = Annotated[Path, typer.Option(help="Where the notebooks are.")]
NOTEBOOKS = Path("notebooks")


def register(app: typer.Typer) -> None:
    """Give the commands to the `maillab` command."""
    app.add_typer(author, name="author")


@author.command()
def build(
    numbers: Numbers = None,
    folder: Folder = NOTEBOOKS,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what is out of step.")
    ] = False,
) -> None:
    """Write references, students' notebooks and lock files from the authors' texts."""
    from maillab.grading.authoring.build import build_all, say_out_of_step, sources

    found = [s for number in numbers or [""] for s in sources(folder, number)]
    if check:
        raise typer.Exit(say_out_of_step(found, folder, typer.echo))
    raise typer.Exit(build_all(found, folder, typer.echo))


@author.command()
def check(numbers: Numbers = None, folder: Folder = NOTEBOOKS) -> None:
    """Rules, files in step, outputs under nbval, solutions in other worlds."""
    from maillab.grading.authoring.build import sources
    from maillab.grading.authoring.checking import check_all

    found = [s for number in numbers or [""] for s in sources(folder, number)]
    raise typer.Exit(check_all(found, folder, typer.echo))


@author.command()
def new(
    number: Annotated[str, typer.Argument(help="Of the notebook: 13.")],
    title: Annotated[str, typer.Argument(help='"The lost letter".')],
    root: Annotated[Path, typer.Option(help="The checkout.")] = Path(),
) -> None:
    """Begin a notebook: its text, its lab, a check, answers; all of it runs."""
    from maillab.grading.authoring.new import create

    for file in create(number, title, root):
        typer.echo(file.as_posix())
    typer.echo(f"Next: maillab author build {number}, maillab author check {number}")
