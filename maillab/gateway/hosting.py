"""`maillab world NAME --live`: open the doors, say how to come in, stay until Ctrl-C.

Goes in: a world, and what was typed. Comes out: text for the terminal, and open ports;
with `--netns`, the exit status of a program that ran in the world.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from maillab.errors import LabError
from maillab.gateway.entrances import LOOPBACK, VISITOR, Door, Outside
from maillab.gateway.invitation import door_table, invitation, warning
from maillab.gateway.live import Live
from maillab.gateway.stopping import KILLED, stop_signals
from maillab.world.world import World

Say = Callable[[str], None]
LOOK_UP = 0.5  # seconds: on Windows a longer wait does not hear Ctrl-C


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for.

    seats  hosts on which real clients sit; () for the usual ones
    """

    rate: float = 1.0
    listen: str = LOOPBACK
    doors: Sequence[Door] = ()
    outsides: Sequence[Outside] = ()
    seats: Sequence[str] = ()

    def live(self, world: World, *, usual_doors: bool = True) -> Live:
        """The live world, not open yet."""
        return Live(
            world,
            preferred=True,
            rate=self.rate,
            listen=self.listen,
            usual_doors=usual_doors,
        )

    def open(self, live: Live) -> None:
        """Open what was asked for besides the usual doors."""
        for outside in self.outsides:
            real = f"[{outside.real_host}]:{outside.real_port}"
            live.open_outside(outside.host, outside.port, real)
        for door in self.doors:
            live.open_door(door.host, door.port, door.real_port, seat=door.seat)


def host_live(world: World, wishes: Wishes, say: Say) -> None:
    """Run a world in real time until Ctrl-C, SIGTERM, or its terminal is closed."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in stop_signals():
        signal.signal(number, stop)
    with TemporaryDirectory(prefix="maillab-") as folder, world:
        ca_file = Path(folder) / "maillab-ca.pem"
        ca_file.write_bytes(world.ca.pem)
        with wishes.live(world) as live:
            wishes.open(live)
            for seat in wishes.seats or usual_seats(world):
                live.open_socks(seat)
            for line in invitation(live, ca_file):
                say(line)
            say(f"\nThe world runs {pace(live.rate)}. Ctrl-C stops it.")
            while not stopped.wait(LOOK_UP):
                pass
        say(f"\n{what_happened(world)}")


def host_netns(world: World, wishes: Wishes, command: Sequence[str], say: Say) -> int:
    """Run a command, or a shell, on the virtual internet. Returns its exit status."""
    from maillab.gateway.netns import Netns

    if len(wishes.seats) > 1:
        raise LabError("--netns has one --seat: start maillab again for another one")
    seat = wishes.seats[0] if wishes.seats else VISITOR
    for number in stop_signals():
        signal.signal(number, leave)
    with world, wishes.live(world, usual_doors=False) as live:
        wishes.open(live)
        for line in doors_text(live):
            sys.stderr.write(f"{line}\n")  # stdout is the command's
        with Netns(live, seat) as netns:
            if command:
                return netns.run(*command)
            say(f"{world.scenario.title}\n\nYou sit on {seat}. Try:\n")
            for line in examples(world):
                say(f"  {line}")
            say(f"\nThe world runs {pace(live.rate)}. `exit` ends it.")
            status = netns.run(os.environ.get("SHELL", "/bin/sh"))
        say(f"\n{what_happened(world)}")
        return status


def leave(number: int, frame: FrameType | None) -> None:
    """End tidily, with the exit status that shells expect after a signal."""
    del frame
    sys.exit(KILLED + number)


def doors_text(live: Live) -> Iterator[str]:
    """The doors beside a namespace."""
    if live.doors:
        yield from warning(live)
        yield from door_table(live.world, live.doors)


def usual_seats(world: World) -> list[str]:
    """The computer of nobody, and each one at which a user sits."""
    hosts = [user.host.name for user in world.users.values()]
    return list(dict.fromkeys([VISITOR, *hosts]))


def examples(world: World) -> list[str]:
    """What somebody in the namespace may type."""
    people = list(world.users.values())
    if not people:
        return ["dig NS ."]
    user = people[-1]
    domain = user.address.rpartition("@")[2]
    return [
        f"dig MX {domain}",
        f"swaks --to {user.address}",
        f"curl smtp://{user.server.name}",
    ]


def pace(rate: float) -> str:
    """How fast, in words."""
    if rate == 1:
        return "in real time"
    return f"at {rate:g} seconds for each real one"


def what_happened(world: World) -> str:
    """The sessions, at the end."""
    if not world.trace.sessions:
        return "Nobody came in."
    return f"What happened:\n\n{world.trace.summary().text()}"
