"""What led to each step of a message: from fetched back to submitted, or to a failure.

Goes in: the events of a trace and a step of a message. Comes out: earlier events.

Rule 1: a message keeps its trace id from host to host; within a host it has a queue id.
Rule 2: a try ends with what its connections ended with: a failure of the network, of
        TLS, or the reply that refused this recipient.
"""

from collections.abc import Iterator
from itertools import takewhile

from maillab.trace.causing.causes_network import (
    FAILURES,
    SUCCESS,
    address_answer,
    attempt_behind,
    same_name,
)
from maillab.trace.causing.causes_said import command_of, is_refusal, is_reply
from maillab.trace.causing.known import Fits, Found, Known
from maillab.trace.events import Event
from maillab.trace.lines import printable

BROKEN = ("cut", "reset", "fault")


def here(event: Event) -> Fits:
    """Of the same queue entry, at the same host."""
    host, id = event.host, event.get("queue_id")
    return lambda e: e.host == host and e["queue_id"] == id


def taken(known: Known, event: Event) -> Event | None:
    """When the host took the message that this is about."""
    if event.get("queue_id"):
        return known.latest(event.number, "accepted", fits=here(event))
    message, host = event["message"], event.host
    return known.latest(
        event.number,
        "accepted",
        fits=lambda e: e.host == host and e["message"] == message,
    )


def submitted(known: Known, event: Event) -> Found:
    """A person: nothing in the trace. The connection, and the login."""
    yield next(known.said(event.connection, event.number, "auth", "connect"), None)


def fetched(known: Known, event: Event) -> Found:
    """It was delivered."""
    yield known.latest(
        event.number,
        "delivered",
        fits=lambda e: (
            e["message"] == event["message"] and e["mailbox"] == event["mailbox"]
        ),
    )


def delivered(known: Known, event: Event) -> Found:
    """It was accepted; an alias led here; rules of the account acted."""
    accepted = taken(known, event)
    yield accepted
    since = accepted.number if accepted else 0
    for found in known.before(event.number, "mediated", "policy"):
        if found.number < since or found.host != event.host:
            return
        if found.kind == "mediated":
            if event["mailbox"] in found["targets"]:
                yield found
        elif not found.connection and found.time_ns == event.time_ns:
            yield found


# Taking a message ---------------------------------------------------------------------


def accepted(known: Known, event: Event) -> Found:
    """Whoever handed it over, and the verdicts that let it in; or who made it here."""
    if not event.connection:
        yield from _made_here(known, event)
        return
    number, connection = event.number, event.connection
    yield _handed_over(known, event)
    kinds = ("policy", "accepted")
    since = known.said(connection, number, *kinds)
    for verdict in takewhile(lambda e: e.kind == "policy", since):
        if (
            str(verdict["subject"]).startswith("RCPT")
            and verdict["verdict"] == "accept"
        ):
            yield verdict


def _handed_over(known: Known, event: Event) -> Event | None:
    connection, number = event.connection, event.number
    by_person = next(known.said(connection, number, "submitted"), None)
    first = known.first(connection, "connect")
    if by_person or not first:
        return by_person
    behind = _attempt_on(known, connection, number)
    if behind and behind["message"] == event["message"]:
        return behind
    tried = known.latest(
        number,
        "attempt",
        fits=lambda e: (
            e.host == first.host
            and e["message"] == event["message"]
            and e["address"] == first["dst"][0]
        ),
    )
    return tried or first


def _attempt_on(known: Known, connection: str, number: int) -> Event | None:
    """The last attempt on a connection; else the one for which it was opened."""
    first = known.first(connection, "connect")
    again = next(known.said(connection, number, "attempt"), None)
    return again or (attempt_behind(known, first) if first else None)


def _made_here(known: Known, event: Event) -> Found:
    """A report, a forwarded message: whoever tells of its making comes right behind."""
    makers = (
        *_next(known, event, "dsn", "report"),
        *_next(known, event, "mediated", "new_message"),
    )
    for maker in makers:
        yield from dsn(known, maker) if maker.kind == "dsn" else mediated(known, maker)
    if not makers:
        message, host = event["message"], event.host
        yield known.latest(
            event.number,
            "accepted",
            fits=lambda e: e.host == host and e["message"] == message,
        )


def _next(known: Known, event: Event, kind: str, fact: str) -> Iterator[Event]:
    for found in known.after(event.number, kind, lambda e: e.host == event.host):
        if found.time_ns != event.time_ns:
            return
        if found[fact] == event["message"]:
            yield found
            return


def mediated(known: Known, event: Event) -> Found:
    """It was taken."""
    yield taken(known, event)


def dsn(known: Known, event: Event) -> Found:
    """What it reports."""
    kinds = {"failed": "bounced", "delayed": "deferred"}
    kind = kinds.get(event["action"])
    wanted = set(event["recipients"])
    found: list[Event] = []
    if kind:
        fits = here(event)
        all_of_them = known.before(event.number, kind, fits=fits)
        found = [e for e in all_of_them if e["recipient"] in wanted]
    yield from {e["recipient"]: e for e in reversed(found)}.values()
    if not found:
        yield taken(known, event)


def queue(known: Known, event: Event) -> Found:
    """Settled: by what. Warned: it was put off. Else: people did it."""
    kinds = {"settled": ("relayed", "bounced"), "warned": ("deferred",)}
    if event["action"] == "settled":
        yield known.latest(
            event.number, "delivered", fits=lambda e: e["message"] == event["message"]
        )
    for kind in kinds.get(event["action"], ()):
        yield known.latest(event.number, kind, fits=here(event))
    yield taken(known, event)


# Handing it over ----------------------------------------------------------------------


def attempt(known: Known, event: Event) -> Found:
    """The queue has it, its time has come, and the DNS has said where to."""
    yield taken(known, event)
    kinds = ("deferred", "queue")
    fits = here(event)
    yield known.latest(
        event.number,
        *kinds,
        fits=lambda e: (
            fits(e) and (e.kind != "queue" or e["action"] in ("release", "retry"))
        ),
    )
    host = str(event["to_host"])
    yield address_answer(known, event, host, event["address"])
    yield known.latest(
        event.number,
        "dns",
        fits=lambda e: e.host == event.host and e["type"] == "MX" and names(e, host),
    )


def names(answer: Event, host: str) -> bool:
    """An answer of the DNS names this host."""
    return any(same_name(str(one).split(" ")[-1], host) for one in answer["answers"])


def relayed(known: Known, event: Event) -> Found:
    """The attempt, and the next host's word for it."""
    fits = here(event)
    tried = _attempt_on(known, event.connection, event.number)
    if tried is None or not fits(tried):
        tried = known.latest(event.number, "attempt", fits=fits)
    yield tried
    there = known.said(event.connection, event.number, "accepted")
    took = next((e for e in there if e["message"] == event["message"]), None)
    if took and tried and took.number > tried.number:
        yield took
        return
    lines = known.said(event.connection, event.number, "line")
    yield next(filter(is_reply, lines), None)


def not_delivered(known: Known, event: Event) -> Found:
    """What each attempt of this try came to grief on; or the DNS; or a rule here."""
    tries = list(_tries(known, event))
    for tried in tries:
        yield _end_of(known, tried, event)
    wrong = list(_names_that_failed(known, event))
    yield from wrong
    if not tries and not wrong:
        yield from _without_a_try(known, event)
    if not tries:
        yield taken(known, event)


def _tries(known: Known, event: Event) -> Iterator[Event]:
    """The attempts for this recipient since he was put off before."""
    recipient, fits = event["recipient"], here(event)
    for found in known.before(event.number, "attempt", "deferred", fits=fits):
        if found.kind == "deferred":
            if found["recipient"] == recipient:
                return
        elif recipient in found["recipients"]:
            yield found


def _end_of(known: Known, tried: Event, event: Event) -> Event:
    """What a try ended with."""
    for connection in reversed(_connections(known, tried, event.number)):
        end = _end_of_connection(known, connection, event)
        if end:
            return end
    return tried


def _connections(known: Known, tried: Event, until: int) -> list[str]:
    """The connections of an attempt: one, or one more without TLS."""
    if tried.connection:
        return [tried.connection]
    opened = known.after(tried.number, "connect", lambda e: e.host == tried.host)
    there = takewhile(lambda e: e.number < until, opened)
    return [e.connection for e in there if attempt_behind(known, e) is tried][:2]


def _end_of_connection(known: Known, id: str, event: Event) -> Event | None:
    failed = next(known.said(id, event.number, *FAILURES), None)
    if failed:
        return failed
    reply = _refusing_reply(known, id, event)
    if reply:
        return reply
    if "offers no STARTTLS" in event["reason"]:
        return _offer(known, id, event)
    broken = next(known.said(id, event.number, "tls_failed", *BROKEN), None)
    lost = next(known.said(id, event.number, "lost"), None)
    return broken or (lost if lost and lost["reason"] else None)


def _offer(known: Known, id: str, event: Event) -> Event | None:
    """The reply to EHLO, which has all that is offered (RFC 5321 §4.1.1.1); or the
    middlebox that took the offer out (RFC 3207 §6).
    """
    for rule in known.said(id, event.number, "rule"):
        if rule["action"] == "strip-starttls":
            return rule
    replies = filter(is_reply, known.said(id, event.number, "line"))
    for reply in replies:
        command = command_of(known, reply)
        if command and command["octets"][:4].upper() == b"EHLO":
            return reply
    return None


def _refusing_reply(known: Known, id: str, event: Event) -> Event | None:
    """The reply that the reason quotes; of several the one for this recipient."""
    lines = list(known.said(id, event.number, "line"))
    teller = known.server(id) or event.host
    if not any(e.host == teller for e in lines):
        teller = event.host
    no = [e for e in lines if e.host == teller and is_refusal(e) and _quoted(e, event)]
    about = (e for e in no if _is_about(known, e, event["recipient"]))
    return next(about, no[0] if no else None)


def _quoted(line: Event, event: Event) -> bool:
    """The last row of the reply stands in the reason, without its codes."""
    rows = printable(line["octets"].rstrip(b"\r\n")).split("\\r\\n")
    words = [word for word in rows[-1].split(" ") if not _is_code(word)]
    reason = str(event["reason"])
    return rows[-1][:3] in reason and (not words or words[-1] in reason)


def _is_code(word: str) -> bool:
    return word.replace(".", "").replace("-", "").isdecimal()


def _is_about(known: Known, reply: Event, recipient: str) -> bool:
    command = command_of(known, reply)
    return command is not None and f"<{recipient}>".encode() in command["octets"]


def _names_that_failed(known: Known, event: Event) -> Iterator[Event]:
    """Answers of the DNS since the last try that the reason is about."""
    fits, host = here(event), event.host
    kinds = ("accepted", "deferred")
    since = known.latest(event.number, *kinds, fits=fits)
    reason, domain = str(event["reason"]).lower(), event["recipient"].rpartition("@")[2]
    for answer in known.before(event.number, "dns"):
        if since and answer.number < since.number:
            return
        question = str(answer["question"]).rstrip(".").lower()
        about = question in reason or same_name(question, domain)
        bad = answer["rcode"] not in SUCCESS or "null MX" in event["reason"]
        if answer.host == host and question and about and bad:
            yield answer


def _without_a_try(known: Known, event: Event) -> Found:
    """A policy here; or what another message for the same destination met."""
    for verdict in known.before(event.number, "policy"):
        if verdict.time_ns != event.time_ns:
            break
        if verdict.host == event.host and not verdict.connection:
            yield verdict
    reason, host = str(event["reason"]), event.host
    tried = known.latest(
        event.number,
        "attempt",
        fits=lambda e: e.host == host and str(e["to_host"]) in reason,
    )
    if tried:
        yield _end_of(known, tried, event)
