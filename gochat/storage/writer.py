"""The conversation writer: one per process, a thread with one connection, fed by a queue.

The thread takes everything that arrived while the last commit was under way, and commits it as one batch.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from gochat.core.command import A, AnyCommand, Command, Reserving
from gochat.core.errors import ChatError, Internal, InvalidPayload, Overloaded, Unavailable
from gochat.core.limits import Limits
from gochat.core.ports.writing import Publisher
from gochat.storage.batch import Outcome
from gochat.storage.committer import Committer, NotStoredError
from gochat.storage.epoch import EpochGuard
from gochat.storage.faults import Fault, summary

log = logging.getLogger(__name__)

TEND_SECONDS = 1.0
"""A connection is closed by the server after 3 s of silence."""
DELIVERY_SECONDS = 0.01
"""How long a small batch waits for the answers of a larger one to be delivered: what they set free comes in
one batch with it, not in the next."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    command: AnyCommand
    size: int
    future: asyncio.Future[Any]


class ConversationWriter:
    """Implements `core.ports.writing.Writer`.

    Args:
        engine: of `engines.write_engine`.
        guard: the process's own; checked on each new connection, before anything is decided.
        queue_max: how many commands may wait to be taken into a batch.
        batch_rows, batch_bytes: the bounds of one batch, in commands and in their sizes; the bytes stay well
            below the database's `max_allowed_packet`. One larger command makes a batch of its own.
    """

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        limits: Limits,
        guard: EpochGuard,
        *,
        queue_max: int = 4096,
        batch_rows: int = 256,
        batch_bytes: int = 1 << 20,
    ) -> None:
        self._publisher = publisher
        self._committer = Committer(engine, limits, guard)
        self._queue_max = queue_max
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._queue: deque[_Entry] = deque()
        self._work = threading.Event()
        self._delivered = threading.Event()
        self._last = 0
        """The size of the last batch."""
        self._singly = 0
        """How many of the next commands are taken alone: a batch of them failed."""
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write, name="conversation-writer", daemon=True)

    def start(self) -> None:
        """Begin to write; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, command: Command[A]) -> asyncio.Future[A]:
        """See `core.ports.writing.Writer`."""
        if self._loop is None or self._stopping:
            raise Unavailable("The server is stopping.", retry_after_ms=1000)
        if len(self._queue) >= self._queue_max:
            raise Overloaded(retry_after_ms=1000)
        future: asyncio.Future[A] = self._loop.create_future()
        self._queue.append(_Entry(command, command.size, future))
        if not self._work.is_set():
            self._work.set()
        return future

    async def stop(self, patience: float = 10.0) -> None:
        """Refuse what comes, and finish what was accepted; no database is waited for after `patience` s."""
        self._stopping = True
        self._committer.hurry_at = time.monotonic() + patience
        self._work.set()
        await asyncio.to_thread(self._thread.join)

    def _write(self) -> None:
        """The thread."""
        while True:
            self._work.clear()
            if len(self._queue) < self._last:
                self._delivered.wait(DELIVERY_SECONDS)
            entries = self._take()
            self._last = len(entries)
            if entries:
                self._commit(entries)
            elif self._stopping:
                break
            elif not self._work.wait(TEND_SECONDS):
                self._committer.tend()
            self._committer.purge()
        self._committer.close()

    def _take(self) -> list[_Entry]:
        """The next batch, in the order of submission: those that reserve alone, or anything else."""
        queue = self._queue
        entries: list[_Entry] = []
        size = 0
        rows = 1 if self._singly else self._batch_rows
        while queue and len(entries) < rows:
            entry = queue[0]
            size += entry.size
            if entries and (size > self._batch_bytes or _reserves(entry) != _reserves(entries[0])):
                break
            entries.append(queue.popleft())
        self._singly = max(0, self._singly - 1)
        return entries

    def _commit(self, entries: Sequence[_Entry]) -> None:
        commands = [entry.command for entry in entries]
        try:
            self._committer.commit(commands, lambda outcome: self._answer(entries, outcome))
        except Unavailable:
            waiting = [self._queue.popleft() for _ in range(len(self._queue))]
            self._singly = 0
            self._refuse([*entries, *waiting], lambda: Unavailable(retry_after_ms=1000))
        except NotStoredError as error:
            if len(entries) > 1:
                self._queue.extendleft(reversed(entries))
                self._singly = len(entries)
            else:
                _log_refusal(commands[0], error)
                fault = error.fault
                self._refuse(entries, lambda: _refusal(fault))
        except Exception:
            log.exception("The writer has a fault.")
            self._refuse(entries, Internal)

    def _answer(self, entries: Sequence[_Entry], outcome: Outcome) -> None:
        assert self._loop is not None
        self._delivered.clear()
        self._loop.call_soon_threadsafe(self._deliver, entries, outcome)

    def _refuse(self, entries: Sequence[_Entry], refusal: Callable[[], ChatError]) -> None:
        self._answer(entries, Outcome(tuple(refusal() for _ in entries), None))

    def _deliver(self, entries: Sequence[_Entry], outcome: Outcome) -> None:
        """Publish, then answer; on the event loop."""
        assert self._loop is not None
        if outcome.committed is not None:
            try:
                self._publisher.publish(outcome.committed)
            except Exception:
                log.exception("A committed batch could not be published.")
        for entry, answer in zip(entries, outcome.answers, strict=True):
            _resolve(entry.future, answer)
        # Once those who were answered have run.
        self._loop.call_soon(self._delivered.set)


def _reserves(entry: _Entry) -> bool:
    return isinstance(entry.command, Reserving)


def _resolve(future: asyncio.Future[Any], answer: object) -> None:
    if future.done():
        return
    if isinstance(answer, ChatError):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _refusal(fault: Fault) -> ChatError:
    """What a command is answered with that can't be stored alone."""
    if fault is Fault.DATA:
        return InvalidPayload("It can't be stored.")
    return Internal() if fault is Fault.UNKNOWN else Unavailable(retry_after_ms=1000)


def _log_refusal(command: AnyCommand, error: NotStoredError) -> None:
    cause = error.__cause__
    what = summary(cause) if isinstance(cause, Exception) else None
    log.error("A %s could not be stored: %s, %s.", type(command).__name__, error.fault.name, what)
