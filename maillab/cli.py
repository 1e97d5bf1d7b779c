"""The `maillab` command.

Rule 1: a `LabError` is one clear line and exit code 2; a traceback is a bug of ours.
Rule 2: `maillab --help` is quick: each command imports what it needs when it runs.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from maillab import __version__, cli_author, cli_capture, cli_grade, cli_serve
from maillab.errors import LabError

app = typer.Typer(
    help="An internet of mail in one process, for learning how mail works.",
    epilog="Start with: maillab lab",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

cli_serve.register(app)
cli_capture.register(app)
cli_grade.register(app)
cli_author.register(app)


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


@app.command()
def demo() -> None:
    """Send a letter across two domains and show what happened."""
    from maillab.ui.demo import demo as show

    for part in show():
        print(part, flush=True)


# The options of `world` --------------------------------------------------------------

Words = list[str] | None

World = Annotated[str, typer.Argument(help="A lab, such as hello, or a file.")]
Command = Annotated[
    Words,
    typer.Argument(
        help="With --netns, after --: what to run there; else a shell.",
        show_default=False,
    ),
]
IsLive = Annotated[
    bool, typer.Option("--live", help="Open real loopback ports until Ctrl-C.")
]
InNetns = Annotated[
    bool,
    typer.Option(
        "--netns", help="Run a command, or a shell, inside the world (Linux, root)."
    ),
]
Rate = Annotated[float, typer.Option(help="Seconds of the world for each real one.")]
Doors = Annotated[
    Words,
    typer.Option(
        metavar="HOST:PORT[=REALPORT][@SEAT]",
        help="One more real port, to any port of a virtual host. Repeatable.",
        show_default=False,
    ),
]
Seats = Annotated[
    Words,
    typer.Option(
        metavar="HOST",
        help="Where SOCKS5 clients, or the command, sit: they meet the firewall and "
        "the provider of that virtual host. Repeatable.",
        show_default=False,
    ),
]
Outsides = Annotated[
    Words,
    typer.Option(
        metavar="HOST:PORT=127.0.0.1:REALPORT",
        help="A virtual port that leads to a real server on this computer. Repeatable.",
        show_default=False,
    ),
]
Listen = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Where real ports listen. Beyond loopback, other computers come in.",
    ),
]


@app.command()
def world(  # noqa: PLR0913  (one for each option)
    name: World,
    command: Command = None,
    live: IsLive = False,
    netns: InNetns = False,
    rate: Rate = 1.0,
    door: Doors = None,
    seat: Seats = None,
    outside: Outsides = None,
    listen: Listen = "127.0.0.1",
) -> None:
    """Show a world; with --live or --netns, let real mail programs in."""
    from maillab import open_world
    from maillab.gateway.entrances import LOOPBACK, parse_door, parse_outside
    from maillab.gateway.hosting import Wishes, host_live, host_netns
    from maillab.world.describe import describe

    if command and not netns:
        raise LabError("a command needs --netns: maillab world NAME --netns -- COMMAND")
    unusual = rate != 1 or listen != LOOPBACK
    if (door or seat or outside or unusual) and not (live or netns):
        raise LabError(
            "--door, --seat, --outside, --rate and --listen need --live or --netns"
        )
    doors, outsides = map(parse_door, door or ()), map(parse_outside, outside or ())
    wishes = Wishes(rate, listen, [*doors], [*outsides], seat or ())
    opened = open_world(name)
    if netns:
        raise typer.Exit(host_netns(opened, wishes, command or (), say))
    if live:
        host_live(opened, wishes, say)
        return
    with opened:
        print(describe(opened))


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A lab, such as home-server, or a file.")],
    source: Annotated[str, typer.Argument(help="A host, a user or a mail domain.")],
    target: Annotated[str, typer.Argument(help="A name, a host or an address.")],
    port: Annotated[int, typer.Argument(min=1, max=65535)] = 25,
    udp: Annotated[bool, typer.Option("--udp", help="UDP instead of TCP.")] = False,
) -> None:
    """Would a connection get through? Hop by hop, with the rule that decides."""
    from maillab import open_world

    with open_world(name) as opened:
        protocol = "udp" if udp else "tcp"
        print(opened.explain(source, target, port, protocol))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A scenario file (world.toml).")],
) -> None:
    """Say what is wrong with a scenario file."""
    from maillab.world.files import examine, find_scenario

    found = find_scenario(file)
    loaded, problems = examine(found)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems or loaded is None:
        raise typer.Exit(1)
    scenario = loaded.scenario
    print(
        f"✓ {found}: {scenario.title} "
        f"({len(scenario.hosts)} hosts, {len(scenario.users)} users)"
    )


if __name__ == "__main__":
    main()
