"""`maillab demo`: one letter across two domains, seen in the terminal.

Goes in: nothing. Comes out: text: where the letter went, what was asked of the DNS,
what the two servers said to each other.
"""

from collections.abc import Iterator

from maillab import open_world
from maillab.world.world import World

SENDER = "alice@alpha.example"
RECIPIENT = "bob@beta.example"


def demo() -> Iterator[str]:
    """Run the demonstration; give its parts as they become ready."""
    with open_world("two-domains") as world:
        yield f"{world.scenario.title}.\n{world.scenario.story}\n"
        yield f"{SENDER} sends a letter to {RECIPIENT} …"
        reply = world.send(SENDER, RECIPIENT, "Hello Bob", "How are you?\n\nAlice")
        yield f"her server says: {reply}\n"
        world.read(RECIPIENT, "POP3")
        yield from report(world)


def report(world: World) -> Iterator[str]:
    """What the trace knows."""
    relay = world.trace.session(port=25)
    yield heading("Who spoke with whom")
    yield world.trace.summary().text()
    yield heading("How the first server found the second (DNS)")
    yield world.trace.dns_walk(relay.client).text()
    yield heading("What the two servers said")
    yield relay.transcript().text()
    yield heading("The same as a ladder: time runs down, each line crosses the network")
    yield relay.ladder().text()
    yield heading("What Bob has in his mailbox")
    letter = world.mailbox(RECIPIENT).messages[0].content
    yield letter.decode().replace("\r\n", "\n")
    yield f"All of it took {world.time:.3f} s in the world."
    yield "Next: maillab lab (notebooks), or maillab world two-domains --live"


def heading(text: str) -> str:
    """A line that parts are easy to find by."""
    return f"\n━━ {text} {'━' * max(0, 84 - len(text))}\n"
