"""One file for each server that students meet outside. See `world.personality`."""
