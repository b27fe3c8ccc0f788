"""The timing wheel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.events.engine.heartbeat import Wheel


class Item:
    def __init__(self) -> None:
        self.bucket = 0
        self.expired: list[float] = []

    def expire(self, now: float) -> None:
        self.expired.append(now)


class Repeating(Item):
    def __init__(self, wheel: Wheel) -> None:
        super().__init__()
        self.wheel = wheel

    def expire(self, now: float) -> None:
        super().expire(now)
        self.wheel.set(self, now + 1)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=50), st.floats(0.01, 2))
def test_each_item_expires_once_within_a_tick_of_its_time(delays: list[float], tick: float) -> None:
    wheel, start = Wheel(tick), 1000.0
    wheel.turn(start)
    items = [Item() for _ in delays]
    for item, delay in zip(items, delays, strict=True):
        wheel.set(item, start + delay)
    now = start
    while wheel:
        now += tick
        wheel.turn(now)
    for item, delay in zip(items, delays, strict=True):
        (expired,) = item.expired
        assert start + delay - tick - 1e-6 <= expired <= start + max(delay, tick) + 2 * tick


def test_a_new_deadline_forgets_the_old_and_cancel_forgets_both() -> None:
    wheel, moved, cancelled = Wheel(1), Item(), Item()
    wheel.set(moved, 5)
    wheel.set(moved, 10)
    wheel.set(cancelled, 5)
    wheel.cancel(cancelled)
    wheel.turn(7)
    assert moved.expired == []
    wheel.turn(10)
    assert moved.expired == [10]
    assert cancelled.expired == []
    assert not wheel


def test_an_item_is_hastened_and_not_put_off() -> None:
    wheel, early, late, none = Wheel(1), Item(), Item(), Item()
    wheel.set(early, 5)
    wheel.hasten(early, 10)
    wheel.set(late, 10)
    wheel.hasten(late, 5)
    wheel.hasten(none, 5)
    wheel.turn(5)
    assert [it.expired for it in (early, late, none)] == [[5]] * 3
    assert not wheel


def test_an_item_may_set_itself_again_while_it_expires() -> None:
    wheel = Wheel(1)
    item = Repeating(wheel)
    wheel.set(item, 1)
    for now in range(1, 6):
        wheel.turn(now)
    assert item.expired == [1, 2, 3, 4, 5]


class Failing(Item):
    def expire(self, now: float) -> None:
        super().expire(now)
        raise ValueError("test")


def test_one_that_fails_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    wheel = Wheel(1)
    wheel.turn(100)
    items = [Failing() if number % 2 else Item() for number in range(20)]
    for number, item in enumerate(items):
        wheel.set(item, 101 + number // 10)
    wheel.turn(102)
    assert [len(item.expired) for item in items] == [1] * 20
    assert not wheel
    assert caplog.text.count("deadline failed") == 10


def test_a_long_sleep_is_caught_up_in_one_turn() -> None:
    wheel, items = Wheel(0.01), [Item() for _ in range(3)]
    for when, item in enumerate(items, 1):
        wheel.set(item, when)
    wheel.turn(1e6)
    assert [item.expired for item in items] == [[1e6]] * 3


def test_it_says_when_there_is_something_new_to_wait_for() -> None:
    begun: list[bool] = []
    wheel, item, other = Wheel(1, lambda: begun.append(True)), Item(), Item()
    wheel.set(item, 5)
    assert begun
    wheel.turn(5)
    begun.clear()
    wheel.set(other, 9)
    assert begun
