"""Wireshark's own reader is the referee of our captures."""

import random
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from maillab.trace import Session, Trace
from maillab.trace.sample import MS, Talk

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]

CHECKSUMS = [f"-o{name}.check_checksum:TRUE" for name in ("ip", "tcp", "udp")]
DECODING = ["-osmtp.decryption:TRUE"]  # base64 in AUTH
CLIENT, SERVER = "alpha.example", "mx.beta.example"


def tshark(file: Path, *options: str) -> str:
    command = ["tshark", "-n", "-r", str(file), *CHECKSUMS, *DECODING, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


EXPECTED = (  # a FIN is a note and a RST is a warning for tshark; SYNs sent again too
    "the connection closing",
    "Connection reset (RST)",
    "This frame is a (suspected) retransmission",
)


def complaints(file: Path) -> list[str]:
    """Expert flags of the severities note, warning and error that nobody ordered."""
    rows = tshark(file, "-q", "-zexpert,note").splitlines()
    found = [row for row in rows if row[:12].strip().isdecimal()]
    return [row for row in found if not row.endswith(EXPECTED)]


def followed(file: Path, stream: int) -> tuple[bytes, bytes]:
    """What tshark puts together for one TCP stream: octets of client and server."""
    text = tshark(file, "-q", f"-zfollow,tcp,raw,{stream}")
    rows = text.split("Node 1:")[1].splitlines()[1:]
    rows = [row for row in rows if row and not row.startswith("=")]
    client = "".join(row for row in rows if not row.startswith("\t"))
    server = "".join(row[1:] for row in rows if row.startswith("\t"))
    return bytes.fromhex(client), bytes.fromhex(server)


def write(trace: Trace, host: str, folder: Path, link: str = "raw") -> Path:
    file = folder / f"{host}-{link}.pcapng"
    trace.capture(host, link=link).write(file)
    return file


def random_talk(trace: Trace, number: int, rng: random.Random) -> None:
    """A flow with any latency, size, rhythm and end."""
    v6 = rng.random() < 0.4
    talk = Talk(
        trace,
        f"c{number}",
        src=("2001:db8::10" if v6 else "192.0.2.10", 40000 + number),
        dst="2001:db8::25" if v6 else "198.51.100.25",
        port=rng.choice([25, 110, 143, 7777]),
        latency=rng.choice([0, 1, 500_000, 20 * MS, 300 * MS]),
        now=rng.randrange(10**9),
        engines="",
    )
    talk.connect()
    for _ in range(rng.randrange(1, 12)):
        data = rng.randbytes(rng.choice([1, 2, 80, 1448, 1460, 5000, 60000]))
        talk.burst(rng.choice("CS"), data)  # type: ignore[arg-type]
        talk.now += rng.choice([0, 0, 1000, talk.latency, 50 * MS, 3 * 10**9])
    talk.now += rng.choice([0, 2 * talk.latency])
    end(talk, rng)


def end(talk: Talk, rng: random.Random) -> None:
    how = rng.choice(["close", "simultaneous", "half", "reset"])
    if how == "close":
        talk.close(rng.choice("CS"))  # type: ignore[arg-type]
    elif how == "simultaneous":
        talk.fin("C")
        talk.fin("S")
    elif how == "half":
        talk.fin("C")
        talk.now += 2 * talk.latency
        talk.burst("S", rng.randbytes(9000))
        talk.now += 1
        talk.fin("S")
    else:
        talk.now += talk.latency  # nothing is on its way any more
        talk.reset(rng.choice("CS"))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", [CLIENT, SERVER])
@pytest.mark.parametrize("seed", range(6))
def test_random_flows_are_what_the_trace_says(
    seed: int, host: str, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    trace = Trace(strict=True)
    for number in range(1, 6):
        random_talk(trace, number, rng)
    file = write(trace, host, tmp_path, rng.choice(["raw", "ethernet"]))
    assert malformed(file) == ""
    sessions = sorted(trace.sessions, key=lambda s: first_packet(s, host))
    for stream, session in enumerate(sessions):
        client, server = followed(file, stream)
        assert client == session.wire("C"), session
        assert server == session.wire("S"), session
    assert [c for c in complaints(file) if " TCP " in c or "hecksum" in c] == []


def first_packet(session: Session, host: str) -> int:
    latency = 0 if host == CLIENT else session.latency_ns
    return session.began_ns + latency


def malformed(file: Path) -> str:
    bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0"
    return tshark(
        file,
        "-Y",
        f"{bad} || tcp.analysis.out_of_order || "
        "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || "
        "tcp.analysis.window_full || tcp.analysis.duplicate_ack || "
        "tcp.analysis.spurious_retransmission || tcp.analysis.zero_window "
        "|| tcp.analysis.reused_ports",
    )


def test_connections_that_were_not_made(tmp_path: Path) -> None:
    trace = Trace(strict=True)
    Talk(trace, "c1").refuse()
    Talk(trace, "c2", src=("192.0.2.10", 40002)).time_out()
    talk = Talk(trace, "c3", src=("192.0.2.10", 40003))
    talk.syn()
    talk.now += 40 * MS
    router = {"by": "isp", "router": "198.51.100.1", "code": "prohibited"}
    talk.emit("unreachable", "C", reason="a rule rejects", **router)
    file = write(trace, CLIENT, tmp_path)
    assert malformed(file) == ""
    assert complaints(file) == []
    flags = tshark(file, "-Tfields", "-etcp.flags.str", "-Ytcp && !icmp").split()
    assert [f.replace("·", "") for f in flags].count("S") == 9
    assert [f.replace("·", "") for f in flags].count("AR") == 1
    icmp = tshark(file, "-Yicmp", "-Tfields", "-eip.src", "-eicmp.code").split()
    assert icmp == ["198.51.100.1,192.0.2.10", "13"]  # and the quoted packet's


@pytest.mark.parametrize("family", [4, 6])
def test_datagrams_and_the_icmp_answer(family: int, tmp_path: Path) -> None:
    query = bytes.fromhex("1234010000010000000000000561") + b"lpha\x00\0\x01\0\x01"
    ip = (
        ("192.0.2.10", "198.51.100.53")
        if family == 4
        else ("2001:db8::a", "2001:db8::53")
    )
    trace = Trace(strict=True)
    ends = {"src": (ip[0], 5353 + 1000), "dst": (ip[1], 53), "data": query}
    trace.emit("datagram", CLIENT, "", 0, **ends, latency=MS, to_host=SERVER)
    trace.emit("port_unreachable", SERVER, "", MS, **ends, latency=MS)
    for host in (CLIENT, SERVER):
        file = write(trace, host, tmp_path)
        assert malformed(file) == ""
        assert complaints(file) == []
        names = tshark(file, "-Tfields", "-edns.qry.name").split()
        assert names == ["alpha", "alpha"]
        kind = "icmp" if family == 4 else "icmpv6"
        assert len(tshark(file, "-Y", f"{kind}.type").splitlines()) == 1
        assert tshark(file, "-Y", "icmpv6.checksum.status == 0") == ""


def test_names_comments_and_absolute_times(tmp_path: Path) -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    talk.say("S", "220 hello", ref="RFC 5321 §4.2", why="because")
    talk.close("C")
    file = write(trace, CLIENT, tmp_path)
    times = tshark(file, "-Tfields", "-eframe.time_epoch").split()
    assert times[0] == "1767603600.000000000"
    assert times[3] == "1767603600.060000000"
    comments = tshark(file, "-Tfields", "-eframe.comment").splitlines()
    assert comments[3] == "S: 220 hello [RFC 5321 §4.2] (because)"
    named = subprocess.run(
        ["tshark", "-r", str(file), "-N", "n"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{CLIENT} → {SERVER}" in named.stdout


# TLS ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER)])
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(begin).not_valid_after(
        begin + timedelta(days=9999)
    )
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = tmp_path_factory.mktemp("ca") / "server.pem"
    file.write_bytes(pem)
    return file


class Tls:
    """A real TLS session between two memory buffers, told to a `Talk`."""

    def __init__(self, talk: Talk, version: ssl.TLSVersion, pem: Path) -> None:
        self.talk = talk
        self.log = pem.with_name(f"keys-{version.name}-{talk.port}")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pem)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        client.keylog_filename = str(self.log)
        client.minimum_version = client.maximum_version = version
        self.pipes = {side: (ssl.MemoryBIO(), ssl.MemoryBIO()) for side in "CS"}
        self.ends = {
            "C": client.wrap_bio(*self.pipes["C"], server_hostname=SERVER),
            "S": server.wrap_bio(*self.pipes["S"], server_side=True),
        }

    def handshake(self) -> None:
        for side in "CSCSCS":
            with suppress(ssl.SSLWantReadError):
                self.ends[side].do_handshake()
            self.move(side)
        for line in self.log.read_text().splitlines():
            if not line.startswith("#"):
                self.talk.emit("keylog", "C", line=line)
        self.talk.tls()

    def move(self, side: str) -> bytes:
        data = self.pipes[side][1].read()
        if data:
            self.pipes["S" if side == "C" else "C"][0].write(data)
        if data and not self.talk.secure:
            self.talk.burst(side, data)  # type: ignore[arg-type]
            self.talk.now += self.talk.latency
        return data

    def say(self, side: str, text: str) -> None:
        self.ends[side].write(text.encode() + b"\r\n")
        self.talk.say(side, text, wire=self.move(side))  # type: ignore[arg-type]


def secure_talk(port: int, version: ssl.TLSVersion, pem: Path) -> Iterator[Trace]:
    trace = Trace(strict=True)
    talk = Talk(trace, port=port)
    talk.connect()
    if port != 465:
        talk.say("S", "220 mx ESMTP")
        talk.say("C", "EHLO alpha")
        talk.say("S", "250-mx", "250 STARTTLS")
        talk.say("C", "STARTTLS")
        talk.say("S", "220 go")
    tls = Tls(talk, version, pem)
    tls.handshake()
    if port == 465:
        tls.say("S", "220 mx ESMTP")
    tls.say("C", "EHLO alpha")
    tls.say("S", "250 mx")
    tls.say("C", "MAIL FROM:<alice@alpha.example>")
    tls.say("S", "250 ok")
    talk.close("C")
    yield trace


@pytest.mark.parametrize("port", [25, 587, 465])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tshark_reads_tls_with_the_keys_in_the_file(
    version: str, port: int, certificate: Path, tmp_path: Path
) -> None:
    for trace in secure_talk(port, ssl.TLSVersion[version], certificate):
        for host in (CLIENT, SERVER):
            file = write(trace, host, tmp_path)
            commands = tshark(file, "-Tfields", "-esmtp.command_line").split("\n")
            assert any("MAIL FROM:<alice@alpha.example>" in c for c in commands)
            assert malformed(file) == ""
            assert complaints(file) == []
            client, server = followed(file, 0)
            session = trace.session()
            assert (client, server) == (session.wire("C"), session.wire("S"))
