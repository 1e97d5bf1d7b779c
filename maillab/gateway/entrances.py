"""Where real and virtual connections meet: the values, and how they are typed.

Goes in: words of a command line, such as `mx.beta.example:25=2525@alice-pc`.
Comes out: `Door`, `Socks` and `Outside`, or what was wrong with the words.
"""

import ipaddress
from dataclasses import dataclass

from maillab.errors import LabError
from maillab.world.servers import PORTS, Port

LOOPBACK = "127.0.0.1"
VISITOR = "your-computer"
KNOWN = {port.number: port for ports in PORTS.values() for port in ports}
KNOWN[53] = Port(53, "DNS")
DOOR_FORM = "HOST:PORT, HOST:PORT=REALPORT or HOST:PORT=REALPORT@SEAT"
OUTSIDE_FORM = "HOST:PORT=127.0.0.1:REALPORT"


@dataclass(frozen=True, slots=True)
class Door:
    """A real port and where it leads; its clients sit on the virtual host `seat`."""

    host: str
    port: int
    real_port: int = 0  # 0: any that is free
    real_host: str = LOOPBACK
    seat: str = VISITOR

    @property
    def protocol(self) -> str:
        """What is spoken there, as far as the number tells."""
        return KNOWN[self.port].protocol if self.port in KNOWN else "TCP"

    @property
    def implicit_tls(self) -> bool:
        """TLS from the first byte."""
        return self.port in KNOWN and KNOWN[self.port].implicit_tls


@dataclass(frozen=True, slots=True)
class Socks:
    """A real SOCKS5 port; its clients sit on the virtual host `seat`."""

    seat: str
    real_port: int
    real_host: str = LOOPBACK


@dataclass(frozen=True, slots=True)
class Outside:
    """A port of a virtual host that leads to a real server on this computer."""

    host: str
    port: int
    real_host: str
    real_port: int


def parse_door(text: str) -> Door:
    """A `--door`.

    >>> parse_door("mx.beta.example:25=2525@alice-pc")
    ... # doctest: +NORMALIZE_WHITESPACE
    Door(host='mx.beta.example', port=25, real_port=2525, real_host='127.0.0.1',
         seat='alice-pc')
    """
    way, _, seat = text.partition("@")
    virtual, _, real = way.partition("=")
    host, port = split_port(virtual, DOOR_FORM)
    number = port_number(real, DOOR_FORM) if real else 0
    return Door(host, port, number, seat=seat or VISITOR)


def parse_outside(text: str) -> Outside:
    """An `--outside`.

    >>> parse_outside("gateway.alpha.example:2525=127.0.0.1:25").real_port
    25
    """
    virtual, equals, real = text.partition("=")
    if not equals:
        raise LabError(f"{text!r} should be {OUTSIDE_FORM}")
    host, port = split_port(virtual, OUTSIDE_FORM)
    return Outside(host, port, *real_server(real))


def real_server(text: str) -> tuple[str, int]:
    """A real server's address and port. Raises LabError unless it is on loopback.

    There is no way round it: a lab that mailed the real world by accident would be
    worse than one that cannot.
    """
    host, port = split_port(text, OUTSIDE_FORM)
    try:
        address = ipaddress.ip_address(LOOPBACK if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise LabError(
            f"{host} is not this computer: a world reaches real servers on loopback "
            f"only, such as 127.0.0.1:{port}; run the server (or a tunnel to it) there"
        )
    return str(address), port


def split_port(text: str, form: str) -> tuple[str, int]:
    """`host:25` or `[2001:db8::25]:25` in two. Raises LabError."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or (":" in bare and bare == host):
        raise LabError(f"{text!r} should be {form}")
    return bare, port_number(port, form)


def port_number(text: str, form: str) -> int:
    """1 to 65535. Raises LabError."""
    if text.isascii() and text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise LabError(f"{text!r} is no port (1 to 65535): type {form}")
