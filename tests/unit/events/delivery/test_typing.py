"""What ends typing, with a time so long that nothing ends by itself."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any, cast

import orjson
import pytest

from gochat.contract.events import Told
from gochat.contract.ids import id_out
from gochat.core.model import Standing
from gochat.core.ports.logins import Identity
from gochat.core.ports.reading import Reader
from gochat.core.queries import Membership
from gochat.events.cluster.seam import NoDoorbell, T, Topic
from gochat.events.connection import Connection, Roster, State
from gochat.events.delivery import typing as module
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.delivery.rights import Rights
from gochat.events.delivery.topics import TYPING
from gochat.events.delivery.typing import Typing
from gochat.events.sockets import conversation_room, screen_room

CID, ELSEWHERE = 1, 2
ANN, BEN = 3, 4


class Sockets:
    """One socket looks at the conversation, and keeps the lists that it hears."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[str]] = defaultdict(set, {screen_room(CID): {"sid"}})
        self.lists: list[dict[int, str]] = []

    def members(self, room: str) -> Collection[str]:
        return self.rooms[room]

    def broadcast(self, told: Told, room: str, skip: Collection[str] = ()) -> None:
        said = orjson.loads(told.payload)
        assert told.event == "typing:changed"
        assert said["user_ids"] == [it["user_id"] for it in said["typists"]]
        names = {id_out(user_id): user_id for user_id in (ANN, BEN)}
        self.lists.append({names[it["user_id"]]: it["kind"] for it in said["typists"]})

    def enter(self, sid: str, room: str) -> None:
        raise AssertionError(room)

    leave = enter

    def behind(self, room: str, size: int) -> Collection[str]:
        raise AssertionError(room)

    def is_behind(self, sid: str) -> bool:
        raise AssertionError(sid)

    def drain(self, sid: str) -> None:
        raise AssertionError(sid)

    dismiss = drain

    def evict(self, sid: str, reason: str) -> None:
        raise AssertionError(sid, reason)


class Doorbell(NoDoorbell):
    """Keeps what is rung, and lets others ring, as what goes between processes."""

    def __init__(self) -> None:
        self.rung: list[Mapping[str, Any]] = []
        self._told: Callable[[Any], None]

    def ring(self, room: str, topic: Topic[T], news: T) -> None:
        assert room == conversation_room(CID)
        header, _ = topic.pack(news)
        self.rung.append(header)

    def hear(self, topic: Topic[T], told: Callable[[T], None]) -> None:
        assert topic is TYPING
        self._told = told

    def say(self, user_id: int, **kind: str) -> None:
        """Another process rings that someone types there."""
        header = {"conversation": CID, "user": user_id, "on": True, **kind}
        self._told(TYPING.unpack(header, b""))


class World:
    def __init__(self) -> None:
        self.sockets, self.doorbell = Sockets(), Doorbell()
        self.typing = Typing(self.sockets, self.doorbell)


@pytest.fixture
async def it(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(module, "TTL_S", 1_000.0)
    world = World()
    yield world
    world.typing.close()


def delta(*messages: tuple[int, bool]) -> bytes:
    """Messages by their senders, and whether each is new."""
    return orjson.dumps(
        {
            "messages": [
                {"sender_id": id_out(sender), "edited_at": None if new else "then", "deleted_at": None}
                for sender, new in messages
            ]
        }
    )


async def test_each_has_a_kind_and_the_last_word_counts(it: World) -> None:
    it.typing.start(CID, ANN, "text")
    it.doorbell.say(BEN, kind="voice")
    it.typing.start(CID, ANN, "voice")
    it.doorbell.say(BEN)  # of a process that knows no kinds
    it.typing.stop(CID, ANN)
    assert it.sockets.lists == [
        {ANN: "text"},
        {ANN: "text", BEN: "voice"},
        {ANN: "voice", BEN: "voice"},
        {ANN: "voice", BEN: "text"},
        {BEN: "text"},
    ]
    assert [(header["on"], header["kind"]) for header in it.doorbell.rung] == [
        (True, "text"),
        (True, "voice"),
        (False, None),
    ]


async def test_who_is_out_is_not_listed_not_even_by_what_comes_late(it: World) -> None:
    it.typing.start(CID, ANN, "text")
    it.doorbell.say(BEN)
    it.typing.forbid(CID, [BEN])
    it.doorbell.say(BEN)
    assert it.sockets.lists[-1] == {ANN: "text"}
    it.typing.allow(CID, [BEN])
    it.doorbell.say(BEN)
    assert it.sockets.lists[-1] == {ANN: "text", BEN: "text"}


async def test_a_new_message_ends_its_senders_typing_and_an_edit_does_not(it: World) -> None:
    it.typing.start(CID, ANN, "text")
    it.doorbell.say(BEN)
    it.typing.spoke(CID, delta((ANN, False)))
    assert it.sockets.lists[-1] == {ANN: "text", BEN: "text"}
    it.typing.spoke(CID, delta((BEN, False), (ANN, True)))
    assert it.sockets.lists[-1] == {BEN: "text"}
    assert CID in it.typing
    it.typing.spoke(CID, delta((BEN, True)))
    assert it.sockets.lists[-1] == {}
    assert CID not in it.typing


async def test_where_one_has_blocked_the_other_nobody_types(it: World) -> None:
    it.typing.start(CID, ANN, "text")
    it.doorbell.say(BEN)
    it.typing.close_for(ANN, frozenset({CID, ELSEWHERE}))
    assert it.sockets.lists[-1] == {}
    told, heard = len(it.sockets.lists), len(it.doorbell.rung)
    it.typing.start(CID, ANN, "text")
    it.doorbell.say(BEN)
    assert (len(it.sockets.lists), len(it.doorbell.rung)) == (told, heard)
    it.typing.close_for(BEN, frozenset({CID}))
    it.typing.close_for(ANN, frozenset())
    it.doorbell.say(BEN)
    assert len(it.sockets.lists) == told, "the other has, too"
    it.typing.close_for(BEN, frozenset())
    it.doorbell.say(BEN)
    assert it.sockets.lists[-1] == {BEN: "text"}


class Blocks:
    """A database that tells late whom a user has blocked: by then nobody any more."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()

    async def closed(self, user_id: int) -> frozenset[int]:
        await self.may_read.wait()
        return frozenset()

    async def standing(self, user_id: int) -> Standing:
        return Standing()


async def test_a_blocked_conversation_is_closed_until_it_is_read_who_blocked_whom(it: World) -> None:
    roster, blocks = Roster(), Blocks()
    roster.add(Connection("sid", Identity(ANN, 1, 0), state=State.ADMITTED))
    rights = Rights(it.sockets, roster, cast(Reader, blocks), it.typing, cast(PresenceWatch, None))
    rights.came(ANN, (Membership(CID, 1, 1, blocked=True),))
    it.doorbell.say(BEN, kind="text")
    it.typing.start(CID, ANN, "text")
    assert not it.sockets.lists
    assert not it.doorbell.rung
    blocks.may_read.set()
    async with asyncio.timeout(10):
        while not it.sockets.lists:
            await asyncio.sleep(0)
            it.typing.start(CID, ANN, "text")
    rights.close()
