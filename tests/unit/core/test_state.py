"""A rule reads what its command asked for, and nothing else; and what a batch leaves to write and to tell."""

from dataclasses import dataclass, replace

import pytest

from gochat.core.bans import BanMember
from gochat.core.blocks import Block
from gochat.core.command import AnyCommand, Command
from gochat.core.conversations import CreateConversation, UpdateConversation
from gochat.core.delta import Why
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.membership import membership
from gochat.core.messages import DeleteMessage, EditMessage, PinMessage, SendMessage
from gochat.core.model import Extras, Kind, Mentions, Millis, UserId
from gochat.core.needs import Needs
from gochat.core.profiles import UpdateProfile
from gochat.core.reactions import React
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.core.sides import Pin
from gochat.core.state import Decision, NotAskedError, State
from tests.unit.core.memory import Memory
from tests.unit.core.world import (
    ADMIN,
    DELETED,
    DIRECT,
    EVERYBODY,
    GROUP,
    LAST,
    LIMITS,
    MEMBER,
    NOW,
    OTHER_MEMBER,
    OWNER,
    REVISION,
    STRANGER,
    group,
    world,
)

THUMB = "👍"


@dataclass(frozen=True, slots=True)
class Careless(Command[None]):
    """Forgets to ask for the member."""

    size = 0

    def need(self, needs: Needs) -> None:
        needs.conversations.add(1)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[None]:
        membership(state, 1, 2)
        return Decision(None)


def test_what_was_not_asked_for_is_a_fault_and_not_absent() -> None:
    with pytest.raises(NotAskedError, match=r"\(1, 2\)"):
        Memory(Limits()).decide(Careless(), 1)


def test_what_was_asked_for_and_is_not_there_is_absent() -> None:
    needs = Needs(members={(1, 2)}, successors={1})
    state = State(needs)
    assert state.members.find((1, 2)) is None
    assert state.successors(1) == []
    with pytest.raises(NotAskedError):
        state.successors(2)
    with pytest.raises(NotAskedError):
        state.blocked(1, 2)


def test_successors_are_the_active_members_of_that_conversation() -> None:
    state = State(Needs(successors={GROUP}))
    state.members.update(world().members)
    assert [it.user_id for it in state.successors(GROUP)] == [*EVERYBODY]


def test_a_decision_with_a_result_alone_changes_nothing() -> None:
    assert Decision(1) == Decision(1, Why.CHANGES, None, None, None, None, (), (), (), (), restated=False)
    state = after()
    state.apply(Decision(1))
    assert (state.written, state.decisions) == (False, {})


@pytest.mark.parametrize(
    ("shown", "revealed"), [(len(EVERYBODY) - 2, False), (len(EVERYBODY) - 1, True), (len(EVERYBODY), False)]
)
def test_the_list_of_members_is_told_whole_when_they_become_few_enough(shown: int, revealed: bool) -> None:
    memory = world(replace(LIMITS, shown_members=shown))
    memory.run([RemoveMember(GROUP, OWNER, MEMBER)], NOW)
    told = {it.revision for it in memory.members.values() if it.conversation_id == GROUP and it.active}
    assert (told == {REVISION + 1}) is revealed
    assert memory.members[GROUP, MEMBER].revision == REVISION + 1


def test_the_list_is_not_told_again_for_who_comes() -> None:
    memory = world(replace(LIMITS, shown_members=len(EVERYBODY) + 1))
    memory.run([AddMembers(GROUP, OWNER, (STRANGER,))], NOW)
    assert memory.members[GROUP, OTHER_MEMBER] == world().members[GROUP, OTHER_MEMBER]


def send(n: int, who: UserId = MEMBER, extras: Extras | None = None) -> SendMessage:
    return SendMessage(GROUP, who, bytes([n] * 16), "hello", extras=extras)


def retitled(title: str) -> UpdateConversation:
    return UpdateConversation(GROUP, ADMIN, {"title": title})


def after(*commands: AnyCommand, memory: Memory | None = None) -> State:
    """What a batch makes of the world; none of it is refused."""
    state, answers = (memory or world()).batch(commands, NOW)
    assert not [it for it in answers if isinstance(it, Exception)]
    return state


@pytest.mark.parametrize(
    ("command", "written", "decided", "totals"),
    [
        (send(1), True, [], set()),
        (retitled("Group"), False, [], set()),
        (Pin(GROUP, MEMBER, True), True, [], {MEMBER}),
        (Pin(GROUP, MEMBER, False), False, [], set()),
        (AdvanceReceipts(GROUP, {MEMBER: Position()}), False, [], {MEMBER}),
        (AdvanceReceipts(GROUP, {MEMBER: Position(1, 1)}), True, [], {MEMBER}),
        (Block(77, OWNER, STRANGER, True), True, [OWNER], {OWNER}),
        (UpdateProfile(OWNER, {"about": "me"}), True, [OWNER], {OWNER}),
    ],
)
def test_whether_there_is_anything_to_write_and_who_is_told_of_it(
    command: AnyCommand, written: bool, decided: list[UserId], totals: set[UserId]
) -> None:
    state = after(command)
    assert (state.written, [*state.decided], state.totals) == (written, decided, totals)


def test_a_batch_spans_a_revision_for_each_change() -> None:
    state = after(send(1), send(2), send(1), React(GROUP, 1, {(MEMBER, THUMB): True}))
    assert state.spans() == {GROUP: (REVISION, REVISION + 3)}
    state = after(send(1), retitled("a"))
    assert state.spans() == {GROUP: (REVISION, REVISION + 2)}


def test_own_logs_take_a_revision_for_each_step() -> None:
    state = after(Pin(GROUP, MEMBER, True), Pin(DIRECT, MEMBER, True), Pin(GROUP, OWNER, True))
    assert (state.me_since, state.me) == ({MEMBER: 7, OWNER: 7}, {MEMBER: 9, OWNER: 8})


def test_what_others_see_of_a_user_has_its_own_revision() -> None:
    assert after(UpdateProfile(OWNER, {"about": "me"})).said == {OWNER: 1}
    state = after(UpdateProfile(OWNER, settings={"presence_hidden": True}))
    assert (state.said, [*state.changed_profiles]) == ({}, [OWNER])


def test_how_many_conversations_users_are_in_is_counted_on() -> None:
    state = after(CreateConversation(77, MEMBER, Kind.GROUP, (STRANGER,)))
    assert (state.users, state.makers) == ({MEMBER: 3, STRANGER: 1}, {MEMBER: 1})
    state = after(AddMembers(GROUP, OWNER, (STRANGER,)), RemoveMember(GROUP, OWNER, STRANGER))
    assert (state.users, state.makers) == ({STRANGER: 0}, {})
    assert after(BanMember(GROUP, OWNER, MEMBER, True)).users == {MEMBER: 1}
    assert after(RemoveMember(GROUP, OWNER, MEMBER)).users == {}


def test_how_many_one_has_blocked_is_counted_on() -> None:
    state = after(Block(77, OWNER, STRANGER, True), Block(78, OWNER, MEMBER, True))
    assert state.blockers == {OWNER: 2}
    state = after(Block(77, OWNER, STRANGER, True), Block(77, OWNER, STRANGER, False))
    assert state.blockers == {OWNER: 0}


def test_who_is_meant_by_a_message_now_and_who_no_more() -> None:
    meant = send(1, extras=Extras(mentions=Mentions((ADMIN, OWNER))))
    state = after(meant, EditMessage(GROUP, MEMBER, LAST + 1, "hello", mentions=Mentions((OWNER, MEMBER))))
    mentions = {(GROUP, who, LAST + 1): on for who, on in ((ADMIN, False), (OWNER, True), (MEMBER, True))}
    assert state.changed_mentions == mentions
    assert [it.edited_at for it in state.created.values()] == [NOW]
    assert state.updated == {}


def test_reactions_to_a_message_that_is_deleted_are_forgotten() -> None:
    reacted = React(GROUP, 7, {(MEMBER, THUMB): True}), React(GROUP, 6, {(MEMBER, THUMB): True})
    state = after(*reacted, DeleteMessage(GROUP, OWNER, 7))
    assert state.changed_reactions == {(GROUP, MEMBER, 6, THUMB): REVISION + 2}
    assert state.forgotten_reactions == [(GROUP, 7)]
    state = after(*reacted, DeleteMessage(GROUP, OWNER, 5))
    assert (len(state.changed_reactions), state.forgotten_reactions) == (2, [])


@pytest.mark.parametrize(("read_seq", "skipped"), [(LAST, 1), (LAST + 1, 0), (LAST + 2, 0)])
def test_senders_skip_their_own(read_seq: int, skipped: int) -> None:
    """Counted from where they say that they have read up to."""
    positions = {it: Position(0, read_seq) for it in (MEMBER, OTHER_MEMBER)}
    state = after(
        AdvanceReceipts(GROUP, positions), AdvanceReceipts(DIRECT, {MEMBER: Position(0, 1)}), send(1)
    )
    assert state.deleted_after == {
        (GROUP, MEMBER, read_seq): skipped,
        (GROUP, OTHER_MEMBER, read_seq): 0,
        (DIRECT, MEMBER, 1): 0,
    }


@pytest.mark.parametrize(
    ("read_seq", "before", "skipped"), [(DELETED - 2, 1, 2), (DELETED - 1, 1, 1), (DELETED, 0, 0)]
)
def test_a_message_that_is_deleted_is_skipped_by_who_had_not_read_it(
    read_seq: int, before: int, skipped: int
) -> None:
    """But not by its sender, who skips it as it is, nor anywhere else."""
    memory = world()
    for who in (ADMIN, MEMBER, OTHER_MEMBER):
        row = memory.members[GROUP, who]
        memory.members[GROUP, who] = replace(row, delivered_seq=1, read_seq=1, skipped=1)
    positions = {it: Position(0, read_seq) for it in (ADMIN, MEMBER)}
    elsewhere = AdvanceReceipts(DIRECT, {OWNER: Position(0, 1)})
    seen = AdvanceReceipts(GROUP, {OTHER_MEMBER: Position()})
    state = after(
        AdvanceReceipts(GROUP, positions),
        elsewhere,
        seen,
        DeleteMessage(GROUP, OWNER, DELETED - 1),
        memory=memory,
    )
    assert state.deleted_after == {
        (GROUP, ADMIN, read_seq): skipped,
        (GROUP, MEMBER, read_seq): before,
        (DIRECT, OWNER, 1): 0,
    }
    rows = {key: it.skipped for key, it in state.members.items()}
    assert rows == {
        (GROUP, ADMIN): skipped,
        (GROUP, MEMBER): before,
        (GROUP, OTHER_MEMBER): 2,
        (GROUP, OWNER): 1,
        (DIRECT, OWNER): 0,
    }
    written = {key: it.skipped for key, it in state.changed_members.items()}
    assert written == {key: rows[key] for key in ((GROUP, ADMIN), (GROUP, MEMBER), (DIRECT, OWNER))}
    assert [it.seq for it in state.unreadable] == [DELETED - 1]


def told(*commands: AnyCommand, limits: Limits = LIMITS) -> list[tuple[Why, int, int]]:
    """What a batch publishes: why, and the revisions before and after it."""
    changes = after(*commands).changes(limits)
    return [(it.why, it.delta.since - REVISION, it.delta.revision - REVISION) for it in changes]


def test_what_is_of_one_kind_goes_out_as_one_and_who_comes_or_goes_apart() -> None:
    come = [AddMembers(GROUP, OWNER, (it,)) for it in (STRANGER, 7)]
    go = [RemoveMember(GROUP, OWNER, it) for it in (MEMBER, OTHER_MEMBER)]
    created, updated = Why.MESSAGE_CREATED, Why.CONVERSATION_UPDATED
    assert told(send(1), send(2), retitled("a"), retitled("b"), send(3)) == [
        (created, 0, 2),
        (updated, 2, 4),
        (created, 4, 5),
    ]
    assert told(*come) == [(Why.MEMBER_ADDED, 0, 1), (Why.MEMBER_ADDED, 1, 2)]
    assert told(*go) == [(Why.MEMBER_REMOVED, 0, 1), (Why.MEMBER_REMOVED, 1, 2)]


@pytest.mark.parametrize("seqs", [(6, 7), (7, 6)])
def test_a_conversation_is_told_if_one_of_a_run_changed_it(seqs: tuple[int, ...]) -> None:
    memory = world()
    memory.run([PinMessage(GROUP, OWNER, 6, True)], NOW)
    commands = [DeleteMessage(GROUP, OWNER, seq) for seq in seqs]
    (change,) = after(*commands, memory=memory).changes(LIMITS)
    assert change.delta.conversation == replace(group(), revision=REVISION + 3)
    (change,) = after(commands[seqs.index(7)], memory=memory).changes(LIMITS)
    assert change.delta.conversation is None
    assert [it.seq for it in change.delta.messages] == [7]


def test_only_rows_that_are_shown_are_told() -> None:
    """A sender's is written with each message, and others see it by that."""
    memory = world()
    memory.members[GROUP, MEMBER] = replace(memory.members[GROUP, MEMBER], revision=REVISION)
    (change,) = after(send(1), memory=memory).changes(LIMITS)
    assert (change.delta.since, change.delta.members) == (REVISION, ())


@pytest.mark.parametrize(("shown", "to_read"), [(4, False), (5, True), (6, False)])
def test_with_the_one_by_whose_going_they_are_few_enough_there_is_more_to_read(
    shown: int, to_read: bool
) -> None:
    limits = replace(LIMITS, shown_members=shown)
    (change,) = after(RemoveMember(GROUP, OWNER, MEMBER)).changes(limits)
    assert change.to_read is to_read
    (change,) = after(AddMembers(GROUP, OWNER, (STRANGER,))).changes(limits)
    assert not change.to_read
    (change,) = after(send(1)).changes(limits)
    assert not change.to_read


OUT = [RemoveMember(GROUP, OWNER, who) for who in (MEMBER, OTHER_MEMBER)]
READ = AdvanceReceipts(GROUP, {ADMIN: Position(1, 1)})
ELSEWHERE = AdvanceReceipts(DIRECT, {OWNER: Position(1, 1)})


@pytest.mark.parametrize(
    ("commands", "shown", "since", "rows"),
    [
        ([READ, OUT[0], ELSEWHERE], 5, 2, {ADMIN: 2, MEMBER: 2}),
        ([OUT[0], READ], 5, 1, {ADMIN: 2, MEMBER: 1}),
        ([OUT[0], OUT[1], READ], 4, 2, {ADMIN: 3, MEMBER: 1, OTHER_MEMBER: 2}),
        ([READ, OUT[0]], 6, None, {ADMIN: 1, MEMBER: 2}),
    ],
)
def test_where_the_list_is_shown_again_rows_that_changed_before_count_as_of_then(
    commands: list[AnyCommand], shown: int, since: int | None, rows: dict[UserId, int]
) -> None:
    """But those of who went by then, which nobody is shown, do not, nor those that changed since."""
    state = after(*commands)
    revealed = {} if since is None else {GROUP: REVISION + since}
    assert state.revealed(replace(LIMITS, shown_members=shown)) == revealed
    told = {
        it.user_id: it.revision - REVISION
        for it in state.changed_members.values()
        if it.conversation_id == GROUP
    }
    assert told == rows
    elsewhere = [it.revision for key, it in state.changed_members.items() if key[0] == DIRECT]
    assert elsewhere == ([6] if ELSEWHERE in commands else [])
