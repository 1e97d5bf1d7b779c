"""Greylisting: a stranger must come again (RFC 6647).

Goes in: what is remembered of a triplet, the time. Comes out: a verdict, and what to
remember from now on.

Rule 1: a triplet is network, sender, recipient. The network is the client's /24 (IPv6:
        /64), because large senders try again from a neighbour (RFC 6647 §5).
Rule 2: before `delay` it is too early, after `window` too late: then it begins anew.
Rule 3: who came again is known for `keep` after the last visit.
Rule 4: nothing is kept here. Time comes in as seconds since the world began.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_network

from maillab.policy import reply_names
from maillab.policy.networks import client_address
from maillab.policy.settings import Greylisting
from maillab.policy.verdict import Verdict

Triplet = tuple[str, str, str]
PREFIX = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a triplet: first and last visit; it came again in time."""

    first: float
    last: float
    known: bool = False


def triplet(client: str, sender: str, recipient: str) -> Triplet:
    """What is remembered.

    >>> triplet("192.0.2.77", "Ann@x.example", "bob@y.example")
    ('192.0.2.0/24', 'ann@x.example', 'bob@y.example')
    """
    address = client_address(client)
    network = client
    if address is not None:
        prefix = PREFIX[address.version]
        network = str(ip_network(f"{address}/{prefix}", strict=False))
    return network, sender.lower(), recipient.lower()


def step(
    record: Record | None, now: float, settings: Greylisting
) -> tuple[Verdict, Record]:
    """One visit."""
    if record is None or expired(record, now, settings):
        minutes = settings.delay / 60
        reason = f"nobody knows this sender here: come again in {minutes:g} minutes"
        return _later(reason), Record(now, now)
    if record.known:
        reason = "this sender came again before"
        return _welcome(reason), replace(record, last=now)
    if now - record.first < settings.delay:
        left = (record.first + settings.delay - now) / 60
        return _later(f"too early: come again in {left:.3g} minutes"), record
    reason = "this sender came again, as mail servers do"
    return _welcome(reason), Record(record.first, now, known=True)


def expired(record: Record, now: float, settings: Greylisting) -> bool:
    """Nothing is remembered any more."""
    return now > until(record, settings)


def until(record: Record, settings: Greylisting) -> float:
    """How long it is remembered."""
    if record.known:
        return record.last + settings.keep
    return record.first + settings.window


def state(before: Record | None, after: Record) -> str:
    """What a visit was, for the trace: "new", "early", "passed" or "known".

    >>> state(None, Record(5.0, 5.0))
    'new'
    """
    if after.known:
        return "known" if before is not None and before.known else "passed"
    return "early" if before == after else "new"


def _later(reason: str) -> Verdict:
    """RFC 6647 §5: a 4yz reply."""
    name = reply_names.GREYLISTED
    setting = "defence.greylisting.delay"
    return Verdict(
        "defer", reason, "4.7.1", "RFC 6647 §5", name, "greylisting", setting
    )


def _welcome(reason: str) -> Verdict:
    setting = "defence.greylisting.delay"
    return Verdict("accept", reason, "2.1.5", "RFC 6647 §5", "", "greylisting", setting)
