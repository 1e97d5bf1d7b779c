"""Small networks for tests, without mail: a home behind a router behind a provider."""

import asyncio
import ipaddress
from contextlib import suppress
from typing import NamedTuple

from maillab.net.driver import Driver
from maillab.net.gateway import Gateway
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.rules import Rule
from maillab.net.sockets import WorldLoop
from maillab.net.subnet import Subnet
from maillab.trace.recorder import Trace

MX, MX6 = "198.51.100.25", "2001:db8:25::25"
PUBLIC = "203.0.113.77"  # of the home's router
SERVER, SERVER6 = "192.168.1.20", "2001:db8:1::20"
PATIENCE = 2000.0  # seconds of the network's time; then the program gives up


class Result(NamedTuple):
    """What a program saw: in a word, the octets it got, after how many seconds."""

    what: str
    data: bytes
    seconds: float


class HomeNetwork:
    """pc, server | router (NAT) | isp | mx: 1 ms + 5 ms + 5 ms + 5 ms one way.

    `server` can be reached from outside at PUBLIC, ports 25 (TCP) and 53 (UDP).
    """

    def __init__(self, seed="0", *, hairpin=True):
        self.loop = WorldLoop()
        self.network = net = Network(self.loop, seed=seed)
        self.trace = Trace(strict=True)
        net.observer = self.trace.emit
        self.home = add_subnet(net, "home", "192.168.1.0/24", "2001:db8:1::/64")
        self.access = add_subnet(net, "access", "203.0.113.0/24", "2001:db8:2::/64")
        inside = ["203.0.113.1", "2001:db8:2::1"]
        self.isp = Gateway(net, "isp", self.access, net.internet, inside)
        inside, outside = ["192.168.1.1", "2001:db8:1::1"], [PUBLIC, "2001:db8:2::77"]
        self.router = Gateway(net, "router", self.home, self.access, inside, outside)
        self.router.nat, self.router.hairpin = True, hairpin
        addresses = ["192.168.1.10", "2001:db8:1::10"]
        self.pc = Host(net, "pc", addresses, 0.001, self.home)
        self.server = Host(net, "server", [SERVER, SERVER6], 0.001, self.home)
        self.mx = Host(net, "mx", [MX, MX6])
        self.router.forward("tcp", 25, SERVER)
        self.router.forward("udp", 53, SERVER)
        self.driver = Driver(self.loop)
        for host in (self.server, self.mx):
            self.run(host.listen(25, echo))
            self.run(host.spawn(open_echo(53)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.network.close()

    def run(self, awaitable):
        async def wait():
            return await awaitable

        return self.driver.run(wait())

    def advance(self, seconds):
        self.driver.advance(seconds)

    def rule(self, place, action, **keys):
        """Give a host or gateway one more rule."""
        ports = keys.pop("ports", 25)
        keys["ports"] = (
            ports if isinstance(ports, tuple) else (range(ports, ports + 1),)
        )
        return place.firewall.add(Rule(action, **keys))

    def tcp(self, source, address, port=25, data=b"hello"):
        """Say something to an echo server and hear it back."""
        return self.run(watched(self.loop, say_by_tcp(source, address, port, data)))

    def udp(self, source, address, port=53, data=b"hello"):
        """The same by UDP, with the patience of a resolver."""
        say = source.spawn(say_by_udp(address, port, data))
        return self.run(watched(self.loop, say))

    def kinds(self, *kinds):
        return [(e.kind, e.host) for e in self.trace if e.kind in kinds]


def add_subnet(net, name, *prefixes):
    return net.add_subnet(Subnet(name, [ipaddress.ip_network(p) for p in prefixes]))


async def watched(loop, saying):
    """Run it, and put what happens into a `Result`."""
    began = loop.time()
    data, what = b"", "done"
    try:
        async with asyncio.timeout(PATIENCE):
            data = await saying
    except TimeoutError as error:
        what = "timed out" if error.errno else "patience ended"
    except OSError as error:
        what = error.strerror.lower()
    return Result(what, data, round(loop.time() - began, 6))


async def say_by_tcp(source, address, port, data):
    stream = await source.connect(address, port)
    stream.write(data)
    got = b""
    try:
        while len(got) < len(data):
            more = await stream.read()
            if not more:
                break
            got += more
        await stream.close()
    finally:
        stream.abort()
    return got


async def say_by_udp(address, port, data):
    loop = asyncio.get_running_loop()
    ear = Ear(loop)
    transport, _ = await loop.create_datagram_endpoint(
        lambda: ear, remote_addr=(address, port)
    )
    try:
        transport.sendto(data)
        return await ear.heard
    finally:
        transport.close()


class Ear(asyncio.DatagramProtocol):
    def __init__(self, loop):
        self.heard = loop.create_future()

    def datagram_received(self, data, addr):
        self.heard.set_result(data)

    def error_received(self, exc):
        self.heard.set_exception(exc)


class UDPEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def echo(stream):
    with suppress(OSError):
        while data := await stream.read():
            stream.write(data)
            await stream.drain()


async def open_echo(port):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(UDPEcho, local_addr=("0.0.0.0", port))
