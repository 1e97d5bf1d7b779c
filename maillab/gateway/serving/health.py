"""`GET /health`: is the server well? For those who watch it, by HTTP on loopback.

Goes in: a connection. Comes out: one JSON object, 200 when all is well, else 503.

Rule: an HTTP/1.0 server that knows one page: one request a connection, 4 KiB and five
      seconds at most.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from maillab.net.stream import Stream

PAGE = "/health"
MOST = 4096  # octets of a request
PATIENCE = 5.0  # seconds for it
REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Degraded"}

Report = Callable[[], dict[str, Any]]


class Health:
    """Serves the report that `report` makes; `status` in it says how things are."""

    def __init__(self, report: Report) -> None:
        self.report = report

    async def serve(self, stream: Stream) -> None:
        """Answer one request."""
        timer = asyncio.get_running_loop().call_later(PATIENCE, stream.abort)
        try:
            request = await read_request(stream)
            if request:
                stream.write(self.answer(request))
            await stream.close()
        except OSError:
            stream.abort()
        finally:
            timer.cancel()

    def answer(self, request: bytes) -> bytes:
        """The whole response."""
        words = request.partition(b"\r\n")[0].decode("latin-1").split()
        method, path = (*words, "", "")[:2]
        if path.partition("?")[0] != PAGE:
            return response(404, {"error": f"there is only {PAGE}"}, method)
        if method not in ("GET", "HEAD"):
            return response(405, {"error": "GET or HEAD"}, method)
        report = self.report()
        code = 200 if report["status"] == "ok" else 503
        return response(code, report, method)


async def read_request(stream: Stream) -> bytes:
    """The head of a request; b"" when there is none."""
    head = bytearray()
    while b"\r\n\r\n" not in head and len(head) < MOST:
        data = await stream.read()
        if not data:
            return b""
        head += data
    return bytes(head)


def response(code: int, body: dict[str, Any], method: str = "GET") -> bytes:
    r"""A response of HTTP/1.0.

    >>> response(200, {"status": "ok"}, "HEAD").splitlines()[0]
    b'HTTP/1.0 200 OK'
    """
    content = json.dumps(body, indent=2).encode() + b"\n"
    head = (
        f"HTTP/1.0 {code} {REASONS[code]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nCache-Control: no-store\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else content)
