"""How much of what comes one turn of the loop takes in."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gochat.contract.events import CLIENT_EVENTS
from gochat.core.measures import Measures
from gochat.core.ports.logins import Identity
from gochat.core.rates import Buckets
from gochat.events.admission import BURST_S, EACH_TURN, LATE_S, TURN_S, Admission
from gochat.events.connection import Connection, Roster
from gochat.events.dispatch import REFRESH, Dispatcher, Handler

COST_S = 0.0001
MANY = round(TURN_S / COST_S)
TOO_MANY = 10 * round(BURST_S / COST_S)


class Loop:
    """A loop of whose turns the test decides, and on which each event costs a tenth of a millisecond."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.idle = 0.0
        """Time in which others have the processor."""
        self.measures = Measures()
        self._soon: list[Callable[[], None]] = []
        self.admission = Admission(
            self.measures, lambda: self.spent + self.idle, lambda: self.spent, self._soon.append
        )

    def turn(self) -> None:
        """What is to be called in the next turn is."""
        soon, self._soon[:] = tuple(self._soon), ()
        for call in soon:
            call()

    def offer(self, events: int) -> int:
        """So many events come in one turn; how many were let in."""
        admitted = 0
        for _ in range(events):
            if self.admission.lets_in():
                admitted += 1
                self.spent += COST_S
        self.turn()
        return admitted


def test_a_burst_is_let_in_until_it_has_been_long_enough() -> None:
    loop = Loop()
    most = round((TURN_S + BURST_S) / COST_S)
    assert loop.offer(most) == most
    loop.offer(1)  # so it was over
    assert loop.offer(TOO_MANY) == pytest.approx(most, abs=2)
    assert loop.measures.shed.rows[("loop",)] == pytest.approx(TOO_MANY - most, abs=2)


def test_turns_that_are_no_burst_may_follow_each_other_for_ever() -> None:
    loop = Loop()
    for _ in range(50):
        assert loop.offer(MANY) == MANY


def test_several_turns_together_are_one_burst() -> None:
    loop = Loop()
    each = MANY + round(BURST_S / COST_S / 5)
    assert [loop.offer(each) for _ in range(4)] == [each] * 4
    assert MANY < loop.offer(TOO_MANY) < 2 * each


def test_after_some_were_refused_there_is_no_burst_for_a_while() -> None:
    loop = Loop()
    loop.offer(TOO_MANY)
    loop.offer(1)
    assert loop.offer(TOO_MANY) == pytest.approx(MANY, abs=2)
    loop.offer(1)
    for _ in range(11):
        assert loop.offer(MANY) == MANY
        loop.idle += LATE_S / 10
    assert loop.offer(MANY * 5) == MANY * 5


def test_what_comes_long_after_some_were_refused_may_be_a_burst() -> None:
    loop = Loop()
    loop.offer(TOO_MANY)
    loop.idle += LATE_S
    assert loop.offer(MANY * 5) == MANY * 5


def test_requests_count_as_events_do() -> None:
    loop = Loop()
    loop.offer(TOO_MANY)  # from now on each turn takes in so much
    admitted = [loop.admission.lets_in() for _ in range(EACH_TURN)]
    assert all(admitted)
    assert not loop.admission.lets_in()
    loop.turn()
    assert loop.admission.lets_in()


def test_nobody_else_should_come_while_some_have_to_be_refused() -> None:
    loop = Loop()
    assert [loop.offer(10), loop.admission.late] == [10, False]
    assert [loop.offer(TOO_MANY) < TOO_MANY, loop.admission.late] == [True, True]
    loop.spent += LATE_S  # whatever came meanwhile, or nothing
    assert not loop.admission.late


def test_a_load_that_stands_is_let_in_by_little_in_each_turn_and_all_is_as_before_when_it_is_over() -> None:
    loop = Loop()
    loop.offer(TOO_MANY)
    for _ in range(20):
        assert loop.offer(TOO_MANY) == EACH_TURN
    assert loop.offer(5) == 5
    assert loop.offer(50) == 50


def test_so_many_are_let_in_however_late_it_is() -> None:
    loop = Loop()
    loop.admission.lets_in()
    loop.spent = 10 * BURST_S
    assert loop.offer(TOO_MANY) == EACH_TURN - 1


def test_what_others_take_of_the_machine_counts_for_nothing() -> None:
    loop = Loop()
    most = MANY
    assert [loop.admission.lets_in() for _ in range(most // 2)] == [True] * (most // 2)
    loop.idle = 10 * BURST_S
    assert loop.offer(most // 2) == most // 2
    assert not loop.admission.late


def test_what_is_done_between_turns_counts_for_none() -> None:
    loop = Loop()
    for _ in range(100):
        assert loop.offer(3) == 3
        loop.spent += 10 * BURST_S


def test_nothing_is_looked_at_of_what_is_refused_and_a_token_is_refreshed_all_the_same() -> None:
    ran: list[object] = []
    loop, acks, roster = Loop(), list[Mapping[str, Any]](), Roster()
    roster.add(Connection("s", Identity(1, 2, 1 << 60)))

    def run(connection: Connection, request: object) -> Mapping[str, Any]:
        ran.append(request)
        return {}

    handler: Handler[Any, Any] = Handler(run, lambda it: it)
    dispatcher = Dispatcher(
        roster,
        dict.fromkeys(CLIENT_EVENTS, handler),
        Buckets((), lambda: 0.0),
        loop.measures,
        loop.admission,
    )
    for _ in range(EACH_TURN):
        dispatcher("s", "sync", [{}], acks.append)
    loop.spent = 10.0
    dispatcher("s", "sync", ["is no object"], acks.append)
    dispatcher("s", "nope", [], acks.append)
    dispatcher("s", REFRESH, [{"token": "t"}], acks.append)
    loop.turn()
    dispatcher("s", "sync", [{}], acks.append)
    codes = [ack.get("error", {}).get("code") for ack in acks]
    assert codes == [None] * EACH_TURN + ["overloaded", "overloaded", None, None]
    assert len(ran) == EACH_TURN + 2
    assert loop.measures.shed.rows == {("loop",): 2}
