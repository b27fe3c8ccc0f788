"""What a newcomer hears while he is told the conversation whole: nothing is missing, and in order."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Any, cast

import orjson

from gochat.contract.encode import delta_out
from gochat.contract.ids import id_out
from gochat.core.delta import Change, Committed, Delta, Why
from gochat.core.errors import NotFound
from gochat.core.model import Conversation, ConversationId, History, Kind, Member, Message, Role
from gochat.core.ports import ChangeLog, Identity, Reader
from gochat.core.queries import Batch, Membership, Memberships
from gochat.events.cluster.doorbell import NoDoorbell
from gochat.events.connection import Connection, Roster
from gochat.events.delivery.fanout import Fanout
from gochat.events.sockets import conversation_room
from tests.phone.store import Store

CID, ANN, BEN = 1, 2, 3
SID = "ben's"


class Sockets:
    """Rooms in memory, and what Ben's socket hears."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[str]] = defaultdict(set)
        self.heard: list[Any] = []
        self.whole = asyncio.Event()

    def enter(self, sid: str, room: str) -> None:
        self.rooms[room].add(sid)

    def leave(self, sid: str, room: str) -> None:
        self.rooms[room].discard(sid)

    def members(self, room: str) -> Collection[str]:
        return self.rooms[room]

    def broadcast(self, event: str, payload: bytes, room: str, skip: Collection[str] = ()) -> None:
        if SID not in skip and (room == SID or SID in self.rooms[room]):
            self.heard.append(orjson.loads(payload))
            if self.heard[-1]["since"] == 0:
                self.whole.set()

    def drain(self, sid: str) -> None:
        raise AssertionError("nobody drains here")

    def evict(self, sid: str) -> None:
        raise AssertionError(sid)

    dismiss = evict


class Database:
    """A conversation that grows; it is read when the test lets it be."""

    def __init__(self) -> None:
        self.revision = 0
        self.messages: list[Message] = []
        self.members = {ANN, BEN}
        self.may_read = asyncio.Event()

    def send(self) -> Change:
        self.revision += 1
        seq = len(self.messages) + 1
        message = Message(
            CID, seq, self.revision, ANN, seq.to_bytes(16, "big"), bytes(16), f"message {seq}", (), seq
        )
        self.messages.append(message)
        delta = Delta(CID, self.revision - 1, self.revision, messages=(message,))
        return Change(Why.MESSAGE_CREATED, delta)

    def add_ben(self) -> Change:
        self.revision += 1
        delta = Delta(CID, self.revision - 1, self.revision, self.conversation, members=(self.ben,))
        return Change(Why.MEMBER_ADDED, delta, joined=(BEN,))

    @property
    def conversation(self) -> Conversation:
        return Conversation(
            CID,
            Kind.GROUP,
            None,
            History.FROM_START,
            self.revision,
            len(self.messages),
            0,
            2,
            0,
            ANN,
        )

    @property
    def ben(self) -> Member:
        return Member(CID, BEN, Role.MEMBER, True, self.revision, self.revision, 1)

    def whole(self) -> Delta:
        return Delta(CID, 0, self.revision, self.conversation, messages=tuple(self.messages), me=self.ben)

    async def changes(self, user_id: int, conversation_id: ConversationId, since: int | None) -> Delta:
        whole = self.whole()
        await self.may_read.wait()
        if user_id not in self.members:
            raise NotFound
        return whole

    async def memberships(self, user_id: int) -> Memberships:
        return Memberships(0, (Membership(CID, self.revision, 1),))

    async def revisions(self, conversations: Iterable[ConversationId]) -> dict[ConversationId, int]:
        return {}


def fanout_of(sockets: Sockets, roster: Roster, database: Database) -> Fanout:
    reader, changes = cast(Reader, database), cast(ChangeLog, database)
    return Fanout(sockets, roster, reader, changes, NoDoorbell(), lambda user_id: None)


async def ann_comes(fanout: Fanout, roster: Roster) -> Connection:
    """Her socket opens the conversation at its revision of now."""
    ann = Connection("ann's", Identity(ANN, 2, 0), admitted=True)
    roster.add(ann)
    await fanout.attach(ann)
    return ann


async def test_a_newcomer_misses_nothing_while_he_is_told_all() -> None:
    sockets, database, roster = Sockets(), Database(), Roster()
    roster.add(Connection(SID, Identity(BEN, 1, 0), admitted=True))
    fanout = fanout_of(sockets, roster, database)
    store = Store(id_out(BEN))
    database.send()
    fanout.publish(Committed((database.add_ben(),)))
    await asyncio.sleep(0)  # it is being read for him
    fanout.publish(Committed((database.send(),)))
    await asyncio.sleep(0)
    store.apply(delta_out(database.whole()))  # his phone asked by itself, and was answered
    fanout.publish(Committed((database.send(),)))
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    fanout.publish(Committed((database.send(),)))
    for delta in sockets.heard:
        assert store.apply(delta)
    held = store.conversations[id_out(CID)]
    assert sorted(held.messages) == [1, 2, 3, 4]
    assert all(before["revision"] == after["since"] for before, after in pairwise(sockets.heard))
    fanout.close()


async def test_who_joined_before_another_member_came_is_told_late() -> None:
    """Ann's socket opens the conversation at its revision of now, while Ben's joining is still to be read."""
    sockets, database, roster = Sockets(), Database(), Roster()
    fanout = fanout_of(sockets, roster, database)
    roster.add(Connection(SID, Identity(BEN, 1, 0), admitted=True))
    database.send()
    joined = database.add_ben()
    database.send()
    await ann_comes(fanout, roster)
    span = (joined.delta.since, joined.delta.revision)
    fanout.learn([Batch(1, 1, {CID: span}, {}, {CID: (BEN,)})])
    fanout.publish(Committed((database.send(),)))
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    fanout.publish(Committed((database.send(),)))
    fanout.learn([Batch(1, 1, {CID: span}, {}, {CID: (BEN,)})])
    await asyncio.sleep(0)
    store = Store(id_out(BEN))
    for delta in sockets.heard:
        assert store.apply(delta)
    assert sorted(store.conversations[id_out(CID)].messages) == [1, 2, 3, 4]
    assert all(before["revision"] == after["since"] for before, after in pairwise(sockets.heard))
    fanout.close()


async def test_who_joined_and_is_gone_by_the_time_it_is_learnt_hears_nothing() -> None:
    sockets, database, roster = Sockets(), Database(), Roster()
    fanout = fanout_of(sockets, roster, database)
    roster.add(Connection(SID, Identity(BEN, 1, 0), admitted=True))
    joined = database.add_ben()
    database.send()
    ann = await ann_comes(fanout, roster)
    database.members = {ANN}
    fanout.learn([Batch(1, 1, {CID: (joined.delta.since, joined.delta.revision)}, {}, {CID: (BEN,)})])
    database.may_read.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert set(sockets.members(conversation_room(CID))) == {ann.sid}
    fanout.publish(Committed((database.send(),)))
    assert sockets.heard == []
    fanout.close()


async def test_what_a_newcomer_read_before_it_was_heard_is_not_told_again() -> None:
    sockets, database, roster = Sockets(), Database(), Roster()
    roster.add(Connection(SID, Identity(BEN, 1, 0), admitted=True))
    fanout = fanout_of(sockets, roster, database)
    database.send()
    fanout.publish(Committed((database.add_ben(),)))
    late = [database.send(), database.send()]  # committed elsewhere, and not heard of yet
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    for change in (*late, database.send()):
        fanout.publish(Committed((change,)))
    assert [(delta["since"], delta["revision"]) for delta in sockets.heard] == [(0, 4), (4, 5)]
    fanout.close()
