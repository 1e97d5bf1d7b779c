"""How a POP3 session begins: passwords and proofs (RFC 1939 §7), SASL (RFC 5034), TLS.

Goes in: the arguments of commands. Comes out: replies, `Login`, `FindSecret`.
"""

import re
from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.engine import Question
from maillab.protocol.pop3_server_commands import State, command
from maillab.protocol.pop3_server_events import FindSecret, Login, ProveLogin
from maillab.protocol.sasl_exchange import Outcome, SaslExchange
from maillab.wire.pop3 import Reply, challenge, listing
from maillab.wire.sasl import Credentials
from maillab.wire.sasl_prep import prepared

if TYPE_CHECKING:
    from maillab.protocol.pop3_server import POP3Server

TLS_REQUIRED = Reply(False, "No passwords in plain text: use STLS")
DIGEST = re.compile(r"[0-9a-f]{32}")


@command("USER", rfc="RFC 1939 §7")
def user(server: "POP3Server", argument: str) -> Reply:
    """Say who it is."""
    check_tls(server)
    if not argument:
        raise Refused(Reply(False, "Syntax: USER <name>"))
    server.named = as_prepared(argument)
    return Reply(True, "Now the password")  # said to strangers too (RFC 1939 §13)


@command("PASS", rfc="RFC 1939 §7")
def password(server: "POP3Server", argument: str) -> Question:
    """Say the password."""
    check_tls(server)
    if not server.named:
        raise Refused(Reply(False, "Need USER before PASS"))
    return Login("USER/PASS", Credentials("", server.named, as_prepared(argument)))


@command("APOP", rfc="RFC 1939 §7")
def apop(server: "POP3Server", argument: str) -> Question:
    """Prove to know the password: MD5 over the greeting's timestamp and it."""
    check_tls(server)
    if not server.options.timestamp:
        raise Refused(Reply(False, "No APOP here"))
    name, _, digest = argument.rpartition(" ")
    # "sent in hexadecimal format, using lower-case ASCII characters"
    if not name or not DIGEST.fullmatch(digest):
        raise Refused(Reply(False, "Syntax: APOP <name> <digest>"))
    return ProveLogin(as_prepared(name), digest, server.options.timestamp)


@command("AUTH", rfc="RFC 5034 §4")
def auth(server: "POP3Server", argument: str) -> Reply | Question:
    """Begin a SASL exchange; without an argument: list the mechanisms.

    The list is older than CAPA (RFC 2449 §6.3), and old clients ask for it.
    """
    check_tls(server)
    name, _, initial = argument.partition(" ")
    if not name:
        mechanisms = listing(list(server.options.mechanisms))
        return Reply(True, "Mechanisms follow", body=mechanisms)
    if name.upper() not in server.options.mechanisms:
        raise Refused(Reply(False, "Mechanism not offered"))
    server.exchange = SaslExchange(name, server.options.sasl_side)
    server.state = State.SASL
    given = initial.strip().encode() or None
    try:
        return told(server, server.exchange.begin(given))
    except ValueError as error:
        raise Refused(Reply(False, str(error))) from error


def told(server: "POP3Server", outcome: Outcome) -> Reply | Question:
    """What a mechanism wants next, in words of POP3."""
    match outcome:
        case bytes():
            return challenge(outcome)
        case FindSecret():
            return outcome
        case Credentials():
            server.state = State.AUTHORIZATION
            assert server.exchange is not None, "it has just spoken"
            return Login(server.exchange.name, outcome)


@command("STLS", rfc="RFC 2595 §4")
def stls(server: "POP3Server", _argument: str) -> Reply:
    """Agree on TLS."""
    if server.tls_active or not server.options.starttls:
        active = "TLS is active already" if server.tls_active else "No TLS here"
        raise Refused(Reply(False, active))
    if server.utf8:  # clients "MUST NOT issue" it then (RFC 6856 §2.1)
        raise Refused(Reply(False, "STLS comes before UTF8"))
    server.state = State.TLS
    return Reply(True, "Begin TLS negotiation")


def check_tls(server: "POP3Server") -> None:
    """May anybody log in now? Raises Refused.

    APOP and CRAM-MD5 too: what they hide, a dictionary finds (RFC 8314 §3).
    """
    if server.options.login_needs_tls and not server.tls_active:
        raise Refused(TLS_REQUIRED)


def as_prepared(text: str) -> str:
    """A name or password in UTF-8, normalized (RFC 6856 §2.2). Raises Refused."""
    try:
        return prepared(text)
    except ValueError:
        raise Refused(Reply(False, "This text cannot be prepared")) from None
