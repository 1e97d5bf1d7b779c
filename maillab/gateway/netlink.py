"""Talk to the Linux kernel about addresses and routes, as `ip` does, without `ip`.

Goes in: addresses and what shall become of packets to them. Comes out: the loopback
device of the current network namespace, set up so.

Rule: a request that the kernel refuses raises its OSError.
"""

import errno
import ipaddress
import os
import socket
import struct
from types import TracebackType

# linux/netlink.h
REQUEST, ACK, EXCLUSIVE, CREATE = 0x1, 0x4, 0x200, 0x400
ERROR = 2
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # length, type

# linux/rtnetlink.h, if_addr.h, fib_rules.h
NEW_LINK, NEW_ADDRESS, NEW_ROUTE, DELETE_ROUTE = 16, 20, 24, 25
NEW_RULE, DELETE_RULE = 32, 33
LOOPBACK_DEVICE = 1  # in every network namespace
UP = 0x1
NO_DUPLICATE_DETECTION = 0x02
LOCAL_TABLE, MAIN_TABLE = 255, 254
BY_BOOT = 3  # who made a route: RTPROT_BOOT, as `ip` says
EVERYWHERE, THIS_HOST = 0, 254  # scopes
LOCAL, UNREACHABLE = 2, 7  # types of routes
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
TO_TABLE = 1  # what a rule does
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_PREFSRC, RTA_TABLE = 1, 4, 7, 15
FRA_DST, FRA_PRIORITY, FRA_TABLE, FRA_IP_PROTO, FRA_DPORT_RANGE = 1, 6, 15, 22, 24


class Netlink:
    """The loopback device and the routes of the namespace that we are in."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE
        )
        self._sequence = 0

    def start(self) -> None:
        """Bring the loopback device up."""
        body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, LOOPBACK_DEVICE, UP, UP)
        self._ask(NEW_LINK, 0, body)

    def add_address(self, address: str) -> None:
        """Give the device an address."""
        family, packed = family_of(address)
        body = struct.pack(
            "=BBBBI",
            family,
            len(packed) * 8,
            NO_DUPLICATE_DETECTION,
            EVERYWHERE,
            LOOPBACK_DEVICE,
        )
        body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
        self._ask(NEW_ADDRESS, CREATE | EXCLUSIVE, body)

    def route_here(self, address: str, source: str, *, add: bool = True) -> None:
        """Make an address ours, or no more; who connects to it comes from `source`."""
        family, packed = family_of(address)
        body = route(family, len(packed) * 8, LOCAL_TABLE, THIS_HOST, LOCAL)
        body += attribute(RTA_DST, packed)
        body += attribute(RTA_PREFSRC, family_of(source)[1])
        body += attribute(RTA_OIF, struct.pack("=i", LOOPBACK_DEVICE))
        self._ask(NEW_ROUTE if add else DELETE_ROUTE, CREATE if add else 0, body)

    def add_unreachable(self, family: int, table: int = MAIN_TABLE) -> None:
        """What nobody has, or what this table is asked for, gives EHOSTUNREACH."""
        body = route(family, 0, min(table, 252), EVERYWHERE, UNREACHABLE)
        body += attribute(RTA_TABLE, struct.pack("=I", table))
        self._ask(NEW_ROUTE, CREATE | EXCLUSIVE, body)

    def look_at_rules_first(self, family: int, priority: int) -> None:
        """Move the table of our own addresses from rule 0 to `priority`."""
        for kind, place in ((NEW_RULE, priority), (DELETE_RULE, 0)):
            body = rule(family, LOCAL_TABLE) + number(FRA_PRIORITY, place)
            self._ask(kind, CREATE if kind == NEW_RULE else 0, body)

    def ask_table(
        self, table: int, place: tuple[str, str, int], priority: int, *, add: bool
    ) -> None:
        """Let `table` decide about a protocol, an address and a port, or no more."""
        protocol, address, port = place
        family, packed = family_of(address)
        body = rule(family, table, len(packed) * 8)
        body += attribute(FRA_DST, packed) + number(FRA_PRIORITY, priority)
        body += attribute(FRA_IP_PROTO, bytes([PROTOCOLS[protocol]]))
        body += attribute(FRA_DPORT_RANGE, struct.pack("=HH", port, port))
        self._ask(NEW_RULE if add else DELETE_RULE, CREATE if add else 0, body)

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        length = HEADER.size + len(body)
        flags |= REQUEST | ACK
        head = HEADER.pack(length, kind, flags, self._sequence, 0)
        self._socket.send(head + body)
        answer = self._socket.recv(65536)
        _, kind, _, _, _ = HEADER.unpack_from(answer)
        (code,) = struct.unpack_from("=i", answer, HEADER.size)
        if kind == ERROR and code and -code != errno.EEXIST:
            raise OSError(-code, os.strerror(-code))


def family_of(address: str) -> tuple[int, bytes]:
    """AF_INET or AF_INET6, and the octets."""
    parsed = ipaddress.ip_address(address)
    return socket.AF_INET if parsed.version == 4 else socket.AF_INET6, parsed.packed


def attribute(kind: int, value: bytes) -> bytes:
    """Length, type, value, up to a multiple of four.

    >>> attribute(1, b"abc").hex(" ", 4)
    '07000100 61626300'
    """
    head = ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind)
    return head + value + bytes(-len(value) % 4)


def number(kind: int, value: int) -> bytes:
    """An attribute of 32 bits."""
    return attribute(kind, struct.pack("=I", value))


def route(family: int, bits: int, table: int, scope: int, kind: int) -> bytes:
    """The head of a route: a prefix of so many bits."""
    return struct.pack("=BBBBBBBBI", family, bits, 0, 0, table, BY_BOOT, scope, kind, 0)


def rule(family: int, table: int, bits: int = 0) -> bytes:
    """The head of a rule, and its table."""
    head = struct.pack(
        "=BBBBBBBBI", family, bits, 0, 0, min(table, 252), 0, 0, TO_TABLE, 0
    )
    return head + number(FRA_TABLE, table)
