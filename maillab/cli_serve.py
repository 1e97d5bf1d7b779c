"""`maillab serve`, `user`, `backup` and `restore`: a mail server of its own.

Goes in: the command line. Comes out: what the commands of `maillab.cli` print.

Rule 1: a password is never an argument: who lists the processes would read it.
Rule 2: `--help` is quick: each command imports what it needs when it runs.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from maillab.errors import LabError

if TYPE_CHECKING:
    from maillab.store.accounts import DirectoryBase

T = TypeVar("T")

Dir = Annotated[
    Path,
    typer.Option("--dir", metavar="FOLDER", help="The folder of the server."),
]
Address = Annotated[str, typer.Argument(help="user@domain", show_default=False)]
FromStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="The password is the first line of stdin."),
]
Generate = Annotated[
    bool, typer.Option("--generate", help="Make a password, and print it.")
]
HERE = Path("maillab-server")
GENERATED = 20  # characters

users = typer.Typer(
    help="The accounts of a mail server.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def register(app: typer.Typer) -> None:
    """Add these commands to `maillab`."""
    app.command()(serve)
    app.add_typer(users, name="user")
    app.command()(backup)
    app.command()(restore)


def say(line: str) -> None:
    """Print a line at once."""
    typer.echo(line)
    sys.stdout.flush()


def serve(
    folder: Dir = HERE,
    check: Annotated[
        bool,
        typer.Option("--check", help="Look at settings and stores; open nothing."),
    ] = False,
) -> None:
    """Be a mail server on real ports: SMTP, submission, POP3, IMAP.

    The first start makes the folder, with all settings at their defaults: loopback
    only, no mail leaves for other servers.
    """
    if check:
        from maillab.gateway.serving.checking import check_all

        problems = check_all(folder, say)
        for problem in problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1 if problems else 0)
    from maillab.gateway.serving.running import serve as run

    raise typer.Exit(run(folder, say))


# Accounts -----------------------------------------------------------------------------


@users.command()
def add(
    address: Address,
    folder: Dir = HERE,
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
    password_stdin: FromStdin = False,
    generate: Generate = False,
) -> None:
    """Add an account. The password is asked for, unless an option says otherwise."""
    directory = open_accounts(folder, make=True)
    secret = password(password_stdin, generate)
    changed(lambda: directory.add(address, secret, name))
    told(secret, generate)
    say(f"{address}: added")


@users.command()
def passwd(
    address: Address,
    folder: Dir = HERE,
    password_stdin: FromStdin = False,
    generate: Generate = False,
) -> None:
    """Give an account a new password; its sessions end."""
    directory = open_accounts(folder)
    changed(lambda: directory.require(address))
    secret = password(password_stdin, generate)
    changed(lambda: directory.set_password(address, secret))
    told(secret, generate)
    say(f"{address}: has a new password")


@users.command()
def disable(address: Address, folder: Dir = HERE) -> None:
    """Lock somebody out; mail still arrives."""
    directory = open_accounts(folder)
    changed(lambda: directory.disable(address))
    say(f"{address}: disabled")


@users.command()
def enable(address: Address, folder: Dir = HERE) -> None:
    """Let somebody in again."""
    directory = open_accounts(folder)
    changed(lambda: directory.enable(address))
    say(f"{address}: enabled")


@users.command()
def remove(
    address: Address,
    folder: Dir = HERE,
    delete_mail: Annotated[
        bool, typer.Option("--delete-mail", help="... and its mail. Stop the server.")
    ] = False,
) -> None:
    """Delete an account. Its mail stays on disk, unless you say otherwise."""
    from contextlib import closing

    from maillab.gateway.serving.folder import ServerFolder
    from maillab.store.mail_store import MailStore

    directory = open_accounts(folder)
    address = changed(lambda: directory.require(address)).address
    if not delete_mail:
        changed(lambda: directory.remove(address))
        say(f"{address}: removed; its mail stays in {folder / 'mail'}")
        return
    with closing(MailStore.open(ServerFolder(folder).mail)) as store:
        changed(lambda: directory.remove(address))
        store.remove(address)
    say(f"{address}: removed, and its mail")


@users.command("list")
def list_users(folder: Dir = HERE) -> None:
    """Show all accounts."""
    directory = open_accounts(folder)

    def show() -> None:
        for account in directory.accounts:
            state = "" if account.enabled else "disabled"
            row = f"{account.address:32} {account.full_name:24} {state}"
            say(row.rstrip())
        if not directory.names:
            typer.echo("no accounts yet: maillab user add NAME@DOMAIN", err=True)

    changed(show)


def open_accounts(path: Path, make: bool = False) -> "DirectoryBase":
    """The accounts of a server, whether it runs or not. Raises LabError.

    Only the first account may come before the first start.
    """
    from maillab.gateway.serving.folder import ServerFolder, private_files
    from maillab.gateway.serving.stores import open_directory

    private_files()
    folder = ServerFolder(path)
    if make and folder.make():
        say(f"made {folder.settings}: every setting is in it, at its default")
    folder.require()
    return open_directory(folder.load(), folder)


def changed(change: Callable[[], T]) -> T:
    """Do it; a database that does not answer, or a file, is a LabError."""
    from maillab.gateway.serving.folder import reachable
    from maillab.store.accounts import DirectoryUnavailable

    try:
        with reachable():
            return change()
    except DirectoryUnavailable as error:
        raise LabError(f"accounts: {error}; is it running?") from None


def password(from_stdin: bool, generate: bool) -> str:
    """A new password. Raises LabError."""
    if from_stdin and generate:
        raise LabError("--password-stdin or --generate: only one of them")
    if generate:
        return new_password()
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise LabError(
            "there is no terminal to ask for a password: use --password-stdin or "
            "--generate"
        )
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def told(secret: str, generated: bool) -> None:
    """Show a password that was made, once it counts."""
    if generated:
        say(f"password: {secret}")


def new_password() -> str:
    """One that nobody guesses: 100 bits, in letters that are hard to confuse."""
    import secrets

    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    return "".join(secrets.choice(letters) for _ in range(GENERATED))


# Copies -------------------------------------------------------------------------------


def backup(
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    folder: Dir = HERE,
) -> None:
    """Copy a server's mail, accounts and settings, while it runs or not."""
    from maillab.gateway.serving.copies import back_up

    for line in back_up(folder, target):
        say(line)


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `backup` has made.")],
    folder: Dir = HERE,
) -> None:
    """Make a server's folder from a backup; there must be none yet."""
    from maillab.gateway.serving.copies import bring_back

    for line in bring_back(source, folder):
        say(line)
