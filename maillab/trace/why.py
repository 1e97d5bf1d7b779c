"""Why was this refused? What a trace knows about every "no" of a mail server.

Goes in: a trace. Comes out: refusals, each with the command, the reply, the reason that
was never sent, the rule and the setting that decided, and the RFC.

Rule 1: a reply is refused when its code is 4yz or 5yz; its reason is what the policy
        said last on that connection, or else what the engine noted beside the reply.
Rule 2: what was given up without a reply (no route, no time left) is a refusal too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from maillab.trace.events import Event
from maillab.trace.lines import clean, masked, printable

REFUSAL = re.compile(rb"[45][0-9][0-9](?:[ -]|$)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One "no".

    server   the host that said it; client, whom it said it to, as an address
    command  what was asked, secrets masked; "" when a connection or a queue was refused
    reply    what the peer was told; "" when nobody was
    reason   what the peer was not told
    rule, setting, ref   what decided: its name, the path in `Settings`, the RFC section
    """

    time_ns: int
    number: int
    connection: str
    server: str
    client: str
    command: str
    reply: str
    reason: str
    rule: str = ""
    setting: str = ""
    ref: str = ""

    def mentions(self, text: str) -> bool:
        """The text stands in it somewhere."""
        parts = (self.connection, self.command, self.reply, self.reason, self.client)
        return text.lower() in " ".join(parts).lower()


def refusals(events: Iterable[Event]) -> list[Refusal]:
    """All of them, in order."""
    return list(_Reader().read(events))


class _Reader:
    """Goes through a trace once."""

    def __init__(self) -> None:
        self._servers: dict[str, str] = {}  # connection -> host
        self._clients: dict[str, str] = {}  # connection -> address
        self._commands: dict[str, str] = {}  # connection -> the last command
        self._verdicts: dict[str, Event] = {}  # connection -> what a policy refused

    def read(self, events: Iterable[Event]) -> Iterator[Refusal]:
        """Every refusal."""
        for event in events:
            match event.kind:
                case "connect":
                    self._clients[event.connection] = event["src"][0]
                case "accept":
                    self._servers[event.connection] = event.host
                    if event.get("src"):  # as the server sees it, behind NAT
                        self._clients[event.connection] = event["src"][0]
                case "policy":
                    self._note_verdict(event)
                case "line" if self._servers.get(event.connection) == event.host:
                    yield from self._hear(event)
                case "bounced" | "deferred":
                    yield self._given_up(event)
                case _:
                    pass

    def _note_verdict(self, event: Event) -> None:
        if event["verdict"] == "accept":
            self._verdicts.pop(event.connection, None)
        else:
            self._verdicts[event.connection] = event

    def _hear(self, event: Event) -> Iterator[Refusal]:
        octets: bytes = event["octets"]
        if event["speaker"] == "C":
            if event["what"] == "command":
                text = masked(octets, event["secret"])
                self._commands[event.connection] = printable(text.rstrip(b"\r\n"))
            return
        if REFUSAL.match(octets):
            yield self._refused(event, octets)
        self._verdicts.pop(event.connection, None)

    def _refused(self, event: Event, octets: bytes) -> Refusal:
        connection = event.connection
        verdict = self._verdicts.get(connection)
        reply = " ".join(printable(row) for row in octets.rstrip().split(b"\r\n"))
        found = Refusal(
            event.time_ns,
            event.number,
            connection,
            event.host,
            self._clients.get(connection, ""),
            self._commands.get(connection, ""),
            reply,
            clean(event["why"]),
            ref=clean(event["ref"]),
        )
        return with_verdict(found, verdict) if verdict is not None else found

    def _given_up(self, event: Event) -> Refusal:
        who = clean(event["recipient"])
        return Refusal(
            event.time_ns,
            event.number,
            "",
            event.host,
            "",
            f"delivery to {who}",
            "",
            clean(event["reason"]),
            "given up" if event.kind == "bounced" else "it will be tried again",
        )


def with_verdict(refusal: Refusal, verdict: Event) -> Refusal:
    """The refusal, with what the policy said."""
    return replace(
        refusal,
        reason=clean(verdict["reason"]),
        rule=clean(verdict.get("rule")),
        setting=clean(verdict.get("setting")),
        ref=clean(verdict["ref"]) or refusal.ref,
    )
