"""Hints about connections: none was made, it broke, packets were lost or not captured.

Goes in: a dialogue. Comes out: what was found.

Rule: who looks at a capture sees one place only; what these rules say holds there, too.
"""

from collections.abc import Iterator

from maillab.trace.handshake import syns
from maillab.trace.hinting.dialogue import Dialogue
from maillab.trace.hinting.rules import WHO, Found, Rule, at_event, at_line
from maillab.trace.remarks import repairs
from maillab.trace.session import SIDES
from maillab.trace.view import clock, plural
from maillab.wire.lines import Side

SLOW_NS = 5_000_000_000
_PROHIBITED = ("prohibited", "administratively")


def _no_answer(d: Dialogue) -> Iterator[Found]:
    event = d.session.find("timed_out")
    if event:
        rules = (e for e in d.session.all("rule") if e["action"] == "drop")
        who = next((f": {rule.host} drops them" for rule in rules), "")
        yield at_event(event, count=plural(len(syns(d.session)), "SYN"), who=who)


def _refused(d: Dialogue) -> Iterator[Found]:
    event = d.session.find("refused")
    if event:
        yield at_event(event, port=d.session.port)


def _unreachable(d: Dialogue, *, prohibited: bool) -> Iterator[Found]:
    for event in d.session.all("unreachable", "icmp"):
        told = f"{event.get('code')} {event.get('reason')}".lower()
        if any(word in told for word in _PROHIBITED) == prohibited:
            yield at_event(event, by=event.get("by") or "a router")


def _syn_again(d: Dialogue) -> Iterator[Found]:
    again = d.session.find("syn") or d.session.find("synack")
    if again and d.session.find("established"):
        yield at_event(again, count=plural(len(syns(d.session)), "SYN"))


def _sent_again(d: Dialogue) -> Iterator[Found]:
    found = list(repairs(d.session))
    if found:
        first = found[0]
        who = WHO[first.side]
        points_to = f"{who}: {first.text}"
        yield Found(first.sent_ns, first.number, points_to, {"who": who})


def _reset(d: Dialogue) -> Iterator[Found]:
    """Not after a farewell or a FIN: then nothing is missing."""
    event = next(d.session.all("reset", "fin", "cut"), None)
    said_farewell = d.verbs & {"QUIT", "LOGOUT"} or d.is_hidden
    if event and event.kind == "reset" and not said_farewell:
        yield at_event(event, who=WHO[event["side"]])


def _cut(d: Dialogue) -> Iterator[Found]:
    for event in d.session.all("cut"):
        yield at_event(event, host=event.host)


def _gap(d: Dialogue) -> Iterator[Found]:
    """One for each side, with all that is missing."""
    for side in SIDES:
        gaps = [event for event in d.session.all("gap") if event["side"] == side]
        if gaps and d.session.bursts[side]:
            size = plural(sum(event["size"] for event in gaps), "octet")
            places = plural(len(gaps), "place")
            yield at_event(gaps[0], size=size, who=WHO[side], places=places)


def _one_sided(d: Dialogue) -> Iterator[Found]:
    """Who speaks three times and gets no answer was answered where nobody looked."""
    bursts = d.session.bursts
    for side in SIDES:
        other: Side = "S" if side == "C" else "C"
        if not bursts[other] and len(bursts[side]) >= 3:
            yield at_event(d.session.events[0], who=WHO[other])


def _slow(d: Dialogue) -> Iterator[Found]:
    """Time from the end of a command (or of the handshake) to the reply."""
    opened = d.session.find("established")
    since = opened.time_ns if opened else None
    for line in d.lines:
        if line.speaker == "C":
            since = line.heard_ns
        elif since is not None:
            waited = line.sent_ns - since
            if waited >= SLOW_NS and not line.text.startswith(("* ", "421")):
                yield at_line(line, waited=clock(waited))
            since = None


def _tarpit(d: Dialogue) -> Iterator[Found]:
    accept = d.session.find("accept")
    if accept and d.session.is_tarpit:
        yield at_event(accept, host=d.session.server)


RULES = (
    Rule(
        "no-answer",
        "error",
        "no answer to {count}{who}",
        "a firewall drops them, the host is off, or nobody has this address",
        "RFC 9293 §3.8.3",
        _no_answer,
    ),
    Rule(
        "refused",
        "error",
        "the connection to port {port} was refused",
        "the host is there, and nobody listens on this port (or a firewall says so)",
        "RFC 9293 §3.5.2",
        _refused,
    ),
    Rule(
        "prohibited",
        "error",
        "{by} forbids it",
        "a firewall answered: ICMP, communication administratively prohibited",
        "RFC 1812 §5.2.7.1",
        lambda d: _unreachable(d, prohibited=True),
    ),
    Rule(
        "unreachable",
        "error",
        "{by} says that it cannot be reached",
        "there is no route, or no such host on the last network",
        "RFC 1812 §5.2.7.1",
        lambda d: _unreachable(d, prohibited=False),
    ),
    Rule(
        "syn-again",
        "note",
        "connected only after {count}",
        "a SYN or its answer was lost, or the server was slow to listen",
        "RFC 9293 §3.8.1",
        _syn_again,
    ),
    Rule(
        "sent-again",
        "note",
        "segments were lost or sent again",
        "the network loses packets; each loss costs at least one round trip",
        "RFC 9293 §3.8.1",
        _sent_again,
    ),
    Rule(
        "reset",
        "warning",
        "the {who} reset the connection in the middle of the dialogue",
        "a program ended or gave up; what was not yet acknowledged is lost",
        "RFC 9293 §3.5.2",
        _reset,
    ),
    Rule(
        "cut",
        "error",
        "{host} cut the connection with RSTs in the name of the other side",
        "a middlebox between the two did not like what it saw",
        "RFC 9293 §3.5.2",
        _cut,
    ),
    Rule(
        "gap",
        "warning",
        "the capture lacks {size} of the {who}, in {places}",
        "the packets travelled, but whoever captured missed them, or kept less of them",
        "RFC 9293 §3.4",
        _gap,
    ),
    Rule(
        "one-sided",
        "warning",
        "nothing of the {who} was captured",
        "the answers take another way: capture where both directions pass",
        "RFC 9293 §3.4",
        _one_sided,
    ),
    Rule(
        "slow-reply",
        "warning",
        "the server took {waited} to reply",
        "it works, it waits for the DNS, or it delays on purpose",
        "RFC 5321 §4.5.3.2",
        _slow,
        {"POP3": "RFC 1939 §3", "IMAP": "RFC 9051 §5.5"},
    ),
    Rule(
        "tarpit",
        "warning",
        "{host} keeps the connection open and says nothing",
        "a tarpit: it holds whoever knocks at ports where nobody should knock",
        "RFC 9293 §3.8.6",
        _tarpit,
    ),
)
