"""What the rules speak of. Frozen values; ids are 63-bit integers, times integer milliseconds UTC.

A conversation's `revision` counts every change that its members see; whatever a change touched carries the
revision at which it last changed. `seq` counts messages, from 1, without holes.
"""

from dataclasses import field, replace
from enum import StrEnum
from typing import TypeAlias

from gochat.core.values import value

UserId: TypeAlias = int
ConversationId: TypeAlias = int
SessionId: TypeAlias = int
Millis: TypeAlias = int
"""Milliseconds since the Unix epoch, UTC."""


class Kind(StrEnum):
    """A conversation is between two, or of a group."""

    DIRECT = "direct"
    GROUP = "group"


class History(StrEnum):
    """What of the past a new member sees."""

    FROM_START = "from_start"
    FROM_JOINING = "from_joining"


class Who(StrEnum):
    """Which members may do something in a group."""

    ALL = "all"
    ADMINS = "admins"
    """The owner too."""


class Role(StrEnum):
    """A member's standing, highest first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


@value(frozen=True, slots=True)
class Attachment:
    """A link to a file that lies elsewhere. `size` in bytes, `width` and `height` in pixels."""

    url: str
    mime_type: str
    size: int | None = None
    width: int | None = None
    height: int | None = None
    name: str | None = None

    def as_requested(self) -> list[object]:
        """What a retry of the message repeats.

        It is hashed, and hashes are kept for ever: what is added must not change it where it is None.
        """
        return [self.url, self.mime_type, self.size, self.width, self.height, self.name]


TEXT = "text"
"""The kind of a message that says no other."""
SYSTEM = "system"
"""The kind of a message that the server wrote."""
NOBODY: UserId = 0
"""No user's id: who sent what the server wrote."""
EVERYONE: UserId = NOBODY
"""Stands for all members where a mention is stored."""


@value(frozen=True, slots=True)
class Mentions:
    """Who is meant by a message: some members, or all of them."""

    user_ids: tuple[UserId, ...] = ()
    everyone: bool = False

    @property
    def ids(self) -> frozenset[UserId]:
        """As they are stored, with `EVERYONE`."""
        return frozenset(self.user_ids) | ({EVERYONE} if self.everyone else frozenset())


@value(frozen=True, slots=True)
class Forwarded:
    """Where a message was copied from. It gives nobody access to that place."""

    conversation_id: ConversationId
    seq: int


@value(frozen=True, slots=True)
class Reaction:
    """Those who reacted to a message in one way."""

    emoji: str
    count: int
    user_ids: tuple[UserId, ...]
    """Some of them, the newest first: all, where they are few."""
    mine: bool | None = None
    """Whether the reader is one of them; None: it is told to several, as it is stored."""


@value(frozen=True, slots=True)
class Extras:
    """What few messages have. It is one column, so that the others pay nothing for it."""

    kind: str = TEXT
    """`text`, `custom:` and a name of the app's own, or `system`."""
    data: str | None = None
    """A JSON object, as text."""
    mentions: Mentions | None = None
    silent: bool = False
    """No push and no sound: the sender does not want to disturb."""
    forwarded_from: Forwarded | None = None
    read_up_to: int | None = None
    """How far the sender had read, if not all that stands before it."""
    reactions: tuple[Reaction, ...] = ()
    """In the order in which they were first made. No part of what was sent."""

    def or_none(self) -> "Extras | None":
        """None, if it says nothing."""
        return None if self == Extras() else self

    def as_requested(self) -> list[object]:
        """What a retry of the message repeats; see `Attachment.as_requested`."""
        mentions, forwarded = self.mentions, self.forwarded_from
        return [
            self.kind,
            self.data,
            None if mentions is None else [sorted(mentions.user_ids), mentions.everyone],
            self.silent,
            None if forwarded is None else [forwarded.conversation_id, forwarded.seq],
            *([] if self.read_up_to is None else [self.read_up_to]),
        ]


NOTHING_EXTRA = Extras()


@value(frozen=True, slots=True)
class Message:
    """One message. A deleted one keeps its place and has neither body nor attachments."""

    conversation_id: ConversationId
    seq: int
    revision: int
    sender_id: UserId
    client_message_id: bytes
    """16 bytes: the UUID that the sender's app chose; the key of a retry."""
    request_hash: bytes
    """16 bytes over what was first sent; see `messages.SendMessage.request_hash`."""
    body: str | None
    attachments: tuple[Attachment, ...]
    created_at: Millis
    edited_at: Millis | None = None
    deleted_at: Millis | None = None
    reply_to_seq: int | None = None
    extras: Extras | None = None

    @property
    def is_system(self) -> bool:
        """Whether the server wrote it; nobody ever has it unread."""
        return self.sender_id == NOBODY

    @property
    def reactions(self) -> tuple[Reaction, ...]:
        """How members reacted to it."""
        return () if self.extras is None else self.extras.reactions

    def with_reactions(self, reactions: tuple[Reaction, ...]) -> "Message":
        """The same with these."""
        extras = replace(self.extras or NOTHING_EXTRA, reactions=reactions)
        return replace(self, extras=extras.or_none())

    @property
    def mentioned(self) -> frozenset[UserId]:
        """Who is meant by it, as they are stored."""
        if self.extras is None or self.extras.mentions is None:
            return frozenset()
        return self.extras.mentions.ids

    def deleted(self, revision: int, at: Millis) -> "Message":
        """The same without its contents; it keeps its place, and says how far its sender had read."""
        extras = None if self.extras is None else Extras(read_up_to=self.extras.read_up_to).or_none()
        return replace(self, body=None, attachments=(), extras=extras, deleted_at=at, revision=revision)

    def as_stored(self) -> "Message":
        """No more than that it was stored: for a sender who does not see it any more."""
        return replace(
            self, body=None, attachments=(), extras=None, edited_at=None, deleted_at=None, reply_to_seq=None
        )


@value(frozen=True, slots=True)
class ConversationExtras:
    """What few conversations have. It is one column, and a send does not write it."""

    avatar_url: str | None = None
    data: str | None = None
    """A JSON object of the app's own, as text."""
    who_sends: Who = Who.ALL
    who_adds: Who = Who.ADMINS
    pinned_seqs: tuple[int, ...] = ()
    """Messages that are pinned, the newest pin first."""

    def or_none(self) -> "ConversationExtras | None":
        """None, if it says nothing."""
        return None if self == ConversationExtras() else self


@value(frozen=True, slots=True)
class Conversation:
    """A conversation's own row. `revision` 0: reserved, not created yet."""

    id: ConversationId
    kind: Kind
    title: str | None
    history: History
    revision: int
    last_seq: int
    last_message_at: Millis
    """Of its last message; before the first, when it was created."""
    member_count: int
    created_at: Millis
    created_by: UserId
    unique_key: str | None = None
    """`direct_key` or `group_key`: what makes creating it twice find the first."""
    request_hash: bytes = b""
    blocked: bool = False
    """Direct ones: whether one of the two has blocked the other. Nobody is shown it."""
    extras: ConversationExtras | None = None

    @property
    def setup(self) -> ConversationExtras:
        """What is set of it, or as it is where nothing is."""
        return NOTHING_SET_UP if self.extras is None else self.extras

    def with_pin(self, seq: int, on: bool) -> "Conversation":
        """The same with a message pinned, before those that were, or pinned no more."""
        setup = self.setup
        if (seq in setup.pinned_seqs) is on:
            return self
        others = tuple(it for it in setup.pinned_seqs if it != seq)
        extras = replace(setup, pinned_seqs=(seq, *others) if on else others).or_none()
        return replace(self, extras=extras)

    def with_message(self, seq: int, revision: int, at: Millis) -> "Conversation":
        """The same with one more message. Every send makes one: `replace` would cost it twice the time."""
        return Conversation(
            self.id,
            self.kind,
            self.title,
            self.history,
            revision,
            seq,
            at,
            self.member_count,
            self.created_at,
            self.created_by,
            self.unique_key,
            self.request_hash,
            self.blocked,
            self.extras,
        )


NOTHING_SET_UP = ConversationExtras()


@value(frozen=True, slots=True)
class Member:
    """One user's standing in one conversation. Never deleted: an ex-member is `active=False`."""

    conversation_id: ConversationId
    user_id: UserId
    role: Role
    active: bool
    revision: int
    """When something that others are shown of them last changed."""
    joined_revision: int
    visible_from_seq: int
    delivered_seq: int = 0
    read_seq: int = 0
    skipped: int = 0
    """Messages after `read_seq` that are deleted, the server's, or the user's own."""
    shown_delivered_seq: int = 0
    shown_read_seq: int = 0
    me_revision: int = 0
    """When something that only they see last changed; counted on their user row."""

    def having_sent(self, seq: int) -> "Member":
        """The same having sent a message, and so read what stands before it.

        Others see that from the message itself. Every send makes one: see `Conversation.with_message`.
        """
        return Member(
            self.conversation_id,
            self.user_id,
            self.role,
            self.active,
            self.revision,
            self.joined_revision,
            self.visible_from_seq,
            seq,
            seq,
            0,
            self.shown_delivered_seq,
            self.shown_read_seq,
            self.me_revision,
        )

    def unread(self, last_seq: int) -> int:
        """How many messages they have not read, deleted ones apart."""
        return max(0, last_seq - self.read_seq - self.skipped)


class MuteLevel(StrEnum):
    """What of a muted conversation still counts and makes itself heard."""

    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"


@value(frozen=True, slots=True)
class Side:
    """What a member has set for themselves in a conversation; nobody else sees it. 0 and None: nothing.

    A row of its own, for those who set something: a send neither reads nor writes it. What ends with the next
    message, with reading or with time is computed, not written.
    """

    user_id: UserId
    conversation_id: ConversationId
    muted_until: Millis = 0
    mute_level: MuteLevel = MuteLevel.ALL
    archived_seq: int | None = None
    """The last message when it was archived; the next one ends that, unless it is muted."""
    pinned_at: Millis = 0
    marked_seq: int | None = None
    """What was read when it was marked as unread; to have read more, or to say so again, ends that."""
    draft: str | None = None
    draft_at: Millis = 0

    def is_muted(self, now: Millis) -> bool:
        """Whether it is muted at a time."""
        return now < self.muted_until and self.mute_level is not MuteLevel.ALL

    def is_archived(self, last_seq: int, now: Millis) -> bool:
        """Whether it is archived, with `last_seq` as its last message."""
        return self.archived_seq is not None and (last_seq <= self.archived_seq or self.is_muted(now))

    def is_marked(self, read_seq: int) -> bool:
        """Whether it is marked as unread, by someone who has read up to `read_seq`."""
        return self.marked_seq == read_seq

    def counted(self, member: "Member", last_seq: int, unread_mentions: int, now: Millis) -> int:
        """What it adds to the total of unread messages."""
        unread = member.unread(last_seq)
        if self.is_muted(now):
            return min(unread, unread_mentions) if self.mute_level is MuteLevel.MENTIONS else 0
        return max(unread, 1) if self.is_marked(member.read_seq) else unread


@value(frozen=True, slots=True)
class Private:
    """A member's own side of a conversation as they are told it, at one moment."""

    unread_mentions: int = 0
    """Messages not read that mean the member, or everyone."""
    muted_until: Millis | None = None
    mute_level: MuteLevel = MuteLevel.ALL
    archived: bool = False
    pinned: bool = False
    marked_unread: bool = False
    draft: str | None = None
    draft_at: Millis = 0

    @classmethod
    def of(cls, side: Side | None, member: "Member", last_seq: int, mentions: int, now: Millis) -> "Private":
        """What is computed of a side (None: nothing is set)."""
        if side is None:
            return NOTHING_SET if not mentions else cls(mentions)
        muted = side.is_muted(now)
        return cls(
            unread_mentions=mentions,
            muted_until=side.muted_until if muted else None,
            mute_level=side.mute_level if muted else MuteLevel.ALL,
            archived=side.is_archived(last_seq, now),
            pinned=side.pinned_at > 0,
            marked_unread=side.is_marked(member.read_seq),
            draft=side.draft,
            draft_at=side.draft_at,
        )


NOTHING_SET = Private()


@value(frozen=True, slots=True)
class User:
    """What other users see of a user."""

    id: UserId
    username: str
    display_name: str
    avatar_url: str | None = None
    about: str | None = None
    data: str | None = None
    """A JSON object of the app's own, as text."""
    deleted: bool = False
    """The account is gone; what it wrote may be left."""
    revision: int = 0
    """How often any of this changed."""
    updated_at: Millis = 0
    """When it last did; 0: never."""

    def restated(self, said: "User", now: Millis) -> "User":
        """As others see them from now on; the same if that is what they see already."""
        if replace(said, revision=self.revision, updated_at=self.updated_at) == self:
            return self
        return replace(said, revision=self.revision + 1, updated_at=max(now, self.updated_at))


@value(frozen=True, slots=True)
class Ban:
    """Somebody is not brought into a group any more, whoever tries; or, with `on` false, may be again.

    `banned_by`: None if whoever runs the server did it.
    """

    conversation_id: ConversationId
    user_id: UserId
    banned_by: UserId | None
    on: bool


class WhoCanAdd(StrEnum):
    """Who may bring a user into conversations; a contact is whoever shares one with them."""

    EVERYONE = "everyone"
    CONTACTS = "contacts"
    NOBODY = "nobody"


@value(frozen=True, slots=True)
class Settings:
    """What a user has set for themselves; nobody else is shown it."""

    presence_hidden: bool = False
    """Nobody is shown whether they are online."""
    who_can_add: WhoCanAdd = WhoCanAdd.EVERYONE
    receipts_hidden: bool = False
    """Nobody is shown how far they have received and read, from when they set it."""
    discoverable_by_phone: bool = False
    """Whoever has their number in the address book finds them by it."""


@value(frozen=True, slots=True)
class Standing:
    """What decides whether a user may speak."""

    created_at: Millis = 0
    muted_until: Millis | None = None
    """An operator lets them read, and not write, until then."""
    terms_version: str | None = None
    """Which version of the terms they accepted last."""


@value(frozen=True, slots=True)
class Profile:
    """What a user sees of themselves, and sets."""

    user: User
    settings: Settings
    standing: Standing = field(default_factory=Standing)


@value(frozen=True, slots=True)
class Device:
    """What an app says of the phone it runs on."""

    name: str | None = None
    platform: str | None = None
    app_version: str | None = None
    installation_id: bytes | None = None
    """16 bytes: the UUID that the app made when it was installed. A user has one login of each."""


@value(frozen=True, slots=True)
class Session:
    """One login on one device: a family of refresh tokens."""

    id: SessionId
    user_id: UserId
    device: Device
    created_at: Millis
    last_seen_at: Millis
    revoked_at: Millis | None = None


def direct_key(one: UserId, other: UserId) -> str:
    """The unique key of the direct conversation of two users, in whichever order they are named."""
    low, high = sorted((one, other))
    return f"d:{low:016x}:{high:016x}"


def group_key(creator: UserId, client_conversation_id: bytes) -> str:
    """The unique key of a group that its creator's app named."""
    return f"g:{creator:016x}:{client_conversation_id.hex()}"
