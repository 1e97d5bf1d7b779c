"""What all exercises of this lab begin with: the server as it is described."""

from typing import Any

from maillab.grading import Lab


def decisive(replies: str) -> str:
    """Of the replies to some lines: the first that refuses, or else the last.

    Behind a refused MAIL every RCPT is out of order, which explains nothing.
    """
    rows = replies.split("\n")
    return next((row for row in rows if row[:1] in ("4", "5")), rows[-1])


def reset(lab: Lab, **sections: Any) -> None:
    """The server as the scenario file describes it, and then these changes."""
    server = lab.world.server(lab.names.server)
    server.mta.settings = lab.world.scenario.hosts[server.name].settings
    lab.world.configure(server.name, **sections)
