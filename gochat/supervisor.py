"""Several worker processes on one port of one machine: started, watched, replaced when they die, and stopped.

Each worker listens by itself (`gochat.listening`), so one that died gets no new connections.
"""

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog

from gochat.core.measures import Count

log = structlog.get_logger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
STEADY_S = 10.0
"""A worker that lived so long is replaced at once."""
GO = b"\n"
"""To a worker, which may serve now."""
CANNOT_START = {2, 3, 78}
"""Exit statuses of a worker whose settings, or whose port, are no good: no other would fare better."""


class Supervisor:
    """Runs until SIGTERM or SIGINT, which all workers then get as SIGTERM.

    Args:
        look: what is run beside them at the start, and says why they can't start, once for all of them.
        command: of a worker; its name follows. It should serve when a line comes on its standard input, as
            what was looked at is good, and end when that does: then the supervisor was killed.
        workers: how many.
        patience: seconds that the workers have to end; then they are killed.
    """

    def __init__(self, look: Sequence[str], command: Sequence[str], workers: int, patience: float) -> None:
        self._look = look
        self._command = command
        self._workers = workers
        self._patience = patience
        self._running: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()
        self._looked = asyncio.Event()
        """Nothing speaks against a start."""
        self._status = 0
        self.deaths = Count("gochat_worker_deaths", "Workers that ended by themselves.")

    async def run(self) -> int:
        """Run the workers; the exit status for the whole."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        looking = asyncio.create_task(self._look_first())
        keepers = [asyncio.create_task(self._keep(str(n))) for n in range(self._workers)]
        await self._stopping.wait()
        _, late = await asyncio.wait(keepers, timeout=self._patience)
        if late:
            log.error("workers_killed", workers=len(self._running))
            for process in self._running:
                _signal(process, signal.SIGKILL)
            await asyncio.wait(late)
        await asyncio.wait([looking], timeout=self._patience)
        if not looking.done():
            looking.cancel()
            await asyncio.wait([looking])
        return self._status

    def _stop(self) -> None:
        self._stopping.set()
        for process in self._running:
            _signal(process, signal.SIGTERM)

    async def _look_first(self) -> None:
        """While the workers import."""
        process = await asyncio.create_subprocess_exec(*self._look)
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            _signal(process, signal.SIGKILL)
            await process.wait()
            raise
        if status in CANNOT_START:
            self._status = status
            self._stop()
        else:
            self._looked.set()

    async def _keep(self, name: str) -> None:
        """See to it that the worker of that name runs."""
        delay = FIRST_RETRY_S
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._work(name)
            if self._stopping.is_set():
                return
            if status in CANNOT_START:
                self._status = status
                self._stop()
                return
            delay = FIRST_RETRY_S if time.monotonic() - began > STEADY_S else min(LAST_RETRY_S, 2 * delay)
            self.deaths.add()
            log.error("worker_died", status=status, restart_s=delay)
            try:
                async with asyncio.timeout(delay * random.uniform(0.5, 1.0)):  # noqa: S311
                    await self._stopping.wait()
            except TimeoutError:
                pass

    async def _work(self, name: str) -> int:
        process = await asyncio.create_subprocess_exec(*self._command, name, stdin=asyncio.subprocess.PIPE)
        self._running.add(process)
        if self._stopping.is_set():
            _signal(process, signal.SIGTERM)
        letting_in = asyncio.create_task(self._let_in(process))
        try:
            return await process.wait()
        finally:
            letting_in.cancel()
            self._running.discard(process)

    async def _let_in(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        await self._looked.wait()
        with suppress(ConnectionError):  # it ended meanwhile
            process.stdin.write(GO)
            await process.stdin.drain()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal a process; it may have ended, and whoever waits for it not have been told yet."""
    with suppress(ProcessLookupError):
        process.send_signal(number)
