"""Why was this refused? What a trace knows about every "no" of a mail server.

Goes in: a trace. Comes out: refusals, each with the command, the reply, the reason that
was never sent, the rule and the setting that decided, and the RFC.

Rule 1: a reply refuses when it is 4yz or 5yz, -ERR, NO or BAD; its reason is what the
        policy said last on that connection, or else what the engine noted beside the
        reply.
Rule 2: what ended without a reply (a ban, TLS that failed, no route, no time left) is a
        refusal too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from maillab.trace.events import Event
from maillab.trace.lines import clean, masked, printable

# By what the first octets of a server tell of its protocol.
PROTOCOLS = {b"+": "POP3", b"-": "POP3", b"*": "IMAP"}
REFUSALS = {
    "SMTP": re.compile(rb"[45][0-9][0-9](?:[ -]|$)"),
    "POP3": re.compile(rb"-ERR"),
    "IMAP": re.compile(rb"(?!\* )\S+ (?:NO|BAD)\b"),
}
BYE = b"* BYE"  # a refusal, unless the client said LOGOUT: then there is no reason
GIVEN_UP, LATER = "given up", "it will be tried again"
# What a delivery came to grief on: words of its reason -> rule, RFC.
CAUSES = (
    (re.compile(r"null MX"), "DNS", "RFC 7505 §3"),
    (re.compile(r"NXDOMAIN|the DNS |mail exchanger is "), "DNS", "RFC 5321 §5.1"),
    (re.compile(r"TLS\b|certificate"), "TLS", "RFC 3207 §4"),
    (re.compile(r"circle|mail loop"), "mail loop", "RFC 5321 §6.3"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One "no".

    server   the host that said it; client, whom it said it to, as an address
    command  what was asked, secrets masked; "" when a connection was refused
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

    @property
    def is_delivery(self) -> bool:
        """A server did not get rid of a message, for now or for good."""
        return not self.connection

    @property
    def is_login(self) -> bool:
        """Somebody could not prove who it is."""
        return self.rule.startswith("login")

    def mentions(self, text: str) -> bool:
        """The text stands in it somewhere."""
        asked = (self.connection, self.command, self.reply, self.client)
        parts = (*asked, self.reason, self.rule, self.setting)
        return text.lower() in " ".join(parts).lower()


def refusals(events: Iterable[Event]) -> list[Refusal]:
    """All of them, in order."""
    return list(_Reader().read(events))


def cause_of(refusal: Refusal, all_of_them: Iterable[Refusal]) -> Refusal:
    """Where a delivery failed because of a reply: the refusal that said it.

    Of a server that is not of this world nothing is known but its reply.
    """
    if not refusal.is_delivery:
        return refusal
    said = [
        one
        for one in all_of_them
        if one.reply
        and one.number < refusal.number
        and refusal.reason.endswith(f"said {one.reply}")
    ]
    return said[-1] if said else refusal


class _Reader:
    """Goes through a trace once. All tables are by connection."""

    def __init__(self) -> None:
        self._servers: dict[str, str] = {}  # hosts
        self._clients: dict[str, str] = {}  # addresses
        self._protocols: dict[str, str] = {}
        self._commands: dict[str, str] = {}  # the last one
        self._verdicts: dict[str, Event] = {}  # what a policy refused
        self._logins: dict[str, Event] = {}  # that failed
        self._recipients: dict[str, Refusal] = {}  # the last refused RCPT
        self._no_tls: set[str] = set()
        self._bans: dict[str, Event] = {}  # by address
        self._put_off: dict[tuple[str, str], str] = {}  # id, recipient -> reason

    def read(self, events: Iterable[Event]) -> Iterator[Refusal]:
        """Every refusal."""
        for event in events:
            match event.kind:
                case "connect" | "accept" | "policy" | "auth" | "ban":
                    self._note(event)
                case "line" if self._is_server(event):
                    yield from self._hear(event)
                case "reset" | "fin" if self._is_server(event):
                    yield from self._hung_up(event)
                case "tls_failed" if event.connection not in self._no_tls:
                    self._no_tls.add(event.connection)
                    yield self._without_tls(event)
                case "bounced" | "deferred":
                    yield self._given_up(event)
                case _:
                    pass

    def _note(self, event: Event) -> None:
        if event.kind == "policy":
            self._note_verdict(event)
        elif event.kind == "ban":
            self._bans[event["address"]] = event
        elif event.kind != "auth":
            self._note_connection(event)
        elif not event["ok"]:
            self._logins[event.connection] = event

    def _is_server(self, event: Event) -> bool:
        return self._servers.get(event.connection) == event.host

    def _note_connection(self, event: Event) -> None:
        if event.kind == "accept":
            self._servers[event.connection] = event.host
        if event.get("src"):  # at last, as the server sees it, behind NAT
            self._clients[event.connection] = event["src"][0]

    def _note_verdict(self, event: Event) -> None:
        if event["verdict"] == "accept":
            self._verdicts.pop(event.connection, None)
        else:
            self._verdicts[event.connection] = event

    def _hear(self, event: Event) -> Iterator[Refusal]:
        octets: bytes = event["octets"]
        connection = event.connection
        if event["speaker"] == "C":
            if event["what"] == "command":
                text = masked(octets, event["secret"])
                self._commands[connection] = printable(text.rstrip(b"\r\n"))
            return
        if event["what"] != "reply":
            return
        if self._refuses(event, octets):
            found = self._refused(event, octets)
            if found.command.upper().startswith("RCPT"):
                self._recipients[connection] = found
            yield found
        elif self._commands.get(connection, "").upper().startswith(("MAIL", "RCPT")):
            self._recipients.pop(connection, None)
        self._verdicts.pop(connection, None)
        self._logins.pop(connection, None)

    def _refuses(self, event: Event, octets: bytes) -> bool:
        protocol = self._protocols.setdefault(
            event.connection, PROTOCOLS.get(octets[:1], "SMTP")
        )
        if octets.startswith(BYE):
            return bool(event["why"]) or event.connection in self._verdicts
        return REFUSALS[protocol].match(octets) is not None

    def _refused(self, event: Event, octets: bytes) -> Refusal:
        rows = octets.rstrip().split(b"\r\n")
        found = replace(
            self._begun(event),
            command=self._commands.get(event.connection, ""),
            reply=" ".join(map(printable, rows)),
            reason=clean(event["why"]),
            ref=clean(event["ref"]),
        )
        verdict = self._verdicts.get(event.connection)
        login = self._logins.get(event.connection)
        if verdict is not None:
            return with_verdict(found, verdict)
        if login is not None:
            return with_login(found, login)
        if found.reason.startswith("planned fault"):
            return replace(found, rule="fault")
        without = self._recipients.get(event.connection)
        if without is not None and found.command.upper().startswith(("DATA", "BDAT")):
            return for_want_of_recipients(found, without)
        ban = self._bans.get(found.client)
        if ban is not None and ban.time_ns == found.time_ns and not found.reason:
            return at_the_ban(found, ban)
        return found

    def _hung_up(self, event: Event) -> Iterator[Refusal]:
        """A verdict that nobody heard of: the server closed without a word."""
        verdict = self._verdicts.pop(event.connection, None)
        if verdict is not None:
            command = self._commands.get(event.connection, "")
            silent = replace(self._begun(event), command=command)
            yield with_verdict(silent, verdict)

    def _without_tls(self, event: Event) -> Refusal:
        return replace(
            self._begun(event),
            command="TLS handshake",
            reason=clean(event["reason"]),
            rule="TLS",
            ref="RFC 8446 §6",
        )

    def _begun(self, event: Event) -> Refusal:
        connection = event.connection
        client = self._clients.get(connection, "")
        return Refusal(
            event.time_ns, event.number, connection, event.host, client, "", "", ""
        )

    def _given_up(self, event: Event) -> Refusal:
        reason = clean(event["reason"])
        fitting = ((rule, ref) for word, rule, ref in CAUSES if word.search(reason))
        cause, ref = next(fitting, ("", "RFC 5321 §4.5.4.1"))
        ending = GIVEN_UP if event.kind == "bounced" else LATER
        return replace(
            self._begun(event),
            setting="delivery.expire" if self._is_too_late(event, reason) else "",
            command=f"delivery to {clean(event['recipient'])}",
            reason=reason,
            rule=f"{cause}: {ending}" if cause else ending,
            ref=ref,
        )

    def _is_too_late(self, event: Event, reason: str) -> bool:
        """It was put off before, and for no better reason is it given up now."""
        who = (event["queue_id"], event["recipient"])
        if event.kind == "deferred":
            self._put_off[who] = reason
            return False
        return self._put_off.get(who) == reason


def with_verdict(refusal: Refusal, verdict: Event) -> Refusal:
    """The refusal, with what the policy said."""
    return replace(
        refusal,
        reason=clean(verdict["reason"]),
        rule=clean(verdict.get("rule")),
        setting=clean(verdict.get("setting")),
        ref=clean(verdict["ref"]) or refusal.ref,
    )


def with_login(refusal: Refusal, login: Event) -> Refusal:
    """The refusal, with what is wrong about the login."""
    reason = clean(login["reason"]) or refusal.reason
    user = clean(login["user"])
    return replace(
        refusal,
        reason=f"{user}: {reason}" if user and user not in reason else reason,
        rule=f"login by {clean(login['mechanism'])}",
    )


def at_the_ban(refusal: Refusal, ban: Event) -> Refusal:
    """The farewell to a client that has just been banned."""
    reason = f"{refusal.client} is banned from now on: {clean(ban['reason'])}"
    return replace(refusal, reason=reason, rule="ban", setting="defence.autoblock")


def for_want_of_recipients(refusal: Refusal, recipient: Refusal) -> Refusal:
    """DATA after the last recipient was refused: what was wrong with that one."""
    return replace(
        refusal,
        reason=f"no recipient was taken: {recipient.reason}",
        rule=recipient.rule,
        setting=recipient.setting,
        ref=recipient.ref,
    )
