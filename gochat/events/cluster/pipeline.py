"""What this process says to Redis: one connection, pipelined. What cannot be said soon is dropped."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import TimeoutError as NoFarewell

from gochat.events.tasks import end

log = structlog.get_logger(__name__)

MAX_WAITING = 10_000
"""Messages that may wait for Redis; more are dropped."""
MAX_PIPELINE = 128
TIMEOUT_S = 5.0
"""For connecting, and for one pipeline with its answers."""
RETRY_S = 0.5


async def connect(connection: AbstractConnection) -> None:
    """Open a connection to Redis, or raise.

    redis-py swallows a cancellation that comes meanwhile, and with it the end of a timeout: it returns, and
    there is no connection.
    """
    await connection.connect()  # type: ignore[no-untyped-call]
    if not connection.is_connected:
        raise ConnectionError("not connected")


async def hang_up(connection: AbstractConnection, farewell: bool) -> None:
    """Close a connection to Redis.

    Args:
        farewell: wait for the other side's, as long as for connecting at most: with TLS a connection is
            closed only after it, and a loop that ends before leaves it open.
    """
    with suppress(NoFarewell):
        await connection.disconnect(nowait=not farewell)


class Message(NamedTuple):
    """`receivers`, if anyone waits for it: how many connections heard it."""

    channel: bytes
    data: bytes
    receivers: asyncio.Future[int] | None = None


class Publisher:
    """Publishes in the order of the calls.

    Args:
        connect: makes a connection to Redis with protocol 2 and no timeout of its own, not yet open.
    """

    def __init__(self, connect: Callable[[], AbstractConnection]) -> None:
        self._connect = connect
        self._connection: AbstractConnection | None = None
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.dropped = 0

    def start(self) -> None:
        """Begin to publish."""
        self._task = asyncio.create_task(self._run())

    async def close(self, patience: float) -> None:
        """Publish what waits, for so many seconds at most; then stop."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(patience):
                await self._waiting.join()
        except TimeoutError:
            pass
        self._closing = True
        await end((self._task,))
        await self._hang_up()

    def publish(self, channel: bytes, data: bytes) -> None:
        """Never waits, never raises, guarantees nothing."""
        try:
            self._waiting.put_nowait(Message(channel, data))
        except asyncio.QueueFull:
            self.dropped += 1

    async def send(self, channel: bytes, data: bytes) -> int:
        """Publish, and return how many connections heard it.

        Raises:
            ConnectionError: Redis does not answer.
        """
        receivers: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait(Message(channel, data, receivers))
        except asyncio.QueueFull:
            raise ConnectionError("too much waits for Redis") from None
        return await receivers

    async def _run(self) -> None:
        while not self._closing:
            messages = [await self._waiting.get()]
            while len(messages) < MAX_PIPELINE and not self._waiting.empty():
                messages.append(self._waiting.get_nowait())
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self._publish(messages)
            except Exception as error:
                self.dropped += len(messages)
                log.warning("doorbell_lost", messages=len(messages), error=type(error).__name__)
                _fail(messages)
                await self._hang_up()
                await asyncio.sleep(RETRY_S)
            finally:
                for _ in messages:
                    self._waiting.task_done()

    async def _publish(self, messages: list[Message]) -> None:
        if self._connection is None:
            connection = self._connect()
            await connect(connection)
            self._connection = connection
        connection = self._connection
        commands = [(b"PUBLISH", message.channel, message.data) for message in messages]
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        for message in messages:
            heard = await connection.read_response(disconnect_on_error=False)
            if message.receivers is not None and not message.receivers.done():
                message.receivers.set_result(heard)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await hang_up(connection, farewell=self._closing)


def _fail(messages: list[Message]) -> None:
    for message in messages:
        if message.receivers is not None and not message.receivers.done():
            message.receivers.set_exception(ConnectionError("Redis does not answer"))
