"""An ASGI websocket as a transport: a bounded queue between the session and the server's `send`."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from .engine import Engine
from .errors import ProtocolError, Refused
from .frames import COME_BACK, MESSAGE_TOO_BIG, POLICY_VIOLATION, TEXT, frame, unframe
from .handshake import Request, subprotocol
from .session import Session
from .transports import NOBODY, Inlet

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
LINGER_S = 0.5
"""How long a connection that ends without a close frame is read from still: what the client has sent and
nobody reads would reset it, and what was sent last with it."""


class AsgiWebSocket:
    """One client's websocket, for as long as `run` runs."""

    name = "websocket"

    def __init__(self, engine: Engine, receive: Receive, send: Send) -> None:
        self.inlet: Inlet  # the session, or what comes before it; NOBODY at the end
        self._engine = engine
        self._receive = receive
        self._send = send
        self._queue: deque[bytes] = deque()  # frames that are not sent yet
        self._backlog = 0  # bytes of those
        self._written = asyncio.Event()  # there is something to send, or it ends
        self._room = asyncio.Event()  # packets may be handed over again, or it ends
        self._closing = False  # nothing more is queued or handed over
        self._close: dict[str, Any] | None = None  # what is left to say when it closes
        self._limit = asyncio.timeout(None)  # for what is left to send when it closes

    async def run(self, request: Request) -> None:
        """Serve the websocket from its handshake to its end."""
        await self._receive()  # websocket.connect
        try:
            self._engine.origins.check(request)
            packet = self._engine.attach(request, self)
        except Refused:  # before `accept`, ASGI turns this into HTTP's 403
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if packet is not None:
            self._queue.appendleft(frame(packet))
        reader = asyncio.ensure_future(self._read())
        try:
            async with self._limit:
                offered = subprotocol(request)
                answer = None if offered is None else offered.decode("ascii")
                await self._send({"type": "websocket.accept", "subprotocol": answer})
                await self._write()
                if self._close is None:
                    await asyncio.wait((reader,), timeout=LINGER_S)
        except (OSError, TimeoutError):
            pass  # the client has gone, or reads nothing and was given up
        finally:
            reader.cancel()
            self._closing = True  # nobody is left to be told, and the limit is over
            self._engine.congested.discard(self)
            inlet, self.inlet = self.inlet, NOBODY
            inlet.lost(self)

    # What the session calls

    def write(self, frames: bytes) -> None:
        """Queue frames; a client that lets them pile up is evicted."""
        if self._closing:
            return
        self._backlog += len(frames)
        if self._backlog > self._engine.options.max_backlog:
            self.inlet.fail(ProtocolError("slow consumer"), COME_BACK)
            return
        if self._backlog > self._engine.much:
            self._engine.congested.add(self)
        self._queue.append(frames)
        self._written.set()

    def send(self, frames: bytes) -> None:
        """Send frames."""
        self.write(frames)

    @property
    def carried(self) -> Session | None:
        """The session that it carries, or is about to."""
        return self.inlet.session

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        return self._backlog

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """Close, with `flush` after what is queued; give up when that takes too long.

        With `COME_BACK` nothing is said: uvicorn then ends the connection without a close frame.
        """
        if not self._closing:
            if not flush:
                self._queue.clear()
            if code != COME_BACK:
                self._close = {"type": "websocket.close", "code": code, "reason": reason[:120]}
            self._limit.reschedule(self._engine.loop.time() + self._engine.options.close_timeout)
            self._end()
        return True

    def release(self) -> None:
        """Do nothing: a websocket has no polls."""

    def resume(self) -> None:
        """Go on reading."""
        self._room.set()

    def _end(self) -> None:
        self._closing = True
        self._written.set()
        self._room.set()

    # The two directions

    async def _write(self) -> None:
        while True:
            while self._queue:
                frames = self._queue.popleft()
                for opcode, payload in unframe(frames):
                    if opcode == TEXT:
                        await self._send({"type": "websocket.send", "text": payload.decode()})
                    else:
                        await self._send({"type": "websocket.send", "bytes": payload})
                self._backlog -= len(frames)
                if self._backlog <= self._engine.much:
                    self._engine.congested.discard(self)
            if self._closing:
                if self._close is not None:
                    await self._send(self._close)
                return
            self._written.clear()
            await self._written.wait()

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._queue.clear()
                self._close = None
                self._end()  # also if it carries no session yet, or none any more, that would do it
                self.inlet.lost(self)
                return
            while self.inlet.paused and not self._closing:
                self._room.clear()
                await self._room.wait()
            text = message.get("text")
            self._hand_over(message["bytes"] if text is None else text)

    def _hand_over(self, packet: str | bytes) -> None:
        limit = self._engine.options.max_message
        if self._closing:
            return
        # A character is at most four bytes: only what could be too long is encoded to be measured.
        if len(packet) * 4 > limit and len(packet.encode() if isinstance(packet, str) else packet) > limit:
            self.inlet.fail(ProtocolError("message too big"), MESSAGE_TOO_BIG)
            return
        try:
            self.inlet.receive(packet)
        except ProtocolError as error:
            self.inlet.fail(error)
