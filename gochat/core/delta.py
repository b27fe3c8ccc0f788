"""The one shape in which everything durable travels: the state of what changed in a span of revisions.

A delta says: whoever has this conversation as of `since` has it, after applying this, as of `revision`.
It is state, not an event: applying it twice is harmless.
"""

from dataclasses import replace
from enum import StrEnum

from gochat.core.limits import Limits
from gochat.core.model import NOTHING_SET, Conversation, ConversationId, Member, Message, Private, UserId
from gochat.core.values import value


class Why(StrEnum):
    """The live event that brings a delta; the name says why."""

    MESSAGE_CREATED = "message:created"
    MESSAGE_EDITED = "message:edited"
    MESSAGE_DELETED = "message:deleted"
    MESSAGE_REACTED = "message:reacted"
    RECEIPT_ADVANCED = "receipt:advanced"
    MEMBER_ADDED = "member:added"
    MEMBER_REMOVED = "member:removed"
    MEMBER_UPDATED = "member:updated"
    CONVERSATION_CREATED = "conversation:created"
    CONVERSATION_UPDATED = "conversation:updated"
    CHANGES = "conversation:changes"


@value(frozen=True, slots=True)
class Delta:
    """What changed in one conversation after `since`, up to `revision`.

    `conversation` is there if its own fields changed; `me` (the reader's own row) only in what goes to one
    user: acks, sync and REST, never in a broadcast. With `since` 0 it is all there is, and the reader
    discards what they hold of the conversation; `gap`: because they hold something. `removed`: they are no
    longer a member.
    """

    conversation_id: ConversationId
    since: int
    revision: int
    conversation: Conversation | None = None
    members: tuple[Member, ...] = ()
    messages: tuple[Message, ...] = ()
    gap: bool = False
    removed: bool = False
    me: Member | None = None
    last_message: Message | None = None
    """Of `conversation`, where that is there."""
    private: Private = NOTHING_SET
    """Of `me`."""
    members_hidden: bool = False
    """There are so many members that deltas bring none but the reader; said with `conversation`."""


@value(frozen=True, slots=True)
class Change:
    """A delta as it is published: after its commit, in order of revision within a conversation."""

    why: Why
    delta: Delta
    joined: tuple[UserId, ...] = ()
    """Who became a member by it: their sockets enter, and get the conversation whole."""
    left: tuple[UserId, ...] = ()
    """Who is a member no more: their sockets get `removed` and leave."""
    theirs: tuple[UserId, ...] = ()
    """Whose row changed where rows are not shown to all: each is told theirs by itself, not this delta."""
    as_of: int = 0
    """The revision as of which `joined` and `left` are so, where that is later than the delta's."""
    to_read: bool = False
    """There is more to tell than the delta has: that is to be read, by `Reader.repair`."""


@value(frozen=True, slots=True)
class MeConversation:
    """A user's own, private side of one conversation."""

    member: Member
    unread: int
    private: Private = NOTHING_SET


@value(frozen=True, slots=True)
class MeChange:
    """What changed for one user alone after `since`, up to `revision` of their own log."""

    user_id: UserId
    since: int
    revision: int
    conversations: tuple[MeConversation, ...]
    total_unread: int
    profile: bool = False
    """What they decided about themselves changed too: read that."""
    said: int = 0
    """The revision of what others see of them, if that changed: those are told."""


@value(frozen=True, slots=True)
class Committed:
    """What one committed batch changed, for the publisher."""

    changes: tuple[Change, ...] = ()
    me: tuple[MeChange, ...] = ()


def published(
    why: Why,
    delta: Delta,
    conversation: Conversation,
    limits: Limits,
    joined: tuple[UserId, ...] = (),
    left: tuple[UserId, ...] = (),
) -> Change:
    """A delta for all members, with or without the rows of those that changed: as many as there may be."""
    if conversation.member_count <= limits.shown_members:
        return Change(why, delta, joined, left)
    newcomers = joined if delta.since else ()
    theirs = tuple(it.user_id for it in delta.members if it.active and it.user_id not in newcomers)
    bare = replace(delta, members=(), members_hidden=delta.conversation is not None)
    return Change(why, bare, joined, left, theirs)


def repaired(delta: Delta, conversation: Conversation, limits: Limits) -> Change:
    """A delta that a process missed, or the first part of it.

    Args:
        delta: with the rows of all who changed after `since` up to now, however far the delta itself goes:
            they tell who came and who went, and so who may hear any of it.
        conversation: as it is now.
        limits: how many rows are shown.
    """
    joined = tuple(it.user_id for it in delta.members if it.active and it.joined_revision > delta.since)
    left = tuple(it.user_id for it in delta.members if not it.active)
    change = published(Why.CHANGES, delta, conversation, limits, joined, left)
    return replace(change, as_of=conversation.revision)
