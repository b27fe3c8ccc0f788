"""How many messages that a user has not read mean them, or everyone."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from gochat.core.delta import OwnConversation
from gochat.core.model import EVERYONE, ConversationId, UserId
from gochat.core.queries import ConversationView
from gochat.storage.fetch import fetch_any

_SEQS = "SELECT n.conversation_id, n.seq FROM mentions n"
_UNREAD = f"n.conversation_id = ? AND n.user_id IN (?, {EVERYONE}) AND n.seq > ?"


def unread(
    connection: Connection, user_id: UserId, positions: Iterable[tuple[ConversationId, int]]
) -> Mapping[ConversationId, int]:
    """Count them after what a user has read, by conversation; those without any are left out."""
    values = [(cid, user_id, read_seq) for cid, read_seq in positions]
    seqs: dict[ConversationId, set[int]] = {}
    for cid, seq in fetch_any(connection, _SEQS, _UNREAD, values):
        seqs.setdefault(cid, set()).add(seq)
    return {cid: len(found) for cid, found in seqs.items()}


def in_views(
    connection: Connection, user_id: UserId, views: Iterable[ConversationView]
) -> tuple[ConversationView, ...]:
    """Views with what is unread of mentions."""
    given = tuple(views)
    behind = ((it.conversation.id, it.me.read_seq) for it in given if it.me.unread(it.conversation.last_seq))
    found = unread(connection, user_id, behind)
    return tuple(
        replace(it, unread_mentions=found[it.conversation.id]) if it.conversation.id in found else it
        for it in given
    )


def in_own(
    connection: Connection, user_id: UserId, own: Iterable[OwnConversation]
) -> tuple[OwnConversation, ...]:
    """A user's own sides of conversations with what is unread of mentions."""
    given = tuple(own)
    behind = ((it.member.conversation_id, it.member.read_seq) for it in given if it.unread)
    found = unread(connection, user_id, behind)
    return tuple(
        replace(it, unread_mentions=found[it.member.conversation_id])
        if it.member.conversation_id in found
        else it
        for it in given
    )
