"""Who hears that what others see of a user changed: once, however often it did and was heard of."""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from typing import cast

import orjson
import pytest

from gochat.contract.events import Told
from gochat.contract.ids import id_out
from gochat.core.errors import Unavailable
from gochat.core.ports.reading import Reader
from gochat.events.delivery import people as module
from gochat.events.delivery.people import People
from gochat.events.sockets import Sockets, conversation_room

ANN, BEN = 1, 2


class Rooms:
    """Keeps what each socket hears."""

    def __init__(self, rooms: dict[int, set[str]]) -> None:
        self._rooms = {conversation_room(cid): sids for cid, sids in rooms.items()}
        self.heard: dict[str, list[tuple[str, int]]] = defaultdict(list)

    def members(self, room: str) -> Collection[str]:
        return self._rooms.get(room, ())

    def broadcast(self, told: Told, room: str, skip: Collection[str] = ()) -> None:
        assert told.event == "user:updated"
        said = orjson.loads(told.payload)
        self.heard[room].append((said["user_id"], said["revision"]))


class Database:
    """Where users are; it may be away."""

    def __init__(self, places: dict[int, tuple[int, ...]]) -> None:
        self._places = places
        self.away = 0
        self.reads = 0

    async def places(self, user_id: int) -> tuple[int, ...]:
        self.reads += 1
        if self.away:
            self.away -= 1
            raise Unavailable
        return self._places[user_id]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_S", 0.0)
    monkeypatch.setattr(module, "AT_ONCE", 2)


def people(sockets: Rooms, database: Database) -> People:
    return People(cast(Sockets, sockets), cast(Reader, database))


async def settled(it: People) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*it._tasks._running)


async def test_each_socket_hears_once_what_came_together() -> None:
    rooms = Rooms({1: {"a", "b"}, 2: {"b", "c"}, 3: {"d"}, 4: {"e", "f", "g"}})
    database = Database({ANN: (1, 2, 4, 5), BEN: (3,)})
    it = people(rooms, database)
    for revision in (1, 2, 3):
        it.changed(ANN, revision)
    it.changed(BEN, 1)
    await settled(it)
    assert rooms.heard == {**{sid: [(id_out(ANN), 3)] for sid in "abcefg"}, "d": [(id_out(BEN), 1)]}
    for _ in range(2):  # the doorbell and the log tell it again
        it.changed(ANN, 3)
        it.changed(ANN, 2)
    await settled(it)
    assert database.reads == 2
    it.changed(ANN, 4)
    await settled(it)
    assert rooms.heard["a"] == [(id_out(ANN), 3), (id_out(ANN), 4)]
    it.forget()
    it.changed(ANN, 1)
    await settled(it)
    assert rooms.heard["a"][-1] == (id_out(ANN), 1), "of a database that was restored"


async def test_it_is_told_when_the_database_is_back() -> None:
    rooms, database = Rooms({1: {"a"}}), Database({ANN: (1,)})
    it = people(rooms, database)
    database.away = 3
    it.changed(ANN, 7)
    await settled(it)
    assert rooms.heard == {"a": [(id_out(ANN), 7)]}
    assert database.reads == 4


async def test_what_fails_holds_up_nobody() -> None:
    rooms, database = Rooms({1: {"a"}}), Database({ANN: (1,)})
    it = people(rooms, database)
    it.changed(BEN, 1)  # a KeyError
    it.changed(ANN, 1)
    await settled(it)
    assert list(rooms.heard) == ["a"]


async def test_of_too_many_some_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    monkeypatch.setattr(module, "MAX_TOLD", 1)
    rooms, database = Rooms({1: {"a"}}), Database(dict.fromkeys((1, 2, 3), (1,)))
    it = people(rooms, database)
    for user_id in (1, 2, 3, 2):
        it.changed(user_id, 1)
    it.changed(1, 2)
    await settled(it)
    assert sorted(rooms.heard["a"]) == [(id_out(1), 2), (id_out(2), 1)]
    assert len(it._told) == 1
    it.close()
