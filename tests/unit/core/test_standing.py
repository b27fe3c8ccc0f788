import random
from dataclasses import dataclass, field

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract.cursor import Cursors
from gochat.core.queries import Batch
from gochat.core.standing import (
    FOLLOWED_MS,
    MAX_BATCHES,
    MAX_PROCESSES,
    Standing,
    changes,
    named,
    reckon,
    standing,
)
from gochat.core.sync import Outline

PROCESSES = st.dictionaries(st.integers(1, 2**62), st.integers(1, 2**40), max_size=60)


AT = 1_800_000_000_000


@given(st.text(max_size=64), st.integers(0, 20_000), st.integers(0, 2**47), st.integers(0, 2**47), PROCESSES)
def test_it_comes_back_as_it_went_and_a_sync_of_it_has_400_bytes(
    epoch: str, count: int, total: int, me: int, heads: dict[int, int]
) -> None:
    held = standing(epoch, count, total, me, heads, AT)
    assert Standing.unpack(held.pack()) == held
    cursors = Cursors([b"k" * 32])
    text = cursors.write_standing(2**62, held.pack())
    assert len(text) <= 400
    request = {"position": text, "me": me, "epoch": "0123456789abcdef"}
    assert len(b"42999" + orjson.dumps(["sync", request])) <= 400
    assert cursors.read_standing(2**62, text) == held.pack()


def test_what_is_kept_of_it_in_how_many_bytes() -> None:
    """Of ids and numbers the last 20 bits; of 40 processes, and of more only whether anything changed."""
    heads = {n << 20 | n: n << 20 | 100 + n for n in range(1, 41)}
    held = standing("e", 1, 2, 3, heads, AT)
    assert held.heads == {n: 100 + n for n in range(1, 41)}
    assert len(held.pack()) == 224
    assert len(standing("e", 2**32 - 1, 2**48 - 1, 2**48 - 1, {41: 1} | heads, AT).pack()) == 24
    assert (held.pack()[4:20], Standing.unpack(held.pack())) == (
        bytes([0, 0, 0, 1, *[0] * 5, 2, *[0] * 5, 3]),
        held,
    )


@given(
    st.dictionaries(st.integers(0, 2**20 - 1), st.integers(1, 2**40), max_size=MAX_PROCESSES),
    st.lists(st.integers(0, 40), min_size=MAX_PROCESSES, max_size=MAX_PROCESSES),
)
def test_what_is_missing_of_the_log_is_what_came_since(heads: dict[int, int], more: list[int]) -> None:
    held = standing("e", 1, 1, 1, heads, AT)
    now = {process_id: n + came for (process_id, n), came in zip(heads.items(), more, strict=False)}
    missing = sum(now.values()) - sum(heads.values())
    after = held.behind(now, MAX_BATCHES)
    if missing > MAX_BATCHES:
        assert after is None
    else:
        assert after == {process_id: n for process_id, n in heads.items() if now[process_id] > n}


def test_a_process_that_came_since_is_read_from_its_beginning() -> None:
    held = standing("e", 1, 1, 1, {5: 10}, AT)
    assert held.behind({5: 10, 6: 3}, MAX_BATCHES) == {6: 0}
    assert held.behind({5: 10, 6: MAX_BATCHES}, MAX_BATCHES) == {6: 0}
    assert held.behind({5: 10, 6: MAX_BATCHES + 1}, MAX_BATCHES) is None


def test_of_too_many_processes_only_whether_anything_changed() -> None:
    heads = dict.fromkeys(range(1, MAX_PROCESSES + 2), 100)
    held = standing("e", 1, 1, 1, heads, AT)
    assert held.heads == {}
    assert not held.follows(held.behind(heads, 10_000) or {}, heads, AT)


def batch(
    n: int, joined: dict[int, tuple[int, ...]] | None = None, **conversations: tuple[int, int]
) -> Batch:
    spans = {int(name[1:]): span for name, span in conversations.items()}
    return Batch(1, n, spans, {}, joined or {})


def test_the_log_alone_is_followed_for_an_hour_or_two() -> None:
    held = standing("e", 1, 1, 1, {5: 10}, AT)
    followed = [hour for hour in range(-3, 4) if held.follows({}, {5: 10}, AT + hour * FOLLOWED_MS)]
    assert (followed, FOLLOWED_MS) == ([0, 1], 60 * 60 * 1_000)
    assert held.follows({5: 10, 6: 0}, {5: 11, 6: 3}, AT)


@dataclass
class Log:
    """A log as processes write it and maintenance deletes it, the oldest rows first, however much."""

    rows: list[Batch] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)

    def write(self, process_id: int, conversation_id: int | None) -> None:
        n = self.numbers[process_id] = self.numbers.get(process_id, 0) + 1
        spans = {} if conversation_id is None else {conversation_id: (n, n + 1)}
        self.rows.append(Batch(process_id, n, spans, {}, {}))

    @property
    def heads(self) -> dict[int, int]:
        return {row.process_id: row.n for row in self.rows}

    def from_(self, after: dict[int, int]) -> list[Batch]:
        return [it for it in self.rows if it.process_id in after and it.n >= after[it.process_id]]


@given(st.randoms(use_true_random=False), st.integers(0, 12), st.integers(0, 12), st.integers(0, 8))
def test_what_the_log_names_is_all_that_changed_or_it_is_not_followed(
    rng: random.Random, before: int, since: int, deleted: int
) -> None:
    """Also where processes are taken for each other by the last bits of their ids, and come and go."""
    ids = [last | high << 20 for last in (1, 2) for high in (0, 1, 2)]
    some, more = rng.sample(ids, 3), rng.sample(ids, 3)
    log = Log()
    for _ in range(before):
        log.write(rng.choice(some), rng.choice((None, 7, 8)))
    del log.rows[: rng.randint(0, len(log.rows))]
    held = Standing.unpack(standing("e", 1, 1, 1, log.heads, AT).pack())
    changed = set()
    for _ in range(since):
        log.write(rng.choice(more), conversation_id := rng.choice((None, 7, 8, 9)))
        changed |= set() if conversation_id is None else {conversation_id}
    del log.rows[:deleted]
    heads = log.heads
    after = held.behind(heads, MAX_BATCHES)
    if after is None or not held.follows(after, heads, AT):
        return
    assert named(after, heads, log.from_(after)) in (changed, None)


def test_what_all_processes_wrote_since_is_named() -> None:
    log = Log()
    for process_id in (1, 2, 2):
        log.write(process_id, 7)
    held = standing("e", 1, 1, 1, log.heads, AT)
    for process_id, conversation_id in ((2, 8), (3, None), (2, None), (3, 9)):
        log.write(process_id, conversation_id)
    after = held.behind(log.heads, MAX_BATCHES)
    assert after == {2: 2, 3: 0}
    assert held.follows(after, log.heads, AT)
    found = log.from_(after)
    assert named(after, log.heads, found) == {8, 9}
    for n in range(len(found)):  # what the position knew of a process that went on has to be there as well
        assert named(after, log.heads, found[:n] + found[n + 1 :]) is None


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
        assert self.known((2, 8), (2, 8), Outline(1, 5, 9, 0)) == {}

    def test_what_does_not_add_up_is_not_believed(self) -> None:
        assert self.known((2, 8), (2, 11), Outline(1, 0, 9, 0)) is None
        assert self.known((2, 8), (2, 9)) is None
        assert self.known((1, 8), (2, 12), Outline(1, 0, 9, 0)) is None
