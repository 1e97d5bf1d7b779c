"""Exercise 7.2 of notebook 07: three protocols, each with TLS in both ways."""

import base64
from collections.abc import Iterator

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence
from maillab.trace.session import Session

PLACES = ("laptop", "cafe-router/outside", "mail")
# What TLS begins with at a port: a command in clear, or the first octet.
WAYS = {
    ("SMTP", 587): "STARTTLS, RFC 3207 §4",
    ("SMTP", 465): "TLS from the first octet, RFC 8314 §3.3",
    ("POP3", 110): "STLS, RFC 2595 §4",
    ("POP3", 995): "TLS from the first octet, RFC 8314 §3.1",
    ("IMAP", 143): "STARTTLS, RFC 9051 §6.2.1",
    ("IMAP", 993): "TLS from the first octet, RFC 8314 §3.2",
}


def begin_7_2(lab: Lab) -> Task:
    password = "-".join(lab.words("7.2", 3))
    lab.world.user("alice").set_password(password)
    return Task(
        "7.2",
        "Log in six times, and let nobody read it",
        host="laptop",
        server=lab.names.server,
        user=lab.world.user("alice").address,
        password=password,
    )


def check_7_2(lab: Lab) -> Evidence:
    task = lab.task("7.2")
    sessions = [s for protocol in ("SMTP", "POP3", "IMAP") for s in mine(lab, protocol)]
    demand_secrecy(lab, task, sessions)
    found: dict[tuple[str, int], str] = {}
    for session in sessions:
        if session.tls is not None and logged_in(session, task.user):
            found[session.protocol, session.port] = session.tls.version
    for way, how in WAYS.items():
        if way not in found:
            raise missing(sessions, way, how)
    ways = [
        f"{protocol} {port} {version}" for (protocol, port), version in found.items()
    ]
    return {"ways": sorted(ways), "user": task.user}


def mine(lab: Lab, protocol: str) -> list[Session]:
    return [s for s in lab.sessions("7.2", protocol) if s.client == "laptop"]


def logged_in(session: Session, user: str) -> bool:
    local_part = user.partition("@")[0]
    names = [str(e["user"]) for e in session.all("auth") if e["ok"]]
    return any(name in (user, local_part) for name in names)


def missing(sessions: list[Session], way: tuple[str, int], how: str) -> Failed:
    protocol, port = way
    there = [s for s in sessions if s.port == port]
    found, event = "no session there", None
    perhaps = "six sessions from task.host: one is missing"
    if there:
        event = there[-1].events[0]
        found = f"a session {'without a login' if there[-1].tls else 'without TLS'}"
        perhaps = slip(there[-1])
    what, see = how.split(", ")
    return Failed(
        f"a login by {protocol} at port {port}: {what}",
        found,
        see,
        perhaps,
        event=event,
        at="laptop",
    )


def slip(session: Session) -> str:
    """What a beginner does not think of."""
    if session.tls is not None:
        return "behind the handshake the login is still to come, as task.user"
    if session.port in (465, 993, 995):
        return "at 465, 993 and 995 the handshake comes before the greeting"
    return "the server must agree to the command before start_tls()"


# Octets -------------------------------------------------------------------------------


def demand_secrecy(lab: Lab, task: Task, sessions: list[Session]) -> None:
    """The secret is in no octet that was captured anywhere on the way."""
    ids = {session.id for session in sessions}
    for place in PLACES if ids else ():
        where = lab.names.server if place == "mail" else place
        capture = lab.world.trace.capture(where)
        for session in capture.sessions:
            if session.id in ids and leaks(session, task.user, task.password):
                raise Failed(
                    "no password in any captured octet",
                    f"that of {task.user} at {where}, by {session.protocol} at port "
                    f"{session.port}",
                    "RFC 8314 §3",
                    "the login came before the handshake; base64 hides nothing; "
                    "lab.begin gives you a new start",
                    event=session.events[0],
                    at=where,
                )


def leaks(session: Session, user: str, password: str) -> bool:
    both = octets(session)
    return any(form in both for form in forms(user, password))


def octets(session: Session) -> bytes:
    """What one could read at that place: segments as they passed."""
    found = [bytes(e["data"]) for e in session.all("bytes")]
    return b"".join(found)


def forms(user: str, password: str) -> Iterator[bytes]:
    """The password as it is, and in the base64 of the mechanisms."""
    yield password.encode()
    for name in (user, user.partition("@")[0]):
        yield base64.b64encode(f"\0{name}\0{password}".encode())
        yield base64.b64encode(f"{name}\0{name}\0{password}".encode())
    yield base64.b64encode(password.encode())


EXERCISES = (
    Exercise("7.2", 4, "six logins, and nobody could read one", begin_7_2, check_7_2),
)
