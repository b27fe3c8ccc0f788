"""The log that every process writes with its batches, for all the others to read."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from gochat.core.model import ConversationId
from gochat.core.queries import Batch
from gochat.storage.database import Database
from gochat.storage.fetch import fetch, marks
from gochat.storage.rows import changes_in

_EPOCH = "SELECT epoch FROM epochs WHERE id = 1"
_HEADS = "SELECT process_id, MAX(n) FROM batches GROUP BY process_id"
_BATCHES = "SELECT process_id, n, changes FROM batches WHERE {} ORDER BY process_id, n LIMIT ?"
_AFTER = "(process_id = ? AND n > ?)"
_REVISIONS = "SELECT id, revision FROM conversations WHERE id IN ({})"
_CHUNK = 1_000


class BatchLog:
    """Implements `core.ports.ChangeLog`, which documents the methods."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def epoch(self) -> str:
        """Which history the database tells."""
        return await self._database.read(_epoch)

    async def heads(self) -> Mapping[int, int]:
        """The number of the last batch of each process."""
        return await self._database.read(_heads)

    async def batches(self, after: Mapping[int, int], limit: int = 500) -> tuple[Batch, ...]:
        """The batches after those known."""
        return await self._database.read(_batches, dict(after), limit)

    async def revisions(self, conversation_ids: Iterable[ConversationId]) -> Mapping[ConversationId, int]:
        """How far those conversations are that exist."""
        return await self._database.read(_revisions, tuple(conversation_ids))


def _epoch(connection: Connection) -> str:
    ((epoch,),) = fetch(connection, _EPOCH)
    return str(epoch)


def _heads(connection: Connection) -> dict[int, int]:
    return {row[0]: row[1] for row in fetch(connection, _HEADS)}


def _batches(connection: Connection, after: Mapping[int, int], limit: int) -> tuple[Batch, ...]:
    """Whether there is anything new is asked first: a look at the end of each process's part of the index."""
    new = [(it, after.get(it, 0)) for it, n in _heads(connection).items() if n > after.get(it, 0)]
    if not new:
        return ()
    where = " OR ".join([_AFTER] * len(new))
    found = fetch(connection, _BATCHES.format(where), *(value for pair in new for value in pair), limit)
    changes = ((process_id, n, changes_in(text)) for process_id, n, text in found)
    return tuple(Batch(process_id, n, it.conversations, it.users) for process_id, n, it in changes)


def _revisions(connection: Connection, ids: Sequence[ConversationId]) -> dict[ConversationId, int]:
    revisions: dict[ConversationId, int] = {}
    for first in range(0, len(ids), _CHUNK):
        some = ids[first : first + _CHUNK]
        for cid, revision in fetch(connection, _REVISIONS.format(marks(some)), *some):
            revisions[cid] = revision
    return revisions
