"""What the reading side answers with: views made for one user."""

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from gochat.core.delta import Delta, MeConversation
from gochat.core.model import (
    NOTHING_SET,
    Conversation,
    ConversationId,
    Member,
    Message,
    Millis,
    Private,
    Profile,
    Standing,
    UserId,
)
from gochat.core.values import value


@value(frozen=True, slots=True)
class Membership:
    """One of a user's active memberships, as a connection needs it."""

    conversation_id: ConversationId
    revision: int
    """The conversation's."""
    visible_from_seq: int
    blocked: bool = False
    """Of a direct one: whether one of the two has blocked the other."""


@value(frozen=True, slots=True)
class Memberships:
    """All that a user is a member of, the revision of their own log, and how they stand."""

    me_revision: int
    conversations: tuple[Membership, ...]
    standing: Standing


@value(frozen=True, slots=True)
class ConversationView:
    """A conversation as one of its members sees it. `last_message` is None if they see none."""

    conversation: Conversation
    me: Member
    last_message: Message | None
    private: Private = NOTHING_SET


class ListPosition(NamedTuple):
    """Where a list of conversations goes on: after this one, in its order."""

    pinned: bool
    last_message_at: Millis
    conversation_id: ConversationId


@value(frozen=True, slots=True)
class ConversationPage:
    """Pinned ones first, then the newest. `position` continues after the last one; None: that was all."""

    views: tuple[ConversationView, ...]
    position: ListPosition | None


@value(frozen=True, slots=True)
class MemberPage:
    """Active members by user id. `position` continues after the last one; None: that was all."""

    members: tuple[Member, ...]
    position: UserId | None


@value(frozen=True, slots=True)
class HistoryPage:
    """Messages in ascending order of seq, and whether there are more on either side."""

    messages: tuple[Message, ...]
    has_more_before: bool
    has_more_after: bool


class ReactionPosition(NamedTuple):
    """Where a list of reactions goes on: after this one, in its order."""

    emoji: str
    revision: int
    user_id: UserId


@value(frozen=True, slots=True)
class ReactionPage:
    """Users and how they reacted. `position` continues after the last one; None: that was all."""

    reactions: tuple[tuple[UserId, str], ...]
    position: ReactionPosition | None


@value(frozen=True, slots=True)
class MeDelta:
    """A user's own log after `since`, up to `revision`."""

    since: int
    revision: int
    conversations: tuple[MeConversation, ...]
    total_unread: int
    gap: bool = False
    profile: Profile | None = None
    """If that, or whom they block, changed."""


@value(frozen=True, slots=True)
class SyncPosition:
    """Where a sync that takes several pages goes on; see `sync.Agenda` for the order.

    `started_at`: what has a message from after it is gone through once more at the end. `moved`: in that
    part. `at`, `conversation_id`: the last one told. `revision`: how far that one is told; 0: all of it.
    `epoch`: the server's when it began. `gap`: all is told whole. `removed_after`: all that they are in is
    told; what they are not in goes on after that id.
    """

    started_at: Millis
    moved: bool
    at: Millis
    conversation_id: ConversationId
    revision: int
    epoch: str
    gap: bool
    removed_after: ConversationId | None = None
    standing: str = ""
    """What the phone will hold at least when all is told: `Standing.pack`, as hexadecimal digits."""


@value(frozen=True, slots=True)
class SyncRequest:
    """What a phone has. `me` None: it has nothing of its own log. `limit` counts messages.

    `standing`: what it held after a sync, packed; it stands for `known`, and for `me` if that is None.
    `users_since`: when it last was told which users changed; None: it does not ask.
    """

    known: Mapping[ConversationId, int]
    me: int | None
    epoch: str | None
    position: SyncPosition | None
    limit: int
    standing: bytes | None = None
    users_since: Millis | None = None


@value(frozen=True, slots=True)
class ChangedUsers:
    """Of whom others see something else than they did, with the revision of that.

    `revisions` None: there are too many to name, or it is not known.
    """

    revisions: Mapping[UserId, int] | None


@value(frozen=True, slots=True)
class SyncPage:
    """Deltas for one user; `position` None: there is no more.

    `standing`: what a phone holds, packed, that has taken in this and the pages before it; with the last.
    `users`: whom they see in conversations, for a phone that asked; with the first.
    """

    conversations: tuple[Delta, ...]
    me: MeDelta | None
    position: SyncPosition | None
    epoch: str
    server_time: Millis
    standing: bytes | None = None
    users: ChangedUsers | None = None


@value(frozen=True, slots=True)
class Batch:
    """What one committed batch changed. `n` counts those of its process, from 1, without holes."""

    process_id: int
    n: int
    conversations: Mapping[ConversationId, tuple[int, int]]
    """Their revisions before it, and after it."""
    users: Mapping[UserId, tuple[int, int]]
    """The revisions of their own logs before it, and after it."""
    joined: Mapping[ConversationId, tuple[UserId, ...]]
    """Who became a member."""
    profiles: tuple[UserId, ...] = ()
    """Who changed what is said of them, or whom they block."""
    said: Mapping[UserId, int] = field(default_factory=dict)
    """Of whom others see something else from then on, with the revision of that."""


@value(frozen=True, slots=True)
class Heads:
    """How far the log is: by process id, the number of its last batch."""

    epoch: str
    """Which history the database tells; another one than before means that some of it was lost."""
    numbers: Mapping[int, int]
