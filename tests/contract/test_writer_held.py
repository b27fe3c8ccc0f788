"""Rows that somebody else has locked, and a database that hangs: what waits for them holds up nobody else."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from gochat.core.blocks import Block
from gochat.core.conversations import UpdateConversation
from gochat.core.errors import Overloaded, Unavailable
from gochat.core.measures import Measures
from gochat.core.messages import Sent
from gochat.core.model import Extras
from gochat.core.receipts import AdvanceReceipts, Position, Receipt
from gochat.storage import aside, writer
from tests.services.mysql import connect
from tests.writing.proxy import Cut, Proxy
from tests.writing.stored import check, read
from tests.writing.world import direct, group, new_id, prepare, send, writing

PATIENCE_S = 30.0


@contextmanager
def locked(url: str, row: str, *values: int) -> Iterator[None]:
    """Somebody's transaction that has locked a row, until the end."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        connection.begin()
        assert cursor.execute(f"SELECT 1 FROM {row} FOR UPDATE", values)
        yield
        connection.rollback()


def test_a_conversation_that_is_held_waits_alone_and_keeps_its_order(sql_server_url: str) -> None:
    anna, ben, eve = prepare(sql_server_url, 3)

    async def scenario() -> None:
        async with writing(sql_server_url, batch_rows=8) as it:
            cid, other = await it.create(group(anna, ben)), await it.create(direct(ben, eve))
            with locked(sql_server_url, "conversations WHERE id = %s", cid):
                stuck = [it.writer.submit(send(cid, anna, f"{n}")) for n in range(12)]
                for n in range(1, 21):
                    stuck.append(it.writer.submit(send(cid, anna, f"{len(stuck)}")))
                    assert (await it.send(send(other, eve))).message.seq == n
                assert not any(future.done() for future in stuck)
            answers = await asyncio.wait_for(asyncio.gather(*stuck), PATIENCE_S)
            sent = [answer.message for answer in answers if isinstance(answer, Sent)]
            assert [(it.seq, it.body) for it in sent] == [(n + 1, f"{n}") for n in range(32)]
            assert (await it.send(send(cid, ben))).message.seq == 33

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_a_user_who_is_held_waits_alone(sql_server_url: str) -> None:
    anna, ben, eve = prepare(sql_server_url, 3)

    async def scenario() -> None:
        async with writing(sql_server_url) as it:
            cid = await it.create(group(anna, ben, eve))
            await it.create(direct(anna, ben))
            await it.send(send(cid, anna))
            with locked(sql_server_url, "users WHERE id = %s", ben):
                receipt = it.writer.submit(AdvanceReceipts(cid, {ben: Position(1, 1)}))
                block = it.writer.submit(Block(new_id(), ben, anna, on=True))
                for n in range(2, 12):
                    assert (await it.send(send(cid, anna))).message.seq == n
                    await it.writer.submit(UpdateConversation(cid, anna, {"title": f"{n}"}))
                await it.writer.submit(AdvanceReceipts(cid, {eve: Position(1, 1)}))
                await it.create(direct(anna, eve))
                assert not receipt.done()
                assert not block.done()
            receipts, _ = await asyncio.wait_for(asyncio.gather(receipt, block), PATIENCE_S)
            assert isinstance(receipts[ben], Receipt)

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_a_row_that_is_held_when_it_is_written_is_waited_for_by_few(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben, eve = prepare(sql_server_url, 3)

    async def scenario() -> None:
        async with writing(sql_server_url) as it:
            cid, other = await it.create(group(anna, ben)), await it.create(direct(ben, eve))
            with locked(sql_server_url, "members WHERE conversation_id = %s AND user_id = %s", cid, anna):
                stuck = it.writer.submit(send(cid, anna, "stuck"))
                seqs = [(await it.send(send(other, eve))).message.seq for _ in range(20)]
                assert seqs == [*range(1, 21)]
                assert not stuck.done()
                with monkeypatch.context() as patch:
                    patch.setattr(writer, "ANSWER_SECONDS", 0.0)
                    with pytest.raises(Unavailable):
                        await asyncio.wait_for(stuck, PATIENCE_S)
                assert (await it.send(send(other, eve))).message.seq == 21

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_a_batch_that_fails_again_keeps_the_order_of_its_conversation(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was set aside, with more behind it than one batch takes; others go on meanwhile."""
    monkeypatch.setattr(aside, "SHARE", 100.0)
    anna, ben, eve = prepare(sql_server_url, 3)
    measures = Measures()

    async def scenario() -> None:
        async with writing(sql_server_url, batch_rows=2, measures=measures) as it:
            cid, other = await it.create(group(anna, ben)), await it.create(direct(ben, eve))
            with locked(sql_server_url, "members WHERE conversation_id = %s AND user_id = %s", cid, anna):
                stuck = [it.writer.submit(send(cid, anna, f"{n}")) for n in range(7)]
                async with asyncio.timeout(PATIENCE_S):
                    while sum(measures.batch_failures.rows.values()) < 4:  # each twice: together, and alone
                        await it.send(send(other, eve))
            answers = await asyncio.wait_for(asyncio.gather(*stuck), PATIENCE_S)
            sent = [answer.message for answer in answers if isinstance(answer, Sent)]
            assert [(it.seq, it.body) for it in sent] == [(n + 1, f"{n}") for n in range(7)]

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_what_one_user_sends_keeps_its_order_though_not_all_of_it_is_held(sql_server_url: str) -> None:
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        async with writing(sql_server_url) as it:
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, ben))
            with locked(sql_server_url, "users WHERE id = %s", anna):
                from_a_tunnel = replace(send(cid, anna, "first"), extras=Extras(read_up_to=0))
                stuck = [it.writer.submit(command) for command in (from_a_tunnel, send(cid, anna, "second"))]
                await it.create(group(anna, ben))
                assert not any(future.done() for future in stuck)
            answers = await asyncio.wait_for(asyncio.gather(*stuck), PATIENCE_S)
            sent = [answer.message for answer in answers if isinstance(answer, Sent)]
            assert [(it.seq, it.body) for it in sent] == [(2, "first"), (3, "second")]

    asyncio.run(scenario())
    check(read(sql_server_url))


@pytest.mark.parametrize("away", [False, True], ids=["silent", "cut"])
def test_everyone_is_answered_while_the_database_hangs(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """Who was taken may be stored, and is; who waits is told when to come again."""
    monkeypatch.setattr(writer, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(writer, "TEND_SECONDS", PATIENCE_S)  # what is held is asked by whoever is taken
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                await it.send(send(cid, anna))
                for _ in range(2):  # and again, after nobody waited
                    proxy.heard.clear()
                    proxy.hold(True)
                    proxy.cuts = [Cut.BEFORE_COMMIT] if away else []
                    taken = it.writer.submit(send(cid, anna, "taken"))
                    await asyncio.to_thread(proxy.heard.wait, PATIENCE_S)
                    waiting = [it.writer.submit(send(cid, ben, "waiting")) for _ in range(3)]
                    with monkeypatch.context() as patch:
                        patch.setattr(writer, "ANSWER_SECONDS", 0.5)
                        patch.setattr(writer, "WAIT_SECONDS", 0.3)
                        answers = await asyncio.wait_for(
                            asyncio.gather(taken, *waiting, return_exceptions=True), PATIENCE_S
                        )
                    assert [type(answer) for answer in answers] == [Unavailable, *[Overloaded] * 3]
                    assert all(answer.retry_after_ms for answer in answers if isinstance(answer, Overloaded))
                    proxy.hold(False)
                    while isinstance(
                        answer := (await it.submit_all([send(cid, anna, "after")]))[0], Exception
                    ):
                        assert isinstance(answer, Overloaded | Unavailable)
                    assert isinstance(answer, Sent)
                    await it.until_published(answer.message.seq)
                    await asyncio.sleep(0.3)

    asyncio.run(scenario())
    stored = read(sql_server_url)
    check(stored)
    assert "waiting" not in {it.body for it in stored.messages.values()}
