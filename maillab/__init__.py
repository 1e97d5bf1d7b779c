"""maillab: an internet of mail in one Python process, for learning how mail works.

import maillab

world = maillab.open_world("two-domains")
world.send("alice", "bob@beta.example", "Hello", "How are you?")
world.trace.summary()
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maillab.trace.reading.capture_file import CaptureFile
    from maillab.world.world import World

__version__ = "0.1.0"
__all__ = ["__version__", "open_world", "read_capture"]


def open_world(name: str | Path, *, seed: str | None = None) -> "World":
    """Start the world of a lab, or of a scenario file. Raises LabError.

    `seed` makes a variant of it; the same seed gives the same world.
    """
    from maillab.world.files import find_scenario, load
    from maillab.world.world import World

    return World(load(find_scenario(name)), seed)


def read_capture(file: str | Path, *, keys: str = "") -> "CaptureFile":
    """Read a pcap or pcapng file of tcpdump, Wireshark or maillab. Raises LabError.

    `keys` is a file of TLS keys (NSS key log) as browsers write it for `SSLKEYLOGFILE`.
    """
    from maillab.trace.reading.capture_file import CaptureFile

    return CaptureFile.read(file, keys)
