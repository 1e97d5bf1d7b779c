"""BIND's programs: `dig` and `host` in a live world, `named-checkzone` on its zones."""

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.gateway.entrances import VISITOR
from maillab.gateway.live import Live
from maillab.gateway.netns import Netns
from maillab.world.files import LAB_FOLDERS
from tests.dns_worlds import dns_world, write
from tests.interop.conftest import run
from tests.worlds import Journal

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with dns_world(tmp_path_factory.mktemp("dns")) as world:
        with Live(world) as opened:
            yield opened
        assert Journal(world).failures == []


def dig(live: Live, *words: str, at: str = "resolver", code: int = 0) -> str:
    """What dig says, asking one of the world's servers."""
    port = live.door(at, 53).real_port
    return run("dig", "@127.0.0.1", "-p", str(port), *words, code=code)


# dig and host -------------------------------------------------------------------------


def test_dig_asks_a_resolver(live: Live) -> None:
    text = dig(live, "www.beta.example")
    assert "status: NOERROR" in text
    assert ";; flags: qr rd ra; QUERY: 1, ANSWER: 2" in text
    assert "mx.beta.example.\t3600\tIN\tA\t203.0.113.25" in text


def test_dig_asks_an_authoritative_server(live: Live) -> None:
    text = dig(live, "+norecurse", "beta.example", "MX", at="ns1.beta.example")
    assert ";; flags: qr aa; QUERY: 1, ANSWER: 1" in text
    assert "WARNING" not in text


def test_dig_is_told_what_is_not_there(live: Live) -> None:
    assert "status: NXDOMAIN" in dig(live, "nobody.beta.example")
    assert "status: REFUSED" in dig(live, "beta.example", at="ns.alpha.example")
    text = dig(live, "AXFR", "beta.example", at="ns1.beta.example")
    assert "Transfer failed" in text


def test_dig_takes_a_long_answer_by_tcp(live: Live) -> None:
    text = dig(live, "big.beta.example", "TXT")
    assert "Truncated, retrying in TCP mode" in text
    assert "(TCP)" in text
    assert "(TCP)" in dig(live, "+tcp", "beta.example", "MX")


def test_dig_knows_our_edns(live: Live) -> None:
    assert "EDNS: version: 0, flags:; udp: 1232" in dig(live, "beta.example")
    assert "OPT" not in dig(live, "+noedns", "beta.example")
    assert "status: BADVERS" in dig(live, "+edns=1", "+noednsneg", "beta.example")


def test_dig_asks_for_the_name_of_an_address(live: Live) -> None:
    assert "PTR\tmx.beta.example." in dig(live, "-x", "203.0.113.25")


def test_what_dig_asks_is_in_the_trace(live: Live) -> None:
    dig(live, "far.beta.example")
    asked = [e for e in live.world.trace.of_kind("datagram") if e.host == VISITOR]
    assert asked[-1]["dst"] == ("192.0.2.54", 53)


def test_a_fault_looks_to_dig_as_it_should(live: Live) -> None:
    fault = live.world.dns_fault("ns2.beta.example", kind="truncate")
    text = dig(live, "beta.example", "MX", at="ns2.beta.example")
    assert "Truncated, retrying in TCP mode" in text
    fault.remove()
    fault = live.world.dns_fault("ns2.beta.example", kind="timeout")
    text = dig(live, "+time=1", "+tries=1", "a.", at="ns2.beta.example", code=9)
    assert "no servers could be reached" in text
    fault.remove()


def test_host_reads_all_there_is_for_mail(live: Live) -> None:
    port = str(live.door("resolver", 53).real_port)
    text = run("host", "-p", port, "beta.example", "127.0.0.1")
    assert "beta.example mail is handled by 10 mx.beta.example." in text
    text = run("host", "-p", port, "203.0.113.25", "127.0.0.1")
    assert "domain name pointer mx.beta.example." in text
    text = run("host", "-p", port, "nobody.beta.example", "127.0.0.1", code=1)
    assert "not found: 3(NXDOMAIN)" in text


def test_dig_walks_down_from_the_root_itself(live: Live, tmp_path: Path) -> None:
    """`dig +trace` asks the addresses that the DNS gives, so it needs a namespace."""
    if shutil.which("dig") is None:
        pytest.skip("dig is not installed")
    said = tmp_path / "said"
    try:
        with Netns(live) as netns:
            command = f"dig +trace www.beta.example > {said} 2>&1"
            assert netns.run("sh", "-c", command) == 0, said.read_text()
    except LabError as error:
        pytest.skip(f"no namespace here: {error}")
    lines = [line for line in said.read_text().splitlines() if "Received" in line]
    assert ["ns.root" in lines[1], "ns.registry" in lines[2]] == [True, True]
    assert ".beta.example)" in lines[3]
    assert "203.0.113.25" in said.read_text()


# named-checkzone ----------------------------------------------------------------------


def checkzone(origin: str, file: Path) -> str:
    """BIND's opinion; addresses of other zones are not looked for."""
    return run("named-checkzone", "-i", "local", "-n", "fail", origin, file)


def lab_zones() -> list[tuple[str, Path]]:
    """Every zone of every lab, and of the second worlds that some exercises open."""
    found: list[tuple[str, Path]] = []
    for folder in LAB_FOLDERS:
        for file in sorted(folder.glob("*/*.toml")):
            hosts = tomllib.loads(file.read_text("utf-8"))["hosts"]
            for host in hosts.values():
                zones = host.get("zones", {})
                found += [
                    (origin, file.parent / name) for origin, name in zones.items()
                ]
    return found


@pytest.mark.parametrize(
    ("origin", "file"), lab_zones(), ids=lambda value: str(value).rpartition("labs/")[2]
)
def test_bind_loads_the_zones_of_the_labs(origin: str, file: Path) -> None:
    said = checkzone(origin, file)
    assert said.rstrip().endswith("OK")
    assert len(said.splitlines()) == 2, said  # "loaded serial …", "OK": no warning


def test_every_zone_file_of_a_lab_is_served_by_some_host() -> None:
    files = {file for _, file in lab_zones()}
    lying = {file for labs in LAB_FOLDERS for file in labs.glob("*/zones/*.zone")}
    assert lying == files


def test_bind_loads_a_zone_that_was_edited(live: Live, tmp_path: Path) -> None:
    write(tmp_path)
    with dns_world(tmp_path) as world:
        zone = world.zone("beta.example")
        zone.add("new", "A", "203.0.113.9")
        zone.remove("www", "CNAME")
        world.delegate("new.example", {"ns.new.example": ["192.0.2.1"]})
        for name in ("beta.example", "example", "."):
            file = tmp_path / "edited.zone"
            file.write_text(world.zone(name).text(), "utf-8")
            assert checkzone(name, file).rstrip().endswith("OK")
