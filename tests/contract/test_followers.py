"""Followers of the log: one at a time, each change, and nothing lost when the log is pruned under them."""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from gochat.core.model import ConversationId
from gochat.storage.engines import write_engine
from gochat.storage.fetch import fetch
from gochat.storage.followers import ABSENT_MS, Follower, Writes
from tests.writing.world import direct, prepare, send, writing

LEASE_MS = 600_000
"""Far more than a test takes on a busy machine; where it has to end it is ended by hand."""


class Heard:
    """Work that keeps what it is told, and writes nothing."""

    name = "test"
    every_s = 0.5
    lost = False

    def __init__(self) -> None:
        self.changed: list[set[ConversationId]] = []
        self.compared: list[ConversationId] = []

    def work(self, connection: Connection, changed: Collection[ConversationId]) -> Writes:
        self.changed.append(set(changed))
        return Writes((), done=True)

    def behind(
        self, connection: Connection, after: ConversationId
    ) -> tuple[Sequence[ConversationId], ConversationId | None]:
        self.compared.append(after)
        found = fetch(connection, "SELECT id FROM conversations WHERE id > ? ORDER BY id LIMIT 1", after)
        return ([found[0][0]], found[0][0]) if found else ([], None)

    def is_missing(self, connection: Connection) -> bool:
        return self.lost


def catch_up(follower: Follower) -> None:
    for _ in range(100):
        if not follower.step():
            return
    raise AssertionError("there is always more")


@contextmanager
def ended(*followers: Follower) -> Iterator[None]:
    """Those that were not started are ended by hand."""
    try:
        yield
    finally:
        for follower in followers:
            follower.stop()


def statement(url: str, sql: str) -> None:
    engine = write_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)
    engine.dispose()


def test_a_follower_hears_all_once(database_url: str) -> None:
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        heard = Heard()
        follower = Follower(database_url, heard)
        async with writing(database_url) as one, writing(database_url) as other:
            before = await one.create(direct(anna, ben))
            await asyncio.to_thread(catch_up, follower)
            assert heard.compared == [0, before]
            assert heard.changed == [{before}, set()]
            after = await other.create(direct(anna, carl))
            await one.send(send(before, anna))
            await asyncio.to_thread(catch_up, follower)
            assert set.union(*heard.changed[2:]) == {before, after}
            count = len(heard.changed)
            await asyncio.to_thread(catch_up, follower)
            assert len(heard.changed) == count
            await asyncio.to_thread(follower.stop)
            again = Heard()
            next_ = Follower(database_url, again)
            await one.send(send(after, anna))
            await asyncio.to_thread(catch_up, next_)
            assert (again.changed, again.compared) == ([{after}], [])
            await asyncio.to_thread(next_.stop)

    asyncio.run(scenario())


def test_one_process_at_a_time_has_it(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        mine, yours = Heard(), Heard()
        first = Follower(database_url, mine, lease_ms=LEASE_MS)
        second = Follower(database_url, yours, lease_ms=LEASE_MS)
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            await asyncio.to_thread(catch_up, first)
            assert not await asyncio.to_thread(second.step)
            assert mine.changed
            assert not yours.changed
            await it.send(send(cid, anna))
            # The first one hangs; its lease ends.
            ends = f"UPDATE followers SET held_until = held_until - {LEASE_MS}"
            await asyncio.to_thread(statement, database_url, ends)
            await asyncio.to_thread(second.step)
            assert yours.changed == [{cid}]
            count = len(mine.changed)
            await it.send(send(cid, anna))
            assert not await asyncio.to_thread(first.step)
            # It read, but what it would have written is not written, nor that it read.
            await asyncio.to_thread(catch_up, second)
            assert yours.changed == [{cid}, {cid}]
            assert len(mine.changed) <= count + 1
        with ended(first, second):
            pass

    asyncio.run(scenario())


@pytest.mark.parametrize("sql", ["DELETE FROM batches WHERE n < 3", "DELETE FROM batches"])
def test_a_log_that_was_pruned_is_made_up_for(database_url: str, sql: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        heard = Heard()
        follower = Follower(database_url, heard)
        async with writing(database_url) as it:
            await asyncio.to_thread(catch_up, follower)
            cid = await it.create(direct(anna, ben))
            for _ in range(2):
                await it.send(send(cid, anna))
            await asyncio.to_thread(statement, database_url, sql)
            await it.send(send(cid, anna))
            heard.changed.clear()
            heard.compared.clear()
            await asyncio.to_thread(catch_up, follower)
            assert heard.compared == [0, cid]
            assert heard.changed == [{cid}, set()]
            await it.send(send(cid, anna))
            await asyncio.to_thread(catch_up, follower)
            assert heard.changed[2:] == [{cid}]
        with ended(follower):
            pass

    asyncio.run(scenario())


def test_after_a_long_absence_all_is_compared(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            follower = Follower(database_url, Heard())
            await asyncio.to_thread(catch_up, follower)
            await asyncio.to_thread(follower.stop)
            cid = await it.create(direct(anna, ben))
            long_ago = time.time_ns() // 1_000_000 - ABSENT_MS - 60_000
            await asyncio.to_thread(statement, database_url, f"UPDATE followers SET held_until = {long_ago}")
            heard = Heard()
            next_ = Follower(database_url, heard)
            await asyncio.to_thread(catch_up, next_)
            assert heard.compared == [0, cid]
            assert {cid} in heard.changed
        with ended(next_):
            pass

    asyncio.run(scenario())
