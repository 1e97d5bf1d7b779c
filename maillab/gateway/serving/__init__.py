"""`maillab serve`: the agents of worlds as a mail server of its own, on real ports."""
