"""Why an exercise is not solved, told from the trace: the cause and the packets.

Goes in: a world and a `Failed` that names an event. Comes out: the same `Failed`, with
a sentence on why that happened, and the numbers of its packets.
"""

from maillab.grading.exercise import Failed
from maillab.trace.causing.packet_finder import PacketFinder
from maillab.world.world import World

MOST_PACKETS = 6


def explain_failure(world: World, failed: Failed) -> None:
    """Fill in `why` and `packets`."""
    if failed.event is None:
        return
    chain = world.why(failed.event)
    if len(chain.steps) > 1:  # else the event is its own cause
        failed.why = chain.describe()
    if failed.at:
        capture = world.trace.capture(failed.at)
        failed.packets = PacketFinder(capture).numbers(chain.event)[:MOST_PACKETS]
