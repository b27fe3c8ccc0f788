"""`/metrics` on a port of its own: as little of HTTP/1.1 as Prometheus asks for (RFC 9112).

Not by the chat's own server: the supervisor of several workers has none, and it shall answer while that is
stuck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from socket import socket

import structlog

from gochat.metrics.exposition import CONTENT_TYPE

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

HEAD_S = 5.0
"""How long a request may take to arrive."""
MAX_HEAD = 8_192
MAX_OPEN = 8


class MetricsServer:
    """Answers `GET /metrics`.

    Args:
        sockets: bound, to listen on.
        text: makes the answer.
    """

    def __init__(self, sockets: Sequence[socket], text: Callable[[], Awaitable[bytes]]) -> None:
        self._sockets = sockets
        self._text = text
        self._servers: list[asyncio.Server] = []
        self._open = 0

    async def start(self) -> None:
        """Begin to listen, and say where."""
        for bound in self._sockets:
            self._servers.append(await asyncio.start_server(self._serve, sock=bound, limit=MAX_HEAD))
            host, port = bound.getsockname()[:2]
            log.info("metrics", url=f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics")

    def close(self) -> None:
        """Stop."""
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_OPEN:
                async with asyncio.timeout(HEAD_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.split(b"\r\n", 1)[0].split()))
                await writer.drain()
        except (OSError, asyncio.LimitOverrunError, asyncio.IncompleteReadError, TimeoutError):
            pass  # it went away, or is no HTTP client
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, request: list[bytes]) -> bytes:
        if request[:1] not in ([b"GET"], [b"HEAD"]):
            return _response("405 Method Not Allowed", b"", "text/plain")
        if len(request) < 2 or request[1].partition(b"?")[0] != b"/metrics":
            return _response("404 Not Found", b"", "text/plain")
        body = await self._text()
        whole = _response("200 OK", body, CONTENT_TYPE)
        return whole if request[0] == b"GET" else whole[: -len(body)]


def _response(status: str, body: bytes, kind: str) -> bytes:
    headers = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close"
    return f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode() + body
