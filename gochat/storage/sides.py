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
ReadUpTo = tuple[ConversationId, UserId, int]
"""A member, with what they have read."""
Mentions = Mapping[tuple[ConversationId, UserId], int]
"""How many messages mean a member, after what they have read; members of whom none do are left out."""
Count = Callable[[Sequence[ReadUpTo]], Mentions]

_CHUNK = 500
_SEQS = "SELECT n.conversation_id, n.seq FROM mentions n"
_UNREAD_MENTIONS = f"n.conversation_id = ? AND n.user_id IN (?, {EVERYONE}) AND n.seq > ?"
_SIDES = f"SELECT {rows.columns(rows.SIDES, 's')} FROM sides s WHERE s.user_id = ?"
# Few have set anything, so that is asked together.
_UNREAD = """
SELECT SUM(c.last_seq - me.read_seq - me.skipped), EXISTS (SELECT 1 FROM sides WHERE user_id = ?)
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
    ((unread, any_set),) = fetch(connection, _UNREAD, user_id, user_id)
    sided = [
        (row[0], rows.MEMBERS.read(row[1:_SIDE_AT]), rows.SIDES.read(row[_SIDE_AT:]))
        for row in (fetch(connection, _SIDED, user_id) if any_set else ())
    ]
    added = counted(sided, lambda asked: _unread_mentions(connection, asked), _now())
    return int(unread or 0) + added.get(user_id, 0)


def counted(sided: Sequence[Sided], mentions: Count, now: Millis) -> dict[UserId, int]:
    """What is added to the totals of those who have set something; mentions where they count."""
    asked = [
        (side.conversation_id, side.user_id, member.read_seq)
        for _, member, side in sided
        if side.is_muted(now) and side.mute_level is MuteLevel.MENTIONS
    ]
    found = mentions(asked) if asked else {}
    totals: dict[UserId, int] = {}
    for last_seq, member, side in sided:
        meant = found.get((side.conversation_id, side.user_id), 0)
        totals[side.user_id] = totals.get(side.user_id, 0) + side.counted(member, last_seq, meant, now)
    return totals


def _private(
    connection: Connection, user_id: UserId, given: Sequence[tuple[Member, int]]
) -> Iterable[Private]:
    sides = _sides(connection, user_id, [member.conversation_id for member, _ in given])
    behind = [(it.conversation_id, user_id, it.read_seq) for it, last_seq in given if it.unread(last_seq)]
    mentions, now = _unread_mentions(connection, behind), _now()
    for member, last_seq in given:
        meant = mentions.get((member.conversation_id, user_id), 0)
        yield Private.of(sides.get(member.conversation_id), member, last_seq, meant, now)


def _sides(
    connection: Connection, user_id: UserId, ids: Sequence[ConversationId]
) -> Mapping[ConversationId, Side]:
    sides: dict[ConversationId, Side] = {}
    for first in range(0, len(ids), _CHUNK):
        some = ids[first : first + _CHUNK]
        found = fetch(connection, f"{_SIDES} AND s.conversation_id IN ({marks(some)})", user_id, *some)
        sides.update((row[1], rows.SIDES.read(row)) for row in found)
    return sides


def _unread_mentions(connection: Connection, asked: Sequence[ReadUpTo]) -> Mentions:
    """Of one user, who is named once for each conversation."""
    seqs: dict[ConversationId, set[int]] = {}
    for conversation_id, seq in fetch_any(connection, _SEQS, _UNREAD_MENTIONS, asked):
        seqs.setdefault(conversation_id, set()).add(seq)
    return {(key, user_id): len(seqs[key]) for key, user_id, _ in asked if key in seqs}


def _now() -> Millis:
    return time.time_ns() // 1_000_000
