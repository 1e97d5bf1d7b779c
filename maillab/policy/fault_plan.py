"""Faults by plan: what shall go wrong, where, and how often.

Goes in: faults, and what happens in the sessions of servers. Comes out: which fault
strikes now, if any.

Rule 1: the first fault of the plan that fits and whose turn it is strikes; those behind
        it do not notice. So two faults for one place come one after the other.
Rule 2: nothing here decides by itself: what is random comes from outside, seeded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from maillab.policy import fault_words as words

EFFECTS = ("reply", "delay", "disconnect", "reset", "half_reply", "truncated_tls")
IN_WORDS = {
    "disconnect": "hang up without an answer",
    "reset": "reset the connection",
    "half_reply": "half the reply, then hang up",
    "truncated_tls": "TLS breaks off in the middle",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: where it strikes, how often, and exactly one effect.

    host, sender, recipient   patterns with * and ?, of the server's name and of mail
                              addresses; the null reverse-path is "<>"
    client                    an address, a pattern, or a network (192.0.2.0/24)
    protocol, stage, port     see `fault_words`; port 0 is any port
    times                     only the first n times; 0: always
    every, chance             only each n-th time; only with this probability
    reply, delay              the refusal; seconds before the true reply
    """

    stage: str
    host: str = "*"
    client: str = "*"
    protocol: str = "*"
    port: int = 0
    sender: str = ""
    recipient: str = ""
    times: int = 0
    every: int = 1
    chance: float = 1.0
    reply: str = ""
    delay: float = 0.0
    disconnect: bool = False
    reset: bool = False
    half_reply: bool = False
    truncated_tls: bool = False
    comment: str = ""

    @property
    def effects(self) -> list[str]:
        """What it does; one word when the fault is sound."""
        return [name for name in EFFECTS if getattr(self, name)]

    @property
    def what(self) -> str:
        """What it does, in words."""
        effect = self.effects[0]
        if effect == "reply":
            return f"says {self.reply}"
        return IN_WORDS.get(effect, f"answer {self.delay:g} s later")

    @property
    def protocols(self) -> list[str]:
        """The protocols in whose sessions it can strike."""
        found = words.protocols_of(self.protocol, self.stage)
        if self.reply:
            found = [name for name in found if words.fits(name, self.reply)]
        if self.sender or self.recipient:
            found = [name for name in found if name == "smtp"]
        return found

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """What cannot be meant: the key, and what to say about it."""
        yield from _bad_effect(self)
        yield from _bad_place(self)
        yield from _bad_letter(self)
        yield from _bad_count(self)


def _bad_effect(fault: Fault) -> Iterator[tuple[str, str]]:
    effects = fault.effects
    if len(effects) != 1:
        found = " and ".join(effects) or "no effect"
        yield "stage", f"found {found}, expected one of {', '.join(EFFECTS)}"
    if fault.delay < 0:
        yield "delay", f"found {fault.delay:g}, expected seconds above 0"
    if fault.stage == words.TLS and (fault.reply or fault.half_reply):
        yield effects[0], 'stage "tls" has no reply: use truncated_tls or disconnect'
    candidates = words.protocols_of(fault.protocol, fault.stage)
    if fault.reply and fault.stage != words.TLS and candidates and not fault.protocols:
        expected = " or ".join(words.EXAMPLES[name] for name in candidates)
        yield "reply", f"{fault.reply!r} is no refusal: write {expected}"


def _bad_place(fault: Fault) -> Iterator[tuple[str, str]]:
    protocol = fault.protocol
    if protocol not in ("*", *words.STAGES):
        yield "protocol", f"{protocol!r} is not known: write smtp, pop3, imap or *"
    elif not words.protocols_of(protocol, fault.stage):
        every = words.STAGES.values() if protocol == "*" else [words.STAGES[protocol]]
        known = dict.fromkeys(stage for stages in every for stage in stages)
        yield "stage", f"no stage {fault.stage!r}{words.advice(fault.stage, known)}"
    if not _is_client(fault.client):
        yield (
            "client",
            f"{fault.client!r} is no address: write one, a network such as "
            f"192.0.2.0/24, or a pattern such as 192.0.2.*",
        )


def _bad_letter(fault: Fault) -> Iterator[tuple[str, str]]:
    known = words.protocols_of(fault.protocol, fault.stage)
    places = {"sender": words.SENDER_STAGES, "recipient": words.RECIPIENT_STAGES}
    for key, stages in places.items():
        if known and getattr(fault, key):
            if fault.stage not in (*stages, words.ANY):
                yield key, f"known at {', '.join(stages)} only, not at {fault.stage}"
            elif "smtp" not in known:
                yield key, f"known in SMTP only, not in {fault.protocol}"


def _bad_count(fault: Fault) -> Iterator[tuple[str, str]]:
    if fault.times < 0:
        yield "times", f"found {fault.times}, expected 1 or more"
    if fault.every < 1:
        yield "every", f"found {fault.every}, expected 1 or more"
    if not 0 < fault.chance <= 1:
        yield "chance", f"found {fault.chance:g}, expected more than 0, at most 1"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that a server is about to answer."""

    host: str
    client: str
    protocol: str
    port: int
    stage: str
    secure: bool = False  # inside TLS, or about to be
    sender: str | None = None  # RFC5321.MailFrom, "" for the null reverse-path
    recipients: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Planned:
    """A fault in a plan, and how often its moment came.

    hits  how often it struck
    """

    number: int
    fault: Fault
    plan: "FaultPlan"
    met: int = 0
    hits: int = 0

    def remove(self) -> None:
        """Take it off the plan; it never strikes again."""
        if self in self.plan.planned:
            self.plan.planned.remove(self)


class FaultPlan:
    """All planned faults of a world, in order."""

    def __init__(self) -> None:
        self.planned: list[Planned] = []
        self._count = 0

    def add(self, fault: Fault) -> Planned:
        """Plan one more fault."""
        self._count += 1
        entry = Planned(self._count, fault, self)
        self.planned.append(entry)
        return entry

    def find_strike(
        self, moment: Moment, roll: Callable[[Planned], float]
    ) -> Planned | None:
        """Which fault strikes at this moment. `roll` gives a number from 0 to 1."""
        for entry in self.planned:
            if fits(entry.fault, moment) and _its_turn(entry, roll):
                entry.hits += 1
                return entry
        return None


def fits(fault: Fault, moment: Moment) -> bool:
    """This is the place where the fault may strike."""
    return (
        fault.stage in (moment.stage, words.ANY)
        and moment.protocol in fault.protocols
        and fault.port in (0, moment.port)
        and fnmatchcase(moment.host.lower(), fault.host.lower())
        and _fits_client(fault.client, moment.client)
        and _fits_letter(fault, moment)
        and _possible(fault, moment)
    )


def _possible(fault: Fault, moment: Moment) -> bool:
    """A handshake has no reply, and without TLS none can break off."""
    if moment.stage == words.TLS:
        return not (fault.reply or fault.half_reply)
    return moment.secure or not fault.truncated_tls


def _fits_client(pattern: str, address: str) -> bool:
    if _is_pattern(pattern):
        return fnmatchcase(address, pattern.lower())
    return ip_address(address) in ip_network(pattern, strict=False)


def _is_pattern(client: str) -> bool:
    return "*" in client or "?" in client


def _is_client(pattern: str) -> bool:
    if _is_pattern(pattern):
        return not pattern.lower().strip("0123456789abcdef.:*?")
    try:
        ip_network(pattern, strict=False)
    except ValueError:
        return False
    return True


def _fits_letter(fault: Fault, moment: Moment) -> bool:
    if fault.sender:
        sender = moment.sender
        if sender is None or not _fits_address(fault.sender, sender or "<>"):
            return False
    return not fault.recipient or any(
        _fits_address(fault.recipient, recipient) for recipient in moment.recipients
    )


def _fits_address(pattern: str, address: str) -> bool:
    return fnmatchcase(address.lower(), pattern.lower())


def _its_turn(entry: Planned, roll: Callable[[Planned], float]) -> bool:
    fault = entry.fault
    if fault.times and entry.hits >= fault.times:
        return False
    entry.met += 1
    if entry.met % fault.every:
        return False
    return fault.chance >= 1 or roll(entry) < fault.chance
