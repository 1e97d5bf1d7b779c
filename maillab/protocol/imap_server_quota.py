"""QUOTA: how much a user has, and may have (RFC 9208).

Goes in: the usage of all mailboxes together. Comes out: QUOTA and QUOTAROOT responses.

Rule: there is one quota root, "", for all mailboxes of a user; or none, without limit.
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import Steps, command
from maillab.protocol.imap_server_events import AskUsage, Usage
from maillab.wire import imap
from maillab.wire.imap import Scanner, Status, no, ok

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

UNIT = 1024  # octets: "in units of 1024 octets" (RFC 9208 §5.1)
NO_ROOT = no("No such quota root", "NONEXISTENT")


@command("GETQUOTA", rfc="RFC 9208 §4.1.1")
def getquota(server: "IMAPServer", words: Scanner) -> Steps:
    """Tell the usage and the limit of a quota root."""
    words.space()
    root = words.astring()
    words.end()
    usage: Usage = yield AskUsage()
    if root or not usage.limit:
        raise Refused(NO_ROOT)
    _say_usage(server, usage)
    return ok("That is all")


@command("GETQUOTAROOT", rfc="RFC 9208 §4.1.2")
def getquotaroot(server: "IMAPServer", words: Scanner) -> Steps:
    """Tell which quota roots a mailbox has.

    "The mailbox parameter doesn't have to reference an existing mailbox."
    """
    words.space()
    name = words.mailbox()
    words.end()
    usage: Usage = yield AskUsage()
    roots = b' ""' if usage.limit else b""
    server.untagged(b"QUOTAROOT %b%b" % (imap.mailbox(name, server.utf8), roots))
    if usage.limit:
        _say_usage(server, usage)
    return ok("That is all")


@command("SETQUOTA", rfc="RFC 9208 §4.1.3")
def setquota(_server: "IMAPServer", words: Scanner) -> Status:
    """Refuse: QUOTASET is not offered."""
    words.rest()
    return no("Quotas are for the administrator to set", "NOPERM")


def _say_usage(server: "IMAPServer", usage: Usage) -> None:
    used, limit = -(-usage.used // UNIT), usage.limit // UNIT
    server.untagged(b'QUOTA "" (STORAGE %d %d)' % (used, limit))
