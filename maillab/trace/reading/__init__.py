"""Capture files of other programs: frames, segments, events."""
