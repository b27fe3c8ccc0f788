"""Reactions: gathered on their way to the writer, and read: who reacted how, and how the reader did."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from gochat.core.errors import NotFound
from gochat.core.model import ConversationId, Message, UserId
from gochat.core.ports.writing import Writer
from gochat.core.queries import ReactionPage, ReactionPosition
from gochat.core.reactions import React, Wish, names_all, seen_by
from gochat.storage.fetch import fetch, fetch_any
from gochat.storage.gathering import Gatherer

MOST: Final = 500
"""Reactions in one command."""
BUSY_S: Final = 1.0
"""How long reactions to a message gather to which many react: each time all its readers are sent it anew."""

_VISIBLE = """
SELECT 1 FROM members me JOIN messages x ON x.conversation_id = me.conversation_id AND x.seq = ?
WHERE me.user_id = ? AND me.conversation_id = ? AND me.active = 1 AND x.seq >= me.visible_from_seq
"""
_REACTIONS = (
    "SELECT r.emoji, r.revision, r.user_id FROM reactions r WHERE r.conversation_id = ? AND r.seq = ?"
)
_BELOW = "(r.revision < ? OR (r.revision = ? AND r.user_id < ?))"
_OF_KIND = f"AND r.emoji = ? AND {_BELOW}"
_BEFORE = f"AND (r.emoji < ? OR (r.emoji = ? AND {_BELOW}))"
_ORDER = "ORDER BY r.emoji DESC, r.revision DESC, r.user_id DESC LIMIT ?"
_OWN = "SELECT r.conversation_id, r.seq, r.emoji FROM reactions r"
_OF_USER = "r.conversation_id = ? AND r.user_id = ? AND r.seq = ?"
_HIGHEST = 2**63 - 1


class ReactionGatherer:
    """`core.ports.writing.Reactions` in front of the writer."""

    def __init__(self, writer: Writer) -> None:
        self._gatherer: Gatherer[tuple[ConversationId, int], tuple[UserId, str], bool, Message] = Gatherer(
            writer, lambda message, wanted: React(*message, wanted), most=MOST, busy_s=BUSY_S
        )

    async def react(self, wish: Wish) -> Message:
        """See the port."""
        message, key = (wish.conversation_id, wish.seq), (wish.user_id, wish.emoji)
        return await self._gatherer.ask(message, key, wish.on)


def reactions(
    connection: Connection,
    user_id: UserId,
    conversation_id: ConversationId,
    seq: int,
    emoji: str | None,
    position: ReactionPosition | None,
    limit: int,
) -> ReactionPage:
    """See `core.ports.reading.Reader.reactions`."""
    if not fetch(connection, _VISIBLE, seq, user_id, conversation_id):
        raise NotFound("There is no such message.", field="seq")
    where, values = "", [conversation_id, seq]
    if emoji is not None:
        at, below = (_HIGHEST, _HIGHEST) if position is None else position[1:]
        where, values = _OF_KIND, [*values, emoji, at, at, below]  # type: ignore[list-item]
    elif position is not None:
        after, at, below = position
        where, values = _BEFORE, [*values, after, after, at, at, below]  # type: ignore[list-item]
    found = fetch(connection, f"{_REACTIONS} {where} {_ORDER}", *values, limit + 1)
    page = tuple((row[2], row[0]) for row in found[:limit])
    more = len(found) > limit
    return ReactionPage(page, ReactionPosition(*found[limit - 1]) if more else None)


def seen(connection: Connection, user_id: UserId, messages: Iterable[Message]) -> tuple[Message, ...]:
    """Messages as one user sees them. Most have no reactions, and of most that do it need not be read how."""
    given = tuple(messages)
    reacted = [it for it in given if it.reactions]
    if not reacted:
        return given
    own: dict[tuple[ConversationId, int], set[str]] = {}
    unsure = [
        (it.conversation_id, user_id, it.seq) for it in reacted if not all(map(names_all, it.reactions))
    ]
    for conversation_id, seq, emoji in fetch_any(connection, _OWN, _OF_USER, unsure):
        own.setdefault((conversation_id, seq), set()).add(emoji)
    return tuple(seen_by(it, user_id, own.get((it.conversation_id, it.seq), ())) for it in given)
