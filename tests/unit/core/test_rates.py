import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract.events import CLIENT_EVENTS
from gochat.contract.routes import ROUTES
from gochat.core.errors import RateLimited
from gochat.core.rates import (
    ADD,
    ADD_ONE,
    DEFAULT_RATES,
    NEW_S,
    OTHER,
    Buckets,
    Key,
    Rate,
    retry_after_ms,
    table,
    take_adding,
)

PROTOCOL = Path(__file__).parents[3] / "docs/protocol.md"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: Buckets, times: int, name: str = "x", who: object = 1, cost: int = 1) -> int:
    """How many of so many uses are counted."""
    count = 0
    for _ in range(times):
        with suppress(RateLimited):
            buckets.take(name, Key.USER, who, cost)
            count += 1
    return count


def test_so_many_at_once_and_as_many_again_in_every_window() -> None:
    clock = Clock()
    buckets = Buckets([Rate("x", 10, 60)], clock)
    assert taken(buckets, 100) == 10
    clock.now += 6
    assert taken(buckets, 100) == 1
    clock.now += 600
    assert taken(buckets, 100) == 10


def test_each_user_has_a_bucket_of_their_own_and_what_has_no_row_is_free() -> None:
    buckets = Buckets([Rate("x", 2, 60), Rate("y", 1, 60, Key.ADDRESS)], Clock())
    assert taken(buckets, 5, who=1) == 2
    assert taken(buckets, 5, who=2) == 2
    assert taken(buckets, 5, "y") == 5
    assert taken(buckets, 5, "z") == 5


def test_the_wait_that_is_told_is_enough_and_not_too_much() -> None:
    clock = Clock()
    buckets = Buckets([Rate("x", 10, 60)], clock)
    taken(buckets, 10)
    with pytest.raises(RateLimited) as refused:
        buckets.take("x", Key.USER, 1)
    assert refused.value.retry_after_ms == 6_000
    clock.now += 5.9
    assert taken(buckets, 1) == 0
    with pytest.raises(RateLimited):
        buckets.check("x", Key.USER, 1)
    clock.now += 0.1
    buckets.check("x", Key.USER, 1)
    assert taken(buckets, 2) == 1


def test_a_use_may_cost_several_but_never_more_than_there_can_be() -> None:
    clock = Clock()
    buckets = Buckets([Rate("x", 10, 60)], clock)
    assert taken(buckets, 1, cost=7) == 1
    assert taken(buckets, 1, cost=7) == 0
    assert taken(buckets, 5) == 3
    clock.now += 60
    assert taken(buckets, 2, cost=1_000) == 1


def test_of_two_windows_both_hold_and_a_refused_use_is_counted_in_neither() -> None:
    clock = Clock()
    buckets = Buckets([Rate("x", 10, 60), Rate("x", 15, 86_400)], clock)
    assert taken(buckets, 20) == 10
    clock.now += 60
    assert taken(buckets, 20) == 5
    clock.now += 86_400
    assert taken(buckets, 20) == 10


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=60))
def test_in_no_span_is_more_counted_than_the_bucket_and_what_refilled(uses: list[tuple[float, int]]) -> None:
    clock = Clock()
    buckets = Buckets([Rate("x", 10, 60)], clock)
    counted: list[tuple[float, int]] = []
    for pause, cost in uses:
        clock.now += pause
        if taken(buckets, 1, cost=cost):
            counted.append((clock.now, cost))
    for first in range(len(counted)):
        for last in range(first, len(counted)):
            span = counted[last][0] - counted[first][0]
            assert sum(cost for _, cost in counted[first : last + 1]) <= 10 + span * 10 / 60 + 1e-6


def test_what_is_kept_is_bounded_and_full_buckets_go_first() -> None:
    clock = Clock()
    buckets = Buckets([Rate("x", 2, 60)], clock, most=100)
    taken(buckets, 2, who="empty")
    for who in range(1_000):
        clock.now += 0.001
        taken(buckets, 1, who=who)
        assert len(buckets) <= 100
    buckets.check("x", Key.USER, 999)
    assert taken(buckets, 1, who="empty") == 0


def test_three_quarters_are_left_of_what_became_too_many() -> None:
    clock = Clock()
    buckets = Buckets([Rate("x", 2, 60)], clock, most=8)
    sizes = []
    for who in range(9):
        clock.now += 0.001
        taken(buckets, 1, who=who)
        sizes.append(len(buckets))
    assert sizes == [1, 2, 3, 4, 5, 6, 7, 8, 6]


def test_what_is_given_back_is_that_of_whom_it_was() -> None:
    buckets = Buckets([Rate("x", 1, 60, Key.ACCOUNT), Rate("x", 2, 60)], Clock())
    buckets.take("x", Key.ACCOUNT, 1)
    buckets.give_back("x", Key.USER, 1)  # none of theirs was counted
    with pytest.raises(RateLimited):
        buckets.check("x", Key.ACCOUNT, 1)
    buckets.give_back("x", Key.ACCOUNT, 1)
    buckets.check("x", Key.ACCOUNT, 1)
    assert taken(buckets, 3) == 2


def test_a_wait_is_told_in_whole_milliseconds_and_is_never_none() -> None:
    assert [retry_after_ms(it) for it in (1e-9, 0.001, 0.0011, 6)] == [1, 1, 2, 6_000]


def test_every_event_and_every_route_of_a_user_has_a_rate() -> None:
    named = {rate.name for rate in DEFAULT_RATES if rate.key is Key.USER}
    assert CLIENT_EVENTS.keys() <= named
    assert {route.rate for route in ROUTES if route.auth} <= named
    assert OTHER in named


def test_the_table_can_be_changed_row_by_row() -> None:
    changed = table(["sync=5/10+100/3600", "typing:start=off"])
    assert [it for it in changed if it.name == "sync"] == [Rate("sync", 5, 10), Rate("sync", 100, 3600)]
    assert not [it for it in changed if it.name == "typing:start"]
    assert {it for it in changed if it.name == "read"} == {it for it in DEFAULT_RATES if it.name == "read"}
    assert table(["all=off"]) == ()
    assert table(["all=off", "sync=1/1"]) == (Rate("sync", 1, 1),)
    assert table([]) == DEFAULT_RATES


@pytest.mark.parametrize(
    "change",
    ["", "sync", "sync=0/1", "sync=1", "sync=1/0", "snyc=1/1", "sync@hand=1/1", "all=1/1", "sync=1/1+"],
)
def test_what_is_no_rate_is_refused(change: str) -> None:
    with pytest.raises(ValueError):
        table([change])


def test_who_is_brought_in_counts_once_each_for_all_and_for_themselves() -> None:
    buckets = Buckets([Rate(ADD, 6, 60), Rate(ADD_ONE, 2, 60)], Clock())
    take_adding(buckets, 1, [2, 3, 3, 1])
    take_adding(buckets, 1, [])
    take_adding(buckets, 1, [1])
    take_adding(buckets, 1, [2])
    with pytest.raises(RateLimited):
        take_adding(buckets, 1, [2])
    take_adding(buckets, 9, [2])  # another's
    take_adding(buckets, 1, [4, 5, 6])
    with pytest.raises(RateLimited):
        take_adding(buckets, 1, [7])


def test_the_rates_of_users_are_those_that_the_protocol_tells() -> None:
    told = re.findall(r"^\| `([a-z:]+)` \| ([\d,]+) \| (\d+) \|$", PROTOCOL.read_text(), re.MULTILINE)
    rows = [(it.name, f"{it.limit:,}", str(it.window_s)) for it in DEFAULT_RATES if it.key is Key.USER]
    assert rows == told


def test_how_often_may_be_tried_to_log_in() -> None:
    """NIST SP 800-63B-4, 3.2.2: at most 100 tries that fail."""
    assert [it for it in DEFAULT_RATES if it.key is not Key.USER] == [
        Rate("login", 30, 60, Key.ACCOUNT),
        Rate("login", 100, 86_400, Key.ACCOUNT),
        Rate("login", 60, 60, Key.ADDRESS),
        Rate("login", 1_000, 86_400, Key.ADDRESS),
        Rate("login:here", 10, 60, Key.ADDRESS),
        Rate("login:here", 40, 86_400, Key.ADDRESS),
        Rate("login:known", 10, 60, Key.ACCOUNT),
        Rate("login:known", 100, 86_400, Key.ACCOUNT),
        Rate("register", 60, 600, Key.ADDRESS),
        Rate("register", 1_000, 86_400, Key.ADDRESS),
        Rate("refresh", 60, 60, Key.ACCOUNT),
    ]
    assert NEW_S == 86_400
