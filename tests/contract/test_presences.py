"""Where presence is kept: in memory and on Redis alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio.connection import AbstractConnection

from gochat.core.errors import Unavailable
from gochat.core.ports.presence import Presences
from gochat.core.presence import Sighting
from gochat.storage import presence as module
from gochat.storage.presence import MemoryPresences, RedisPresences
from tests.services.process import free_port

ANN, BEN, EVE = 1, 2, 3


@pytest.fixture(params=["memory", "redis"])
async def presences(request: pytest.FixtureRequest) -> AsyncIterator[Presences]:
    if request.param == "memory":
        yield MemoryPresences("here")
        return
    async with on_redis(request.getfixturevalue("redis_url")) as store:
        yield store


@asynccontextmanager
async def on_redis(url: str, process: str = "here") -> AsyncIterator[RedisPresences]:
    store = RedisPresences(url, "test:0", process)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(autouse=True)
def patient_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has much to do is no Redis that is away."""
    monkeypatch.setattr(module, "_TIMEOUT_S", 30.0)
    monkeypatch.setattr(module, "_WAIT_S", 30.0)


async def test_who_is_here_and_who_went(presences: Presences) -> None:
    await presences.announce([ANN, BEN])
    await presences.withdraw([BEN], 1_234)
    assert await presences.sightings([ANN, BEN, EVE]) == {
        ANN: Sighting(frozenset({"here"})),
        BEN: Sighting(frozenset(), 1_234),
        EVE: Sighting(),
    }


async def test_saying_it_twice_changes_nothing(presences: Presences) -> None:
    await presences.announce([ANN])
    await presences.announce([ANN])
    await presences.withdraw([ANN], 1)
    await presences.withdraw([ANN], 2)
    assert await presences.sightings([ANN]) == {ANN: Sighting(frozenset(), 2)}


async def test_beats(presences: Presences) -> None:
    await presences.beat(5)
    await presences.beat(7)
    assert await presences.beats(["here", "elsewhere"]) == {"here": 7}
    assert await presences.beats([]) == {}
    assert await presences.sightings([]) == {}


async def test_many_at_once(presences: Presences) -> None:
    await presences.announce(range(2_000))
    found = await presences.sightings(range(2_000))
    assert set(found.values()) == {Sighting(frozenset({"here"}))}


async def test_two_processes(redis_url: str) -> None:
    async with on_redis(redis_url, "one") as one, on_redis(redis_url, "other") as other:
        await one.announce([ANN])
        await other.announce([ANN])
        assert await one.sightings([ANN]) == {ANN: Sighting(frozenset({"one", "other"}))}
        await one.withdraw([ANN], 3)
        assert await other.sightings([ANN]) == {ANN: Sighting(frozenset({"other"}), 3)}


async def test_more_at_once_than_there_are_connections_wait(redis_url: str) -> None:
    async with on_redis(redis_url) as store:
        await asyncio.gather(*(store.announce([user_id]) for user_id in range(200)))
        found = await asyncio.gather(*(store.sightings([user_id]) for user_id in range(200)))
        assert all(seen[user_id].processes == {"here"} for user_id, seen in enumerate(found))


async def test_redis_that_is_away_is_unavailable() -> None:
    async with on_redis(f"redis://127.0.0.1:{free_port()}/0") as store:
        with pytest.raises(Unavailable):
            await store.announce([ANN])


async def test_a_connection_that_ended_in_the_middle_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As uvloop says it of a transport that is closed, whatever the library calls on it."""

    async def send(*_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    monkeypatch.setattr(AbstractConnection, "connect", send)
    async with on_redis(f"redis://127.0.0.1:{free_port()}/0") as store:
        with pytest.raises(Unavailable):
            await store.announce([ANN])
