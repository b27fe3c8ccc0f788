"""Who may connect, and who has to come again."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from socketio.exceptions import ConnectionRefusedError

from gochat.core.errors import TokenInvalid
from gochat.events.connection import Roster
from gochat.events.connections import Connections
from gochat.events.entrance import Entrance


class Sockets:
    def __init__(self) -> None:
        self.evicted: list[tuple[str, str]] = []

    def evict(self, sid: str, reason: str) -> None:
        self.evicted.append((sid, reason))


class Slow:
    """An authenticator that is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()

    async def authenticate(self, token: str | None, *, allow_expired: bool = False) -> Any:
        self.asked += 1
        await self.answer.wait()
        raise TokenInvalid


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 (whoever it waits for has no event)
            await asyncio.sleep(0)


async def test_where_too_many_wait_who_comes_is_closed_at_once_and_costs_the_database_nothing() -> None:
    sockets, slow, none = Sockets(), Slow(), cast(Any, None)
    connections = Connections(cast(Any, sockets), Roster(), none, none, none, cast(Any, slow), none, 20)
    connections.entrance = Entrance(at_once=1, fewest=1, wait_s=0)
    first, second = (asyncio.create_task(connections.connect(sid, {}, {"token": "t"})) for sid in "ab")
    await until(lambda: connections.entrance.crowded and slow.asked == 1)
    with pytest.raises(ConnectionRefusedError):
        await connections.connect("c", {}, {"token": "t"})
    assert sockets.evicted == [("c", "postponed")]
    slow.answer.set()
    for task in (first, second):
        with pytest.raises(ConnectionRefusedError):
            await task
    assert slow.asked == 2
    assert sockets.evicted == [("c", "postponed")]
    assert not connections.entrance.crowded
