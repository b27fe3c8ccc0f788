"""The index that search looks into: the folded texts of a conversation's messages, made by a follower.

It is behind by what the follower has not done yet: whoever searches looks at that itself.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from gochat.core.model import ConversationId
from gochat.core.search import Entry, block_of, pack, unpack
from gochat.storage import rows
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
LEFT JOIN search_marks s ON s.conversation_id = c.id WHERE c.id IN ({})
"""
_WINDOW_OF = f"""
SELECT c.id, c.revision, s.revision
FROM (SELECT id, revision FROM conversations WHERE id > ? ORDER BY id LIMIT {_WINDOW}) c
LEFT JOIN search_marks s ON s.conversation_id = c.id ORDER BY c.id
"""
_CHANGED = f"""
SELECT x.revision, x.seq, x.created_at, x.sender_id, x.body, x.attachments FROM messages x
WHERE x.conversation_id = ? AND x.revision > ? ORDER BY x.revision LIMIT {MESSAGES}
"""
_TEXTS = "SELECT t.block, t.text, t.about FROM search_texts t"
_TEXT = "t.conversation_id = ? AND t.block = ?"
_ADD_TEXT = (
    "INSERT INTO search_texts (newest_at, oldest_at, partial, text, about, conversation_id, block)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_WRITE_TEXT = (
    "UPDATE search_texts SET newest_at = ?, oldest_at = ?, partial = ?, text = ?, about = ?"
    " WHERE conversation_id = ? AND block = ?"
)
_ADD_MARK = "INSERT INTO search_marks (revision, conversation_id) VALUES (?, ?)"
_WRITE_MARK = "UPDATE search_marks SET revision = ? WHERE conversation_id = ?"
_ANY_MARK = "SELECT 1 FROM search_marks LIMIT 1"

Block = dict[int, Entry]
"""What is in a block, by seq."""


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
                reached, done = found[-1][0] - 1, False
            statements += _indexed(connection, conversation_id, found)
            statements.append((_ADD_MARK if indexed is None else _WRITE_MARK, (reached, conversation_id)))
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

    def is_missing(self, connection: Connection) -> bool:
        """Whether nothing is indexed."""
        return not fetch(connection, _ANY_MARK)


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
    connection: Connection, conversation_id: ConversationId, found: Sequence[Sequence[Any]]
) -> list[tuple[str, tuple[object, ...]]]:
    """What has to be written so that messages (as `_CHANGED` has them) are in their blocks as they are."""
    by_block: dict[int, list[Sequence[Any]]] = {}
    for _, *message in found:
        by_block.setdefault(block_of(message[0]), []).append(message)
    stored = _stored(connection, conversation_id, by_block)
    statements: list[tuple[str, tuple[object, ...]]] = []
    for number, messages in by_block.items():
        block = stored.get(number, {})
        for seq, created_at, sender_id, body, attachments in messages:
            block.pop(seq, None)
            if body is not None:
                has = rows.attachments_in(attachments) if attachments else ()
                block[seq] = Entry.of(seq, created_at, sender_id, body, has)
        statement = _WRITE_TEXT if number in stored else _ADD_TEXT
        statements.append((statement, (*_columns(block), conversation_id, number)))
    return statements


def _columns(block: Block) -> tuple[object, ...]:
    """As the statements have them."""
    times = [it.created_at for it in block.values()] or [0]
    partial = any(it.is_too_long for it in block.values())
    return max(times), min(times), int(partial), *pack(block.values())


def _stored(
    connection: Connection, conversation_id: ConversationId, numbers: Mapping[int, object]
) -> dict[int, Block]:
    found = fetch_any(connection, _TEXTS, _TEXT, [(conversation_id, number) for number in numbers])
    return {number: {it.seq: it for it in unpack(text, about)} for number, text, about in found}
