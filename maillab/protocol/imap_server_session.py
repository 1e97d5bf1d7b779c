"""IMAP commands about the session: who is there, and what is spoken (RFC 3501 §6.1).

With ID (RFC 2971), ENABLE (RFC 5161), IDLE (RFC 2177) and COMPRESS (RFC 4978).

Goes in: commands that need no mailbox. Comes out: what this server is and can do.

Rule: an extension is switched on only if it is offered, and told only if it is new.
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import Continue, State, Steps, command
from maillab.protocol.imap_server_events import Refresh
from maillab.wire.imap import BadSyntax, Scanner, Status, ok

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

MAX_ID_FIELDS = 30  # RFC 2971 §3.3
MAX_ENABLE = 50  # words of one command

# What ENABLE knows, and which other extensions each brings with it: "ENABLE QRESYNC" is
# a CONDSTORE enabling command (RFC 7162 §3.2.3).
ENABLES = {
    "CONDSTORE": ("CONDSTORE",),
    "QRESYNC": ("QRESYNC", "CONDSTORE"),
    "UTF8=ACCEPT": ("UTF8=ACCEPT",),
    "IMAP4REV2": ("IMAP4REV2",),
}
_SPELLING = {"IMAP4REV2": "IMAP4rev2"}


@command("CAPABILITY", rfc="RFC 3501 §6.1.1")
def capability(server: "IMAPServer", words: Scanner) -> Status:
    """List what this server can do now."""
    words.end()
    server.untagged(f"CAPABILITY {server.capabilities}".encode())
    return ok("That is all")


@command("NOOP", rfc="RFC 3501 §6.1.2")
def noop(server: "IMAPServer", words: Scanner) -> Steps:
    """Do nothing, but tell the news."""
    words.end()
    if server.state is not State.NOT_AUTHENTICATED:
        yield Refresh()
    return ok("Nothing done")


@command("LOGOUT", rfc="RFC 3501 §6.1.3")
def logout(server: "IMAPServer", words: Scanner) -> Steps:
    """Say goodbye."""
    words.end()
    yield from server.leave_mailbox()
    server.untagged(b"BYE Goodbye")
    server.state = State.LOGOUT
    return ok("Logged out")


@command("ID", rfc="RFC 2971 §3.1")
def identify(server: "IMAPServer", words: Scanner) -> Status:
    """Tell each other the names of the programs."""
    words.space()
    if not words.take(b"NIL"):
        _read_id(words)
    words.end()
    server.untagged(b'ID ("name" "maillab")')
    return ok("Nice to meet you")


@command("ENABLE", rfc="RFC 5161 §3.1")
def enable(server: "IMAPServer", words: Scanner) -> Status:
    """Switch extensions on. "The server MUST ignore" what it does not know."""
    asked: list[str] = []
    while not asked or not words.at_end:
        words.space()
        asked.append(words.keyword())
        if len(asked) > MAX_ENABLE:
            raise BadSyntax("Too many capabilities")
    known = [word for word in asked if word in ENABLES and server.options.offers(word)]
    new = [word for word in dict.fromkeys(known) if word not in server.enabled]
    for word in new:
        server.enable(*ENABLES[word])
    named = (_SPELLING.get(word, word) for word in new)
    server.untagged(" ".join(["ENABLED", *named]).encode())
    return ok("Enabled")


@command("IDLE", rfc="RFC 2177 §3")
def idle(server: "IMAPServer", words: Scanner) -> Steps:
    """Tell the news as they come, until the client says DONE."""
    words.end()
    yield Refresh()
    server.idling = True
    line = yield Continue(b"idling")
    server.idling = False
    if line.upper() != b"DONE":
        raise BadSyntax("Expected DONE")
    return ok("No longer idle")


@command("COMPRESS", rfc="RFC 4978 §3")
def compress(server: "IMAPServer", words: Scanner) -> Status:
    """Compress both directions from here on."""
    words.space()
    if words.keyword() != "DEFLATE":
        raise BadSyntax("The only mechanism here is DEFLATE")
    words.end()
    if server.compressed:
        # "BAD - ... or COMPRESS already active"; NO would be for another layer
        text = "The session is compressed already"
        raise Refused(Status("BAD", text, "COMPRESSIONACTIVE"))
    return ok("Compressed from here on")


def _read_id(words: Scanner) -> None:
    words.expect(b"(")
    count = 0
    while not words.take(b")"):
        if count:
            words.space()
        words.string()
        words.space()
        if not words.take(b"NIL"):
            words.string()
        count += 1
        if count > MAX_ID_FIELDS:
            raise BadSyntax("Too many fields")
