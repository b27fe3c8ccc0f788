import orjson
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract.cursor import Cursors
from gochat.core.queries import Batch
from gochat.core.standing import MAX_BATCHES, MAX_PROCESSES, Standing, changes, reckon, standing
from gochat.core.sync import Outline

PROCESSES = st.dictionaries(st.integers(1, 2**62), st.integers(1, 2**40), max_size=60)


@given(st.text(max_size=64), st.integers(0, 20_000), st.integers(0, 2**60), st.integers(0, 2**50), PROCESSES)
def test_it_comes_back_as_it_went_and_a_sync_of_it_has_400_bytes(
    epoch: str, count: int, total: int, me: int, heads: dict[int, int]
) -> None:
    held = standing(epoch, count, total, me, heads)
    assert Standing.unpack(held.pack()) == held
    cursors = Cursors([b"k" * 32])
    text = cursors.write_standing(2**62, held.pack())
    assert len(text) <= 400
    request = {"position": text, "me": me, "epoch": "0123456789abcdef"}
    assert len(b"42999" + orjson.dumps(["sync", request])) <= 400
    assert cursors.read_standing(2**62, text) == held.pack()


@given(
    st.dictionaries(st.integers(0, 2**20 - 1), st.integers(1, 2**40), max_size=MAX_PROCESSES),
    st.lists(st.integers(0, 40), min_size=MAX_PROCESSES, max_size=MAX_PROCESSES),
)
def test_what_is_missing_of_the_log_is_what_came_since(heads: dict[int, int], more: list[int]) -> None:
    held = standing("e", 1, 1, 1, heads)
    now = {process_id: n + came for (process_id, n), came in zip(heads.items(), more, strict=False)}
    missing = sum(now.values()) - sum(heads.values())
    after = held.behind(now)
    if missing > MAX_BATCHES:
        assert after is None
    else:
        assert after == {process_id: n for process_id, n in heads.items() if now[process_id] > n}


def test_a_process_that_came_since_is_read_from_its_beginning() -> None:
    held = standing("e", 1, 1, 1, {5: 10})
    assert held.behind({5: 10, 6: 3}) == {6: 0}
    assert held.behind({5: 10, 6: MAX_BATCHES}) == {6: 0}
    assert held.behind({5: 10, 6: MAX_BATCHES + 1}) is None


def test_of_too_many_processes_only_whether_anything_changed() -> None:
    held = standing("e", 1, 1, 1, dict.fromkeys(range(1, MAX_PROCESSES + 2), 100))
    assert held.heads == {}


def batch(
    n: int, joined: dict[int, tuple[int, ...]] | None = None, **conversations: tuple[int, int]
) -> Batch:
    spans = {int(name[1:]): span for name, span in conversations.items()}
    return Batch(1, n, spans, {}, joined or {})


class TestReckon:
    told = changes([batch(1, c1=(5, 6), c2=(3, 4)), batch(2, c1=(6, 9)), batch(3, {3: (7,)}, c3=(8, 9))], 7)

    def known(self, then: tuple[int, int], now: tuple[int, int], *outlines: Outline) -> object:
        return reckon(Standing(b"", *then, 0), Standing(b"", *now, 0), self.told, outlines)

    def test_what_changed_is_known_as_it_was_before_it(self) -> None:
        assert self.known((2, 8), (2, 12), Outline(1, 0, 9, 0)) == {1: 5}
        assert self.known((2, 8), (2, 13), Outline(1, 0, 9, 0), Outline(2, 0, 4, 0)) == {1: 5, 2: 3}

    def test_where_they_came_in_they_know_nothing(self) -> None:
        assert self.known((2, 8), (3, 17), Outline(3, 0, 9, 0)) == {}
        assert self.known((2, 8), (2, 17), Outline(3, 0, 9, 0)) is None  # they had been in it before

    def test_where_they_came_and_went_is_told_as_gone(self) -> None:
        """Their phone may have heard of the one and not of the other."""
        assert self.known((2, 8), (3, 17), Outline(3, 9, 12, 0)) == {3: 8}

    def test_where_they_left_since_is_told_and_where_they_had_left_before_is_not(self) -> None:
        assert self.known((2, 8), (2, 11), Outline(1, 8, 9, 0)) == {1: 5}
        assert self.known((2, 8), (2, 8), Outline(1, 4, 9, 0)) == {}

    def test_what_does_not_add_up_is_not_believed(self) -> None:
        assert self.known((2, 8), (2, 11), Outline(1, 0, 9, 0)) is None
        assert self.known((2, 8), (2, 9)) is None
        assert self.known((1, 8), (2, 12), Outline(1, 0, 9, 0)) is None
