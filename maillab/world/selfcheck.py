"""Does maillab work here? One world, one letter, three protocols."""

import time

from maillab.errors import LabError


def run() -> str:
    """Boot a world, send a letter and read it twice; say how long it took.

    Raises LabError when something does not work.
    """
    began = time.perf_counter()
    from maillab import open_world

    with open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Self-check", "Is this thing on?")
        for protocol in ("POP3", "IMAP"):
            letters = world.read("bob", protocol)
            if len(letters) != 1 or b"Is this thing on?" not in letters[0]:
                raise LabError(f"self-check: the letter did not come out by {protocol}")
        spoken = {session.protocol for session in world.trace.sessions}
    took = time.perf_counter() - began
    return (
        f"✓ world booted, letter delivered, {len(spoken)} protocols spoken "
        f"({took:.2f} s)"
    )
