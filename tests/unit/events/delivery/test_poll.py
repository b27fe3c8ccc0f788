"""What the poll reads, and when it takes the log's word for not enough."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from gochat.core.errors import Unavailable
from gochat.core.queries import Batch, Heads
from gochat.events.delivery.poll import Poll


class Log:
    """A log in memory; `lost` are batches that were deleted."""

    def __init__(self) -> None:
        self.epoch = "one"
        self.ends: dict[int, int] = {}
        self.lost: set[tuple[int, int]] = set()
        self.away = False
        self.renewals = 0

    async def heads(self) -> Heads:
        if self.away:
            raise Unavailable
        return Heads(self.epoch, dict(self.ends))

    async def batches(self, after: Mapping[int, int], limit: int) -> tuple[Batch, ...]:
        numbers = [(it, n) for it, known in after.items() for n in range(known + 1, self.ends[it] + 1)]
        there = [pair for pair in numbers if pair not in self.lost]
        return tuple(Batch(it, n, {}, {}, {}) for it, n in there[:limit])

    async def revoked(self, within_ms: int) -> tuple[tuple[int, int], ...]:
        return ()

    async def renew_epoch(self) -> None:
        self.renewals += 1


class Learner:
    def __init__(self) -> None:
        self.learnt: list[tuple[int, int]] = []
        self.compared: list[bool] = []
        self.is_whole = True

    def learn(self, batches: Iterable[Batch]) -> None:
        self.learnt += [(batch.process_id, batch.n) for batch in batches]

    def learn_revoked(self, sessions: object) -> None:
        pass

    async def compare(self, *, memberships: bool) -> bool:
        self.compared.append(memberships)
        return self.is_whole


class World:
    def __init__(self) -> None:
        self.log = Log()
        self.fanout = Learner()
        self.lost = 0
        self.poll = Poll(cast(Any, self.log), cast(Any, self.fanout), self._history_lost)

    def _history_lost(self) -> None:
        self.lost += 1

    async def read(self) -> None:
        await self.poll._read()


@pytest.fixture
async def world() -> World:
    """One that has read what there was at its start: process 7, up to 3."""
    it = World()
    it.log.ends[7] = 3
    await it.read()
    assert it.fanout.learnt == []
    assert it.fanout.compared == [True]
    it.fanout.compared.clear()
    return it


async def test_what_is_new_is_learnt_once_of_new_processes_too(world: World) -> None:
    world.log.ends = {7: 5, 8: 2}
    await world.read()
    await world.read()
    assert sorted(world.fanout.learnt) == [(7, 4), (7, 5), (8, 1), (8, 2)]
    assert world.fanout.compared == []


async def test_much_is_read_in_parts(world: World) -> None:
    world.log.ends = {7: 2_000, 8: 700}
    await world.read()
    assert len(set(world.fanout.learnt)) == len(world.fanout.learnt) == 1_997 + 700


async def test_after_a_missing_number_everything_is_compared(world: World) -> None:
    world.log.ends[7] = 6
    world.log.lost = {(7, 4)}
    await world.read()
    await world.read()
    assert world.fanout.learnt == [(7, 5), (7, 6)]
    assert world.fanout.compared == [True]


async def test_what_was_deleted_meanwhile_is_not_waited_for(world: World) -> None:
    world.log.ends[7] = 4
    world.log.lost = {(7, 4)}
    await world.read()
    world.log.ends[7] = 5
    await world.read()
    assert world.fanout.learnt == [(7, 5)]
    assert world.fanout.compared == [True]


async def test_another_epoch_is_told_once(world: World) -> None:
    world.log.epoch = "two"
    world.log.ends = {7: 1}
    await world.read()
    await world.read()
    assert world.lost == 1
    world.log.ends = {7: 2}
    await world.read()
    assert world.fanout.learnt == [(7, 2)]


async def test_revisions_that_went_back_make_a_new_epoch(world: World) -> None:
    world.log.ends[7] = 5
    world.log.lost = {(7, 4)}
    world.fanout.is_whole = False
    await world.read()
    assert world.log.renewals == 1
