"""One of every view that maillab has, from worlds where something happened."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from maillab import open_world
from maillab.trace.view import View

VIEWS = (
    "summary",
    "transcript",
    "ladder",
    "journey",
    "DNS walk",
    "fresh DNS walk",
    "dig",
    "resolver's cache",
    "queue",
    "explanation",
    "refusal",
    "settings",
    "refused session",
)
BOB, NOBODY = "bob@beta.example", "nobody@beta.example"


@contextmanager
def every_view() -> Iterator[Mapping[str, View]]:
    """The views by name, as `VIEWS` lists them."""
    with open_world("two-domains") as world:
        world.send("alice", BOB, "Hello", "How are you?")
        world.read("bob", "POP3")
        world.send("alice", NOBODY, "Anybody?")
        world.power_off("mx.beta.example")
        world.user("alice").send(BOB, "Later")
        world.advance("1 h")
        trace = world.trace
        relay = trace.find_sessions(port=25)
        yield {
            "summary": trace.summary(),
            "transcript": relay[0].transcript(),
            "ladder": relay[0].ladder(),
            "journey": trace.messages[0],
            "DNS walk": trace.dns_walk("mail.alpha.example"),
            "fresh DNS walk": world.dns_walk("beta.example", "MX", host="alice-pc"),
            "dig": world.dig("beta.example", "MX", host="alice-pc"),
            "resolver's cache": world.resolver("mail.alpha.example").cache(),
            "queue": world.queue("mail.alpha.example"),
            "explanation": world.explain("alice-pc", "mx.beta.example", 25),
            "refusal": world.why(NOBODY),
            "settings": world.settings("mx.beta.example"),
            "refused session": relay[-1].ladder(),
        }
