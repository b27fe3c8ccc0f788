"""Positions: up to a seq, never back, clamped; in private or shown; and what is unread after them."""

from dataclasses import replace

import pytest

from gochat.core.delta import Why
from gochat.core.errors import NotFound
from gochat.core.model import Conversation, Member
from gochat.core.receipts import AdvanceReceipts, Position, Receipt
from gochat.core.state import Decision
from tests.unit.core.memory import Memory
from tests.unit.core.world import (
    DELETED,
    DIRECT,
    EVERYBODY,
    GONE,
    GROUP,
    LAST,
    LIMITS,
    MEMBER,
    NOW,
    NOWHERE,
    OTHER_MEMBER,
    OWNER,
    REVISION,
    direct,
    group,
    member,
    world,
)


def somewhere(**changes: int) -> Memory:
    """`MEMBER` has been told 5 and has read 3, and has shown as much."""
    memory = world()
    row = replace(member(GROUP, MEMBER), delivered_seq=5, read_seq=3, skipped=1)
    memory.members[GROUP, MEMBER] = replace(
        row,
        **{"shown_delivered_seq": 5, "shown_read_seq": 3} | changes,  # type: ignore[arg-type]
    )
    return memory


def advance(memory: Memory, position: Position) -> tuple[Member, Receipt, Decision[object]]:
    """The row after it, the answer, and the whole decision."""
    decision = memory.decide(AdvanceReceipts(GROUP, {MEMBER: position}), NOW)
    receipt = decision.result[MEMBER]
    assert isinstance(receipt, Receipt)
    row = decision.members[0] if decision.members else memory.members[GROUP, MEMBER]
    return row, receipt, decision  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("delivered", "read", "after", "unread"),
    [
        (0, 0, (5, 3), 5),
        (5, 3, (5, 3), 5),
        (4, 2, (5, 3), 5),
        (6, 0, (6, 3), 5),
        (LAST + 5, 0, (LAST, 3), 5),
        (0, 4, (5, 4), 4),
        (0, 6, (6, 6), 2),
        (7, 4, (7, 4), 4),
        (0, DELETED - 1, (7, 7), 1),
        (0, DELETED, (8, 8), 1),
        (0, LAST, (9, 9), 0),
        (0, LAST + 5, (9, 9), 0),
    ],
)
def test_a_position_moves_forward_and_to_the_end_at_most(
    delivered: int, read: int, after: tuple[int, int], unread: int
) -> None:
    memory = somewhere()
    row, receipt, decision = advance(memory, Position(delivered, read))
    assert (row.delivered_seq, row.read_seq) == after
    assert (row.shown_delivered_seq, row.shown_read_seq) == after
    assert receipt == Receipt(*after, unread, 0)  # what is unread in all is told once it is written
    skipped = int(row.read_seq < DELETED)
    assert row.skipped == skipped
    moved = after != (5, 3)
    assert decision.totals == (MEMBER,)
    if moved:
        assert decision == Decision(
            {MEMBER: receipt},
            Why.RECEIPT_ADVANCED,
            replace(group(), revision=REVISION + 1),
            members=(replace(row, revision=REVISION + 1, me_revision=8),),
            me=(MEMBER,),
            totals=(MEMBER,),
        )
    else:
        assert decision == Decision({MEMBER: receipt}, totals=(MEMBER,))


def test_what_is_not_said_moves_nothing() -> None:
    memory = somewhere(delivered_seq=0, read_seq=0, shown_delivered_seq=0, shown_read_seq=0)
    _, receipt, decision = advance(memory, Position())
    assert decision == Decision({MEMBER: receipt}, totals=(MEMBER,))
    row, _, _ = advance(memory, Position(delivered_seq=2))
    assert (row.delivered_seq, row.read_seq) == (2, 0)


def test_what_is_told_in_private_is_not_shown() -> None:
    memory = somewhere()
    row, _, decision = advance(memory, Position(6, 6, private=True))
    assert row == replace(
        memory.members[GROUP, MEMBER], delivered_seq=6, read_seq=6, skipped=1, me_revision=8
    )
    assert (decision.conversation, decision.me) == (None, (MEMBER,))


def test_what_was_told_in_private_may_be_shown_later() -> None:
    memory = somewhere(delivered_seq=7, read_seq=7)
    row, _, decision = advance(memory, Position(6, 4))
    assert (row.delivered_seq, row.read_seq, row.me_revision) == (7, 7, 0)
    assert (row.shown_delivered_seq, row.shown_read_seq, row.revision) == (6, 4, REVISION + 1)
    assert decision.me == ()
    assert decision.conversation is not None


def test_own_log_moves_with_what_they_are_told_and_the_conversation_with_what_is_shown() -> None:
    """However new the row is: one that neither has moved says so, too."""
    memory = somewhere(revision=REVISION, me_revision=7)
    row, _, decision = advance(memory, Position(6, 6, private=True))
    assert (decision.conversation, decision.me, row.me_revision) == (None, (MEMBER,), 8)
    memory = somewhere(delivered_seq=7, read_seq=7, me_revision=7)
    row, _, decision = advance(memory, Position(6, 4))
    assert (decision.me, row.me_revision, row.revision) == ((), 7, REVISION + 1)


@pytest.mark.parametrize(
    ("read", "shown"), [(2, (5, 3)), (3, (5, 3)), (4, (5, 4)), (6, (6, 6)), (LAST + 1, (LAST, LAST))]
)
def test_what_is_shown_never_goes_back(read: int, shown: tuple[int, int]) -> None:
    row, _, _ = advance(somewhere(delivered_seq=LAST, read_seq=LAST), Position(0, read))
    assert (row.shown_delivered_seq, row.shown_read_seq) == shown


@pytest.mark.parametrize(
    "conversation",
    [replace(group(), member_count=LIMITS.shown_members + 1), replace(group(), blocked=True)],
    ids=["large", "blocked"],
)
def test_where_nothing_is_shown(conversation: Conversation) -> None:
    memory = somewhere()
    memory.conversations[GROUP] = conversation
    row, _, decision = advance(memory, Position(0, 6))
    assert (row.read_seq, row.shown_read_seq, decision.conversation) == (6, 3, None)


def test_a_group_of_the_largest_size_that_shows_them() -> None:
    memory = somewhere()
    memory.conversations[GROUP] = replace(group(), member_count=LIMITS.shown_members)
    assert advance(memory, Position(0, 6))[0].shown_read_seq == 6


def test_many_at_once_take_one_revision_and_refusals_stay_apart() -> None:
    memory = world()
    positions = {
        OWNER: Position(2, 1),
        GONE: Position(1, 1),
        MEMBER: Position(0, 0),
        OTHER_MEMBER: Position(3, 0, private=True),
    }
    decision = memory.decide(AdvanceReceipts(GROUP, positions), NOW)
    assert isinstance(decision.result[GONE], NotFound)
    assert decision.result[OWNER] == Receipt(2, 1, LAST - 2)
    assert decision.totals == (OWNER, MEMBER, OTHER_MEMBER)
    assert decision.me == (OWNER, OTHER_MEMBER)
    assert [row.user_id for row in decision.members] == [OWNER, OTHER_MEMBER]
    assert decision.conversation == replace(group(), revision=REVISION + 1)
    told = AdvanceReceipts(GROUP, positions).told(decision.result, {OWNER: 5, GONE: 6})
    assert told == decision.result | {
        OWNER: Receipt(2, 1, LAST - 2, 5),
        MEMBER: Receipt(0, 0, LAST, 0),
        OTHER_MEMBER: Receipt(3, 0, LAST, 0),
    }


def test_of_no_conversation_nothing_is_told() -> None:
    decision = world().decide(AdvanceReceipts(NOWHERE, {OWNER: Position(1, 1)}), NOW)
    assert isinstance(decision.result[OWNER], NotFound)
    assert decision == Decision(decision.result)


def test_a_direct_conversation_shows_receipts() -> None:
    decision = world().decide(AdvanceReceipts(DIRECT, {OWNER: Position(2, 2)}), NOW)
    assert decision.conversation == replace(direct(), revision=6)
    assert len(EVERYBODY) <= LIMITS.shown_members
