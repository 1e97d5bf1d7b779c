"""Sums that are computed from fields are those of the octets (RFC 1071 §4.1)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.packets import ACK, TCP, Segment, TcpPath, packed
from tests.test_pcapng import folded

WORD = st.integers(0, 0xFFFFFFFF)
PAYLOAD = st.binary(max_size=40) | st.sampled_from([b"\xff" * 7, bytes(9), b"\xff" * 8])
PATHS = {
    4: ("192.0.2.10", "198.51.100.25"),
    6: ("2001:db8::a", "2001:db8:25::25"),
}


def segments():
    options = st.binary(max_size=10).map(lambda some: some * 4)
    fields = (WORD, WORD, st.integers(0, 31), st.integers(0, 0xFFFF), options, PAYLOAD)
    return st.builds(Segment, *fields, st.integers(0, 1 << 20))


def pseudo(family, size):
    """The pseudo-header of RFC 9293 §3.1 and of RFC 8200 §8.1."""
    addresses = b"".join(packed(ip) for ip in PATHS[family])
    form = "!BBH" if family == 4 else "!IHBB"
    rest = (0, TCP, size) if family == 4 else (size, 0, 0, TCP)
    return addresses + struct.pack(form, *rest)


@pytest.mark.parametrize("family", [4, 6])
@given(segment=segments())
def test_every_checksum_of_a_segment_fits_its_octets(
    family: int, segment: Segment
) -> None:
    src, dst = PATHS[family]
    packet = TcpPath((src, 40_001), (dst, 25)).packet(segment)
    head = 20 if family == 4 else 40
    body = packet[head:]
    assert folded(pseudo(family, len(body)) + body) == 0
    assert body.endswith(segment.options + segment.payload)
    assert struct.unpack("!HHIIBBH", body[:16])[:4] == (40_001, 25, *segment[:2])
    if family == 4:
        assert folded(packet[:20]) == 0
        assert struct.unpack_from("!HH", packet, 2) == (
            len(packet),
            segment.ident & 0xFFFF,
        )
    else:
        assert struct.unpack_from("!HB", packet, 4) == (len(body), TCP)


def test_a_segment_that_is_all_zeros_has_a_checksum_too() -> None:
    packet = TcpPath(("0.0.0.0", 0), ("0.0.0.0", 0)).packet(Segment(0, 0, ACK, 0))
    assert folded(pseudo_of_zeros(20) + packet[20:]) == 0


def pseudo_of_zeros(size: int) -> bytes:
    return bytes(8) + struct.pack("!BBH", 0, TCP, size)
