"""Observers: one append-only list of events, and everything that is derived from it.

    trace = Trace()                      the recorder; hosts emit into it
    trace.summary()                      every session in one table
    session = trace.session(port=25)
    session.transcript()                 who said what, with RFC sections
    session.ladder()                     the same as a picture in time
    session.diff(other)                  two sessions side by side
    trace.ladder("alpha", "beta")        several hosts as one picture
    trace.hints()                        what an expert would remark
    trace.journey(message)               one message from host to host
    trace.dns_walk()                     what was asked of the DNS
    trace.capture("alpha").write(path)   packets for Wireshark, with TLS keys

Rule 1: nothing here changes what happens: views are pure functions of the trace.
Rule 2: text and pictures mask secrets; JSONL and captures are exact.
Rule 3: no wall clock, no object ids: the same events give the same octets.
"""

from maillab.trace.events import Event
from maillab.trace.lines import Line
from maillab.trace.recorder import Trace
from maillab.trace.session import Session

__all__ = ["Event", "Line", "Session", "Trace"]
