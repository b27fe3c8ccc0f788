"""Commands that were set aside: each conversation's in order, tried ever less often."""

from itertools import pairwise
from math import inf
from typing import Any

import pytest

from gochat.core.command import AnyCommand
from gochat.core.profiles import UpdateProfile
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.storage.aside import FIRST_SECONDS, LONGEST_SECONDS, SHARE, Aside
from gochat.storage.turns import Entry, entry_of
from tests.writing.world import direct, send

MANY = 1 << 30


class Waiting:
    """The future of a command."""

    answered = False

    def done(self) -> bool:
        return self.answered

    def cancelled(self) -> bool:
        return False


def entry(command: AnyCommand) -> Entry:
    future: Any = Waiting()
    return entry_of(command, future)


def to(cid: int) -> Entry:
    return entry(send(cid, 1))


def take(aside: Aside, now: float, rows: int = 9) -> list[Entry]:
    return aside.take(now, rows, MANY)[0]


def test_a_line_keeps_its_order_and_others_go_on() -> None:
    aside = Aside()
    first, second, third, fourth = (to(7) for _ in range(4))
    aside.put([first, second], 0, again=False)
    other = to(8)
    assert aside.join([third, other]) == [other]
    assert take(aside, 9, rows=2) == [first, second]
    aside.put([second], 9, again=True)
    assert aside.join([fourth]) == []
    assert aside.entries() == [second, third, fourth]
    assert take(aside, 99) == [second, third, fourth]
    assert take(aside, 99) == []
    assert aside.join([other, first]) == [other, first]
    assert aside.wait(99) == inf


def test_the_first_try_may_wait_and_others_are_made_ever_less_often() -> None:
    aside, waiting = Aside(), to(7)
    aside.put([waiting], 0, again=False)
    assert aside.take(0, 1, MANY) == ([waiting], True)
    now, pauses = 0.0, []
    for _ in range(10):
        aside.put([waiting], now, again=True)
        assert take(aside, now) == []
        pauses.append(aside.wait(now))
        now += pauses[-1] + 0.001
        assert aside.take(now, 1, MANY) == ([waiting], False)
    assert pauses[0] == pytest.approx(FIRST_SECONDS)
    assert pauses[-1] == pytest.approx(LONGEST_SECONDS)
    assert all(later > before or later == pytest.approx(before) for before, later in pairwise(pauses))


def test_who_was_answered_is_not_tried_and_a_slow_line_stays_closed_for_a_while() -> None:
    aside, gone = Aside(), to(7)
    aside.put([gone], 0, again=True, took=1)
    gone.future.answered = True  # type: ignore[attr-defined]
    late = to(7)
    assert take(aside, 1) == []
    assert aside.join([late]) == []
    assert take(aside, 1 / SHARE - 0.1) == []
    assert take(aside, 1 / SHARE) == [late]


def test_what_waits_for_one_row_waits_in_one_line() -> None:
    aside = Aside()
    receipts = entry(AdvanceReceipts(7, {1: Position(1, 1)}))
    held = [entry(direct(1, 2)), entry(UpdateProfile(3)), to(7), receipts]
    aside.put(held, 0, again=True)
    assert aside.join([entry(direct(2, 1)), entry(UpdateProfile(3)), to(7)]) == []
    free = [entry(direct(1, 3)), entry(UpdateProfile(1)), to(8)]
    assert aside.join(free) == free


def test_lines_are_tried_together_where_that_is_one_batch() -> None:
    aside = Aside()
    polled, fresh, reserving = [to(1), to(2)], [to(3), to(4), to(4)], [entry(direct(1, 2))]
    aside.put(polled, 0, again=True)
    aside.put(fresh, 0, again=False)
    aside.put(reserving, 0, again=False)
    assert aside.take(9, 9, MANY) == (polled, False)
    assert aside.take(9, 2, MANY) == (fresh[:2], True)
    assert aside.take(9, 9, fresh[2].size) == (fresh[2:], True)
    assert aside.take(9, 0, 0) == (reserving, True)
