"""`python -m maillab.dns NAME TYPE`: ask a small zone, without a network.

Shows the response of an authoritative server as dig would.
"""

import sys

import dns.message

from maillab.dns.server import AuthoritativeServer
from maillab.dns.zones import Zone

ZONE = """
$ORIGIN alpha.example.
$TTL 3600
@     SOA  ns hostmaster 1 7200 3600 1209600 300
      NS   ns
      MX   10 mail
ns    A    192.0.2.53
mail  A    192.0.2.25
"""


def main(name: str = "alpha.example", rdtype: str = "MX") -> None:
    """Ask one question."""
    server = AuthoritativeServer([Zone.from_text(ZONE, "alpha.example")])
    query = dns.message.make_query(name, rdtype, id=1)
    response = server.answer(query.to_wire(), by_udp=True)
    print(dns.message.from_wire(response) if response else "no answer")


if __name__ == "__main__":
    main(*sys.argv[1:])
