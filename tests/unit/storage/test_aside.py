"""Commands that were set aside: each conversation's in order, tried ever less often."""

from itertools import pairwise
from typing import Any

import pytest

from gochat.core.command import AnyCommand
from gochat.core.profiles import UpdateProfile
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.storage.aside import FIRST_SECONDS, LONGEST_SECONDS, SHARE, Aside
from gochat.storage.turns import Entry, entry_of
from tests.writing.world import direct, send


class Waiting:
    """The future of a command."""

    answered = False

    def done(self) -> bool:
        return self.answered


def entry(command: AnyCommand) -> Entry:
    future: Any = Waiting()
    return entry_of(command, future)


def to(cid: int) -> Entry:
    return entry(send(cid, 1))


def test_a_line_keeps_its_order_and_others_go_on() -> None:
    aside = Aside()
    first, second, third, fourth = (to(7) for _ in range(4))
    aside.put([first, second], now=0, took=0)
    other = to(8)
    assert aside.join([third, other]) == [other]
    assert aside.take(9, rows=2) == [first, second]
    aside.put([second], now=9, took=0)
    assert aside.join([fourth]) == []
    assert aside.entries() == [second, third, fourth]
    assert aside.take(99, rows=10) == [second, third, fourth]
    assert not aside
    assert aside.take(99, rows=10) == []
    assert aside.join([other, first]) == [other, first]


def test_tries_are_made_ever_less_often() -> None:
    aside, waiting = Aside(), to(7)
    now, pauses = 0.0, []
    for _ in range(10):
        aside.put([waiting], now, took=0)
        assert aside.take(now, rows=1) == []
        pauses.append(aside.wait(now))
        now += pauses[-1] + 0.001
        assert aside.take(now, rows=1) == [waiting]
    assert pauses[0] == pytest.approx(FIRST_SECONDS)
    assert pauses[-1] == pytest.approx(LONGEST_SECONDS)
    assert all(later > before or later == pytest.approx(before) for before, later in pairwise(pauses))


def test_who_was_answered_is_not_tried_and_a_slow_line_stays_closed_for_a_while() -> None:
    aside, gone = Aside(), to(7)
    aside.put([gone], now=0, took=1)
    gone.future.answered = True  # type: ignore[attr-defined]
    late = to(7)
    assert aside.take(1, rows=1) == []
    assert aside.join([late]) == []
    assert aside.take(1 / SHARE - 0.1, rows=1) == []
    assert aside.take(1 / SHARE, rows=1) == [late]


def test_what_waits_for_one_row_waits_in_one_line() -> None:
    aside = Aside()
    held = [
        entry(direct(1, 2)),
        entry(UpdateProfile(3)),
        to(7),
        entry(AdvanceReceipts(7, {1: Position(1, 1)})),
    ]
    aside.put(held, now=0, took=0)
    assert aside.join([entry(direct(2, 1)), entry(UpdateProfile(3)), to(7)]) == []
    free = [entry(direct(1, 3)), entry(UpdateProfile(1)), to(8)]
    assert aside.join(free) == free
    assert sorted(len(aside.take(1, rows=9)) for _ in held) == [1, 2, 2, 2]
