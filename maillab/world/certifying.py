"""The certificates of a world: who signed them, for which names, and until when.

Goes in: a mail server, names, a number of days. Comes out: a `Certificate` to look at;
the server shows it from its next handshake on.

Rule: dates are those of the world's clock, for clients of the world. Real programs that
come in by `--live` compare them with their own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from maillab.errors import LabError
from maillab.net.ca import (
    CA_NAME,
    LabCA,
    Terms,
    ca_certificate_pem,
    certificate_pem,
)
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.trace.view import Table, View, plural
from maillab.world.servers import MailServer, certificate_names

LIFETIME = 90  # days, as the authorities of the web have it


@dataclass(frozen=True)
class Authority:
    """Somebody who signs certificates; trusted by whoever was told to.

    pem  its own certificate, which is what one trusts
    """

    name: str

    @property
    def pem(self) -> bytes:
        """Its certificate (RFC 7468 §5)."""
        return ca_certificate_pem(self.name)

    def __repr__(self) -> str:
        return f"<Authority {self.name!r}>"


class Certificate(View):
    """What a server shows in a TLS handshake (RFC 5280 §4.1)."""

    def __init__(self, host: str, pem: bytes, now: datetime) -> None:
        self.host = host
        self.pem = pem
        self.now = now
        self._parsed: Any = parsed(pem)

    @property
    def names(self) -> list[str]:
        """The DNS names for which it holds, in order (RFC 5280 §4.2.1.6)."""
        from cryptography import x509

        found = self._parsed.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        names: list[str] = found.value.get_values_for_type(x509.DNSName)
        return [name for name in names if name != "localhost"]

    @property
    def issuer(self) -> str:
        """The common name of who signed it."""
        return common_name_of(self._parsed.issuer)

    @property
    def begins(self) -> datetime:
        """Not before."""
        return self._parsed.not_valid_before_utc

    @property
    def ends(self) -> datetime:
        """Not after."""
        return self._parsed.not_valid_after_utc

    @property
    def days_left(self) -> int:
        """Whole days from now until it ends; negative when it has ended."""
        return (self.ends - self.now).days

    def describe(self) -> str:
        """One sentence."""
        state = f"ends in {plural(self.days_left, 'day')}"
        if self.days_left < 0:
            state = f"ended {plural(-self.days_left, 'day')} ago"
        return f"The certificate of {self.host}, signed by {self.issuer}, {state}."

    def text(self) -> str:
        """The sentence and the fields."""
        return f"{self.describe()}\n\n{self.table().text()}"

    def table(self) -> Table:
        """A row for each field."""
        rows = [
            ("names", ", ".join(self.names)),
            ("signed by", self.issuer),
            ("not before", str(self.begins)),
            ("not after", str(self.ends)),
            ("now", str(self.now.replace(microsecond=0))),
        ]
        return Table(self.describe(), ("field", "value"), rows)


class Certifying:
    """The part of a `World` that is about certificates."""

    ca: LabCA
    hosts: dict[str, Host]
    network: Network

    def server(self, name: str) -> MailServer:
        """A mail server by its host name, or by a domain it serves. Raises LabError."""
        raise NotImplementedError

    def host(self, name: str | Host) -> Host:
        """A host by its name. Raises LabError."""
        raise NotImplementedError

    def certificate(self, server: str) -> Certificate:
        """The certificate that a mail server shows now. Raises LabError."""
        found = self.server(server)
        names = installed_names(found)
        pem = self.ca.shown(names) or certificate_pem(names)
        return Certificate(found.name, pem, self.network.now())

    def new_authority(self, name: str) -> Authority:
        """An authority of one's own. Nobody trusts it yet: see `trust`."""
        if not name or name == CA_NAME or len(name) > 64:
            raise LabError(
                f"an authority needs a name of its own of 1 to 64 characters, not "
                f"{name!r}; type world.new_authority('Our CA')"
            )
        return Authority(name)

    def issue_certificate(
        self,
        server: str,
        *names: str,
        days: int = LIFETIME,
        by: Authority | None = None,
    ) -> Certificate:
        """Give a mail server a new certificate, valid from now for some days.

        `names` for which it holds: DNS names; none: those that it had. `by`: who signs;
        else the authority that all trust. Raises LabError.
        """
        found = self.server(server)
        if days < 1:
            raise LabError(f"a certificate holds for 1 day or more, not {days}")
        begins = self.network.now().astimezone(UTC).replace(microsecond=0)
        ends = begins + timedelta(days=days)
        terms = Terms(by.name if by else CA_NAME, begins, ends)
        wanted = names or tuple(self.certificate(server).names)
        pem = signed_for(wanted, terms)
        self.ca.install(installed_names(found), pem)
        found.host.emit("note", text=f"certificate for {', '.join(wanted)}: {ends:%F}")
        return self.certificate(server)

    def trust(self, host: str, authority: Authority) -> None:
        """Let the programs on a host trust an authority. Raises LabError."""
        place = self.host(host)
        self.ca.trust(place.name, authority.pem)

    def distrust(self, host: str) -> None:
        """Take back what `trust` did on a host. Raises LabError."""
        self.ca.distrust(self.host(host).name)


def installed_names(server: MailServer) -> tuple[str, ...]:
    """By which the authority knows the server. Raises LabError."""
    if server.tls is None:
        raise LabError(f"{server.name} has no TLS: `tls = false` in its table")
    return tuple(certificate_names(server.name, server.directory))


def signed_for(names: tuple[str, ...], terms: Terms) -> bytes:
    """A certificate. Raises LabError for what is no DNS name."""
    try:
        return certificate_pem(names, terms)
    except (ValueError, TypeError) as error:
        raise LabError(f"no certificate for {', '.join(names)}: {error}") from None


def parsed(pem: bytes) -> Any:
    """The certificate as a value of `cryptography`."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem)


def common_name_of(name: Any) -> str:
    """The CN of a distinguished name."""
    from cryptography.x509.oid import NameOID

    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
