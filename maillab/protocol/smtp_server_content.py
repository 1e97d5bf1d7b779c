"""How content comes: DATA (RFC 5321 §4.1.1.4) and BDAT (RFC 3030 §2).

Goes in: the commands. Comes out: what follows them; `smtp_server_session` reads it.
"""

import re
from typing import TYPE_CHECKING

from maillab.protocol.smtp_server_commands import State, command
from maillab.protocol.smtp_transaction import Chunk
from maillab.wire.smtp import Reply

if TYPE_CHECKING:
    from maillab.protocol.smtp_server import SMTPServer

CHUNK_SIZE = re.compile(r"([0-9]{1,20})(?: |$)")
CHUNK_ARGUMENT = re.compile(r"[0-9]{1,20}(?: +LAST)?", re.IGNORECASE)


@command("DATA", rfc="RFC 5321 §4.1.1.4")
def data(server: "SMTPServer", _argument: str) -> Reply:
    """Ask for the content, up to the final dot."""
    _check_recipients(server, "DATA")
    if server.transaction.body == "BINARYMIME":  # RFC 3030 §3
        server.reject("binary-needs-bdat")
    server.begin_content()
    return server.phrases.reply("data")


@command("BDAT", rfc="RFC 3030 §2")
def bdat(server: "SMTPServer", argument: str) -> None:
    """Take `size` octets of the content. The reply comes behind them."""
    chunk = announced_chunk(argument)
    assert chunk is not None, "`begin_bdat` has looked at it"
    _check_recipients(server, "BDAT")
    transaction = server.transaction
    if transaction.failed:
        server.reject("bdat-failed")
    if CHUNK_ARGUMENT.fullmatch(argument) is None:
        server.reject("syntax", detail="BDAT <size> [LAST]")
    size = len(transaction.content) + chunk.size
    if 0 < server.options.max_size < size:
        transaction.failed = True
        server.reject("too-big", limit=server.options.max_size)


def announced_chunk(argument: str) -> Chunk | None:
    """What follows `BDAT argument`; None when nobody can tell.

    >>> chunk = announced_chunk("10 last")
    >>> chunk.size, chunk.last
    (10, True)
    >>> announced_chunk("LAST")
    """
    match = CHUNK_SIZE.match(argument)
    if match is None:
        return None
    return Chunk(int(match[1]), argument.upper().endswith(" LAST"))


def _check_recipients(server: "SMTPServer", verb: str) -> None:
    if server.state is not State.MAIL:
        return
    # RFC 5321 §3.3, RFC 2920 §3.2
    if server.options.lmtp:  # RFC 2033 §4.2
        server.reject("lmtp-no-recipients")
    tried = server.transaction.tried_recipient
    server.reject("no-valid-recipients" if tried else "need-rcpt", verb=verb)
