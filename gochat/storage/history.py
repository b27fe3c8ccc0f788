"""Pages of messages, and what became of those that were sent."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from gochat.core.errors import NotFound
from gochat.core.history import span
from gochat.core.messages import told_again
from gochat.core.model import ConversationId, Message, UserId
from gochat.core.queries import HistoryPage
from gochat.storage import rows
from gochat.storage.fetch import fetch, marks
from gochat.storage.reactions import seen

_BOUNDS = """
SELECT me.visible_from_seq, c.last_seq
FROM members me JOIN conversations c ON c.id = me.conversation_id
WHERE me.user_id = ? AND me.conversation_id = ? AND me.active = 1
"""
_SPAN = f"""
SELECT {rows.columns(rows.MESSAGES, "x")} FROM messages x
WHERE x.conversation_id = ? AND x.seq BETWEEN ? AND ? ORDER BY x.seq
"""
_STATUS = f"""
SELECT me.visible_from_seq, {rows.columns(rows.MESSAGES, "x")}
FROM messages x
LEFT JOIN members me
  ON me.user_id = x.sender_id AND me.conversation_id = x.conversation_id AND me.active = 1
WHERE x.sender_id = ? AND x.client_message_id IN ({{}})
"""


def history(
    connection: Connection,
    user_id: UserId,
    conversation_id: ConversationId,
    *,
    before_seq: int | None,
    after_seq: int | None,
    around_seq: int | None,
    limit: int,
) -> HistoryPage:
    """See `core.ports.reading.Reader.history`."""
    bounds = fetch(connection, _BOUNDS, user_id, conversation_id)
    if not bounds:
        raise NotFound("There is no such conversation.", field="conversation_id")
    first, last = bounds[0]
    low, high = span(
        first, last, before_seq=before_seq, after_seq=after_seq, around_seq=around_seq, limit=limit
    )
    found = fetch(connection, _SPAN, conversation_id, low, high) if low <= high else ()
    messages = seen(connection, user_id, map(rows.MESSAGES.read, found))
    return HistoryPage(messages, has_more_before=low > first, has_more_after=high < last)


def status(connection: Connection, user_id: UserId, keys: Iterable[bytes]) -> Mapping[bytes, Message]:
    """See `core.ports.reading.Reader.status`."""
    wanted = tuple(dict.fromkeys(keys))
    if not wanted:
        return {}
    found = fetch(connection, _STATUS.format(marks(wanted)), user_id, *wanted)
    messages = (told_again(rows.MESSAGES.read(row), visible_from) for visible_from, *row in found)
    return {it.client_message_id: it for it in seen(connection, user_id, messages)}
