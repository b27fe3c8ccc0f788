"""Followers: who reads the log beside the processes: each committed change once, in order, whatever dies.

A follower has a name, how far it is in the log of each process, and a lease: one process at a time does its
work. What it writes is in one transaction with how far it got, so that both are there or neither. It runs on
a thread and a connection of its own; the writer knows nothing of it.

What it is given says only which conversations changed: it compares them with its own rows. So work that is
done again does no harm, and a log that was pruned under it costs a comparison of all conversations, no more.
"""

import logging
import secrets
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gochat.core.model import ConversationId
from gochat.core.values import value
from gochat.storage.engines import transaction, write_engine
from gochat.storage.epoch import read_heads
from gochat.storage.faults import Fault, fault_of, summary
from gochat.storage.fetch import dialect, fetch, run, run_all
from gochat.storage.log import read_batches

log = logging.getLogger(__name__)

LEASE_MS = 35_000
"""How long a follower is without a process after a kill, at most; it is renewed at half of that."""
BATCHES = 500
"""Of each process, read at once."""
ABSENT_MS = 6 * 86_400_000
"""After so long without a process all is compared: of processes that ended, too, the log forgets all in a
week (`maintenance.KEEP_PROCESSES_MS`), and till then it keeps what no follower has read yet."""
STOP_S = 15.0
"""How long is waited for the step under way; statements have their own timeouts."""
_AWAY_S = 60.0
"""How often it is logged that the database is away."""

_STANDING = "SELECT holder, held_until, compared, {clock} FROM followers WHERE name = ?"
_LOCK = "SELECT holder FROM followers WHERE name = ?{for_update}"
_CREATE = "INSERT INTO followers (name, holder, held_until, compared) VALUES (?, 0, 0, 0)"
_TAKE = "UPDATE followers SET holder = ?, held_until = ? WHERE name = ? AND holder = ? AND held_until = ?"
_KEEP = "UPDATE followers SET held_until = {clock} + ?, compared = ? WHERE name = ?"
_LET_GO = "UPDATE followers SET held_until = {clock} WHERE name = ? AND holder = ?"
_CURSORS = "SELECT process_id, n FROM follower_cursors WHERE name = ?"
_ADD_CURSOR = "INSERT INTO follower_cursors (n, name, process_id) VALUES (?, ?, ?)"
_MOVE_CURSOR = "UPDATE follower_cursors SET n = ? WHERE name = ? AND process_id = ?"
_DROP_CURSOR = "DELETE FROM follower_cursors WHERE name = ? AND process_id = ?"


@value(frozen=True, slots=True)
class Writes:
    """What a follower has to write. `done`: nothing is left for the conversations that it was asked about."""

    statements: Sequence[tuple[str, Sequence[tuple[object, ...]]]]
    """Each with its rows."""
    done: bool


class Work(Protocol):
    """What one follower does. Both methods only read, and take a bounded time; they may be called again."""

    name: str
    """Stable: how far it got is stored under it."""
    every_s: float
    """How often the log is looked at. What changes more often meanwhile is done once."""

    def work(self, connection: Connection, changed: Collection[ConversationId]) -> Writes:
        """What has to be written since these conversations changed."""
        ...

    def behind(
        self, connection: Connection, after: ConversationId
    ) -> tuple[Sequence[ConversationId], ConversationId | None]:
        """Some conversations above an id whose changes are not written yet, and how far was looked.

        None instead: that was all of them.
        """
        ...

    def is_missing(self, connection: Connection) -> bool:
        """Whether nothing of what it writes is there, as after a change of the schema: all is compared."""
        ...


class _LostError(Exception):
    """Another process has the follower."""


@dataclass(slots=True)
class _Held:
    """What the process that has a follower knows of it."""

    compared: ConversationId | None
    """How far all conversations were compared; None: they were, and the log tells the rest."""
    cursors: dict[int, int]
    renew_at: float


class Follower:
    """Runs one `Work` on a thread. Several processes may run the same: one does it, the others wait.

    Args:
        url: of the database.
        lease_ms: more than twice as long as the work's `every_s`.
    """

    def __init__(self, url: str, work: Work, *, lease_ms: int = LEASE_MS) -> None:
        self._engine = write_engine(url)
        self._work = work
        self._lease_ms = lease_ms
        self._id = secrets.randbits(62) + 1
        self._held: _Held | None = None
        self._connection: Connection | None = None
        self._logged_at = float("-inf")
        self._caught_up_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follower-{work.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way, and let another process have it. It blocks for that."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        else:
            self._end()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                idle = not self.step()
                if idle:
                    self._caught_up_at = time.monotonic()
            except Exception as error:
                self._failed(error)
                idle = True
            if idle:
                self._stopping.wait(self._work.every_s)
        self._end()

    @property
    def is_here(self) -> bool:
        """Whether this process has the follower."""
        return self._held is not None

    @property
    def name(self) -> str:
        """That of its work."""
        return self._work.name

    @property
    def lag_s(self) -> float:
        """Seconds since it had nothing left to do, beyond those that it waits in any case."""
        return max(0.0, time.monotonic() - self._caught_up_at - self._work.every_s)

    def step(self) -> bool:
        """Do what there is to do, up to a bound; whether there is more than that.

        Raises:
            Exception: of the database; the next step may be tried.
        """
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        if self._held is None:
            self._held = self._take(connection)
            if self._held is None:
                return False
        try:
            followed = self._follow(connection, self._held)
            compared = self._compare(connection, self._held)
            if time.monotonic() > self._held.renew_at:
                self._commit(connection, self._held, (), {}, self._held.compared)
        except _LostError:
            log.info("The follower %s works in another process now.", self._work.name)
            self._held = None
            return False
        return followed or compared

    def _take(self, connection: Connection) -> _Held | None:
        """Take the follower, if no other process has it."""
        clock = dialect(connection).clock
        found = fetch(connection, _STANDING.format(clock=clock), self._work.name)
        if not found:
            with transaction(connection):
                run(connection, _CREATE, self._work.name)
            found = fetch(connection, _STANDING.format(clock=clock), self._work.name)
        holder, until, compared, now = found[0]
        if until > now and holder != self._id:
            return None
        with transaction(connection):
            until_then = now + self._lease_ms
            taken = run(connection, _TAKE, self._id, until_then, self._work.name, holder, until)
            if taken.rowcount != 1:
                return None
        log.info("The follower %s works in this process.", self._work.name)
        cursors = {row[0]: row[1] for row in fetch(connection, _CURSORS, self._work.name)}
        held = _Held(None if compared < 0 else compared, cursors, self._renew_at())
        if now - until > ABSENT_MS or (held.compared is None and self._work.is_missing(connection)):
            self._compare_anew(connection, held, read_heads(connection).numbers)
        return held

    def _follow(self, connection: Connection, held: _Held) -> bool:
        """Work at what the log tells is new; whether that was not all."""
        ends = read_heads(connection).numbers
        new = {process: held.cursors.get(process, 0) for process in ends}
        new = {process: n for process, n in new.items() if ends[process] > n}
        if not new:
            self._forget(connection, held, ends)
            return False
        limit = BATCHES * len(new)
        read = read_batches(connection, new, limit)
        reached = dict(new)
        changed: set[ConversationId] = set()
        for batch in read:
            if batch.n != reached[batch.process_id] + 1:
                self._compare_anew(connection, held, ends)
                return True
            reached[batch.process_id] = batch.n
            changed.update(batch.conversations)
        writes = self._work.work(connection, changed)
        self._commit(connection, held, writes.statements, reached if writes.done else {}, held.compared)
        return not writes.done or len(read) >= limit

    def _compare(self, connection: Connection, held: _Held) -> bool:
        """Work at some of the conversations that the log need not tell of."""
        if held.compared is None:
            return False
        ids, reached = self._work.behind(connection, held.compared)
        writes = self._work.work(connection, ids)
        if not writes.done:
            reached = held.compared
        self._commit(connection, held, writes.statements, {}, reached)
        return True

    def _compare_anew(self, connection: Connection, held: _Held, ends: Mapping[int, int]) -> None:
        """Follow what the log tells from here on, and compare all that is before."""
        log.info("The follower %s looks through all conversations, once.", self._work.name)
        self._commit(connection, held, (), ends, 0)

    def _forget(self, connection: Connection, held: _Held, ends: Mapping[int, int]) -> None:
        """Drop the cursors of processes that the log does not have any more."""
        gone = held.cursors.keys() - ends.keys()
        if gone:
            drop = (_DROP_CURSOR, [(self._work.name, process) for process in gone])
            self._commit(connection, held, (drop,), {}, held.compared)
            for process in gone:
                del held.cursors[process]

    def _commit(
        self,
        connection: Connection,
        held: _Held,
        statements: Sequence[tuple[str, Sequence[tuple[object, ...]]]],
        reached: Mapping[int, int],
        compared: ConversationId | None,
    ) -> None:
        """Write, and say how far that is; only if this process still has the follower."""
        name, words = self._work.name, dialect(connection)
        with transaction(connection):
            ((holder,),) = fetch(connection, _LOCK.format(for_update=words.for_update), name)
            if holder != self._id:
                raise _LostError
            for statement, rows in statements:
                run_all(connection, statement, rows)
            for process, n in reached.items():
                known = process in held.cursors
                run(connection, _MOVE_CURSOR if known else _ADD_CURSOR, n, name, process)
            stored = -1 if compared is None else compared
            run(connection, _KEEP.format(clock=words.clock), self._lease_ms, stored, name)
        held.cursors.update(reached)
        held.compared = compared
        held.renew_at = self._renew_at()

    def _renew_at(self) -> float:
        return time.monotonic() + self._lease_ms / 2_000

    def _failed(self, error: Exception) -> None:
        """Say so, now and then; go on from what is stored, on a new connection."""
        self._drop()
        known = isinstance(error, DBAPIError) and fault_of(error) is not Fault.UNKNOWN
        if not known:
            log.exception("The follower %s has a fault.", self._work.name)
        elif time.monotonic() > self._logged_at + _AWAY_S:
            self._logged_at = time.monotonic()
            log.warning("The follower %s waits for the database: %s.", self._work.name, summary(error))

    def _end(self) -> None:
        connection = self._connection
        if connection is not None and self._held is not None:
            try:
                with transaction(connection):
                    run(
                        connection, _LET_GO.format(clock=dialect(connection).clock), self._work.name, self._id
                    )
            except DBAPIError as error:
                log.debug("The follower %s was not let go: %s.", self._work.name, summary(error))
        self._drop()
        self._engine.dispose()

    def _drop(self) -> None:
        connection, self._connection, self._held = self._connection, None, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except Exception as error:
                log.debug("A connection did not close: %s.", summary(error))
