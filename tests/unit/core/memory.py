"""Storage in a dictionary: loads what commands need and no more, and writes what they change."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gochat.core.command import AnyCommand, Command, Reserving
from gochat.core.delta import Change
from gochat.core.errors import ChatError
from gochat.core.limits import Limits
from gochat.core.model import (
    Conversation,
    ConversationId,
    History,
    Kind,
    Member,
    Message,
    Profile,
    Role,
    UserId,
)
from gochat.core.needs import Needs
from gochat.core.reactions import SHOWN
from gochat.core.state import A, Decision, State

MemberKey = tuple[ConversationId, UserId]
_STANDING = {Role.OWNER: 0, Role.ADMIN: 1, Role.MEMBER: 2}


@dataclass
class Memory:
    """All rows."""

    limits: Limits
    conversations: dict[ConversationId, Conversation] = field(default_factory=dict)
    members: dict[MemberKey, Member] = field(default_factory=dict)
    messages: dict[tuple[ConversationId, int], Message] = field(default_factory=dict)
    me: dict[UserId, int] = field(default_factory=dict)
    """Users who exist, with the revisions of their own logs."""
    blocks: set[tuple[UserId, UserId]] = field(default_factory=set)
    bans: set[tuple[ConversationId, UserId]] = field(default_factory=set)
    unwelcome: set[tuple[UserId, UserId]] = field(default_factory=set)
    """The first does not let the second bring them into conversations."""
    profiles: dict[UserId, Profile] = field(default_factory=dict)
    reactions: dict[tuple[ConversationId, UserId, int, str], int] = field(default_factory=dict)
    """The revision at which each was made."""

    def run(self, commands: Sequence[AnyCommand], now: int) -> tuple[list[Any], list[Change]]:
        """Decide a batch, creations alone or none, and write it."""
        state, answers = self.batch(commands, now)
        self._write(state)
        return answers, list(state.changes(self.limits))

    def batch(self, commands: Sequence[AnyCommand], now: int) -> tuple[State, list[Any]]:
        """What a batch makes of the rows, and its answers; nothing is written."""
        state = self._load(commands)
        answers: list[Any] = []
        for command in commands:
            try:
                decision = command.decide(state, now, self.limits)
            except ChatError as refusal:
                answers.append(refusal)
            else:
                state.apply(decision)
                answers.append(decision.result)
        return state, answers

    def outcome(self, command: AnyCommand, now: int = 0) -> Any:
        """`ok`, or how a command is refused: the code, the field, and the details if there are any."""
        try:
            self.decide(command, now)
        except ChatError as error:
            return (error.code, error.field, *([dict(error.details)] if error.details else []))
        return "ok"

    def decide(self, command: Command[A], now: int) -> Decision[A]:
        """What a command does, by itself; nothing is written."""
        return command.decide(self._load([command]), now, self.limits)

    def copy(self) -> "Memory":
        """The same rows, apart."""
        return Memory(
            self.limits,
            {**self.conversations},
            {**self.members},
            {**self.messages},
            {**self.me},
            {*self.blocks},
            {*self.bans},
            {*self.unwelcome},
            {**self.profiles},
            {**self.reactions},
        )

    def unread(self, member: Member) -> int:
        """Counted one by one."""
        seqs = range(member.read_seq + 1, self.conversations[member.conversation_id].last_seq + 1)
        between = (self.messages[(member.conversation_id, seq)] for seq in seqs)
        return sum(it.deleted_at is None and not it.is_system for it in between)

    def active(self, cid: ConversationId) -> list[Member]:
        """The active members, by standing and then by time."""
        found = [it for it in self.members.values() if it.conversation_id == cid and it.active]
        return sorted(found, key=lambda it: (_STANDING[it.role], it.joined_revision, it.user_id))

    def _load(self, commands: Sequence[AnyCommand]) -> State:
        needs = Needs()
        for command in commands:
            command.need(needs)
        state = State(needs)
        self._reserve(commands, state)
        needs.conversations.update(state.by_key.values())
        cids = needs.conversations & self.conversations.keys()
        state.conversations.update((cid, self.conversations[cid]) for cid in cids)
        for message in self.messages.values():
            key = (message.sender_id, message.client_message_id)
            if key in needs.sent:
                state.sent[key] = message
                needs.members.add((message.conversation_id, message.sender_id))
            if (message.conversation_id, message.seq) in needs.messages:
                state.messages[(message.conversation_id, message.seq)] = message
        for cid in needs.successors:
            first = self.active(cid)[: len(commands) + 1]
            needs.members.update((cid, member.user_id) for member in first)
        state.members.update((key, self.members[key]) for key in needs.members & self.members.keys())
        for user_id in needs.users & self.me.keys():
            state.users[user_id] = sum(it.active for it in self.members.values() if it.user_id == user_id)
        for user_id in needs.makers:
            made = (it.id for it in self.conversations.values() if it.created_by == user_id)
            state.makers[user_id] = sum(
                (cid, user_id) in self.members and self.members[cid, user_id].active for cid in made
            )
        state.welcome.update((it, it not in self.unwelcome) for it in needs.welcome if it[0] in self.me)
        state.blocks.update((pair, True) for pair in needs.blocks & self.blocks)
        state.bans.update((key, True) for key in needs.bans & self.bans)
        state.blockers.update((it, sum(pair[0] == it for pair in self.blocks)) for it in needs.blockers)
        state.profiles.update((it, self.profiles[it]) for it in needs.profiles & self.profiles.keys())
        state.me.update((user_id, self.me[user_id]) for user_id in needs.me & self.me.keys())
        for cid, user_id, seq, emoji in self.reactions:
            if (cid, user_id, seq) in needs.reactions:
                before = state.reactions.get((cid, user_id, seq), frozenset())
                state.reactions[cid, user_id, seq] = before | {emoji}
        for place in needs.reactors:
            newest = sorted(
                ((at, it[1]) for it, at in self.reactions.items() if (it[0], *it[2:]) == place), reverse=True
            )
            most = SHOWN + len(needs.reactions)
            state.reactors[place] = tuple(user_id for _, user_id in newest[:most])
        for cid, user_id, seq in needs.deleted_after:
            state.deleted_after[(cid, user_id, seq)] = sum(
                it.conversation_id == cid and it.seq > seq and (it.deleted_at is not None or it.is_system)
                for it in self.messages.values()
            )
        return state

    def _reserve(self, commands: Sequence[AnyCommand], state: State) -> None:
        by_key = {it.unique_key: it.id for it in self.conversations.values() if it.unique_key is not None}
        for command in commands:
            if isinstance(command, Reserving) and command.unique_key is not None:
                key = command.unique_key
                assert key in state.needs.unique_keys
                if key not in by_key:
                    by_key[key] = command.new_id
                    state.conversations[command.new_id] = _reserved(command.new_id, key)
                state.by_key[key] = by_key[key]

    def _write(self, state: State) -> None:
        self.conversations.update(state.changed)
        self.messages.update(state.created)
        self.messages.update(state.updated)
        for deleted in state.unreadable:
            for key, member in self.members.items():
                others = key[0] == deleted.conversation_id and key[1] != deleted.sender_id
                if others and member.active and member.read_seq < deleted.seq:
                    self.members[key] = replace(member, skipped=member.skipped + 1)
        for cid, revision in state.revealed(self.limits).items():
            for key, member in self.members.items():
                if key[0] == cid and member.active:
                    self.members[key] = replace(member, revision=revision)
        self.members.update(state.changed_members)
        forgotten = state.forgotten_reactions
        kept = {it: at for it, at in self.reactions.items() if (it[0], it[2]) not in forgotten}
        kept |= state.changed_reactions
        self.reactions = {it: at for it, at in kept.items() if at}
        self.me.update((user_id, state.me[user_id]) for user_id in state.me_since)
        self.profiles.update(state.changed_profiles)
        for pair, on in state.changed_blocks.items():
            (self.blocks.add if on else self.blocks.discard)(pair)
        for key, ban in state.changed_bans.items():
            (self.bans.add if ban.on else self.bans.discard)(key)


def _reserved(cid: ConversationId, key: str) -> Conversation:
    return Conversation(cid, Kind.GROUP, None, History.FROM_START, 0, 0, 0, 0, 0, 0, key)
