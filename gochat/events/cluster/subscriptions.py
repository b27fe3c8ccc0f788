"""What this process hears of Redis: one connection, which comes back by itself and hears the same again.

What was published while it was away is lost; whoever hears has to read it elsewhere.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection

from gochat.events.cluster.pipeline import connect, hang_up
from gochat.events.tasks import end

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
CONFIRM_TIMEOUT_S = 2.0
"""How long anybody waits to be heard by Redis; then it goes on without."""
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0
CHANNELS = 500
"""In one command, so that other clients of Redis get a turn."""


class Subscriptions:
    """The channels that are wanted, and the connection on which they are heard.

    Changes are sent as they come in while those before are written: a thousand phones that return at once
    cost a few commands. Each write ends with a PING, and its answer confirms all that stood before it.

    Args:
        connect: makes a connection to Redis with protocol 2 and no timeout of its own, not yet open.
        hear: called with channel and message, in the order of arrival.
        connected: called whenever everything wanted is heard anew.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractConnection],
        hear: Callable[[bytes, bytes], None],
        connected: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._hear = hear
        self._on_connected = connected
        self._wanted: set[bytes] = set()
        self._subscribed: set[bytes] = set()
        self._touched: dict[bytes, None] = {}
        self._news = asyncio.Event()
        self._unwritten: asyncio.Future[bool] | None = None
        self._unconfirmed: deque[asyncio.Future[bool] | None] = deque()
        self._up = False
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._deaf = asyncio.Event()

    def __len__(self) -> int:
        return len(self._wanted)

    def start(self) -> None:
        """Connect, again and again."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Hear nothing any more."""
        self._closing = True
        if self._task is not None:
            await end((self._task,))

    @property
    def is_up(self) -> bool:
        """Whether the connection is up."""
        return self._up

    def reset(self) -> None:
        """Give the connection up for another one: this one seems to be deaf."""
        self._deaf.set()

    def listen(self, channel: bytes) -> None:
        """Hear a channel from soon on."""
        if channel not in self._wanted:
            self._wanted.add(channel)
            self._touch(channel)

    def unlisten(self, channel: bytes) -> None:
        """Hear it no more."""
        if channel in self._wanted:
            self._wanted.discard(channel)
            self._touch(channel)

    async def confirmed(self) -> None:
        """Wait until all is heard that is wanted by now; without Redis, or a slow one, not for long."""
        if not self._up or (not self._touched and not self._unconfirmed):
            return
        if self._unwritten is None:
            self._unwritten = asyncio.get_running_loop().create_future()
        self._news.set()
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                await asyncio.shield(self._unwritten)
        except TimeoutError:
            log.warning("subscriptions_unconfirmed")

    def _touch(self, channel: bytes) -> None:
        self._touched[channel] = None
        self._news.set()

    # ---- the connection

    async def _run(self) -> None:
        delay = FIRST_RETRY_S
        while not self._closing:
            connection = self._connect()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await connect(connection)
                delay = FIRST_RETRY_S
                await self._serve(connection)
            except Exception as error:
                log.warning("subscriptions_lost", error=type(error).__name__, retry_s=delay)
            finally:
                self._down()
                await hang_up(connection, farewell=self._closing)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311
            delay = min(LAST_RETRY_S, 2 * delay)

    async def _serve(self, connection: AbstractConnection) -> None:
        """Write and read until one of the two fails, or `reset`. Raises what failed."""
        self._subscribed.clear()
        self._touched = dict.fromkeys(self._wanted)
        self._up = True
        self._news.set()
        self._unwritten = self._unwritten or asyncio.get_running_loop().create_future()
        self._unwritten.add_done_callback(self._renewed)
        self._deaf.clear()
        works = (self._write(connection), self._read(connection), self._deaf.wait())
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await end(tasks)
        for task in done:
            task.result()

    def _renewed(self, confirmed: asyncio.Future[bool]) -> None:
        if not confirmed.cancelled() and confirmed.result():
            log.info("subscriptions_up", channels=len(self))
            self._on_connected()

    def _down(self) -> None:
        """Nobody waits for a connection that is away."""
        self._up = False
        waiting = [*self._unconfirmed, self._unwritten]
        self._unconfirmed.clear()
        self._unwritten = None
        for future in waiting:
            if future is not None and not future.done():
                future.set_result(False)

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            touched, self._touched = self._touched, {}
            waiting, self._unwritten = self._unwritten, None
            on = [it for it in touched if it in self._wanted and it not in self._subscribed]
            off = [it for it in touched if it not in self._wanted and it in self._subscribed]
            self._subscribed.update(on)
            self._subscribed.difference_update(off)
            self._unconfirmed.append(waiting)
            commands = [*_commands(b"SUBSCRIBE", on), *_commands(b"UNSUBSCRIBE", off), (b"PING", b"")]
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            answer = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            if answer[0] == b"message":
                self._hear(answer[1], answer[2])
            elif answer[0] == b"pong":
                waiting = self._unconfirmed.popleft()
                if waiting is not None and not waiting.done():
                    waiting.set_result(True)


def _commands(name: bytes, channels: Sequence[bytes]) -> Iterable[tuple[bytes, ...]]:
    for first in range(0, len(channels), CHANNELS):
        yield (name, *channels[first : first + CHANNELS])
