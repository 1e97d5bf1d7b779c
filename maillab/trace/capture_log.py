"""What the log of a mail server would say, for the captures that are made there.

Goes in: the events of one host. Comes out: log lines, in the words that administrators
know, as entries of a systemd journal.

Rule 1: a log has what its server knew: only its own events, and no secret.
Rule 2: one line, whatever a peer said: what cannot be printed is escaped.
Rule 3: what a trace that was read does not tell is empty.
Rule 4: an entry is exact to the microsecond, as a journal is; its place among the
        packets is exact to the nanosecond.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.queueview import wait

ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6  # RFC 5424 §6.2.1, table 2
_MICROSECOND = 1000


class LogLine(NamedTuple):
    """One line of a server's log.

    program   the part of the server that speaks, such as "queue"
    severity  from 0 (emergency) to 7 (debug): RFC 5424 §6.2.1
    event     the number of the event that it tells of
    """

    time_ns: int
    host: str
    program: str
    severity: int
    text: str
    event: int
    connection: str

    def __str__(self) -> str:
        return f"{self.program}: {self.text}"

    def entry(self, epoch_ns: int) -> bytes:
        """The entry in the Journal Export Format; `epoch_ns`: when time 0 was."""
        fields: dict[str, object] = {
            "__REALTIME_TIMESTAMP": (epoch_ns + self.time_ns) // _MICROSECOND,
            "_HOSTNAME": clean(self.host),
            "SYSLOG_IDENTIFIER": self.program,
            "PRIORITY": self.severity,
            "MESSAGE": self.text,
            "MAILLAB_EVENT": self.event,
        }
        if self.connection:
            fields["MAILLAB_CONNECTION"] = clean(self.connection)
        return "".join(f"{name}={value}\n" for name, value in fields.items()).encode()


def log_lines(events: Iterable[Event], host: str) -> Iterator[LogLine]:
    """The log of one host, in order of time."""
    for event in events:
        if event.host == host and event.kind in _WORDS:
            program, severity, words = _WORDS[event.kind](event)
            if words:
                where = (event.number, event.connection)
                yield LogLine(
                    event.time_ns, host, program, severity, clean(words), *where
                )


Said = tuple[str, int, str]  # program, severity, words; no words: nothing is logged


def _queue(words: str, severity: int = INFO) -> Callable[[Event], Said]:
    """About one message in the queue."""

    def say(event: Event) -> Said:
        return "queue", severity, f"{event.get('queue_id')}: {_filled(words, event)}"

    return say


def _plain(program: str, words: str, severity: int = INFO) -> Callable[[Event], Said]:
    return lambda event: (program, severity, _filled(words, event))


def _filled(words: str, event: Event) -> str:
    """The words with the facts of an event; several values stand with commas."""
    facts = {name: _shown(fact) for name, fact in event.facts.items()}
    return words.format_map(defaultdict(str, facts))


def _shown(fact: Any) -> Any:
    if isinstance(fact, tuple):
        return ",".join(map(str, fact))  # pyright: ignore[reportUnknownArgumentType]
    return fact


def _auth(event: Event) -> Said:
    program, who = str(event.get("protocol")).lower(), f"user=<{event.get('user')}>"
    how = f"method={event.get('mechanism')}"
    if event.get("ok"):
        return program, INFO, f"login: {who}, {how}"
    return program, WARNING, f"login failed: {who}, {how}: {event.get('reason')}"


def _policy(event: Event) -> Said:
    ref = f" [{event.get('ref')}]" if event.get("ref") else ""
    said = f"{event.get('subject')}: {event.get('reason')}{ref}"
    if event.get("verdict") == "accept":
        return "policy", INFO, f"accept: {said}"
    return "policy", NOTICE, f"reject: {said}"


def _accepted(event: Event) -> Said:
    _, severity, said = _queue("message-id={message}, from=<{sender}>")(event)
    count = len(event.get("recipients", ()))
    return "queue", severity, f"{said}, size={event.get('size')}, nrcpt={count}"


def _queue_action(event: Event) -> Said:
    """That a recipient is done was said by what happened to the message."""
    if event.get("action") == "settled":
        return "queue", INFO, ""
    return _queue("to=<{recipient}>, {action}")(event)


def _deferred(event: Event) -> Said:
    words = "to=<{recipient}>, status=deferred ({reason}); next try in "
    return _queue(words + (wait(event) or "a while"), WARNING)(event)


def _mediated(event: Event) -> Said:
    _, severity, said = _queue("to=<{recipient}>, {what}: for {targets}")(event)
    new = f" in {event.get('new_message')}" if event.get("new_message") else ""
    return "queue", severity, said + new


_WORDS: dict[str, Callable[[Event], Said]] = {
    "auth": _auth,
    "policy": _policy,
    "accepted": _accepted,
    "attempt": _queue("to=<{recipients}>, trying {to_host}[{address}]"),
    "relayed": _queue("relay={to_host}, status=sent ({reply})"),
    "deferred": _deferred,
    "bounced": _queue("to=<{recipient}>, status=bounced ({reason})", WARNING),
    "queue": _queue_action,
    "mediated": _mediated,
    "dsn": _queue("{action} notification {report} for {recipients}"),
    "pickup": _queue("pickup of {file}, message-id={message}"),
    "delivered": _plain(
        "delivery", "message-id={message}, to=<{mailbox}>, in {folder}, status=sent"
    ),
    "fetched": _plain("mailbox", "{mailbox}: {message} was fetched by {protocol}"),
    "ban": _plain("defence", "ban of {address} until {until}: {reason}", NOTICE),
    "greylist": _plain(
        "defence", "greylist {state}: client={client}, from={sender}, to=<{recipient}>"
    ),
    "tls_failed": _plain("tls", "handshake failed: {reason}", WARNING),
    "failure": _plain("server", "internal error: {error}", ERROR),
    "note": _plain("server", "{text}"),
}
