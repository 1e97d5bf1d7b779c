"""Sessions of programs that are none of ours, for `maillab.trace.hearing.foreign`.

`Wiretap` scripts octets; with `start_tls` Python's ssl does a real handshake, and what
both sides say from then on goes through it.
"""

import ssl
from pathlib import Path

from maillab.net.ca import LabCA
from maillab.trace import Trace
from maillab.trace.sample import MS, Talk
from maillab.trace.session import Session
from maillab.wire.lines import Side

NAME = "mx.beta.example"


class Wiretap:
    """One connection between two foreign programs, seen from outside."""

    def __init__(self, port: int = 25) -> None:
        self.trace = Trace(strict=True)
        self.talk = Talk(self.trace, engines="", port=port)
        self.talk.connect()
        self._ends: dict[str, End] = {}

    def put(self, side: Side, octets: bytes) -> None:
        """Octets leave one side, and arrive."""
        if self._ends:
            octets = self._ends[side].sealed(octets)
        self.send(side, octets)

    def send(self, side: Side, octets: bytes) -> None:
        """Octets as they stand on the wire."""
        self.talk.burst(side, octets)
        self.talk.now += self.talk.latency
        if self._ends:
            self._ends["S" if side == "C" else "C"].take(octets)

    def script(self, *said: str) -> None:
        """ "C: NOOP" and so on; rows of one side leave together."""
        rows: list[tuple[str, bytes]] = []
        for row in said:
            side, text = row[0], row[3:].encode() + b"\r\n"
            if rows and rows[-1][0] == side:
                rows[-1] = (side, rows[-1][1] + text)
            else:
                rows.append((side, text))
        for side, octets in rows:
            self.put("C" if side == "C" else "S", octets)

    def lose(self, side: Side, octets: bytes) -> None:
        """Octets leave that the capture does not have."""
        if self._ends:
            octets = self._ends[side].sealed(octets)
            self._ends["S" if side == "C" else "C"].take(octets)
        sent = self.talk._sent
        facts = {"side": side, "offset": sent[side], "size": len(octets)}
        self.talk.emit("gap", side, **facts)
        sent[side] += len(octets)

    def start_tls(self, folder: Path, **options: object) -> str:
        """A handshake; returns the key log. Raises ssl.SSLError when it fails."""
        client, server = contexts(folder, **options)
        log = folder / "keys"
        server.keylog_filename = str(log)
        ends = {"C": End(client, False), "S": End(server, True)}
        try:
            side: Side = "C"
            while not all(end.done for end in ends.values()):
                octets, error = ends[side].step()
                if octets:
                    self.send(side, octets)
                if error:
                    raise error
                side = "S" if side == "C" else "C"
                ends[side].take(octets)
        finally:
            keys = log.read_text() if log.exists() else ""
        self._ends = dict(ends)
        return keys

    def session(self, keys: str = "") -> Session:
        """What an observer has, with these keys."""
        at = self.talk.now
        for line in keys.splitlines():
            if not line.startswith("#"):
                self.trace.emit("keylog", "", "c1", at, line=line)
        return self.trace.session()


class End:
    """One end of TLS."""

    def __init__(self, context: ssl.SSLContext, is_server: bool) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if is_server else NAME
        self._tls = context.wrap_bio(
            self._in, self._out, server_side=is_server, server_hostname=name
        )
        self.done = False

    def step(self) -> tuple[bytes, Exception | None]:
        """Go on with the handshake: what leaves, and why it failed, if it did."""
        error = None
        try:
            self._tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as failed:
            error = failed
        return self._out.read(), error

    def take(self, octets: bytes) -> None:
        """Octets arrive; what they mean is thrown away when the handshake is done."""
        self._in.write(octets)
        while self.done:
            try:
                self._tls.read(100_000)
            except ssl.SSLWantReadError:
                return

    def sealed(self, octets: bytes) -> bytes:
        """What the wire shows of them."""
        for at in range(0, len(octets), 16_384):
            self._tls.write(octets[at : at + 16_384])
        return self._out.read()


def contexts(  # noqa: PLR0913 — the parts of a handshake
    folder: Path,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ciphers: str = "",
    tickets: int = 0,
    mac_inside: bool = False,
    trust: bool = True,
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For the client and for the server."""
    from maillab.net.ca import KEYS, certificate_pem

    chain = folder / "server.pem"
    chain.write_bytes((KEYS / "server.pem").read_bytes() + certificate_pem((NAME,)))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    server.num_tickets = tickets
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust:
        client.load_verify_locations(cadata=LabCA().pem.decode())
    for context in (client, server):
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        if mac_inside:
            context.options |= 1 << 19  # SSL_OP_NO_ENCRYPT_THEN_MAC
    return client, server


def said(session: Session) -> list[str]:
    """ "C: NOOP" and so on; "C= NOOP" inside TLS."""
    return [
        f"{line.speaker}{'=' if line.secure else ':'} {row}"
        for line in session.lines
        for row in line.rows
    ]


def alike(session: Session) -> list[tuple[str, str, bool, bytes]]:
    """What was said, however it was cut: for each side, lines and whole contents."""
    found: list[tuple[str, str, bool, bytes]] = []
    for side in "CS":
        for line in session.lines:
            if line.speaker != side or not line.octets:
                continue
            what = line.what if line.is_content else "line"
            masked = "\r\n".join(line.rows).encode()
            last = found[-1] if found else ("", "", False, b"")
            if last[:3] == (side, what, line.secure):
                found[-1] = (*last[:3], last[3] + b"\r\n" + masked)
            else:
                found.append((side, what, line.secure, masked))
    return found


__all__ = ["MS", "NAME", "End", "Wiretap", "alike", "contexts", "said"]
