"""`python -m maillab.net`: two hosts, one cable; what TCP does when it works or not."""

from typing import Any

from maillab.net.driver import Driver
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.sockets import WorldLoop
from maillab.net.stream import Stream


def show(kind: str, host: str, connection: str, time_ns: int, **facts: Any) -> None:
    """Print what the network tells its observer."""
    told = ", ".join(f"{key} {value!r}" for key, value in facts.items())
    print(f"{time_ns / 1e9:12.6f} s  {host:<6} {connection:<3} {kind:<12} {told}")


async def echo(stream: Stream) -> None:
    """A server that says everything twice."""
    while data := await stream.read():
        stream.write(data)


async def story(client: Host, server: Host) -> None:
    """An answer, a refusal, and silence."""
    await server.listen(7, echo)
    stream = await client.connect("192.0.2.2", 7)
    stream.write(b"hello")
    print(f"  → {await stream.read()}")
    await stream.close()
    for port, up in ((8, True), (7, False)):
        server.up = up
        try:
            await client.connect("192.0.2.2", port)
        except OSError as error:
            print(f"  → {type(error).__name__}: {error.strerror}")


def main() -> None:
    """Run the story in virtual time."""
    network = Network(WorldLoop())
    network.observer = show
    client = Host(network, "client", ["192.0.2.1"])
    server = Host(network, "server", ["192.0.2.2"])
    Driver(network.loop).run(story(client, server))
    network.close()


if __name__ == "__main__":
    main()
