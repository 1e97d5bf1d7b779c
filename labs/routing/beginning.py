"""What exercises of this lab begin with: zones as their files have them."""

from maillab.dns.zones import Zone
from maillab.grading import Lab


def restore(lab: Lab, host: str, *origins: str) -> None:
    """Put zones back to what stands in their files."""
    loaded, server = lab.world.loaded, lab.world.name_servers[host]
    for origin in origins:
        file = loaded.file.parent / loaded.scenario.hosts[host].zones[origin]
        zone = Zone.from_file(file, origin, loaded.renaming)
        server.zones[zone.origin] = zone
