"""The lab's certificate authority: certificates that are the same at every run.

Goes in: the names of a host. Comes out: an SSL context for its servers, or one for
clients that trusts the lab and nobody else.

Rule 1: contexts are made when first asked for; a world without TLS pays nothing.
Rule 2: the CA's key is public, so the CA is constrained (RFC 5280 §4.2.1.10) to names
        that RFC 2606 and RFC 6761 reserve: trusting it by mistake endangers no real
        site.
Rule 3: dates are compared with the clock of the world (RFC 5280 §6.1.3 (a)(2)), not
        with that of this computer, by which OpenSSL goes.
"""

import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

KEYS = Path(__file__).with_name("keys")
CA_NAME = "maillab CA (for lessons only)"
RESERVED_NAMES = (
    "example",
    "test",
    "invalid",
    "localhost",
    "example.com",
    "example.net",
    "example.org",
    "home.arpa",
)
RESERVED_NETWORKS = ("0.0.0.0/0", "::/0")  # addresses in a world are anybody's
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL; Python's ssl has no name for it.
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class DatedConnection(ssl.SSLObject):
    """A client's side of TLS for which certificates end when the world says so.

    deviation: a client that refuses a date hangs up; the alert `certificate_expired`
    (RFC 8446 §6.2) is OpenSSL's to send, and OpenSSL was told not to look.
    """

    def do_handshake(self) -> None:
        """Shake hands. Raises SSLCertVerificationError for a date that is not right."""
        super().do_handshake()
        clock = getattr(self.context, "clock", None)
        found = self.getpeercert() if clock else None
        if clock is not None and found:
            check_dates(found, clock())


def check_dates(certificate: Mapping[str, Any], now: datetime) -> None:
    """Raise SSLCertVerificationError when a certificate is not valid at `now`."""
    wrong = ""
    if now.timestamp() > ssl.cert_time_to_seconds(certificate["notAfter"]):
        wrong = "certificate has expired"
    if now.timestamp() < ssl.cert_time_to_seconds(certificate["notBefore"]):
        wrong = "certificate is not yet valid"
    if wrong:
        error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {wrong}")
        error.verify_message = wrong
        raise error


class LazyContext(ssl.SSLContext):
    """A context that is filled when the first handshake needs it.

    clock   of the world, when dates are to be compared with it
    """

    sslobject_class = DatedConnection
    clock: Callable[[], datetime] | None = None

    fill: Callable[["LazyContext"], None] | None = None

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a handshake."""
        fill, self.fill = self.fill, None
        if fill is not None:
            fill(self)
        return super().wrap_bio(*args, **options)


class ServerContext(LazyContext):
    """A server's context that gives away the keys of its sessions, for captures."""

    keys_read = 0

    def take_keys(self) -> list[str]:
        """NSS key log lines since the last call."""
        with Path(self.keylog_filename or "").open("rb") as file:
            file.seek(self.keys_read)
            new = file.read()
        self.keys_read += len(new)
        lines = new.decode("ascii").splitlines()
        return [line for line in lines if line and not line.startswith("#")]


class LabCA:
    """Signs for every host of one world."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self.clock = clock
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._servers: dict[tuple[str, ...], ServerContext] = {}
        self._shown: dict[tuple[str, ...], bytes] = {}  # installed later
        self._clients: dict[str, LazyContext] = {}  # host -> what it trusts
        self._unverified: ssl.SSLContext | None = None

    @property
    def pem(self) -> bytes:
        """The CA's own certificate, for clients (`curl --cacert`)."""
        return ca_certificate_pem()

    def server_context(self, *names: str) -> ServerContext:
        """The context of a server with these names; valid on real loopback too."""
        if names not in self._servers:
            context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
            context.num_tickets = 0
            context.options |= ssl.OP_NO_TICKET
            context.fill = lambda unfilled: self._fill_server(unfilled, names)
            self._servers[names] = context
        return self._servers[names]

    def client_context(self, host: str = "") -> ssl.SSLContext:
        """A context that checks names and dates, and trusts the lab's own CA.

        Programs on `host` trust the authorities, too, that somebody added there.
        """
        known = host if host in self._clients else ""
        if known not in self._clients:
            self._clients[known] = self._new_client()
        return self._clients[known]

    def trust(self, host: str, authority: bytes) -> None:
        """Let programs on a host trust one more authority (PEM)."""
        if host not in self._clients:
            self._clients[host] = self._new_client()
        self._clients[host].load_verify_locations(cadata=authority.decode())

    def distrust(self, host: str) -> None:
        """Let programs on a host trust the lab's own CA only, as at first."""
        self._clients.pop(host, None)

    def install(self, names: tuple[str, ...], chain: bytes) -> None:
        """Let the server of `names` show another certificate from now on (PEM)."""
        context = self.server_context(*names)
        context.fill = lambda unfilled: self._load(unfilled, names, chain)
        self._shown[names] = chain

    def shown(self, names: tuple[str, ...]) -> bytes | None:
        """The certificate that was installed there, None for that of the beginning."""
        return self._shown.get(names)

    def _new_client(self) -> LazyContext:
        context = LazyContext(ssl.PROTOCOL_TLS_CLIENT)
        context.fill = self._fill_client
        if self.clock is not None:
            context.clock = self.clock
            context.verify_flags |= NO_CHECK_TIME
        return context

    def opportunistic_context(self) -> ssl.SSLContext:
        """A context for TLS that asks nobody who he is (RFC 7435)."""
        if self._unverified is None:
            self._unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._unverified.check_hostname = False
            self._unverified.verify_mode = ssl.CERT_NONE
        return self._unverified

    def close(self) -> None:
        """Remove the temporary files."""
        if self._folder is not None:
            self._folder.cleanup()

    def _fill_server(self, context: ssl.SSLContext, names: tuple[str, ...]) -> None:
        self._load(context, names, certificate_pem(names))

    def _load(
        self, context: ssl.SSLContext, names: tuple[str, ...], pem: bytes
    ) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="maillab-")
        path = Path(self._folder.name) / names[0]
        chain = path.with_suffix(".pem")  # load_cert_chain wants a file
        chain.write_bytes((KEYS / "server.pem").read_bytes() + pem)
        context.load_cert_chain(chain)
        context.keylog_filename = str(path.with_suffix(".keys"))

    def _fill_client(self, context: ssl.SSLContext) -> None:
        context.load_verify_locations(cadata=self.pem.decode())


@cache
def ca_certificate_pem(called: str = CA_NAME) -> bytes:
    """The certificate that a CA signed for itself.

    Authorities of other names are for lessons on trust. They share the one public key.
    """
    from cryptography import x509

    key = load_key("ca")
    name = common_name(called)
    names = [x509.DNSName(text) for text in RESERVED_NAMES]
    addresses = [x509.IPAddress(network(text)) for text in RESERVED_NETWORKS]
    builder = (
        unsigned(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints([*names, *addresses], None), critical=True)
        .add_extension(usage(sign_certificates=True), critical=True)
    )
    return signed(builder, key)


@dataclass(frozen=True, slots=True)
class Terms:
    """By whom a certificate is signed, and for how long."""

    authority: str = CA_NAME
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    ends: datetime = datetime(2049, 12, 31, tzinfo=UTC)


@cache
def certificate_pem(names: tuple[str, ...], terms: Terms = Terms()) -> bytes:
    """A certificate for a host, signed by a CA; the first of `names` is the CN."""
    import ipaddress

    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    ca_key = load_key("ca")
    issuer = x509.load_pem_x509_certificate(ca_certificate_pem(terms.authority))
    dns = [x509.DNSName(text) for text in (*names, "localhost")]
    loopback = [x509.IPAddress(ipaddress.ip_address(text)) for text in LOOPBACK[1:]]
    builder = (
        unsigned(common_name(names[0]), issuer.subject, load_key("server"), terms)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([*dns, *loopback]), critical=False)
        .add_extension(usage(sign_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
    )
    return signed(builder, ca_key)


@cache
def load_key(name: str) -> Any:
    """One of the shipped RSA keys. Whether they are primes was looked at when shipped.

    OpenSSL would look again at each start, for longer than all else that TLS costs.
    """
    from cryptography.hazmat.primitives import serialization

    pem = (KEYS / f"{name}.pem").read_bytes()
    return serialization.load_pem_private_key(
        pem, password=None, unsafe_skip_rsa_key_validation=True
    )


def common_name(text: str) -> "x509.Name":
    """A distinguished name with CN only."""
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text[:64])])


def network(text: str) -> Any:
    """An IP network."""
    import ipaddress

    return ipaddress.ip_network(text)


def unsigned(
    subject: Any, issuer: Any, key: Any, terms: Terms | None = None
) -> "x509.CertificateBuilder":
    """What all our certificates share: dates, a serial number from the name."""
    terms = terms or Terms()
    from cryptography import x509

    digest = sha256(subject.rfc4514_string().encode()).digest()
    serial = int.from_bytes(digest[:8], "big") >> 1
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(terms.begins)
        .not_valid_after(terms.ends)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(public), critical=False
        )
    )


def usage(*, sign_certificates: bool) -> "x509.KeyUsage":
    """What a key may do (RFC 5280 §4.2.1.3)."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=not sign_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def signed(builder: "x509.CertificateBuilder", key: Any) -> bytes:
    """Sign with RSA PKCS #1 v1.5, whose signatures are the same at every run."""
    from cryptography.hazmat.primitives import hashes, serialization

    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)
