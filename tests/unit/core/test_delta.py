"""What of a change is published: to whom whose rows are shown, and what a part of a repair says."""

from dataclasses import replace

import pytest

from gochat.core.delta import Change, Delta, MeChange, Why, published, repaired
from gochat.core.model import Conversation, Member
from gochat.core.queries import MeDelta
from tests.unit.core.world import GROUP, LIMITS, MEMBER, OTHER_MEMBER, OWNER, REVISION, group, member

SINCE = 30
"""The revision after which things changed."""


def of(count: int) -> Conversation:
    """The group with so many members."""
    return replace(group(), member_count=count)


def row(user_id: int, *, joined: int = 1, active: bool = True) -> Member:
    return replace(member(GROUP, user_id), revision=REVISION, joined_revision=joined, active=active)


STAYED, CAME, WENT = row(OWNER), row(MEMBER, joined=SINCE + 1), row(OTHER_MEMBER, active=False)


def test_nothing_is_said_that_was_not_given() -> None:
    delta = Delta(GROUP, SINCE, REVISION)
    assert delta == Delta(GROUP, SINCE, REVISION, gap=False, removed=False, members_hidden=False)
    assert Change(Why.CHANGES, delta) == Change(Why.CHANGES, delta, (), (), (), as_of=0, to_read=False)
    assert MeChange(OWNER, 1, 2, (), 0) == MeChange(OWNER, 1, 2, (), 0, profile=False, said=0)
    assert MeDelta(1, 2, (), 0) == MeDelta(1, 2, (), 0, gap=False, profile=None)


@pytest.mark.parametrize("count", [1, LIMITS.shown_members])
def test_of_so_many_members_the_rows_are_shown_to_all(count: int) -> None:
    delta = Delta(GROUP, SINCE, REVISION, of(count), (STAYED, CAME, WENT))
    change = published(Why.MEMBER_ADDED, delta, of(count), LIMITS, (MEMBER,), (OTHER_MEMBER,))
    assert change == Change(Why.MEMBER_ADDED, delta, (MEMBER,), (OTHER_MEMBER,))


def test_of_more_each_hears_of_their_own_alone() -> None:
    """Not who went, nor who came: they get the conversation whole."""
    many = of(LIMITS.shown_members + 1)
    delta = Delta(GROUP, SINCE, REVISION, many, (STAYED, CAME, WENT))
    change = published(Why.MEMBER_ADDED, delta, many, LIMITS, (MEMBER,), (OTHER_MEMBER,))
    bare = replace(delta, members=(), members_hidden=True)
    assert change == Change(Why.MEMBER_ADDED, bare, (MEMBER,), (OTHER_MEMBER,), theirs=(OWNER,))


def test_that_they_are_hidden_is_said_with_the_conversation() -> None:
    many = of(LIMITS.shown_members + 1)
    delta = Delta(GROUP, SINCE, REVISION, None, (STAYED,))
    change = published(Why.RECEIPT_ADVANCED, delta, many, LIMITS)
    assert change == Change(Why.RECEIPT_ADVANCED, replace(delta, members=()), theirs=(OWNER,))


def test_of_a_conversation_that_is_new_all_hear_of_their_own() -> None:
    many = of(LIMITS.shown_members + 1)
    delta = Delta(GROUP, 0, 1, many, (CAME,))
    assert published(Why.CONVERSATION_CREATED, delta, many, LIMITS, (MEMBER,)).theirs == (MEMBER,)


@pytest.mark.parametrize(
    ("joined_at", "joined"), [(SINCE - 1, ()), (SINCE, ()), (SINCE + 1, (MEMBER,)), (REVISION, (MEMBER,))]
)
def test_a_repair_tells_who_came_since_and_who_went(joined_at: int, joined: tuple[int, ...]) -> None:
    rows = (STAYED, row(MEMBER, joined=joined_at), WENT, row(8, joined=REVISION, active=False))
    delta = Delta(GROUP, SINCE, REVISION - 5, None, rows)
    change = repaired(delta, of(3), LIMITS)
    assert change == Change(Why.CHANGES, delta, joined, (OTHER_MEMBER, 8), as_of=REVISION)
