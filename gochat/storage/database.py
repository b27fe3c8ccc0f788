"""The database as the event loop sees it: a bounded pool of threads, each with a connection of its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gochat.core.errors import Overloaded, Unavailable
from gochat.core.measures import Measures
from gochat.seldom import Seldom
from gochat.storage.engines import read_engine, transaction
from gochat.storage.faults import DATABASE_ERRORS, Fault, fault_of, summary

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """Runs functions of a connection in threads. Not the writer's door: that is `storage.writer`.

    Args:
        url: `sqlite:///path` or `mysql+pymysql://user:password@host:port/database`.
        pool_size: threads, each with one connection.
        waiting: calls that may wait for a thread; the next one is `Overloaded`.
        timeout: seconds after which a caller is told `Unavailable`.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        waiting: int = 1_000,
        timeout: float = 10.0,
        measures: Measures | None = None,
    ) -> None:
        self.url = url
        self._engine = read_engine(url, pool_size)
        self._threads = ThreadPoolExecutor(pool_size, "database")
        self._room = threading.BoundedSemaphore(pool_size + waiting)
        self._timeout = timeout
        self.size = pool_size
        """How many calls can run at once."""
        self._measures = measures or Measures()
        self._busy = 0
        self._seldom = Seldom()

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Run `function(connection, *arguments)`, which only reads; once more if its connection was lost.

        Raises:
            Overloaded: at once; too many wait already.
            Unavailable: the database does not answer, or not in time.
        """
        return await self._answer(self._read, function, *arguments, **named)

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Run `function(connection, *arguments)` in one transaction, committed when it returns.

        On another connection if its own was lost before the transaction began.

        Raises:
            Overloaded: at once; too many wait already.
            Unavailable: the database does not answer, or not in time: it may be done or not.
        """
        return await self._answer(self._write, function, *arguments, **named)

    async def close(self) -> None:
        """Let what runs end, refuse what waits, close the connections."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._engine.dispose()

    @property
    def busy(self) -> int:
        """How many calls run, or wait for a thread."""
        return self._busy

    def _submit(self, run: Callable[[], T], ended: Callable[[Future[T]], None]) -> Future[T]:
        if not self._room.acquire(blocking=False):
            raise Overloaded
        try:
            future = self._threads.submit(run)
        except RuntimeError as error:
            self._room.release()
            raise Unavailable from error
        future.add_done_callback(ended)
        return future

    async def _answer(
        self,
        run: Callable[..., T],
        function: Callable[Concatenate[Connection, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        # As `asyncio.timeout` and `wrap_future` would, at half of what they cost the loop.
        began = submitted = perf_counter()
        result = "failed"
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[T] = loop.create_future()

        def timed() -> T:
            nonlocal began
            began = perf_counter()
            return run(function, *arguments, **named)

        def ended(work: Future[T]) -> None:
            self._room.release()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_pass_on, work, answered)

        self._busy += 1
        timer: asyncio.TimerHandle | None = None
        work: Future[T] | None = None
        try:
            work = self._submit(timed, ended)
            timer = loop.call_later(self._timeout, _give_up, answered)
            answer = await answered
            result = "ok"
            return answer
        except TimeoutError as error:
            self._tell("no answer in time")
            raise Unavailable from error
        except DATABASE_ERRORS as error:
            if fault_of(error) in {Fault.LOST, Fault.AGAIN, Fault.HELD, Fault.UNABLE}:
                self._tell(summary(error))
                raise Unavailable from error
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if work is not None and result != "ok":
                work.cancel()
            self._busy -= 1
            self._took(function.__name__.strip("_"), result, began - submitted, perf_counter() - began)

    def _took(self, statement: str, result: str, waited_s: float, ran_s: float) -> None:
        self._measures.read_waits.note(waited_s)
        self._measures.reads.note(ran_s, statement, result)
        if waited_s + ran_s > self._measures.slow_s:
            queue_ms, run_ms = round(waited_s * 1000), round(ran_s * 1000)
            log.warning("slow_read", statement=statement, result=result, queue_ms=queue_ms, run_ms=run_ms)

    def _tell(self, why: str) -> None:
        if self._seldom.lets(why):
            log.warning("database_refused", error=why)

    def _read(self, function: Callable[..., T], *arguments: object, **named: object) -> T:
        with self._engine.connect() as connection:
            try:
                return function(connection, *arguments, **named)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
        with self._engine.connect() as connection:
            return function(connection, *arguments, **named)

    def _write(self, function: Callable[..., T], *arguments: object, **named: object) -> T:
        begun = False

        def once() -> T:
            nonlocal begun
            with self._engine.connect() as connection, transaction(connection):
                begun = True
                return function(connection, *arguments, **named)

        try:
            return once()
        except DBAPIError as error:
            if begun or not error.connection_invalidated:
                raise
        return once()


def _pass_on(work: Future[T], answered: asyncio.Future[T]) -> None:
    if answered.done():
        return
    if work.cancelled():
        answered.cancel()
    elif (error := work.exception()) is not None:
        answered.set_exception(error)
    else:
        answered.set_result(work.result())


def _give_up(answered: asyncio.Future[T]) -> None:
    if not answered.done():
        answered.set_exception(TimeoutError())
