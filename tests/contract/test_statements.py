"""A plain message costs the same statements in a conversation of two and in one of ten thousand."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from gochat.core.model import ConversationId
from gochat.storage.dialects import Asked, MySQL
from gochat.storage.engines import write_engine
from gochat.storage.tables import METADATA
from tests.writing.world import direct, group, prepare, send, writing

MEMBERS = 10_000
STATEMENTS = 7
"""That the writer runs for a batch of one message, begin and commit apart."""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The rows that are given to each statement of the writer."""
    seen: list[int] = []
    with monkeypatch.context() as patch:
        for name in ("find", "write", "commit"):
            original = getattr(MySQL, name)

            def spy(self: MySQL, connection: Any, asked: Sequence[Asked], original: Any = original) -> Any:
                seen.extend(len(given) for _, given in asked)
                return original(self, connection, asked)

            patch.setattr(MySQL, name, spy)
        yield seen


def fill(url: str, cid: ConversationId, members: int) -> None:
    """Make it a conversation of so many."""
    engine = write_engine(url)
    conversations, rows = METADATA.tables["conversations"], METADATA.tables["members"]
    with engine.connect() as connection, connection.begin():
        found = connection.execute(select(rows).where(rows.c.conversation_id == cid).limit(1))
        row = dict(found.mappings().one())
        more = [row | {"user_id": 1_000_000 + n} for n in range(members - 2)]
        connection.execute(insert(rows), more)
        one = update(conversations).where(conversations.c.id == cid)
        connection.execute(one.values(member_count=members))
    engine.dispose()


def test_a_message_costs_the_same_however_many_members(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        async with writing(sql_server_url) as it:
            small, large = await it.create(direct(anna, ben)), await it.create(group(anna, ben))
            await asyncio.to_thread(fill, sql_server_url, large, MEMBERS)
            costs = []
            for cid in (small, large):
                await it.send(send(cid, anna))
                with counted(monkeypatch) as seen:
                    await it.send(send(cid, anna))
                costs.append(seen)
            assert costs[0] == costs[1]
            assert costs[0] == [1] * STATEMENTS

    asyncio.run(scenario())
