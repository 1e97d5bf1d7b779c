"""The `maillab` command, as a program: for tests of `maillab serve`."""

from maillab import cli, cli_serve

if __name__ == "__main__":
    known = {command.callback for command in cli.app.registered_commands}
    if cli_serve.serve not in known:
        cli_serve.register(cli.app)
    cli.main()
