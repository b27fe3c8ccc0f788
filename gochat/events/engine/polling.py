"""HTTP long-polling as a transport: a bounded queue between the session and the polls.

Source: the Engine.IO protocol, section "HTTP long-polling". The HTTP itself is asgi.py's.
"""

import asyncio
from collections import deque

from .errors import ProtocolError, Refused
from .payloads import CLOSE_FRAME, NOOP_FRAME, decode_payload, take_payload
from .session import Session

PATIENCE_S = 0.1
"""How long a poll is held while the client upgrades; it may send one after it was told not to."""


class Polling:
    """One session's polls (GET) and posts (POST), at most one of each at a time."""

    __slots__ = ("_backlog", "_noop_due", "_posting", "_queue", "_room", "_session", "_waiting")

    name = "polling"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queue: deque[bytes] = deque()
        self._backlog = 0
        self._waiting: asyncio.Future[None] | None = None
        self._posting = False
        self._room: asyncio.Future[None] | None = None
        self._noop_due = False

    def write(self, frames: bytes) -> None:
        """Queue frames for the next poll; a client that lets them pile up is evicted."""
        self._backlog += len(frames)
        if self._backlog > self._session.engine.options.max_backlog:
            self._session.fail(ProtocolError("slow consumer"))
            return
        self._queue.append(frames)
        self._wake()

    def send(self, frames: bytes) -> None:
        """Send frames."""
        self.write(frames)

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        return self._backlog

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """End the polls: the pending one hears a CLOSE packet, or with `flush` the next one does.

        What is flushed comes in an answer of its own: the JavaScript client acts on CLOSE before it acts on
        the packets in front of it.
        """
        if not flush:
            self._queue.clear()
        self._wake()
        self.resume()
        return not flush or (self._waiting is not None and not self._queue)

    def resume(self) -> None:
        """Let the post that waits go on."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def release(self) -> None:
        """Answer a poll with NOOP, the pending one or else the next: the client is about to upgrade."""
        self._noop_due = True
        self._wake()

    def hand_over(self) -> deque[bytes]:
        """Give up what is queued, and let a pending poll go."""
        waiting, self._queue, self._backlog = self._queue, deque(), 0
        self.release()
        return waiting

    @property
    def ready(self) -> bool:
        """Whether a poll would be answered at once, be it with a refusal."""
        return bool(self._queue) or self._noop_due or self._waiting is not None or not self._session.open

    async def poll(self) -> bytes:
        """Wait for something to send and return it as a payload. Raises Refused for a second poll."""
        if self._waiting is not None:
            self._session.fail(ProtocolError("overlapping polls"))
            raise Refused(400, 3, "Bad request")
        if not self._queue and not self._noop_due and self._session.open:
            await self._wait()
        noop, self._noop_due = self._noop_due, False
        if not self._queue:
            if not self._session.open:
                self._session.engine.forget(self._session)
            self._queue.append(NOOP_FRAME if noop or self._session.open else CLOSE_FRAME)
        payload, taken = take_payload(self._queue)
        self._backlog = max(self._backlog - taken, 0)
        return payload

    async def _wait(self) -> None:
        """Wait until there is something to say; a client that upgrades waits for its last poll to end."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        upgrade = self._session.upgrade
        timer = loop.call_later(PATIENCE_S, self.release) if upgrade and upgrade.probed else None
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    async def post(self, body: bytes) -> None:
        """Hand over the packets of a POST, waiting while the session is paused. Raises ProtocolError."""
        session = self._session
        for packet in decode_payload(body):
            while session.paused and session.open:
                self._room = asyncio.get_running_loop().create_future()
                try:
                    await self._room
                finally:
                    self._room = None
            if not session.open:
                return
            session.receive(packet)

    def begin_post(self) -> None:
        """Note that a POST has begun. Raises Refused for a second one."""
        if self._posting:
            self._session.fail(ProtocolError("overlapping posts"))
            raise Refused(400, 3, "Bad request")
        self._posting = True

    def end_post(self) -> None:
        """Note that the POST is over."""
        self._posting = False

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
