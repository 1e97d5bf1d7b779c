"""What a server writes down: one JSON object a line.

Goes in: what agents emit (`trace.events.KINDS`), and the coming and going of
connections. Comes out: lines with time, level, event, connection, peer, port and facts.

Rule 1: never a password, never the text of a message. What was said in a dialogue is
        there at the level debug only, first lines only, with secrets masked.
Rule 2: a log that cannot be written (the disk is full) stops nobody.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from maillab.gateway.serving.settings import Level
from maillab.trace.lines import masked, printable

LEVELS: dict[str, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
OF_KIND: dict[str, Level] = {
    "line": "debug",
    "dns": "debug",
    "greylist": "debug",
    "queue": "debug",
    "ban": "warning",
    "deferred": "warning",
    "bounced": "warning",
    "tls_failed": "warning",
    "warning": "warning",
    "failure": "error",
    "error": "error",
}
OF_MESSAGES = {"received"}  # facts that are header fields: for traces only
TEXTS = {"command", "reply", "continuation", "noise"}  # of lines that may be shown
LONGEST = 200  # characters of one line of a dialogue

Now = Callable[[], datetime]


def now_utc() -> datetime:
    """The time of this computer."""
    return datetime.now(UTC)


class Log:
    """Writes events to a file, or to standard error. Is an `Observer`."""

    def __init__(
        self, file: Path | None = None, level: Level = "info", now: Now = now_utc
    ) -> None:
        self.level = level
        self._now = now
        self._file = file
        self._out: TextIO = (
            sys.stderr if file is None else file.open("a", encoding="utf-8")
        )
        if file is not None:
            file.chmod(0o600)
        self._peers: dict[str, dict[str, Any]] = {}  # of connections that are open

    def __call__(
        self, kind: str, host: str, connection: str, now: int, /, **facts: Any
    ) -> None:
        """One event of an agent."""
        del host, now
        if kind == "connected":
            self._peers[connection] = dict(facts)
        level: Level = level_of(kind, facts)
        if LEVELS[level] >= LEVELS[self.level]:
            self._write(level, kind, connection, facts)
        if kind == "disconnected":
            self._peers.pop(connection, None)

    def tell(self, kind: str, /, **facts: Any) -> None:
        """One event of the server itself."""
        self(kind, "", "", 0, **facts)

    def close(self) -> None:
        """No more lines."""
        if self._file is not None:
            self._out.close()

    def _write(
        self, level: Level, kind: str, connection: str, facts: dict[str, Any]
    ) -> None:
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        row: dict[str, Any] = {"time": time, "level": level, "event": kind}
        if connection:
            row |= {"connection": connection, **self._peers.get(connection, {})}
        row |= shown(kind, facts)
        with suppress(OSError, ValueError):
            self._out.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            self._out.flush()


def level_of(kind: str, facts: dict[str, Any]) -> Level:
    """How much an event matters.

    >>> level_of("auth", {"ok": False}), level_of("delivered", {})
    ('warning', 'info')
    """
    if kind == "auth" and not facts.get("ok"):
        return "warning"
    if kind == "policy" and facts.get("verdict") == "accept":
        return "debug"
    return OF_KIND.get(kind, "info")


def shown(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    r"""The facts of an event as they may be written down; empty ones are left out.

    >>> said = {"speaker": "C", "what": "command", "secret": ((7, 10),), "secure": True}
    >>> shown("line", said | {"octets": b"1 PASS tea\r\n", "ref": "", "why": ""})
    {'speaker': 'C', 'secure': True, 'text': '1 PASS ********'}
    >>> shown("accepted", {"queue_id": "7DD2", "received": "Received: from pc"})
    {'queue_id': '7DD2'}
    """
    if kind != "line":
        told = ((n, fact) for n, fact in facts.items() if n not in OF_MESSAGES)
        return {name: fact for name, fact in told if fact not in ("", (), [])}
    row: dict[str, Any] = {"speaker": facts["speaker"], "secure": facts["secure"]}
    octets: bytes = facts["octets"]
    if facts["what"] not in TEXTS:
        return row | {"what": facts["what"], "octets": len(octets)}
    first = masked(octets, facts["secret"]).partition(b"\r\n")[0]
    row["text"] = printable(first)[:LONGEST]
    if facts.get("why"):
        row["why"] = facts["why"]
    return row
