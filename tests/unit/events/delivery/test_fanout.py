"""Who hears what as members come and go: nothing is missing, in order, and nothing for those who are out."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import orjson
import pytest

from gochat.contract.encode import delta_out
from gochat.contract.events import Told
from gochat.contract.ids import id_out
from gochat.core.delta import Change, Committed, Delta, Why, repaired
from gochat.core.errors import NotFound
from gochat.core.limits import Limits
from gochat.core.model import Conversation, ConversationId, History, Kind, Member, Message, Role, Standing
from gochat.core.ports.logins import Identity
from gochat.core.ports.reading import ChangeLog, Reader
from gochat.core.queries import Batch, Membership, Memberships
from gochat.events.cluster.seam import MAX_PAYLOAD, NoDoorbell
from gochat.events.connection import Connection, Roster, State
from gochat.events.delivery import fanout as fanout_module
from gochat.events.delivery import gates, slow, visibility
from gochat.events.delivery.fanout import Fanout
from gochat.events.delivery.people import People
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.delivery.rights import Rights
from gochat.events.delivery.typing import Typing
from gochat.events.sockets import conversation_room, screen_room
from gochat.storage.presence import MemoryPresences
from tests.phone.store import Store

CID, ANN, BEN = 1, 2, 3
SID = "ben's"


class Sockets:
    """Rooms in memory, and what Ben's socket hears."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[str]] = defaultdict(set)
        self.heard: list[Any] = []
        self.events: list[str] = []
        self.slow: set[str] = set()
        self.whole = asyncio.Event()

    def enter(self, sid: str, room: str) -> None:
        self.rooms[room].add(sid)

    def leave(self, sid: str, room: str) -> None:
        self.rooms[room].discard(sid)

    def members(self, room: str) -> Collection[str]:
        return self.rooms[room]

    def broadcast(self, told: Told, room: str, skip: Collection[str] = ()) -> None:
        if SID not in skip and (room == SID or SID in self.rooms[room]):
            self.heard.append(orjson.loads(told.payload))
            self.events.append(told.event)
            if self.heard[-1]["since"] == 0:
                self.whole.set()

    def behind(self, room: str, size: int) -> Collection[str]:
        return self.slow & self.rooms[room]

    def is_behind(self, sid: str) -> bool:
        return sid in self.slow

    def drain(self, sid: str) -> None:
        raise AssertionError("nobody drains here")

    def evict(self, sid: str, why: str) -> None:
        raise AssertionError(sid)

    def dismiss(self, sid: str) -> None:
        raise AssertionError(sid)


class Database:
    """A conversation that grows; it is read when the test lets it be. Ben may come, go and come again.

    Args:
        from_joining: whether Ben sees nothing from before he came.
    """

    def __init__(self, *, from_joining: bool = False) -> None:
        self.revision = 0
        self.messages: list[Message] = []
        self.members = {ANN, BEN}
        self.may_read = asyncio.Event()
        self.may_repair = asyncio.Event()
        self.may_repair.set()
        self.part = 1_000
        """A repair tells so many revisions at once."""
        self.reads = 0
        self._from_joining = from_joining
        self.ben = self._ben(active=True)

    def send(self, body: str | None = None) -> Change:
        self.revision += 1
        seq = len(self.messages) + 1
        text = body or f"message {seq}"
        message = Message(CID, seq, self.revision, ANN, seq.to_bytes(16, "big"), bytes(16), text, (), seq)
        self.messages.append(message)
        delta = Delta(CID, self.revision - 1, self.revision, messages=(message,))
        return Change(Why.MESSAGE_CREATED, delta)

    def edit(self, seq: int) -> Change:
        self.revision += 1
        message = replace(self.messages[seq - 1], body="edited", revision=self.revision)
        self.messages[seq - 1] = message
        delta = Delta(CID, self.revision - 1, self.revision, messages=(message,))
        return Change(Why.MESSAGE_EDITED, delta)

    def add_ben(self) -> Change:
        self.revision += 1
        self.members.add(BEN)
        self.ben = self._ben(active=True)
        delta = Delta(CID, self.revision - 1, self.revision, self.conversation, members=(self.ben,))
        return Change(Why.MEMBER_ADDED, delta, joined=(BEN,))

    def remove_ben(self) -> Change:
        self.revision += 1
        self.members.discard(BEN)
        self.ben = replace(self.ben, active=False, revision=self.revision)
        delta = Delta(CID, self.revision - 1, self.revision, self.conversation, members=(self.ben,))
        return Change(Why.MEMBER_REMOVED, delta, left=(BEN,))

    def promote_ben(self) -> Change:
        """In a group that is so large that his row is shown to him alone."""
        self.revision += 1
        self.ben = replace(self.ben, role=Role.ADMIN, revision=self.revision)
        return Change(Why.MEMBER_UPDATED, Delta(CID, self.revision - 1, self.revision), theirs=(BEN,))

    def _ben(self, *, active: bool) -> Member:
        first = len(self.messages) + 1 if self._from_joining else 1
        return Member(CID, BEN, Role.MEMBER, active, self.revision, self.revision, first)

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

    def whole(self) -> Delta:
        seen = tuple(it for it in self.messages if it.seq >= self.ben.visible_from_seq)
        return Delta(CID, 0, self.revision, self.conversation, (self.ben,), seen, me=self.ben)

    async def changes(
        self, user_id: int, conversation_id: ConversationId, since: int | None, *, in_parts: bool
    ) -> Delta:
        self.reads += 1
        whole = self.whole()
        await self.may_read.wait()
        if user_id not in self.members:
            raise NotFound
        if since is None or since < whole.members[0].joined_revision:
            return whole
        news = tuple(it for it in whole.messages if it.revision > since)
        return replace(whole, since=since, messages=news)

    async def repair(self, conversation_id: ConversationId, since: int) -> Change:
        await self.may_repair.wait()
        last = min(self.revision, since + self.part)
        messages = tuple(it for it in self.messages if since < it.revision <= last)
        ben = (self.ben,) if self.ben.revision > since else ()
        delta = Delta(CID, since, last, self.conversation, ben, messages)
        return repaired(delta, self.conversation, Limits())

    async def standing(self, user_id: int) -> Standing:
        return Standing()

    async def closed(self, user_id: int) -> frozenset[int]:
        return frozenset()

    async def memberships(self, user_id: int) -> Memberships:
        visible = Membership(CID, self.revision, self.ben.visible_from_seq)
        return Memberships(0, (visible,), await self.standing(user_id))

    async def revisions(self, conversations: Iterable[ConversationId]) -> dict[ConversationId, int]:
        return {}


def fanout_of(sockets: Sockets, roster: Roster, database: Database) -> Fanout:
    reader, changes = cast(Reader, database), cast(ChangeLog, database)
    doorbell = NoDoorbell()
    typing = Typing(sockets, doorbell)
    presence = PresenceWatch(sockets, roster, reader, MemoryPresences("here"), doorbell)
    rights = Rights(sockets, roster, reader, typing, presence)
    return Fanout(sockets, roster, reader, changes, doorbell, rights, typing, People(sockets, reader))


async def ann_comes(fanout: Fanout, roster: Roster) -> Connection:
    """Her socket opens the conversation at its revision of now."""
    ann = Connection("ann's", Identity(ANN, 2, 0), state=State.ADMITTED)
    roster.add(ann)
    await fanout.attach(ann)
    return ann


async def test_a_newcomer_misses_nothing_while_he_is_told_all() -> None:
    sockets, database, roster = Sockets(), Database(), Roster()
    roster.add(Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED))
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
    roster.add(Connection(SID, Identity(BEN, 1, 0), state=State.READY))
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
    roster.add(Connection(SID, Identity(BEN, 1, 0), state=State.READY))
    joined = database.add_ben()
    database.send()
    ann = await ann_comes(fanout, roster)
    database.members = {ANN}
    fanout.learn([Batch(1, 1, {CID: (joined.delta.since, joined.delta.revision)}, {}, {CID: (BEN,)})])
    for _ in range(10):
        await asyncio.sleep(0)
    assert set(sockets.members(conversation_room(CID))) == {ann.sid}, "nobody is in before that is known"
    database.may_read.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert set(sockets.members(conversation_room(CID))) == {ann.sid}
    fanout.publish(Committed((database.send(),)))
    assert sockets.heard == []
    fanout.close()


async def ben_is_told_late(sockets: Sockets, database: Database) -> tuple[Fanout, Roster, Connection]:
    """It is being read whether he, who joined before Ann's socket came, is a member."""
    roster = Roster()
    fanout = fanout_of(sockets, roster, database)
    roster.add(Connection(SID, Identity(BEN, 1, 0), state=State.READY))
    joined = database.add_ben()
    database.send()
    ann = await ann_comes(fanout, roster)
    fanout.learn([Batch(1, 1, {CID: (joined.delta.since, joined.delta.revision)}, {}, {CID: (BEN,)})])
    await asyncio.sleep(0)
    return fanout, roster, ann


def goes(fanout: Fanout, roster: Roster, sockets: Sockets, connection: Connection) -> None:
    """The socket of a connection is closed."""
    roster.remove(connection.sid)
    in_room = connection.sid in sockets.members(conversation_room(CID))
    sockets.leave(connection.sid, conversation_room(CID))
    fanout.detach(connection, [CID] if in_room else [])


async def test_who_is_told_late_hears_what_follows_though_the_other_has_gone() -> None:
    sockets, database = Sockets(), Database()
    fanout, roster, ann = await ben_is_told_late(sockets, database)
    goes(fanout, roster, sockets, ann)
    fanout.publish(Committed((database.send(),)))
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    fanout.publish(Committed((database.send(),)))
    assert [(delta["since"], delta["revision"]) for delta in sockets.heard] == [(0, 2), (2, 3), (3, 4)]
    fanout.close()


async def test_what_is_about_oneself_alone_is_told_who_is_told_late() -> None:
    sockets, database = Sockets(), Database()
    fanout, _, _ = await ben_is_told_late(sockets, database)
    fanout.publish(Committed((database.promote_ben(),)))
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    assert [delta["members"][0]["role"] for delta in sockets.heard] == ["admin"]
    fanout.close()


@pytest.mark.parametrize("read", ["well", "not"])
async def test_of_who_is_gone_before_they_are_told_late_nothing_is_kept(read: str) -> None:
    sockets, database = Sockets(), Database()
    fanout, roster, ann = await ben_is_told_late(sockets, database)
    ben = roster.get(SID)
    assert ben is not None
    goes(fanout, roster, sockets, ben)
    goes(fanout, roster, sockets, ann)
    if read == "not":
        database.members = {ANN}
    database.may_read.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert CID not in fanout._conversations
    assert not fanout._visibility.telling(CID)
    fanout.close()


@pytest.mark.parametrize("read", ["before", "after"])
async def test_what_the_log_tells_while_one_connects_makes_no_repair(
    read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether their conversations are read before they join it or after: what follows is told live."""
    monkeypatch.setattr(gates, "LOG_PATIENCE_S", 0)
    monkeypatch.setattr(fanout_module, "LOG_PATIENCE_S", 0)
    sockets, database, roster = Sockets(), Database(), Roster()
    database.may_read.set()
    may_list = asyncio.Event()

    async def memberships(user_id: int) -> Memberships:
        theirs = (Membership(CID, database.revision, 1),) if BEN in database.members else ()
        found = Memberships(0, theirs, Standing())
        await may_list.wait()
        return found

    monkeypatch.setattr(database, "memberships", memberships)
    fanout = fanout_of(sockets, roster, database)
    database.members = {ANN}
    added = database.add_ben() if read == "after" else None
    ben = Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED)
    roster.add(ben)
    attaching = asyncio.create_task(fanout.attach(ben))
    await asyncio.sleep(0)
    added = added or database.add_ben()
    fanout.learn([Batch(1, 1, {CID: (added.delta.since, added.delta.revision)}, {}, {CID: (BEN,)})])
    for _ in range(10):
        await asyncio.sleep(0)
    may_list.set()
    await attaching
    if read == "before":
        await asyncio.wait_for(sockets.whole.wait(), 10)
    fanout.publish(Committed((database.send(), database.remove_ben())))
    assert sockets.events[-2:] == ["message:created", "member:removed"]
    assert database.reads == (1 if read == "before" else 0)
    assert not fanout._until_ready
    fanout.close()


async def test_what_the_log_tells_while_one_connects_to_what_is_heard_here_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ann's socket has opened the conversation; Ben's comes with what he is a member of, and syncs after."""
    sockets, database, roster = Sockets(), Database(), Roster()
    database.may_read.set()
    joined = database.add_ben()
    fanout = fanout_of(sockets, roster, database)
    await ann_comes(fanout, roster)
    may_list = asyncio.Event()

    async def memberships(user_id: int) -> Memberships:
        await may_list.wait()
        return Memberships(0, (Membership(CID, database.revision, 1),), Standing())

    monkeypatch.setattr(database, "memberships", memberships)
    ben = Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED)
    roster.add(ben)
    attaching = asyncio.create_task(fanout.attach(ben))
    await asyncio.sleep(0)
    fanout.learn([Batch(1, 1, {CID: (joined.delta.since, joined.delta.revision)}, {}, {CID: (BEN,)})])
    for _ in range(10):
        await asyncio.sleep(0)
    may_list.set()
    await attaching
    fanout.publish(Committed((database.send(),)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert sockets.events == ["message:created"]
    assert not fanout._until_ready
    fanout.close()


async def test_what_was_decided_while_one_connects_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their login was read before, and they were not here yet when it was told."""
    sockets, database, roster = Sockets(), Database(), Roster()
    muted = Standing(muted_until=1 << 50)

    async def standing(user_id: int) -> Standing:
        return muted

    monkeypatch.setattr(database, "standing", standing)
    fanout = fanout_of(sockets, roster, database)
    ben = Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED)
    roster.add(ben)
    await fanout.attach(ben)
    async with asyncio.timeout(10):
        while ben.identity.standing != muted:  # noqa: ASYNC110
            await asyncio.sleep(0)
    fanout.close()


async def test_what_a_newcomer_read_before_it_was_heard_is_not_told_again() -> None:
    sockets, database, roster = Sockets(), Database(), Roster()
    roster.add(Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED))
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


async def ben_and_ann(database: Database) -> tuple[Fanout, Roster, Sockets]:
    """Both are here, and this process has heard all until now."""
    sockets, roster = Sockets(), Roster()
    fanout = fanout_of(sockets, roster, database)
    await ann_comes(fanout, roster)
    ben = Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED)
    roster.add(ben)
    await fanout.attach(ben)
    return fanout, roster, sockets


async def ben_in_from_the_fourth_message() -> tuple[Database, Fanout, Roster, Sockets]:
    database = Database(from_joining=True)
    for _ in range(3):
        database.send()
    database.add_ben()
    return database, *await ben_and_ann(database)


async def settle(fanout: Fanout, database: Database, sockets: Sockets) -> None:
    """What is missing is read, and all that is told apart is told."""
    async with asyncio.timeout(10):
        while fanout._conversations.revision(CID) < database.revision:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for _ in range(20):
        await asyncio.sleep(0)


def bodies(sockets: Sockets) -> list[str]:
    return [it["body"] for delta in sockets.heard for it in delta.get("messages", ())]


def learn_all(fanout: Fanout, database: Database, since: int) -> None:
    """That there is more, in numbers alone: as of a large delta, or by the poll."""
    fanout.learn([Batch(1, 1, {CID: (since, database.revision)}, {}, {})])


@pytest.mark.parametrize("part", [1, 2, 1_000])
async def test_who_was_removed_hears_nothing_of_a_repair_but_that(part: int) -> None:
    """Also where it begins with an edit of what is older than his time, which is told him apart."""
    database, fanout, _, sockets = await ben_in_from_the_fourth_message()
    database.part, since = part, database.revision
    database.edit(2)
    database.send("still a member")
    database.remove_ben()
    database.send("SECRET")
    learn_all(fanout, database, since)
    await settle(fanout, database, sockets)
    assert {delta.get("removed") for delta in sockets.heard} == {True}
    assert bodies(sockets) == []
    fanout.close()


@pytest.mark.parametrize("part", [1, 2, 1_000])
@pytest.mark.parametrize("is_read_late", [False, True])
async def test_who_was_removed_and_came_again_hears_nothing_of_what_was_between(
    part: int, is_read_late: bool
) -> None:
    database, fanout, _, sockets = await ben_in_from_the_fourth_message()
    database.part, since = part, database.revision
    if not is_read_late:
        database.may_read.set()
    database.edit(2)
    database.remove_ben()
    for _ in range(4):
        database.send("SECRET")
    database.add_ben()
    database.send("welcome")
    learn_all(fanout, database, since)
    await settle(fanout, database, sockets)
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    fanout.publish(Committed((database.send("news"),)))
    assert bodies(sockets) == ["welcome", "news"]
    assert [delta["since"] for delta in sockets.heard] == [0, database.revision - 1]
    assert database.reads == 1, "told once, however many parts there were"
    fanout.close()


async def test_who_is_removed_live_hears_nothing_after_it() -> None:
    database, fanout, _, sockets = await ben_in_from_the_fourth_message()
    changes = (database.edit(1), database.remove_ben(), database.edit(2), database.send("SECRET"))
    for change in changes:
        fanout.publish(Committed((change,)))
    assert [delta.get("removed") for delta in sockets.heard] == [None, True]
    assert bodies(sockets) == []
    fanout.close()


async def ben_who_was_added_and_removed(database: Database) -> tuple[Fanout, Roster, Sockets, Batch]:
    """Live. Returns the batch that added him, too: the log tells of it after the doorbell did."""
    sockets, roster = Sockets(), Roster()
    fanout = fanout_of(sockets, roster, database)
    roster.add(Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED))
    database.may_read.set()
    database.send()
    added = database.add_ben()
    fanout.publish(Committed((added,)))
    await asyncio.wait_for(sockets.whole.wait(), 10)
    fanout.publish(Committed((database.remove_ben(),)))
    assert sockets.events == ["member:added", "member:removed"]
    span = (added.delta.since, added.delta.revision)
    return fanout, roster, sockets, Batch(1, 1, {CID: span}, {}, {CID: (BEN,)})


@pytest.mark.parametrize("who_else", ["nobody", "ann", "ann, later"])
async def test_who_was_removed_is_not_let_in_by_what_the_log_tells_again(who_else: str) -> None:
    """And when they come again, that is told as it happens, not as a repair."""
    database = Database()
    sockets, roster = Sockets(), Roster()
    if who_else == "ann":
        fanout, roster, sockets = await ben_and_ann(database)
        database.may_read.set()
        removed = database.remove_ben()
        fanout.publish(Committed((removed,)))
        sockets.whole.clear()
        added = database.add_ben()
        fanout.publish(Committed((added,)))
        await asyncio.wait_for(sockets.whole.wait(), 10)
        fanout.publish(Committed((database.remove_ben(),)))
        batch = Batch(1, 1, {CID: (added.delta.since, added.delta.revision)}, {}, {CID: (BEN,)})
    else:
        fanout, roster, sockets, batch = await ben_who_was_added_and_removed(database)
    if who_else == "ann, later":
        await asyncio.sleep(0)
        database.send("while nobody was here")
        await ann_comes(fanout, roster)
    heard, reads = len(sockets.heard), database.reads
    await asyncio.sleep(0)
    fanout.learn([batch])
    assert SID not in sockets.members(conversation_room(CID))
    fanout.publish(Committed((database.add_ben(),)))
    fanout.learn([batch])
    for _ in range(20):
        await asyncio.sleep(0)
    fanout.publish(Committed((database.send("news"),)))
    assert sockets.events[heard:] == ["member:added", "message:created"]
    assert database.reads == reads + 1
    fanout.close()


async def test_who_is_removed_and_added_by_what_comes_together_hears_what_follows() -> None:
    """The adding came first, over another connection: both pass at once, and only Ben is here."""
    database = Database()
    fanout, _, sockets, _ = await ben_who_was_added_and_removed(database)
    fanout.publish(Committed((database.add_ben(),)))
    for _ in range(20):
        await asyncio.sleep(0)
    removed, added = database.remove_ben(), database.add_ben()
    fanout.publish(Committed((added,)))
    fanout.publish(Committed((removed,)))
    for _ in range(20):
        await asyncio.sleep(0)
    fanout.publish(Committed((database.send("news"),)))
    assert sockets.events[-3:] == ["member:removed", "member:added", "message:created"]
    fanout.close()


async def test_what_the_log_tells_before_the_doorbell_rings_is_not_repaired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "PATIENCE_S", 0)
    database = Database()
    fanout, _, sockets = await ben_and_ann(database)
    sent = database.send()
    learn_all(fanout, database, sent.delta.since)
    for _ in range(20):
        await asyncio.sleep(0)
    fanout.publish(Committed((sent,)))
    assert sockets.events == ["message:created"]
    fanout.close()


async def test_who_is_out_by_the_time_it_is_read_has_no_right_left() -> None:
    """Ben joined before Ann's socket came, which is learnt late: he enters, and is out again."""
    sockets, database, roster = Sockets(), Database(), Roster()
    fanout = fanout_of(sockets, roster, database)
    ben = Connection(SID, Identity(BEN, 1, 0), state=State.READY)
    roster.add(ben)
    joined = database.add_ben()
    database.send()
    await ann_comes(fanout, roster)
    database.members = {ANN}
    fanout.learn([Batch(1, 1, {CID: (joined.delta.since, joined.delta.revision)}, {}, {CID: (BEN,)})])
    sockets.enter(SID, screen_room(CID))
    ben.typing |= {CID}
    database.may_read.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert SID not in sockets.members(conversation_room(CID))
    assert SID not in sockets.members(screen_room(CID))
    assert not ben.typing
    fanout.close()


async def test_a_removal_is_told_as_of_when_it_is_known() -> None:
    """A phone ignores what comes late of a conversation up to there: answers to what it asked before."""
    database, fanout, _, sockets = await ben_in_from_the_fourth_message()
    database.part, since = 1, database.revision
    whole = delta_out(database.whole())
    store = Store(id_out(BEN))
    assert store.apply(whole)
    database.send("a")
    database.send("b")
    late = delta_out(database.whole())
    database.remove_ben()
    database.may_repair.clear()
    learn_all(fanout, database, since)
    database.may_repair.set()
    await settle(fanout, database, sockets)
    assert store.apply(sockets.heard[0])
    assert store.apply(late)
    assert store.conversations == {}
    fanout.close()


async def test_what_was_before_a_sockets_coming_is_not_told_it_late() -> None:
    """Ben was removed and came again before he connected; this process hears of all that only now."""
    database = Database(from_joining=True)
    sockets, roster = Sockets(), Roster()
    fanout = fanout_of(sockets, roster, database)
    await ann_comes(fanout, roster)
    changes = [database.send("old"), database.remove_ben(), database.send("SECRET"), database.add_ben()]
    ben = Connection(SID, Identity(BEN, 1, 0), state=State.ADMITTED)
    roster.add(ben)
    await fanout.attach(ben)
    fanout.publish(Committed((changes[0],)))
    assert sockets.heard == []
    for change in (*changes[1:], database.send("news")):
        fanout.publish(Committed((change,)))
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    assert bodies(sockets) == ["news"]
    fanout.close()


@pytest.mark.parametrize("order", ["told", "telling"])
async def test_ones_own_row_of_a_large_group_is_told_while_one_is_told_the_rest(order: str) -> None:
    """His role changes together with an old message, or while the conversation is read for him whole."""
    database = Database(from_joining=True)
    database.send()
    fanout, _, sockets = await ben_and_ann(database)
    database.remove_ben()
    fanout.publish(Committed((Change(Why.MEMBER_REMOVED, Delta(CID, 1, 2), left=(BEN,)),)))
    fanout.publish(Committed((database.add_ben(),)))
    await asyncio.sleep(0)
    if order == "told":
        database.may_read.set()
        await asyncio.wait_for(sockets.whole.wait(), 10)
    fanout.publish(Committed((database.promote_ben(),)))
    database.may_read.set()
    await asyncio.wait_for(sockets.whole.wait(), 10)
    await settle(fanout, database, sockets)
    rows = [it for delta in sockets.heard for it in delta.get("members", ())]
    assert rows[-1]["role"] == "admin"
    assert sockets.heard[-1]["revision"] == database.revision
    fanout.close()


async def test_who_reads_too_slowly_is_told_when_they_have_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing twice; what others hear goes on meanwhile."""
    monkeypatch.setattr(slow, "EVERY_S", 0)
    database = Database()
    database.may_read.set()
    fanout, _, sockets = await ben_and_ann(database)
    sockets.slow.add(SID)
    for _ in range(3):
        fanout.publish(Committed((database.send(),)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (sockets.heard, database.reads) == ([], 0)
    sockets.slow.clear()
    async with asyncio.timeout(10):
        while not sockets.heard:  # noqa: ASYNC110
            await asyncio.sleep(0)
    fanout.publish(Committed((database.send(),)))
    assert [(it["since"], it["revision"]) for it in sockets.heard] == [(0, 3), (3, 4)]
    assert sockets.events == ["conversation:changes", "message:created"]
    assert database.reads == 1
    fanout.close()


@pytest.mark.parametrize("bound", ["MAX_HELD", "MAX_HELD_BYTES"])
async def test_what_is_too_much_to_hold_for_one_who_is_told_is_read(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(visibility, bound, 3 if bound == "MAX_HELD" else 1_000)
    database = Database()
    fanout, _, sockets = await ben_and_ann(database)
    sockets.slow.add(SID)
    fanout.publish(Committed((database.send(),)))
    sockets.slow.clear()
    await asyncio.sleep(0)  # it is being read for him
    for _ in range(10):
        fanout.publish(Committed((database.send(),)))
    database.may_read.set()
    for _ in range(20):
        await asyncio.sleep(0)
    fanout.publish(Committed((database.send(),)))
    assert [(it["since"], it["revision"]) for it in sockets.heard] == [(0, 1), (1, 11), (11, 12)]
    assert bodies(sockets)[-11:] == [f"message {n}" for n in range(2, 13)]
    fanout.close()


async def test_what_was_read_with_the_rest_is_not_told_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor as a delta of nothing; and much comes in parts, as large as what is told at once."""
    monkeypatch.setattr(slow, "EVERY_S", 0)
    monkeypatch.setattr(visibility, "MAX_HELD", 3)
    database = Database()
    database.may_read.set()
    fanout, _, sockets = await ben_and_ann(database)
    fanout.publish(Committed((database.send(),)))
    sockets.slow.add(SID)
    for _ in range(10):
        fanout.publish(Committed((database.send("\x01" * 2_000),)))
    sockets.slow.clear()
    async with asyncio.timeout(10):
        while database.reads < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    fanout.publish(Committed((database.send(),)))
    spans = [(it["since"], it["revision"]) for it in sockets.heard]
    assert spans == [(0, 1), (1, 3), (3, 5), (5, 7), (7, 9), (9, 11), (11, 12)]
    assert [it["seq"] for told in sockets.heard for it in told["messages"]] == list(range(1, 13))
    fanout.close()


async def test_a_long_run_of_messages_goes_out_in_parts_that_the_doorbell_takes() -> None:
    """Counted as JSON has them: a control character takes six bytes. Who goes by it hears none of it."""
    database, fanout, _, sockets = await ben_in_from_the_fourth_message()
    since = database.revision
    run = [database.send("\x01" * 2_000) for _ in range(20)]
    messages = tuple(it for change in run for it in change.delta.messages)
    delta = Delta(CID, since, database.revision, database.conversation, messages=messages)
    fanout.publish(Committed((Change(Why.MESSAGE_CREATED, delta),)))
    assert [it["seq"] for told in sockets.heard for it in told["messages"]] == list(range(4, 24))
    assert [told["since"] for told in sockets.heard[1:]] == [told["revision"] for told in sockets.heard[:-1]]
    assert (sockets.heard[0]["since"], sockets.heard[-1]["revision"]) == (since, database.revision)
    assert ["conversation" in told for told in sockets.heard] == [False] * (len(sockets.heard) - 1) + [True]
    assert all(len(orjson.dumps(told)) <= MAX_PAYLOAD for told in sockets.heard)
    sockets.heard.clear()
    since = database.revision
    run = [database.send("\x01" * 2_000) for _ in range(20)]
    messages = tuple(it for change in run for it in change.delta.messages)
    database.remove_ben()
    left = Delta(CID, since, database.revision, database.conversation, messages=messages)
    fanout.publish(Committed((Change(Why.MEMBER_REMOVED, left, left=(BEN,)),)))
    assert [told.get("removed") for told in sockets.heard] == [True]
    fanout.close()
