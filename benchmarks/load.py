"""Load: messages that are sent, and what they cost whoever serves them."""

import asyncio
import gc
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from benchmarks.measure import Cost, percentile

T = TypeVar("T")
Send = Callable[[T], asyncio.Future[Any]]
Reading = Callable[[], float]
"""A counter's present value."""

PATIENCE_S = 60.0


def nothing() -> float:
    """A counter of what is not there."""
    return 0.0


class Load(Generic[T]):
    """Sends messages and measures them.

    Args:
        cpu: the processor time that the server has used.
        database: that of the database.
        commits: how many commits there have been.
    """

    def __init__(self, send: Send[T], cpu: Reading, database: Reading, commits: Reading) -> None:
        self._send = send
        self._clocks = (cpu, database, commits, time.perf_counter)
        self._latencies: list[float] = []
        self._left = 0
        self._all_acked = asyncio.Event()

    async def closed(self, commands: Sequence[T], senders: int) -> Cost:
        """As many senders as said, each with one message under way; until all are acked."""
        waiting = iter(commands)

        def submit(_: object = None) -> None:
            command = next(waiting, None)
            if command is not None:
                self._submit(command, time.perf_counter()).add_done_callback(submit)

        def begin() -> None:
            for _ in range(senders):
                submit()

        return await self._measured(len(commands), begin)

    async def offered(self, commands: Sequence[T], rate: float) -> Cost:
        """Messages that come by chance, at so many a second, whatever becomes of those before them.

        Each one's time counts from when it was due.
        """
        return await self._measured(len(commands), lambda: self._arrivals(commands, rate))

    def _arrivals(self, commands: Sequence[T], rate: float) -> asyncio.Task[None]:
        chance = random.Random(1)

        async def arrive() -> None:
            due = time.perf_counter()
            for command in commands:
                due += chance.expovariate(rate)
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                self._submit(command, due)

        return asyncio.create_task(arrive())

    def _submit(self, command: T, at: float) -> asyncio.Future[Any]:
        future = self._send(command)
        future.add_done_callback(partial(self._acked, at))
        return future

    def _acked(self, at: float, future: asyncio.Future[Any]) -> None:
        self._latencies.append(time.perf_counter() - at)
        self._left -= 1
        if self._left == 0:
            self._all_acked.set()

    async def _measured(self, count: int, begin: Callable[[], object]) -> Cost:
        self._left, self._latencies = count, []
        self._all_acked.clear()
        gc.collect()
        gc.freeze()
        before = [read() for read in self._clocks]
        running = begin()
        async with asyncio.timeout(PATIENCE_S):
            await self._all_acked.wait()
        cpu, database, commits, seconds = (
            read() - was for read, was in zip(self._clocks, before, strict=True)
        )
        del running
        ordered = sorted(self._latencies)
        return Cost(
            cpu=cpu / count * 1e6,
            database=database / count * 1e6,
            commits=commits / count,
            rate=count / seconds,
            p50=percentile(ordered, 0.50) * 1e3,
            p99=percentile(ordered, 0.99) * 1e3,
        )
