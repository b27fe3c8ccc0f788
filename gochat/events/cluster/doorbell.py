"""The doorbell: tells other processes what happened. It may lose; the gates and the database heal.

Each conversation, user and process has a channel of the name of its room; a process hears those that it has
sockets for. A message is a MAC over all that it is, who rang, one line of JSON, and the payload as it goes to
sockets. What has no valid MAC is dropped and counted.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gochat.core.measures import Measures
from gochat.events.cluster.pipeline import Publisher
from gochat.events.cluster.seam import EVERYBODY, T, Topic
from gochat.events.cluster.subscriptions import Subscriptions
from gochat.events.tasks import end

log = structlog.get_logger(__name__)

BEAT_S = 2.0
"""How often a process rings for itself."""
DEAF_S = 7.0
"""Without hearing itself for so long it takes another connection."""

ECHO: Topic[None] = Topic("echo", lambda _: ({}, b""), lambda header, payload: None)

_MAC_BYTES = 16
_ID_BYTES = 16
_TIMEOUT_S = 5.0


class RedisDoorbell:
    """`seam.Doorbell` of the processes on one Redis.

    Args:
        url: Redis: `redis://`, or `rediss://` for TLS, with a password if it has one.
        prefix: begins the name of every channel; the same on all processes of one deployment, and no other's.
        keys: of the MAC: the first one signs, all of them verify.
    """

    def __init__(
        self, url: str, prefix: str, keys: Sequence[bytes], measures: Measures | None = None
    ) -> None:
        self._lag = (measures or Measures()).lag
        pool = ConnectionPool.from_url(
            url,
            protocol=2,
            socket_connect_timeout=_TIMEOUT_S,
            socket_timeout=None,  # else redis-py writes by `wait_for`, which before Python 3.12 may
            # swallow a cancellation: a writer would outlive its connection. Who waits has a timeout.
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        self.process = secrets.token_hex(_ID_BYTES // 2)
        """The id of this process, as the names of its room and of its sessions have it."""
        self._id = self.process.encode()
        self._prefix = prefix
        self._keys = tuple(keys)
        self._topics: dict[str, tuple[Topic[Any], Callable[[Any], None]]] = {}
        self._renewed: list[Callable[[], None]] = []
        self._publisher = Publisher(pool.make_connection)
        self._subscriptions = Subscriptions(pool.make_connection, self._hear, self._heard_anew)
        self._echo = self._channel(f"echo:{self.process}")
        self._echo_at = 0.0
        self._beating: asyncio.Task[None] | None = None
        self.forged = 0
        """Messages without a valid MAC."""

    def start_ringing(self) -> None:
        """Begin to ring, and hear nothing."""
        self._publisher.start()

    def start(self) -> None:
        """Begin to hear and to ring."""
        for channel in (self._echo, self._channel(EVERYBODY)):
            self._subscriptions.listen(channel)
        self._subscriptions.start()
        self.start_ringing()
        self._beating = asyncio.create_task(self._beat())

    async def close(self, patience: float = 1.0) -> None:
        """Ring what waits, for so many seconds at most; then stop."""
        if self._beating is not None:
            await end((self._beating,))
        await self._publisher.close(patience)
        await self._subscriptions.close()

    async def check(self) -> str:
        """`ok`, or what is wrong with Redis, within 2 s."""
        try:
            async with asyncio.timeout(2):
                await self._publisher.send(*self._message(f"echo:{self.process}", ECHO, None))
        except Exception as error:
            return type(error).__name__
        return "ok"

    @property
    def is_up(self) -> bool:
        """Whether all that was asked for is heard."""
        return self._subscriptions.is_up

    @property
    def channels(self) -> int:
        """How many channels are heard, or asked for."""
        return len(self._subscriptions)

    @property
    def dropped(self) -> int:
        """Rings that Redis did not take."""
        return self._publisher.dropped

    # ---- the doorbell

    def ring(self, room: str, topic: Topic[T], news: T) -> None:
        """Tell the processes that have sockets in a room."""
        self._publisher.publish(*self._message(room, topic, news))

    async def send(self, room: str, topic: Topic[T], news: T) -> int:
        """The same; returns how many processes heard it. Raises ConnectionError."""
        return await self._publisher.send(*self._message(room, topic, news))

    def hear(self, topic: Topic[T], told: Callable[[T], None]) -> None:
        """Have somebody told of a topic."""
        if topic.name in self._topics:
            raise ValueError(f"{topic.name} is heard already")
        self._topics[topic.name] = topic, told

    def renewed(self, told: Callable[[], None]) -> None:
        """Have somebody told when all is heard anew."""
        self._renewed.append(told)

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

    def _message(self, room: str, topic: Topic[T], news: T) -> tuple[bytes, bytes]:
        channel = self._channel(room)
        header, payload = topic.pack(news)
        text = self._id + orjson.dumps([topic.name, header]) + b"\n" + payload
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
        name, header = orjson.loads(line)
        if "at" in header:
            self._lag.note(max(0.0, time.time() - header["at"]))
        if name not in self._topics:  # of another release
            return
        topic, told = self._topics[name]
        try:
            told(topic.unpack(header, payload))
        except Exception:
            log.exception("doorbell_listener_failed", topic=name)

    def _heard_anew(self) -> None:
        for told in self._renewed:
            told()

    async def _beat(self) -> None:
        """Ring for oneself: a connection that brings nothing any more looks like one that has nothing."""
        loop = asyncio.get_running_loop()
        self._echo_at = loop.time()
        while True:
            self.ring(f"echo:{self.process}", ECHO, None)
            await asyncio.sleep(BEAT_S)
            if loop.time() - self._echo_at > DEAF_S:
                self._echo_at = loop.time()
                log.warning("doorbell_deaf")
                self._subscriptions.reset()


def _mac(key: bytes, channel: bytes, text: bytes) -> bytes:
    """Over where it was rung too: what was rung elsewhere, or in another deployment, is no use here."""
    return hmac.digest(key, b"%d:%b%b" % (len(channel), channel, text), "sha256")[:_MAC_BYTES]
