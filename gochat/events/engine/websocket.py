"""A websocket as a transport, on an asyncio transport of its own: no task, no queue, no ASGI."""

import asyncio
from enum import Enum
from typing import Any, Final

from . import frames
from .engine import Engine
from .errors import FrameError, ProtocolError
from .frames import FrameReader, whole_text
from .session import Session
from .transports import NOBODY, Inlet

SLICE = 128
"""Packets of one client that are handled before others get their turn."""
READ_AHEAD = 16_384
"""Bytes that are read of a client whose packets have to wait: who is not read at all can't be heard to have
gone."""
_LAST = b"last"
"""Payload of the ping behind all that is sent to a client which is hung up on."""


class State(Enum):
    """How far a websocket has come."""

    OPEN = "open"
    CLOSING = "closing"
    """Nothing more is sent or handed over; what comes is parsed for the client's answer to the end."""
    DEAF = "deaf"
    """Nothing more is even parsed."""


class Intake(Enum):
    """What becomes of what the client sends."""

    FLOWING = "flowing"
    """Packets are handed over."""
    HELD = "held"
    """They wait, and more is read."""
    HALTED = "halted"
    """They wait, and the transport reads nothing."""


# By names of the module, which cost less to look up than an enum's attributes.
OPEN: Final = State.OPEN
CLOSING: Final = State.CLOSING
DEAF: Final = State.DEAF
FLOWING: Final = Intake.FLOWING
HELD: Final = Intake.HELD
HALTED: Final = Intake.HALTED


class WebSocket:
    """One client's websocket after the handshake; an `asyncio.Protocol`, though not by name."""

    __slots__ = (
        "_congested",
        "_connections",
        "_engine",
        "_intake",
        "_output",
        "_reader",
        "_state",
        "_transport",
        "_waiting",
        "bucket",
        "fd",
        "inlet",
    )

    name = "websocket"

    def __init__(self, engine: Engine, transport: asyncio.Transport, connections: set[Any]) -> None:
        self._engine = engine
        self._output = engine.output
        self._transport: asyncio.Transport | None = transport  # None when the connection is gone
        self._connections = connections  # uvicorn's, whose member it is
        self._reader: FrameReader | None = None  # while frames come that are not one whole text
        self._intake = FLOWING
        self.bucket = 0  # the wheel's
        self.fd = _descriptor(transport) if engine.options.io_uring else -1
        self.inlet: Inlet  # the session, or what comes before it; NOBODY at the end
        self._waiting: list[bytes] = []  # what was written in this turn of the loop
        self._congested = False  # the client reads too slowly
        self._state = OPEN

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        """Hand over the packets in `data`, up to a pause."""
        try:
            if self._reader is None and self._intake is FLOWING and self._state is OPEN:
                text = whole_text(data, self._engine.options.max_message)
                if text is not None:
                    self.inlet.receive(text)
                    if self.inlet.paused and self._state is OPEN:
                        self._intake = HELD
                    return
            if self._state is not DEAF:
                self._feed(data)
        except (FrameError, ProtocolError) as error:
            self.inlet.fail(error, error.code)

    def eof_received(self) -> None:
        """The client sends nothing more: the transport closes."""

    def pause_writing(self) -> None:
        """The client reads too slowly: look from now on at what waits for it."""
        self._congested = True
        self._engine.congested.add(self)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._congested = False
        self._engine.congested.discard(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._connections.discard(self)
        self._engine.congested.discard(self)
        self._engine.wheel.cancel(self)
        self._state = DEAF
        self._transport = self._reader = None
        self.fd = -1
        inlet, self.inlet = self.inlet, NOBODY
        inlet.lost(self)

    # What the session calls

    def write(self, frames: bytes) -> None:
        """Send frames: all those of one turn of the loop in one system call."""
        waiting = self._waiting
        if not waiting:
            self._output.add(self)
        waiting.append(frames)

    def send(self, frames: bytes) -> None:
        """Send frames without waiting for the end of the turn."""
        transport = self._transport
        if self._waiting or transport is None or transport.is_closing():
            self.write(frames)
        else:
            transport.write(frames)

    def flush(self) -> None:
        """Send what was written; a client that lets too much pile up is evicted."""
        waiting, transport = self._waiting, self._transport
        if transport is None or not waiting:
            return
        transport.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))
        waiting.clear()
        if self._congested and transport.get_write_buffer_size() > self._engine.options.max_backlog:
            if self._state is OPEN:
                self._state = CLOSING
            self.inlet.fail(ProtocolError("slow consumer"), frames.COME_BACK)
            transport.abort()

    def take(self) -> bytes | None:
        """Give out what was written, unless the transport has something to send before it."""
        waiting, transport = self._waiting, self._transport
        if not waiting or transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return None
        data = waiting[0] if len(waiting) == 1 else b"".join(waiting)
        waiting.clear()
        return data

    def put_back(self, data: bytes) -> None:
        """Take again what could not be sent."""
        self._waiting.insert(0, data)

    @property
    def carried(self) -> Session | None:
        """The session that it carries, or is about to."""
        return self.inlet.session

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        if self._transport is None:
            return 0
        size = self._transport.get_write_buffer_size()
        return size + sum(map(len, self._waiting)) if self._waiting else size

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """Send a close frame; with `flush` wait for the client's before the connection is cut.

        Closing at once, with unread data in the socket, could reset the connection before the client has read
        what was sent last (RFC 6455 section 7.1.1). `COME_BACK` sends no close frame; with `flush` the client
        is hung up on when it has answered a ping (section 5.5.3), so has read all: some libraries give up
        what they hold unread when they find that they can't write any more.
        """
        transport = self._transport
        if transport is None or self._state is not OPEN:
            return True
        self._state = CLOSING
        self.flush()
        if transport.get_write_buffer_size() > self._engine.options.max_backlog // 2:
            transport.abort()
            return True
        if code == frames.COME_BACK and not flush:
            self._hang_up(transport)
            return True
        last = frames.frame(_LAST, frames.PING)
        transport.write(last if code == frames.COME_BACK else frames.close_frame(code, reason))
        if flush:
            self._engine.wheel.set(self, self._engine.now() + self._engine.options.close_timeout)
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
        """Hang up on who takes too long to answer; cut a connection that takes too long to close."""
        if self._transport is None:
            return
        if self._state is DEAF:
            self._transport.abort()
        else:
            self._hang_up(self._transport)

    # Inside

    def _feed(self, data: bytes) -> None:
        if self._reader is None:  # an idle connection has none
            self._reader = FrameReader(self._engine.options.max_message)
        self._reader.feed(data)
        if self._intake is FLOWING:
            self._pump(self._reader)
        elif self._reader.held > READ_AHEAD and self._intake is HELD and self._transport is not None:
            self._intake = HALTED
            self._transport.pause_reading()

    def _pump(self, reader: FrameReader) -> None:
        """Hand over what has been fed, in slices so that no client keeps the others waiting."""
        for _ in range(SLICE):
            if self.inlet.paused and self._state is OPEN:
                self._intake = HELD
                return
            message = reader.next()
            if message is None:
                if not reader.holds:
                    self._reader = None
                return
            opcode, payload = message
            if opcode >= frames.CLOSE:
                self._control(opcode, payload)
            elif self._state is OPEN:
                self.inlet.receive(payload)
            if self._state is DEAF:
                return
        self._intake = HELD
        self.resume()

    def _read_on(self, transport: asyncio.Transport) -> None:
        before, self._intake = self._intake, FLOWING
        if before is HALTED:
            transport.resume_reading()

    def _continue(self) -> None:
        if self._intake is not FLOWING and self._transport is not None and not self._transport.is_closing():
            self._read_on(self._transport)
            self.data_received(b"")

    def _control(self, opcode: int, payload: Any) -> None:
        if opcode == frames.PING and self._state is OPEN:
            self.write(frames.frame(payload, frames.PONG))
        elif opcode == frames.PONG and self._state is not OPEN and payload == _LAST:
            if self._transport is not None:
                self._hang_up(self._transport)
        elif opcode == frames.CLOSE and self._transport is not None:
            if self._state is OPEN:
                self.flush()
                self._transport.write(frames.frame(payload[:2], frames.CLOSE))
            self._cut(self._transport)

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Send nothing more, and what comes still is not heard; the connection ends when the client hangs
        up, too."""
        if not transport.can_write_eof():  # TLS
            self._cut(transport)
            return
        self._deafen()
        try:
            transport.write_eof()
        except OSError:  # the client has reset it, which the loop has not told yet
            transport.abort()
            return
        self._read_on(transport)

    def _deafen(self) -> None:
        self._state = DEAF
        self._reader = None
        self._waiting.clear()
        self._engine.wheel.set(self, self._engine.now() + self._engine.options.close_timeout)

    def _cut(self, transport: asyncio.Transport) -> None:
        """Read nothing more; close when what was written has gone out, or in a while without."""
        self._deafen()
        transport.close()


def _descriptor(transport: asyncio.Transport) -> int:
    """The socket's, if what is written to the transport is sent as it is."""
    if transport.get_extra_info("sslcontext") is not None:
        return -1
    found = transport.get_extra_info("socket")
    return -1 if found is None else int(found.fileno())
