"""For each rule of hints, a trace where it applies and one, much like it, where not.

A dialogue is written in rows:

    S: text     the server says a line; "\\n" in it makes lines that leave together
    C: text     the client does
    C+ text     the client says it at the same moment as what it said before
    D: text     content: lines of a message
    @ 6         so many seconds pass
    --- TLS     a handshake ends well
    --- RESET   the client drops the connection, and so does the session end
    --- OPEN    the session does not end (otherwise the client closes it at the end)
"""

from collections.abc import Callable
from typing import Any

from maillab.trace import Trace
from maillab.trace.sample import MS, Talk

Case = Callable[[], Trace]
GREET = ("S: 220 mx.example ESMTP", "C: EHLO pc.example")
EHLO = (*GREET, "S: 250-mx.example\n250 PIPELINING")
QUIT = ("C: QUIT", "S: 221 bye")
MAIL = (*EHLO, "C: MAIL FROM:<a@example.org>", "S: 250 ok")
DATA = (*MAIL, "C: RCPT TO:<b@example.com>", "S: 250 ok", "C: DATA", "S: 354 go on")
SENT = (*DATA, "D: Subject: x\n\nHello\n.", "S: 250 ok", *QUIT)
POP = ("S: +OK ready", "C: USER ann", "S: +OK")
IMAP = ("S: * OK ready",)


def dialogue(*rows: str, **options: Any) -> Trace:
    """A trace of one session."""
    talk = Talk(Trace(strict=True), **options)
    talk.connect()
    for row in rows:
        act(talk, row)
    if not rows or rows[-1] not in ("--- RESET", "--- OPEN"):
        talk.close("C")
    return talk.trace


def act(talk: Talk, row: str) -> None:
    how, text = row[:2], row[3:]
    if how == "@ ":
        talk.now += int(row[2:]) * 1000 * MS
    elif row == "--- TLS":
        talk.tls()
    elif row == "--- RESET":
        talk.reset("C")
    elif how in ("S:", "C:"):
        talk.say("S" if how == "S:" else "C", *text.split("\n"))
    elif how == "C+":
        talk.now -= talk.latency
        talk.say("C", text)
    elif how == "D:":
        talk.say("C", *text.split("\n"), what="content")


def said(*rows: str, **options: Any) -> Case:
    return lambda: dialogue(*rows, **options)


def event(kind: str, **facts: Any) -> Case:
    """One event at the client of a connection of which only the SYN is known."""

    def build() -> Trace:
        talk = Talk(Trace(strict=True))
        talk.syn()
        talk.emit(kind, "C", **facts)
        return talk.trace

    return build


def spoken_and(kind: str, at: str = "C", **facts: Any) -> Case:
    """A greeting, and then one event."""

    def build() -> Trace:
        talk = Talk(Trace(strict=True))
        talk.connect()
        act(talk, GREET[0])
        talk.emit(kind, at, **facts)
        return talk.trace

    return build


def outside(kind: str, **facts: Any) -> Case:
    """One event of no connection."""

    def build() -> Trace:
        trace = Trace(strict=True)
        trace.emit(kind, "ns.example", "", 5 * MS, **facts)
        return trace

    return build


def timed_out() -> Trace:
    talk = Talk(Trace(strict=True))
    talk.time_out((1, 3))
    return talk.trace


def refused() -> Trace:
    talk = Talk(Trace(strict=True))
    talk.refuse()
    return talk.trace


def connected_late() -> Trace:
    talk = Talk(Trace(strict=True))
    talk.syn()
    talk.now += 1000 * MS
    talk.emit("syn", "C", attempt=2)
    talk.emit("accept", "S", latency=talk.latency)
    talk.emit("established", "C")
    return talk.trace


def burst_again() -> Trace:
    talk = Talk(Trace(strict=True))
    talk.connect()
    for latency in (-1, talk.latency):
        facts = {"side": "S", "offset": 0, "data": b"220 x\r\n", "latency": latency}
        talk.emit("bytes", "S", **facts)
        talk.now += 300 * MS
    return talk.trace


def one_sided(*, both: bool) -> Case:
    def build() -> Trace:
        talk = Talk(Trace(strict=True), engines="")
        talk.connect()
        for text in (b"220 mx\r\n", b"250 mx\r\n", b"250 ok\r\n"):
            talk.burst("S", text)
            if both:
                talk.burst("C", b"NOOP\r\n")
            talk.now += talk.latency
        return talk.trace

    return build


def tarpit(action: str) -> Case:
    def build() -> Trace:
        talk = Talk(Trace(strict=True))
        talk.syn()
        points = {"src": talk.src, "dst": (talk.dst, talk.port)}
        what = {"action": action, "direction": "in", "protocol": "tcp"}
        talk.emit("rule", "S", **what, **points, comment="", number=1)
        talk.emit("accept", "S", latency=talk.latency)
        return talk.trace

    return build


def two_versions(heard: bytes) -> Case:
    """The server said "250 STARTTLS"; the client heard something."""

    def build() -> Trace:
        talk = Talk(Trace(strict=True))
        talk.connect()
        facts = {"what": "reply", "secret": (), "secure": False, "ref": "", "why": ""}
        for at, octets in (("S", b"250 STARTTLS\r\n"), ("C", heard)):
            talk.emit("line", at, speaker="S", offset=0, octets=octets, **facts)
        return talk.trace

    return build


def injected(behind: bytes) -> Case:
    def build() -> Trace:
        talk = Talk(Trace(strict=True))
        talk.connect()
        for row in (*GREET, "S: 250-mx\n250 STARTTLS"):
            act(talk, row)
        talk.say("C", "STARTTLS", wire=b"STARTTLS\r\n" + behind)
        talk.say("S", "220 ready")
        talk.burst("C", b"\x16\x03\x01\0\0")
        talk.tls()
        return talk.trace

    return build


def handshake(version: str, cipher: str) -> Case:
    facts = {"side": "C", "version": version, "cipher": cipher, "server_name": ""}
    return spoken_and("tls", **facts)


def unreachable(code: str) -> Case:
    return event("unreachable", reason="No route to host", by="fw", code=code)


def answer(rcode: str, kind: str = "A", answers: tuple[str, ...] = ()) -> Case:
    facts = {"answers": answers, "server": "192.0.2.53", "transport": "udp"}
    asked = {"question": "mx.example", "type": kind, "rcode": rcode, "cached": False}
    return outside("dns", **asked, **facts)


def datagram(kind: str = "datagram", latency: int = 5, **facts: Any) -> Case:
    ends = {"src": ("192.0.2.1", 53), "dst": ("192.0.2.53", 53)}
    to = {"to_host": "ns2"} if kind == "datagram" else {}
    return outside(kind, **ends, data=b"?", latency=latency, **to, **facts)


def mail(kind: str, **facts: Any) -> Case:
    return outside(kind, message="<m@x>", queue_id="Q1", **facts)


def offering(*words: str) -> tuple[str, ...]:
    rows = "\n".join(f"250-{word}" for word in words)
    return (*GREET, f"S: 250-mx.example\n{rows}\n250 HELP")


TALK = said(*SENT)
NETWORK: dict[str, tuple[Case, Case]] = {
    "no-answer": (timed_out, refused),
    "refused": (refused, timed_out),
    "prohibited": (unreachable("prohibited"), unreachable("host")),
    "unreachable": (unreachable("host"), unreachable("prohibited")),
    "syn-again": (connected_late, timed_out),
    "sent-again": (burst_again, TALK),
    "reset": (said(*MAIL, "--- RESET"), said(*MAIL, *QUIT, "--- RESET")),
    "cut": (spoken_and("cut", to_client=5, to_server=5), TALK),
    "gap": (
        spoken_and("gap", side="S", offset=9, size=1460),
        event("gap", side="S", offset=9, size=1460),
    ),
    "one-sided": (one_sided(both=False), one_sided(both=True)),
    "slow-reply": (
        said(*GREET, "@ 6", "S: 250 mx", *QUIT),
        said(*GREET, "@ 1", "S: 250 mx", "@ 600", "C: QUIT", "S: 221 bye"),
    ),
    "tarpit": (tarpit("tarpit"), tarpit("reject")),
}
TLS: dict[str, tuple[Case, Case]] = {
    "password-in-clear": (
        said(*EHLO, "C: AUTH PLAIN AGFubgBhcHBsZQ==", "S: 235 welcome", *QUIT),
        said(*EHLO, "C: AUTH SCRAM-SHA-256 biws", "S: 334 cj0=", *QUIT),
    ),
    "starttls-unused": (
        said(*offering("STARTTLS"), "C: MAIL FROM:<a@b>", "S: 250 ok", *QUIT),
        said(*offering("SIZE 1000"), "C: MAIL FROM:<a@b>", "S: 250 ok", *QUIT),
    ),
    "starttls-refused": (
        said(*offering("STARTTLS"), "C: STARTTLS", "S: 454 4.7.0 not now", *QUIT),
        said(*offering("STARTTLS"), "C: STARTTLS", "S: 220 go", "--- TLS", *QUIT),
    ),
    "starttls-stripped": (
        said(*offering("XXXXXXXA"), *QUIT),
        said(*offering("XCLIENT"), *QUIT),
    ),
    "changed-on-the-way": (
        two_versions(b"250 XXXXXXXA\r\n"),
        two_versions(b"250 STARTTLS\r\n"),
    ),
    "starttls-injection": (injected(b"RSET\r\n"), injected(b"")),
    "old-tls": (handshake("TLSv1.1", "AES"), handshake("TLSv1.2", "AES")),
    "weak-cipher": (
        handshake("TLSv1.2", "ECDHE-RSA-RC4-SHA"),
        handshake("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
    ),
    "tls-failed": (
        spoken_and("tls_failed", side="C", reason="certificate has expired"),
        handshake("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ),
}
LINES: dict[str, tuple[Case, Case]] = {
    "bare-line-end": (
        lambda: with_line("Hello\nthere"),
        lambda: with_line("Hello there"),
    ),
    "long-command": (
        said(*EHLO, f"C: NOOP {'x' * 600}", "S: 250 ok", *QUIT),
        said(*EHLO, f"C: MAIL FROM:<{'x' * 600}@b>", "S: 250 ok", *QUIT),
    ),
    "long-line": (
        said(*DATA, f"D: {'x' * 999}\n.", "S: 250 ok", *QUIT),
        said(*DATA, f"D: {'x' * 998}\n.", "S: 250 ok", *QUIT),
    ),
    "eight-bit": (
        said(*DATA, "D: Grüße\n.", "S: 250 ok", *QUIT),
        said(
            *EHLO,
            "C: MAIL FROM:<a@b> BODY=8BITMIME",
            "S: 250 ok",
            "C: DATA",
            "S: 354 go on",
            "D: Grüße\n.",
            "S: 250 ok",
            *QUIT,
        ),
    ),
    "utf8-address": (
        said(*EHLO, "C: MAIL FROM:<jürg@b.example>", "S: 553 no", *QUIT),
        said(*EHLO, "C: MAIL FROM:<jürg@b.example> SMTPUTF8", "S: 250 ok", *QUIT),
    ),
    "pipelining": (
        said(*offering("SIZE 9"), "C: MAIL FROM:<a@b>", "C+ RCPT TO:<c@d>", *QUIT),
        said(*EHLO, "C: MAIL FROM:<a@b>", "C+ RCPT TO:<c@d>", *QUIT),
    ),
    "content-unasked": (
        said(*MAIL, "C: DATA", "D: Hello\n.", "S: 354 go on\n250 ok", *QUIT),
        TALK,
    ),
    "early-talker": (said("C: EHLO pc.example", "S: 220 mx", *QUIT), TALK),
    "cut-short": (
        said(*DATA, "D: Subject: x\n\nHel", "--- RESET"),
        said(*DATA, "D: Subject: x\n\nHello\n.", "--- RESET"),
    ),
}
REPLIES: dict[str, tuple[Case, Case]] = {
    "greylisted": (
        said(*EHLO, "C: RCPT TO:<b@c>", "S: 450 4.7.1 Greylisted, come again", *QUIT),
        said(*EHLO, "C: RCPT TO:<b@c>", "S: 450 4.2.1 Mailbox busy", *QUIT),
    ),
    "server-closes": (said(*EHLO, "S: 421 4.4.2 Too slow"), TALK),
    "too-big": (
        said(*EHLO, "C: MAIL FROM:<a@b> SIZE=99", "S: 552 5.3.4 Too big", *QUIT),
        said(*EHLO, "C: RCPT TO:<a@b>", "S: 552 5.2.2 Mailbox full", *QUIT),
    ),
    "size-ignored": (
        said(*offering("SIZE 98"), "C: MAIL FROM:<a@b> SIZE=99", *QUIT),
        said(*offering("SIZE 99"), "C: MAIL FROM:<a@b> SIZE=99", *QUIT),
    ),
    "mailbox-full": (
        said(*EHLO, "C: RCPT TO:<a@b>", "S: 452 4.2.2 Over quota", *QUIT),
        said(*EHLO, "C: RCPT TO:<a@b>", "S: 452 4.5.3 Too many recipients", *QUIT),
    ),
    "no-relay": (
        said(*EHLO, "C: RCPT TO:<a@b>", "S: 550 5.7.1 Relaying denied", *QUIT),
        said(*EHLO, "C: RCPT TO:<a@b>", "S: 550 5.7.1 Spam", *QUIT),
    ),
    "unknown-recipient": (
        said(*EHLO, "C: RCPT TO:<a@b>", "S: 550 5.1.1 Who?", *QUIT),
        said(*EHLO, "C: RCPT TO:<a@b>", "S: 550 5.1.8 Bad sender", *QUIT),
    ),
    "login-failed": (
        said(*EHLO, "C: AUTH PLAIN AA==", "S: 535 5.7.8 No", *QUIT),
        said(*EHLO, "C: AUTH PLAIN AA==", "S: 235 2.7.0 Yes", *QUIT),
    ),
    "out-of-order": (
        said(*EHLO, "C: DATA", "S: 503 5.5.1 MAIL first", *QUIT),
        said(*EHLO, "C: DATA", "S: 554 5.5.1 No valid recipients", *QUIT),
    ),
    "no-farewell": (said(*MAIL), said(*MAIL, "--- OPEN")),
    "greeting-name": (
        said(GREET[0], "C: EHLO localhost", "S: 250 mx", *QUIT),
        said(GREET[0], "C: EHLO [192.0.2.7]", "S: 250 mx", *QUIT),
    ),
}
WAITS = {"recipient": "b@example.com", "reason": "nobody answered"}
NAMES: dict[str, tuple[Case, Case]] = {
    "dns-failure": (answer("SERVFAIL"), answer("NXDOMAIN")),
    "dns-timeout": (answer("timeout"), answer("SERVFAIL")),
    "no-such-name": (answer("NXDOMAIN"), answer("NODATA")),
    "null-mx": (
        answer("NOERROR", "MX", ("0 .",)),
        answer("NOERROR", "MX", ("0 mx.example.",)),
    ),
    "datagram-lost": (datagram(latency=-1), datagram()),
    "no-name-server": (datagram("port_unreachable"), datagram()),
    "datagram-prohibited": (
        datagram("prohibited", points=(), router="192.0.2.9"),
        datagram(),
    ),
    "mail-waits": (mail("deferred", **WAITS, next_try=60), mail("bounced", **WAITS)),
    "mail-returned": (
        mail("bounced", **WAITS),
        mail("deferred", **WAITS, next_try=60),
    ),
    "banned": (
        outside("ban", address="192.0.2.66", until=60, reason="guesses passwords"),
        TALK,
    ),
}
CASES = NETWORK | TLS | LINES | REPLIES | NAMES


def with_line(text: str) -> Trace:
    """A message with just this line."""
    talk = Talk(Trace(strict=True))
    talk.connect()
    for row in DATA:
        act(talk, row)
    talk.say("C", text, what="content")
    return talk.trace
