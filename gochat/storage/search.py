"""Search: blocks of messages from the newest on, those that the index does not rule out, then the messages.

Membership, what a member sees of the past, edits and deletions are those of the moment: the index only says
where to look. What is not indexed yet is looked at as it is.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from gochat.core.errors import NotFound
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.search import (
    BLOCK,
    Found,
    Has,
    Probe,
    SearchPage,
    SearchPosition,
    SearchRequest,
    block_of,
    fold,
    fold_query,
    holds,
    ranges,
)
from gochat.storage import rows
from gochat.storage.engines import snapshot
from gochat.storage.fetch import as_list, fetch, fetch_any, parse_list
from gochat.storage.reactions import seen

FILTERS = 4_096
"""Filters that one request looks at."""
LOOKED_AT = 96
"""Blocks whose messages one request looks at."""
UNINDEXED = 2_048
"""Messages that are not indexed yet which one request looks at."""
_FILTERS_TOGETHER = 256
_FEWEST, _MOST = 2, 16
"""Blocks whose messages are read at once: few at first, since the newest may be enough."""
_LAST = 2**63 - 1

_MINE = """
SELECT {} FROM members me JOIN conversations c ON c.id = me.conversation_id
LEFT JOIN search_states s ON s.conversation_id = c.id
WHERE me.user_id = ? AND me.active = 1
"""
_BLOCKS = """
SELECT {} FROM members me JOIN search_blocks b ON b.conversation_id = me.conversation_id
WHERE me.user_id = ? AND me.active = 1
"""
_FILTERS = "SELECT b.conversation_id, b.block, b.filter FROM search_blocks b"
_FILTER = "b.conversation_id = ? AND b.block = ?"
_TEXTS = "SELECT {} FROM messages x"
_SPAN = "x.conversation_id = ? AND x.seq BETWEEN ? AND ? AND x.deleted_at IS NULL"
_CHANGED = "x.conversation_id = ? AND x.revision > ? AND x.seq >= ? AND x.deleted_at IS NULL"
_MESSAGES = f"SELECT {rows.columns(rows.MESSAGES, 'x')} FROM messages x"
_MESSAGE = "x.conversation_id = ? AND x.seq = ?"

Key = tuple[Millis, ConversationId, int]
"""Of a message: results come with the highest first."""
Block = tuple[Millis, ConversationId, int]
"""When its newest message was sent, its conversation and its number."""


@dataclass(frozen=True, slots=True)
class _Mine:
    """A conversation of the user's: from which seq on they see it, and how far it is indexed."""

    first_seq: int
    revision: int
    indexed: int


@dataclass(slots=True)
class _Search:
    """One search under way."""

    connection: Connection
    user_id: UserId
    request: SearchRequest
    query: str
    mine: dict[ConversationId, _Mine]
    hits: set[Key] = field(default_factory=set)

    def look(self, where: str, values: Sequence[tuple[object, ...]], limit: int | None = None) -> int:
        """Take in those messages that match; the number that was read."""
        bounds, more = self._bounds()
        columns = ["x.created_at", "x.conversation_id", "x.seq", "x.body"]
        if self.request.has is not None:
            columns.append("x.attachments")
        sql = _TEXTS.format(_packed(self.connection, columns))
        given = [(*them, *more) for them in values]
        found = list(fetch_any(self.connection, sql, where + bounds, given, limit=limit))
        for created_at, conversation_id, seq, body, *attachments in _unpacked(self.connection, found):
            key = (created_at, conversation_id, seq)
            if body is None or self.query not in fold(body) or not self._follows(key):
                continue
            if self.request.has is None or _holds(self.request.has, body, attachments[0]):
                self.hits.add(key)
        return len(found)

    def is_enough(self, reached: Millis) -> bool:
        """Whether a page is full of what is newer than all that was not looked at."""
        return sum(key[0] > reached for key in self.hits) > self.request.limit

    def _bounds(self) -> tuple[str, tuple[object, ...]]:
        """What the database can tell of a message by itself."""
        it = self.request
        bounds = {
            " AND x.sender_id = ?": it.sender_id,
            " AND x.created_at < ?": it.before,
            " AND x.created_at > ?": it.after,
            " AND x.created_at <= ?": None if it.position is None else it.position.created_at,
        }
        given = {sql: value for sql, value in bounds.items() if value is not None}
        return "".join(given), tuple(given.values())

    def _follows(self, key: Key) -> bool:
        at = self.request.position
        return at is None or key < (at.created_at, at.conversation_id, at.seq)


def search(connection: Connection, user_id: UserId, request: SearchRequest) -> SearchPage:
    """See `core.ports.Reader.search`."""
    query = fold_query(request.query)
    with snapshot(connection):
        mine = _mine(connection, user_id, request.conversation_id)
        if request.conversation_id is not None and not mine:
            raise NotFound("There is no such conversation.", field="conversation_id")
        under_way = _Search(connection, user_id, request, query, mine)
        complete = _look_at_unindexed(under_way)
        reached = _look_at_blocks(under_way, _blocks(connection, user_id, request, mine))
        return _page(under_way, reached, complete)


def _mine(
    connection: Connection, user_id: UserId, conversation_id: ConversationId | None
) -> dict[ConversationId, _Mine]:
    columns = ("me.conversation_id", "me.visible_from_seq", "c.revision", "COALESCE(s.revision, 0)")
    sql, values = _of_one(_MINE.format(as_list(connection, *columns)), user_id, conversation_id)
    ((found,),) = fetch(connection, sql, *values)
    return {place: _Mine(*them) for place, *them in parse_list(found)}


def _blocks(
    connection: Connection, user_id: UserId, request: SearchRequest, mine: dict[ConversationId, _Mine]
) -> list[Block]:
    """The blocks that may hold what is asked for, by the times of their messages; the newest first."""
    columns = ("b.conversation_id", "b.block", "b.newest_at", "b.oldest_at")
    sql, values = _of_one(_BLOCKS.format(as_list(connection, *columns)), user_id, request.conversation_id)
    until = _LAST if request.before is None else request.before - 1
    if request.position is not None:
        until = min(until, request.position.created_at)
    since = -1 if request.after is None else request.after
    ((found,),) = fetch(connection, sql, *values)
    return sorted(
        (
            (newest, conversation_id, number)
            for conversation_id, number, newest, oldest in parse_list(found)
            if oldest <= until and newest > since and number >= block_of(mine[conversation_id].first_seq)
        ),
        reverse=True,
    )


def _of_one(
    sql: str, user_id: UserId, conversation_id: ConversationId | None
) -> tuple[str, tuple[object, ...]]:
    if conversation_id is None:
        return sql, (user_id,)
    return f"{sql} AND me.conversation_id = ?", (user_id, conversation_id)


def _look_at_unindexed(it: _Search) -> bool:
    """Look at what changed since the index was written; whether that was all."""
    behind = [
        (conversation_id, at.indexed, at.first_seq)
        for conversation_id, at in it.mine.items()
        if at.indexed < at.revision
    ]
    left = UNINDEXED
    for first in range(0, len(behind), _FILTERS_TOGETHER):
        left -= it.look(_CHANGED, behind[first : first + _FILTERS_TOGETHER], left)
        if left <= 0:
            return False
    return True


def _look_at_blocks(it: _Search, blocks: Sequence[Block]) -> Millis:
    """Look at blocks until there are enough hits; all that is newer than the answer was looked at.

    Those that overlap the page before are gone through whatever that takes, or no page would get beyond them.
    """
    probe = Probe(it.query)
    overlap = _LAST if it.request.position is None else it.request.position.created_at
    left, together, at = LOOKED_AT, _FEWEST, 0
    while at < len(blocks):
        if at >= FILTERS and blocks[at][0] < overlap:
            return blocks[at][0]
        candidates = _not_denied(it.connection, probe, blocks[at : at + _FILTERS_TOGETHER])
        at += _FILTERS_TOGETHER
        while candidates:
            newest_at = candidates[0][0]
            if it.is_enough(newest_at) or (left <= 0 and newest_at < overlap):
                return newest_at
            it.look(
                _SPAN,
                [_span(it, conversation_id, number) for _, conversation_id, number in candidates[:together]],
            )
            candidates = candidates[together:]
            left -= together
            together = min(_MOST, together * 2)
    return -1


def _not_denied(connection: Connection, probe: Probe, blocks: Sequence[Block]) -> list[Block]:
    """Those of the blocks whose filters let the query through."""
    keys = [(conversation_id, number) for _, conversation_id, number in blocks]
    found = fetch_any(connection, _FILTERS, _FILTER, keys)
    may = {(row[0], row[1]) for row in found if probe.may_be_in(row[2])}
    return [block for block in blocks if block[1:] in may]


def _span(it: _Search, conversation_id: ConversationId, number: int) -> tuple[ConversationId, int, int]:
    return conversation_id, max(number * BLOCK + 1, it.mine[conversation_id].first_seq), (number + 1) * BLOCK


def _page(it: _Search, reached: Millis, complete: bool) -> SearchPage:
    """The newest hits among what is newer than `reached`; the rest is for the next page."""
    limit = it.request.limit
    sure = sorted((key for key in it.hits if key[0] > reached), reverse=True)
    keys, position = sure[:limit], None
    if len(sure) > limit:
        position = SearchPosition(*keys[-1])
    elif reached >= 0:
        position, complete = SearchPosition(reached, _LAST, _LAST), False
    wanted = [(conversation_id, seq) for _, conversation_id, seq in keys]
    read = map(rows.MESSAGES.read, fetch_any(it.connection, _MESSAGES, _MESSAGE, wanted))
    told = seen(it.connection, it.user_id, read)
    messages = {(message.conversation_id, message.seq): message for message in told}
    found = (Found(messages[key], ranges(messages[key].body or "", it.query)) for key in wanted)
    return SearchPage(tuple(found), position, complete)


def _packed(connection: Connection, columns: Sequence[str]) -> str:
    """Columns as one JSON text a row on MySQL, whose driver takes its time for each; plain on SQLite."""
    values = ", ".join(columns)
    return values if connection.dialect.name == "sqlite" else f"JSON_ARRAY({values})"


def _unpacked(connection: Connection, found: Sequence[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    if connection.dialect.name == "sqlite":
        return found
    values: list[list[Any]] = orjson.loads(f"[{','.join(row[0] for row in found)}]")
    return values


def _holds(has: Has, body: str, attachments: str | None) -> bool:
    return holds(has, body, rows.attachments_in(attachments) if attachments else ())
