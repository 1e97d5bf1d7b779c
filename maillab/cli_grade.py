"""`maillab grade`, `maillab report`, `maillab check-notebook`."""

import typer


def register(app: typer.Typer) -> None:
    """Give the commands to the `maillab` command."""
