"""DNS lists of bad addresses (RFC 5782).

Goes in: a client's address, a zone, what the DNS said. Comes out: the name to ask for,
and a verdict.

Rule 1: the name is the address backwards: octets, or the nibbles of IPv6, and the zone
        (RFC 5782 §2.1 and §2.4).
Rule 2: only A records in 127.0.0.0/8 say "listed" (RFC 5782 §2.1); a parked zone that
        answers every question with another address lists nobody. A TXT record is the
        reason.
Rule 3: a list that does not answer lists nobody: mail goes on.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network

from maillab.policy import reply_names
from maillab.policy.networks import client_address
from maillab.policy.verdict import Verdict

LISTED = IPv4Network("127.0.0.0/8")
# deviation: large lists answer so when they refuse to answer, which is no listing.
REFUSED = ip_network("127.255.255.0/24")


def query_name(client: str, zone: str) -> str:
    """The name to ask for, "" when the client has no address.

    >>> query_name("192.0.2.99", "bl.example")
    '99.2.0.192.bl.example'
    """
    address = client_address(client)
    if address is None:
        return ""
    reverse = address.reverse_pointer
    for end in (".in-addr.arpa", ".ip6.arpa"):
        reverse = reverse.removesuffix(end)
    return f"{reverse}.{zone.strip('.')}"


def is_listing(record: str) -> bool:
    """An A record that says "listed".

    >>> is_listing("127.0.0.2"), is_listing("203.0.113.7")
    (True, False)
    """
    address = client_address(record)
    return address is not None and address in LISTED and address not in REFUSED


def judge_listing(
    client: str, zone: str, at: int, answer: tuple[Sequence[str], Sequence[str]]
) -> Verdict:
    """What the zone `defence.dnsbl[at]` says; `answer`: its A and its TXT records."""
    addresses, texts = answer
    listed = [record for record in addresses if is_listing(record)]
    setting = f"defence.dnsbl.{at}"
    if not listed:
        reason = f"{client} is not on the list {zone}"
        return Verdict("accept", reason, "", "RFC 5782 §2.1", "", "DNSBL", setting)
    reason = f"{client} is on the list {zone} ({', '.join(listed)})"
    why = " ".join(text.strip('"') for text in texts)
    reason += f": {why}" if why else ""
    name = reply_names.DNSBL_LISTED
    return Verdict("reject", reason, "5.7.1", "RFC 5782 §2.1", name, "DNSBL", setting)
