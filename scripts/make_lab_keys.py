"""Make the two RSA keys that every lab world uses. Run once; the result is committed.

They are public on purpose: the same keys give the same sizes at every run. That is why
certificates of the lab CA are constrained to names and addresses that no real host has.
"""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

FOLDER = Path(__file__).parents[1] / "maillab" / "net" / "keys"


def main() -> None:
    """Write ca.pem and server.pem."""
    for name in ("ca", "server"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (FOLDER / f"{name}.pem").write_bytes(pem)


if __name__ == "__main__":
    main()
