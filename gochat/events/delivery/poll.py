"""Reads the log of all processes every other second, whatever the doorbell says.

So whoever died between COMMIT and doorbell, a doorbell that nobody heard, or Redis away cost that time, and
nobody has to connect again.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog

from gochat.core.errors import ChatError
from gochat.core.measures import Measures
from gochat.core.ports.reading import ChangeLog
from gochat.core.queries import Batch, Heads
from gochat.events.delivery.fanout import Fanout
from gochat.seldom import Seldom

log = structlog.get_logger(__name__)

EVERY_S = 2.0
AWAY_S = 1800.0
"""After that long without an answer batches may have been deleted unread."""
MARGIN_MS = 60_000
"""How far the clocks of two processes may be apart, together with the time that a commit takes."""
LIMIT = 500
"""Batches of up to 100 processes read at once."""
MAX_PROCESSES = 10_000
"""Processes remembered, before those are forgotten that committed nothing for an hour."""


class Poll:
    """One per process.

    Args:
        history_lost: called when the database tells another history than before.
    """

    def __init__(
        self,
        changes: ChangeLog,
        fanout: Fanout,
        history_lost: Callable[[], None],
        measures: Measures | None = None,
    ) -> None:
        self._polls = (measures or Measures()).polls
        self._changes = changes
        self._fanout = fanout
        self._history_lost = history_lost
        self._known: dict[int, int] = {}
        self._epoch: str | None = None
        self._read_at = float("-inf")
        self._unsure = True
        """Whether the database may have less than before: it was away."""
        self._missed = True
        """Whether something may have been committed that the log does not tell any more."""
        self._seldom = Seldom()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read, before any socket is let in."""
        self._task = asyncio.create_task(self._run())

    def hurry(self) -> None:
        """Read now: the doorbell was deaf for a while."""
        self._wake.set()

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            began, result = time.perf_counter(), "failed"
            try:
                await self._read()
                result = "ok"
            except ChatError as error:
                self._unsure = True
                if self._seldom.lets(error.code):
                    log.warning("poll_failed", code=error.code)
            except Exception:
                self._unsure = True
                log.exception("poll_failed")
            self._polls.note(time.perf_counter() - began, result)
            try:
                async with asyncio.timeout(EVERY_S * random.uniform(0.9, 1.1)):  # noqa: S311
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _read(self) -> None:
        now = time.monotonic()
        heads = await self._changes.heads()
        if heads.epoch != self._epoch:
            known, self._epoch = self._epoch, heads.epoch
            self._known = dict(heads.numbers)
            if known is not None:
                self._history_lost()
        while new := self._new(heads):
            batches = await self._changes.batches(new, LIMIT)
            if not batches:  # deleted meanwhile
                self._missed = True
                self._known |= heads.numbers
                break
            self._fanout.learn(batches)
            self._take(batches)
        within = MARGIN_MS + int(min(now - self._read_at, AWAY_S) * 1000)
        self._fanout.learn_revoked(await self._changes.revoked(within))
        await self._compare(now)
        self._read_at = now
        if len(self._known) > MAX_PROCESSES:
            self._known = dict(heads.numbers)

    def _new(self, heads: Heads) -> dict[int, int]:
        """The processes with batches that were not read yet, and how far they were."""
        known = {process_id: self._known.get(process_id, 0) for process_id in heads.numbers}
        return {process_id: n for process_id, n in known.items() if n < heads.numbers[process_id]}

    def _take(self, batches: Sequence[Batch]) -> None:
        """Note how far the log was read; a number that is missing was deleted unread."""
        for batch in batches:
            if batch.n != self._known.get(batch.process_id, 0) + 1:
                self._missed = True
            self._known[batch.process_id] = batch.n

    async def _compare(self, now: float) -> None:
        """Compare what was handed on with the database itself, if the log may not have told all."""
        self._missed = self._missed or now - self._read_at > AWAY_S
        if not self._unsure and not self._missed:
            return
        if not await self._fanout.compare(memberships=self._missed):
            await self._changes.renew_epoch()
            return
        self._unsure = self._missed = False
