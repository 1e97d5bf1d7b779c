"""A scenario file and its zone files become a running world."""
