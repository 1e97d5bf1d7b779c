"""`python -m maillab.protocol`: talk to the SMTP engine; no network, no clock.

Type SMTP commands; whatever it asks is answered with yes.
"""

import sys
from collections.abc import Iterable

from maillab.protocol.engine import Question
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_events import Connected
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.wire.smtp import Reply


def answer_all(server: SMTPServer) -> str:
    """Let the engine go as far as it can; return what it says."""
    while (event := server.next_event()) is not None:
        if isinstance(event, Connected):
            server.answer(server.phrases.reply("banner"))
        elif isinstance(event, Question):
            server.answer(Reply(250, "2.0.0", f"Yes to {type(event).__name__}"))
    return server.data_to_send().decode("ascii")


def talk(lines: Iterable[str]) -> None:
    """Give the engine one line after the other."""
    server = SMTPServer(SMTPServerOptions("mx.example.org"))
    print(answer_all(server), end="", flush=True)
    for line in lines:
        server.receive(line.rstrip("\r\n").encode() + b"\r\n")
        print(answer_all(server), end="", flush=True)
        if server.closed:
            return


if __name__ == "__main__":
    talk(sys.stdin)
