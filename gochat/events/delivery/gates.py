"""The gates of all logs of one kind that are heard here, and the repair of what does not come through them.

What is missing after a moment is read from the database and handed on as one entry.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

import structlog

from gochat.core.errors import ChatError, NotFound
from gochat.core.measures import Measures
from gochat.events.delivery.gate import Entry, Gate
from gochat.seldom import Seldom

log = structlog.get_logger(__name__)

PATIENCE_S = 0.1
"""How long an entry waits for one before it that may still be on its way."""
LOG_PATIENCE_S = 0.5
"""The same where only the log told of it so far: that is read every few seconds, perhaps just before the
doorbell rings."""
RETRY_S = 1.0
"""When a repair that failed, or found nothing, is tried again."""
MAX_REPAIRS = 4
"""Repairs that read at the same time: after an outage phones want to read too."""
MAX_CLOSED = 4_096
"""Logs of which it is known, after nobody hears them any more, how far they were handed on."""

K = TypeVar("K", bound=Hashable)
E = TypeVar("E", bound=Entry)


class Gates(Generic[K, E]):
    """By key. Bounded by what the users connected here are members of.

    Args:
        kind: of log, for the log.
        hand_on: called with each entry that passes.
        read: an entry with all, or the first part, of what came after a revision. Raises ChatError.
    """

    def __init__(
        self,
        kind: str,
        hand_on: Callable[[E], None],
        read: Callable[[K, int], Awaitable[E]],
        measures: Measures | None = None,
    ) -> None:
        self._kind = kind
        self._hand_on = hand_on
        self._read = read
        self._gates: dict[K, Gate[E]] = {}
        self._closed: dict[K, int] = {}
        """How far logs were handed on that nobody heard then, the last closed at the end."""
        self._repairs: dict[K, asyncio.Task[None]] = {}
        self._measures = measures or Measures()
        self._reading = asyncio.Semaphore(MAX_REPAIRS)
        self._seldom = Seldom()

    def __contains__(self, key: K) -> bool:
        return key in self._gates

    def revisions(self) -> dict[K, int]:
        """How far each log was handed on."""
        return {key: gate.revision for key, gate in self._gates.items()}

    def revision(self, key: K) -> int:
        """How far a log that is heard was handed on."""
        return self._gates[key].revision

    def handed_on(self, key: K, entry: E) -> bool:
        """Whether it went through here already, also if nobody hears the log any more.

        The log of all tells everything once more, the doorbell in several rooms: who came and went by it may
        have gone and come since.
        """
        gate = self._gates.get(key)
        return entry.revision <= self._closed.get(key, 0) or (gate is not None and gate.handed_on(entry))

    def is_past(self, key: K, revision: int) -> bool:
        """Whether it is no news here that a log goes so far: nobody hears it, or nothing is missing."""
        gate = self._gates.get(key)
        return gate is None or (gate.revision >= revision and not gate.missing)

    def open(self, key: K, revision: int) -> None:
        """Begin to hear a log, from after that revision."""
        self._gates[key] = Gate(revision)

    def close(self, key: K) -> bool:
        """Nobody here hears it any more; whether anybody did."""
        repair = self._repairs.pop(key, None)
        if repair is not None and repair is not asyncio.current_task():
            repair.cancel()
        gate = self._gates.pop(key, None)
        if gate is None:
            return False
        self._closed.pop(key, None)
        self._closed[key] = gate.revision
        if len(self._closed) > MAX_CLOSED:
            del self._closed[next(iter(self._closed))]
        return True

    def close_all(self) -> None:
        """Forget them all, and how far they were: revisions may come again."""
        for key in tuple(self._gates):
            self.close(key)
        self._closed.clear()

    def offer(self, key: K, entry: E, *, patience: float | None = None) -> None:
        """An entry of a log that is heard came in, from wherever.

        Args:
            patience: how long, in seconds, to wait for what is missing before it is read.
        """
        gate = self._gates[key]
        self._pass_on(key, gate.offer(entry))
        if gate.missing:
            self._mend(key, gate, "gap", patience)

    def learn(self, key: K, revision: int) -> None:
        """A log goes at least that far; one that is not heard is ignored."""
        gate = self._gates.get(key)
        if gate is not None:
            gate.learn(revision)
            if gate.missing:
                self._mend(key, gate, "learned")

    def _pass_on(self, key: K, entries: Iterable[E]) -> None:
        """One that can't be handed on holds up no other: it is a hole to the phones, and they ask."""
        for entry in entries:
            try:
                self._hand_on(entry)
            except Exception:
                log.exception("not_handed_on", kind=self._kind, key=key, revision=entry.revision)

    def _mend(self, key: K, gate: Gate[E], cause: str, patience: float | None = None) -> None:
        """Repair what is missing.

        Args:
            cause: `gap`: an entry came before one that has not; `learned`: the log, or a socket that came,
                told of more than was heard.
        """
        running = self._repairs.get(key)
        if (running is None or running.done()) and self._gates.get(key) is gate:
            delay = PATIENCE_S if patience is None else patience
            task = asyncio.create_task(self._repair(key, gate, cause, delay))
            self._repairs[key] = task
            task.add_done_callback(lambda done: self._repaired(key, done))

    def _repaired(self, key: K, done: asyncio.Task[None]) -> None:
        if self._repairs.get(key) is done:
            del self._repairs[key]

    async def _repair(self, key: K, gate: Gate[E], cause: str, delay: float) -> None:
        """Wait a moment for what is missing; then read it and hand it on, part by part."""
        while True:
            await asyncio.sleep(delay)
            if not gate.missing or self._gates.get(key) is not gate:
                return
            since = gate.revision
            try:
                async with self._reading:
                    entry = await self._read(key, since)
            except NotFound:
                self.close(key)
                return
            except ChatError as error:
                self._measures.repairs.add(self._kind, cause, "failed")
                if self._seldom.lets(error.code):
                    log.warning("repair_failed", kind=self._kind, key=key, code=error.code)
                delay = RETRY_S
                continue
            except Exception:
                self._measures.repairs.add(self._kind, cause, "failed")
                log.exception("repair_failed", kind=self._kind, key=key)
                delay = RETRY_S
                continue
            self._pass_on(key, gate.offer(entry))
            self._measures.repairs.add(self._kind, cause, "repaired" if gate.revision > since else "nothing")
            log.info("repaired", cause=cause, kind=self._kind, key=key, since=since, revision=gate.revision)
            delay = 0 if gate.revision > since else RETRY_S
