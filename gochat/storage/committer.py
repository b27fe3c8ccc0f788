"""Commits batches on one connection, whatever becomes of that connection.

The one hard question is a COMMIT without an answer. Each batch inserts a row with its number. On a new
connection a *fence* takes that number, if it is free. To try it waits for the old transaction, if that has
inserted its row. Either the batch's own row is there, so it is committed; or the fence is, so nothing of
the batch is stored and never will be: should its COMMIT still be on the way, its row fails on the fence,
and all that came with it. The batch may run again then, under the next number.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from gochat.core.command import AnyCommand
from gochat.core.errors import Unavailable
from gochat.core.limits import Limits
from gochat.core.measures import Measures
from gochat.seldom import Seldom
from gochat.storage.batch import Outcome, run
from gochat.storage.dialects import MySQL, SQLite
from gochat.storage.epoch import EpochGuard
from gochat.storage.faults import Fault, fault_of, summary
from gochat.storage.load import Transaction
from gochat.storage.rows import FENCE
from gochat.storage.statements import statements

log = logging.getLogger(__name__)

RUNS_TOGETHER = 2
RUNS_ALONE = 5
"""How often a batch of several commands is run that gets in another's way, and how often one of a single
command, or one that loses its connection."""
PATIENCE_SECONDS = 10.0
"""How long commands wait for a database that is away."""

T = TypeVar("T")


class NotStoredError(Exception):
    """A batch failed and keeps failing; nothing of it is stored. The cause is the last error."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


@dataclass(slots=True)
class Times:
    """Of one run of a batch, by `time.monotonic`."""

    began: float = 0.0
    decided: float = 0.0
    """Its locks were had, its rows read and its commands decided."""
    committed: float = 0.0


class Committer:
    """All is called by one thread."""

    def __init__(
        self, engine: Engine, limits: Limits, guard: EpochGuard, measures: Measures | None = None
    ) -> None:
        self._measures = measures or Measures()
        self.last = Times()
        """Of the last run that began."""
        self._engine = engine
        self._limits = limits
        self._guard = guard
        self._sql = statements(SQLite() if engine.dialect.name == "sqlite" else MySQL())
        self._process_id = secrets.randbits(62) + 1
        self._n = 0
        self._connection: Connection | None = None
        self._name: str | None = None
        """Of the user-level lock that the connection holds; None: it has none."""
        self._lost: str | None = None
        """The same of the connection before, if the server may still have that one."""
        self._undecided: tuple[Outcome, Callable[[Outcome], None]] | None = None
        self._away_since: float | None = None
        self._unable = False
        """Whether it answers, but was unable to write."""
        self._seldom = Seldom()
        self.trouble: str | None = None
        """Why nothing can be written at present; None: it can. Read by any thread."""
        self.hurry_at = float("inf")
        """From then on, by `time.monotonic`, no database is waited for. Set by any thread."""

    def commit(
        self,
        batch: Callable[[], Sequence[AnyCommand]],
        answer: Callable[[Outcome], None],
        *,
        wait: bool = False,
    ) -> None:
        """Decide, write and commit a batch, which is asked for anew before each try.

        `answer` is called once if it is committed, and never if it is not: before this returns, or, after
        Unavailable, before the next batch is begun. What needs rows that somebody else has locked is not
        decided, but HELD; with `wait` only if they stay so for longer than a commit takes.

        Raises:
            Unavailable: the database stays away; the batch may be committed or not.
            NotStoredError: it is not committed.
        """
        if self._undecided is not None:
            self._persist(self._settle)
        failures = 0
        while True:
            transaction = self._persist(self._begin)
            commands = batch()
            try:
                self._run(transaction, commands, answer, wait=wait)
            except Exception as error:
                fault = self._clean_up(error)
                if self._undecided is None and fault is Fault.HELD and wait:
                    wait = False
                    continue
                self._measures.batch_failures.add(fault.name.lower())
                if self._undecided is not None and self._persist(self._settle):
                    return
                if fault is Fault.UNABLE:
                    self._unable = True
                    self._suffer(error)
                    raise Unavailable from error
                failures += 1
                if failures >= _runs(fault, len(commands)):
                    raise NotStoredError(fault) from error
                _pause(failures)
            else:
                self._recover()
                return

    def tend(self) -> None:
        """Keep the connection alive and settle what is undecided, if that can be done at once."""
        for is_last in (False, True):
            try:
                self._look_after()
            except Exception as error:
                # That a connection was lost says nothing of the database: a new one may do.
                if self._clean_up(error) is not Fault.LOST or is_last:
                    self._suffer(error)
                    return
            else:
                self._recover()
                return

    def _look_after(self) -> None:
        if self._undecided is not None:
            self._settle()
        elif self._unable:
            self._fence()
        elif self._sql.dialect.take_name is not None:
            self._begin().look()

    @property
    def away(self) -> bool:
        """Whether the database did not answer of late. Any thread may ask."""
        return self._away_since is not None

    def close(self) -> None:
        """Close the connection. What is still undecided stays so."""
        self._drop()

    def _run(
        self,
        transaction: Transaction,
        commands: Sequence[AnyCommand],
        answer: Callable[[Outcome], None],
        *,
        wait: bool,
    ) -> None:
        times = self.last = Times(time.monotonic())
        outcome = run(transaction, commands, self._limits, self._process_id, self._n + 1, wait=wait)
        times.decided = time.monotonic()
        if outcome.committed is None:
            transaction.rollback()
        else:
            self._undecided = outcome, answer
            transaction.commit()
            self._undecided = None
            self._took(self._n + 1)
            times.committed = time.monotonic()
            self._measures.batches.note(len(commands))
            self._measures.runs.note(times.decided - times.began)
            self._measures.commits.note(times.committed - times.decided)
        answer(outcome)

    def _settle(self) -> bool:
        """Decide the undecided batch, once for all, and answer it if it is committed; whether it is."""
        assert self._undecided is not None
        found = self._fence()
        (outcome, answer), self._undecided = self._undecided, None
        log.info("An undecided batch is %s.", "committed" if found else "not committed")
        if found:
            self.last.committed = time.monotonic()
            answer(outcome)
        return found

    def _fence(self) -> bool:
        """Take the next number, if a batch of this process has not; whether one has."""
        number = self._n + 1
        transaction = self._begin()
        now = transaction.rows(self._sql.clock)[0][0]
        transaction.write((self._sql.fence, [(self._process_id, number, FENCE, now)]))
        ((changes,),) = transaction.rows(self._sql.find_batch, self._process_id, number)
        transaction.commit()
        self._took(number)
        return bool(changes != FENCE)

    def _took(self, number: int) -> None:
        """A number is taken for ever, by a batch or by a fence."""
        self._n = number
        self._unable = False
        self._guard.committed(self._process_id, number)

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
            self._name = self._take_name(connection)
            self._kill_lost(connection)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def _take_name(self, connection: Connection) -> str | None:
        """Give the connection a name that only it has on its server; None: the server has no such locks."""
        if self._sql.dialect.take_name is None:
            return None
        name = f"gochat:{secrets.token_hex(16)}"
        try:
            connection.exec_driver_sql(self._sql.dialect.take_name, (name,))
        except DBAPIError as error:
            if fault_of(error) is Fault.LOST:
                raise
            return None
        return name

    def _kill_lost(self, connection: Connection) -> None:
        """End the connection before, should the server still have it: it may hold locks.

        Not by a number kept from then: after a restart, or at another server behind a balancer, that is
        somebody else's. Until the server has answered it is tried again on each new connection.
        """
        if self._lost is None or self._sql.dialect.named is None:
            return
        try:
            number = connection.exec_driver_sql(self._sql.dialect.named, (self._lost,)).scalar_one()
            if number is not None:
                connection.exec_driver_sql(f"KILL {int(number)}")
        except DBAPIError as error:
            if fault_of(error) is Fault.LOST:
                raise
        self._lost = None

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
                since = self._suffer(error)
                if now >= min(since + PATIENCE_SECONDS, self.hurry_at):
                    raise Unavailable from error
                _pause(failures)
            else:
                self._recover()
                return result

    def _suffer(self, error: Exception) -> float:
        """Note that the database does not do what it should, and tell it now and then; since when."""
        self.trouble = summary(error)
        if self._away_since is None:
            self._away_since = time.monotonic()
        if self._seldom.lets(self.trouble):
            log.warning("The database is away: %s.", self.trouble)
        return self._away_since

    def _recover(self) -> None:
        """It does; but if it was unable to write, only a commit shows that."""
        if self._away_since is not None and not self._unable:
            self._away_since = self.trouble = None
            self._seldom = Seldom()
            log.info("The database is back.")

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
            self._lost, self._name = self._name, None
            try:
                connection.invalidate()
                connection.close()
            except Exception as error:
                log.debug("A connection did not close: %s.", summary(error))


def _runs(fault: Fault, commands: int) -> int:
    if fault in {Fault.DATA, Fault.UNKNOWN, Fault.HELD}:
        return 1
    return RUNS_ALONE if fault is Fault.LOST or commands == 1 else RUNS_TOGETHER


def _pause(failures: int) -> None:
    """Longer each time, and never two processes alike."""
    time.sleep(min(1.0, 0.01 * 2**failures) * random.uniform(0.5, 1.0))  # noqa: S311
