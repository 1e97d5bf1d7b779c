"""Faults of a DNS server, by plan: what it does wrong, for which questions.

Goes in: a question. Comes out: the fault that strikes, if any.

Rule 1: the first fault in the list that fits and strikes decides.
Rule 2: dice come from the world's seed, so every run is the same.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.rdatatype import RdataType

from maillab.dns.answers import text_of
from maillab.errors import LabError
from maillab.net.network import checked_address

KINDS = {
    "servfail": "answers SERVFAIL",
    "refused": "answers REFUSED",
    "timeout": "does not answer",
    "slow": "answers after some seconds",
    "lame": "answers as if it did not have the zone: nothing, and without authority",
    "wrong-glue": "gives a wrong address for the name servers that it names",
    "truncate": "cuts every answer off by UDP",
}
NOWHERE = ("240.0.0.1", "100::1")  # nobody is there (RFC 1112 §4, RFC 6666 §4)


@dataclass(eq=False)
class DnsFault:
    """One fault of one server.

    kind      a key of `KINDS`
    name      for which names: a pattern such as "*.beta.example"; "*" for all
    type      for which record type; "" for all
    seconds   for "slow"
    address   for "wrong-glue"; nobody's address when it is ""
    times     how often it strikes; None: without end
    chance    how likely it strikes, 0 to 1
    comment   why; the trace shows it
    hits      how often it struck

    Raises LabError for what cannot be.
    """

    kind: str
    name: str = "*"
    type: str = ""
    seconds: float = 0.0
    address: str = ""
    times: int | None = None
    chance: float = 1.0
    comment: str = ""
    hits: int = field(default=0, init=False)
    _list: "FaultList | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LabError(f"there is no DNS fault {self.kind!r}; {choice(self.kind)}")
        if (self.kind == "slow") != (self.seconds > 0):
            raise LabError(
                f"{self.kind!r} with seconds = {self.seconds:g}: 'slow' needs seconds, "
                f"such as 3, and no other fault has any"
            )
        if self.address and self.kind != "wrong-glue":
            raise LabError(f"only 'wrong-glue' has an address, not {self.kind!r}")
        if not 0 < self.chance <= 1:
            raise LabError(f"chance = {self.chance:g}: write more than 0, at most 1")
        if self.times is not None and self.times < 1:
            raise LabError(f"times = {self.times}: write at least 1, or leave it out")
        self.name = self.name.lower().rstrip(".") or "."
        self.type = self.type and checked_type(self.type)
        self.address = self.address and checked_address(self.address)

    def belongs_to(self, faults: "FaultList") -> None:
        """Where to remove it from."""
        self._list = faults

    def remove(self) -> None:
        """From now on it strikes no more."""
        if self._list is not None:
            self._list.forget(self)

    def fits(self, query: dns.message.Message, *, by_udp: bool) -> bool:
        """It is for this question, and has not struck often enough."""
        question = query.question[0]
        if self.kind == "truncate" and not by_udp:
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        same_type = self.type in ("", dns.rdatatype.to_text(question.rdtype))
        return same_type and fnmatchcase(text_of(question.name).lower(), self.name)

    # What it does ---------------------------------------------------------------------

    @property
    def rcode(self) -> dns.rcode.Rcode | None:
        """What it answers instead of an answer."""
        codes = {
            "servfail": dns.rcode.SERVFAIL,
            "refused": dns.rcode.REFUSED,
            "lame": dns.rcode.NOERROR,
        }
        return codes.get(self.kind)

    def spoil_glue(self, response: dns.message.Message) -> None:
        """Put the wrong address in place of the right ones."""
        wrong = (self.address,) if self.address else NOWHERE
        found = list[dns.rrset.RRset]()
        for rrset in response.additional:
            found += [
                dns.rrset.from_text(rrset.name, rrset.ttl, "IN", rrset.rdtype, address)
                for address in wrong
                if (":" in address) == (rrset.rdtype == RdataType.AAAA)
            ]
        response.additional = found


class FaultList:
    """The faults of one server."""

    def __init__(self) -> None:
        self._faults: dict[DnsFault, random.Random] = {}

    def add(self, fault: DnsFault, generator: random.Random) -> DnsFault:
        """Plan a fault."""
        self._faults[fault] = generator
        fault.belongs_to(self)
        return fault

    def forget(self, fault: DnsFault) -> None:
        """Plan it no longer."""
        self._faults.pop(fault, None)

    def __iter__(self) -> Iterator[DnsFault]:
        return iter(self._faults)

    def strike(self, query: dns.message.Message, *, by_udp: bool) -> DnsFault | None:
        """The fault that strikes this question; it counts the hit."""
        if len(query.question) != 1:
            return None
        for fault, generator in self._faults.items():
            fits = fault.fits(query, by_udp=by_udp)
            if fits and (fault.chance == 1 or generator.random() < fault.chance):
                fault.hits += 1
                return fault
        return None


def choice(word: str) -> str:
    """A hint for a word that is no kind of fault."""
    close = get_close_matches(word, KINDS, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(KINDS)}"


def checked_type(text: str) -> str:
    """A record type in capitals. Raises LabError."""
    try:
        return RdataType.make(text.upper()).name
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        raise LabError(
            f"there is no record type {text!r}: write A, AAAA, MX, NS, TXT …"
        ) from None
