"""The log of batches, read on every database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gochat.core.commands import AdvanceReceipts, Position
from gochat.core.queries import Batch
from gochat.storage.database import Database
from gochat.storage.log import BatchLog
from tests.reading.world import NOBODY, send_many
from tests.writing.world import direct, group, prepare, send, writing


@asynccontextmanager
async def log_of(url: str) -> AsyncIterator[BatchLog]:
    database = Database(url, pool_size=2)
    try:
        yield BatchLog(database)
    finally:
        await database.close()


def test_each_batch_names_what_it_changed(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, log_of(database_url) as log:
            assert await log.heads() == {}
            assert await log.batches({}) == ()
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, anna))
            await it.writer.submit(AdvanceReceipts(cid, {ben: Position(1, 1)}))
            ((process_id, n),) = (await log.heads()).items()
            assert n == 3
            batches = await log.batches({})
            assert batches == (
                Batch(process_id, 1, {cid: (0, 1)}, {}),
                Batch(process_id, 2, {cid: (1, 2)}, {}),
                Batch(process_id, 3, {cid: (2, 3)}, {ben: 1}),
            )
            assert await log.batches({process_id: 1}) == batches[1:]
            assert await log.batches({process_id: 3}) == ()
            assert await log.batches({process_id: 1}, limit=1) == batches[1:2]

    asyncio.run(scenario())


def test_a_process_that_is_new_is_read_from_its_beginning(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with log_of(database_url) as log:
            async with writing(database_url) as it:
                cid = await it.create(group(anna, ben))
            known = await log.heads()
            assert len(known) == 1
            async with writing(database_url) as first, writing(database_url) as second:
                await first.send(send(cid, anna))
                await second.send(send(cid, ben))
                await first.send(send(cid, anna))
            news = await log.batches(known)
            assert sorted(batch.conversations[cid] for batch in news) == [(1, 2), (2, 3), (3, 4)]
            by_process: dict[int, list[int]] = {}
            for batch in news:
                by_process.setdefault(batch.process_id, []).append(batch.n)
            assert sorted(by_process.values()) == [[1], [1, 2]]
            assert not by_process.keys() & known.keys()

    asyncio.run(scenario())


def test_how_far_conversations_are(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, log_of(database_url) as log:
            one, other = await it.create(direct(anna, ben)), await it.create(group(anna))
            await send_many(it, one, anna, 4)
            assert await log.revisions([one, other, NOBODY]) == {one: 5, other: 1}
            assert await log.revisions([]) == {}
            many = [one, *range(1, 2_500), other]
            assert await log.revisions(many) == {one: 5, other: 1}

    asyncio.run(scenario())


def test_there_is_one_epoch_and_it_stays(database_url: str) -> None:
    prepare(database_url, 1)

    async def scenario() -> None:
        async with log_of(database_url) as log, log_of(database_url) as another:
            epoch = await log.epoch()
            assert epoch
            assert await another.epoch() == epoch

    asyncio.run(scenario())
