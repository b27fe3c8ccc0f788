"""The conversation writer: one per process, a thread with one connection, fed by a queue.

The thread takes what arrived while the last commit was under way, users in turn, and commits it as one batch.
What it can't get at is set aside, so that it holds up nobody else. Whatever hangs, the event loop sees to it
that nobody waits for an answer for long.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import cast

import structlog
from sqlalchemy import Engine

from gochat.core.command import A, AnyCommand, Command
from gochat.core.delta import Committed
from gochat.core.errors import ChatError, Internal, InvalidPayload, Overloaded, Unavailable
from gochat.core.lateness import ACK_S, RETRY_MS, come_back
from gochat.core.limits import Limits
from gochat.core.measures import Measures
from gochat.core.ports.writing import Publisher
from gochat.core.receipts import AdvanceReceipts, Answers
from gochat.storage.aside import Aside, line_of
from gochat.storage.batch import Held, Outcome
from gochat.storage.committer import Committer, NotStoredError, Times
from gochat.storage.epoch import EpochGuard
from gochat.storage.faults import Fault, summary
from gochat.storage.signal import Signal
from gochat.storage.turns import BATCH_ROWS, WAIT_SECONDS, Entry, Turns, entry_of

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

TEND_SECONDS = 1.0
"""A connection is closed by the server after 3 s of silence."""
DELIVERY_SECONDS = 0.01
"""How long a small batch waits for the answers of a larger one to be delivered: what they set free comes in
one batch with it, not in the next."""
ANSWER_SECONDS = 10.0
"""After that long whoever still waits is told that it may be stored or not."""
LOOK_SECONDS = 0.5
"""How often the event loop looks for those who have waited for too long, while anybody waits."""
EACH_MAX = 128
"""Commands of one user that may wait, over all their sockets."""
TOLD = 5
"""Conversations that the line of a slow batch names."""


class ConversationWriter:
    """Implements `core.ports.writing.Writer`.

    Args:
        engine: of `engines.write_engine`.
        guard: the process's own; checked on each new connection, before anything is decided.
        queue_max, each_max: how many commands may wait to be taken into a batch; how many of one user.
        batch_rows, batch_bytes: the bounds of one batch, in commands and in their sizes; the bytes stay well
            below the database's `max_allowed_packet`. One larger command makes a batch of its own.
        ack_s: how long what waits may take in all to be committed: see `core.lateness`.
    """

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        limits: Limits,
        guard: EpochGuard,
        *,
        queue_max: int = 4096,
        each_max: int = EACH_MAX,
        batch_rows: int = BATCH_ROWS,
        batch_bytes: int = 1 << 20,
        ack_s: float = ACK_S,
        measures: Measures | None = None,
    ) -> None:
        self._publisher = publisher
        self._measures = measures or Measures()
        self._committer = Committer(engine, limits, guard, self._measures)
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._queue = Turns(queue_max, each_max, batch_rows, ack_s)
        self._aside = Aside()
        self._singly: deque[Entry] = deque()
        """Of a batch that failed: they are taken next, each alone."""
        self._work = Signal()
        self._delivered = Signal()
        self._last = 0
        """The size of the last batch."""
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look: asyncio.TimerHandle | None = None
        self._waiting: dict[Entry, None] = {}
        """Those that were accepted and not answered yet, the oldest first."""
        self._thread = threading.Thread(target=self._write, name="conversation-writer", daemon=True)

    def start(self) -> None:
        """Begin to write; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, command: Command[A]) -> asyncio.Future[A]:
        """See `core.ports.writing.Writer`."""
        if self._loop is None or self._stopping:
            raise Unavailable("The server is stopping.", retry_after_ms=RETRY_MS)
        if type(command) is AdvanceReceipts and len(command.positions) > self._batch_rows:
            return cast("asyncio.Future[A]", asyncio.ensure_future(self._advance(command)))
        future: asyncio.Future[A] = self._loop.create_future()
        entry = entry_of(command, future)
        try:
            self._queue.put(entry, patient=self._committer.away)
        except Overloaded:
            self._measures.shed.add("writer")
            raise
        self._waiting[entry] = None
        if self._look is None:
            self._look = self._loop.call_later(LOOK_SECONDS, self._look_after)
        self._work.set()
        return future

    async def _advance(self, receipts: AdvanceReceipts) -> Answers:
        """Part by part, so that others have their turn between two: each member's totals take a while."""
        answers: Answers = {}
        for part in receipts.parts(self._batch_rows):
            told: Answers = await self.submit(part)
            answers |= told
        return answers

    @property
    def waiting(self) -> int:
        """How many commands wait to be taken into a batch."""
        return len(self._queue)

    @property
    def oldest_s(self) -> float:
        """How long the oldest of them has waited."""
        return self._queue.oldest_s(time.monotonic())

    @property
    def trouble(self) -> str | None:
        """Why nothing can be stored at present; None: it can."""
        return self._committer.trouble

    async def stop(self, patience: float = 10.0) -> None:
        """Refuse what comes, and finish what was accepted; no database is waited for after `patience` s."""
        self._stopping = True
        self._committer.hurry_at = time.monotonic() + patience
        self._work.set()
        await asyncio.to_thread(self._thread.join)
        if self._look is not None:
            self._look.cancel()

    # ---- on the event loop

    def _shed(self, entry: Entry) -> ChatError:
        self._measures.shed.add("writer")
        return come_back(entry.whose)

    def _look_after(self) -> None:
        """Answer those who have waited for too long, whatever the thread is doing."""
        assert self._loop is not None
        now, away = time.monotonic(), self._committer.away
        for entry in self._queue.expire(now - (ANSWER_SECONDS if away else WAIT_SECONDS)):
            self._resolve(entry, _unavailable() if away else self._shed(entry))
        for entry in tuple(takewhile(lambda it: now - it.at > ANSWER_SECONDS, self._waiting)):
            self._resolve(entry, _unavailable())
        self._look = self._loop.call_later(LOOK_SECONDS, self._look_after) if self._waiting else None

    def _resolve(self, entry: Entry, answer: object) -> None:
        """Answer, unless that was done before, by the clock or as the database was away."""
        self._waiting.pop(entry, None)
        if entry.future.done():
            return
        if isinstance(answer, ChatError):
            entry.future.set_exception(answer)
        else:
            entry.future.set_result(answer)

    def _deliver(self, answered: Sequence[tuple[Entry, object]], outcome: Outcome, times: Times) -> None:
        """Publish, and answer: whoever waits goes on once this has returned, so that all is published.

        But before what is published is sent, so that an answer goes out with it.
        """
        assert self._loop is not None
        for entry, answer in answered:
            self._resolve(entry, answer)
        if outcome.committed is not None:
            began = time.monotonic()
            try:
                self._publisher.publish(outcome.committed)
            except Exception:
                log.exception("A committed batch could not be published.")
            deliver_s = time.monotonic() - began
            self._measures.publishes.note(deliver_s)
            if answered and began + deliver_s - answered[0][0].at > self._measures.slow_s:
                self._tell_slow(answered, outcome.committed, times, deliver_s)
        # Once those who were answered have run.
        self._loop.call_soon(self._delivered.set)

    def _tell_slow(
        self,
        answered: Sequence[tuple[Entry, object]],
        committed: Committed,
        times: Times,
        deliver_s: float,
    ) -> None:
        """One line for the batch, with its parts, and ids by which the lines of slow events are found."""
        log.warning(
            "slow_batch",
            ms=round((times.committed + deliver_s - answered[0][0].at) * 1000),
            queue_ms=round((times.began - answered[0][0].at) * 1000),
            run_ms=round((times.decided - times.began) * 1000),
            commit_ms=round((times.committed - times.decided) * 1000),
            deliver_ms=round(deliver_s * 1000),
            commands=len(answered),
            conversations=[change.delta.conversation_id for change in committed.changes[:TOLD]],
        )

    # ---- in the thread

    def _write(self) -> None:
        while True:
            self._work.clear()
            if 0 < len(self._queue) < self._last:
                self._delivered.wait(DELIVERY_SECONDS)
            if self._aside and not self._singly:
                tried, wait = self._aside.take(time.monotonic(), self._batch_rows, self._batch_bytes)
                if tried:
                    self._commit(tried, wait=wait, again=True)
            entries = self._take()
            self._last = len(entries)
            if entries:
                self._commit(entries)
                self._queue.done()
            elif self._stopping and not self._aside.entries():
                break
            else:
                self._rest()
        self._committer.close()

    def _rest(self) -> None:
        """Wait until there is something to do."""
        seconds = min(TEND_SECONDS, self._aside.wait(time.monotonic()))
        if not self._work.wait(seconds) and seconds == TEND_SECONDS:
            self._committer.tend()

    def _take(self) -> list[Entry]:
        """The next batch."""
        if self._singly:
            return [self._singly.popleft()]
        entries: list[Entry] = []
        while not entries and self._queue:
            entries = self._aside.join(self._queue.take(self._batch_rows, self._batch_bytes))
        return entries

    def _commit(self, entries: list[Entry], *, wait: bool = False, again: bool = False) -> None:
        """Commit a batch. `wait`: for locks. `again`: it was set aside before."""
        began = time.monotonic()
        self._measures.waits.note(began - entries[0].at)

        def commands() -> list[AnyCommand]:
            entries[:] = [entry for entry in entries if not entry.is_answered]
            return [entry.command for entry in entries]

        try:
            self._committer.commit(
                commands, lambda outcome: self._answer(entries, outcome, again=again), wait=wait
            )
        except Unavailable:
            self._refuse([*entries, *self._singly, *self._queue.expire(float("inf"))], _unavailable)
            self._singly.clear()
        except NotStoredError as error:
            if len(entries) != 1:  # none, if all were answered meanwhile
                self._singly.extendleft(reversed(entries))
            elif error.fault is Fault.HELD:
                self._set_aside(entries, again=True, took=time.monotonic() - began)
            else:
                _log_refusal(entries[0].command, error)
                fault = error.fault
                self._refuse(entries, lambda: _refusal(fault))
        except Exception:
            log.exception("The writer has a fault.")
            self._refuse(entries, Internal)

    def _answer(self, entries: Sequence[Entry], outcome: Outcome, *, again: bool = False) -> None:
        assert self._loop is not None
        answered = list(zip(entries, outcome.answers, strict=True))
        if outcome.held:
            held = [entry for entry, answer in answered if answer is Held.HELD]
            self._set_aside(held, again=again)
            answered = [(entry, answer) for entry, answer in answered if answer is not Held.HELD]
        self._delivered.clear()
        # When it is delivered the next may run already.
        self._loop.call_soon_threadsafe(self._deliver, answered, outcome, self._committer.last)

    def _set_aside(self, held: Sequence[Entry], *, again: bool, took: float = 0.0) -> None:
        """With those of a batch that failed which must not come before them."""
        lines = {line_of(entry.command) for entry in held}
        behind = [entry for entry in self._singly if line_of(entry.command) in lines]
        for entry in behind:
            self._singly.remove(entry)
        self._aside.put([*held, *behind], time.monotonic(), again=again, took=took)

    def _refuse(self, entries: Sequence[Entry], refusal: Callable[[], ChatError]) -> None:
        assert self._loop is not None
        self._answer(entries, Outcome(tuple(refusal() for _ in entries), None))


def _unavailable() -> ChatError:
    return Unavailable(retry_after_ms=RETRY_MS)


def _refusal(fault: Fault) -> ChatError:
    """What a command is answered with that can't be stored alone."""
    if fault is Fault.DATA:
        return InvalidPayload("It can't be stored.")
    return Internal() if fault is Fault.UNKNOWN else _unavailable()


def _log_refusal(command: AnyCommand, error: NotStoredError) -> None:
    cause = error.__cause__
    what = summary(cause) if isinstance(cause, Exception) else None
    log.error("A %s could not be stored: %s, %s.", type(command).__name__, error.fault.name, what)
