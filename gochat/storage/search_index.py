"""The index that search looks into: the folded texts of a conversation's messages, made by a follower.

It is behind by what the follower has not done yet: whoever searches looks at that itself.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Collection, Iterator, Sequence
from time import sleep
from typing import NamedTuple

from sqlalchemy import Connection

from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.search import Entry, block_of, rewritten, span
from gochat.storage.dialects import Dialect
from gochat.storage.fetch import dialect, fetch, fetch_any, marks
from gochat.storage.followers import Writes
from gochat.storage.rows import SEARCH_MARKS, SEARCH_TEXTS, SEARCHED, Table, attachments_in, columns

EVERY_S = 15.0
"""What comes to a block in that time is written at once. Who searches looks meanwhile at what is behind."""
MESSAGES = 4_096
"""Indexed in one step."""
AT_ONCE = 128
"""Of those, if they are of several conversations, read and folded without a pause: some 2 ms of work, so that
whoever sends meanwhile does not wait for the interpreter at each turn until all is done."""
PAUSE_S = 0.005
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
_MESSAGES = f"SELECT {columns(SEARCHED, 'x')} FROM messages x"
_CHANGED = "x.conversation_id = ? AND x.revision > ?"
_MOST = f" WHERE {_CHANGED} ORDER BY x.revision LIMIT {MESSAGES}"
_TEXTS = f"SELECT {columns(SEARCH_TEXTS, 't')} FROM search_texts t"
_TEXT = "t.conversation_id = ? AND t.block = ?"
_ANY_MARK = "SELECT 1 FROM search_marks LIMIT 1"

Place = tuple[ConversationId, int]
"""A block of a conversation."""


class _Behind(NamedTuple):
    """A conversation with changes that are not indexed."""

    conversation_id: ConversationId
    revision: int
    indexed: int


class _Message(NamedTuple):
    """As `SEARCHED` has it."""

    conversation_id: ConversationId
    revision: int
    seq: int
    created_at: Millis
    sender_id: UserId
    body: str | None
    attachments: str | None

    @property
    def entry(self) -> Entry | None:
        """What the index has of it; None: it has no body."""
        if self.body is None:
            return None
        has = attachments_in(self.attachments) if self.attachments else ()
        return Entry.of(self.seq, self.created_at, self.sender_id, self.body, has)


class SearchIndex:
    """Implements `followers.Work`."""

    name = "search"
    every_s = EVERY_S

    def work(self, connection: Connection, changed: Collection[ConversationId]) -> Writes:
        """Index the messages that changed, of one conversation after the other."""
        behind = _behind(connection, sorted(changed))
        some = behind[: _as_many(behind, MESSAGES)]
        reached = {it.conversation_id: it.revision for it in some}
        done = len(some) == len(behind)
        if len(some) == 1:
            messages = _first_changed(connection, some[0])
            texts = list(_texts(connection, messages))
            if len(messages) == MESSAGES:  # the last revision may have more of them
                reached, done = {some[0].conversation_id: messages[-1].revision - 1}, False
        else:
            texts = list(_texts_of_all(connection, some))
        words = dialect(connection)
        return Writes(
            ((_put(words, SEARCH_TEXTS), texts), (_put(words, SEARCH_MARKS), list(reached.items()))), done
        )

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


def _behind(connection: Connection, ids: Sequence[ConversationId]) -> list[_Behind]:
    """Those that are behind. Those only reserved, of revision 0, are not."""
    found: list[_Behind] = []
    for first in range(0, len(ids), _TOGETHER):
        some = ids[first : first + _TOGETHER]
        rows = fetch(connection, _REVISIONS.format(marks(some)), *some)
        found += [_Behind(row[0], row[1], row[2] or 0) for row in rows if row[1] > (row[2] or 0)]
    return found


def _as_many(behind: Sequence[_Behind], left: int) -> int:
    """The first so many have about `left` changed messages, if each has one for each revision."""
    for n, it in enumerate(behind):
        left -= it.revision - it.indexed
        if n and left < 0:
            return n
    return len(behind)


def _first_changed(connection: Connection, it: _Behind) -> list[_Message]:
    """The first `MESSAGES` of a conversation that changed since, by their revisions."""
    rows = fetch(connection, _MESSAGES + _MOST, it.conversation_id, it.indexed)
    return [_Message._make(row) for row in rows]


def _changed(connection: Connection, behind: Sequence[_Behind]) -> list[_Message]:
    """The messages that changed since."""
    keys = [(it.conversation_id, it.indexed) for it in behind]
    return [_Message._make(row) for row in fetch_any(connection, _MESSAGES, _CHANGED, keys)]


def _texts_of_all(connection: Connection, behind: Sequence[_Behind]) -> Iterator[tuple[object, ...]]:
    """Rows of `SEARCH_TEXTS` for what changed in several conversations, with pauses."""
    while behind:
        size = _as_many(behind, AT_ONCE)
        yield from _texts(connection, _changed(connection, behind[:size]))
        behind = behind[size:]
        if behind:
            sleep(PAUSE_S)


def _texts(connection: Connection, messages: Sequence[_Message]) -> Iterator[tuple[object, ...]]:
    """Rows of `SEARCH_TEXTS` in which these messages are as they are now."""
    changed: dict[Place, dict[int, Entry | None]] = {}
    for it in messages:
        changed.setdefault((it.conversation_id, block_of(it.seq)), {})[it.seq] = it.entry
    stored = {(row[0], row[1]): row for row in fetch_any(connection, _TEXTS, _TEXT, list(changed))}
    for place, entries in changed.items():
        *_, about, text = stored.get(place, (b"", b""))
        text, about = rewritten(text, about, entries)
        newest_at, oldest_at, partial = span(about)
        yield (*place, newest_at, oldest_at, int(partial), about, text)


def _put(words: type[Dialect], table: Table) -> str:
    """Write rows, over those that are there."""
    names = ", ".join(table.columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks(table.columns)}){words.overwriting(table)}"
