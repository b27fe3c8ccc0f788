"""The log that every process writes with its batches, for all the others to read."""

import time
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from gochat.core.model import ConversationId, Millis, SessionId, UserId
from gochat.core.queries import Batch, Heads
from gochat.storage.database import Database
from gochat.storage.epoch import EpochGuard
from gochat.storage.fetch import as_list, fetch, marks, parse_list
from gochat.storage.rows import changes_in

MAX_SAID = 500
"""So many users are named of whom others see something else."""

_BATCHES = (
    "SELECT {batches} FROM"
    " (SELECT process_id, n, changes FROM batches WHERE {where} ORDER BY process_id, n LIMIT ?) read_together"
)
_AFTER = "(process_id = ? AND n > ?)"
_PROCESSES = 100
"""Of how many processes batches are asked for at once."""
_REVOKED = "SELECT id, user_id FROM sessions WHERE revoked_at > ?"
_SAID = "SELECT id, revision FROM users WHERE updated_at > ? ORDER BY updated_at DESC LIMIT ?"
_ME_REVISIONS = "SELECT id, me_revision FROM users WHERE id IN ({})"
_REVISIONS = "SELECT id, revision FROM conversations WHERE id IN ({})"
_CHUNK = 1_000


class BatchLog:
    """Implements `core.ports.reading.ChangeLog`, which documents the methods."""

    def __init__(self, database: Database, guard: EpochGuard) -> None:
        self._database = database
        self._guard = guard

    async def heads(self) -> Heads:
        """How far the log is."""
        return await self._database.read(self._guard.check)

    async def batches(self, after: Mapping[int, int], limit: int = 500) -> tuple[Batch, ...]:
        """The batches after those known."""
        return await self._database.read(read_batches, dict(after), limit)

    async def revoked(self, within_ms: int) -> tuple[tuple[SessionId, UserId], ...]:
        """Sessions ended of late."""
        return await self._database.read(_revoked, time.time_ns() // 1_000_000 - within_ms)

    async def said(self, within_ms: int) -> Mapping[UserId, int]:
        """Whose name changed, or avatar."""
        found = await self._database.read(said_since, time.time_ns() // 1_000_000 - within_ms)
        return dict(found[:MAX_SAID])

    async def renew_epoch(self) -> None:
        """History was lost."""
        await self._database.read(self._guard.renew)

    async def me_revisions(self, user_ids: Iterable[UserId]) -> Mapping[UserId, int]:
        """How far users' own logs are."""
        return await self._database.read(_revisions, _ME_REVISIONS, tuple(user_ids))

    async def revisions(self, conversation_ids: Iterable[ConversationId]) -> Mapping[ConversationId, int]:
        """How far those conversations are that exist."""
        return await self._database.read(_revisions, _REVISIONS, tuple(conversation_ids))


def read_batches(connection: Connection, after: Mapping[int, int], limit: int) -> tuple[Batch, ...]:
    """The batches after those known; see `core.ports.ChangeLog`."""
    batches: list[Batch] = []
    processes = list(after.items())
    for first in range(0, len(processes), _PROCESSES):
        some = processes[first : first + _PROCESSES]
        where = " OR ".join([_AFTER] * len(some))
        values = (value for pair in some for value in pair)
        statement = _BATCHES.format(batches=as_list(connection, "process_id", "n", "changes"), where=where)
        ((found,),) = fetch(connection, statement, *values, limit)
        for process_id, n, text in sorted(parse_list(found)):
            changes = changes_in(text)
            told = (changes.conversations, changes.users, changes.joined, changes.profiles, changes.said)
            batches.append(Batch(process_id, n, *told))
    return tuple(batches)


def said_since(connection: Connection, since: Millis) -> list[tuple[UserId, int]]:
    """Of whom others see something else since then, the newest first: `MAX_SAID`, and one more of more."""
    return [(row[0], row[1]) for row in fetch(connection, _SAID, since, MAX_SAID + 1)]


def _revoked(connection: Connection, after: Millis) -> tuple[tuple[SessionId, UserId], ...]:
    return tuple((row[0], row[1]) for row in fetch(connection, _REVOKED, after))


def _revisions(connection: Connection, statement: str, ids: Sequence[int]) -> dict[int, int]:
    revisions: dict[int, int] = {}
    for first in range(0, len(ids), _CHUNK):
        some = ids[first : first + _CHUNK]
        revisions.update((row[0], row[1]) for row in fetch(connection, statement.format(marks(some)), *some))
    return revisions
