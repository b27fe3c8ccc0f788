"""Conversations as one of their members sees them, and who their members are."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from gochat.core.errors import NotFound
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.queries import ConversationPage, ConversationView, MemberPage, Membership, Memberships
from gochat.storage import mentions, rows
from gochat.storage.fetch import as_list, fetch, marks, parse_list

_VIEW = f"""
SELECT {rows.columns(rows.CONVERSATIONS, "c")},
  {rows.columns(rows.MEMBERS, "me")},
  {rows.columns(rows.MESSAGES, "x")}
"""
_LAST_MESSAGE = "LEFT JOIN messages x ON x.conversation_id = c.id AND x.seq = c.last_seq"
_MEMBER_AT = len(rows.CONVERSATIONS.columns)
_MESSAGE_AT = _MEMBER_AT + len(rows.MEMBERS.columns)

_VIEWS = f"""
{_VIEW} FROM members me JOIN conversations c ON c.id = me.conversation_id {_LAST_MESSAGE}
WHERE me.user_id = ? AND me.conversation_id IN ({{}}) AND me.active = 1
"""
# The limit stands in a derived table: only what is on the page is joined with its last message.
_LIST = f"""
{_VIEW} FROM (
  SELECT c.id, c.last_message_at FROM members me JOIN conversations c ON c.id = me.conversation_id
  WHERE me.user_id = ? AND me.active = 1 {{}}
  ORDER BY c.last_message_at DESC, c.id DESC LIMIT ?
) page
JOIN conversations c ON c.id = page.id
JOIN members me ON me.user_id = ? AND me.conversation_id = page.id {_LAST_MESSAGE}
ORDER BY page.last_message_at DESC, page.id DESC
"""
_BELOW = "AND (c.last_message_at < ? OR (c.last_message_at = ? AND c.id < ?))"
_MEMBERSHIPS = """
SELECT (SELECT u.me_revision FROM users u WHERE u.id = ?), {}
FROM members me JOIN conversations c ON c.id = me.conversation_id
WHERE me.user_id = ? AND me.active = 1
"""
_IS_MEMBER = "SELECT 1 FROM members WHERE user_id = ? AND conversation_id = ? AND active = 1"
_MEMBERS = f"""
SELECT {rows.columns(rows.MEMBERS, "m")} FROM members m
WHERE m.conversation_id = ? AND m.user_id > ? AND m.active = 1 ORDER BY m.user_id LIMIT ?
"""


def memberships(connection: Connection, user_id: UserId) -> Memberships:
    """See `core.ports.reading.Reader.memberships`."""
    values = as_list(connection, "me.conversation_id", "c.revision", "me.visible_from_seq", "c.blocked")
    ((me_revision, found),) = fetch(connection, _MEMBERSHIPS.format(values), user_id, user_id)
    read = tuple(Membership(row[0], row[1], row[2], bool(row[3])) for row in parse_list(found))
    return Memberships(me_revision or 0, read)


def conversation(
    connection: Connection, user_id: UserId, conversation_id: ConversationId
) -> ConversationView:
    """See `core.ports.reading.Reader.conversation`."""
    found = views(connection, user_id, (conversation_id,))
    if not found:
        raise NotFound("There is no such conversation.", field="conversation_id")
    return found[conversation_id]


def views(
    connection: Connection, user_id: UserId, conversation_ids: Sequence[ConversationId]
) -> dict[ConversationId, ConversationView]:
    """Those of the conversations that he is a member of."""
    found = fetch(connection, _VIEWS.format(marks(conversation_ids)), user_id, *conversation_ids)
    read = mentions.in_views(connection, user_id, map(_view, found))
    return {it.conversation.id: it for it in read}


def conversations(
    connection: Connection, user_id: UserId, position: tuple[Millis, ConversationId] | None, limit: int
) -> ConversationPage:
    """See `core.ports.reading.Reader.conversations`."""
    if position is None:
        found = fetch(connection, _LIST.format(""), user_id, limit + 1, user_id)
    else:
        at, below = position
        found = fetch(connection, _LIST.format(_BELOW), user_id, at, at, below, limit + 1, user_id)
    page = mentions.in_views(connection, user_id, map(_view, found[:limit]))
    if len(found) <= limit:
        return ConversationPage(page, None)
    last = page[-1].conversation
    return ConversationPage(page, (last.last_message_at, last.id))


def members(
    connection: Connection,
    user_id: UserId,
    conversation_id: ConversationId,
    after: UserId | None,
    limit: int,
) -> MemberPage:
    """See `core.ports.reading.Reader.members`."""
    if not fetch(connection, _IS_MEMBER, user_id, conversation_id):
        raise NotFound("There is no such conversation.", field="conversation_id")
    found = fetch(connection, _MEMBERS, conversation_id, after or 0, limit + 1)
    page = tuple(map(rows.MEMBERS.read, found[:limit]))
    return MemberPage(page, page[-1].user_id if len(found) > limit else None)


def _view(row: Sequence[Any]) -> ConversationView:
    me = rows.MEMBERS.read(row[_MEMBER_AT:_MESSAGE_AT])
    sees = row[_MESSAGE_AT] is not None and row[_MESSAGE_AT + 1] >= me.visible_from_seq
    last = rows.MESSAGES.read(row[_MESSAGE_AT:]) if sees else None
    return ConversationView(rows.CONVERSATIONS.read(row), me, last)
