"""However many sockets come at once, few are let in at the same time."""

import asyncio

import pytest

from gochat.events.entrance import EXPECTED_S, Entrance


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Coming:
    """Sockets at an entrance; each stays in it until it is let go on."""

    def __init__(self, entrance: Entrance) -> None:
        self.entrance = entrance
        self.inside: list[int] = []
        self.most = 0
        self.go = asyncio.Semaphore(0)

    async def come(self, n: int) -> None:
        async with self.entrance:
            self.inside.append(n)
            self.most = max(self.most, len(self.inside))
            await self.go.acquire()
            self.inside.remove(n)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_few_are_let_in_at_a_time_in_the_order_in_which_they_came() -> None:
    coming = Coming(Entrance(at_once=2, fewest=3, wait_s=0))
    tasks = [asyncio.create_task(coming.come(n)) for n in range(10)]
    await settle()
    for n in range(9):
        assert coming.inside == [n, n + 1]
        coming.go.release()
        await settle()
    coming.go.release()
    await asyncio.gather(*tasks)
    assert coming.most == 2


async def test_it_is_crowded_while_too_many_wait_and_no_longer() -> None:
    coming = Coming(Entrance(at_once=2, fewest=3, wait_s=0))
    tasks = []
    for n in range(7):
        assert coming.entrance.crowded is (n >= 5)
        tasks.append(asyncio.create_task(coming.come(n)))
        await settle()
    for _ in range(3):
        coming.go.release()
    await settle()
    assert not coming.entrance.crowded
    for _ in range(4):
        coming.go.release()
    await asyncio.gather(*tasks)


async def test_who_leaves_while_they_wait_or_inside_makes_room() -> None:
    coming = Coming(Entrance(at_once=1, fewest=1, wait_s=0))
    first, second = asyncio.create_task(coming.come(1)), asyncio.create_task(coming.come(2))
    await settle()
    crowded = [coming.entrance.crowded]
    second.cancel()
    await settle()
    crowded.append(coming.entrance.crowded)
    assert crowded == [True, False]
    first.cancel()
    await settle()
    coming.inside.clear()
    third = asyncio.create_task(coming.come(3))
    await settle()
    assert coming.inside == [3]
    coming.go.release()
    await third


@pytest.mark.parametrize("each_s", [0.001, 0.01, 0.1])
async def test_so_many_may_wait_as_are_let_in_within_the_time_that_they_may_have_to(each_s: float) -> None:
    clock = Clock()
    coming = Coming(Entrance(at_once=2, fewest=5, wait_s=1, clock=clock))
    tasks = [asyncio.create_task(coming.come(n)) for n in range(100)]
    await settle()
    for _ in tasks:
        clock.now += each_s
        coming.go.release()
        await settle()
    await asyncio.gather(*tasks)
    places = 0
    while coming.entrance.expects():
        places += 1
    assert places == pytest.approx(2 + max(5, 1 / each_s), rel=0.1)


async def test_that_nobody_came_for_long_is_no_slowness() -> None:
    clock = Clock()
    coming = Coming(Entrance(at_once=1, fewest=1, wait_s=1, clock=clock))
    for n in range(20):
        clock.now += 60
        coming.go.release()
        await coming.come(n)
    assert coming.entrance.expects()
    assert coming.entrance.expects()
    assert coming.entrance.expects()


async def test_who_is_expected_counts_until_they_come_or_for_a_moment() -> None:
    clock = Clock()
    entrance = Entrance(at_once=1, fewest=3, wait_s=0, clock=clock)
    clock.now += 10 * EXPECTED_S
    coming = Coming(entrance)
    assert [entrance.expects() for _ in range(6)] == [True] * 4 + [False] * 2
    tasks = [asyncio.create_task(coming.come(n)) for n in range(3)]
    await settle()
    assert not entrance.expects()  # three are there, and the fourth is expected
    coming.go.release()
    await settle()
    assert entrance.expects()
    assert not entrance.expects()
    for _ in range(2):
        assert not entrance.expects()
        clock.now += EXPECTED_S * 1.1  # they do not come
    assert [entrance.expects() for _ in range(3)] == [True, True, False]
    for _ in range(2):
        coming.go.release()
    await asyncio.gather(*tasks)


async def test_a_moment_in_which_nobody_leaves_sends_nobody_away() -> None:
    """Who has a websocket already may have to wait for longer, too, than who might come."""
    clock = Clock()
    coming = Coming(Entrance(at_once=1, fewest=1, wait_s=1, clock=clock))
    tasks = [asyncio.create_task(coming.come(n)) for n in range(1_000)]
    await settle()
    for n in range(200):
        clock.now += 0.03 if n == 199 else 0.001
        coming.go.release()
        await settle()
    assert not coming.entrance.expects()
    assert not coming.entrance.crowded
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
