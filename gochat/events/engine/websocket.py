"""A websocket as a transport, on an asyncio transport of its own: no task, no queue, no ASGI."""

import asyncio
from typing import Any

from . import frames
from .engine import Engine
from .errors import FrameError, ProtocolError
from .frames import FrameReader
from .session import Session
from .transports import Inlet, Write, drop

SLICE = 128
"""Packets of one client that are handled before others get their turn."""


class WebSocket(asyncio.Protocol):
    """One client's websocket after the handshake."""

    __slots__ = ("_connections", "_engine", "_reader", "_reading", "_transport", "bucket", "inlet", "write")

    name = "websocket"

    def __init__(self, engine: Engine, transport: asyncio.Transport, connections: set[Any]) -> None:
        self._engine = engine
        self._transport: asyncio.Transport | None = transport
        self._connections = connections
        self._reader: FrameReader | None = FrameReader(engine.options.max_message)
        self._reading = True
        self.bucket = 0
        self.inlet: Inlet
        self.write: Write = transport.write

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        """Hand over the packets in `data`, up to a pause."""
        if self._reader is not None:
            self._reader.feed(data)
            if self._reading:
                self._pump()

    def pause_writing(self) -> None:
        """The client reads too slowly: count from now on what waits for it."""
        self._use(self._write_congested)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._transport is not None and self.write is not drop:
            self._use(self._transport.write)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._connections.discard(self)
        self._engine.wheel.cancel(self)
        self.write = drop
        self._transport = self._reader = None
        self.inlet.lost(self)

    # What the session calls

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """Send a close frame; with `flush` wait for the client's before the connection is cut.

        Closing at once, with unread data in the socket, could reset the connection before the client has read
        what was sent last (RFC 6455 section 7.1.1).
        """
        transport = self._transport
        if transport is None or self.write is drop:
            return True
        self.write = drop
        if transport.get_write_buffer_size() > self._engine.options.max_backlog // 2:
            transport.abort()
            return True
        transport.write(frames.close_frame(code, reason))
        if flush:
            self._engine.set_timer(self, self._engine.now() + self._engine.options.close_timeout)
            self.resume()
        else:
            self._cut(transport)
        return True

    def release(self) -> None:
        """Do nothing: a websocket has no polls."""

    def resume(self) -> None:
        """Go on reading, soon."""
        self._engine.loop.call_soon(self._continue)

    # What uvicorn and the wheel call

    def shutdown(self) -> None:
        """Begin to end the connection: the server stops."""
        self._engine.drain()
        self.inlet.drain()

    def expire(self, _now: float) -> None:
        """Cut a connection that takes too long to close."""
        if self._transport is not None:
            self._transport.abort()

    # Inside

    def _use(self, write: Write) -> None:
        self.write = write
        if isinstance(self.inlet, Session):
            self.inlet.set_writer(write)

    def _write_congested(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size() + len(data) <= self._engine.options.max_backlog:
            transport.write(data)
            return
        # Detach first: whoever is in the middle of a broadcast must not meet a dead transport.
        self.write = drop
        self.inlet.fail(ProtocolError("slow consumer"), frames.POLICY_VIOLATION)
        transport.abort()

    def _pump(self) -> None:
        """Hand over what has been read, in slices so that no client keeps the others waiting."""
        try:
            for _ in range(SLICE):
                if self.inlet.paused and self.write is not drop:
                    self._hold()
                    return
                reader = self._reader
                message = None if reader is None else reader.next()
                if message is None:
                    return
                opcode, payload = message
                if opcode >= frames.CLOSE:
                    self._control(opcode, payload)
                elif self.write is not drop:
                    self.inlet.receive(payload)
        except FrameError as error:
            self.inlet.fail(error, error.code)
        except ProtocolError as error:
            self.inlet.fail(error)
        else:
            self._hold()
            self.resume()

    def _hold(self) -> None:
        if self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _continue(self) -> None:
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()
            self._pump()

    def _control(self, opcode: int, payload: Any) -> None:
        if opcode == frames.PING:
            self.write(frames.frame(payload, frames.PONG))
        elif opcode == frames.CLOSE and self._transport is not None:
            if self.write is not drop:
                self._transport.write(frames.frame(payload[:2], frames.CLOSE))
            self._cut(self._transport)

    def _cut(self, transport: asyncio.Transport) -> None:
        """Read nothing more; close when what was written has gone out, or in a while without."""
        self.write = drop
        self._reader = None
        self._engine.set_timer(self, self._engine.now() + self._engine.options.close_timeout)
        transport.close()
