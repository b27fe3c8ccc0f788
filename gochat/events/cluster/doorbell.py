"""The doorbell: tells other processes what happened. It may lose; the gates and the database heal.

Each conversation, user and process has a channel of the name of its room; a process hears those that it has
sockets for. A message is a MAC over all that it is, who rang, one line of JSON, and the payload as it goes to
sockets. What has no valid MAC is dropped and counted.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import socketio
import structlog
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gochat.events.cluster.pipeline import Publisher
from gochat.events.cluster.subscriptions import Subscriptions
from gochat.events.engine import EngineRedisManager

log = structlog.get_logger(__name__)

MAX_PAYLOAD = 32 * 1024
"""Bytes; of a larger delta only the numbers are told, and the others read it from the database."""
EVERYBODY = "all"
"""The room of all processes."""
BEAT_S = 2.0
"""How often a process rings for itself."""
DEAF_S = 7.0
"""Without hearing itself for so long it takes another connection."""
MAX_STOCK = 1_000
"""Messages of python-socketio's own that may wait to be handled; more are dropped."""

_MAC_BYTES = 16
_ID_BYTES = 16
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Ring:
    """One message between processes. `topic` says what `header` (JSON) and `payload` mean."""

    topic: str
    header: dict[str, Any]
    payload: bytes = b""


class Doorbell(Protocol):
    """Rings for the other processes that have sockets in a room. Nothing is guaranteed."""

    def ring(self, room: str, ring: Ring) -> None:
        """Tell them. Never waits, never raises."""
        ...

    def listen(self, room: str) -> None:
        """Hear what is rung for a room from soon on."""
        ...

    def unlisten(self, room: str) -> None:
        """Hear it no more."""
        ...

    async def confirmed(self) -> None:
        """Wait until all rooms are heard that were asked for by now; if that can't be, not for long."""
        ...


class NoDoorbell:
    """One process: there is nobody to ring for."""

    def ring(self, room: str, ring: Ring) -> None:
        """Nothing."""

    def listen(self, room: str) -> None:
        """Nothing."""

    def unlisten(self, room: str) -> None:
        """Nothing."""

    async def confirmed(self) -> None:
        """At once."""


class RedisDoorbell(EngineRedisManager):
    """The client manager of a server with several processes, and their doorbell.

    What python-socketio's own manager says to other processes goes through it too.

    Args:
        url: Redis: `redis://`, or `rediss://` for TLS, with a password if it has one.
        prefix: begins the name of every channel; the same on all processes of one deployment, and no other's.
        keys: of the MAC: the first one signs, all of them verify.
        listen: called on the event loop with what others rang, in the order of arrival.
        connected: called whenever all that this process wants to hear is heard anew, after a loss too.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        keys: Sequence[bytes],
        listen: Callable[[Ring], None],
        connected: Callable[[], None],
    ) -> None:
        socketio.AsyncRedisManager.__init__(self, url, channel=f"{prefix}:{EVERYBODY}")
        pool = ConnectionPool.from_url(
            url,
            protocol=2,
            socket_connect_timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        self.process = self.host_id[:_ID_BYTES]
        """The id of this process, as the names of its room and of its sessions have it."""
        self._id = self.process.encode()
        self._prefix = prefix
        self._keys = tuple(keys)
        self._on_ring = listen
        self._publisher = Publisher(pool.make_connection)
        self._subscriptions = Subscriptions(pool.make_connection, self._hear, connected)
        self._stock: asyncio.Queue[bytes] = asyncio.Queue(MAX_STOCK)
        self._echo = self._channel(f"echo:{self.process}")
        self._echo_at = 0.0
        self._beating: asyncio.Task[None] | None = None
        self.forged = 0
        """Messages without a valid MAC."""

    def start(self) -> None:
        """Begin to hear and to ring."""
        for channel in (self._echo, self._channel(EVERYBODY)):
            self._subscriptions.listen(channel)
        self._subscriptions.start()
        self._publisher.start()
        self._beating = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """Ring what waits, briefly; then stop."""
        for task in (self._beating, getattr(self, "thread", None)):
            if task is not None:
                task.cancel()
        await self._publisher.close()
        await self._subscriptions.close()

    async def check(self) -> str:
        """`ok`, or what is wrong with Redis, within 2 s."""
        try:
            async with asyncio.timeout(2):
                await self._publisher.send(*self._message(f"echo:{self.process}", Ring("echo", {})))
        except Exception as error:
            return type(error).__name__
        return "ok"

    @property
    def dropped(self) -> int:
        """Rings that Redis did not take."""
        return self._publisher.dropped

    # ---- the doorbell

    def ring(self, room: str, ring: Ring) -> None:
        """Tell the processes that have sockets in a room."""
        self._publisher.publish(*self._message(room, ring))

    async def send(self, room: str, ring: Ring) -> int:
        """The same; returns how many processes heard it. Raises ConnectionError."""
        return await self._publisher.send(*self._message(room, ring))

    def listen(self, room: str) -> None:
        """Hear what is rung for a room."""
        self._subscriptions.listen(self._channel(room))

    def unlisten(self, room: str) -> None:
        """Hear it no more."""
        self._subscriptions.unlisten(self._channel(room))

    async def confirmed(self) -> None:
        """Wait, briefly, until what was asked for is heard."""
        await self._subscriptions.confirmed()

    # ---- messages

    def _channel(self, room: str) -> bytes:
        return f"{self._prefix}:{room}".encode()

    def _message(self, room: str, ring: Ring) -> tuple[bytes, bytes]:
        channel = self._channel(room)
        text = self._id + orjson.dumps([ring.topic, ring.header]) + b"\n" + ring.payload
        return channel, _mac(self._keys[0], channel, text) + text

    def _hear(self, channel: bytes, message: bytes) -> None:
        mac, text = message[:_MAC_BYTES], message[_MAC_BYTES:]
        if text[:_ID_BYTES] == self._id and channel != self._echo:
            return
        if not any(hmac.compare_digest(mac, _mac(key, channel, text)) for key in self._keys):
            self.forged += 1
            log.warning("doorbell_forged", size=len(message), count=self.forged)
            return
        if channel == self._echo:
            self._echo_at = asyncio.get_running_loop().time()
            return
        line, _, payload = text[_ID_BYTES:].partition(b"\n")
        topic, header = orjson.loads(line)
        try:
            self._heard(Ring(topic, header, payload))
        except Exception:
            log.exception("doorbell_listener_failed", topic=topic)

    def _heard(self, ring: Ring) -> None:
        if ring.topic != "socketio":
            self._on_ring(ring)
        elif not self._stock.full():
            self._stock.put_nowait(ring.payload)

    async def _beat(self) -> None:
        """Ring for oneself: a connection that brings nothing any more looks like one that has nothing."""
        loop = asyncio.get_running_loop()
        self._echo_at = loop.time()
        while True:
            self.ring(f"echo:{self.process}", Ring("echo", {}))
            await asyncio.sleep(BEAT_S)
            if loop.time() - self._echo_at > DEAF_S:
                self._echo_at = loop.time()
                log.warning("doorbell_deaf")
                self._subscriptions.reset()

    # ---- python-socketio's manager

    async def _publish(self, data: Any) -> None:
        self.ring(EVERYBODY, Ring("socketio", {}, orjson.dumps(data)))

    async def _listen(self) -> AsyncIterator[Any]:
        while True:
            yield await self._stock.get()


def _mac(key: bytes, channel: bytes, text: bytes) -> bytes:
    """Over where it was rung too: what was rung elsewhere, or in another deployment, is no use here."""
    return hmac.digest(key, b"%d:%b%b" % (len(channel), channel, text), "sha256")[:_MAC_BYTES]
