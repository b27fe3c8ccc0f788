"""What users may see of each other: presence, if they share a conversation; and what a block closes."""

from collections.abc import Sequence

from sqlalchemy import Connection

from gochat.core.model import ConversationId, Standing, UserId, direct_key
from gochat.storage import rows
from gochat.storage.fetch import dialect, fetch, marks

# From the others' side, in this order whatever the optimiser has sampled: most have few conversations.
_MAY_SEE = """
{select} acquainted.other
FROM (
  {select} other.user_id AS other, me.user_id AS me
  FROM members other
  {join} members me ON me.conversation_id = other.conversation_id AND me.user_id = ? AND me.active = 1
  WHERE other.user_id IN ({others}) AND other.active = 1
  GROUP BY other.user_id, me.user_id
) acquainted
{join} users u ON u.id = acquainted.{seen} AND u.presence_hidden = 0
LEFT JOIN blocks mine ON mine.user_id = acquainted.me AND mine.blocked_id = acquainted.other
LEFT JOIN blocks theirs ON theirs.user_id = acquainted.other AND theirs.blocked_id = acquainted.me
WHERE mine.user_id IS NULL AND theirs.user_id IS NULL
"""

_MEET = """
{select} other.user_id
FROM members other
{join} members me ON me.conversation_id = other.conversation_id AND me.user_id = ? AND me.active = 1
WHERE other.user_id IN ({others})
GROUP BY other.user_id
"""
_PLACES = "SELECT conversation_id FROM members WHERE user_id = ?"
_BLOCKED = "SELECT blocked_id FROM blocks WHERE user_id = ?"
_BY_KEY = "SELECT id FROM conversations WHERE unique_key IN ({})"

_STANDING = f"SELECT {rows.columns(rows.STANDINGS, 'u')} FROM users u WHERE u.id = ?"  # noqa: S608


def seen(connection: Connection, user_id: UserId, others: Sequence[UserId]) -> frozenset[UserId]:
    """See `core.ports.reading.Reader.seen`."""
    return _may_see(connection, user_id, others, "other")


def seers(connection: Connection, user_id: UserId, others: Sequence[UserId]) -> frozenset[UserId]:
    """See `core.ports.reading.Reader.seers`."""
    return _may_see(connection, user_id, others, "me")


def _may_see(
    connection: Connection, user_id: UserId, others: Sequence[UserId], seen: str
) -> frozenset[UserId]:
    if not others:
        return frozenset()
    words = dialect(connection)
    sql = _MAY_SEE.format(select=words.select, join=words.join, others=marks(others), seen=seen)
    found = fetch(connection, sql, user_id, *others)
    return frozenset(row[0] for row in found) | (frozenset(others) & {user_id})


def meeting(connection: Connection, user_id: UserId, others: Sequence[UserId]) -> frozenset[UserId]:
    """Those of the others who are or were in a conversation that the user is in now."""
    if not others:
        return frozenset()
    words = dialect(connection)
    sql = _MEET.format(select=words.select, join=words.join, others=marks(others))
    return frozenset(row[0] for row in fetch(connection, sql, user_id, *others))


def places(connection: Connection, user_id: UserId) -> tuple[ConversationId, ...]:
    """See `core.ports.reading.Reader.places`."""
    return tuple(row[0] for row in fetch(connection, _PLACES, user_id))


def closed(connection: Connection, user_id: UserId) -> frozenset[ConversationId]:
    """See `core.ports.reading.Reader.closed`."""
    keys = [direct_key(user_id, blocked_id) for (blocked_id,) in fetch(connection, _BLOCKED, user_id)]
    found = fetch(connection, _BY_KEY.format(marks(keys)), *keys) if keys else ()
    return frozenset(row[0] for row in found)


def standing(connection: Connection, user_id: UserId) -> Standing:
    """What decides whether a user may speak."""
    found = fetch(connection, _STANDING, user_id)
    return rows.STANDINGS.read(found[0]) if found else Standing()
