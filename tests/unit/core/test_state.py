"""A rule reads what its command asked for, and nothing else."""

from dataclasses import dataclass

import pytest

from gochat.core.command import Command
from gochat.core.limits import Limits
from gochat.core.membership import membership
from gochat.core.model import Millis
from gochat.core.needs import Needs
from gochat.core.state import Decision, NotAskedError, State
from tests.unit.core.memory import Memory


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
