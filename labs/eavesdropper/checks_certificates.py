"""Exercise 7.4 of notebook 07: an authority of one's own, names, and 91 days."""

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence
from maillab.trace.session import Session

HOST, PORT = "laptop", 993
# What a client says of a certificate -> what we call it, and where it stands.
KINDS = {
    "unable to get local issuer certificate": ("unknown authority", "RFC 5280 §6.1"),
    "Hostname mismatch": ("wrong name", "RFC 9525 §6"),
    "certificate has expired": ("expired", "RFC 5280 §4.1.2.5"),
}
DAY = 86_400_000_000_000  # nanoseconds


def begin_7_4(lab: Lab) -> Task:
    (word,) = lab.words("7.4", 1)
    lab.world.distrust(HOST)
    lab.world.issue_certificate(lab.names.server, lab.names.server, days=3650)
    return Task(
        "7.4",
        "An authority of your own",
        authority=f"The {word} authority",
        server=lab.names.server,
        names=[lab.names.server, f"imap.{lab.names.domain}"],
        host=HOST,
    )


def check_7_4(lab: Lab) -> Evidence:
    task = lab.task("7.4")
    sessions = [s for s in lab.sessions("7.4", "IMAP") if is_mine(s)]
    handshakes = [found for s in sessions if (found := outcome(s))]
    if not handshakes:
        raise Failed(
            f"handshakes of {HOST} with port {PORT} of {task.server}",
            "none",
            "RFC 8314 §3.2",
            "world.console(task.host, task.server, 993), then start_tls()",
        )
    demand_kinds([kind for kind, _ in handshakes])
    demand_last(lab, task, handshakes)
    shown = lab.world.certificate(task.server)
    return {
        "seen": sorted({kind for kind, _ in handshakes}),
        "signed by": shown.issuer,
        "names": sorted(set(task.names) & set(shown.names)),
    }


def is_mine(session: Session) -> bool:
    return session.client == HOST and session.port == PORT


def outcome(session: Session) -> tuple[str, int] | None:
    """What became of the handshake, seen by the client; and when."""
    for event in session.all("tls_failed", "tls"):
        if event["side"] != "C":
            continue
        if event.kind == "tls":
            return "right", event.time_ns
        reason = str(event["reason"])
        kind = next((name for words, (name, _) in KINDS.items() if words in reason), "")
        return kind or reason, event.time_ns
    return None


def demand_kinds(kinds: list[str]) -> None:
    hints = {
        "unknown authority": "look once before world.trust(task.host, …)",
        "wrong name": "a certificate for another name, or a console to another name",
        "expired": "world.advance('91 days') after a certificate for 90",
    }
    for name, see in KINDS.values():
        if name not in kinds:
            raise Failed(
                f"a handshake that fails because of: {name}",
                ", ".join(dict.fromkeys(kinds)),
                see,
                hints[name],
            )


def demand_last(lab: Lab, task: Task, handshakes: list[tuple[str, int]]) -> None:
    """In the end all is well: our authority, both names, a date that holds."""
    shown = lab.world.certificate(task.server)
    if handshakes[-1][0] != "right":
        raise Failed(
            "a last handshake that goes well",
            handshakes[-1][0],
            "RFC 8314 §5.3",
            "renew the certificate, and connect once more",
        )
    if shown.issuer != task.authority:
        raise Failed(
            f"a certificate signed by {task.authority!r}",
            f"by {shown.issuer!r}",
            "RFC 5280 §4.1.2.4",
            "issue_certificate(…, by=your authority): without it the lab's own signs",
        )
    if not set(task.names) <= set(shown.names):
        raise Failed(
            f"the names {', '.join(task.names)}",
            ", ".join(shown.names),
            "RFC 5280 §4.2.1.6",
            "each name by which somebody connects must stand in it",
        )
    expired = [time for kind, time in handshakes if kind == "expired"]
    if shown.days_left > 365 or expired[-1] - handshakes[0][1] < 2 * DAY:
        raise Failed(
            "a certificate for 90 days, and a jump over its end",
            f"one for {shown.days_left} more days",
            "RFC 5280 §4.1.2.5",
            "a short life limits the damage of a stolen key: days=90, and renew it",
        )


EXERCISES = (
    Exercise(
        *("7.4", 4, "an authority of one's own, the right names, renewed in time"),
        begin_7_4,
        check_7_4,
    ),
)
