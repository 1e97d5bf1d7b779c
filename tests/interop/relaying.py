"""A relay that notes what passes: a packet sniffer for tests, who may not run one.

What it has seen becomes a capture file as tcpdump would have written it: no keys in
it, no names.
"""

import socket
import threading
import time
from pathlib import Path

from maillab.trace import Trace
from maillab.trace.sample import MS, Talk


class Relay:
    """One connection to a port of this computer, passed on. `port` is its own."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._seen: list[tuple[int, str, bytes]] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        self._listener.close()
        server = socket.create_connection(("127.0.0.1", self._to))
        ways = [("C", client, server), ("S", server, client)]
        threads = [threading.Thread(target=self._pass, args=way) for way in ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        server.close()

    def _pass(self, side: str, source: socket.socket, sink: socket.socket) -> None:
        try:
            while octets := source.recv(4096):
                with self._lock:
                    self._seen.append((time.monotonic_ns(), side, octets))
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            sink.close()

    def capture(self, path: Path, port: int) -> Path:
        """Wait for the end; write what was seen, as if the server had had `port`."""
        self._thread.join(30)
        trace = Trace(strict=True)
        talk = Talk(trace, engines="", port=port, latency=MS)
        talk.connect()
        began = self._seen[0][0] - talk.now
        for at, side, octets in self._seen:
            talk.now = at - began
            talk.burst("C" if side == "C" else "S", octets)
        talk.now += MS
        talk.close("C")
        path.write_bytes(trace.capture("alpha.example").to_bytes())
        return path
