"""What all exercises of this lab begin with: the server as it is described."""

from typing import Any

from maillab.grading import Lab


def reset(lab: Lab, **sections: Any) -> None:
    """The server as the scenario file describes it, and then these changes."""
    server = lab.world.server(lab.names.server)
    server.mta.settings = lab.world.scenario.hosts[server.name].settings
    lab.world.configure(server.name, **sections)
