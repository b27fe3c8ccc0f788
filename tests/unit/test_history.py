"""Which seqs stand on a page of history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.core.history import span

Seqs = st.integers(-5, 30)


@given(
    first=st.integers(1, 20),
    seen=st.integers(0, 15),
    mode=st.sampled_from(["before_seq", "after_seq", "around_seq", None]),
    seq=Seqs,
    limit=st.integers(1, 12),
)
def test_a_page_holds_what_a_reader_would_count_off(
    first: int, seen: int, mode: str | None, seq: int, limit: int
) -> None:
    last = first + seen - 1
    everything = list(range(first, last + 1))
    low, high = span(first, last, **{mode: seq} if mode else {}, limit=limit)
    page = list(range(low, high + 1))
    if mode == "before_seq":
        assert page == [it for it in everything if it < seq][-limit:]
    elif mode == "after_seq":
        assert page == [it for it in everything if it > seq][:limit]
    elif mode == "around_seq":
        assert len(page) == min(limit, len(everything))
        assert set(page) <= set(everything)
        assert seq in page or seq not in everything
    else:
        assert page == everything[-limit:]
    if page:
        assert (low > first) == (page[0] != everything[0])
        assert (high < last) == (page[-1] != everything[-1])
    else:
        assert high == low - 1
        before = [it for it in everything if it < low]
        assert (low > first) == bool(before)
        assert (high < last) == (len(before) < len(everything))


@pytest.mark.parametrize(
    ("seq", "page"), [(50, (45, 54)), (1, (1, 10)), (100, (91, 100)), (3, (1, 10)), (10**9, (91, 100))]
)
def test_a_page_around_a_message_has_it_in_the_middle_where_it_can(seq: int, page: tuple[int, int]) -> None:
    assert span(1, 100, around_seq=seq, limit=10) == page


@pytest.mark.parametrize("seq", [5, 6, 10**9])
def test_after_the_last_message_an_empty_page_stands(seq: int) -> None:
    assert span(1, 5, after_seq=seq, limit=3) == (6, 5)
