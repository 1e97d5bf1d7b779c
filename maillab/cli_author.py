"""`maillab author build|check|new`."""

import typer


def register(app: typer.Typer) -> None:
    """Give the commands to the `maillab` command."""
