"""What can be asked of a conversation. One frozen value per request; it says what it needs to be decided.

`Needs` is how storage knows what to load before `decide` is called: it loads the union over a batch.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gochat.core.model import (
    Attachment,
    ConversationId,
    History,
    Kind,
    Role,
    UserId,
    direct_key,
    group_key,
)


@dataclass(slots=True)
class Needs:
    """What must be loaded for a batch. Sets of keys; filled by `command.need(needs)`."""

    conversations: set[ConversationId] = field(default_factory=set)
    """Locked, in sorted order, before all else."""
    unique_keys: set[str] = field(default_factory=set)
    """Conversations by their unique key; reserved if not there, then locked."""
    members: set[tuple[ConversationId, UserId]] = field(default_factory=set)
    messages: set[tuple[ConversationId, int]] = field(default_factory=set)
    """By conversation and seq."""
    sent: set[tuple[UserId, bytes]] = field(default_factory=set)
    """Messages by sender and retry key; with their senders' member rows."""
    users: set[UserId] = field(default_factory=set)
    """Which of these exist, and how many active memberships each has."""
    me: set[UserId] = field(default_factory=set)
    """Users whose own log may move: their rows are locked, after the conversations."""
    blocks: set[tuple[UserId, UserId]] = field(default_factory=set)
    """Which of these there are: the first has blocked the second."""
    blockers: set[UserId] = field(default_factory=set)
    """How many others each of these has blocked."""
    successors: set[ConversationId] = field(default_factory=set)
    """The rows of the first active members by standing and time, should the owner quit: as many as the batch
    may remove, and one more."""
    deleted_after: set[tuple[ConversationId, UserId, int]] = field(default_factory=set)
    """How many deleted messages follow that seq; asked only where that member has any to skip."""


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Answered with `Sent`."""

    conversation_id: ConversationId
    sender_id: UserId
    client_message_id: bytes
    body: str
    reply_to_seq: int | None = None
    attachments: tuple[Attachment, ...] = ()

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the sender's row, the retry, and what is replied to."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.sender_id))
        needs.sent.add((self.sender_id, self.client_message_id))
        if self.reply_to_seq is not None:
            needs.messages.add((self.conversation_id, self.reply_to_seq))

    @property
    def request_hash(self) -> bytes:
        """16 bytes over everything but the key itself: the same request gives the same hash, for ever."""
        text = f"{self.conversation_id}\x00{self.reply_to_seq or 0}\x00{self.body}"
        if self.attachments:
            text += "\x00" + json.dumps([attachment.as_requested() for attachment in self.attachments])
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256 + 4 * len(self.body) + 1024 * len(self.attachments)


@dataclass(frozen=True, slots=True)
class EditMessage:
    """The sender replaces the body. Answered with the `Message`."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int
    body: str

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row and the message."""
        _need_message(needs, self.conversation_id, self.user_id, self.seq)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256 + 4 * len(self.body)


@dataclass(frozen=True, slots=True)
class DeleteMessage:
    """The sender, an admin or the owner empties a message. Answered with the `Message`."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row and the message."""
        _need_message(needs, self.conversation_id, self.user_id, self.seq)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256


@dataclass(frozen=True, slots=True)
class CreateConversation:
    """`new_id` is used if it is not there yet. Answered with the `Conversation`.

    `member_ids` are the others: exactly one for a direct conversation. The creator owns a group.
    """

    new_id: ConversationId
    creator_id: UserId
    kind: Kind
    member_ids: tuple[UserId, ...]
    title: str | None = None
    client_conversation_id: bytes | None = None
    history: History = History.FROM_START

    @property
    def unique_key(self) -> str | None:
        """What creating it twice has in common; None: every request makes a new group."""
        if self.kind is Kind.DIRECT:
            return direct_key(self.creator_id, self.member_ids[0]) if self.member_ids else None
        if self.client_conversation_id is None:
            return None
        return group_key(self.creator_id, self.client_conversation_id)

    @property
    def request_hash(self) -> bytes:
        """16 bytes over what was asked, members in any order."""
        what = [self.kind, sorted(self.member_ids), self.title, self.history]
        return hashlib.blake2b(json.dumps(what).encode(), digest_size=16).digest()

    def need(self, needs: Needs) -> None:
        """Reserve and lock the conversation; read who exists."""
        key = self.unique_key
        if key is not None:
            needs.unique_keys.add(key)
        needs.users.update(self.member_ids, (self.creator_id,))
        needs.blocks.update((other, self.creator_id) for other in self.member_ids)
        if self.kind is Kind.DIRECT:
            needs.blocks.update((self.creator_id, other) for other in self.member_ids)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 512 + 128 * len(self.member_ids)


@dataclass(frozen=True, slots=True)
class UpdateConversation:
    """An admin or the owner renames a group. Answered with the `Conversation`."""

    conversation_id: ConversationId
    user_id: UserId
    title: str | None

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 1024


@dataclass(frozen=True, slots=True)
class AddMembers:
    """An admin or the owner brings users into a group. Answered with the `Conversation`."""

    conversation_id: ConversationId
    user_id: UserId
    member_ids: tuple[UserId, ...]

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row, the others', who exists and who has blocked him."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))
        needs.members.update((self.conversation_id, other) for other in self.member_ids)
        needs.blocks.update((other, self.user_id) for other in self.member_ids)
        needs.users.update(self.member_ids)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256 + 256 * len(self.member_ids)


@dataclass(frozen=True, slots=True)
class RemoveMember:
    """A member quits, or one of higher standing removes him. Answered with the `Conversation`."""

    conversation_id: ConversationId
    user_id: UserId
    member_id: UserId

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read both rows."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))
        needs.members.add((self.conversation_id, self.member_id))
        if self.user_id == self.member_id:
            needs.successors.add(self.conversation_id)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 512


@dataclass(frozen=True, slots=True)
class SetRole:
    """The owner changes a member's role; making another the owner makes himself an admin.

    Answered with the `Conversation`.
    """

    conversation_id: ConversationId
    user_id: UserId
    member_id: UserId
    role: Role

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read both rows."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))
        needs.members.add((self.conversation_id, self.member_id))

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 512


@dataclass(frozen=True, slots=True)
class Position:
    """How far one member says he got. 0 says nothing. `private`: the others are not shown it."""

    delivered_seq: int = 0
    read_seq: int = 0
    private: bool = False


@dataclass(frozen=True, slots=True)
class AdvanceReceipts:
    """Receipts of several members of one conversation, gathered: at most one revision for them all.

    Answered with a mapping: user id to `Receipt` or a ChatError, one for each position.
    """

    conversation_id: ConversationId
    positions: Mapping[UserId, Position]

    def need(self, needs: Needs) -> None:
        """Lock the conversation and the users; read the members' rows."""
        needs.conversations.add(self.conversation_id)
        for user_id, position in self.positions.items():
            needs.members.add((self.conversation_id, user_id))
            needs.me.add(user_id)
            if position.read_seq:
                needs.deleted_after.add((self.conversation_id, user_id, position.read_seq))

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256 * (1 + len(self.positions))


@dataclass(frozen=True, slots=True)
class Block:
    """A user blocks another, or does so no more. Answered with None.

    Their direct conversation is locked, or, as `new_id`, the place that it would have: so no message is
    stored in it after the answer.
    """

    new_id: ConversationId
    user_id: UserId
    other_id: UserId
    on: bool

    @property
    def unique_key(self) -> str:
        """Of their direct conversation."""
        return direct_key(self.user_id, self.other_id)

    def need(self, needs: Needs) -> None:
        """Lock the conversation and the user; read the blocks between the two, and how many he has."""
        needs.unique_keys.add(self.unique_key)
        needs.me.add(self.user_id)
        needs.users.add(self.other_id)
        needs.blocks.update(((self.user_id, self.other_id), (self.other_id, self.user_id)))
        needs.blockers.add(self.user_id)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 512


@dataclass(frozen=True, slots=True)
class UpdateProfile:
    """A user changes what is said of him; None leaves it as it is. Answered with None."""

    user_id: UserId
    display_name: str | None = None
    presence_hidden: bool | None = None

    def need(self, needs: Needs) -> None:
        """Lock the user."""
        needs.me.add(self.user_id)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 1024


Reserving: TypeAlias = CreateConversation | Block
"""Those that reserve a conversation's unique key. They come in batches of their own."""

Command: TypeAlias = (
    SendMessage
    | EditMessage
    | DeleteMessage
    | CreateConversation
    | UpdateConversation
    | AddMembers
    | RemoveMember
    | SetRole
    | AdvanceReceipts
    | Block
    | UpdateProfile
)


def _need_message(needs: Needs, conversation_id: ConversationId, user_id: UserId, seq: int) -> None:
    needs.conversations.add(conversation_id)
    needs.members.add((conversation_id, user_id))
    needs.messages.add((conversation_id, seq))
