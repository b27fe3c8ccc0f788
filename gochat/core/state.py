"""What a batch of commands is decided on: the rows that storage loaded, and what the batch made of them.

`decide` is a pure function of a `State`, a command and the time; it answers with a `Decision`. `State.apply`
takes the decision in, so that the next command of the batch sees it, and keeps account of what there is to
write and to publish.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gochat.core.commands import Block, UpdateProfile
from gochat.core.delta import Change, Delta, Why, published
from gochat.core.errors import ChatError
from gochat.core.limits import Limits
from gochat.core.model import Conversation, ConversationId, Member, Message, UserId


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer to a send. `duplicate`: this very request was stored before."""

    message: Message
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """A member's authoritative positions, and what is unread after them."""

    delivered_seq: int
    read_seq: int
    unread: int
    total_unread: int = 0
    """Over all his conversations; filled in by storage."""


Result: TypeAlias = Sent | Message | Conversation | dict[UserId, Receipt | ChatError] | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a command does; with `result` alone it changes nothing."""

    result: Result
    why: Why = Why.CHANGES
    conversation: Conversation | None = None
    """As of the revision that the command took; None: it took none."""
    unseen: Conversation | None = None
    """The same with nothing changed that its members see."""
    created: Message | None = None
    updated: Message | None = None
    members: tuple[Member, ...] = ()
    """Rows to write. Those whose `revision` is the conversation's are shown to others."""
    me: tuple[UserId, ...] = ()
    """Users whose own log takes a revision; their `members` rows above."""
    joined: tuple[UserId, ...] = ()
    left: tuple[UserId, ...] = ()
    profile: Block | UpdateProfile | None = None
    """What the one of `me` decided about himself."""
    own: bool = False
    """The conversation's own fields changed, not only what it holds."""


@dataclass(slots=True)
class State:
    """Rows by key; what is not there does not exist (or was not needed by any command of the batch)."""

    conversations: dict[ConversationId, Conversation] = field(default_factory=dict)
    by_key: dict[str, ConversationId] = field(default_factory=dict)
    """Reserved conversations too: those have revision 0."""
    members: dict[tuple[ConversationId, UserId], Member] = field(default_factory=dict)
    messages: dict[tuple[ConversationId, int], Message] = field(default_factory=dict)
    sent: dict[tuple[UserId, bytes], Message] = field(default_factory=dict)
    users: dict[UserId, int] = field(default_factory=dict)
    """Users who exist, with their number of active memberships."""
    me: dict[UserId, int] = field(default_factory=dict)
    blocks: set[tuple[UserId, UserId]] = field(default_factory=set)
    """Of those asked for: the first has blocked the second."""
    blockers: dict[UserId, int] = field(default_factory=dict)
    """How many others each has blocked."""
    deleted_after: dict[tuple[ConversationId, UserId, int], int] = field(default_factory=dict)

    changed: dict[ConversationId, Conversation] = field(default_factory=dict)
    created: dict[tuple[ConversationId, int], Message] = field(default_factory=dict)
    updated: dict[tuple[ConversationId, int], Message] = field(default_factory=dict)
    changed_members: dict[tuple[ConversationId, UserId], Member] = field(default_factory=dict)
    unreadable: list[tuple[ConversationId, int]] = field(default_factory=list)
    """Messages deleted: whoever had not read them, and is not in `changed_members`, now skips one more."""
    me_since: dict[UserId, int] = field(default_factory=dict)
    """Users whose own log moved, with the revision it had before the batch."""
    profiles: dict[UserId, list[Block | UpdateProfile]] = field(default_factory=dict)
    """What users decided about themselves, in order."""
    decisions: dict[ConversationId, list[Decision]] = field(default_factory=dict)
    """Those that took a revision, in order: one revision each."""

    def apply(self, decision: Decision) -> None:
        """Take a decision in."""
        conversation = decision.conversation
        if conversation is not None:
            self.conversations[conversation.id] = self.changed[conversation.id] = conversation
            self.decisions.setdefault(conversation.id, []).append(decision)
        if decision.unseen is not None:
            self.conversations[decision.unseen.id] = self.changed[decision.unseen.id] = decision.unseen
        if decision.profile is not None:
            self._decided(decision.profile)
        if decision.created is not None:
            self._created(decision.created)
        if decision.updated is not None:
            self._updated(decision.updated)
            if decision.updated.deleted_at is not None:
                self._skip(decision.updated.conversation_id, decision.updated.seq)
        for member in decision.members:
            key = (member.conversation_id, member.user_id)
            self.members[key] = self.changed_members[key] = member
        for user_id in decision.me:
            self.me_since.setdefault(user_id, self.me[user_id])
            self.me[user_id] += 1
        for user_id in decision.joined:
            self.users[user_id] += 1
        for user_id in decision.left:
            if user_id in self.users:
                self.users[user_id] -= 1

    def changes(self, limits: Limits) -> Iterator[Change]:
        """What to publish after the commit: in order within each conversation, runs of one kind as one."""
        for decisions in self.decisions.values():
            run: list[Decision] = []
            for decision in decisions:
                if run and not _together(run[-1], decision):
                    yield _change(run, limits)
                    run = []
                run.append(decision)
            yield _change(run, limits)

    def spans(self) -> dict[ConversationId, tuple[int, int]]:
        """The revision of each changed conversation before the batch, and after it."""
        return {
            cid: (self.conversations[cid].revision - len(decisions), self.conversations[cid].revision)
            for cid, decisions in self.decisions.items()
        }

    def _decided(self, profile: Block | UpdateProfile) -> None:
        self.profiles.setdefault(profile.user_id, []).append(profile)
        if isinstance(profile, Block):
            pair = (profile.user_id, profile.other_id)
            (self.blocks.add if profile.on else self.blocks.discard)(pair)
            self.blockers[profile.user_id] += 1 if profile.on else -1

    def _created(self, message: Message) -> None:
        key = (message.conversation_id, message.seq)
        self.messages[key] = self.created[key] = message
        self.sent[(message.sender_id, message.client_message_id)] = message

    def _updated(self, message: Message) -> None:
        key = (message.conversation_id, message.seq)
        self.messages[key] = message
        self.sent[(message.sender_id, message.client_message_id)] = message
        (self.created if key in self.created else self.updated)[key] = message

    def _skip(self, cid: ConversationId, seq: int) -> None:
        self.unreadable.append((cid, seq))
        for key, member in self.members.items():
            if key[0] == cid and member.active and member.read_seq < seq:
                skipping = replace(member, skipped=member.skipped + 1)
                self.members[key] = skipping
                if key in self.changed_members:
                    self.changed_members[key] = skipping
        for after in self.deleted_after:
            if after[0] == cid and after[2] < seq:
                self.deleted_after[after] += 1


def _together(before: Decision, after: Decision) -> bool:
    """Whether two decisions go out as one delta."""
    whole = before.joined or before.left or after.joined or after.left
    return before.why is after.why and not whole


def _change(run: list[Decision], limits: Limits) -> Change:
    """One delta out of decisions that took revisions one after the other."""
    conversation = run[-1].conversation
    assert conversation is not None
    since = conversation.revision - len(run)
    messages: dict[int, Message] = {}
    members: dict[UserId, Member] = {}
    for decision in run:
        for message in (decision.created, decision.updated):
            if message is not None:
                messages[message.seq] = message
        for member in decision.members:
            if member.revision > since:
                members[member.user_id] = member
    delta = Delta(
        conversation_id=conversation.id,
        since=since,
        revision=conversation.revision,
        conversation=conversation if any(decision.own for decision in run) else None,
        members=tuple(members.values()),
        messages=tuple(messages.values()),
    )
    return published(run[-1].why, delta, conversation, limits, run[-1].joined, run[-1].left)
