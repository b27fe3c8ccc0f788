"""The fast path: uvicorn's HTTP protocol, which takes the engine's websockets out of ASGI at their handshake.

    uvicorn.Config(app, http=engine_protocol_class(server))

Everything else, polling included, goes on to the ASGI app as before. It also bounds what uvicorn does not:
the size of a request's head and the time it takes to arrive.
"""

import asyncio
import urllib.parse
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import frames
from .asgi import PATHS, HasEngine, matches
from .engine import Engine
from .errors import Refused
from .handshake import Request, accept_key
from .websocket import WebSocket


def engine_protocol_class(
    server: HasEngine, socketio_paths: Sequence[str] = PATHS
) -> type[HttpToolsProtocol]:
    """Return the class for `uvicorn.Config(http=...)`; the paths are those given to `EngineApp`."""

    class BoundProtocol(EngineHttpProtocol):
        engine = server.eio
        paths = tuple(socketio_paths)

    return BoundProtocol


class EngineHttpProtocol(HttpToolsProtocol):
    """One TCP connection until it turns into a websocket of the engine, if it does."""

    engine: ClassVar[Engine]
    paths: ClassVar[tuple[str, ...]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.bucket = 0
        self._head = 0  # bytes of the request head that is arriving
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self.engine.wheel.cancel(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what was received; a websocket may have begun behind it."""
        self._unset_keepalive_if_required()
        self._head += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._upgrade(data[upgrade.args[0] :])
            else:
                self.send_400_response("Unsupported upgrade request.")
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            if not self.bucket:
                self._head = 0
            elif self._head > self.engine.options.max_request_head:
                self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        if not self.bucket:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Stop the clock: the request's head has arrived."""
        self.engine.wheel.cancel(self)
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Begin to end the connection: the server stops."""
        self.engine.drain()
        super().shutdown()

    def expire(self, _now: float) -> None:
        """Close a connection that has not brought a request in time."""
        self.transport.close()

    def _await_head(self) -> None:
        self.engine.wheel.set(self, self.engine.now() + self.engine.options.request_timeout)

    def _upgrade(self, rest: bytes) -> None:
        try:
            url = httptools.parse_url(self.url)
        except httptools.HttpParserInvalidURLError:
            self.send_400_response("Invalid HTTP request received.")
            return
        path = urllib.parse.unquote(url.path.decode("latin-1"))
        if not matches(path, self.paths):
            self.handle_websocket_upgrade()
            return
        request = Request(self.scope["method"], path, url.query or b"", self.headers, self._client_address())
        try:
            websocket = self._take_over(request)
        except Refused as refused:
            self._refuse(refused)
            return
        if rest:
            websocket.data_received(rest)

    def _take_over(self, request: Request) -> WebSocket:
        """Answer the handshake and put a websocket in this protocol's place. Raises Refused."""
        engine, transport = self.engine, self.transport
        engine.origins.check(request)
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(request)
        )
        connections: set[Any] = self.connections
        websocket = WebSocket(engine, transport, connections)
        packet = engine.attach(request, websocket)
        if packet is not None:
            head += frames.frame(packet)
        connections.add(websocket)
        self._let_go()
        transport.set_protocol(cast(asyncio.Protocol, websocket))
        transport.write(head)
        return websocket

    def _let_go(self) -> None:
        """Leave the connection to its websocket, holding on to nothing."""
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        for name in ("transport", "flow", "cycle", "scope", "headers", "parser"):
            setattr(self, name, None)

    def _client_address(self) -> str:
        peer = self.client[0] if self.client else ""
        return self.engine.options.client_address(peer, self.headers)

    def _refuse(self, refused: Refused) -> None:
        body = refused.body
        extra = b"Sec-WebSocket-Version: 13\r\n" if refused.status == 426 else b""
        self.transport.write(
            b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b"
            b"Connection: close\r\n\r\n%b" % (refused.status, len(body), extra, body)
        )
        self.transport.close()
