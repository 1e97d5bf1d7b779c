"""How real programs come into a live world: tables, and lines to copy.

Goes in: an open live world. Comes out: lines for the terminal.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from maillab.gateway.entrances import LOOPBACK, VISITOR, Door, Socks
from maillab.gateway.live import Live
from maillab.world.user import User
from maillab.world.world import World

LETTER = r"From: {0}\r\nTo: {1}\r\nSubject: Hello\r\n\r\nHow are you?\r\n"


def invitation(live: Live, ca_file: Path) -> Iterator[str]:
    """How to reach every server, and a curl line for each protocol."""
    world, doors = live.world, live.doors
    yield f"{world.scenario.title}\n"
    yield from warning(live)
    yield from door_table(world, doors)
    yield from outside_table(live)
    yield "\nPeople (the address is the user name):\n"
    width = max((len(user.address) for user in world.users.values()), default=4)
    for user in world.users.values():
        yield f"  {user.address:<{width}}  password {user.password}"
    yield f"\nCertificate of the lab's authority: {ca_file}"
    yield "(it is for this world only: never put it into a browser or a system)\n"
    if world.users:
        yield from recipes(*correspondents(world), doors, ca_file)
    yield from socks_table(live)


def warning(live: Live) -> Iterator[str]:
    """Who else can come in."""
    if not ipaddress.ip_address(live.listen).is_loopback:
        yield (
            f"WARNING: listening on {live.listen}: other computers can come in too, "
            f"and the passwords are known.\n"
        )


def correspondents(world: World) -> tuple[User, User]:
    """Two people such that a letter of the first reaches the second, if there are any.

    In some labs it is the lesson that a letter does not arrive; a line to copy should
    work.
    """
    people = list(world.users.values())
    reader = people[-1]
    for sender in people[:-1]:
        here, there = sender.server, reader.server
        if here is there or world.explain(here.host, there.name, 25).outcome.ok:
            return sender, reader
    return people[0], reader


def door_table(world: World, doors: list[Door]) -> Iterator[str]:
    """One row for each real port."""
    width = max((len(door.host) for door in doors), default=4)
    yield f"  {'server':<{width}}  {'port':>5}  protocol  TLS        reach it at"
    for door in doors:
        seat = f"  (from {door.seat})" if door.seat != VISITOR else ""
        yield (
            f"  {door.host:<{width}}  {door.port:>5}  {door.protocol:<8}  "
            f"{tls_word(world, door):<10} {place(door)}{seat}"
        )


def outside_table(live: Live) -> Iterator[str]:
    """One row for each real server that the world can reach."""
    for outside in live.outsides:
        yield (
            f"\n  {outside.host}:{outside.port} leads to the real server "
            f"{at(outside.real_host, outside.real_port)}"
        )


def socks_table(live: Live) -> Iterator[str]:
    """One row for each SOCKS port, and a line to copy."""
    if not live.socks:
        return
    yield "\nSOCKS5, to every server by its name; each port has you sit on a host:\n"
    width = max(len(socks.seat) for socks in live.socks)
    for socks in live.socks:
        yield f"  {socks.seat:<{width}}  {place(socks)}"
    servers = list(live.world.servers)
    if servers:
        proxy = place(live.socks[0])
        yield f"\n  curl --socks5-hostname {proxy} smtp://{servers[-1]}"


def place(entrance: Door | Socks) -> str:
    """Where to connect to."""
    anywhere = entrance.real_host in ("0.0.0.0", "::")
    return at(LOOPBACK if anywhere else entrance.real_host, entrance.real_port)


def at(host: str, port: int) -> str:
    """`127.0.0.1:1080`, `[::1]:1080`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tls_word(world: World, door: Door) -> str:
    """How TLS begins at a door."""
    if door.implicit_tls:
        return "from start"
    server = world.servers.get(door.host)
    if server is None or server.tls is None or door.protocol == "TCP":
        return "none"
    return "STLS" if door.protocol == "POP3" else "STARTTLS"


def recipes(
    sender: User, reader: User, doors: list[Door], ca_file: Path
) -> Iterator[str]:
    """Lines to copy: send by SMTP, read by POP3 and by IMAP."""
    letter = LETTER.format(sender.address, reader.address)
    submit = find_door(doors, sender.server.name, 587)
    if submit:
        yield "Send a letter (SMTP):\n"
        yield (
            f"  printf '{letter}' | curl -sS {curl_options(sender, ca_file)} "
            f"--url smtp://{url_place(submit)} "
            f"--mail-from {sender.address} --mail-rcpt {reader.address} -T -"
        )
    pop3 = find_door(doors, reader.server.name, 110)
    if pop3:
        yield "\nRead it (POP3):\n"
        url = f"pop3://{url_place(pop3)}/1"
        yield f"  curl -sS {curl_options(reader, ca_file)} --url {url}"
    imap = find_door(doors, reader.server.name, 143)
    if imap:
        yield "\nRead it (IMAP):\n"
        url = f"'imap://{url_place(imap)}/INBOX;MAILINDEX=1'"
        yield f"  curl -sS {curl_options(reader, ca_file)} --url {url}"


def url_place(door: Door) -> str:
    """The same for a URL; the certificates know the name localhost."""
    where = place(door)
    return where.replace(LOOPBACK, "localhost")


def curl_options(user: User, ca_file: Path) -> str:
    """Who, and how the password is kept from others."""
    tls = f"--ssl-reqd --cacert {ca_file} " if user.server.tls is not None else ""
    return f"{tls}--user {user.address}:{user.password}"


def find_door(doors: list[Door], host: str, port: int) -> Door | None:
    """The door to a port of a server, if it has that port."""
    return next((d for d in doors if (d.host, d.port) == (host, port)), None)
