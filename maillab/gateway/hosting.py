"""`maillab world NAME --live`: open the doors, say how to come in, stay until Ctrl-C.

Goes in: a world. Comes out: text for the terminal, and open ports.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from maillab.gateway.live import Door, Live
from maillab.world.user import User
from maillab.world.world import World

Say = Callable[[str], None]
LOOK_UP = 0.5  # seconds: on Windows a longer wait does not hear Ctrl-C
LETTER = r"From: {0}\r\nTo: {1}\r\nSubject: Hello\r\n\r\nHow are you?\r\n"


def host_live(world: World, say: Say) -> None:
    """Run a world in real time until Ctrl-C or SIGTERM."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with TemporaryDirectory(prefix="maillab-") as folder, world:
        ca_file = Path(folder) / "maillab-ca.pem"
        ca_file.write_bytes(world.ca.pem)
        with Live(world, preferred=True) as live:
            for line in invitation(world, live.doors, ca_file):
                say(line)
            say("\nThe world runs in real time. Ctrl-C stops it.")
            while not stopped.wait(LOOK_UP):
                pass
        if world.trace.sessions:
            say(f"\nWhat happened:\n\n{world.trace.summary().text()}")
        else:
            say("\nNobody came in.")


def invitation(world: World, doors: list[Door], ca_file: Path) -> Iterator[str]:
    """How to reach every server, and a curl line for each protocol."""
    yield f"{world.scenario.title}\n"
    yield from door_table(world, doors)
    yield "\nPeople (the address is the user name):\n"
    width = max((len(user.address) for user in world.users.values()), default=4)
    for user in world.users.values():
        yield f"  {user.address:<{width}}  password {user.password}"
    yield f"\nCertificate of the lab's authority: {ca_file}"
    yield "(it is for this world only: never put it into a browser or a system)\n"
    people = list(world.users.values())
    if people:
        yield from recipes(people[0], people[-1], doors, ca_file)


def door_table(world: World, doors: list[Door]) -> Iterator[str]:
    """One row for each real port."""
    width = max((len(door.host) for door in doors), default=4)
    yield f"  {'server':<{width}}  {'port':>5}  protocol  TLS        reach it at"
    for door in doors:
        tls = tls_word(door, offered=world.servers[door.host].tls is not None)
        yield (
            f"  {door.host:<{width}}  {door.port:>5}  {door.protocol:<8}  {tls:<10} "
            f"{door.real_host}:{door.real_port}"
        )


def tls_word(door: Door, *, offered: bool) -> str:
    """How TLS begins at a door."""
    if door.implicit_tls:
        return "from start"
    if not offered:
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
            f"--url smtp://localhost:{submit.real_port} "
            f"--mail-from {sender.address} --mail-rcpt {reader.address} -T -"
        )
    pop3 = find_door(doors, reader.server.name, 110)
    if pop3:
        yield "\nRead it (POP3):\n"
        url = f"pop3://localhost:{pop3.real_port}/1"
        yield f"  curl -sS {curl_options(reader, ca_file)} --url {url}"
    imap = find_door(doors, reader.server.name, 143)
    if imap:
        yield "\nRead it (IMAP):\n"
        url = f"'imap://localhost:{imap.real_port}/INBOX;MAILINDEX=1'"
        yield f"  curl -sS {curl_options(reader, ca_file)} --url {url}"


def curl_options(user: User, ca_file: Path) -> str:
    """Who, and how the password is kept from others."""
    tls = f"--ssl-reqd --cacert {ca_file} " if user.server.tls is not None else ""
    return f"{tls}--user {user.address}:{user.password}"


def find_door(doors: list[Door], host: str, port: int) -> Door | None:
    """The door to a port of a server, if it has that port."""
    return next((d for d in doors if (d.host, d.port) == (host, port)), None)
