"""What has to be deleted in time: batches that everybody has read, and logins that ended long ago.

In small steps, each a transaction of its own that nobody waits for; one after the other while there is
much to do.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import takewhile

import structlog
from sqlalchemy import Connection

from gochat.core.errors import ChatError
from gochat.core.model import SessionId
from gochat.core.witness import KEPT_ROWS
from gochat.storage.database import Database
from gochat.storage.fetch import dialect, fetch, marks, run
from gochat.storage.safety import purge

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0
PAUSE_SECONDS = 0.05
"""Between steps, so that maintenance takes a share of the database and not all of it."""
STEP_ROWS = 1_000
KEEP_BATCHES_MS = 3_600_000
"""Longer than the poll counts on them."""
KEEP_PROCESSES_MS = 7 * 86_400_000
"""How long the newest batches of a process are kept: by them it is known that no history was lost, however
far the database's clock was set. No follower is waited for longer, either."""
KEEP_SESSIONS_MS = 30 * 86_400_000
"""How long a login that ended is kept, so that its phone is told so."""

_OLDEST = "SELECT n, created_at FROM batches WHERE process_id = ? AND n <= ? ORDER BY n LIMIT ?"
_DELETE_UP_TO = "DELETE FROM batches WHERE process_id = ? AND n <= ?"
_FOLLOWERS = "SELECT COUNT(*) FROM followers"
_PASSED = "SELECT process_id, MIN(n), COUNT(*) FROM follower_cursors GROUP BY process_id"
_SOME_SESSIONS = """
SELECT id, CASE WHEN expires_at < ? OR revoked_at < ? THEN 1 ELSE 0 END FROM sessions
WHERE id > ? ORDER BY id LIMIT ?
"""
_DELETE_SESSIONS = "DELETE FROM sessions WHERE id IN ({}) AND (expires_at < ? OR revoked_at < ?)"


class Maintenance:
    """One per process; several do no harm to each other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: SessionId = 0
        """How far the walk through all is: they have no index by their end, which every refresh moves."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; called on the event loop."""
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()

    async def catch_up(self) -> None:
        """Delete what is due.

        Raises:
            ChatError: the database does not answer.
        """
        await self._repeat(self._batches)
        await self._repeat(self._sessions)
        await self._database.write(_delete_reports)

    async def _repeat(self, step: Callable[[], Awaitable[bool]]) -> None:
        while await step():  # noqa: ASYNC110 (it waits for nothing; it takes its time)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _batches(self) -> bool:
        return await self._database.write(_delete_batches) == STEP_ROWS

    async def _sessions(self) -> bool:
        self._session, more = await self._database.write(_delete_sessions, self._session)
        return more

    async def _run(self) -> None:
        while True:
            # Not all processes at the same time.
            await asyncio.sleep(EVERY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
            try:
                await self.catch_up()
            except ChatError as error:
                log.warning("maintenance_failed", code=error.code)
            except Exception:
                log.exception("maintenance_failed")


def _delete_batches(connection: Connection) -> int:
    """One step; how many rows it deleted."""
    now = _now(connection)
    words = dialect(connection)
    deleted = run(connection, words.delete_batches, now - KEEP_PROCESSES_MS, STEP_ROWS).rowcount
    passed = _passed(connection)
    for process_id, first, last in fetch(connection, words.spans):
        read = last - KEPT_ROWS if passed is None else min(last - KEPT_ROWS, passed.get(process_id, 0))
        if deleted < STEP_ROWS and first <= read:
            # By the primary key, in which batches stand in the order of their time.
            oldest = fetch(connection, _OLDEST, process_id, read, STEP_ROWS - deleted)
            due = [n for n, _ in takewhile(lambda row: row[1] < now - KEEP_BATCHES_MS, oldest)]
            if due:
                deleted += run(connection, _DELETE_UP_TO, process_id, due[-1]).rowcount
    return deleted


def _passed(connection: Connection) -> dict[int, int] | None:
    """How far all followers have read of each process that all of them know; None: there are none."""
    ((followers,),) = fetch(connection, _FOLLOWERS)
    if not followers:
        return None
    return {process_id: n for process_id, n, by in fetch(connection, _PASSED) if by == followers}


def _delete_reports(connection: Connection) -> int:
    return purge(connection, _now(connection))


def _delete_sessions(connection: Connection, after: SessionId) -> tuple[SessionId, bool]:
    """One step of the walk; where the next one begins, and whether it is worth to take it now."""
    before = _now(connection) - KEEP_SESSIONS_MS
    some = fetch(connection, _SOME_SESSIONS, before, before, after, STEP_ROWS)
    ended = [row[0] for row in some if row[1]]
    if ended:
        run(connection, _DELETE_SESSIONS.format(marks(ended)), *ended, before, before)
    return (some[-1][0] if len(some) == STEP_ROWS else 0), len(some) == STEP_ROWS and bool(ended)


def _now(connection: Connection) -> int:
    """By the database's clock, as the rows have it."""
    ((now,),) = fetch(connection, f"SELECT {dialect(connection).clock}")
    return int(now)
