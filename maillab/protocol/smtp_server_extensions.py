"""Smaller extensions: ETRN (RFC 1985), and XCLIENT and PROXY, which no RFC has.

Goes in: what a client said behind the verb. Comes out: questions for the agent.

Rule: the engine only reads them. What waits in a queue, and who may speak for others,
      the agent knows.
"""

import ipaddress
import re
from typing import TYPE_CHECKING

from maillab.protocol.engine import Question
from maillab.protocol.smtp_server_commands import command
from maillab.protocol.smtp_server_events import Impersonate, StartQueue
from maillab.wire.smtp_parameters import from_xtext
from maillab.wire.smtp_path import checked_domain

if TYPE_CHECKING:
    from maillab.protocol.smtp_server import SMTPServer

# "The PROXY protocol", version 1, as HAProxy documents it: 107 octets with CRLF at most
PROXY_LINE = re.compile(
    rb"PROXY TCP[46] ([0-9A-Fa-f.:]+) [0-9A-Fa-f.:]+ ([0-9]{1,5}) [0-9]{1,5}"
)
XCLIENT_ATTRIBUTES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN")


@command("ETRN", rfc="RFC 1985 §5.2")
def etrn(server: "SMTPServer", argument: str) -> Question:
    """Ask for the mail that waits for a domain."""
    try:
        domain = checked_domain(argument.removeprefix("@"))
    except ValueError:
        server.reject("syntax", detail="ETRN [@]<domain>")
    return StartQueue(domain, subdomains=argument.startswith("@"))


# RFC 5321 §2.2.2 leaves words with X to private agreement; Postfix documents this one.
@command("XCLIENT", rfc="RFC 5321 §2.2.2")
def xclient(server: "SMTPServer", argument: str) -> Question:
    """Speak for another client."""
    attributes: dict[str, str] = {}
    for word in argument.split(" "):
        name, equals, value = word.partition("=")
        try:
            if name.upper() not in XCLIENT_ATTRIBUTES or not equals:
                raise ValueError
            attributes[name.upper()] = from_xtext(value)
        except ValueError:
            server.reject("syntax", detail="XCLIENT <name>=<value> ...")
    return Impersonate(attributes)


def parse_proxy(line: bytes) -> tuple[str, int] | None:
    """The real client's address and port; None: the proxy itself asks.

    Raises ValueError.

    >>> parse_proxy(b"PROXY TCP4 192.0.2.1 192.0.2.25 4000 25")
    ('192.0.2.1', 4000)
    >>> parse_proxy(b"PROXY UNKNOWN")
    """
    if line.startswith(b"PROXY UNKNOWN"):
        return None
    match = PROXY_LINE.fullmatch(line)
    if match is None:
        raise ValueError("no PROXY line")
    return str(ipaddress.ip_address(match[1].decode())), int(match[2])
