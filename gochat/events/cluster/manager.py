"""What python-socketio's own manager says to other processes, by the doorbell."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from socketio.async_pubsub_manager import AsyncPubSubManager

from gochat.events.cluster.doorbell import RedisDoorbell
from gochat.events.cluster.seam import EVERYBODY, Topic
from gochat.events.engine import EngineManager

MAX_WAITING = 1_000
"""Messages that may wait to be handled; more are dropped."""

SOCKETIO: Topic[bytes] = Topic("socketio", lambda text: ({}, text), lambda header, payload: payload)


class DoorbellManager(AsyncPubSubManager, EngineManager):  # type: ignore[misc]
    """The client manager of a server with several processes."""

    def __init__(self, doorbell: RedisDoorbell) -> None:
        super().__init__()
        self._doorbell = doorbell
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        doorbell.hear(SOCKETIO, self._heard)

    def close(self) -> None:
        """Handle nothing more."""
        task: asyncio.Task[None] | None = getattr(self, "thread", None)
        if task is not None:
            task.cancel()

    def _heard(self, text: bytes) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait(text)

    async def _publish(self, data: Any) -> None:
        self._doorbell.ring(EVERYBODY, SOCKETIO, orjson.dumps(data))

    async def _listen(self) -> AsyncIterator[Any]:
        while True:
            yield await self._waiting.get()
