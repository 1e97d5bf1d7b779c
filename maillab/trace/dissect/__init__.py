"""Packets and messages octet by octet: ranges that say what they are."""
