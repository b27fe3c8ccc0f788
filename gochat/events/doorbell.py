"""The doorbell: tells the other processes what happened. It may lose; the gate and the database heal.

`RedisDoorbell` rides on the channel of python-socketio's Redis manager. A message of ours is a mark, a MAC
over the rest, one line of JSON, and the payload as it goes to sockets; what has no valid MAC is dropped and
counted.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import socketio
import structlog

from gochat.events.engine import EngineRedisManager

log = structlog.get_logger(__name__)

MAX_PAYLOAD = 32 * 1024
"""Bytes; of a larger delta only the numbers are told, and the others read it from the database."""
MAX_WAITING = 10_000
"""Rings that may wait for Redis; more are dropped."""
MAX_PIPELINE = 128
PUBLISH_TIMEOUT_S = 5.0

_MARK = b"gochat1 "
_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Ring:
    """One message between processes. `topic` says what `header` (JSON) and `payload` mean."""

    topic: str
    header: dict[str, Any]
    payload: bytes = b""


class Doorbell(Protocol):
    """Rings for the other processes. Never waits, never raises, guarantees nothing."""

    def ring(self, ring: Ring) -> None:
        """Tell the others."""
        ...


class NoDoorbell:
    """One process: there is nobody to ring for."""

    def ring(self, ring: Ring) -> None:
        """Nothing."""


class RedisDoorbell(EngineRedisManager):
    """The client manager of a server with several processes, and their doorbell.

    Args:
        url: Redis, as `redis.from_url` takes it.
        key: of the MAC; the same on all processes of one deployment.
        listen: called on the event loop with what others rang, in the order of arrival.
    """

    def __init__(self, url: str, key: bytes, listen: Callable[[Ring], None]) -> None:
        options = {"socket_connect_timeout": PUBLISH_TIMEOUT_S}
        socketio.AsyncRedisManager.__init__(self, url, channel="gochat", redis_options=options)
        self._key = key
        self._on_ring = listen
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._pump: asyncio.Task[None] | None = None
        self.dropped = 0

    def initialize(self) -> None:
        """Start listening and publishing; python-socketio calls it before the first client."""
        super().initialize()
        self._pump = asyncio.create_task(self._publish_waiting())

    async def close(self) -> None:
        """Publish what waits, briefly; then stop."""
        for task in (self._pump, getattr(self, "thread", None)):
            if task is not None:
                task.cancel()
        if self.redis is not None:
            await self.redis.aclose()

    async def check(self) -> str:
        """`ok`, or what is wrong with Redis, within 2 s."""
        try:
            async with asyncio.timeout(2):
                if self.redis is None:
                    self._redis_connect()
                await self.redis.ping()
        except Exception as error:
            return type(error).__name__
        return "ok"

    def ring(self, ring: Ring) -> None:
        """Queue a message for the others."""
        line = orjson.dumps([self.host_id, ring.topic, ring.header])
        text = line + b"\n" + ring.payload
        try:
            self._waiting.put_nowait(_MARK + self._mac(text) + text)
        except asyncio.QueueFull:
            self.dropped += 1

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")[:_MAC_BYTES]

    async def _publish_waiting(self) -> None:
        while True:
            messages = [await self._waiting.get()]
            while len(messages) < MAX_PIPELINE and not self._waiting.empty():
                messages.append(self._waiting.get_nowait())
            try:
                async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                    await self._publish_all(messages)
            except Exception as error:
                self.dropped += len(messages)
                self.connected = False
                log.warning("doorbell_lost", messages=len(messages), error=type(error).__name__)

    async def _publish_all(self, messages: list[bytes]) -> None:
        if self.redis is None:
            self._redis_connect()
        async with self.redis.pipeline(transaction=False) as pipeline:
            for message in messages:
                pipeline.publish(self.channel, message)
            await pipeline.execute()

    async def _listen(self) -> AsyncIterator[Any]:
        """Take our messages out of what python-socketio's manager reads."""
        async for message in super()._listen():
            if isinstance(message, bytes) and message.startswith(_MARK):
                self._heard(message[len(_MARK) :])
            else:
                yield message

    def _heard(self, message: bytes) -> None:
        mac, text = message[:_MAC_BYTES], message[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(text)):
            self.dropped += 1
            log.warning("doorbell_forged", size=len(message))
            return
        line, _, payload = text.partition(b"\n")
        host_id, topic, header = orjson.loads(line)
        if host_id == self.host_id:
            return
        try:
            self._on_ring(Ring(topic, header, payload))
        except Exception:
            log.exception("doorbell_listener_failed", topic=topic)
