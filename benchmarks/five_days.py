"""Many letters over five days, to hosts of which some fail.

`python benchmarks/five_days.py` prints how long that takes.

Fifty domains, each with a mail host. One in five hosts is off for six hours at some
time, one in ten for good. Letters come in at any moment of five virtual days. In the
end each letter has been delivered once, or its sender has been told once.
"""

import asyncio
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from maillab.agents.mta import Submission
from maillab.net.stream import Stream
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import Address
from maillab.world.files import LAB_FOLDERS, load
from maillab.world.world import World

DAY = 86_400.0
HOSTS = 50
SENDER = "mail.alpha.example"
ALICE = Address("alice", "alpha.example")
NUMBER = re.compile(rb"Subject: letter (\d+)")
SOA = "$TTL 86400\n@ SOA ns host 1 2 3 4 86400\n  NS ns\nns A 198.51.100.70\n"
REPLIES = {b"EHLO": b"250-sink\r\n250 PIPELINING\r\n", b"DATA": b"354 go on\r\n"}


class Sink:
    """A mail host that takes everything and counts it."""

    def __init__(self) -> None:
        self.letters: list[int] = []
        self.sessions = 0

    async def serve(self, stream: Stream) -> None:
        """One session."""
        self.sessions += 1
        stream.write(b"220 sink\r\n")
        rest, content = b"", False
        while data := await stream.read():
            *lines, rest = (rest + data).split(b"\r\n")
            for line in lines:
                if content:
                    self._read(line)
                    if line == b".":
                        content = False
                        stream.write(b"250 ok\r\n")
                    continue
                verb = line[:4].upper()
                content = verb == b"DATA"
                stream.write(REPLIES.get(verb, b"250 ok\r\n"))
                if verb == b"QUIT":
                    return

    def _read(self, line: bytes) -> None:
        found = NUMBER.match(line)
        if found:
            self.letters.append(int(found[1]))


@dataclass
class FiveDays:
    """What was sent, and what became of it."""

    letters: int
    delivered: Counter[int] = field(default_factory=Counter[int])
    bounced: Counter[int] = field(default_factory=Counter[int])
    sessions: int = 0
    events: int = 0
    left: int = 0
    seconds: float = 0.0

    @property
    def once(self) -> bool:
        """Every letter had one end."""
        ends = self.delivered + self.bounced
        return len(ends) == self.letters and set(ends.values()) == {1}


def build(folder: Path) -> World:
    """The two domains, and fifty more."""
    lab = next(labs / "two-domains" for labs in LAB_FOLDERS if labs.is_dir())
    zones = folder / "zones"
    zones.mkdir(parents=True)
    for file in (lab / "zones").iterdir():
        (zones / file.name).write_text(file.read_text("utf-8"), "utf-8")
    with (zones / "example.zone").open("a") as registry:
        registry.write("many NS ns.many\nns.many A 198.51.100.70\n")
    records = "".join(
        f"d{n} MX 10 mx{n}\nmx{n} A 198.18.0.{n}\n" for n in range(1, HOSTS + 1)
    )
    (zones / "many.example.zone").write_text(SOA + records, "utf-8")
    host = (
        '\n[hosts."ns.many.example"]\naddress = "198.51.100.70"\n'
        'zones = { "many.example" = "zones/many.example.zone" }\n'
    )
    text = (lab / "world.toml").read_text("utf-8") + host
    (folder / "world.toml").write_text(text, "utf-8")
    return World(load(folder / "world.toml"))


def run(letters: int, seed: str = "five days") -> FiveDays:
    """Send so many letters and wait until the queue is empty."""
    with tempfile.TemporaryDirectory() as folder:
        world = build(Path(folder) / "lab")
    with world:
        return observe(world, letters, random.Random(seed))


def observe(world: World, letters: int, generator: random.Random) -> FiveDays:
    """The five days, and ten more."""
    sinks = open_sinks(world)
    spoil(world, generator)
    moments = sorted(generator.uniform(0, 5 * DAY) for _ in range(letters))
    targets = [generator.randint(1, HOSTS) for _ in range(letters)]
    mta = world.server(SENDER).mta

    async def send_all() -> None:
        for number, (moment, target) in enumerate(zip(moments, targets, strict=True)):
            await asyncio.sleep(moment - world.loop.time())
            to = Address("carol", f"d{target}.many.example")
            content = b"Subject: letter %d\r\n\r\nHello\r\n" % number
            envelope = Envelope(ALICE, (to,))
            mta.accept(Submission(envelope, content, "pc", "192.0.2.9", "ESMTP"))

    began = time.process_time()
    world.run(send_all(), on=SENDER)
    world.advance(10 * DAY)
    seconds = time.process_time() - began
    counted = Counter(number for sink in sinks for number in sink.letters)
    found = FiveDays(letters, counted, seconds=seconds)
    for message in world.mailbox("alice").messages:
        number = NUMBER.search(message.content)
        assert number is not None, "a bounce brings the header back"
        found.bounced[int(number[1])] += 1
    found.sessions = sum(sink.sessions for sink in sinks)
    found.events, found.left = len(world.trace), len(mta.queue)
    return found


def open_sinks(world: World) -> list[Sink]:
    """A sink on each mail host."""
    sinks = [Sink() for _ in range(HOSTS)]
    for number, sink in enumerate(sinks, 1):
        host = world.add_host(f"mx{number}.many.example", f"198.18.0.{number}")
        world.run(host.listen(25, sink.serve))
    return sinks


def spoil(world: World, generator: random.Random) -> None:
    """Switch hosts off: some for six hours, some for good."""
    names = [f"mx{number}.many.example" for number in range(1, HOSTS + 1)]
    generator.shuffle(names)
    dead, ill = names[: HOSTS // 10], names[HOSTS // 10 : HOSTS * 3 // 10]
    for name in dead:
        world.hosts[name].up = False
    for name in ill:
        begins = generator.uniform(0, 5 * DAY - 6 * 3600)
        world.loop.call_later(begins, setattr, world.hosts[name], "up", False)
        world.loop.call_later(begins + 6 * 3600, setattr, world.hosts[name], "up", True)


def main() -> None:
    """Print a row for each size."""
    for letters in (1_000, 10_000):
        found = run(letters)
        sys.stdout.write(
            f"{letters:>6} letters: {found.seconds:5.2f} s, "
            f"{len(found.delivered)} delivered, {len(found.bounced)} bounced, "
            f"{found.left} left, once each: {found.once}, {found.sessions} sessions, "
            f"{found.events} events\n"
        )


if __name__ == "__main__":
    main()
