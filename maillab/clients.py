"""Python's own smtplib, poplib and imaplib, on a virtual host.

Goes in: a host, and what the class of the standard library takes. Comes out: that
class; in a notebook cell it works as everywhere else.

    from maillab.clients import SMTP

    with SMTP(world.host("alice-pc"), "mail.alpha.example", 587) as client:
        client.starttls()
        client.login("alice@alpha.example", "rabbit-hole")
        client.send_message(letter)

Rule 1: the world runs while a call waits, and stands still between two calls.
Rule 2: a `timeout` counts seconds of the world. Without one a firewall that drops
        ends in TimeoutError after 127 s of the world, as on a real computer.
Rule 3: TLS trusts the world's own authority unless a `context` is given.
"""

# The hooks are those by which the standard library's own subclasses differ.
# pyright: reportIncompatibleMethodOverride=false

import imaplib
import poplib
import smtplib
import ssl
from typing import Any

from maillab.net.blocking import BlockingSocket, TLSOnHost, connect
from maillab.net.host import Host

__all__ = ["IMAP4", "IMAP4_SSL", "LMTP", "POP3", "POP3_SSL", "SMTP", "SMTP_SSL"]


class SMTP(smtplib.SMTP):
    """`smtplib.SMTP` on a virtual host; it calls itself by the name of the host."""

    def __init__(self, on: Host, host: str = "", port: int = 0, **options: Any) -> None:
        self.on = on
        options.setdefault("local_hostname", on.name)
        super().__init__(host, port, **options)

    def _get_socket(self, host: str, port: int, timeout: Any) -> BlockingSocket:
        return connect(self.on, (host, port), timeout)

    def starttls(self, *, context: ssl.SSLContext | None = None) -> Any:
        """Upgrade the connection (RFC 3207)."""
        return super().starttls(context=look_alike(self.on, context))


class LMTP(smtplib.LMTP):
    """`smtplib.LMTP` on a virtual host."""

    def __init__(
        self, on: Host, host: str = "", port: int = smtplib.LMTP_PORT, **options: Any
    ) -> None:
        self.on = on
        options.setdefault("local_hostname", on.name)
        super().__init__(host, port, **options)

    def _get_socket(self, host: str, port: int, timeout: Any) -> BlockingSocket:
        return connect(self.on, (host, port), timeout)

    def starttls(self, *, context: ssl.SSLContext | None = None) -> Any:
        """Upgrade the connection (RFC 3207)."""
        return super().starttls(context=look_alike(self.on, context))


class SMTP_SSL(smtplib.SMTP_SSL):  # noqa: N801  (the standard library's name)
    """`smtplib.SMTP_SSL` on a virtual host: TLS from the first byte (RFC 8314)."""

    def __init__(
        self,
        on: Host,
        host: str = "",
        port: int = 0,
        *,
        context: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        self.on = on
        options.setdefault("local_hostname", on.name)
        self.trust = look_alike(on, context)
        super().__init__(host, port, context=self.trust, **options)

    def _get_socket(self, host: str, port: int, timeout: Any) -> BlockingSocket:
        plain = connect(self.on, (host, port), timeout)
        return self.trust.wrap_socket(plain, server_hostname=host)


class POP3(poplib.POP3):
    """`poplib.POP3` on a virtual host."""

    def __init__(
        self, on: Host, host: str, port: int = poplib.POP3_PORT, **options: Any
    ) -> None:
        self.on = on
        super().__init__(host, port, **options)

    def _create_socket(self, timeout: Any) -> BlockingSocket:
        return connect(self.on, (self.host, self.port), timeout)

    def stls(self, context: ssl.SSLContext | None = None) -> Any:
        """Upgrade the connection (RFC 2595 §4)."""
        return super().stls(context=look_alike(self.on, context))


class POP3_SSL(poplib.POP3_SSL):  # noqa: N801
    """`poplib.POP3_SSL` on a virtual host: TLS from the first byte."""

    def __init__(
        self,
        on: Host,
        host: str,
        port: int = poplib.POP3_SSL_PORT,
        *,
        context: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        self.on = on
        self.trust = look_alike(on, context)
        super().__init__(host, port, context=self.trust, **options)

    def _create_socket(self, timeout: Any) -> BlockingSocket:
        plain = connect(self.on, (self.host, self.port), timeout)
        return self.trust.wrap_socket(plain, server_hostname=self.host)


class IMAP4(imaplib.IMAP4):
    """`imaplib.IMAP4` on a virtual host."""

    def __init__(self, on: Host, host: str, port: int = 143, **options: Any) -> None:
        self.on = on
        super().__init__(host, port, **options)

    def _create_socket(self, timeout: Any) -> BlockingSocket:
        return connect(self.on, (self.host, self.port), timeout)

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Upgrade the connection (RFC 3501 §6.2.1)."""
        return super().starttls(ssl_context=look_alike(self.on, ssl_context))


class IMAP4_SSL(imaplib.IMAP4_SSL):  # noqa: N801
    """`imaplib.IMAP4_SSL` on a virtual host: TLS from the first byte."""

    def __init__(
        self,
        on: Host,
        host: str,
        port: int = 993,
        *,
        ssl_context: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        self.on = on
        self.trust = look_alike(on, ssl_context)
        super().__init__(host, port, ssl_context=self.trust, **options)

    def _create_socket(self, timeout: Any) -> BlockingSocket:
        plain = connect(self.on, (self.host, self.port), timeout)
        return self.trust.wrap_socket(plain, server_hostname=self.host)


def look_alike(on: Host, context: ssl.SSLContext | None) -> Any:
    """What the standard library may take for an `ssl.SSLContext`."""
    return TLSOnHost(on, context)
