"""The engine as a plain ASGI app: long-polling, and websockets under any ASGI server.

The ASGI server's own websocket settings hold here: turn its pings and compression off, bound its messages.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

from .asgi_websocket import AsgiWebSocket
from .engine import Engine
from .errors import Refused
from .exchange import Exchange, Headers
from .frames import POLICY_VIOLATION
from .handshake import Request
from .pace import Pace
from .payloads import PONG, SEPARATOR

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

PATHS = ("/socket.io/", "/api/v1/ws/")
"""Where the engine is served unless told otherwise: the client libraries' default, and the API's own."""

SIGNS = 4
"""Signs of life that a client may give another process's session while that waits for a pong."""


def matches(path: str, paths: Sequence[str]) -> bool:
    """Whether `path` is one of `paths`, with or without the slash at the end, or with too many at either end.

    One too many comes in front from a base address that ends in a slash, and behind from a path that does,
    where the library appends its own: socket.io-client-csharp asks for `{Path}/?EIO=`.
    """
    if path.startswith("/"):
        path = f"/{path.strip('/')}"
    return path in paths or f"{path}/" in paths


class HasEngine(Protocol):
    """What has an engine: an `EngineServer`, or any application of Engine.IO sessions."""

    eio: Engine


class EngineApp:
    """Serves the engine at `socketio_paths` and hands everything else, lifespan too, to `other`."""

    def __init__(
        self, server: HasEngine, other: App | None = None, socketio_paths: Sequence[str] = PATHS
    ) -> None:
        self._engine = server.eio
        self._other = other or _nothing
        self._paths = tuple(socketio_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan" or not matches(self._path(scope), self._paths):
            await self._other(scope, receive, send)
        elif scope["type"] == "websocket":
            await AsgiWebSocket(self._engine, receive, send).run(self._request(scope))
        else:
            await self._http(self._request(scope), receive, send)

    @staticmethod
    def _path(scope: Scope) -> str:
        path: str = scope["path"]
        return path.removeprefix(scope.get("root_path", ""))

    def _request(self, scope: Scope) -> Request:
        client = scope.get("client")
        return Request(
            scope.get("method", "GET"),
            self._path(scope),
            scope.get("query_string", b""),
            list(scope["headers"]),
            client[0] if client else "",
        )

    # Long-polling

    async def _http(self, request: Request, receive: Receive, send: Send) -> None:
        answering = _Answering(self._engine, request)
        try:
            owner = answering.exchange.begin()
            if owner is not None:
                await self._relayed(owner, request, answering.exchange, receive)
            elif request.method == "POST":
                await self._upload(answering, receive)
            await answering.unless_gone(receive)
        except (ClientGone, asyncio.CancelledError) as gone:
            answering.exchange.leave()
            if isinstance(gone, asyncio.CancelledError):
                raise
        else:
            status, headers, body = answering.answer.result()
            sent = False
            try:
                await _respond(send, status, body, headers)
                sent = True
            finally:
                answering.exchange.written(sent)

    async def _upload(self, answering: "_Answering", receive: Receive) -> None:
        """Hand a body over while it arrives. Raises ClientGone."""
        exchange = answering.exchange
        try:
            async for data, last in self._body(receive):
                exchange.feed(data, last=last)
                while exchange.full and not last:
                    await answering.room.wait()
                    answering.room.clear()
                if exchange.over:
                    return
        except TimeoutError:
            exchange.stall()

    async def _relayed(self, owner: str, request: Request, exchange: Exchange, receive: Receive) -> None:
        """Have the process that has its session take a body. Raises ClientGone."""
        relay = self._engine.relay
        assert relay is not None  # it told of the owner
        try:
            async for part, last in self._parts(receive):
                if last:
                    exchange.ask(owner, part)
                else:
                    await relay.request(owner, request, part)
        except Refused as refused:
            exchange.refuse(refused)

    async def _body(self, receive: Receive) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield a body in pieces, and whether each is the last. Raises TimeoutError, ClientGone."""
        pace = Pace(self._engine.options, self._engine.now())
        last = False
        while not last:
            async with asyncio.timeout(pace.due - self._engine.now()):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            data, last = message.get("body", b""), not message.get("more_body", False)
            came = self._engine.now()
            pace.count(len(data), came)
            yield data, last
            pace.excuse(self._engine.now() - came)

    async def _parts(self, receive: Receive) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield a body in parts of whole packets, none larger than one packet may be, and whether each is
        the last. Of one that comes slowly a pong now and then: who posts can't answer pings meanwhile.

        Raises Refused, ClientGone.
        """
        options, size, held = self._engine.options, 0, b""
        told = self._engine.now()
        try:
            async for data, last in self._body(receive):
                size += len(data)
                held += data
                while len(held) > options.max_message:
                    part, separator, _ = held[: options.max_message + 1].rpartition(SEPARATOR)
                    if not separator or size > options.max_post:
                        raise Refused(413, 3, "Payload too large")
                    held = held[len(part) + 1 :]
                    yield part, False
                if last:
                    yield held, True
                elif self._engine.now() - told > options.ping_timeout / SIGNS:
                    yield PONG, False
                    told = self._engine.now()
        except TimeoutError:
            raise Refused(408, 3, "Request timeout") from None


class _Answering:
    """An exchange whose answer is awaited."""

    def __init__(self, engine: Engine, request: Request) -> None:
        self.answer: asyncio.Future[tuple[int, Headers, bytes]] = engine.loop.create_future()
        self.room = asyncio.Event()
        self.exchange = Exchange(engine, request, self._respond, self.room.set)

    def _respond(self, status: int, headers: Headers, body: bytes) -> None:
        self.answer.set_result((status, headers, body))
        self.room.set()  # an upload that waits for room waits no more

    async def unless_gone(self, receive: Receive) -> None:
        """Wait for the answer. Raises ClientGone if the client leaves before."""
        if self.answer.done():
            return
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((self.answer, leaving), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                raise ClientGone
        finally:
            leaving.cancel()


class ClientGone(Exception):
    """The client has gone; there is nobody to answer."""


async def _gone(receive: Receive) -> None:
    """Wait until the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve nothing: the rest of an engine that stands alone."""
    if scope["type"] == "http":
        await _respond(send, 404, b"", ())
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    else:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
