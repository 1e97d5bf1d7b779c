"""What one SMTP server offers and allows.

Goes in: options, and what a command says. Comes out: what was asked for, or
`Refused` with the reply.
"""

from dataclasses import dataclass
from typing import Literal

from maillab.errors import Refused
from maillab.protocol import smtp_server_replies as replies
from maillab.wire.smtp import Parameters, Reply, declared_size, parse_parameters
from maillab.wire.smtp_content import ContentReader, has_bare_cr_or_lf, has_long_line
from maillab.wire.smtp_path import Address, checked_client_name, parse_path

BareLF = Literal["refuse", "keep"]

EXTENSIONS = ("PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES")
PARAMETER_OF = {"SIZE": "SIZE", "8BITMIME": "BODY"}  # what extensions add to MAIL


@dataclass(frozen=True, slots=True)
class SMTPServerOptions:
    """Fixed for a session; each port of a server may have its own.

    max_size        octets of content (RFC 1870); 0 for no limit
    mechanisms      of AUTH; () when it is not offered
    auth_needs_tls  AUTH is neither offered nor taken in plain text (RFC 4954 §4)
    require_auth    MAIL only after AUTH (RFC 6409 §4.3)
    require_tls     hardly anything before STARTTLS (RFC 3207 §4)
    bare_lf         what becomes of content with a bare CR or LF
    """

    hostname: str
    max_size: int = 10_485_760
    max_recipients: int = 100  # RFC 5321 §4.5.3.1.8: at least 100
    max_bad_commands: int = 10
    extensions: tuple[str, ...] = EXTENSIONS
    starttls: bool = False
    mechanisms: tuple[str, ...] = ()
    auth_needs_tls: bool = True
    require_auth: bool = False
    require_tls: bool = False
    bare_lf: BareLF = "refuse"

    @property
    def enhanced_codes(self) -> bool:
        """Do replies have codes of RFC 2034?"""
        return "ENHANCEDSTATUSCODES" in self.extensions

    def offered(self, tls_active: bool) -> list[str]:
        """The lines of the answer to EHLO (RFC 5321 §4.1.1.1)."""
        size = f"SIZE {self.max_size}"  # "0" says: no fixed maximum (RFC 1870 §4)
        lines = [size if word == "SIZE" else word for word in self.extensions]
        if self.starttls and not tls_active:
            lines.append("STARTTLS")  # RFC 3207 §4.2: not again inside TLS
        if self.mechanisms and (tls_active or not self.auth_needs_tls):
            lines.append(f"AUTH {' '.join(self.mechanisms)}")
        return lines


def client_name(argument: str) -> str:
    """Read the argument of EHLO or HELO."""
    try:
        return checked_client_name(argument)
    except ValueError as error:
        raise Refused(Reply(501, "5.5.4", str(error))) from error


def path_after(keyword: str, text: str, code: str) -> tuple[Address, Parameters]:
    """Read `FROM:<path> parameters`; `code` is the enhanced code of a bad path."""
    if text[: len(keyword)].upper() != keyword:
        raise Refused(Reply(501, "5.5.4", f"Syntax: {keyword}<address>"))
    try:
        # deviation: spaces after the colon are not in RFC 5321 §4.1.1.2, but common.
        path, rest = parse_path(text[len(keyword) :].lstrip(" "))
    except ValueError as error:
        raise Refused(Reply(501, code, str(error))) from error
    return path, parse_parameters(rest)


def check_mail(options: SMTPServerOptions, parameters: Parameters) -> None:
    """Check the parameters of MAIL."""
    known = {PARAMETER_OF.get(word, "") for word in options.extensions}
    if options.mechanisms:
        known.add("AUTH")  # RFC 4954 §5
    if unknown := parameters.keys() - known:
        raise Refused(replies.unknown_parameters(unknown))
    if 0 < options.max_size < declared_size(parameters):  # RFC 1870 §6.1
        raise Refused(replies.TOO_BIG)
    body = parameters.get("BODY", "7BIT") or ""
    if body.upper() not in ("7BIT", "8BITMIME"):  # RFC 6152 §2
        raise Refused(Reply(501, "5.5.4", "Syntax: BODY=7BIT or BODY=8BITMIME"))
    if parameters.get("AUTH", "<>") is None:
        raise Refused(Reply(501, "5.5.4", "Syntax: AUTH=<address or <>>"))


def check_auth(options: SMTPServerOptions, name: str, tls_active: bool) -> None:
    """Check that this mechanism may be used now."""
    if not options.mechanisms:
        raise Refused(replies.not_implemented("AUTH"))
    if options.auth_needs_tls and not tls_active:
        raise Refused(replies.TLS_REQUIRED_FOR_AUTH)
    if not name:
        raise Refused(Reply(501, "5.5.4", "Syntax: AUTH <mechanism> [response]"))
    if name not in options.mechanisms:
        raise Refused(Reply(504, "5.5.4", "Mechanism not offered"))


def fault_of(reader: ContentReader, options: SMTPServerOptions) -> Reply | None:
    """Why this content cannot be taken, whoever sent it."""
    content = b"" if reader.too_big else reader.content
    if reader.too_big or 0 < options.max_size < len(content):
        return replies.TOO_BIG  # RFC 1870 §6.3
    if has_long_line(content):
        return replies.TEXT_LINE_TOO_LONG
    if options.bare_lf == "refuse" and has_bare_cr_or_lf(content):
        return replies.BARE_CR_OR_LF
    return None
