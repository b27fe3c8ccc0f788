"""Conversations as one of their members sees them, and who their members are."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from gochat.core.errors import Forbidden, NotFound
from gochat.core.model import ConversationId, MuteLevel, Role, User, UserId
from gochat.core.queries import (
    ConversationPage,
    ConversationView,
    ListPosition,
    MemberPage,
    Membership,
    Memberships,
)
from gochat.storage import rows, sides
from gochat.storage.fetch import as_list, fetch, marks, parse_list
from gochat.storage.reactions import seen

MOST_BANNED = 500
"""Of one answer."""

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
_PINNED = "CASE WHEN s.pinned_at > 0 THEN 1 ELSE 0 END"
# The limit stands in a derived table: only what is on the page is joined with its last message.
_LIST = f"""
{_VIEW} FROM (
  SELECT c.id, c.last_message_at, {_PINNED} AS pinned
  FROM members me JOIN conversations c ON c.id = me.conversation_id
  LEFT JOIN sides s ON s.user_id = me.user_id AND s.conversation_id = me.conversation_id
  WHERE me.user_id = ? AND me.active = 1 {{}}
  ORDER BY pinned DESC, c.last_message_at DESC, c.id DESC LIMIT ?
) page
JOIN conversations c ON c.id = page.id
JOIN members me ON me.user_id = ? AND me.conversation_id = page.id {_LAST_MESSAGE}
ORDER BY page.pinned DESC, page.last_message_at DESC, page.id DESC
"""
_BELOW = f"""
AND ({_PINNED} < ? OR ({_PINNED} = ? AND (c.last_message_at < ? OR (c.last_message_at = ? AND c.id < ?))))
"""
# As `core.model.Side.is_archived` has it.
_ARCHIVED = f"""
AND {{}}(COALESCE(s.archived_seq, -1) >= 0 AND (
  c.last_seq <= s.archived_seq OR (s.muted_until > ? AND s.mute_level <> '{MuteLevel.ALL.value}')
))
"""
_MEMBERSHIPS = f"""
SELECT u.me_revision, (
  SELECT {{}} FROM members me JOIN conversations c ON c.id = me.conversation_id
  WHERE me.user_id = ? AND me.active = 1
), {rows.columns(rows.STANDINGS, "u")}
FROM users u WHERE u.id = ?
"""
_IS_MEMBER = "SELECT 1 FROM members WHERE user_id = ? AND conversation_id = ? AND active = 1"
_ROLE = "SELECT role FROM members WHERE user_id = ? AND conversation_id = ? AND active = 1"
_BANNED = f"""
SELECT {rows.columns(rows.USERS, "u")} FROM bans b JOIN users u ON u.id = b.user_id
WHERE b.conversation_id = ? ORDER BY b.created_at DESC, b.user_id LIMIT {MOST_BANNED}
"""
_MEMBERS = f"""
SELECT {rows.columns(rows.MEMBERS, "m")} FROM members m
WHERE m.conversation_id = ? AND m.user_id > ? AND m.active = 1 ORDER BY m.user_id LIMIT ?
"""


def memberships(connection: Connection, user_id: UserId) -> Memberships:
    """See `core.ports.reading.Reader.memberships`."""
    values = as_list(connection, "me.conversation_id", "c.revision", "me.visible_from_seq", "c.blocked")
    ((me_revision, found, *standing),) = fetch(connection, _MEMBERSHIPS.format(values), user_id, user_id)
    read = tuple(Membership(row[0], row[1], row[2], bool(row[3])) for row in parse_list(found))
    return Memberships(me_revision, read, rows.STANDINGS.read(standing))


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
    """Those of the conversations that a user is a member of."""
    found = fetch(connection, _VIEWS.format(marks(conversation_ids)), user_id, *conversation_ids)
    read = _seen(connection, user_id, map(_view, found))
    return {it.conversation.id: it for it in read}


def conversations(
    connection: Connection,
    user_id: UserId,
    position: ListPosition | None,
    limit: int,
    *,
    archived: bool | None = None,
) -> ConversationPage:
    """See `core.ports.reading.Reader.conversations`."""
    where, values = "", [user_id]
    if archived is not None:
        where += _ARCHIVED.format("" if archived else "NOT ")
        values.append(time.time_ns() // 1_000_000)
    if position is not None:
        where += _BELOW
        pinned, at, below = position
        values += [int(pinned), int(pinned), at, at, below]
    found = fetch(connection, _LIST.format(where), *values, limit + 1, user_id)
    page = _seen(connection, user_id, map(_view, found[:limit]))
    if len(found) <= limit:
        return ConversationPage(page, None)
    last = page[-1].conversation
    return ConversationPage(page, ListPosition(page[-1].private.pinned, last.last_message_at, last.id))


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


def _seen(
    connection: Connection, user_id: UserId, views: Iterable[ConversationView]
) -> tuple[ConversationView, ...]:
    """Views with what only the reader sees."""
    given = sides.in_views(connection, user_id, views)
    reacted = [it.last_message for it in given if it.last_message is not None and it.last_message.reactions]
    messages = {it.conversation_id: it for it in seen(connection, user_id, reacted)}
    return tuple(
        replace(it, last_message=messages[it.conversation.id]) if it.conversation.id in messages else it
        for it in given
    )


def banned(connection: Connection, user_id: UserId, conversation_id: ConversationId) -> tuple[User, ...]:
    """See `core.ports.reading.Reader.banned`."""
    role = fetch(connection, _ROLE, user_id, conversation_id)
    if not role:
        raise NotFound("There is no such conversation.", field="conversation_id")
    if role[0][0] == Role.MEMBER:
        raise Forbidden("Only an admin or the owner may do this.")
    return tuple(map(rows.USERS.read, fetch(connection, _BANNED, conversation_id)))


def _view(row: Sequence[Any]) -> ConversationView:
    me = rows.MEMBERS.read(row[_MEMBER_AT:_MESSAGE_AT])
    sees = row[_MESSAGE_AT] is not None and row[_MESSAGE_AT + 1] >= me.visible_from_seq
    last = rows.MESSAGES.read(row[_MESSAGE_AT:]) if sees else None
    return ConversationView(rows.CONVERSATIONS.read(row), me, last)
