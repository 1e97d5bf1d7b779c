"""Hints about passwords and encryption.

Goes in: a dialogue. Comes out: what was found.

Rule: a password that anybody on the way could read is an error, whoever asked for it.
"""

import re
from collections.abc import Iterator

from maillab.trace.events import Event
from maillab.trace.hinting.dialogue import Command, Dialogue
from maillab.trace.hinting.rules import WHO, Found, Rule, at_event, at_line
from maillab.trace.lines import Line, printable
from maillab.wire.lines import Side

_READABLE = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")  # mechanisms
_OLD = re.compile(r"SSL|TLS ?v?1(\.[01])?$")
_WEAK = re.compile(r"NULL|EXPORT|RC4|DES|MD5|_anon_|ADH|AECDH")
_MASKED = re.compile(r"(?:^|[ -])(X{3,}A|X{6,})(?=[ \]]|$)")  # written over a word
_NEEDS_TLS = frozenset("MAIL AUTH USER PASS APOP LOGIN AUTHENTICATE".split())
_STARTTLS = ("STARTTLS", "STLS")
_CLEAR = "RFC 8314 §4.1"
_UPGRADE = {"POP3": "RFC 2595 §4", "IMAP": "RFC 9051 §6.2.1"}
_LOGIN = {"POP3": "RFC 1939 §7", "IMAP": "RFC 9051 §6.2.3"}


def _in_clear(d: Dialogue) -> Iterator[Found]:
    for one in d.commands:
        if not one.line.secure and _shows_password(d, one):
            yield at_line(one.line, verb=one.verb)


def _shows_password(d: Dialogue, one: Command) -> bool:
    if one.verb in ("AUTH", "AUTHENTICATE"):
        return one.argument.partition(" ")[0].upper() in _READABLE
    return (one.verb, d.protocol) in (("PASS", "POP3"), ("LOGIN", "IMAP"))


def _unused(d: Dialogue) -> Iterator[Found]:
    if d.verbs & set(_STARTTLS) or not d.offers[False].keys() & set(_STARTTLS):
        return
    if any(_stripped(d)):  # the server has offered it, the client never knew
        return
    first = next((c for c in d.commands if c.verb in _NEEDS_TLS), None)
    if first and not first.line.secure:
        yield at_line(first.line, verb=first.verb)


def _refused(d: Dialogue) -> Iterator[Found]:
    asked = d.find(*_STARTTLS)
    if asked and not d.session.tls and not d.agreed_to(asked):
        yield at_line(d.reply_to(asked.line) or asked.line)


def _stripped(d: Dialogue) -> Iterator[Found]:
    """What the client heard, whatever the server said: a trace may have both."""
    rules = (e.host for e in d.session.all("rule") if e["action"] == "strip-starttls")
    by = next(rules, "something")
    for event in d.session.all("line"):
        if event["speaker"] == "S" and not event["secure"]:
            for word in _MASKED.findall(printable(event["octets"].rstrip())):
                yield at_event(event, word=word, by=by)
                return
    for line in d.replies:
        for word in _MASKED.findall(line.text):
            yield at_line(line, word=word, by=by)
            return


def _changed(d: Dialogue) -> Iterator[Found]:
    """What one end said and what the other end heard, when both of them told."""
    sides: tuple[Side, Side] = ("C", "S")
    for side in sides:
        ends: dict[str, dict[int, Event]] = {}
        for event in d.session.all("line"):
            if event["speaker"] == side and not event["secure"]:
                ends.setdefault(event.host, {})[event["offset"]] = event
        if len(ends) == 2:
            yield from _differing(d, *ends.values())


def _differing(
    d: Dialogue, one: dict[int, Event], two: dict[int, Event]
) -> Iterator[Found]:
    """The first line of which the same octets are not the same."""
    whole = b"".join(one[at]["octets"] for at in sorted(one))
    began = min(one)
    for at in sorted(two):
        heard: bytes = two[at]["octets"]
        there = whole[at - began : at - began + len(heard)]
        if len(there) == len(heard) and there != heard:
            yield at_event(two[at], who=WHO[two[at]["speaker"]])
            return


def _injected(d: Dialogue) -> Iterator[Found]:
    asked = d.find(*_STARTTLS)
    reply = d.reply_to(asked.line) if asked else None
    if not asked or not reply or asked.line.secure:
        return
    if _goes_on_in_clear(d, asked.line, before=reply.arrived_ns):
        yield at_line(asked.line, who="client")
    elif d.session.tls and _goes_on_in_clear(d, reply):
        yield at_line(reply, who="server")


def _goes_on_in_clear(d: Dialogue, line: Line, before: int | None = None) -> bool:
    """Behind the line comes text, before some moment.

    A TLS record begins with an octet below 32 (RFC 8446 §5.1), a command or reply not.
    """
    end = line.offset + len(line.octets)
    for burst in d.session.bursts[line.speaker]:
        if burst.offset <= end < burst.end:
            in_time = before is None or burst.sent_ns < before
            return in_time and burst.data[end - burst.offset] >= 32
    return False


def _old(d: Dialogue) -> Iterator[Found]:
    event = d.session.find("tls")
    if event and _OLD.match(str(event["version"])):
        yield at_event(event, version=event["version"])


def _weak(d: Dialogue) -> Iterator[Found]:
    event = d.session.find("tls")
    if event and _WEAK.search(str(event["cipher"])):
        yield at_event(event, cipher=event["cipher"])


def _failed(d: Dialogue) -> Iterator[Found]:
    event = d.session.find("tls_failed")
    if event:
        yield at_event(event, reason=event["reason"] or "no reason given")


RULES = (
    Rule(
        "password-in-clear",
        "error",
        "{verb} outside TLS",
        "everybody on the way can read the password; base64 is no encryption",
        _CLEAR,
        _in_clear,
    ),
    Rule(
        "starttls-unused",
        "warning",
        "TLS was offered and not used: {verb} in the clear",
        "the client could have encrypted everything that follows",
        "RFC 3207 §4",
        _unused,
        _UPGRADE,
    ),
    Rule(
        "starttls-refused",
        "warning",
        "the server refused to begin TLS",
        "it has no certificate now, or a middlebox stands between the two",
        "RFC 3207 §4",
        _refused,
        _UPGRADE,
    ),
    Rule(
        "starttls-stripped",
        "error",
        "{by} wrote {word} over an offer, probably over STARTTLS",
        "a middlebox on the way wants to read the mail: a downgrade attack",
        "RFC 3207 §6",
        _stripped,
    ),
    Rule(
        "changed-on-the-way",
        "error",
        "not what the {who} said has arrived",
        "somebody between the two changes octets; TLS would have shown that",
        "RFC 3207 §6",
        _changed,
    ),
    Rule(
        "starttls-injection",
        "error",
        "octets of the {who} in the clear behind STARTTLS, before TLS begins",
        "somebody may have put them there to be taken for what comes inside TLS",
        "RFC 3207 §4.2",
        _injected,
        _UPGRADE,
    ),
    Rule(
        "old-tls",
        "warning",
        "{version} is too old",
        "versions before 1.2 have known weaknesses and must not be used",
        "RFC 8996 §1",
        _old,
    ),
    Rule(
        "weak-cipher",
        "warning",
        "{cipher} is too weak",
        "it can be broken, or encrypts nothing, or nobody has shown who he is",
        "RFC 9325 §4.1",
        _weak,
    ),
    Rule(
        "tls-failed",
        "error",
        "the TLS handshake failed: {reason}",
        "certificate, name, versions or ciphers did not fit",
        "RFC 8446 §6.2",
        _failed,
    ),
)
