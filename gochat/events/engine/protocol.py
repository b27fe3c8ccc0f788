"""The fast path: uvicorn's HTTP protocol, which keeps the engine's requests and websockets out of ASGI.

    uvicorn.Config(app, http=engine_protocol_class(server))

Everything else goes on to the ASGI app as before. It also bounds what uvicorn does not: the size of a
request's head, the time it takes to arrive, and how slowly a body may come.
"""

import asyncio
import logging
import math
import urllib.parse
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import frames
from .asgi import PATHS, HasEngine, matches
from .engine import Engine
from .errors import Refused
from .exchange import FIXED, Exchange, Headers
from .handshake import Request, accept_key, subprotocol
from .pace import Pace
from .websocket import WebSocket

logger = logging.getLogger(__name__)

_METHODS: Final = {b"GET": "GET", b"POST": "POST", b"OPTIONS": "OPTIONS"}
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_HOP_BY_HOP: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})


class Part(Enum):
    """Which part of a request is arriving."""

    NONE = "none"
    HEAD = "head"
    BODY = "body"
    OFFER = "offer"
    """It is about to change over: the handshake of a websocket has come."""
    DECLINED = "declined"
    """It has to be read again, without its offer to change over."""


# By names of the module, which cost less to look up than an enum's attributes.
NONE: Final = Part.NONE
HEAD: Final = Part.HEAD
BODY: Final = Part.BODY
OFFER: Final = Part.OFFER
DECLINED: Final = Part.DECLINED


def engine_protocol_class(
    server: HasEngine, socketio_paths: Sequence[str] = PATHS
) -> type[HttpToolsProtocol]:
    """Return the class for `uvicorn.Config(http=...)`; the paths are those given to `EngineApp`."""

    class BoundProtocol(EngineHttpProtocol):
        engine = server.eio
        paths = tuple(socketio_paths)
        plain_paths: ClassVar = {form.encode(): form for path in paths for form in (path, path.rstrip("/"))}

    return BoundProtocol


class EngineHttpProtocol(HttpToolsProtocol):
    """One TCP connection until it turns into a websocket of the engine, if it does.

    It has one deadline at a time: for the head of a request, for the next bytes of its body, or for the next
    request. On the engine's wheel it may stand earlier than that: it is asked in vain then, which is cheaper
    than moving it with each request.
    """

    engine: ClassVar[Engine]
    paths: ClassVar[tuple[str, ...]]
    plain_paths: ClassVar[dict[bytes, str]]
    """How the paths look in a request that hides nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.bucket = 0
        self._due = math.inf  # its deadline, by the engine's clock
        self._new = True  # nothing was received yet
        self._head = 0  # bytes since the head of a request began
        self._part = NONE
        self._pace: Pace | None = None  # of a body that takes more than one turn
        self._excused = False  # the body was not read when its time was up
        self._exchange: Exchange | None = None  # a request of the engine's own that is not answered
        self._upload: Exchange | None = None  # one whose body is arriving
        self._piece = b""  # of that body, not handed over: its end may have come with it
        self._own: _Cycle | None = None  # what stands for `_exchange` in the place of an ASGI cycle
        self.engine.connections = self.connections
        if self.engine.overfull:
            transport.abort()
        self._wait(self.engine.options.request_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self.engine.wheel.cancel(self)
        exchange, self._exchange, self._upload = self._exchange, None, None
        self._piece = b""
        if exchange is not None:
            exchange.leave()
        if isinstance(self.cycle, _Cycle):
            self.cycle = None  # type: ignore[assignment]
        super().connection_lost(exc)
        # Requests that nobody will answer any more hold this, and it them.
        self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what was received, soon."""
        if self._new:
            self._new = False
            if not self.engine.newcomers.hears(self, data):
                self.flow.pause_reading()
                return
        self._take(data)

    def begin(self, data: bytes) -> None:
        """Parse what was received first: it is its turn."""
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Parse what was received; a websocket may have begun behind it."""
        if self._part is not BODY:
            self._head += len(data)
        try:
            behind = self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if behind is not None:
            self._upgrade(behind)
        elif self._part is HEAD:
            if self._head > self.engine.options.max_request_head:
                self.send_400_response("Request head too large.")
            elif self._due == math.inf:
                self._wait(self.engine.options.request_timeout)
        elif self._part is BODY:
            self._hand_over()
            self._expect_more(len(data))

    def _parse(self, data: bytes) -> bytes | None:
        """Feed the parser; return what stands behind the handshake of a websocket. Raises HttpParserError."""
        left = len(data) + 1
        while True:
            try:
                self.parser.feed_data(data)
                return None
            except httptools.HttpParserUpgrade as upgrade:
                rest = data[upgrade.args[0] :]
                if self._part is not DECLINED:
                    return rest
                if len(rest) >= left:
                    raise httptools.HttpParserError("it changes over whatever is declined: CONNECT") from None
                left = len(rest)
                # The parser takes any offer to change over for accepted, and no body for one.
                data = self._without_offer() + rest
                self._part = NONE
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._part = HEAD
        self._due = math.inf

    def on_headers_complete(self) -> None:
        """Begin to answer: the request's head has arrived."""
        self._head = 0
        if self.parser.should_upgrade():
            self._part = OFFER if self._should_upgrade() else DECLINED
            self._due = math.inf
            return
        self._part = BODY
        self._pace = None
        self._excused = False
        self._due = math.inf
        if not self._begin_exchange():
            self._begin_scope()
            super().on_headers_complete()
            if self.engine.full:
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        if self._upload is None:
            super().on_body(body)
        else:
            self._hand_over()
            self._piece = body

    def on_message_complete(self) -> None:
        """Note that all of a request has arrived."""
        if self._part is not BODY:
            return  # it is about to change over
        self._part = NONE
        if self.cycle.response_complete:  # its answer came before its end
            self._wait(self.engine.options.keep_alive)
        else:
            self._due = math.inf
        exchange, self._upload = self._upload, None
        if exchange is not None:
            self.flow.resume_reading()  # or it would not be heard that the client has gone
            piece, self._piece = self._piece, b""
            self._feed(exchange, piece, last=True)
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or begin the one that came meanwhile."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._part is BODY:
            self._wait(self.engine.options.request_timeout)
        elif self._part is not HEAD:
            self._wait(self.engine.options.keep_alive)

    # What uvicorn and the wheel call

    def shutdown(self) -> None:
        """Begin to end the connection: the server stops. Another process's session goes on elsewhere."""
        self.engine.drain()
        if self._exchange is not None:
            self._exchange.give_way()
        super().shutdown()

    def expire(self, now: float) -> None:
        """Close a connection that is idle, or does not bring its request in time."""
        if self._due > now + self.engine.wheel.tick:
            if self._due < math.inf:
                self.engine.wheel.set(self, self._due)
            return
        if self._part is BODY and (self.flow.read_paused or self._excused):  # it could not bring more
            self._excused = self.flow.read_paused
            self._begin_anew()
            return
        if self._upload is not None and self._own is not None:
            self._own.keep_alive = False
            self._upload.stall()
        self.transport.close()

    # Requests

    def _wait(self, seconds: float) -> None:
        self._wait_until(self.engine.now() + seconds)

    def _wait_until(self, due: float) -> None:
        self._due = due
        self.engine.wheel.hasten(self, due)

    def _expect_more(self, size: int) -> None:
        """Set the deadline for the rest of a body."""
        if self.cycle.response_complete:
            return  # that of the rest stands, which nobody reads
        now = self.engine.now()
        if self._pace is None:
            self._pace = Pace(self.engine.options, now)
        self._pace.count(size, now)
        self._wait_until(self._pace.due)

    def _begin_anew(self) -> None:
        """Give a body the time of one that begins."""
        self._pace = None
        self._wait(self.engine.options.request_timeout)

    def _begin_exchange(self) -> bool:
        """Answer a request of the engine's here, if it is one."""
        plain, _, query = self.url.partition(b"?")
        path = self.plain_paths.get(plain)
        if path is None or (self.cycle is not None and not self.cycle.response_complete):
            return False
        method = _METHODS.get(self.parser.get_method())
        if method is None:
            return False
        request = Request(method, path, query, self.headers, self._client_address())
        exchange = Exchange(self.engine, request, self._respond, self._read_on)
        keep_alive = (
            self.parser.get_http_version() != "1.0"
            and self.parser.should_keep_alive()
            and not self.engine.full
        )
        self._own = self.cycle = _Cycle(keep_alive)  # type: ignore[assignment]
        self._exchange = self._upload = exchange
        try:
            elsewhere = exchange.begin() is not None
        except Exception:
            self._fail()
            return True
        if elsewhere:
            self._exchange = self._upload = self._own = self.cycle = None  # type: ignore[assignment]
            return False
        if self.expect_100_continue and not exchange.over:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _hand_over(self) -> None:
        """Have the exchange take the piece of its body that waits: it is not the last one."""
        piece, self._piece = self._piece, b""
        if self._upload is not None and piece:
            self._feed(self._upload, piece, last=False)
            if self._upload is not None and self._upload.full:
                self.flow.pause_reading()

    def _feed(self, exchange: Exchange, data: bytes, *, last: bool) -> None:
        try:
            exchange.feed(data, last=last)
        except Exception:
            self._fail()

    def _fail(self) -> None:
        """Answer what failed because of a fault of ours; the parser would take it for the client's."""
        logger.exception("request failed")
        self._respond(500, (), b"")
        self.transport.close()

    def _respond(self, status: int, headers: Headers, body: bytes) -> bool:
        """Write the answer of an exchange; return whether the connection took it."""
        own, self._own = self._own, None
        self._exchange = None
        if own is None or self.transport.is_closing():
            return False
        own.response_complete = True
        self.transport.write(
            b"%b%b%b%bcontent-length: %d\r\n\r\n%b"
            % (
                _STATUS_LINES[status],
                _fixed_lines(tuple(self.server_state.default_headers)),
                _fixed_lines(headers) if len(headers) <= FIXED else _lines(headers),
                b"" if own.keep_alive else b"connection: close\r\n",
                len(body),
                body,
            )
        )
        taken = not self.transport.is_closing()
        if not own.keep_alive:
            self.transport.close()
        self.on_response_complete()
        return taken

    def _read_on(self) -> None:
        if self.flow.read_paused:
            self.flow.resume_reading()
            if self._part is BODY:
                self._begin_anew()

    def _begin_scope(self) -> None:
        """Make ready what uvicorn needs for a request that is not the engine's."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)

    # Changing over

    def _should_upgrade(self) -> bool:
        """Whether it is the handshake of a websocket (RFC 6455 section 4.1).

        Proxies whose users wrote the headers down offer one with every request, but without its key.
        """
        if self.parser.get_method() != b"GET" or not any(
            name == b"sec-websocket-key" for name, _ in self.headers
        ):
            return False
        offers = b",".join(value for name, value in self.headers if name == b"upgrade")
        return b"websocket" in [offer.strip().lower() for offer in offers.split(b",")]

    def _without_offer(self) -> bytes:
        """Return the head of the request as it is without its offer to change over (RFC 9110 section 7.8)."""
        keep = b"close" if b"close" in self._connection_options() else b"keep-alive"
        lines = [
            b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in _HOP_BY_HOP]
        return b"\r\n".join((*lines, b"connection: " + keep, b"", b""))

    def _connection_options(self) -> list[bytes]:
        options = b",".join(value for name, value in self.headers if name == b"connection")
        return [option.strip().lower() for option in options.split(b",")]

    def _upgrade(self, rest: bytes) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # A request before it is not answered, which nobody could do any more (RFC 9112 section 9.3.2).
            self.transport.close()
            return
        try:
            url = httptools.parse_url(self.url)
        except httptools.HttpParserInvalidURLError:
            self.send_400_response("Invalid HTTP request received.")
            return
        path = urllib.parse.unquote(url.path.decode("latin-1"))
        method = self.parser.get_method().decode()
        if not matches(path, self.paths):
            self._begin_scope()
            self.scope["method"] = method
            self.handle_websocket_upgrade()
            self._let_go()
            return
        client = self._client_address()
        request = Request(method, path, url.query or b"", self.headers, client)
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
            b"Sec-WebSocket-Accept: %b\r\n" % accept_key(request)
        )
        protocol = subprotocol(request)
        head += b"\r\n" if protocol is None else b"Sec-WebSocket-Protocol: %b\r\n\r\n" % protocol
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
        self.engine.wheel.cancel(self)
        for name in ("transport", "flow", "cycle", "scope", "headers", "parser"):
            setattr(self, name, None)

    def _client_address(self) -> str:
        peer = self.client[0] if self.client else ""
        return self.engine.options.client_address(peer, self.headers)

    def _refuse(self, refused: Refused) -> None:
        body = refused.body
        extra = b"".join(b"%b: %b\r\n" % header for header in refused.headers)
        self.transport.write(
            b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b"
            b"Connection: close\r\n\r\n%b" % (refused.status, len(body), extra, body)
        )
        self.transport.close()


def _lines(headers: Headers) -> bytes:
    """Return headers as they are written."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


_fixed_lines = lru_cache(maxsize=4)(_lines)
"""The same of what most answers of a second have, and nothing of a client's."""


class _Cycle:
    """What uvicorn asks of a request under way, for one that is not its own."""

    __slots__ = ("keep_alive", "response_complete")

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
