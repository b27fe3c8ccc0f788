from hypothesis import given
from hypothesis import strategies as st

from gochat.events.delivery.gate import MAX_EARLY, Gate, Notice


def notice(since: int, revision: int, payload: bytes | None = b"{}") -> Notice:
    return Notice("message:created", 1, since, revision, payload)


@st.composite
def logs(draw: st.DrawFn) -> list[Notice]:
    """A log of revisions, cut into notices."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=30))
    log, at = [], 0
    for length in lengths:
        log.append(notice(at, at + length))
        at += length
    return log


@given(logs().flatmap(lambda log: st.tuples(st.just(log), st.permutations(log * 2))))
def test_any_order_with_repeats_is_handed_on_in_order_once(case: tuple[list[Notice], list[Notice]]) -> None:
    log, arriving = case
    gate: Gate[Notice] = Gate(0)
    passed = [one for coming in arriving for one in gate.offer(coming)]
    assert passed == log
    assert not gate.missing
    assert not gate.early


@given(logs().flatmap(lambda log: st.tuples(st.just(log), st.permutations(log))), st.data())
def test_a_repair_fills_what_was_lost(case: tuple[list[Notice], list[Notice]], data: st.DataObject) -> None:
    log, arriving = case
    lost = data.draw(st.sampled_from(log))
    gate: Gate[Notice] = Gate(0)
    passed = [one for coming in arriving if coming is not lost for one in gate.offer(coming)]
    assert gate.missing == (lost is not log[-1])
    end = data.draw(st.integers(max(gate.revision + 1, lost.revision), log[-1].revision + 3))
    passed += gate.offer(notice(gate.revision, end))
    if gate.missing:  # the repair ended in the middle of what came early, which is dropped
        passed += gate.offer(notice(gate.revision, gate.highest))
    mine = 0
    for one in passed:
        assert one.since == mine < one.revision
        mine = one.revision
    assert mine == gate.revision >= log[-1].revision
    assert not gate.missing


def test_numbers_alone_say_that_something_is_missing() -> None:
    gate: Gate[Notice] = Gate(3)
    assert gate.offer(notice(3, 4, None)) == []
    assert gate.missing


def test_what_waits_is_bounded() -> None:
    gate: Gate[Notice] = Gate(0)
    for n in range(1, 2 * MAX_EARLY):
        gate.offer(notice(n, n + 1))
    assert len(gate.early) == MAX_EARLY
    assert gate.missing
