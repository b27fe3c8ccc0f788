"""Whatever is asked, in whatever order and however it is batched, the rules keep what they promise."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from gochat.core.bans import BanMember
from gochat.core.command import AnyCommand
from gochat.core.conversations import CreateConversation, UpdateConversation
from gochat.core.delta import Change
from gochat.core.errors import ChatError
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import DeleteMessage, EditMessage, PinMessage, SendMessage, Sent
from gochat.core.model import Conversation, ConversationId, History, Kind, Member, Message, Role, UserId, Who
from gochat.core.reactions import React
from gochat.core.receipts import AdvanceReceipts, Position
from tests.unit.core.memory import Memory

LIMITS = Limits(
    body=20, members_added=3, group_members=5, conversations=6, conversations_made=4, shown_members=3
)
USERS = range(1, 8)
STRANGER = 99

STEPS = 25
LEAST = {
    "SendMessage": 2.0,
    "EditMessage": 0.3,
    "DeleteMessage": 0.5,
    "CreateConversation": 1.0,
    "UpdateConversation": 0.1,
    "AddMembers": 0.1,
    "RemoveMember": 0.5,
    "SetRole": 0.2,
    "BanMember": 0.2,
    "AdvanceReceipts": 1.0,
    "another owner": 0.3,
    "in one delta": 0.5,
}
"""How often a run has to reach each on average: accepted commands, hand-overs, and deltas of several."""
REACHED: Counter[str] = Counter()

users = st.sampled_from([*USERS, STRANGER])
cids = st.integers(1, 6)
seqs = st.integers(0, 12)
keys = st.integers(0, 30).map(lambda n: n.to_bytes(16, "big"))
bodies = st.sampled_from(["a", "b", "", " ", "x" * 21])
some_users = st.lists(users, max_size=4).map(tuple)
positions = st.builds(Position, delivered_seq=seqs, read_seq=seqs)

SET_UPS: list[dict[str, Any]] = [
    {"title": None},
    {"title": "t"},
    {"who_sends": Who.ADMINS, "title": "u"},
    {"who_sends": Who.ALL},
    {"who_adds": Who.ALL},
    {"data": "{}"},
]
changing: st.SearchStrategy[AnyCommand] = st.one_of(
    st.builds(SendMessage, cids, users, keys, bodies, st.none() | seqs),
    st.builds(SendMessage, cids, users, keys, st.just("a")),
    st.builds(EditMessage, cids, users, seqs, bodies),
    st.builds(DeleteMessage, cids, users, seqs),
    st.builds(UpdateConversation, cids, users, st.sampled_from(SET_UPS)),
    st.builds(React, cids, seqs, st.dictionaries(st.tuples(users, st.sampled_from("👍😂")), st.booleans())),
    st.builds(PinMessage, cids, users, seqs, st.booleans()),
    st.builds(AddMembers, cids, users, some_users),
    st.builds(RemoveMember, cids, users, users),
    users.flatmap(lambda user_id: st.builds(RemoveMember, cids, st.just(user_id), st.just(user_id))),
    st.builds(SetRole, cids, users, users, st.sampled_from(Role)),
    st.builds(BanMember, cids, users, users, st.booleans()),
    st.builds(AdvanceReceipts, cids, st.dictionaries(st.sampled_from(USERS), positions, max_size=4)),
)
members = st.sampled_from([1, 2, 3])
reading: st.SearchStrategy[AnyCommand] = st.one_of(
    st.builds(SendMessage, st.just(1), members, st.binary(min_size=16, max_size=16), st.just("a")),
    st.builds(DeleteMessage, st.just(1), st.just(1), st.integers(1, 6)),
    st.builds(EditMessage, st.just(1), st.just(2), st.integers(1, 6), st.sampled_from(["a", "b", "c"])),
    st.builds(AdvanceReceipts, st.just(1), st.dictionaries(members, positions, min_size=1, max_size=2)),
)
"""What moves unread, of members who mostly may, in one conversation."""
creating = st.builds(
    CreateConversation,
    new_id=st.just(0),
    creator_id=users,
    kind=st.sampled_from(Kind),
    member_ids=some_users | users.map(lambda user_id: (user_id,)),
    title=st.sampled_from([None, None, "t"]),
    client_conversation_id=st.none() | keys,
    history=st.sampled_from(History),
)


class Follower:
    """Somebody who holds what the deltas told them, and what each was told apart; nothing else."""

    def __init__(self) -> None:
        self.conversations: dict[ConversationId, Conversation] = {}
        self.revisions: dict[ConversationId, int] = {}
        self.members: dict[tuple[ConversationId, UserId], Member] = {}
        self.messages: dict[tuple[ConversationId, int], Message] = {}

    def take(self, change: Change, members: Mapping[tuple[ConversationId, UserId], Member]) -> None:
        """It must follow on the last one. `members`: all rows as they are now."""
        delta = change.delta
        cid = delta.conversation_id
        apart = {*change.theirs, *change.joined, *change.left}
        self.members.update(((cid, user_id), members[cid, user_id]) for user_id in apart)
        if change.to_read:
            self.members.update((key, member) for key, member in members.items() if key[0] == cid)
        assert self.revisions.get(cid, 0) == delta.since < delta.revision
        self.revisions[cid] = delta.revision
        if delta.conversation is not None:
            self.conversations[cid] = delta.conversation
        self.members.update(((cid, it.user_id), it) for it in delta.members)
        self.messages.update(((cid, it.seq), it) for it in delta.messages)


class Chatting(RuleBasedStateMachine):
    """The same commands in batches, and one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.batched = Memory(LIMITS, me=dict.fromkeys(USERS, 0))
        self.single = self.batched.copy()
        self.follower = Follower()
        self.before = self.batched.copy()
        self.changes: list[Change] = []
        self.new_ids = itertools.count(1)
        self.now = 1_000

    @initialize()
    def begin(self) -> None:
        """Some conversations to start with, and messages that some have not read."""
        self._run([CreateConversation(next(self.new_ids), 1, Kind.GROUP, (2, 3))])
        self._run([CreateConversation(next(self.new_ids), 1, Kind.GROUP, (4,), history=History.FROM_JOINING)])
        self._run([CreateConversation(next(self.new_ids), 1, Kind.DIRECT, (2,))])
        self._run([SendMessage(1, 2, bytes([n] * 16), "a") for n in range(101, 107)])

    @rule(commands=st.lists(creating, min_size=1, max_size=3))
    def create(self, commands: list[CreateConversation]) -> None:
        """A batch of creations. Those with one key have one id: which of theirs is used does not matter."""
        ids = {n: next(self.new_ids) for n in range(len(commands))}
        first = {it.unique_key or n: n for n, it in reversed(list(enumerate(commands)))}
        self._run([replace(it, new_id=ids[first[it.unique_key or n]]) for n, it in enumerate(commands)])

    @rule(commands=st.lists(changing, min_size=1, max_size=6), later=st.integers(-50, 50))
    def change(self, commands: list[AnyCommand], later: int) -> None:
        """A batch of anything else; clocks may jump."""
        self.now += later
        self._run(commands)

    @rule(commands=st.lists(reading, min_size=2, max_size=6))
    def read(self, commands: list[AnyCommand]) -> None:
        """A batch in which messages are deleted while others read them."""
        self._run(commands)

    @rule(data=st.data())
    def lead(self, data: st.DataObject) -> None:
        """Whoever owns a group hands it on, quits, takes somebody out or in; chance seldom asks that."""
        groups = [it.id for it in self.batched.conversations.values() if it.kind is Kind.GROUP]
        cid = data.draw(st.sampled_from(groups))
        active = [member.user_id for member in self.batched.active(cid)]
        if not active:
            return
        owner, other = active[0], data.draw(st.sampled_from(active))
        asked: list[AnyCommand] = [
            SetRole(cid, owner, other, Role.OWNER),
            RemoveMember(cid, owner, other),
            RemoveMember(cid, owner, owner),
            BanMember(cid, data.draw(st.sampled_from([owner, None])), other, on=data.draw(st.booleans())),
            AddMembers(cid, owner, (data.draw(st.sampled_from(USERS)),)),
            UpdateConversation(cid, owner, {"title": data.draw(st.sampled_from(["v", "w"]))}),
        ]
        self._run([data.draw(st.sampled_from(asked))])

    def _run(self, commands: Sequence[AnyCommand]) -> None:
        self.before = self.batched.copy()
        answers, self.changes = self.batched.run(commands, self.now)
        alone = [self.single.run([command], self.now)[0][0] for command in commands]
        assert [_comparable(answer) for answer in answers] == [_comparable(answer) for answer in alone]
        for change in self.changes:
            self.follower.take(change, self.batched.members)
        self._count(commands, answers)
        self._repeat(commands, answers)

    def _count(self, commands: Sequence[AnyCommand], answers: Sequence[Any]) -> None:
        """What of interest has happened, for `test_whatever_is_asked`."""
        for command, answer in zip(commands, answers, strict=True):
            if not isinstance(answer, ChatError):
                REACHED[type(command).__name__] += 1
        for cid, before in self.before.conversations.items():
            owners = [it.active(cid)[:1] for it in (self.before, self.batched)]
            if before.kind is Kind.GROUP and owners[0] and owners[1]:
                REACHED["another owner"] += owners[0][0].user_id != owners[1][0].user_id
        REACHED["in one delta"] += len(self.changes) < sum(
            self.batched.conversations[cid].revision - it.revision
            for cid, it in self.before.conversations.items()
        )

    def _repeat(self, commands: Sequence[AnyCommand], answers: Sequence[Any]) -> None:
        """A send that was stored, sent again, changes nothing and finds the same message."""
        again = self.batched.copy()
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(command, SendMessage) and isinstance(answer, Sent):
                (found,), changes = again.run([command], self.now)
                assert isinstance(found, Sent)
                assert found.duplicate
                assert not changes
                assert (found.message.conversation_id, found.message.seq) == (
                    answer.message.conversation_id,
                    answer.message.seq,
                )
        assert again == self.batched

    @invariant()
    def banned_are_out(self) -> None:
        """Nobody is in a group that they are banned from."""
        for key in self.batched.bans:
            assert key not in self.batched.members or not self.batched.members[key].active

    @invariant()
    def batching_makes_no_difference(self) -> None:
        assert self.batched.conversations == self.single.conversations
        assert self.batched.members == self.single.members
        assert self.batched.messages == self.single.messages
        assert self.batched.me == self.single.me

    @invariant()
    def numbers_have_no_holes(self) -> None:
        for conversation in self.batched.conversations.values():
            messages = [it for it in self.batched.messages.values() if it.conversation_id == conversation.id]
            messages.sort(key=lambda it: it.seq)
            assert [it.seq for it in messages] == [*range(1, conversation.last_seq + 1)]
            times = [it.created_at for it in messages]
            assert times == sorted(times)
            assert all(0 < it.revision <= conversation.revision for it in messages)

    @invariant()
    def deltas_tell_all_that_is_shown(self) -> None:
        assert self.follower.messages == self.batched.messages
        assert self.follower.revisions == {it.id: it.revision for it in self.batched.conversations.values()}
        for cid, conversation in self.batched.conversations.items():
            told = self.follower.conversations[cid]
            assert (told.title, told.member_count) == (conversation.title, conversation.member_count)
        assert self.follower.members.keys() == self.batched.members.keys()
        for key, member in self.batched.members.items():
            assert _shown(self.follower.members[key]) == _shown(member)

    @invariant()
    def unread_is_what_a_recount_gives(self) -> None:
        for member in self.batched.members.values():
            if member.active:
                last_seq = self.batched.conversations[member.conversation_id].last_seq
                assert member.unread(last_seq) == self.batched.unread(member)
                assert member.read_seq <= member.delivered_seq <= last_seq
                assert member.shown_read_seq <= member.read_seq
                assert member.shown_delivered_seq <= member.delivered_seq

    @invariant()
    def receipts_never_go_back(self) -> None:
        for key, member in self.before.members.items():
            after = self.batched.members[key]
            assert after.read_seq >= member.read_seq
            assert after.delivered_seq >= member.delivered_seq
            assert after.me_revision >= member.me_revision
        for user_id, revision in self.batched.me.items():
            own = [it.me_revision for it in self.batched.members.values() if it.user_id == user_id]
            assert max(own, default=0) <= revision

    @invariant()
    def a_group_has_one_owner(self) -> None:
        for conversation in self.batched.conversations.values():
            active = self.batched.active(conversation.id)
            assert len(active) == conversation.member_count
            owners = sum(member.role is Role.OWNER for member in active)
            assert owners == (1 if conversation.kind is Kind.GROUP and active else 0)

    @invariant()
    def limits_hold(self) -> None:
        for conversation in self.batched.conversations.values():
            assert conversation.member_count <= LIMITS.group_members
        for user_id in USERS:
            mine = [it for it in self.batched.members.values() if it.user_id == user_id and it.active]
            made = {it.id for it in self.batched.conversations.values() if it.created_by == user_id}
            others = [it for it in mine if it.conversation_id not in made]
            assert len(others) <= LIMITS.conversations
            assert len(mine) - len(others) <= LIMITS.conversations_made + LIMITS.conversations


def _comparable(answer: object) -> object:
    if isinstance(answer, dict):
        return {user_id: _comparable(receipt) for user_id, receipt in answer.items()}
    return (answer.code, answer.field) if isinstance(answer, ChatError) else answer


def _shown(member: Member) -> tuple[object, ...]:
    """What other members see of one, and when it last changed."""
    return member.role, member.active, member.shown_delivered_seq, member.shown_read_seq, member.revision


def test_whatever_is_asked() -> None:
    """And the runs reach what matters often enough: a share of the examples, each of `STEPS` steps.

    That is held against the runs that are the same each time, of `CI=true`: others now and then reach little.
    """
    REACHED.clear()
    run_state_machine_as_test(Chatting, settings=settings(stateful_step_count=STEPS))
    examples = settings().max_examples
    for what, share in LEAST.items() if settings().derandomize else ():
        assert REACHED[what] >= share * examples, f"{what}: {REACHED[what]} times in {examples} runs"
