"""Work that runs beside: kept until it ends, told of when it fails, and ended within a time."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

END_S = 3.0
"""How long what is cancelled may take to end."""


class Tasks:
    """Tasks of one owner. `Task` objects are kept by nobody else: the loop itself would lose them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it. A fault of ours in it is logged; one that must go on after a fault catches it itself."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def cancel(self) -> None:
        """Have them end, without waiting for it."""
        for task in self._running:
            task.cancel()

    async def end(self) -> None:
        """Have them end, and wait for it, briefly."""
        await end(self._running)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("task_failed", exc_info=error)


async def end(tasks: Collection[asyncio.Task[Any]], patience: float = END_S) -> None:
    """Cancel tasks and wait until they have ended, at most that long.

    A library may swallow the cancellation (redis-py does, while it connects): a loop over such a call needs
    a flag that ends it, and nobody waits for it without a bound.
    """
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=patience)
        if pending:
            log.warning("tasks_do_not_end", count=len(pending))
