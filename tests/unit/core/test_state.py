"""A rule reads what its command asked for, and nothing else."""

from dataclasses import dataclass, replace

import pytest

from gochat.core.command import Command
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.membership import membership
from gochat.core.model import Millis
from gochat.core.needs import Needs
from gochat.core.state import Decision, NotAskedError, State
from tests.unit.core.memory import Memory
from tests.unit.core.world import (
    EVERYBODY,
    GROUP,
    LIMITS,
    MEMBER,
    NOW,
    OTHER_MEMBER,
    OWNER,
    REVISION,
    STRANGER,
    world,
)


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
