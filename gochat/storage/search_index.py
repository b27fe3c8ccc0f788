"""The index that search looks into: a filter for each block of a conversation's messages, made by a follower.

A filter may let through what is not there any more (an edit leaves the old text in it), but never denies what
is: whoever searches looks at the messages themselves, and at those that are not in the index yet.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gochat.core.model import ConversationId, Millis
from gochat.core.search import BLOCK, Filter, block_of, fold
from gochat.storage.fetch import fetch, fetch_any, marks
from gochat.storage.followers import Writes

MESSAGES = 4_096
"""Of one conversation, indexed in one step."""
_TOGETHER = 200
"""Conversations asked for at once."""
_WINDOW = 1_000
"""Conversations compared in one step."""

_REVISIONS = """
SELECT c.id, c.revision, s.revision FROM conversations c
LEFT JOIN search_states s ON s.conversation_id = c.id WHERE c.id IN ({})
"""
_WINDOW_OF = f"""
SELECT c.id, c.revision, s.revision
FROM (SELECT id, revision FROM conversations WHERE id > ? ORDER BY id LIMIT {_WINDOW}) c
LEFT JOIN search_states s ON s.conversation_id = c.id ORDER BY c.id
"""
_CHANGED = f"""
SELECT x.seq, x.revision, x.created_at, x.body FROM messages x
WHERE x.conversation_id = ? AND x.revision > ? ORDER BY x.revision LIMIT {MESSAGES}
"""
_BODIES = "SELECT x.body FROM messages x WHERE x.conversation_id = ? AND x.seq BETWEEN ? AND ?"
_BLOCKS = "SELECT b.conversation_id, b.block, b.oldest_at, b.newest_at, b.filter FROM search_blocks b"
_BLOCK = "b.conversation_id = ? AND b.block = ?"
_ADD_BLOCK = (
    "INSERT INTO search_blocks (oldest_at, newest_at, filter, conversation_id, block) VALUES (?, ?, ?, ?, ?)"
)
_WRITE_BLOCK = (
    "UPDATE search_blocks SET oldest_at = ?, newest_at = ?, filter = ?"
    " WHERE conversation_id = ? AND block = ?"
)
_ADD_STATE = "INSERT INTO search_states (revision, conversation_id) VALUES (?, ?)"
_WRITE_STATE = "UPDATE search_states SET revision = ? WHERE conversation_id = ?"


@dataclass(slots=True)
class _Block:
    """A block in the making. The times are of its oldest message and of its newest."""

    filter: Filter
    oldest_at: Millis
    newest_at: Millis
    is_new: bool = False


class SearchIndex:
    """Implements `followers.Work`."""

    name = "search"

    def work(self, connection: Connection, changed: Collection[ConversationId]) -> Writes:
        """Index the messages that changed."""
        statements: list[tuple[str, tuple[object, ...]]] = []
        left = MESSAGES
        done = True
        for conversation_id, revision, indexed in _revisions(connection, sorted(changed)):
            if indexed is not None and indexed >= revision:
                continue
            if left <= 0:
                done = False
                break
            found = fetch(connection, _CHANGED, conversation_id, indexed or 0)
            left -= len(found)
            reached = revision
            if len(found) == MESSAGES:
                # The last revision may have more messages.
                reached, done = found[-1][1] - 1, False
            statements += _indexed(connection, conversation_id, found)
            statements.append((_ADD_STATE if indexed is None else _WRITE_STATE, (reached, conversation_id)))
        return Writes(statements, done)

    def behind(
        self, connection: Connection, after: ConversationId
    ) -> tuple[Sequence[ConversationId], ConversationId | None]:
        """Conversations with changes that are not indexed, in a window of ids."""
        window = fetch(connection, _WINDOW_OF, after)
        ids = [
            conversation_id
            for conversation_id, revision, indexed in window
            if indexed is None or indexed < revision
        ]
        return ids, window[-1][0] if len(window) == _WINDOW else None


def _revisions(
    connection: Connection, ids: Sequence[ConversationId]
) -> list[tuple[ConversationId, int, int | None]]:
    """How far conversations are, and how far they are indexed. Those only reserved are left out."""
    found: list[tuple[ConversationId, int, int | None]] = []
    for first in range(0, len(ids), _TOGETHER):
        some = ids[first : first + _TOGETHER]
        rows = fetch(connection, _REVISIONS.format(marks(some)), *some)
        found += [(row[0], row[1], row[2]) for row in rows if row[1] > 0]
    return found


def _indexed(
    connection: Connection, conversation_id: ConversationId, found: Sequence[Sequence[object]]
) -> list[tuple[str, tuple[object, ...]]]:
    """What has to be written so that these messages (seq, revision, created_at, body) are in their blocks."""
    by_block: dict[int, list[tuple[Millis, str]]] = {}
    for seq, _, created_at, body in found:
        assert isinstance(seq, int)
        assert isinstance(created_at, int)
        assert body is None or isinstance(body, str)
        by_block.setdefault(block_of(seq), []).append((created_at, fold(body or "")))
    stored = _stored(connection, conversation_id, by_block)
    statements: list[tuple[str, tuple[object, ...]]] = []
    for number, messages in by_block.items():
        block = stored.get(number)
        if block is None:
            times = [at for at, _ in messages]
            block = _Block(Filter.of(text for _, text in messages), min(times), max(times), is_new=True)
        else:
            for at, text in messages:
                block.filter.add(text)
                block.oldest_at, block.newest_at = min(block.oldest_at, at), max(block.newest_at, at)
        if block.filter.is_full:
            block.filter = Filter.of(_texts(connection, conversation_id, number))
        statement = _ADD_BLOCK if block.is_new else _WRITE_BLOCK
        values = (block.oldest_at, block.newest_at, block.filter.data, conversation_id, number)
        statements.append((statement, values))
    return statements


def _stored(
    connection: Connection, conversation_id: ConversationId, numbers: Mapping[int, object]
) -> dict[int, _Block]:
    found = fetch_any(connection, _BLOCKS, _BLOCK, [(conversation_id, number) for number in numbers])
    return {row[1]: _Block(Filter(row[4]), row[2], row[3]) for row in found}


def _texts(connection: Connection, conversation_id: ConversationId, number: int) -> list[str]:
    first = number * BLOCK + 1
    return [
        fold(row[0])
        for row in fetch(connection, _BODIES, conversation_id, first, first + BLOCK - 1)
        if row[0]
    ]
