"""SOCKS5: a real client names the virtual server that it wants (RFC 1928).

Goes in: what a real client sends. Comes out: a request to connect, and replies.

Rule 1: CONNECT only, without authentication. Names are looked up by the seat, in the
        virtual DNS.
Rule 2: whatever comes, and however TCP cuts it, nothing is raised: who makes no sense
        is answered as far as RFC 1928 has an answer, and then hung up on.
"""

import errno
import ipaddress
import socket
from dataclasses import dataclass
from enum import IntEnum

from maillab.gateway.pump import Pump
from maillab.gateway.visit import Visit

VERSION = 5
NO_AUTHENTICATION, NO_ACCEPTABLE_METHOD = 0x00, 0xFF
CONNECT = 0x01
IPV4, DOMAIN_NAME, IPV6 = 0x01, 0x03, 0x04
LENGTHS = {IPV4: 4, IPV6: 16}
REQUEST_HEAD = 4  # VER CMD RSV ATYP


class Reply(IntEnum):
    """RFC 1928 §6."""

    SUCCEEDED = 0x00
    GENERAL_FAILURE = 0x01
    NOT_ALLOWED = 0x02
    NETWORK_UNREACHABLE = 0x03
    HOST_UNREACHABLE = 0x04
    CONNECTION_REFUSED = 0x05
    TTL_EXPIRED = 0x06
    COMMAND_NOT_SUPPORTED = 0x07
    ADDRESS_TYPE_NOT_SUPPORTED = 0x08


# A time-out has no reply of its own. Tor, Dante and microsocks say "TTL expired".
REPLIES = {
    errno.ECONNREFUSED: Reply.CONNECTION_REFUSED,
    errno.EHOSTUNREACH: Reply.HOST_UNREACHABLE,
    errno.ENETUNREACH: Reply.NETWORK_UNREACHABLE,
    errno.ETIMEDOUT: Reply.TTL_EXPIRED,
    errno.EACCES: Reply.NOT_ALLOWED,
}


@dataclass(frozen=True, slots=True)
class Request:
    """Connect me to this address or name."""

    host: str
    port: int


class Broken(Exception):
    """The client makes no sense; `answer` is the last that it is told."""

    def __init__(self, answer: bytes = b"") -> None:
        super().__init__()
        self.answer = answer


def take_greeting(data: bytearray) -> bool:
    """RFC 1928 §3: take the methods off `data` once they are whole. Raises Broken."""
    if data and data[0] != VERSION:
        raise Broken
    if len(data) < 2 or len(data) < 2 + data[1]:
        return False
    methods = data[2 : 2 + data[1]]
    del data[: 2 + data[1]]
    if NO_AUTHENTICATION not in methods:
        raise Broken(bytes([VERSION, NO_ACCEPTABLE_METHOD]))
    return True


def find_request(data: bytearray) -> Request | None:
    """RFC 1928 §4: take the request off `data` once it is whole. Raises Broken.

    >>> find_request(bytearray(bytes([5, 1, 0, 1, 192, 0, 2, 25, 0, 25])))
    Request(host='192.0.2.25', port=25)
    """
    if data and data[0] != VERSION:
        raise Broken
    if len(data) <= REQUEST_HEAD:
        return None
    start, length = REQUEST_HEAD, LENGTHS.get(data[3], 0)
    if data[3] == DOMAIN_NAME:
        start, length = REQUEST_HEAD + 1, data[REQUEST_HEAD]
    elif not length:
        raise Broken(reply(Reply.ADDRESS_TYPE_NOT_SUPPORTED))
    end = start + length + 2
    if len(data) < end:
        return None
    command, kind = data[1], data[3]
    host, port = bytes(data[start : end - 2]), data[end - 2 : end]
    del data[:end]
    if command != CONNECT:
        raise Broken(reply(Reply.COMMAND_NOT_SUPPORTED))
    return Request(host_text(kind, host), int.from_bytes(port, "big"))


def host_text(kind: int, octets: bytes) -> str:
    """An address or a name as text. What can be no name is nobody's. Raises Broken.

    >>> host_text(DOMAIN_NAME, b"mx.beta.example."), host_text(IPV6, bytes(15) + b"1")
    ('mx.beta.example.', '::31')
    """
    if kind != DOMAIN_NAME:
        return str(ipaddress.ip_address(octets))
    name = octets.decode("ascii", "replace")
    if not name or not name.isascii() or not name.isprintable():
        raise Broken(reply(Reply.HOST_UNREACHABLE))
    return name


def reply(code: Reply, address: str = "0.0.0.0", port: int = 0) -> bytes:
    """RFC 1928 §6: VER REP RSV ATYP BND.ADDR BND.PORT."""
    packed = ipaddress.ip_address(address).packed
    kind = IPV4 if len(packed) == LENGTHS[IPV4] else IPV6
    return bytes([VERSION, code, 0, kind]) + packed + port.to_bytes(2, "big")


def reply_code(error: OSError) -> Reply:
    """What a failure to connect is called here."""
    if isinstance(error, socket.gaierror):
        return Reply.HOST_UNREACHABLE
    if error.errno is None and isinstance(error, TimeoutError):
        return Reply.TTL_EXPIRED
    return REPLIES.get(error.errno or 0, Reply.GENERAL_FAILURE)


class SocksVisit(Visit):
    """A visit that begins with SOCKS5."""

    _greeted = False
    _requested = False

    def data_received(self, data: bytes) -> None:
        """First the negotiation, then what is meant for the virtual server."""
        if self._requested:
            super().data_received(data)
            return
        self._early += data
        try:
            self._negotiate()
        except Broken as broken:
            self._hang_up(broken.answer)

    def eof_received(self) -> bool:
        """Who has an answer may half-close; who still waits for it is gone."""
        if self._other is None:
            self.transport.abort()
            return False
        return super().eof_received()

    def connected(self, far: Pump) -> None:
        """Tell the client from where we dialled; then its bytes pass."""
        address, port = far.transport.get_extra_info("sockname")[:2]
        self.transport.write(reply(Reply.SUCCEEDED, address, port))
        super().connected(far)

    def failed(self, error: OSError) -> None:
        """Say why."""
        self._hang_up(reply(reply_code(error)))

    def _negotiate(self) -> None:
        if not self._greeted:
            if not take_greeting(self._early):
                return
            self._greeted = True
            self.transport.write(bytes([VERSION, NO_AUTHENTICATION]))
        request = find_request(self._early)
        if request is not None:
            self._requested = True
            self.dial(request.host, request.port)

    def _hang_up(self, answer: bytes) -> None:
        self._requested = True  # nothing more is read as SOCKS
        if answer:
            self.transport.write(answer)
        self.transport.close()
