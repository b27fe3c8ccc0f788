"""Search: a database looks for the query in the index, the newest of what it finds is looked at first.

Membership, what a member sees of the past, edits and deletions are those of the moment: what changed since
the index was written is looked at as it is, and so is each message that is told.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from gochat.core.errors import NotFound
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.search import (
    BLOCK,
    Entry,
    Found,
    SearchPage,
    SearchPosition,
    SearchRequest,
    block_of,
    candidates,
    fold,
    fold_query,
    ranges,
    sought,
)
from gochat.core.values import value
from gochat.storage import rows
from gochat.storage.engines import snapshot
from gochat.storage.fetch import as_list, fetch, fetch_any, parse_list
from gochat.storage.reactions import seen

BLOCKS = 4_096
"""Blocks in which the database looks for the query of one request."""
READ = 3 << 19
"""Bytes of blocks which hold the query that one request reads."""
UNINDEXED = 2_048
"""Messages that are not indexed yet which one request looks at."""
_FIRST, _MOST = 1 << 16, 1 << 19
"""Bytes that are read at once: few at first, since the newest may be enough. A block with messages that are
too long for the index counts as `_MOST`."""
_TOGETHER = 100
"""Blocks that are read at once."""
_LAST = 2**63 - 1

_MINE = """
SELECT {} FROM members me JOIN conversations c ON c.id = me.conversation_id
LEFT JOIN search_marks s ON s.conversation_id = c.id
WHERE me.user_id = ? AND me.active = 1
"""
_BLOCKS = f"""
SELECT {{}} FROM members me JOIN search_texts t ON t.conversation_id = me.conversation_id
WHERE me.user_id = ? AND me.active = 1 AND (t.block + 1) * {BLOCK} >= me.visible_from_seq
AND t.newest_at > ? AND t.oldest_at <= ?
"""
_HOLDS = " AND (t.partial = 1 OR INSTR(t.text, ?) > 0)"
_SIZE = f"LENGTH(t.text) + t.partial * {_MOST}"
_TEXTS = "SELECT t.conversation_id, t.text, t.about FROM search_texts t"
_TEXT = "t.conversation_id = ? AND t.block = ?"
_ROWS = "SELECT x.conversation_id, x.seq, x.created_at, x.sender_id, x.body, x.attachments FROM messages x"
_CHANGED = "x.conversation_id = ? AND x.revision > ? AND x.seq >= ?"
_MESSAGES = f"SELECT {rows.columns(rows.MESSAGES, 'x')} FROM messages x"
_MESSAGE = "x.conversation_id = ? AND x.seq = ?"

Key = tuple[Millis, ConversationId, int]
"""Of a message: results come with the highest first."""


class _Block(NamedTuple):
    """A block that may hold what is asked for; they come in this order, the highest first."""

    newest_at: Millis
    conversation_id: ConversationId
    number: int
    size: int


@value(frozen=True, slots=True)
class _Mine:
    """A conversation of the user's: from which seq on they see it, and how far it is and is indexed."""

    first_seq: int
    last_seq: int
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
    changed: set[tuple[ConversationId, int]] = field(default_factory=set)
    """Messages of which the index does not know the present state."""

    @property
    def until(self) -> Millis:
        """When the newest message may have been sent."""
        until = _LAST if self.request.before is None else self.request.before - 1
        return min(until, self.overlap)

    @property
    def overlap(self) -> Millis:
        """When the last message of the page before was sent."""
        return _LAST if self.request.position is None else self.request.position.created_at

    def take(self, conversation_id: ConversationId, entry: Entry) -> None:
        """Take in a message that holds the query, if all else is as it was asked for."""
        it = self.request
        key = (entry.created_at, conversation_id, entry.seq)
        at = it.position
        if (
            entry.seq >= self.mine[conversation_id].first_seq
            and it.sender_id in (None, entry.sender_id)
            and (it.before is None or entry.created_at < it.before)
            and (it.after is None or entry.created_at > it.after)
            and (at is None or key < (at.created_at, at.conversation_id, at.seq))
            and (it.has is None or entry.has(it.has))
        ):
            self.hits.add(key)

    def look(
        self, where: str, values: Sequence[tuple[object, ...]], limit: int | None = None
    ) -> set[tuple[ConversationId, int]]:
        """Look at messages themselves, and say at which."""
        looked_at = set()
        for conversation_id, seq, created_at, sender_id, body, attachments in fetch_any(
            self.connection, _ROWS, where, values, limit=limit
        ):
            looked_at.add((conversation_id, seq))
            if body is not None and self.query in fold(body):
                has = rows.attachments_in(attachments) if attachments else ()
                self.take(conversation_id, Entry.of(seq, created_at, sender_id, body, has))
        return looked_at

    def is_enough(self, reached: Millis) -> bool:
        """Whether a page is full of what is newer than all that was not looked at."""
        return sum(key[0] > reached for key in self.hits) > self.request.limit


def search(connection: Connection, user_id: UserId, request: SearchRequest) -> SearchPage:
    """See `core.ports.Reader.search`."""
    query = fold_query(request.query)
    with snapshot(connection):
        mine = _mine(connection, user_id, request.conversation_id)
        if request.conversation_id is not None and not mine:
            raise NotFound("There is no such conversation.", field="conversation_id")
        under_way = _Search(connection, user_id, request, query, mine)
        complete = _look_at_unindexed(under_way)
        since = _since(under_way)
        reached = _look_at_blocks(under_way, _blocks(under_way, since))
        return _page(under_way, since if reached is None else reached, complete)


def _mine(
    connection: Connection, user_id: UserId, conversation_id: ConversationId | None
) -> dict[ConversationId, _Mine]:
    columns = (
        "me.conversation_id",
        "me.visible_from_seq",
        "c.last_seq",
        "c.revision",
        "COALESCE(s.revision, 0)",
    )
    only, values = _only(conversation_id)
    ((found,),) = fetch(connection, _MINE.format(as_list(connection, *columns)) + only, user_id, *values)
    return {place: _Mine(*them) for place, *them in parse_list(found)}


def _since(it: _Search) -> Millis:
    """After which time all blocks are looked at; -1: there are so few that all are.

    Those that overlap the page before are looked at however many they are, or no page would get beyond them.
    """
    if sum(block_of(at.last_seq) - block_of(at.first_seq) + 1 for at in it.mine.values()) <= BLOCKS:
        return -1
    times = sorted((newest_at for (newest_at,) in _asked(it, -1, ("t.newest_at",))), reverse=True)
    return -1 if len(times) <= BLOCKS else min(times[BLOCKS], it.overlap - 1)


def _blocks(it: _Search, since: Millis) -> list[_Block]:
    """Those that may hold what is asked for, the newest first."""
    columns = ("t.newest_at", "t.conversation_id", "t.block", _SIZE)
    found = _asked(it, since, columns, _HOLDS, sought(it.query))
    return sorted((_Block(*them) for them in found), reverse=True)


def _asked(
    it: _Search, since: Millis, columns: Sequence[str], more: str = "", *values: object
) -> list[list[int]]:
    """Columns of the blocks that the user sees, of the time that is asked for."""
    after = -1 if it.request.after is None else it.request.after
    only, of = _only(it.request.conversation_id)
    sql = _BLOCKS.format(as_list(it.connection, *columns)) + only + more
    ((found,),) = fetch(it.connection, sql, it.user_id, max(after, since), it.until, *of, *values)
    return parse_list(found)


def _only(conversation_id: ConversationId | None) -> tuple[str, tuple[object, ...]]:
    """The end of a condition, and its value, if one conversation is asked for."""
    return ("", ()) if conversation_id is None else (" AND me.conversation_id = ?", (conversation_id,))


def _look_at_unindexed(it: _Search) -> bool:
    """Look at what changed since the index was written; whether that was all."""
    behind = [
        (conversation_id, at.indexed, at.first_seq)
        for conversation_id, at in it.mine.items()
        if at.indexed < at.revision
    ]
    it.changed = it.look(_CHANGED, behind, UNINDEXED)
    return len(it.changed) < UNINDEXED


def _look_at_blocks(it: _Search, blocks: Sequence[_Block]) -> Millis | None:
    """Look at blocks until there are enough hits: all that is newer than the answer was; None: all was."""
    needle = sought(it.query)
    left, together, at = READ, _FIRST, 0
    while at < len(blocks):
        newest_at = blocks[at].newest_at
        if it.is_enough(newest_at) or (left <= 0 and newest_at < it.overlap):
            return newest_at
        some = list(_of_size(blocks[at : at + _TOGETHER], together))
        _look_at(it, some, needle)
        left -= sum(block.size for block in some)
        at += len(some)
        together = min(_MOST, together * 2)
    return None


def _of_size(blocks: Sequence[_Block], size: int) -> Iterator[_Block]:
    """The first ones, together of about that many bytes."""
    for block in blocks:
        yield block
        size -= block.size
        if size <= 0:
            return


def _look_at(it: _Search, blocks: Sequence[_Block], needle: bytes) -> None:
    """Take in what is in blocks."""
    unknown: list[tuple[ConversationId, int]] = []
    keys = [(block.conversation_id, block.number) for block in blocks]
    for conversation_id, text, about in fetch_any(it.connection, _TEXTS, _TEXT, keys):
        for entry in candidates(text, about, needle):
            if (conversation_id, entry.seq) in it.changed:
                continue
            if entry.is_too_long:
                unknown.append((conversation_id, entry.seq))
            else:
                it.take(conversation_id, entry)
    it.look(_MESSAGE, unknown)


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
    found = [
        Found(messages[key], ranges(body, it.query))
        for key in wanted
        if (body := messages[key].body) is not None and it.query in fold(body)
    ]
    return SearchPage(tuple(found), position, complete)
