"""maillab: an internet of mail in one Python process, for learning how mail works."""

__version__ = "0.1.0"
