"""Is a client's address in one of these networks?

Goes in: an address as text, networks. Comes out: the address as a value, and the place
of the network.

Rule 1: an IPv4 address in an IPv6 coat (::ffff:192.0.2.1) is an IPv4 address
        (RFC 4291 §2.5.5.2).
Rule 2: what is no address is in no network: mail from a folder has no client.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from maillab.policy.settings import Block

ClientAddress = IPv4Address | IPv6Address


def client_address(text: str) -> ClientAddress | None:
    """The address of a client, or None when the text is none.

    >>> client_address("::ffff:192.0.2.1"), client_address("pickup")
    (IPv4Address('192.0.2.1'), None)
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def same_client(address: str) -> str:
    """An address in the one form in which it compares.

    >>> same_client("::ffff:192.0.2.1"), same_client("2001:DB8::0:1")
    ('192.0.2.1', '2001:db8::1')
    """
    found = client_address(address)
    return str(found) if found is not None else address


def find_network(client: str, networks: Sequence[Block]) -> int | None:
    """The place of the first network that holds a client, or None."""
    address = client_address(client)
    if address is None:
        return None
    places = (at for at, block in enumerate(networks) if address in block)
    return next(places, None)
