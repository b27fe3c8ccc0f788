"""Commits batches on one connection, whatever becomes of that connection.

The one hard question is a COMMIT without an answer. Each batch inserts a row with its number; on a new
connection a locking read of that row waits for the old transaction, if it still lives, and then tells: the
row is there, so the batch is committed; it is absent, so nothing of it is, and it may run again.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from gochat.core.commands import Command
from gochat.core.errors import Unavailable
from gochat.core.limits import Limits
from gochat.storage.batch import Outcome, run
from gochat.storage.dialects import MySQL, SQLite
from gochat.storage.epoch import EpochGuard
from gochat.storage.faults import Fault, fault_of, summary
from gochat.storage.load import Transaction
from gochat.storage.statements import statements

log = logging.getLogger(__name__)

RUNS_TOGETHER = 2
RUNS_ALONE = 5
"""How often a batch of several commands is run that gets in another's way, and how often one of a single
command, or one that loses its connection."""
PATIENCE_SECONDS = 10.0
"""How long commands wait for a database that is away."""
KEEP_BATCHES_MS = 3_600_000
PURGE_EVERY_SECONDS = 30.0
PURGE_ROWS = 5_000

T = TypeVar("T")


class NotStoredError(Exception):
    """A batch failed and keeps failing; nothing of it is stored. The cause is the last error."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


class Committer:
    """All is called by one thread."""

    def __init__(self, engine: Engine, limits: Limits, guard: EpochGuard) -> None:
        self._engine = engine
        self._limits = limits
        self._guard = guard
        self._sql = statements(SQLite() if engine.dialect.name == "sqlite" else MySQL())
        self._process_id = secrets.randbits(62) + 1
        self._n = 0
        self._connection: Connection | None = None
        self._connection_id = 0
        self._lost_id = 0
        self._undecided: tuple[Outcome, Callable[[Outcome], None]] | None = None
        self._away_since: float | None = None
        self._purge_at = time.monotonic() + PURGE_EVERY_SECONDS
        self.hurry_at = float("inf")
        """From then on, by `time.monotonic`, no database is waited for. Set by any thread."""

    def commit(self, commands: Sequence[Command], answer: Callable[[Outcome], None]) -> None:
        """Decide, write and commit a batch.

        `answer` is called once if it is committed, and never if it is not: before this returns, or, after
        Unavailable, before the next batch is begun.

        Raises:
            Unavailable: the database stays away; the batch may be committed or not.
            NotStoredError: it is not committed.
        """
        if self._undecided is not None:
            self._persist(self._settle)
        failures = 0
        while True:
            transaction = self._persist(self._begin)
            try:
                self._run(transaction, commands, answer)
            except Exception as error:
                fault = self._clean_up(error)
                if self._undecided is not None and self._persist(self._settle):
                    return
                failures += 1
                if failures >= _runs(fault, len(commands)):
                    raise NotStoredError(fault) from error
                _pause(failures)
            else:
                return

    def tend(self) -> None:
        """Keep the connection alive and settle what is undecided, if that can be done at once."""
        try:
            if self._undecided is not None:
                self._settle()
            if self._sql.dialect.connection_id is not None:
                transaction = self._begin()
                transaction.rows(self._sql.clock)
                transaction.rollback()
        except Exception as error:
            self._clean_up(error)

    def purge(self) -> None:
        """Delete rows of old batches, now and then and not all at once."""
        if time.monotonic() < self._purge_at or self._connection is None:
            return
        self._purge_at = time.monotonic() + PURGE_EVERY_SECONDS
        try:
            transaction = self._begin()
            now = transaction.rows(self._sql.clock)[0][0]
            transaction.run(self._sql.purge_batches, now - KEEP_BATCHES_MS, PURGE_ROWS)
            transaction.commit()
        except Exception as error:
            self._clean_up(error)

    def close(self) -> None:
        """Close the connection. What is still undecided stays so."""
        self._drop()

    def _run(
        self, transaction: Transaction, commands: Sequence[Command], answer: Callable[[Outcome], None]
    ) -> None:
        outcome = run(transaction, commands, self._limits, self._process_id, self._n + 1)
        if outcome.committed is None:
            transaction.rollback()
        else:
            self._undecided = outcome, answer
            transaction.commit()
            self._undecided = None
            self._n += 1
            self._guard.committed(self._process_id, self._n)
        answer(outcome)

    def _settle(self) -> bool:
        """Find out whether the undecided batch is committed, and answer it if so."""
        assert self._undecided is not None
        transaction = self._begin()
        found = transaction.rows(self._sql.find_batch, self._process_id, self._n + 1)
        transaction.rollback()
        (outcome, answer), self._undecided = self._undecided, None
        log.info("An undecided batch is %s.", "committed" if found else "not committed")
        if found:
            self._n += 1
            self._guard.committed(self._process_id, self._n)
            answer(outcome)
        return bool(found)

    def _begin(self) -> Transaction:
        """A transaction, on a new connection if there is none."""
        if self._connection is None:
            self._connection = self._open()
        if self._sql.dialect.begin is not None:
            self._connection.exec_driver_sql(self._sql.dialect.begin)
        return Transaction(self._connection.connection.driver_connection, self._sql)

    def _open(self) -> Connection:
        connection = self._engine.connect()
        try:
            self._guard.check(connection)
            self._sql.dialect.prepare(connection)
            if self._sql.dialect.connection_id is not None:
                self._connection_id = connection.exec_driver_sql(self._sql.dialect.connection_id).scalar_one()
                self._kill_lost(connection)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def _kill_lost(self, connection: Connection) -> None:
        """End the lost connection, should the server still have it, so that its transaction is decided.

        After a restart of the server its numbers begin anew: a higher one is not ours.
        """
        lost, self._lost_id = self._lost_id, 0
        if 0 < lost < self._connection_id:
            try:
                connection.exec_driver_sql(f"KILL {lost}")
            except DBAPIError as error:
                if fault_of(error) is Fault.LOST:
                    raise

    def _persist(self, step: Callable[[], T]) -> T:
        """Do it until it works.

        Raises:
            Unavailable: it has not for too long.
        """
        failures = 0
        while True:
            try:
                result = step()
            except Exception as error:
                self._clean_up(error)
                failures += 1
                now = time.monotonic()
                if self._away_since is None:
                    self._away_since = now
                    log.warning("The database is away: %s.", summary(error))
                if now >= min(self._away_since + PATIENCE_SECONDS, self.hurry_at):
                    raise Unavailable(retry_after_ms=1000) from error
                _pause(failures)
            else:
                if self._away_since is not None:
                    self._away_since = None
                    log.info("The database is back.")
                return result

    def _clean_up(self, error: Exception) -> Fault:
        """Get rid of the transaction, with its connection if need be."""
        fault = fault_of(error)
        if self._connection is not None and fault is not Fault.LOST:
            try:
                self._connection.connection.rollback()
            except Exception:
                fault = Fault.LOST
        if fault is Fault.LOST:
            self._drop()
        return fault

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._lost_id = self._connection_id
            try:
                connection.invalidate()
                connection.close()
            except Exception as error:
                log.debug("A connection did not close: %s.", summary(error))


def _runs(fault: Fault, commands: int) -> int:
    if fault in {Fault.DATA, Fault.UNKNOWN}:
        return 1
    return RUNS_ALONE if fault is Fault.LOST or commands == 1 else RUNS_TOGETHER


def _pause(failures: int) -> None:
    """Longer each time, and never two processes alike."""
    time.sleep(min(1.0, 0.01 * 2**failures) * random.uniform(0.5, 1.0))  # noqa: S311
