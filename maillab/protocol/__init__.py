"""State machines: bytes in, events and bytes out. No I/O, no decisions, no clock."""
