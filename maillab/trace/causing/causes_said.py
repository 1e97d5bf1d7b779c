"""What led to a reply, a login, a verdict, a ban.

Goes in: the events of a trace and one of a session. Comes out: earlier events.

Rule 1: what a server decided between a command and its reply led to the reply.
Rule 2: of the DNS answers of a host those count for a verdict that its words name:
        other sessions look names up in the same moment.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import takewhile

from maillab.policy.greylist import triplet
from maillab.trace.causing.known import Found, Known
from maillab.trace.events import Event
from maillab.trace.why import PROTOCOLS, REFUSALS

DECISIONS = ("policy", "auth", "fault", "failure", "ban", "tls_failed")
_IN_VAIN = re.compile(rb"(DATA|BDAT)\b", re.IGNORECASE)


def is_reply(event: Event) -> bool:
    """A line of the server's that answers something."""
    return event.kind == "line" and event["speaker"] == "S" and event["what"] == "reply"


def is_refusal(event: Event) -> bool:
    """A reply that says no."""
    octets: bytes = event["octets"]
    protocol = PROTOCOLS.get(octets[:1], "SMTP")
    starts = REFUSALS["IMAP" if _has_tag(octets) else protocol]
    return is_reply(event) and starts.match(octets) is not None


def _has_tag(octets: bytes) -> bool:
    """An IMAP reply begins with a tag, which may be any word (RFC 9051 §2.2.1)."""
    return octets[:1] not in b"+-*" and re.match(rb"\S+ (NO|BAD)\b", octets) is not None


# Lines --------------------------------------------------------------------------------


def line(known: Known, event: Event) -> Found:
    """A reply: what was decided, and the command. A command: why the client talks."""
    if event["speaker"] == "C":
        yield from _why_it_talks(known, event)
        return
    told = first_telling(known, event)
    yield from _decisions(known, told)
    yield command_of(known, told) or known.first(event.connection, "connect")
    if is_refusal(told):
        yield _refused_recipient(known, told)


def first_telling(known: Known, event: Event) -> Event:
    """The same line as the server noted it, which knows more."""
    server = known.server(event.connection)
    if event.host == server:
        return event
    same = (
        e
        for e in known.said(event.connection, event.number, "line")
        if e.host == server and e["speaker"] == "S" and e["offset"] <= event["offset"]
    )
    return next(same, event)


def _why_it_talks(known: Known, event: Event) -> Found:
    kinds = ("submitted", "attempt", "connect")
    yield next(known.said(event.connection, event.number, *kinds), None)


def since_last_reply(known: Known, event: Event) -> Iterator[Event]:
    """What happened at this host on this connection since its reply before."""
    kinds = ("line", "greylist", *DECISIONS)
    before = (
        e
        for e in known.said(event.connection, event.number, *kinds)
        if e.host == event.host
    )
    return takewhile(lambda e: not is_reply(e), before)


def _decisions(known: Known, event: Event) -> Iterator[Event]:
    for found in since_last_reply(known, event):
        if found.kind in DECISIONS:
            yield found


def command_of(known: Known, event: Event) -> Event | None:
    """The command that a reply answers: the one before it, as this host heard it."""
    heard = known.said(event.connection, event.number, "line")
    return next(
        (
            e
            for e in heard
            if e.host == event.host
            and e["speaker"] == "C"
            and e["what"] in ("command", "continuation", "content")
        ),
        None,
    )


def _refused_recipient(known: Known, event: Event) -> Event | None:
    """DATA is refused when no recipient was taken: the reply that refused the last."""
    command = command_of(known, event)
    if command is None or not _IN_VAIN.match(command["octets"]):
        return None
    lines = known.said(event.connection, command.number, "line")
    replies = (e for e in lines if e.host == event.host and is_reply(e))
    before = next(replies, None)
    return before if before and is_refusal(before) else None


# Verdicts -----------------------------------------------------------------------------


def policy(known: Known, event: Event) -> Found:
    """A ban, a login, what greylisting remembers, answers of the DNS, the command."""
    if event.get("rule") == "ban" or event["subject"] == "AUTH":
        yield known.latest(
            event.number,
            "ban",
            fits=lambda e: (
                e.host == event.host and e["address"] in client_ips(known, event)
            ),
        )
    yield _greylisting(known, event)
    yield _login(known, event)
    yield from _names_looked_up(known, event)
    if event.connection:
        yield command_of(known, event) or known.first(event.connection, "connect")


def client_ips(known: Known, event: Event) -> set[str]:
    """The client's address, as the server sees it."""
    ends = (known.first(event.connection, kind) for kind in ("connect", "accept"))
    return {end["src"][0] for end in ends if end and end.get("src")}


def _greylisting(known: Known, event: Event) -> Event | None:
    if event.get("rule") != "greylisting":
        return None
    about = (event.host, event.time_ns)
    words = str(event["subject"]).lower()
    networks = {triplet(ip, "", "")[0] for ip in client_ips(known, event)}

    def is_it(e: Event) -> bool:
        mine = e["client"] in networks and f"<{e['recipient']}>" in words
        return (e.host, e.time_ns) == about and mine

    return known.latest(event.number, "greylist", fits=is_it)


def _login(known: Known, event: Event) -> Event | None:
    """Who is logged in may do more; who has just failed may do less."""
    about = event.get("rule") in ("login", "sender match", "bad commands", "ban")
    if not about and event["subject"] != "AUTH":
        return None
    return next(known.said(event.connection, event.number, "auth"), None)


def _names_looked_up(known: Known, event: Event) -> Iterator[Event]:
    """The answers between the command and the verdict, if the verdict is about them."""
    asked = command_of(known, event) or known.first(event.connection, "accept")
    if asked is None:
        return
    words = f"{event['subject']} {event['reason']}".lower()
    turned = set(map(reversed_name, client_ips(known, event)))
    for answer in known.before(event.number, "dns"):
        if answer.number < asked.number:
            return
        question = str(answer["question"]).rstrip(".").lower()
        about = question in words or any(turn in question for turn in turned)
        if answer.host == event.host and question and about:
            yield answer


def reversed_name(ip: str) -> str:
    """An address as it stands in names below in-addr.arpa and in blocklists.

    >>> reversed_name("192.0.2.1")
    '1.2.0.192'
    """
    return ip_address(ip).reverse_pointer.rpartition(".")[0].rpartition(".")[0]


# Logins, bans, greylisting, faults ----------------------------------------------------


def auth(known: Known, event: Event) -> Found:
    """Who proved who it is: nothing. Else the command, and a ban that shut the door."""
    if event["ok"]:
        return
    yield command_of(known, event)
    if "ban" in str(event["reason"]):
        clients = client_ips(known, event)
        yield known.latest(event.number, "ban", fits=lambda e: e["address"] in clients)


def ban(known: Known, event: Event) -> Found:
    """The wrong logins of this client since its ban before."""
    address = event["address"]
    yield _last_straw(known, event)
    for found in known.before(event.number, "auth", "ban"):
        if found.kind == "ban" and found["address"] == address:
            return
        failed = found.kind == "auth" and found.host == event.host and not found["ok"]
        if failed and address in client_ips(known, found):
            yield found


def _last_straw(known: Known, event: Event) -> Event | None:
    """The command of the last wrong login: of that one some servers tell afterwards."""
    address = event["address"]
    mine = known.after(
        event.number,
        "auth",
        lambda e: e.host == event.host and address in client_ips(known, e),
    )
    login = next(mine, None)
    if login is None or login.time_ns != event.time_ns or login["ok"]:
        return None
    return command_of(known, login)


def greylist(known: Known, event: Event) -> Found:
    """When this triplet was met before."""
    names = ("client", "sender", "recipient")
    yield known.latest(
        event.number,
        "greylist",
        fits=lambda e: (
            e.host == event.host and all(e[name] == event[name] for name in names)
        ),
    )
