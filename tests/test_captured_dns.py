"""Questions to the DNS, and their answers, in captures: over UDP and over TCP."""

import dns.message

from maillab.trace.packets import udp_packet
from maillab.trace.reading.capture_file import CaptureFile
from tests.capture_making import CLIENT, SERVER, Wire, pcap


def ask(name="mx.beta.example", ident=7):
    query = dns.message.make_query(name, "A")
    query.id = ident
    return query


def test_questions_and_answers_become_dns_events():
    query, unheard = ask(), ask("ns.beta.example", 8)
    answer = dns.message.make_response(query, recursion_available=True)
    answer.answer = [dns.rrset.from_text("mx.beta.example.", 60, "IN", "A", SERVER[0])]
    server = ("192.0.2.53", 53)
    packets = [
        (0, udp_packet(CLIENT, server, query.to_wire(), 1)),
        (1000, udp_packet(CLIENT, server, unheard.to_wire(), 1)),
        (2000, udp_packet(server, CLIENT, answer.to_wire(), 1)),
    ]
    trace = CaptureFile.from_bytes(pcap(packets)).trace
    first, second = trace.of_kind("dns")
    assert (first["question"], first["answers"]) == (
        "mx.beta.example",
        ("A 198.51.100.25",),
    )
    assert (first.host, first["server"]) == (CLIENT[0], "192.0.2.53")
    assert (second["question"], second["rcode"]) == ("ns.beta.example", "timeout")
    assert "mx.beta.example" in trace.dns_walk().text()


def test_a_response_to_another_question_is_no_answer():
    answer = dns.message.make_response(ask("www.example"), recursion_available=True)
    server = ("192.0.2.53", 53)
    packets = [
        (0, udp_packet(CLIENT, server, ask().to_wire(), 1)),
        (1, udp_packet(server, CLIENT, answer.to_wire(), 1)),
    ]
    (found,) = CaptureFile.from_bytes(pcap(packets)).trace.of_kind("dns")
    assert found["rcode"] == "timeout"


def opened(wire):
    return CaptureFile.from_bytes(pcap(wire.packets))


def over_tcp(wire, side, message, cut, ack=0):
    """A message with its length before it (RFC 7766 §8), in two segments."""
    octets = len(message).to_bytes(2, "big") + message
    wire.say(side, 0, octets[:cut], ack).say(side, cut, octets[cut:], ack)
    return len(octets)


def test_an_answer_that_was_cut_off_is_that_of_tcp():
    server, query = ("192.0.2.53", 53), ask()
    cut_off = dns.message.make_response(query, recursion_available=True)
    cut_off.flags |= dns.flags.TC
    answer = dns.message.make_response(query, recursion_available=True)
    answer.answer = [dns.rrset.from_text("mx.beta.example.", 60, "IN", "A", SERVER[0])]
    wire = Wire(CLIENT, server)
    wire.packets += [
        (wire.now, udp_packet(CLIENT, server, query.to_wire(), 1)),
        (wire.now, udp_packet(server, CLIENT, cut_off.to_wire(), 1)),
    ]
    (alone,) = opened(wire).trace.of_kind("dns")
    assert (alone["rcode"], alone["transport"]) == ("truncated", "UDP")
    end = over_tcp(wire.shake(), "C", query.to_wire(), cut=1)
    over_tcp(wire, "S", answer.to_wire(), cut=9, ack=end)
    (found,) = opened(wire).trace.of_kind("dns")
    assert (found["answers"], found["transport"]) == (("A 198.51.100.25",), "TCP")
    assert opened(wire).number_of(found) == len(wire.packets)


def test_a_question_over_tcp_that_nobody_answers_is_told():
    wire = Wire(CLIENT, ("192.0.2.53", 53)).shake()
    over_tcp(wire, "C", ask().to_wire(), cut=20)
    (found,) = opened(wire).trace.of_kind("dns")
    assert (found["rcode"], found["transport"]) == ("timeout", "TCP")
