"""What is said of users here, in order, whatever the store does; and that what fails ends nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

import pytest

from gochat.core.errors import Unavailable
from gochat.core.model import Millis, UserId
from gochat.core.ports.reading import Reader
from gochat.core.presence import Sighting
from gochat.events.cluster.seam import NoDoorbell
from gochat.events.connection import Roster
from gochat.events.delivery import presence as module
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.sockets import Sockets
from gochat.storage.presence import MemoryPresences

ANN, BEN = 1, 2


class Store(MemoryPresences):
    """A store that takes what is said when the test lets it, or fails; each write is on a line of its own."""

    def __init__(self) -> None:
        super().__init__("here")
        self.slow: asyncio.Event | None = None
        self.faults: list[Exception] = []
        self.said: list[str] = []

    async def announce(self, user_ids: Iterable[UserId]) -> None:
        await self._write("came")
        await super().announce(user_ids)

    async def withdraw(self, user_ids: Iterable[UserId], now: Millis) -> None:
        await self._write("went")
        await super().withdraw(user_ids, now)

    async def beat(self, now: Millis) -> None:
        self.said.append("beat")
        if self.faults:
            raise self.faults.pop()
        await super().beat(now)

    async def _write(self, what: str) -> None:
        self.said.append(what)
        slow, self.slow = self.slow, None
        if self.faults:
            raise self.faults.pop()
        if slow is not None:
            await slow.wait()


def watching(store: Store) -> PresenceWatch:
    return PresenceWatch(cast(Sockets, None), Roster(), cast(Reader, None), store, NoDoorbell())


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until(said: list[str], *what: str) -> None:
    async def is_said() -> bool:
        return tuple(said[-len(what) :]) == what

    await eventually(is_said)


async def test_what_is_said_late_does_not_undo_what_was_said_after_it() -> None:
    """A user goes, which takes long to be said, and comes back meanwhile."""
    store = Store()
    watch = watching(store)
    watch.came(ANN)
    await until(store.said, "came")
    slow = store.slow = asyncio.Event()
    watch._left(ANN)
    await until(store.said, "went")
    watch.came(ANN)
    for _ in range(10):
        await asyncio.sleep(0)
    slow.set()
    await until(store.said, "went", "came")
    for _ in range(10):
        await asyncio.sleep(0)
    assert (await store.sightings([ANN]))[ANN].processes == {"here"}
    await watch.close()


@pytest.mark.parametrize("fault", [Unavailable(), ValueError("a fault of ours")])
async def test_what_the_store_did_not_take_is_said_again(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Of who has gone, too: else they would be online for hours."""
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    store = Store()
    watch = watching(store)
    watch.start()
    watch.came(ANN)
    watch.came(BEN)

    async def both() -> bool:
        return (await store.sightings([ANN, BEN])) == dict.fromkeys((ANN, BEN), Sighting(frozenset({"here"})))

    async def gone() -> bool:
        return not store.faults and not (await store.sightings([ANN]))[ANN].processes

    await eventually(both)
    store.faults += [fault, fault]
    watch._left(ANN)
    await eventually(gone)
    assert (await store.sightings([BEN]))[BEN].processes == {"here"}
    beats = store.said.count("beat")

    async def beats_on() -> bool:
        return store.said.count("beat") >= beats + 3

    await eventually(beats_on)
    await watch.close()
