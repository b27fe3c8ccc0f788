"""However many sockets come at once, few are let in at the same time."""

import asyncio

from gochat.events.entrance import Entrance


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
    coming = Coming(Entrance(at_once=2, waiting=3))
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
    coming = Coming(Entrance(at_once=2, waiting=3))
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
    coming = Coming(Entrance(at_once=1, waiting=1))
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
