"""What a resolver remembers, and for how long (RFC 1034 §5.3.3, RFC 2308 §5).

Goes in: answers and delegations. Comes out: the same, with the time that is left.

Rule 1: time is the virtual clock; nothing is kept longer than `MAX_TTL`.
Rule 2: "there is no such name" is kept for all types of a name, "none of that type" for
        one type (RFC 2308 §5).
Rule 3: a failure is kept for a few seconds, so that nobody asks a broken server in a
        loop (RFC 9520 §3.2).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor
from typing import NamedTuple, cast

import dns.name
import dns.rrset
from dns.rdatatype import RdataType

from maillab.dns.answers import Answer, Delegation, text_of

MAX_TTL = 7 * 86400  # seconds (RFC 8767 §4)
FAILURE_TTL = 5  # seconds (RFC 9520 §3.2: 1 second to 5 minutes)

Labels = tuple[bytes, ...]
Key = tuple[Labels, RdataType]


class Row(NamedTuple):
    """One line of the printed cache."""

    name: str
    type: str
    ttl: int  # seconds left
    data: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer and the time at which it ends."""

    owner: dns.name.Name
    answer: Answer
    expires: float


class Cache:
    """The memory of one resolver."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: dict[Key, Kept] = {}
        self._zones: dict[Labels, tuple[float, Delegation]] = {}

    # Answers --------------------------------------------------------------------------

    def keep(self, owner: dns.name.Name, kind: RdataType, answer: Answer) -> None:
        """Remember what was said about a name."""
        ttl = FAILURE_TTL if answer.temporary else min(answer.ttl, MAX_TTL)
        found = answer.rrset.rdtype if answer.rrset is not None else kind
        if answer.status == "NXDOMAIN":
            found = RdataType.ANY
        answer = replace(answer, words=tuple(answer.records))
        key = folded(owner.labels), found
        before = self._answers.get(key)
        named = before.owner if before is not None else owner  # in its first spelling
        self._answers[key] = Kept(named, answer, self._clock() + ttl)

    def find(self, owner: dns.name.Name, kind: RdataType) -> Answer | None:
        """The records of that type, or a denial or a failure, if it is still known."""
        labels = folded(owner.labels)
        for wanted in (kind, RdataType.ANY):
            kept = self._answers.get((labels, wanted))
            if kept is not None and kept.expires > self._clock():
                return self._as_asked(kept, owner, kind)
        return None

    def find_alias(self, owner: dns.name.Name) -> Answer | None:
        """The CNAME of a name, if it is still known."""
        found = self.find(owner, RdataType.CNAME)
        return found if found is not None and found.rrset is not None else None

    def _as_asked(self, kept: Kept, owner: dns.name.Name, kind: RdataType) -> Answer:
        """An answer in the words of the question of now, with the TTL that is left."""
        left = self._left(kept.expires)
        answer = kept.answer
        rrset = answer.rrset
        if rrset is not None:
            rrset = with_ttl(rrset, min(left, rrset.ttl))
        soa = with_ttl(answer.soa, left) if answer.soa is not None else None
        return Answer(  # `replace` takes three times as long
            text_of(owner),
            kind.name,
            answer.status,
            rrset,
            answer.aliases,
            float(left),
            answer.chain,
            soa,
            answer.words,
        )

    def _left(self, expires: float) -> int:
        """Whole seconds, counted on a clock that shows seconds (as BIND does)."""
        return max(0, floor(expires) - floor(self._clock()))

    # Delegations ----------------------------------------------------------------------

    def keep_zone(self, delegation: Delegation, ttl: float) -> None:
        """Remember who serves a zone."""
        self._zones[folded(delegation.zone.labels)] = (
            self._clock() + min(ttl, MAX_TTL),
            delegation,
        )

    def nearest_zone(self, owner: dns.name.Name) -> tuple[Delegation, int] | None:
        """The lowest zone above `owner` whose servers we know, and its TTL."""
        labels = folded(owner.labels)
        for size in range(len(labels), 0, -1):
            kept = self._zones.get(labels[-size:])
            if kept is not None and kept[0] > self._clock():
                return kept[1], self._left(kept[0])
        return None

    # Looking inside -------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """All that is still known: delegations first, then answers, by name."""
        now = self._clock()
        zones = [
            (
                below.zone,
                Row(
                    text_of(below.zone),
                    "NS",
                    self._left(expires),
                    f"(delegation) {servers_text(below)}",
                ),
            )
            for expires, below in self._zones.values()
            if expires > now
        ]
        answers = [
            (
                kept.owner,
                Row(
                    text_of(kept.owner),
                    kind.name,
                    self._left(kept.expires),
                    said(kept),
                ),
            )
            for (_, kind), kept in self._answers.items()
            if kept.expires > now
        ]
        both = (sorted(zones, key=by_name), sorted(answers, key=by_name))
        return [row for part in both for _, row in part]

    def flush(self) -> None:
        """Forget everything."""
        self._answers.clear()
        self._zones.clear()


@lru_cache(maxsize=4096)
def folded(labels: Labels) -> Labels:
    """A name as a key. Case does not count (RFC 4343 §3).

    dnspython's names are keys, too, but add up each of their octets each time.
    """
    return tuple(label.lower() for label in labels)


def by_name(row: tuple[dns.name.Name, Row]) -> tuple[dns.name.Name, str]:
    """The order of a zone file (RFC 4034 §6.1), then the type."""
    return row[0], row[1].type


def with_ttl(rrset: dns.rrset.RRset, ttl: int) -> dns.rrset.RRset:
    """The same records with another TTL."""
    other = cast(dns.rrset.RRset, rrset.copy())
    other.ttl = ttl
    return other


def servers_text(delegation: Delegation) -> str:
    """`ns.beta.example 203.0.113.53`, one for each server."""
    words = [
        " ".join([text_of(name), *addresses]) for name, addresses in delegation.servers
    ]
    return ", ".join(words)


def said(kept: Kept) -> str:
    """The data of an answer, or how it failed."""
    return ", ".join(kept.answer.records) or kept.answer.status
