"""docs/serve.md: its commands are run, and say what the page says."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from maillab import cli_serve
from maillab.gateway.serving.settings import ServeSettings
from tests.serving import Serving, write_settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "serve.md").read_text("utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
USUAL = {name: str(port) for name, port in ServeSettings().ports}

SHOP = """
import smtplib

class Shop:
    def __init__(self, smtp):
        self.smtp = smtp

    def order(self, what, customer):
        text = f"Subject: Your order\\n\\nYou get: {what}\\n"
        with smtplib.SMTP(*self.smtp) as client:
            client.sendmail("shop@shop.example", customer, text)

"""


def steps(block: str) -> Iterator[tuple[str, str]]:
    """Commands, and what they print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def looks_like(page: str, said: str) -> bool:
    """The same text; `…` on the page stands for anything in a line."""
    parts = [re.escape(part) for part in page.split("…")]
    return re.fullmatch("[^\n]*".join(parts), said) is not None


def run(command: str) -> str:
    """What a command says; our own ones are run in this process."""
    ours = re.fullmatch(r"(?:echo (\w+) \| )?maillab (.*)", command)
    if ours is None:
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        return done.stdout + done.stderr
    app = typer.Typer(pretty_exceptions_enable=False)
    cli_serve.register(app)
    typed = f"{ours[1]}\n" if ours[1] else ""
    result = CliRunner().invoke(app, shlex.split(ours[2]), input=typed)
    assert result.exit_code == 0, result.exception
    return result.output


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("page") / "maillab-server"
    write_settings(folder)
    with Serving(folder) as running:
        yield running


def test_the_server_says_what_the_page_says(server: Serving) -> None:
    ((command, output),) = steps(BLOCKS[0])
    assert command == "maillab serve"
    usual = {str(server.ports[name]): port for name, port in USUAL.items()}
    usual[str(server.ports["health"])] = str(ServeSettings().health.port)
    said = "\n".join(server.said).replace(f"{server.folder.parent}/", "")
    said = said.replace(" --dir maillab-server", "")
    for real, port in usual.items():
        said = re.sub(rf"(?<=\s){real} *", f"{port:<7}", said)
    if "::1" not in said:  # no IPv6 here
        said = said.replace("127.0.0.1", "127.0.0.1, ::1", 8)
    made, _, rest = output.partition("\n")
    assert made.startswith("made maillab-server/maillab.toml")
    assert said + "\n" == rest


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_commands_of_the_page_do_what_it_says(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(server.folder.parent)
    for command, output in steps(BLOCKS[1]):
        for name, port in USUAL.items():
            command = command.replace(f":{port}", f":{server.ports[name]}")
        said = run(command).replace("\r\n", "\n")
        assert looks_like(output, said), f"{command}\n{said}"


def test_the_example_of_the_plugin_works() -> None:
    from maillab.gateway.serving.in_process import InProcess

    names: dict[str, object] = {}
    exec(SHOP + PYTHON[0], names)
    test = names["test_the_shop_confirms_an_order"]
    assert callable(test)
    with InProcess() as maillab:
        test(maillab)
