"""Captures cost little, beside a loop that only copies. See benchmarks/captures.py."""

import struct
import time
import tracemalloc

import pytest

from maillab.trace import Trace, pcapng
from maillab.trace.sample import MS, Talk

HEAD = struct.Struct("<IIIIIII")
MIB = 2**20


def letters(count):
    trace = Trace()
    for number in range(count):
        src = ("192.0.2.10", 1024 + number)
        talk = Talk(trace, f"c{number}", src=src, now=number * 300 * MS)
        talk.connect()
        talk.say("S", "220 mx")
        for command in ("EHLO a", "MAIL FROM:<a@a.example>", "DATA"):
            talk.say("C", command)
            talk.say("S", "250 ok")
        talk.say("C", "\r\n".join(["A line of some length."] * 125), what="content")
        talk.say("S", "250 ok")
        talk.close("C")
    return trace


def best(work, runs=5):
    """Seconds of processor time."""
    return min(took(work) for _ in range(runs))


def took(work):
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.fixture(scope="module")
def trace():
    return letters(80)


@pytest.fixture(scope="module")
def packets(trace):
    return trace.capture("alpha.example").packets


@pytest.fixture(scope="module")
def yardstick(packets):
    """What a loop takes that puts a head before each packet, and does nothing else."""
    return best(lambda: [HEAD.pack(6, 1, 2, 3, 4, 5, 6) + p.data for p in packets])


def test_a_block_costs_some_copies_of_a_packet(packets, yardstick):
    """A factor of 10 or so."""
    written = best(
        lambda: [pcapng.packet(p.data, p.time_ns, 1, p.comment) for p in packets]
    )
    assert written < 40 * yardstick


def test_packets_are_made_from_events_in_no_time(trace, packets, yardstick):
    """A factor of 200 or so; scapy has one of some thousands."""
    made = best(lambda: trace.capture("alpha.example").packets, runs=3)
    assert len(packets) > 1_300
    assert made < 1000 * yardstick


def test_a_file_is_written_without_being_held_in_memory(tmp_path):
    trace = Trace()
    talk = Talk(trace, port=7777, engines="")
    talk.connect()
    talk.burst("C", bytes(4 * MIB))
    capture = trace.capture("alpha.example")
    assert len(capture.packets) > 2_500
    tracemalloc.start()
    capture.write(tmp_path / "large.pcapng")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "large.pcapng").stat().st_size > 4 * MIB
    assert most < 2 * MIB
