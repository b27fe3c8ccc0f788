"""Sync by position: it tells what sync by revisions tells, or that it cannot."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from gochat.core.blocks import Block
from gochat.core.command import AnyCommand
from gochat.core.errors import ChatError, PositionLost
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.messages import DeleteMessage, EditMessage
from gochat.core.model import ConversationId, UserId
from gochat.core.queries import SyncPage, SyncRequest
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.core.standing import Standing
from gochat.ids import new_id
from gochat.storage import position, sync
from gochat.storage.engines import read_engine, snapshot
from gochat.storage.reader import ConversationReader
from tests.reading.world import reading, send_many
from tests.writing.world import Writing, direct, group, prepare, send, writing


class Phone:
    """What one user's phone holds: revisions, and what the last sync said that it holds."""

    def __init__(self, reader: ConversationReader, user_id: UserId) -> None:
        self.reader = reader
        self.user_id = user_id
        self.known: dict[ConversationId, int] = {}
        self.me: int | None = None
        self.standing: bytes | None = None
        self.epoch: str | None = None

    async def sync(self, limit: int = 200) -> None:
        """By revisions."""
        self.take(await self.pages(SyncRequest(self.known, self.me, self.epoch, None, limit)))

    async def ask(self, limit: int = 200) -> list[SyncPage]:
        """By position."""
        return await self.pages(SyncRequest({}, None, self.epoch, None, limit, self.standing))

    async def compare(self, limit: int = 200) -> None:
        """By position it is told exactly what it is told by its revisions."""
        by_position = await self.ask(limit)
        by_known = await self.pages(SyncRequest(self.known, self.me, self.epoch, None, limit))
        # Where they came and went meanwhile, a phone that heard of it is told that they are gone.
        assert told(by_position, self.known) == told(by_known, self.known)
        assert [page.me for page in by_position] == [page.me for page in by_known]
        mine, theirs = (Standing.unpack(pages[-1].standing or b"") for pages in (by_position, by_known))
        assert replace(mine, heads={}, mark=b"") == replace(theirs, heads={}, mark=b"")
        # Where nothing is new the log may be known as it was a moment ago, never as it will be.
        assert all(n <= theirs.heads.get(process_id, n) for process_id, n in mine.heads.items())
        self.take(by_position)

    async def pages(self, request: SyncRequest) -> list[SyncPage]:
        pages: list[SyncPage] = []
        while not pages or request.position is not None:
            page = await self.reader.sync(self.user_id, request)
            pages.append(page)
            assert (page.standing is None) == (page.position is not None)
            request = replace(request, position=page.position)
        return pages

    def take(self, pages: list[SyncPage]) -> None:
        for page in pages:
            for delta in page.conversations:
                if delta.removed:
                    self.known.pop(delta.conversation_id, None)
                else:
                    self.known[delta.conversation_id] = delta.revision
            if page.me is not None:
                self.me = page.me.revision
            self.epoch = page.epoch
        self.standing = pages[-1].standing


@pytest.fixture(params=["sums", "log", "far"])
def by_log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[bool]]:
    """What is asked first, and each time whether the log told that nothing changed.

    The sums; the log; or the log where more than nothing of it is too much.
    """
    answered: list[bool] = []
    first: str = request.param
    if first != "sums":
        monkeypatch.setattr(sync, "MANY", 0)
        monkeypatch.setattr(position, "ROWS_A_BATCH", 0.01 if first == "log" else 1_000)
    ask = position.unnamed_since

    def asked(*arguments: Any) -> position.Now | None:
        found = ask(*arguments)
        answered.append(found is not None)
        return found

    monkeypatch.setattr(sync, "unnamed_since", asked)
    return first, answered


def told(pages: list[SyncPage], known: dict[ConversationId, int]) -> object:
    deltas = (
        delta
        for page in pages
        for delta in page.conversations
        if not delta.removed or delta.conversation_id in known
    )
    return sorted(deltas, key=lambda it: (it.conversation_id, it.revision))


def test_nothing_new_is_told_as_nothing(database_url: str, by_log: tuple[str, list[bool]]) -> None:
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            phone = Phone(reader, ben)
            await phone.sync()
            await phone.compare()
            cid = await it.create(direct(anna, ben))
            await phone.compare()
            await send_many(it, cid, anna, 3)
            await phone.compare()
            await it.writer.submit(AdvanceReceipts(cid, {ben: Position(2, 2, private=True)}))
            await phone.compare()
            elsewhere = await it.create(direct(anna, carl))
            await phone.compare()
            await send_many(it, elsewhere, anna, 3)
            (page,) = await phone.ask()
            assert (page.conversations, page.me) == ((), None)

    asyncio.run(scenario())
    first, by_the_log = by_log
    assert any(by_the_log[-1:]) == (first == "log")


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happened_it_is_told_as_by_revisions(
    database_url: str, seed: int, by_log: tuple[str, list[bool]]
) -> None:
    rng = random.Random(seed)
    users = prepare(database_url, 5)

    async def scenario() -> None:
        async with (
            writing(database_url) as one,
            writing(database_url) as other,
            reading(database_url) as reader,
        ):
            groups = [await one.create(group(users[0], *users[1:])) for _ in range(6)]
            phones = [Phone(reader, user_id) for user_id in users]
            for phone in phones:
                await phone.sync()
            followed = lost = 0
            for _ in range(25):
                for _ in range(rng.randrange(6)):
                    await act(rng.choice((one, other)), rng, users, groups)
                for phone in phones:
                    if rng.random() < 0.5:
                        continue
                    try:
                        await phone.compare(rng.choice((2, 200)))
                        followed += 1
                    except PositionLost:  # they were brought in where they had been before
                        lost += 1
                        await phone.sync()
            assert followed > 3 * lost

    asyncio.run(scenario())
    first, by_the_log = by_log
    assert any(not it for it in by_the_log) == (first != "sums")
    assert first == "far" or any(by_the_log) == (first == "log")


def test_what_is_new_is_told_though_another_had_asked_before_it_came(
    database_url: str, by_log: tuple[str, list[bool]]
) -> None:
    """And what it holds then can be followed from: what was known of the log before will not do there."""
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            elsewhere = await it.create(direct(anna, carl))
            bens, carls = Phone(reader, ben), Phone(reader, carl)
            await bens.sync()
            await carls.sync()
            await it.send(send(elsewhere, anna))
            await carls.compare()
            for _ in range(2):
                await it.send(send(cid, anna))
                await bens.compare()

    asyncio.run(scenario())


def test_the_log_tells_nothing_where_it_has_a_hole(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or where it is not the one that was known; the sums do, then."""
    anna, ben, carl = prepare(database_url, 3)
    monkeypatch.setattr(sync, "MANY", 0)
    monkeypatch.setattr(position, "ROWS_A_BATCH", 0.01)
    engine = read_engine(database_url, 1)

    def followed(phone: Phone) -> bool:
        then = Standing.unpack(phone.standing or b"")
        with engine.connect() as connection, snapshot(connection):
            return position.unnamed_since(connection, ben, then, position.LastHeads()) is not None

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            phone = Phone(reader, ben)
            await phone.sync()
            elsewhere = await it.create(direct(anna, carl))
            await send_many(it, elsewhere, anna, 3)
            assert followed(phone)
            await phone.compare()
            assert followed(phone)
            await it.send(send(cid, anna))
            assert not followed(phone), "it names one of theirs"
            await phone.compare()
            await it.send(send(elsewhere, anna))
            await it.send(send(elsewhere, anna))
            ((last,),) = run("SELECT MAX(n) FROM batches")
            for n in (last - 2, last - 1):  # what was known, and what came first after it
                run(f"UPDATE batches SET n = -n WHERE process_id > 0 AND n = {n}")
                assert not followed(phone), n
                (page,) = await phone.ask()
                assert (page.conversations, page.me) == ((), None)
                run(f"UPDATE batches SET n = -n WHERE process_id > 0 AND n = {-n}")
                assert followed(phone)
            run("UPDATE batches SET process_id = process_id + 1048576 WHERE process_id > 0")
            assert not followed(phone), "another process, whose id ends alike"

    def run(statement: str) -> Any:
        with engine.connect() as connection:
            found = connection.execute(text(statement))
            return found.fetchall() if found.returns_rows else None

    asyncio.run(scenario())
    engine.dispose()


async def act(
    it: Writing, rng: random.Random, users: tuple[UserId, ...], groups: list[ConversationId]
) -> None:
    cid, who, other = rng.choice(groups), rng.choice(users), rng.choice(users)
    commands: list[AnyCommand] = [
        send(cid, who),
        send(cid, who),
        EditMessage(cid, who, rng.randint(1, 5), f"edited {rng.random()}"),
        DeleteMessage(cid, who, rng.randint(1, 5)),
        AdvanceReceipts(cid, {who: Position(3, 2, private=rng.random() < 0.5)}),
        AddMembers(cid, users[0], (other,)),
        RemoveMember(cid, users[0], other),
        Block(new_id(), who, other, on=rng.random() < 0.5),
    ]
    try:
        answer = await it.writer.submit(rng.choice(commands))
    except ChatError:
        return
    if isinstance(answer, dict):
        assert all(not isinstance(found, AssertionError) for found in answer.values())


def test_what_the_log_does_not_tell_is_lost_and_revisions_tell_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, by_log: tuple[str, list[bool]]
) -> None:
    anna, ben, eve = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            phone = Phone(reader, ben)
            await phone.sync()
            held = phone.standing
            await it.send(send(cid, anna))
            await it.create(direct(anna, eve))

            with monkeypatch.context() as patched:
                patched.setattr(position, "MAX_BATCHES", 1)
                for _ in range(2):  # when it is known beforehand how far the log is, too
                    with pytest.raises(PositionLost):  # too much of it
                        await phone.ask()

            await phone.compare()
            phone.standing = held
            engine = create_engine(database_url)
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM batches WHERE process_id > 0"))
            engine.dispose()
            with pytest.raises(PositionLost):  # none of it is left
                await phone.ask()
            await phone.sync()
            await phone.compare()

            phone.epoch = "another"
            with pytest.raises(PositionLost):  # another history
                await phone.ask()

    asyncio.run(scenario())
