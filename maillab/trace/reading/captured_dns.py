"""DNS in a capture: what was asked, and what came back.

Goes in: messages from and to port 53, those of UDP before those of TCP. Comes out: a
"dns" event for each response that answers a question, and at the end one for each
question that nobody answered.

Rule 1: a response belongs to the question with the same ID, name, type and sockets (RFC
        5452 §9.1); other responses are left out.
Rule 2: a response that was cut off is none (RFC 2181 §9): the answer comes by TCP.
"""

from collections.abc import Callable, Iterator
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
from dns.rdatatype import RdataType

from maillab.dns import resolver, stub
from maillab.dns.answers import text_of
from maillab.trace.packets import TCP
from maillab.trace.reading.ip_reader import IpPacket
from maillab.trace.recorder import Told

_OPEN = 10_000  # questions that wait for an answer; older ones count as unanswered
_Key = tuple[bytes, bytes, bytes, int]
_Asked = tuple[int, str, str, str, str, str]  # time, who, server, question, type, how


class DnsListener:
    """Pairs questions and answers. `name` gives the host's name for an address."""

    def __init__(self, name: Callable[[bytes], str]) -> None:
        self._name = name
        self._asked: dict[_Key, _Asked] = {}
        self._given_up: list[_Asked] = []
        self._cut_off: dict[tuple[str, ...], _Asked] = {}

    def heard(self, time: int, packet: IpPacket, data: bytes) -> Iterator[Told]:
        """A datagram; yields an event when it answers a question."""
        if len(data) < 12:
            return
        if data[2] & 0x80:  # RFC 1035 §4.1.1: QR
            yield from self._answer(time, packet, data)
        else:
            self._question(time, packet, data)

    def unanswered(self, time: int) -> Iterator[Told]:
        """What nobody answered, up to the end of the capture."""
        for asked in (*self._given_up, *self._asked.values()):
            yield _told(max(time, asked[0]), asked, "timeout", [])
        for asked in self._cut_off.values():
            yield _told(asked[0], asked, "truncated", [])

    def _question(self, time: int, packet: IpPacket, data: bytes) -> None:
        found = _asked_in(data)
        if found is None:
            return
        owner, kind = found
        key = (packet.src, packet.dst, packet.payload[:4], _ident(data))
        host, server = self._name(packet.src), self._name(packet.dst)
        how = "TCP" if packet.protocol == TCP else "UDP"
        asked = (time, host, server, text_of(owner), _type_text(kind), how)
        self._cut_off.pop(asked[1:5], None)
        self._asked.setdefault(key, asked)
        if len(self._asked) > _OPEN:
            self._given_up.append(self._asked.pop(next(iter(self._asked))))
            del self._given_up[:-_OPEN]

    def _answer(self, time: int, packet: IpPacket, data: bytes) -> Iterator[Told]:
        ports = packet.payload[2:4] + packet.payload[:2]
        asked = self._asked.get((packet.dst, packet.src, ports, _ident(data)))
        found = _asked_in(data)
        if asked is None or found is None:
            return
        owner, kind = found
        if (text_of(owner).lower(), _type_text(kind)) != (asked[3].lower(), asked[4]):
            return
        try:
            response = dns.message.from_wire(data, ignore_trailing=True)
            recurses = response.flags & dns.flags.RA
            read = stub.status_of if recurses else resolver.status_of
            answer = read(response, owner, kind)
        except (dns.exception.DNSException, ValueError, IndexError):
            return
        del self._asked[packet.dst, packet.src, ports, _ident(data)]
        if response.flags & dns.flags.TC and len(self._cut_off) < _OPEN:
            self._cut_off[asked[1:5]] = (time, *asked[1:])
        else:
            yield _told(time, asked, answer.status, answer.texts)


def _told(time: int, asked: _Asked, rcode: str, answers: list[str]) -> Told:
    _, host, server, question, kind, how = asked
    facts: dict[str, Any] = {
        "question": question,
        "type": kind,
        "rcode": rcode,
        "answers": tuple(answers),
        "server": server,
        "cached": False,
        "transport": how,
    }
    return time, "dns", host, "", facts


def _asked_in(data: bytes) -> tuple[dns.name.Name, RdataType] | None:
    """The question of a message (RFC 1035 §4.1.2); None when there is not just one."""
    try:
        message = dns.message.from_wire(
            data, question_only=True, ignore_trailing=True, raise_on_truncation=False
        )
    except (dns.exception.DNSException, ValueError, IndexError):
        return None
    if len(message.question) != 1:
        return None
    asked = message.question[0]
    return asked.name, asked.rdtype


def _ident(data: bytes) -> int:
    return int.from_bytes(data[:2], "big")


def _type_text(kind: RdataType) -> str:
    return RdataType.to_text(kind)
