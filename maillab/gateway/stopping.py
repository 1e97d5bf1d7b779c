"""Signals that ask us to stop.

Goes in: nothing. Comes out: the signals that somebody may send: Ctrl-C, `kill`, a
terminal that is closed.

Rule: who was started with nohup stays when the terminal is closed.
"""

import signal

KILLED = 128  # exit status after a signal, as shells count


def stop_signals() -> list[signal.Signals]:
    """Those that this system has and that we shall not ignore."""
    found = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        found.append(hangup)
    return found
