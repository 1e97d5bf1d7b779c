"""What lines and rules do to single packets: loss, queues, delay, a cut.

Goes in: an `InFlight` packet at one place. Comes out: the same packet, later, changed,
or marked as lost.
"""

from dataclasses import dataclass

from maillab.net.path import InFlight

HEADERS = 52  # octets of IPv4 and TCP with timestamps


@dataclass(slots=True)
class Loss:
    """Each packet is lost with this probability."""

    probability: float

    def work_on(self, packet: InFlight) -> None:
        """Throw the dice."""
        if packet.chance.random() < self.probability:
            packet.lost = True


@dataclass(slots=True)
class Rate:
    """A line that takes `rate` octets each second; the rest waits in a queue."""

    rate: float
    free_at: float = 0.0  # when the last octet in the queue will have left

    def work_on(self, packet: InFlight) -> None:
        """Wait for those before it, then for itself."""
        self.free_at = max(self.free_at, packet.time) + packet.size / self.rate
        packet.time = self.free_at


@dataclass(slots=True)
class Delay:
    """Every packet waits."""

    seconds: float

    def work_on(self, packet: InFlight) -> None:
        """Wait."""
        packet.time += self.seconds


@dataclass(slots=True)
class Cut:
    """After so many octets of data the flow is reset, in both directions."""

    octets: int
    done: bool = False

    def work_on(self, packet: InFlight) -> None:
        """Count. What comes behind the reset is thrown away."""
        self.octets -= len(packet.data)
        if self.octets < 0:
            packet.cut, packet.lost = not self.done, self.done
            self.done = True
