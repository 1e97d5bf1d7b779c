"""A site that has IPv6 only: names, mail and reading."""

import shutil

import pytest

from maillab import open_world
from maillab.world.files import find_scenario

# What becomes of the site beta: no IPv4 address is left in it.
HOSTS = {
    '"198.51.100.1"': '["198.51.100.1", "2001:db8::1"]',
    '"198.51.100.2"': '["198.51.100.2", "2001:db8::2"]',
    '"192.0.2.25"': '["192.0.2.25", "2001:db8:a::25"]',
    '"203.0.113.53"': '["203.0.113.53", "2001:db8:b::53"]',
    '"203.0.113.25"': '"2001:db8:b::25"',
    '"203.0.113.101"': '"2001:db8:b::101"',
}
RECORDS = {
    "root.zone": "a.nic.example. AAAA 2001:db8::2\n",
    "example.zone": "ns.beta AAAA 2001:db8:b::53\na.nic AAAA 2001:db8::2\n",
}


@pytest.fixture
def world(tmp_path):
    lab = find_scenario("two-domains").parent
    shutil.copytree(lab, tmp_path / "six")
    file = tmp_path / "six" / "world.toml"
    text = file.read_text()
    for old, new in HOSTS.items():
        text = text.replace(old, new)
    file.write_text(text)
    zones = tmp_path / "six" / "zones"
    for name, records in RECORDS.items():
        with (zones / name).open("a") as zone:
            zone.write(records)
    beta = zones / "beta.example.zone"
    old = "mx       A     203.0.113.25"
    assert old in beta.read_text()
    beta.write_text(beta.read_text().replace(old, "mx  AAAA  2001:db8:b::25"))
    with open_world(file) as opened:
        yield opened


def test_a_letter_reaches_a_site_that_has_ipv6_only(world):
    world.send("alice", "bob@beta.example", "Six", "Long addresses.")
    assert len(world.read("bob", "IMAP")) == 1
    assert len(world.read("bob", "POP3")) == 1
    relay = world.trace.session(port=25)
    assert relay.server_address[0] == "2001:db8:b::25"
    assert b"([IPv6:2001:db8:a::25])" in world.mailbox("bob").messages[0].content


def test_a_resolver_never_asks_a_server_that_it_cannot_reach(world):
    world.dig("alpha.example", "MX", host="bob-pc")
    asked = [e for e in world.trace.of_kind("datagram") if e.host == "bob-pc"]
    assert asked
    assert all(":" in event["dst"][0] for event in asked)


def test_udp_needs_an_address_of_the_same_ip_version(world):
    import asyncio

    class Client(asyncio.DatagramProtocol):
        def __init__(self):
            self.error = None

        def error_received(self, exc):
            self.error = exc

    async def ask():
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_datagram_endpoint(
            Client, remote_addr=("2001:db8::1", 53)
        )
        transport.sendto(b"?")
        transport.close()
        return client.error

    error = world.run(ask(), on="alice-pc")
    assert error.strerror == "Network is unreachable"
