"""What one SMTP server offers and allows.

Goes in: options. Comes out: what EHLO says, and which limits hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from maillab.errors import LabError
from maillab.protocol.smtp_phrases import Phrase
from maillab.wire.lines import LineBuffer
from maillab.wire.sasl import WITH_NONCE, ServerSide, no_nonce
from maillab.wire.smtp_content import (
    ContentReader,
    LooseContentReader,
    Smuggling,
    has_bare_cr_or_lf,
    has_long_line,
)

BareLF = Literal["refuse", "keep"]

EXTENSIONS = ("PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES")
ALL_EXTENSIONS = (
    *EXTENSIONS,
    "DSN",
    "SMTPUTF8",
    "CHUNKING",
    "BINARYMIME",
    "LIMITS",
    "HELP",
)
# There are more, for those who want them: they need an agent that does something.
MORE_EXTENSIONS = (
    "EXPN",
    "REQUIRETLS",
    "DELIVERBY",
    "FUTURERELEASE",
    "MT-PRIORITY",
    "ETRN",
    "XCLIENT",
)


@dataclass(frozen=True, slots=True)
class SMTPServerOptions:
    """Fixed for a session; each port of a server may have its own.

    max_size         octets of content (RFC 1870); 0 for no limit
    max_session_size octets of all messages of a session; 0 for no limit
    max_messages     MAIL commands in a session (RFC 9422 §4.1); 0 for no limit
    max_recipients   of one message (RFC 9422 §4.2); 0 for no limit
    max_bad_commands before the server hangs up; 0 for no limit
    max_domains      of the recipients of one message (RFC 9422 §4.3); 0 for no limit
    extensions       what EHLO announces, in this order; nothing else works
    mechanisms       of AUTH; () when it is not offered
    auth_needs_tls   AUTH is neither offered nor taken in plain text (RFC 4954 §4)
    require_auth     MAIL only after AUTH (RFC 6409 §4.3)
    require_tls      hardly anything before STARTTLS (RFC 3207 §4)
    lmtp             LHLO, and a reply for each recipient (RFC 2033)
    bare_lf          what becomes of content with a bare CR or LF
    smuggling        "vulnerable": other things than CRLF.CRLF end mail data too
    phrases          replies that are said in another way
    nonce            unpredictable text for CRAM-MD5 and SCRAM, another one each time
    sasl_key         secret: makes salts for users that do not exist
    sasl_iterations  of those salts
    max_hold         seconds of FUTURERELEASE (RFC 4865)
    min_deliver_by   seconds of DELIVERBY (RFC 2852)
    proxy            the first line is PROXY, with the address of the real client
    absent           why extensions are not there, for the trace
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
    smuggling: Smuggling = "strict"
    max_session_size: int = 0
    max_messages: int = 0
    max_domains: int = 0
    lmtp: bool = False
    vrfy: bool = True
    phrases: Mapping[str, Phrase] = field(default_factory=dict[str, Phrase])
    nonce: Callable[[], str] = no_nonce
    sasl_key: bytes = field(default=b"", repr=False)
    sasl_iterations: int = 4096
    max_hold: int = 604_800
    min_deliver_by: int = 0
    proxy: bool = False
    absent: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Raises LabError: a mechanism needs more than there is."""
        needy = sorted(WITH_NONCE.intersection(self.mechanisms))
        if needy and self.nonce is no_nonce:
            raise LabError(
                f"{' and '.join(needy)} need a nonce: SMTPServerOptions(nonce=…)"
            )

    @property
    def enhanced_codes(self) -> bool:
        """Do replies have codes of RFC 2034?"""
        return "ENHANCEDSTATUSCODES" in self.extensions

    @property
    def sasl_side(self) -> ServerSide:
        """What SASL mechanisms need."""
        return ServerSide(
            self.hostname, self.nonce, self.sasl_key, self.sasl_iterations
        )

    def has(self, extension: str) -> bool:
        """Is this extension in use?"""
        if extension == "AUTH":
            return bool(self.mechanisms)
        return extension in self.extensions

    def keywords(self) -> tuple[str, ...]:
        """All extensions in use."""
        return (*self.extensions, "AUTH") if self.mechanisms else self.extensions

    def offered(self, tls_active: bool) -> list[str]:
        """The lines of the answer to EHLO (RFC 5321 §4.1.1.1)."""
        lines = [self._line(word) for word in self.extensions]
        if not tls_active:  # RFC 8689 §2: REQUIRETLS is offered within TLS only
            lines = [line for line in lines if line != "REQUIRETLS"]
        if self.starttls and not tls_active:
            lines.append("STARTTLS")  # RFC 3207 §4.2: not again inside TLS
        if self.mechanisms and (tls_active or not self.auth_needs_tls):
            lines.append(f"AUTH {' '.join(self.mechanisms)}")
        return lines

    def _line(self, word: str) -> str:
        match word:
            case "SIZE":  # "0" says: no fixed maximum (RFC 1870 §4)
                return f"SIZE {self.max_size}"
            case "LIMITS":  # RFC 9422 §3
                return f"LIMITS {self._limits()}"
            case "DELIVERBY" if self.min_deliver_by:  # RFC 2852 §3
                return f"DELIVERBY {self.min_deliver_by}"
            case (
                "FUTURERELEASE"
            ):  # RFC 4865 §3; no date is too late before the year 9999
                return f"FUTURERELEASE {self.max_hold} 9999-12-31T23:59:59Z"
            case "XCLIENT":
                return "XCLIENT NAME ADDR PORT PROTO HELO LOGIN"
            case _:
                return word

    def _limits(self) -> str:
        limits = {
            "MAILMAX": self.max_messages,
            "RCPTMAX": self.max_recipients,
            "RCPTDOMAINMAX": self.max_domains,
        }
        return " ".join(f"{name}={value}" for name, value in limits.items() if value)

    def content_reader(self, lines: LineBuffer) -> ContentReader:
        """What reads mail data."""
        if self.smuggling == "vulnerable":
            return LooseContentReader(lines, self.max_size)
        return ContentReader(lines, self.max_size)

    def find_fault(self, content: bytes, *, binary: bool) -> str:
        """The phrase that says why this content cannot be taken; "" when it can."""
        if 0 < self.max_size < len(content):
            return "too-big"  # RFC 1870 §6.3
        if not binary and has_long_line(content):
            return "text-line-too-long"
        strict = self.bare_lf == "refuse" and self.smuggling == "strict"
        if strict and not binary and has_bare_cr_or_lf(content):
            return "bare-cr-or-lf"
        return ""
