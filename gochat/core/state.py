"""What a batch of commands is decided on: the rows that storage loaded, and what the batch made of them.

A command decides by a `State`, the time and the limits; it answers with a `Decision`. `State.apply` takes the
decision in, so that the next command of the batch sees it, and keeps account of what there is to write and to
publish.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from gochat.core.delta import Change, Delta, Why, published
from gochat.core.limits import Limits
from gochat.core.model import Ban, Conversation, ConversationId, Member, Message, Profile, Side, UserId
from gochat.core.needs import Needs

A = TypeVar("A")
K = TypeVar("K")
V = TypeVar("V")


class NotAskedError(Exception):
    """A rule reads what its command did not `need`: a fault of ours."""


class Rows(dict[K, V]):
    """Rows by key, of the keys that were asked for; those that do not exist are not there."""

    __slots__ = ("_asked",)

    def __init__(self, asked: Set[K]) -> None:
        self._asked = asked

    def find(self, key: K) -> V | None:
        """The row, or None if it does not exist.

        Raises:
            NotAskedError: nobody asked whether it does.
        """
        found = self.get(key)
        if found is None and key not in self._asked:
            raise NotAskedError(key)
        return found


@dataclass(slots=True)
class Decision(Generic[A]):
    """What a command does; with `result` alone it changes nothing. Nobody changes it.

    Not frozen: each send makes one, and a frozen class sets every field by a call, which costs four times.
    """

    result: A
    why: Why = Why.CHANGES
    conversation: Conversation | None = None
    """As of the revision that the command took; None: it took none."""
    unseen: Conversation | None = None
    """The same with nothing changed that its members see."""
    created: Message | None = None
    updated: Message | None = None
    members: tuple[Member, ...] = ()
    """Rows to write. Those whose `revision` is the conversation's are shown to others."""
    reactions: tuple[tuple[UserId, str, bool], ...] = ()
    """Users who react so to the `updated` message from now on, or no more."""
    sides: tuple[Side, ...] = ()
    """What members have set for themselves; rows of theirs above, and `me`, take the step."""
    me: tuple[UserId, ...] = ()
    """Users whose own log takes a revision. It tells their `members` rows above, and the next two."""
    profile: Profile | None = None
    """As the one of `me` has set it."""
    block: tuple[UserId, UserId, bool] | None = None
    """The one of `me` has blocked the other, or does so no more."""
    ban: Ban | None = None
    totals: tuple[UserId, ...] = ()
    """Users, apart from those of `me`, whose `total_unread` the answer tells."""
    joined: tuple[UserId, ...] = ()
    left: tuple[UserId, ...] = ()
    restated: bool = False
    """The conversation's own fields changed, not only what it holds: the delta has them."""


@dataclass(slots=True)
class State:
    """The rows that were asked for, as of the commands decided so far, and what these changed."""

    needs: Needs = field(default_factory=Needs)
    conversations: Rows[ConversationId, Conversation] = field(init=False)
    by_key: Rows[str, ConversationId] = field(init=False)
    """Reserved conversations too: those have revision 0."""
    members: Rows[tuple[ConversationId, UserId], Member] = field(init=False)
    messages: Rows[tuple[ConversationId, int], Message] = field(init=False)
    reactions: Rows[tuple[ConversationId, UserId, int], frozenset[str]] = field(init=False)
    """How users reacted to the message of that seq, where they did."""
    reactors: Rows[tuple[ConversationId, int, str], tuple[UserId, ...]] = field(init=False)
    """As of before the batch, the newest first."""
    sent: Rows[tuple[UserId, bytes], Message] = field(init=False)
    users: Rows[UserId, int] = field(init=False)
    """Users who exist, with their number of active memberships."""
    me: Rows[UserId, int] = field(init=False)
    """The revisions of users' own logs."""
    receipts_hidden: Rows[UserId, bool] = field(init=False)
    """Of those in `me`: who shows nobody how far they read."""
    sides: Rows[tuple[ConversationId, UserId], Side] = field(init=False)
    profiles: Rows[UserId, Profile] = field(init=False)
    blocks: Rows[tuple[UserId, UserId], bool] = field(init=False)
    """The first has blocked the second, where it is true."""
    blockers: Rows[UserId, int] = field(init=False)
    """How many others each has blocked."""
    welcome: Rows[tuple[UserId, UserId], bool] = field(init=False)
    """The first lets the second bring them into conversations, where it is true."""
    bans: Rows[tuple[ConversationId, UserId], bool] = field(init=False)
    makers: Rows[UserId, int] = field(init=False)
    """How many conversations each has made and is in."""
    deleted_after: Rows[tuple[ConversationId, UserId, int], int] = field(init=False)

    changed: dict[ConversationId, Conversation] = field(default_factory=dict)
    created: dict[tuple[ConversationId, int], Message] = field(default_factory=dict)
    updated: dict[tuple[ConversationId, int], Message] = field(default_factory=dict)
    changed_members: dict[tuple[ConversationId, UserId], Member] = field(default_factory=dict)
    changed_sides: dict[tuple[ConversationId, UserId], Side] = field(default_factory=dict)
    changed_mentions: dict[tuple[ConversationId, UserId, int], bool] = field(default_factory=dict)
    """Who is meant by a message (`EVERYONE`: all), or no more, by conversation, user and seq."""
    changed_reactions: dict[tuple[ConversationId, UserId, int, str], int] = field(default_factory=dict)
    """By conversation, user, seq and emoji: the revision at which it was made; 0: it is taken back."""
    forgotten_reactions: list[tuple[ConversationId, int]] = field(default_factory=list)
    """Messages that had some when they were deleted, by seq."""
    unreadable: list[Message] = field(default_factory=list)
    """Messages deleted, or the server's: whoever had not read them, and is not in `changed_members`, now
    skips one more.

    But not their senders, who skip their own as they are.
    """
    me_since: dict[UserId, int] = field(default_factory=dict)
    """Users whose own log moved, with the revision it had before the batch."""
    changed_profiles: dict[UserId, Profile] = field(default_factory=dict)
    said: dict[UserId, int] = field(default_factory=dict)
    """Users of whom others see something else than before, with the revision of that."""
    changed_bans: dict[tuple[ConversationId, UserId], Ban] = field(default_factory=dict)
    changed_blocks: dict[tuple[UserId, UserId], bool] = field(default_factory=dict)
    told_totals: set[UserId] = field(default_factory=set)
    decisions: dict[ConversationId, list[Decision[Any]]] = field(default_factory=dict)
    """Those that took a revision, in order: one revision each."""

    def __post_init__(self) -> None:
        needs = self.needs
        self.conversations = Rows(needs.conversations)
        self.by_key = Rows(needs.unique_keys)
        self.members = Rows(needs.members)
        self.messages = Rows(needs.messages)
        self.reactions = Rows(needs.reactions)
        self.reactors = Rows(needs.reactors)
        self.sent = Rows(needs.sent)
        self.users = Rows(needs.users)
        self.me = Rows(needs.me)
        self.receipts_hidden = Rows(needs.me)
        self.sides = Rows(needs.sides)
        self.profiles = Rows(needs.profiles)
        self.blocks = Rows(needs.blocks)
        self.blockers = Rows(needs.blockers)
        self.welcome = Rows(needs.welcome)
        self.bans = Rows(needs.bans)
        self.makers = Rows(needs.makers)
        self.deleted_after = Rows(needs.deleted_after)

    @property
    def written(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.changed or self.changed_members or self.me_since)

    @property
    def decided(self) -> Iterable[UserId]:
        """Users who decided something about themselves, apart from conversations: their devices are told."""
        return dict.fromkeys((*self.changed_profiles, *(user_id for user_id, _ in self.changed_blocks)))

    @property
    def totals(self) -> Set[UserId]:
        """Users whose `total_unread` an answer or their own log tells."""
        return self.told_totals | self.me_since.keys()

    def blocked(self, user_id: UserId, other_id: UserId) -> bool:
        """Whether the first has blocked the second."""
        return bool(self.blocks.find((user_id, other_id)))

    def successors(self, conversation_id: ConversationId) -> list[Member]:
        """Active members among whom are the first by standing and time.

        Raises:
            NotAskedError: nobody asked for them.
        """
        if conversation_id not in self.needs.successors:
            raise NotAskedError(conversation_id)
        return [it for (place, _), it in self.members.items() if place == conversation_id and it.active]

    def apply(self, decision: Decision[Any]) -> None:
        """Take a decision in."""
        if decision.conversation is not None:
            self._took(decision, decision.conversation)
        if decision.unseen is not None:
            self.conversations[decision.unseen.id] = self.changed[decision.unseen.id] = decision.unseen
        if decision.profile is not None or decision.block is not None or decision.ban is not None:
            self._decided(decision)
        if decision.created is not None:
            self._created(decision.created)
        if decision.updated is not None:
            self._updated(decision.updated)
            for user_id, emoji, on in decision.reactions:
                self._react(decision.updated, user_id, emoji, on)
        for member in decision.members:
            key = (member.conversation_id, member.user_id)
            self.members[key] = self.changed_members[key] = member
        if decision.created is not None and decision.created.is_system:
            self._skip(decision.created)
        if decision.me:
            self._step(decision.me, decision.sides)
        self.told_totals.update(decision.totals)
        if decision.joined:
            self._joined(decision)
        for user_id in decision.left:
            if user_id in self.users:
                self.users[user_id] -= 1

    def changes(self, limits: Limits) -> Iterator[Change]:
        """What to publish after the commit: in order within each conversation, runs of one kind as one."""
        for decisions in self.decisions.values():
            run: list[Decision[Any]] = []
            for decision in decisions:
                if run and not _together(run[-1], decision):
                    yield _change(run, limits)
                    run = []
                run.append(decision)
            yield _change(run, limits)

    def spans(self) -> dict[ConversationId, tuple[int, int]]:
        """The revision of each changed conversation before the batch, and after it."""
        return {
            conversation_id: (
                self.conversations[conversation_id].revision - len(decisions),
                self.conversations[conversation_id].revision,
            )
            for conversation_id, decisions in self.decisions.items()
        }

    def revealed(self, limits: Limits) -> dict[ConversationId, int]:
        """Conversations whose list of members is shown again, as they became few enough, and since when.

        Whoever was told nothing of the others lacks all of them, so all rows count as changed then: those
        in `changed_members` are, the others are for storage to mark.
        """
        revealed = {
            conversation_id: decision.conversation.revision
            for conversation_id, decisions in self.decisions.items()
            for decision in decisions
            if decision.left
            and decision.conversation is not None
            and _reveals(decision.conversation, len(decision.left), limits)
        }
        for key, member in self.changed_members.items() if revealed else ():
            if member.active and key[0] in revealed:
                revision = max(member.revision, revealed[key[0]])
                self.changed_members[key] = replace(member, revision=revision)
        return revealed

    def _took(self, decision: Decision[Any], conversation: Conversation) -> None:
        """It took a revision."""
        self.conversations[conversation.id] = self.changed[conversation.id] = conversation
        self.decisions.setdefault(conversation.id, []).append(decision)

    def _joined(self, decision: Decision[Any]) -> None:
        for user_id in decision.joined:
            self.users[user_id] += 1
        conversation = decision.conversation
        if decision.why is Why.CONVERSATION_CREATED and conversation is not None:
            self.makers[conversation.created_by] += 1

    def _step(self, users: Iterable[UserId], sides: Iterable[Side]) -> None:
        for user_id in users:
            self.me_since.setdefault(user_id, self.me[user_id])
            self.me[user_id] += 1
        for side in sides:
            key = (side.conversation_id, side.user_id)
            self.sides[key] = self.changed_sides[key] = side

    def _decided(self, decision: Decision[Any]) -> None:
        if decision.profile is not None:
            user_id, revision = decision.profile.user.id, decision.profile.user.revision
            if revision != self.profiles[user_id].user.revision:
                self.said[user_id] = revision
            self.profiles[user_id] = self.changed_profiles[user_id] = decision.profile
        if decision.block is not None:
            self._block(*decision.block)
        if decision.ban is not None:
            key = (decision.ban.conversation_id, decision.ban.user_id)
            self.bans[key], self.changed_bans[key] = decision.ban.on, decision.ban

    def _block(self, user_id: UserId, other_id: UserId, on: bool) -> None:
        pair = (user_id, other_id)
        self.blocks[pair] = self.changed_blocks[pair] = on
        self.blockers[user_id] += 1 if on else -1

    def _created(self, message: Message) -> None:
        key = (message.conversation_id, message.seq)
        self.messages[key] = self.created[key] = message
        self.sent[(message.sender_id, message.client_message_id)] = message
        if message.extras is not None:
            self._mention(message, frozenset())
        for after in self.deleted_after:
            if after[:2] == (message.conversation_id, message.sender_id) and after[2] < message.seq:
                self.deleted_after[after] += 1

    def _updated(self, message: Message) -> None:
        key = (message.conversation_id, message.seq)
        before = self.messages[key]
        self._mention(message, before.mentioned)
        if before.reactions and message.deleted_at is not None:
            self._forget_reactions(*key)
        self.messages[key] = message
        self.sent[(message.sender_id, message.client_message_id)] = message
        (self.created if key in self.created else self.updated)[key] = message
        if message.deleted_at is not None:
            self._skip(message)

    def _react(self, message: Message, user_id: UserId, emoji: str, on: bool) -> None:
        key = (message.conversation_id, user_id, message.seq)
        before = self.reactions.find(key) or frozenset()
        self.reactions[key] = before | {emoji} if on else before - {emoji}
        self.changed_reactions[(*key, emoji)] = message.revision if on else 0

    def _forget_reactions(self, conversation_id: ConversationId, seq: int) -> None:
        self.forgotten_reactions.append((conversation_id, seq))
        for key in [it for it in self.changed_reactions if (it[0], it[2]) == (conversation_id, seq)]:
            del self.changed_reactions[key]

    def _mention(self, message: Message, before: frozenset[UserId]) -> None:
        for user_id in message.mentioned ^ before:
            key = (message.conversation_id, user_id, message.seq)
            self.changed_mentions[key] = user_id in message.mentioned

    def _skip(self, message: Message) -> None:
        self.unreadable.append(message)
        conversation_id, seq, sender_id = message.conversation_id, message.seq, message.sender_id
        for key, member in self.members.items():
            if key[0] == conversation_id and key[1] != sender_id and member.active and member.read_seq < seq:
                skipping = replace(member, skipped=member.skipped + 1)
                self.members[key] = skipping
                if key in self.changed_members:
                    self.changed_members[key] = skipping
        for after in self.deleted_after:
            if after[0] == conversation_id and after[1] != sender_id and after[2] < seq:
                self.deleted_after[after] += 1


def _together(before: Decision[Any], after: Decision[Any]) -> bool:
    """Whether two decisions go out as one delta."""
    whole = before.joined or before.left or after.joined or after.left
    return before.why is after.why and not whole


def _reveals(conversation: Conversation, left: int, limits: Limits) -> bool:
    """Whether a conversation that so many left came down to so few members that their list is shown."""
    return conversation.member_count <= limits.shown_members < conversation.member_count + left


def _change(run: list[Decision[Any]], limits: Limits) -> Change:
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
        conversation=conversation if any(decision.restated for decision in run) else None,
        members=tuple(members.values()),
        messages=tuple(messages.values()),
    )
    change = published(run[-1].why, delta, conversation, limits, run[-1].joined, run[-1].left)
    return replace(change, to_read=True) if _reveals(conversation, len(run[-1].left), limits) else change
