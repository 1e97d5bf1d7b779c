"""The certificate of `maillab serve`: from files that are given, or made in its folder.

Goes in: names, and perhaps files. Comes out: an SSL context for all ports.

    ca.pem              for clients to trust
    tls/ca-key.pem      the authority's key
    tls/server.pem      the server's key and certificate

Rule 1: the keys of the lab's authority are public (`net.ca`); a server that strangers
        can reach gets keys of its own, and only its owner may read them.
Rule 2: what is wrong with a file is said at the start, not at the first handshake. A
        context that is in use is changed only when the new files are right.
"""

import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from maillab.errors import LabError
from maillab.net.ca import LOOPBACK, common_name, usage

AUTHORITY = "maillab serve: its own CA"
LONG = timedelta(days=3650)
SHORT = timedelta(days=397)  # more is refused by some clients
SOON = timedelta(days=30)  # before the end a new one is made


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of one server."""

    key: Any
    certificate: x509.Certificate


def context_of(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """A server's context. Raises LabError that names the file."""
    for file in filter(None, (certificate, key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise LabError(
                f"{file}: cannot be read: {error.strerror}; expected a PEM file that "
                "the server may read: see tls.certificate and tls.key in maillab.toml"
            ) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996 §4, RFC 8314 §4.1
    load_files(context, certificate, key)
    return context


def load_files(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Let a context use these files, from the next handshake on. Raises LabError."""
    try:
        context.load_cert_chain(certificate, key, password=no_password)
    except (OSError, ValueError) as error:
        raise LabError(bad_files(certificate, key, error)) from None


def no_password() -> str:
    """Nobody is there who could type it."""
    raise ValueError("the key has a password: write it without one")


def bad_files(certificate: Path, key: Path | None, error: Exception) -> str:
    """What is wrong with the files of a certificate."""
    both = f"{certificate}" + (f" and {key}" if key else "")
    reason = getattr(error, "reason", "") or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"{both}: the key does not belong to the first certificate"
    if isinstance(error, ssl.SSLError):
        return (
            f"{both}: no certificate with its key; expected PEM: "
            f"-----BEGIN CERTIFICATE----- and -----BEGIN PRIVATE KEY-----"
        )
    return f"{both}: {error}"


# An authority in the folder -----------------------------------------------------------


def own_files(folder: Path, names: Sequence[str]) -> Path:
    """The server's key and certificate in this folder; they are made when missing."""
    keys = folder / "tls"
    keys.mkdir(mode=0o700, exist_ok=True)
    server = keys / "server.pem"
    if not fits(server, names):
        authority = own_authority(folder / "ca.pem", keys / "ca-key.pem")
        write_private(server, signed_for(names, authority))
    return server


def fits(file: Path, names: Sequence[str]) -> bool:
    """There is a certificate for these names, and it will not end soon."""
    try:
        found = x509.load_pem_x509_certificate(file.read_bytes())
        kind = x509.SubjectAlternativeName
        there = found.extensions.get_extension_for_class(kind).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    known = set(there.get_values_for_type(x509.DNSName))
    lasts = found.not_valid_after_utc > datetime.now(UTC) + SOON
    return known.issuperset(names) and lasts


def own_authority(certificate: Path, key: Path) -> Authority:
    """The authority of this folder. Raises LabError."""
    if certificate.exists() and key.exists():
        try:
            return Authority(
                serialization.load_pem_private_key(key.read_bytes(), None),
                x509.load_pem_x509_certificate(certificate.read_bytes()),
            )
        except (OSError, ValueError) as error:
            raise LabError(
                f"{certificate} and {key} are damaged ({error}): delete both, and "
                f"clients must trust the new ca.pem"
            ) from None
    made = new_authority()
    write_private(key, key_pem(made.key))
    certificate.write_bytes(made.certificate.public_bytes(serialization.Encoding.PEM))
    certificate.chmod(0o644)  # for clients to trust
    return made


def new_authority() -> Authority:
    """One that nobody knows yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = common_name(AUTHORITY)
    limits = x509.BasicConstraints(ca=True, path_length=0)
    builder = (
        unsigned(name, name, key.public_key(), LONG)
        .add_extension(limits, critical=True)
        .add_extension(usage(sign_certificates=True), critical=True)
    )
    return Authority(key, builder.sign(key, hashes.SHA256()))


def signed_for(names: Sequence[str], authority: Authority) -> bytes:
    """A new key with its certificate, valid on loopback too."""
    key = ec.generate_private_key(ec.SECP256R1())
    dns = [x509.DNSName(name) for name in dict.fromkeys([*names, "localhost"])]
    loopback = [x509.IPAddress(ipaddress.ip_address(one)) for one in LOOPBACK[1:]]
    signer = authority.key.public_key()
    issuer = authority.certificate.subject
    extensions: list[tuple[Any, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([*dns, *loopback]), False),
        (usage(sign_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), False),
    ]
    builder = unsigned(common_name(names[0]), issuer, key.public_key(), SHORT)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    made = builder.sign(authority.key, hashes.SHA256())
    return key_pem(key) + made.public_bytes(serialization.Encoding.PEM)


def unsigned(
    subject: x509.Name, issuer: x509.Name, public: Any, lasts: timedelta
) -> x509.CertificateBuilder:
    """What all certificates share."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lasts)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(public), critical=False
        )
    )


def key_pem(key: Any) -> bytes:
    """A private key as a file has it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_private(file: Path, octets: bytes) -> None:
    """Only the owner may read it; never half of it."""
    partial = file.with_name(file.name + ".part")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(octets)
    partial.replace(file)
