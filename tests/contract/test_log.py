"""The log of batches, read on every database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from sqlalchemy import insert

from gochat.core.queries import Batch
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard, restored
from gochat.storage.log import BatchLog
from gochat.storage.rows import FENCE
from gochat.storage.tables import BatchRow
from tests.contract.test_maintenance import caring
from tests.reading.world import NOBODY, send_many
from tests.services import mysql
from tests.writing.world import direct, group, prepare, send, writing


@asynccontextmanager
async def log_of(url: str) -> AsyncIterator[BatchLog]:
    database = Database(url, pool_size=2)
    try:
        yield BatchLog(database, EpochGuard())
    finally:
        await database.close()


def test_each_batch_names_what_it_changed(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, log_of(database_url) as log:
            assert (await log.heads()).numbers == {}
            assert await log.batches({}) == ()
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, anna))
            await it.writer.submit(AdvanceReceipts(cid, {ben: Position(1, 1)}))
            ((process_id, n),) = (await log.heads()).numbers.items()
            assert n == 3
            batches = await log.batches({process_id: 0})
            assert batches == (
                Batch(process_id, 1, {cid: (0, 1)}, {}, {cid: (anna, ben)}),
                Batch(process_id, 2, {cid: (1, 2)}, {}, {}),
                Batch(process_id, 3, {cid: (2, 3)}, {ben: (0, 1)}, {}),
            )
            assert await log.batches({process_id: 1}) == batches[1:]
            assert await log.batches({process_id: 3}) == ()
            assert await log.batches({process_id: 1}, limit=1) == batches[1:2]

    asyncio.run(scenario())


def test_a_fence_is_a_batch_that_changed_nothing(database_url: str) -> None:
    prepare(database_url, 1)
    engine = write_engine(database_url)
    with engine.connect() as connection:
        values = {"process_id": 7, "n": 1, "changes": FENCE, "created_at": 1}
        connection.execute(insert(BatchRow), values)
    engine.dispose()

    async def scenario() -> None:
        async with log_of(database_url) as log:
            assert (await log.heads()).numbers == {7: 1}
            assert await log.batches({7: 0}) == (Batch(7, 1, {}, {}, {}),)

    asyncio.run(scenario())


def test_several_processes_are_read_at_once(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with log_of(database_url) as log:
            async with writing(database_url) as it:
                cid = await it.create(group(anna, ben))
            known = (await log.heads()).numbers
            assert len(known) == 1
            async with writing(database_url) as first, writing(database_url) as second:
                await first.send(send(cid, anna))
                await second.send(send(cid, ben))
                await first.send(send(cid, anna))
            news = await log.batches({it: known.get(it, 0) for it in (await log.heads()).numbers})
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


def test_how_far_own_logs_are(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, log_of(database_url) as log:
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, anna))
            await it.writer.submit(AdvanceReceipts(cid, {ben: Position(1, 1)}))
            assert await log.me_revisions([anna, ben, NOBODY]) == {anna: 0, ben: 1}

    asyncio.run(scenario())


def test_there_is_one_epoch_and_it_stays(database_url: str) -> None:
    prepare(database_url, 1)

    async def scenario() -> None:
        async with log_of(database_url) as log, log_of(database_url) as another:
            epoch = (await log.heads()).epoch
            assert epoch
            assert (await another.heads()).epoch == (await log.heads()).epoch == epoch

    asyncio.run(scenario())


def test_lost_batches_make_one_new_epoch(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with log_of(database_url) as log, log_of(database_url) as another:
            epoch = (await log.heads()).epoch
            await another.heads()
            async with writing(database_url) as it:
                cid = await it.create(direct(anna, ben))
                await it.send(send(cid, anna))
            await log.heads()
            await another.heads()
            await another.heads()
            lose_batches(database_url)
            fresh = (await log.heads()).epoch
            assert fresh != epoch
            assert (await another.heads()).epoch == (await log.heads()).epoch == fresh

    asyncio.run(scenario())


def test_lost_batches_are_found_though_the_process_goes_on_with_higher_numbers(database_url: str) -> None:
    """As after a restore under a process that keeps its connection, or is back sooner than anybody looks."""
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with log_of(database_url) as log, writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, anna))
            epoch = (await log.heads()).epoch
            for _ in range(3):
                await it.send(send(cid, anna))
            assert (await log.heads()).epoch == epoch
            lose_batches(database_url, after=4)
            await it.send(send(cid, anna))
            assert list((await log.heads()).numbers.values()) == [6]
            assert (await log.heads()).epoch != epoch

    asyncio.run(scenario())


def test_what_was_deleted_in_time_is_no_loss(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with log_of(database_url) as log, writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            epoch = (await log.heads()).epoch
            await asyncio.gather(*(it.send(send(cid, anna)) for _ in range(20)))
            assert (await log.heads()).epoch == epoch
            age_batches(database_url, hours=30)
            async with caring(database_url) as care:
                await care.catch_up()
            await it.send(send(cid, anna))
            assert (await log.heads()).epoch == epoch

    asyncio.run(scenario())


def test_who_restored_a_database_says_so(database_url: str) -> None:
    prepare(database_url, 1)

    async def scenario() -> None:
        async with log_of(database_url) as log:
            epoch = (await log.heads()).epoch
            fresh = await asyncio.to_thread(restored, database_url)
            assert fresh != epoch
            assert (await log.heads()).epoch == fresh

    asyncio.run(scenario())


def test_a_writer_decides_nothing_on_a_history_that_lost_its_batches(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with log_of(database_url) as log, writing(database_url) as it:
            epoch = (await log.heads()).epoch
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, anna))
            lose_batches(database_url)
            lose_connections(database_url)
            await it.send(send(cid, anna))
            assert (await log.heads()).epoch != epoch

    asyncio.run(scenario())


def lose_batches(url: str, after: int = 0) -> None:
    """Those with higher numbers."""
    engine = write_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DELETE FROM batches WHERE n > {after}")
    engine.dispose()


def age_batches(url: str, hours: int) -> None:
    """As if the database's clock had been so far behind, and was put right."""
    engine = write_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"UPDATE batches SET created_at = created_at - {hours * 3_600_000}")
    engine.dispose()


def lose_connections(url: str) -> None:
    """On SQLite there is none to lose: the file is opened anew by another writer."""
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no connection to lose")
    with closing(mysql.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        for (identifier,) in cursor.fetchall():
            mysql.kill_connection(cursor, identifier)
