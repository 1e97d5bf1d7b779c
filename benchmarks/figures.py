"""Exact figures of what `tests/test_speed.py` bounds: `python benchmarks/figures.py`.

Each figure is the best of five runs, in milliseconds of processor time.

`five_days.py` has the largest one. On two shared cores, Python 3.11, the best of some
runs, before and after its hot spots were looked at (parsed DNS messages are kept, paths
of repeated SYNs are kept, timers instead of asyncio.timeout and asyncio.wait, the
garbage collector looks less often):

     1,000 letters,  61,509 events:   2.1 s, now  1.5 s
    10,000 letters, 473,457 events:  12.9 s, now  9.4 s
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable

import five_days

from maillab import open_world
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.sockets import WorldLoop
from maillab.world.world import World

RUNS = 5
LETTER = b"Subject: many\r\n\r\nx\r\n"
BOB = "bob@beta.example"


def best(work: Callable[[], float]) -> float:
    """The best of several runs; `work` returns seconds."""
    return min(work() for _ in range(RUNS)) * 1000


def timed(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    began = time.process_time()
    work()
    return time.process_time() - began


def in_a_world(work: Callable[[World], object]) -> Callable[[], float]:
    """Time `work` in a fresh world, without its boot."""

    def run() -> float:
        with open_world("two-domains") as world:
            world.send("alice", BOB, "Warm", "Caches are filled, TLS is ready.")
            return timed(lambda: work(world))

    return run


def import_maillab() -> float:
    """In a process of its own."""
    code = "import time; a = time.process_time(); import maillab.world.world; "
    code += "print(time.process_time() - a)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def boot() -> float:
    """A lab, from its files to its open ports."""
    return timed(lambda: open_world("two-domains").close())


def hundred_hosts() -> float:
    """A hundred hosts, each with an open port."""

    async def serve(stream: object) -> None:
        del stream

    def run() -> None:
        loop = WorldLoop()
        network = Network(loop)
        for number in range(1, 101):
            host = Host(network, f"h{number}", [f"192.0.2.{number}"])
            loop.run_until_complete(host.listen(25, serve))
        network.close()

    return timed(run)


def fifty_sessions(world: World) -> None:
    """Fifty letters by fifty sessions, submitted, relayed, delivered."""
    alice = world.user("alice")

    async def submit() -> None:
        await asyncio.gather(*(alice.mua.submit(LETTER, [BOB]) for _ in range(50)))

    world.run(submit(), on=alice.host)
    world.settle()


FIGURES: dict[str, Callable[[], float]] = {
    "import maillab": import_maillab,
    "boot of two-domains": boot,
    "boot of 100 hosts": hundred_hosts,
    "five idle days": in_a_world(lambda world: world.advance("5 days")),
    "one letter, end to end": in_a_world(
        lambda world: world.send("alice", BOB, "Hello", "How are you?")
    ),
    "one letter of 9 MB": in_a_world(
        lambda world: world.send("alice", BOB, "Big", ("x" * 70 + "\n") * 130_000)
    ),
    "fifty sessions at once": in_a_world(fifty_sessions),
    "1,000 letters, five days": lambda: five_days.run(1_000).seconds,
}


def main() -> None:
    """Print the table."""
    for name, work in FIGURES.items():
        sys.stdout.write(f"{name:<26}{best(work):10.1f} ms\n")


if __name__ == "__main__":
    main()
