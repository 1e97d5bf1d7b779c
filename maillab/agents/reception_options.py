"""What one SMTP port of a server offers, by the settings of now.

Goes in: settings, which port it is, how the server speaks. Comes out: the options of an
engine, fixed for one session.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from maillab.agents.serving import Security
from maillab.policy.settings import Settings
from maillab.protocol.smtp_phrases import Phrase
from maillab.protocol.smtp_server_limits import ALL_EXTENSIONS, SMTPServerOptions

NONCE_BITS = 96

Role = Literal["relay", "submission", "lmtp"]


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server speaks: replies in its own words, and what EHLO announces."""

    phrases: Mapping[str, Phrase] = field(default_factory=dict[str, Phrase])
    extensions: tuple[str, ...] = ALL_EXTENSIONS


@dataclass(frozen=True, slots=True)
class Entrance:
    """One SMTP port.

    role  "relay": mail from other servers (port 25). "submission": mail from users who
          log in (RFC 6409 §4.3; 587, 465). "lmtp": from the MTA of the house (RFC 2033)
    """

    role: Role = "relay"
    port: int = 25
    security: Security = field(default_factory=Security)
    manners: Manners = field(default_factory=Manners)


class Secrets:
    """What SASL needs to be unpredictable: nonces, and a key for salts of nobody."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator
        self.key = generator.randbytes(32)

    def nonce(self) -> str:
        """Another one each time."""
        return f"{self._random.getrandbits(NONCE_BITS):024x}"


def session_options(
    settings: Settings, hostname: str, entrance: Entrance, secrets: Secrets
) -> SMTPServerOptions:
    """The options of one session."""
    access, limits = settings.access, settings.limits
    hidden = {word.upper() for word in access.hide}
    security = entrance.security
    required = entrance.port in access.tls_required and security.context is not None
    return SMTPServerOptions(
        hostname,
        max_size=limits.message_size,
        max_recipients=limits.recipients,
        max_bad_commands=limits.bad_commands,
        max_session_size=limits.session_size,
        max_messages=limits.messages,
        extensions=_extensions(settings, entrance, hidden),
        starttls=security.offers_upgrade and "STARTTLS" not in hidden,
        mechanisms=_mechanisms(settings, entrance, hidden),
        absent=_absent(settings, entrance, hidden),
        auth_needs_tls=not access.plain_login,
        require_auth=entrance.role == "submission",
        require_tls=required and not security.implicit,
        lmtp=entrance.role == "lmtp",
        vrfy=access.vrfy != "off",
        bare_lf="refuse" if access.smuggling == "strict" else "keep",
        smuggling="vulnerable" if access.smuggling == "vulnerable" else "strict",
        phrases=entrance.manners.phrases,
        nonce=secrets.nonce,
        sasl_key=secrets.key,
    )


def _extensions(
    settings: Settings, entrance: Entrance, hidden: set[str]
) -> tuple[str, ...]:
    words = list(entrance.manners.extensions)
    if settings.access.expn != "off":
        words.append("EXPN")
    return tuple(word for word in words if word not in hidden)


def _absent(settings: Settings, entrance: Entrance, hidden: set[str]) -> dict[str, str]:
    """Why some commands are not there, for the trace."""
    why = {
        "AUTH": "access.login_on_port_25 is off",
        "STARTTLS": "the server has no certificate",
        "EXPN": "access.expn is off",
        "VRFY": "access.vrfy is off",
    }
    if entrance.role == "lmtp":
        why["AUTH"] = "LMTP has no logins here"
    elif entrance.role == "submission" or settings.access.login_on_port_25:
        why["AUTH"] = "access.mechanisms names none"
    return why | dict.fromkeys(hidden, "access.hide names it")


def _mechanisms(
    settings: Settings, entrance: Entrance, hidden: set[str]
) -> tuple[str, ...]:
    wanted = entrance.role == "submission" or settings.access.login_on_port_25
    if entrance.role == "lmtp" or not wanted or "AUTH" in hidden:
        return ()
    return settings.access.mechanisms
