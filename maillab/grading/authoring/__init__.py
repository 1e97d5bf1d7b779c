"""From the author's text to the reference, the student's notebook and the lock file."""
