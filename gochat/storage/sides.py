"""Members' own sides of conversations: what they have set, and what they have not read that means them."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from gochat.core.delta import MeConversation
from gochat.core.model import EVERYONE, ConversationId, Member, Millis, MuteLevel, Private, Side, UserId
from gochat.core.queries import ConversationView
from gochat.storage import rows
from gochat.storage.fetch import fetch, fetch_any, marks

Sided = tuple[int, Member, Side]
"""The last seq of a conversation, with the row and the side of one member."""
Count = Callable[[Sequence[tuple[ConversationId, int]]], Mapping[ConversationId, int]]
"""How many messages mean the member, in conversations after what they have read there."""

_CHUNK = 500
_SEQS = "SELECT n.conversation_id, n.seq FROM mentions n"
_UNREAD_MENTIONS = f"n.conversation_id = ? AND n.user_id IN (?, {EVERYONE}) AND n.seq > ?"
_SIDES = f"SELECT {rows.columns(rows.SIDES, 's')} FROM sides s WHERE s.user_id = ?"
_UNREAD = """
SELECT SUM(c.last_seq - me.read_seq - me.skipped)
FROM members me JOIN conversations c ON c.id = me.conversation_id
LEFT JOIN sides s ON s.user_id = me.user_id AND s.conversation_id = me.conversation_id
WHERE me.user_id = ? AND me.active = 1 AND c.last_seq > me.read_seq + me.skipped AND s.user_id IS NULL
"""
_SIDED = f"""
SELECT c.last_seq, {rows.columns(rows.MEMBERS, "me")}, {rows.columns(rows.SIDES, "s")}
FROM sides s JOIN members me ON me.user_id = s.user_id AND me.conversation_id = s.conversation_id
JOIN conversations c ON c.id = s.conversation_id
WHERE s.user_id = ? AND me.active = 1
"""
_SIDE_AT = 1 + len(rows.MEMBERS.columns)


def in_views(
    connection: Connection, user_id: UserId, views: Iterable[ConversationView]
) -> tuple[ConversationView, ...]:
    """Views, each with the member's own side."""
    given = tuple(views)
    private = _private(connection, user_id, [(it.me, it.conversation.last_seq) for it in given])
    return tuple(replace(it, private=own) for it, own in zip(given, private, strict=True))


def in_own(
    connection: Connection, user_id: UserId, own: Iterable[tuple[Member, int]]
) -> tuple[MeConversation, ...]:
    """A user's rows, each with the last seq of its conversation, as their own log tells them."""
    given = list(own)
    private = _private(connection, user_id, given)
    return tuple(
        MeConversation(member, member.unread(last_seq), it)
        for (member, last_seq), it in zip(given, private, strict=True)
    )


def total_unread(connection: Connection, user_id: UserId) -> int:
    """What of all conversations a user has not read, by what they have set."""
    ((unread,),) = fetch(connection, _UNREAD, user_id)
    sided = [
        (row[0], rows.MEMBERS.read(row[1:_SIDE_AT]), rows.SIDES.read(row[_SIDE_AT:]))
        for row in fetch(connection, _SIDED, user_id)
    ]
    return int(unread or 0) + counted(
        sided, lambda asked: _unread_mentions(connection, user_id, asked), _now()
    )


def counted(sided: Sequence[Sided], mentions: Count, now: Millis) -> int:
    """What conversations add to the total in which one user has set something; mentions where they count."""
    asked = [
        (side.conversation_id, member.read_seq)
        for _, member, side in sided
        if side.is_muted(now) and side.mute_level is MuteLevel.MENTIONS
    ]
    found = mentions(asked) if asked else {}
    return sum(
        side.counted(member, last_seq, found.get(side.conversation_id, 0), now)
        for last_seq, member, side in sided
    )


def _private(
    connection: Connection, user_id: UserId, given: Sequence[tuple[Member, int]]
) -> Iterable[Private]:
    sides = _sides(connection, user_id, [member.conversation_id for member, _ in given])
    behind = [(it.conversation_id, it.read_seq) for it, last_seq in given if it.unread(last_seq)]
    mentions, now = _unread_mentions(connection, user_id, behind), _now()
    for member, last_seq in given:
        conversation_id = member.conversation_id
        yield Private.of(sides.get(conversation_id), member, last_seq, mentions.get(conversation_id, 0), now)


def _sides(
    connection: Connection, user_id: UserId, ids: Sequence[ConversationId]
) -> Mapping[ConversationId, Side]:
    sides: dict[ConversationId, Side] = {}
    for first in range(0, len(ids), _CHUNK):
        some = ids[first : first + _CHUNK]
        found = fetch(connection, f"{_SIDES} AND s.conversation_id IN ({marks(some)})", user_id, *some)
        sides.update((row[1], rows.SIDES.read(row)) for row in found)
    return sides


def _unread_mentions(
    connection: Connection, user_id: UserId, positions: Iterable[tuple[ConversationId, int]]
) -> Mapping[ConversationId, int]:
    """Messages that mean the user, after what they have read; conversations without any are left out."""
    values = [(conversation_id, user_id, read_seq) for conversation_id, read_seq in positions]
    seqs: dict[ConversationId, set[int]] = {}
    for conversation_id, seq in fetch_any(connection, _SEQS, _UNREAD_MENTIONS, values):
        seqs.setdefault(conversation_id, set()).add(seq)
    return {conversation_id: len(found) for conversation_id, found in seqs.items()}


def _now() -> Millis:
    return time.time_ns() // 1_000_000
