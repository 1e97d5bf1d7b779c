"""One of every view, in worlds without TLS and without chance: for golden files.

`gallery()` gives views by name; each name is a file in tests/golden.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from maillab.trace import Trace
from maillab.trace.sample import Talk, letter
from maillab.trace.view import View
from maillab.world.world import World
from tests.hint_cases import EHLO, GREET, MAIL, QUIT, dialogue
from tests.worlds import plain_world

BOB, NOBODY = "bob@beta.example", "nobody@beta.example"
SERVER, RELAY = "mx.beta.example", "mail.alpha.example"


@contextmanager
def gallery() -> Iterator[Mapping[str, View]]:
    """All of them: a world is played, and what it shows is asked for at its end."""
    with plain_world() as world:
        world.send("alice", BOB, "Hello", "How are you?")
        world.read("bob", "POP3")
        world.send("alice", NOBODY, "Anybody?", "Hello?")
        world.power_off(SERVER)
        world.user("alice").send(BOB, "Later", "See you.")
        world.advance("1 h")
        yield of_samples() | of_lookups(world) | of_world(world) | of_packets(world)


def of_samples() -> dict[str, View]:
    """Of traces that were written by hand: TLS, losses, a silent server."""
    trace = letter()
    session = trace.session()
    silent = Trace(strict=True)
    Talk(silent).time_out((1, 3, 7))
    left = dialogue(*MAIL, "C: RCPT TO:<b@example.com>", "S: 250 ok", *QUIT)
    right = dialogue(*GREET, "S: 502 what?", "C: HELO pc.example", "S: 250 mx", *QUIT)
    naive = dialogue(*EHLO, "C: AUTH PLAIN =", "S: 535 5.7.8 no", "C: NOOP")
    return {
        "summary": trace.summary(),
        "transcript": session.transcript(),
        "ladder": session.ladder(),
        "ladder-silence": silent.session().ladder(),
        "lanes-tls": trace.ladder(),
        "hints": naive.session().hints(),
        "diff": left.session().diff(right.session()),
    }


def of_lookups(world: World) -> dict[str, View]:
    """What asks something: before the trace is looked at."""
    return {
        "dns-fresh-walk": world.dns_walk("beta.example", "MX", host="alice-pc"),
        "dig": world.dig("beta.example", "MX", host="alice-pc"),
        "dns-cache": world.resolver(RELAY).cache(),
        "explanation": world.explain("alice-pc", SERVER, 25),
    }


def of_world(world: World) -> dict[str, View]:
    """What happened in a world."""
    trace = world.trace
    relayed = trace.of_kind("relayed")[0]
    bounced = trace.of_kind("bounced")[0]
    first = trace.find_sessions(port=25)[0]
    return {
        "journey": trace.messages[0],
        "journey-waits": trace.messages[-1],
        "dns-walk": trace.dns_walk(RELAY),
        "lanes": trace.ladder("alice-pc", RELAY, SERVER, sessions=["c1", first.id]),
        "queue": world.queue(RELAY),
        "why-refused": world.why(NOBODY),
        "why-bounced": trace.why(bounced),
        "why-relayed": trace.why(relayed, world.trace.capture(RELAY)),
        "hints-of-world": trace.hints(),
        "settings": world.settings(SERVER),
        "topology": world.topology(),
    }


def of_packets(world: World) -> dict[str, View]:
    """What passed the wire."""
    capture = world.trace.capture(RELAY)
    session = world.trace.find_sessions(port=25)[0]
    words = [packet.comment for packet in capture.packets]
    said = next(n for n, comment in enumerate(words, 1) if "MAIL FROM" in comment)
    return {
        "packets": capture.listing(1, 30),
        "packet-dns": capture.dissect(1),
        "packet-smtp": capture.dissect(said),
        "time-sequence": session.time_sequence(RELAY),
    }
