"""Whose command is taken next, and who is refused."""

import importlib
import inspect
import itertools
import pkgutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat import core
from gochat.core.command import AnyCommand, Command
from gochat.core.errors import Overloaded
from gochat.core.lateness import ACK_S
from gochat.core.model import UserId
from gochat.core.profiles import UpdateProfile
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.storage import turns as turns_module
from gochat.storage.turns import WAIT_SECONDS, Entry, Turns, entry_of, whose_turn
from tests.unit.core.filled import filled
from tests.writing.world import direct, send

MANY = 10_000
ROWS = 50


def entry(command: AnyCommand, at: float | None = None) -> Entry:
    made = entry_of(command, Any)  # type: ignore[arg-type]
    if at is not None:
        made.at = at
    return made


def of(user_id: UserId, at: float | None = None) -> Entry:
    return entry(send(1, user_id), at)


def whose(turns: Turns, rows: int = MANY) -> list[int]:
    return [it.whose for it in turns.take(rows, 1 << 30)]


def test_users_are_taken_in_turn() -> None:
    turns = Turns(MANY, MANY)
    for user_id in (1, 1, 1, 1, 2, 2, 3):
        turns.put(of(user_id))
    assert whose(turns) == [1, 2, 3, 1, 2, 1, 1]
    assert not turns


def test_who_comes_waits_for_one_command_of_each_other() -> None:
    turns = Turns(MANY, MANY)
    for _ in range(100):
        turns.put(of(1))
        turns.put(of(2))
    assert whose(turns, 3) == [1, 2, 1]
    turns.put(of(3))
    assert whose(turns, 4) == [2, 1, 2, 3]


def test_who_comes_again_at_once_takes_no_turn_from_others() -> None:
    turns = Turns(MANY, MANY)
    turns.put(of(1))
    turns.put(of(1))
    taken = []
    for _ in range(6):
        turns.put(of(2))
        taken += whose(turns, 1)
    assert taken == [1, 2, 1, 2, 2, 2]


@given(st.lists(st.one_of(st.integers(1, 5), st.integers(-4, -1)), max_size=200))
def test_nothing_is_lost_and_each_users_order_is_kept(steps: list[int]) -> None:
    """Positive: that user puts a command. Negative: so many are taken."""
    turns, put, taken = Turns(MANY, MANY), [], []
    for step in steps:
        if step > 0:
            put.append(of(step))
            turns.put(put[-1])
        else:
            taken += turns.take(-step, 1 << 30)
        assert len(turns) == len(put) - len(taken)
    taken += turns.take(MANY, 1 << 40)
    assert len(taken) == len(put)
    for user_id in range(1, 6):
        assert [it for it in taken if it.whose == user_id] == [it for it in put if it.whose == user_id]


def test_those_that_reserve_come_alone() -> None:
    turns = Turns(MANY, MANY)
    for command in (send(1, 1), direct(2, 9), direct(3, 9), UpdateProfile(4)):
        turns.put(entry(command))
    assert [whose(turns), whose(turns), whose(turns)] == [[1], [2, 3], [4]]


def test_a_batch_is_bounded_in_rows_and_bytes_unless_one_command_is_larger() -> None:
    turns = Turns(MANY, MANY)
    positions = dict.fromkeys(range(10), Position(1, 1))
    for command in (AdvanceReceipts(7, positions), send(1, 1, "x" * 1_000), send(1, 2)):
        turns.put(entry(command))
    assert whose(turns, 5) == [7]
    assert [it.whose for it in turns.take(5, 1_000)] == [1]
    assert whose(turns, 5) == [2]


def test_too_many_are_refused() -> None:
    turns = Turns(10, 4)
    for _ in range(4):
        turns.put(of(1))
    with pytest.raises(Overloaded) as refused:
        turns.put(of(1))
    assert refused.value.retry_after_ms
    for user_id in range(2, 8):
        turns.put(of(user_id))
    with pytest.raises(Overloaded):
        turns.put(of(9))
    assert len(turns) == 10
    assert len(whose(turns)) == 10
    turns.put(of(1))


def test_a_round_that_takes_too_long_refuses_who_comes() -> None:
    turns = Turns(MANY, MANY)
    now = time.monotonic()
    turns.put(of(1, now))
    turns.put(of(2, now + WAIT_SECONDS))
    with pytest.raises(Overloaded):
        turns.put(of(3, now + WAIT_SECONDS + 0.1))
    turns.put(of(3, now + WAIT_SECONDS + 0.1), patient=True)
    assert whose(turns) == [1, 2, 3]
    turns.put(of(1, now + 10 * WAIT_SECONDS))


class Clock:
    """Stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(turns_module, "time", made)
    return made


def work(turns: Turns, clock: Clock, seconds: float, batches: int = 20) -> None:
    """Batches that take so long each."""
    for _ in range(batches):
        turns.put(of(1), patient=True)
        turns.take(ROWS, 1 << 30)
        clock.now += seconds
        turns.done()


def let_in(turns: Turns, users: Iterable[UserId]) -> int:
    """How many of as many users get a command in, until the first does not."""
    for count, user_id in enumerate(users):
        try:
            turns.put(of(user_id))
        except Overloaded:
            return count
    raise AssertionError("nobody was refused")


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.05, 0.1, 0.6])
def test_what_could_not_be_committed_in_time_is_refused_at_the_door(clock: Clock, seconds: float) -> None:
    turns = Turns(MANY, MANY, ROWS)
    work(turns, clock, seconds)
    count = let_in(turns, range(1, MANY))
    assert count == max(1, round(ACK_S / seconds)) * ROWS
    turns.take(ROWS, 1 << 30)
    assert let_in(turns, range(MANY, 2 * MANY)) == pytest.approx(ROWS, abs=1)


def test_a_batch_that_hangs_counts_for_as_long_as_it_does(clock: Clock) -> None:
    turns = Turns(MANY, MANY, ROWS)
    work(turns, clock, 0.001)
    for user_id in range(1, 3 * ROWS):
        turns.put(of(user_id))
    turns.take(1, 1 << 30)
    turns.put(of(MANY))
    clock.now += 1.0
    with pytest.raises(Overloaded):
        turns.put(of(MANY + 1))
    turns.done()
    work(turns, clock, 0.001)
    turns.put(of(MANY + 1))


def test_who_has_much_waiting_is_refused_before_who_has_nothing(clock: Clock) -> None:
    turns = Turns(MANY, MANY, ROWS)
    work(turns, clock, 0.6)
    assert let_in(turns, itertools.repeat(1)) == ROWS
    for user_id in range(2, ROWS):
        turns.put(of(user_id))
        with pytest.raises(Overloaded):
            turns.put(of(1))


def test_who_has_waited_for_too_long_is_taken_out() -> None:
    turns = Turns(MANY, 3)
    for at in (1.0, 2.0, 3.0):
        turns.put(of(1, at), patient=True)
        turns.put(of(2, at), patient=True)
    assert sorted((it.whose, it.at) for it in turns.expire(2.5)) == [(1, 1.0), (1, 2.0), (2, 1.0), (2, 2.0)]
    assert len(turns) == 2
    assert whose(turns) == [1, 2]
    assert turns.expire(9.0) == []
    for _ in range(3):
        turns.put(of(1))


def commands(of: type[Any] = Command) -> Iterator[type[Any]]:
    for kind in of.__subclasses__():
        yield from commands(kind)
        # One with slots is made twice, and the first is nobody's; tests have their own.
        known = vars(sys.modules[kind.__module__]).get(kind.__name__) is kind
        whole = is_dataclass(kind) and not inspect.isabstract(kind)
        if known and whole and kind.__module__.startswith("gochat."):
            yield kind


def test_every_command_takes_somebodys_turn() -> None:
    for module in pkgutil.iter_modules(core.__path__, "gochat.core."):
        importlib.import_module(module.name)
    kinds = list(commands())
    assert len(kinds) > 10
    for kind in kinds:
        command = filled(kind, **({"positions": {}} if kind is AdvanceReceipts else {}))
        assert entry(command).whose == whose_turn(command) > 0
