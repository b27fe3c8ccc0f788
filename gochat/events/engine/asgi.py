"""The engine as a plain ASGI app: long-polling, and websockets under any ASGI server.

The ASGI server's own websocket settings hold here: turn its pings and compression off, bound its messages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from .asgi_websocket import AsgiWebSocket
from .engine import Engine
from .errors import ProtocolError, Refused
from .frames import MESSAGE_TOO_BIG, POLICY_VIOLATION
from .handshake import Request, parse_query
from .polling import Polling
from .relay import Relay
from .session import Session

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PATHS = ("/socket.io/", "/api/v1/ws/")
"""Where the engine is served unless told otherwise: the client libraries' default, and the API's own."""


def matches(path: str, paths: Sequence[str]) -> bool:
    """Whether `path` is one of `paths`, with or without the slash at the end."""
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
        headers: Headers = [(b"cache-control", b"no-store")]
        try:
            origin = self._engine.origins.check(request)
            if origin is not None:
                headers += _cors(origin)
            if request.method == "OPTIONS":
                await _respond(send, 204, b"", headers)
                return
            body = await self._answer(request, receive)
        except Refused as refused:
            headers.append((b"content-type", b"application/json"))
            await _respond(send, refused.status, refused.body, headers)
        except ClientGone:
            return
        else:
            headers.append((b"content-type", b"text/plain; charset=UTF-8"))
            await _respond(send, 200, body, headers)

    async def _answer(self, request: Request, receive: Receive) -> bytes:
        """Return the body that answers a request. Raises Refused, ClientGone."""
        query = parse_query(request.query)
        if query.transport != "polling":
            raise Refused(400, 3, "Bad request")
        if query.sid is None:
            if request.method != "GET":
                raise Refused(400, 2, "Bad handshake method")
            return self._engine.open(request, Polling, ["websocket"])
        owner = self._engine.owner(query)
        if self._engine.relay is not None and owner is not None:
            return await self._relayed(self._engine.relay, owner, request, receive)
        session, polling = self._engine.find_polling(query)
        if request.method == "GET":
            return await _poll(session, polling, receive)
        if request.method == "POST":
            return await self._post(request, session, polling, receive)
        raise Refused(400, 3, "Bad request")

    async def answer(self, request: Request, body: bytes, gone: asyncio.Event) -> bytes:
        """Answer a polling request that came to another process; `gone` is set when its client leaves.

        Raises Refused.
        """
        unread = [{"type": "http.request", "body": body}]

        async def receive() -> dict[str, Any]:
            if unread:
                return unread.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        try:
            return await self._answer(request, receive)
        except ClientGone:
            raise Refused(400, 3, "Bad request") from None

    async def _relayed(self, relay: Relay, owner: str, request: Request, receive: Receive) -> bytes:
        """Have a request answered by the process that has its session. Raises Refused, ClientGone."""
        try:
            body = await self._read(request, receive) if request.method == "POST" else b""
        except TimeoutError:
            raise Refused(408, 3, "Request timeout") from None
        asking = asyncio.ensure_future(relay.request(owner, request, body))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise ClientGone
            return asking.result()
        finally:
            leaving.cancel()
            asking.cancel()

    async def _read(self, request: Request, receive: Receive) -> bytes:
        """Return the body of a POST. Raises Refused, TimeoutError, ClientGone."""
        limit = self._engine.options.max_message
        length = request.header(b"content-length") or b"0"
        if not length.isdigit() or int(length) > limit:
            raise Refused(413, 3, "Payload too large")
        async with asyncio.timeout(self._engine.options.request_timeout):
            return await _body(receive, limit)

    async def _post(self, request: Request, session: Session, polling: Polling, receive: Receive) -> bytes:
        polling.begin_post()
        try:
            await polling.post(await self._read(request, receive))
        except ProtocolError as error:
            session.fail(error)
            raise Refused(400, 3, "Bad request") from None
        except Refused as refused:
            session.fail(refused, MESSAGE_TOO_BIG)
            raise
        except TimeoutError:
            session.close("request timeout", code=POLICY_VIOLATION)
            raise Refused(408, 3, "Request timeout") from None
        except ClientGone:
            session.close("transport close")
            raise
        finally:
            polling.end_post()
        return b"ok"


class ClientGone(Exception):
    """The client has gone; there is nobody to answer."""


async def _body(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise Refused(413, 3, "Payload too large")
        if not message.get("more_body", False):
            return bytes(body)


async def _poll(session: Session, polling: Polling, receive: Receive) -> bytes:
    """Wait for packets. A client that leaves while it waits has left the session: what it missed is lost."""
    if polling.ready:
        return await polling.poll()
    watch = asyncio.ensure_future(_close_when_gone(session, receive))
    try:
        return await polling.poll()
    finally:
        watch.cancel()


async def _close_when_gone(session: Session, receive: Receive) -> None:
    await _gone(receive)
    session.close("transport close")


async def _gone(receive: Receive) -> None:
    """Wait until the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _cors(origin: str) -> Headers:
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", b"content-type, authorization"),
        (b"vary", b"origin"),
    ]


async def _respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve nothing: the rest of an engine that stands alone."""
    if scope["type"] == "http":
        await _respond(send, 404, b"", [])
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    else:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
