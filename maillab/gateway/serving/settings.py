"""How `maillab serve` is configured: `maillab.toml`, and what it may say.

Goes in: a file. Comes out: `ServeSettings`, or all that is wrong with the file, each
with its line.

Rule 1: the defaults are safe: loopback only, no relay, passwords under TLS only.
Rule 2: `[mail]` has the keys of `[hosts.NAME.mail]` in a world, and the same checks.
Rule 3: nothing leaves for other servers without `relay.outbound` or a smart host.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from maillab.errors import ScenarioError
from maillab.policy.settings import (
    MINUTE,
    AutoBlock,
    Defence,
    Limits,
    Settings,
)
from maillab.wire.smtp_path import is_domain
from maillab.world.fields import Addresses, Length, Table
from maillab.world.files import read_toml
from maillab.world.mail_checks import settings_mistakes
from maillab.world.mail_tables import MailTable, overlay
from maillab.world.positions import line_of

FILE = "maillab.toml"

# What differs from the servers of a world: strangers can come to this one.
MAIL_DEFAULTS = Settings(
    limits=Limits(connections=500, connections_per_address=100),
    defence=Defence(autoblock=AutoBlock(20, 10 * MINUTE, 10 * MINUTE)),
)


def check_port(value: Any) -> Any:
    """A port, 0 (the system chooses), or false (not open)."""
    if value is False or (type(value) is int and 0 <= value <= 65535):
        return value
    raise ValueError(
        f"{value!r} is no port; write a number up to 65535, 0 for any free one, "
        f"or false for none"
    )


def check_name(text: str) -> str:
    """A host or domain name."""
    if not is_domain(text.removesuffix(".")):
        raise ValueError(f"{text!r} is no domain name; write mail.example.test")
    return text.removesuffix(".").lower()


def check_accounts(text: str) -> str:
    """Where the accounts are."""
    if text == "file" or re.match(r"[\w+]+://", text):
        return text
    raise ValueError(
        f'{text!r} is no place for accounts; write "file", or the URL of a database '
        'such as "sqlite:///accounts.db"'
    )


Port = Annotated[int | bool, BeforeValidator(check_port)]
Name = Annotated[str, AfterValidator(check_name)]
NameList = Annotated[
    list[Name], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)
]
Accounts = Annotated[str, AfterValidator(check_accounts)]
Level = Literal["debug", "info", "warning", "error"]


class Ports(Table):
    """The ports: a number, 0 for any free one, or false for none."""

    smtp: Port = Field(default=2525, description="mail from other servers (port 25)")
    smtp_tls: Port = Field(
        default=2526, description="... with TLS from the first octet"
    )
    submission: Port = Field(
        default=2587, description="mail from users who log in (587)"
    )
    submissions: Port = Field(default=2465, description="... with TLS at once (465)")
    pop3: Port = Field(default=2110, description="POP3 (110)")
    pop3s: Port = Field(default=2995, description="... with TLS at once (995)")
    imap: Port = Field(default=2143, description="IMAP (143)")
    imaps: Port = Field(default=2993, description="... with TLS at once (993)")


class TLSFiles(Table):
    """The certificate. Without one the server makes an authority of its own, whose
    certificate is `ca.pem` in the server's folder, for clients to trust.
    """

    certificate: str = Field(
        default="",
        description="a PEM file: the server's certificate, then those between",
    )
    key: str = Field(
        default="", description='its private key, PEM; "": in the same file'
    )


class Outbound(Table):
    """Mail to other servers."""

    outbound: bool = Field(
        default=False,
        description="users who log in may send mail to other servers, straight to "
        "their mail exchangers. A smart host (mail.delivery.smart_host) does not need "
        "this",
    )


class Log(Table):
    """What is written down: one JSON object a line."""

    file: str = Field(default="", description='where; "": standard error')
    level: Level = Field(
        default="info",
        description="from here on; debug has every line, passwords masked",
    )


class Health(Table):
    """`GET /health` by HTTP, for those who watch the server."""

    port: Port = Field(default=2580, description="always on loopback; false: none")


class ServeSettings(Table):
    """Everything in `maillab.toml`."""

    hostname: Name = Field(
        default="mail.example.test",
        description="the name of this server, as clients know it",
    )
    domains: NameList = Field(
        default=["example.test"], description="the domains whose mail ends here"
    )
    listen: Addresses = Field(
        default=["127.0.0.1", "::1"],
        description="the addresses to listen at; 0.0.0.0 and :: are all there are",
    )
    user: str = Field(
        default="", description='once the ports are open, go on as this user; "": stay'
    )
    accounts: Accounts = Field(
        default="file",
        description='"file" is accounts.toml beside this file; or the URL of a '
        'database, such as "sqlite:///accounts.db"',
    )
    sessions: Annotated[int, Field(ge=0)] = Field(
        default=1000,
        description="open at one time, all protocols together; 0: any number",
    )
    grace: Length = Field(
        default=10.0,
        description="seconds for running commands when the server is stopped",
    )
    ports: Ports = Ports()
    tls: TLSFiles = TLSFiles()
    relay: Outbound = Outbound()
    log: Log = Log()
    health: Health = Health()
    mail: MailTable = Field(default_factory=lambda: MailTable.model_validate({}))

    @property
    def policies(self) -> Settings:
        """The settings of the agents."""
        made: Settings = overlay(MAIL_DEFAULTS, self.mail)
        if not sends_out(self, made):
            made = replace(made, relay=replace(made.relay, authenticated=False))
        return made


def sends_out(settings: ServeSettings, policies: Settings) -> bool:
    """Users may send mail to other servers, or to one."""
    remote = any(one.smart_host is not None for one in policies.remote_domains)
    smart = policies.delivery.smart_host is not None
    return settings.relay.outbound or smart or remote


def load(file: Path) -> ServeSettings:
    """Read and check a file. Raises ScenarioError with the first mistake."""
    found, problems = examine(file)
    if problems:
        raise problems[0]
    assert found is not None, "else there are problems"
    return found


def examine(file: Path) -> tuple[ServeSettings | None, list[ScenarioError]]:
    """Read a file and collect all its mistakes."""
    text, found, problems = read_toml(file, ServeSettings)
    if found is None:
        return None, problems
    mistakes = list(inconsistencies(found))
    problems = [
        ScenarioError(file, line_of(text, tuple(path.split("."))), f"{path}: {said}")
        for path, said in mistakes
    ]
    return found, problems


def inconsistencies(settings: ServeSettings) -> Iterator[tuple[str, str]]:
    """What cannot be meant: the path of a setting, and what to say about it."""
    policies = settings.policies
    for path, said in settings_mistakes(policies, reversible_passwords=False):
        yield f"mail.{path}", said
    if settings.tls.key and not settings.tls.certificate:
        yield "tls.key", "there is a key, and no certificate: set tls.certificate too"
    if not settings.domains:
        yield "domains", 'none given; write at least one, such as ["example.test"]'
    if not settings.listen:
        yield "listen", 'none given; write ["127.0.0.1", "::1"]'
    yield from _ports_twice(settings)
    yield from _relays(settings, policies)


def _ports_twice(settings: ServeSettings) -> Iterator[tuple[str, str]]:
    seen: dict[int, str] = {}
    places = {f"ports.{name}": port for name, port in settings.ports}
    for path, port in {**places, "health.port": settings.health.port}.items():
        if port and port in seen:
            yield path, f"{port} is the port of {seen[port]} already"
        if port:
            seen[int(port)] = path


def _relays(settings: ServeSettings, policies: Settings) -> Iterator[tuple[str, str]]:
    relay = policies.relay
    for key, wanted in (("open", relay.open), ("networks", bool(relay.networks))):
        if wanted and not sends_out(settings, policies):
            yield (
                f"mail.relay.{key}",
                "nothing leaves this server: that needs relay.outbound = true, or "
                "mail.delivery.smart_host",
            )


def reload_note(old: ServeSettings, new: ServeSettings) -> str:
    """Which changes act after a new start only; "" when there are none."""
    fixed = ("hostname", "listen", "user", "accounts", "ports", "health")
    changed = [name for name in fixed if getattr(old, name) != getattr(new, name)]
    changed += ["log.file"] if old.log.file != new.log.file else []
    if not changed:
        return ""
    return f"{', '.join(changed)} changed: that acts after a new start"
