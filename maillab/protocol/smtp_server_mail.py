"""The commands of RFC 5321 but DATA, in its order.

Goes in: what a client said behind the verb. Comes out: a reply, or a question for the
agent; `Refused` for what the protocol does not allow.
"""

from typing import TYPE_CHECKING

from maillab.protocol.engine import Question
from maillab.protocol.smtp_server_commands import SYNTAX, State, command
from maillab.protocol.smtp_server_events import (
    Expand,
    Hello,
    MailFrom,
    RcptTo,
    Verify,
)
from maillab.wire.smtp import Reply
from maillab.wire.smtp_path import checked_client_name, source_route

if TYPE_CHECKING:
    from maillab.protocol.smtp_server import SMTPServer


@command("EHLO", rfc="RFC 5321 §4.1.1.1")
def ehlo(server: "SMTPServer", argument: str) -> Question:
    """Introduce oneself, and ask what is offered."""
    return _hello(server, argument, extended=True)


@command("HELO", rfc="RFC 5321 §4.1.1.1")
def helo(server: "SMTPServer", argument: str) -> Question:
    """Introduce oneself, as in 1982."""
    return _hello(server, argument, extended=False)


@command("MAIL", rfc="RFC 5321 §4.1.1.2")
def mail(server: "SMTPServer", argument: str) -> Question:
    """Begin a mail transaction."""
    if server.options.require_auth and not server.user:
        server.reject("login-required")
    server.count_message()
    path, parameters = server.parameters.read_mail(argument)
    if "REQUIRETLS" in parameters and not server.tls_active:  # RFC 8689 §3
        server.reject("requiretls-impossible")
    server.check_session_size(int(parameters.get("SIZE") or 0))
    return MailFrom(path, parameters)


@command("RCPT", rfc="RFC 5321 §4.1.1.3")
def rcpt(server: "SMTPServer", argument: str) -> Question:
    """Name one recipient."""
    transaction, options = server.transaction, server.options
    path, parameters = server.parameters.read_rcpt(
        argument, international=transaction.is_international
    )
    if 0 < options.max_recipients <= len(transaction.forward_paths):
        server.reject("too-many-recipients", limit=options.max_recipients)
    if options.max_domains:  # RFC 9422 §4.3
        domains = {*transaction.domains(), path.domain.lower()}
        if options.max_domains < len(domains):
            server.reject("too-many-domains", limit=options.max_domains)
    route = source_route(argument.partition(":")[2].strip())
    return RcptTo(path, parameters, route)


@command("RSET", rfc="RFC 5321 §4.1.1.5")
def rset(server: "SMTPServer", _argument: str) -> Reply:
    """Forget the transaction."""
    if server.state is not State.CONNECTED:
        server.reset()
    return server.phrases.reply("rset")


@command("VRFY", rfc="RFC 5321 §4.1.1.6")
def vrfy(server: "SMTPServer", argument: str) -> Question:
    """Ask who a user is."""
    if not server.options.vrfy:
        server.reject_absent("VRFY")
    return Verify(*_named(server, argument, "VRFY <user or address>"))


@command("EXPN", rfc="RFC 5321 §4.1.1.7")
def expn(server: "SMTPServer", argument: str) -> Question:
    """Ask who is on a list."""
    return Expand(*_named(server, argument, "EXPN <list>"))


@command("HELP", rfc="RFC 5321 §4.1.1.8")
def help_(server: "SMTPServer", argument: str) -> Reply:
    """Tell what there is, or how one command is written."""
    known = server.verbs()
    verb = argument.upper()
    if verb in known:
        rfc = command.rfc_of[verb].partition(" §")[0]
        return server.phrases.reply("help-verb", syntax=SYNTAX[verb], rfc=rfc)
    if argument:
        server.reject("help-unknown", detail=argument)
    return server.phrases.reply("help", commands=" ".join(known))


@command("NOOP", rfc="RFC 5321 §4.1.1.9")
def noop(server: "SMTPServer", _argument: str) -> Reply:
    """Do nothing."""
    return server.phrases.reply("noop")


@command("QUIT", rfc="RFC 5321 §4.1.1.10")
def quit_(server: "SMTPServer", _argument: str) -> Reply:
    """Say goodbye."""
    server.state = State.CLOSED
    return server.phrases.reply("quit")


@command("LHLO", rfc="RFC 2033 §4.1")
def lhlo(server: "SMTPServer", argument: str) -> Question:
    """EHLO of LMTP."""
    return _hello(server, argument, extended=True)


def _hello(server: "SMTPServer", argument: str, *, extended: bool) -> Question:
    try:
        return Hello(checked_client_name(argument), extended)
    except ValueError as error:
        server.reject("bad-client-name", detail=error)


def _named(server: "SMTPServer", argument: str, syntax: str) -> tuple[str, bool]:
    """What VRFY or EXPN is about, and whether SMTPUTF8 follows (RFC 6531 §3.7.4.2)."""
    text, utf8 = argument, False
    if server.options.has("SMTPUTF8") and argument.upper().endswith(" SMTPUTF8"):
        text, utf8 = argument[: -len(" SMTPUTF8")].rstrip(" "), True
    if not text:
        server.reject("syntax", detail=syntax)
    if not text.isascii() and not utf8:
        server.reject("non-ascii-address", address=text)
    return text, utf8
