"""Worlds for tests: without TLS, with a third domain, with a server that is a fake."""

import asyncio
import shutil
from pathlib import Path

from maillab.net.stream import Stream
from maillab.store.mailboxes import Mailbox
from maillab.store.messages import StoredMessage
from maillab.world.files import LAB_FOLDERS, find_scenario, load
from maillab.world.mail_tables import MailTable
from maillab.world.scenario import LoadedScenario
from maillab.world.world import World

GAMMA_NS = "198.51.100.70"
GAMMA = {  # hosts of a third domain that a test may plug in
    "mx1.gamma.example": "198.51.100.71",
    "mx2.gamma.example": "198.51.100.72",
}
GAMMA_SOA = "$TTL 300\n@ SOA ns host 1 2 3 4 60\n  NS ns\nns A 198.51.100.70\n"
GAMMA_HOSTS = "mx1 A 198.51.100.71\nmx2 A 198.51.100.72\n"
GAMMA_TOML = f"""
[hosts."ns.gamma.example"]
address = "{GAMMA_NS}"
zones = {{ "gamma.example" = "zones/gamma.example.zone" }}
"""


def plain_world(name: str = "two-domains", seed: str | None = None) -> World:
    """A lab's world in which nobody has a certificate."""
    loaded = load(find_scenario(name))
    hosts = {
        name: table.model_copy(update={"tls": False, "plain_login": True})
        for name, table in loaded.scenario.hosts.items()
    }
    scenario = loaded.scenario.model_copy(update={"hosts": hosts})
    return World(LoadedScenario(loaded.file, loaded.text, scenario), seed)


def world_with_gamma(folder: Path, records: str) -> World:
    """The two domains and gamma.example, whose zone has these records besides."""
    lab = next(labs / "two-domains" for labs in LAB_FOLDERS if labs.is_dir())
    shutil.copytree(lab, folder / "gamma")
    zones = folder / "gamma" / "zones"
    with (zones / "example.zone").open("a") as registry:
        registry.write(f"gamma NS ns.gamma\nns.gamma A {GAMMA_NS}\n")
    zone = GAMMA_SOA + GAMMA_HOSTS + records
    (zones / "gamma.example.zone").write_text(zone, "utf-8")
    file = folder / "gamma" / "world.toml"
    scenario = file.read_text("utf-8") + GAMMA_TOML
    both = '["192.0.2.25", "2001:db8::25"]'  # alpha's server has IPv6 too
    file.write_text(scenario.replace('"192.0.2.25"', both), "utf-8")
    return World(load(file))


class FakeMX:
    """An SMTP server on a virtual host that says what a test wants.

    `says`: for a verb, the replies to its first, second … use; the last one repeats.
    "banner" and "message" (the reply to the final dot) are verbs here too. Anything
    else is answered with 250.
    """

    def __init__(self, world: World, name: str, **says: str | list[str]) -> None:
        address = GAMMA[name]
        self.host = world.hosts.get(name) or world.add_host(name, address)
        self.messages: list[bytes] = []
        self.commands: list[str] = []
        self.sessions = 0
        usual = {"banner": "220 fake", "data": "354 go on", "quit": "221 bye"}
        self._says = {
            verb: [text] if isinstance(text, str) else list(text)
            for verb, text in (usual | says).items()
        }
        world.run(self.host.listen(25, self.serve))

    async def serve(self, stream: Stream) -> None:
        """One session."""
        self.sessions += 1
        if not await self._say(stream, "banner"):
            return
        rest = b""
        content: list[bytes] | None = None
        while data := await stream.read():
            *lines, rest = (rest + data).split(b"\r\n")
            for line in lines:
                if content is not None and line != b".":
                    content.append(line)
                    continue
                verb = line.split(b" ")[0].decode().lower()
                if content is not None:
                    self.messages.append(b"\r\n".join(content))
                    verb = "message"
                self.commands.append(line.decode())
                reply = await self._say(stream, verb)
                if not reply:
                    return
                content = [] if reply.startswith("354") else None

    async def _say(self, stream: Stream, verb: str) -> str:
        """Answer; "" when the answer is to hang up."""
        replies = self._says.get(verb, ["250 ok"])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply == "hang up":
            await stream.close()
            return ""
        if reply == "silence":
            await asyncio.sleep(100_000)
        stream.write(reply.encode() + b"\r\n")
        return "" if verb == "quit" or reply.startswith("421") else reply


class Journal:
    """What the trace tells of a world, in the words of tests."""

    def __init__(self, world: World) -> None:
        self.trace = world.trace

    @property
    def failures(self) -> list[str]:
        """Tracebacks: there should be none."""
        return [event["traceback"] for event in self.trace.of_kind("failure")]

    def reasons(self, kind: str) -> list[str]:
        """Why messages were "deferred" or "bounced"."""
        return [event["reason"] for event in self.trace.of_kind(kind)]


def queued(world: World, host: str) -> int:
    """Messages in the queue of a mail server."""
    return len(world.server(host).mta.queue)


async def arrived(mailbox: Mailbox, text: bytes, seconds: float = 30) -> StoredMessage:
    """Wait until a message with `text` is in the mailbox. Raises TimeoutError."""
    changed = asyncio.Event()
    unwatch = mailbox.watch(lambda change: changed.set())
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = [one for one in mailbox.messages if text in one.content]
                if found:
                    return found[-1]
                changed.clear()
                await changed.wait()
    finally:
        unwatch()


def dressed_world(name: str, **sections: dict[str, object]) -> World:
    """The two domains; alpha's server has this personality, and these settings."""
    loaded = load(find_scenario("two-domains"))
    hosts = dict(loaded.scenario.hosts)
    changed = {"personality": name, "mail": MailTable.model_validate(sections)}
    server = "mail.alpha.example"
    hosts[server] = hosts[server].model_copy(update=changed)
    scenario = loaded.scenario.model_copy(update={"hosts": hosts})
    return World(LoadedScenario(loaded.file, loaded.text, scenario))
