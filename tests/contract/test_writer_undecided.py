"""A COMMIT without an answer: whether it happened is found out, and told once, whoever still waits."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from gochat.core.command import AnyCommand
from gochat.core.delta import Committed, Why
from gochat.core.errors import Unavailable
from gochat.core.measures import Measures
from gochat.core.messages import SendMessage, Sent
from gochat.core.model import ConversationId, UserId
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.storage import committer, writer
from tests.services import mysql
from tests.writing.proxy import Cut, Kill, Proxy
from tests.writing.stored import check, read
from tests.writing.world import Writing, direct, prepare, send, writing


@pytest.mark.parametrize("cut", [Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT])
def test_it_is_answered_as_it_turns_out(sql_server_url: str, cut: Cut) -> None:
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url, measures=Measures(slow_s=0.0)) as it:
                cid = await it.create(direct(anna, ben))
                for n in range(1, 6):
                    proxy.cuts = [cut]
                    with capture_logs() as logs:
                        sent = await it.send(send(cid, anna))
                    assert not sent.duplicate
                    assert sent.message.seq == n
                    assert not proxy.cuts
                    (told,) = [line for line in logs if line["event"] == "slow_batch"]
                    assert told["commit_ms"] >= 0
                assert it.seqs_published() == [1, 2, 3, 4, 5]

    asyncio.run(scenario())
    stored = read(sql_server_url)
    check(stored)
    assert sum(bool(it.conversations) for it in stored.batches.values()) == 6


def _plain(cid: ConversationId, anna: UserId, ben: UserId) -> AnyCommand:
    """All that it writes travels with its COMMIT."""
    return send(cid, anna, "one")


def _counted(cid: ConversationId, anna: UserId, ben: UserId) -> AnyCommand:
    """Its answer is read after it has written: its COMMIT travels alone."""
    return AdvanceReceipts(cid, {ben: Position(read_seq=1)})


@pytest.mark.parametrize("kill", Kill)
@pytest.mark.parametrize("command", [_plain, _counted])
def test_a_commit_that_arrives_after_it_was_decided_does_nothing(
    sql_server_url: str, kill: Kill, command: Callable[..., AnyCommand]
) -> None:
    """It arrives before the batch is run again, which so would find it done, and tell nobody of it."""
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> tuple[AnyCommand, Committed]:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                await it.send(send(cid, anna, "zero"))
                proxy.cuts, proxy.kill = [Cut.LATE], kill
                it.recorder.published.clear()
                late = command(cid, anna, ben)
                answer = await it.writer.submit(late)
                assert not (isinstance(answer, Sent) and answer.duplicate)
                assert not proxy.cuts
                assert proxy.kills == (kill is Kill.CUT), "after it was cut, and never once it was answered"
                (committed,) = it.recorder.published
                texts = ("two", "three")
                sent = [await it.send(send(cid, anna, text)) for text in texts]
                assert [it.message.body for it in sent] == [*texts]
                assert len(it.recorder.published) == 3
                return late, committed

    late, committed = asyncio.run(scenario())
    stored = read(sql_server_url)
    check(stored)
    empty = [n for (_, n), batch in stored.batches.items() if not batch.conversations]
    assert empty == [3], "its number is taken: by nothing"
    assert sorted(n for _, n in stored.batches) == [1, 2, 3, 4, 5, 6]
    assert [change.why for change in committed.changes] == [
        Why.MESSAGE_CREATED if isinstance(late, SendMessage) else Why.RECEIPT_ADVANCED
    ]


def test_what_was_decided_stays_so_though_that_was_not_answered(sql_server_url: str) -> None:
    """Neither the batch's COMMIT is answered nor those that decide it, one of which comes late."""
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                for cuts in ([Cut.AFTER_COMMIT] * 3, [Cut.BEFORE_COMMIT, Cut.LATE, Cut.AFTER_COMMIT]):
                    proxy.cuts = cuts
                    await it.send(send(cid, anna))
                    assert not proxy.cuts
                await it.send(send(cid, anna))
                assert it.seqs_published() == [1, 2, 3]

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_only_the_lost_connection_is_ended(sql_server_url: str) -> None:
    """Not whoever has its number now: at a server that was started anew, or at another one."""
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                proxy.cuts = [Cut.BEFORE_COMMIT]
                await it.send(send(cid, anna))
                assert proxy.kills == 1
                mysql.kill_connections(sql_server_url)
                await it.send(send(cid, anna))
                assert proxy.kills == 1

    asyncio.run(scenario())
    check(read(sql_server_url))


async def _lose(it: Writing, proxy: Proxy, cid: int, user_id: int, cut: Cut) -> None:
    """Send a message whose commit gets no answer, to a database that then stays away."""
    proxy.cuts, proxy.closed = [cut], True
    with pytest.raises(Unavailable):
        await it.send(send(cid, user_id, "lost"))
    assert it.seqs_published() == [1]


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "busy"])
def test_it_is_published_though_it_was_given_up(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    monkeypatch.setattr(committer, "PATIENCE_SECONDS", 0.2)
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                await it.send(send(cid, anna))
                await _lose(it, proxy, cid, anna, Cut.AFTER_COMMIT)
                proxy.closed = False
                if idle:
                    await it.until_published(2)
                await it.send(send(cid, anna))
                assert it.seqs_published() == [1, 2, 3]

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_what_was_given_up_and_is_absent_stays_so(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "PATIENCE_SECONDS", 0.2)
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                await it.send(send(cid, anna))
                await _lose(it, proxy, cid, anna, Cut.BEFORE_COMMIT)
                proxy.closed = False
                sent = await it.send(send(cid, anna, "kept"))
                assert sent.message.seq == 2
                assert it.seqs_published() == [1, 2]

    asyncio.run(scenario())
    stored = read(sql_server_url)
    check(stored)
    assert [message.body for message in stored.messages.values()] == ["hi 👍", "kept"]


def test_a_database_that_stays_away_answers_all_who_wait(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "PATIENCE_SECONDS", 0.2)
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url, batch_rows=8) as it:
                cid = await it.create(direct(anna, ben))
                proxy.cuts, proxy.closed = [Cut.BEFORE_COMMIT], True
                answers = await it.submit_all([send(cid, anna) for _ in range(100)])
                assert all(isinstance(answer, Unavailable) for answer in answers)
                proxy.closed = False
                assert (await it.send(send(cid, anna))).message.seq == 1

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_who_was_told_that_it_may_be_stored_is_not_tried_once_more(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it was stored by then, and so it stays: what its phone did since is not undone by it."""
    monkeypatch.setattr(writer, "LOOK_SECONDS", 0.1)
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                proxy.cuts, proxy.closed = [Cut.BEFORE_COMMIT], True
                with monkeypatch.context() as patch:
                    patch.setattr(writer, "ANSWER_SECONDS", 0.5)
                    with pytest.raises(Unavailable):
                        await it.send(send(cid, anna, "told"))
                assert not proxy.cuts
                proxy.closed = False
                assert (await it.send(send(cid, anna, "after"))).message.seq == 1

    asyncio.run(scenario())
    stored = read(sql_server_url)
    check(stored)
    assert [message.body for message in stored.messages.values()] == ["after"]


def test_after_one_that_was_given_up_the_next_are_still_looked_after(
    sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered twice: as the database is away, and as it turns out that it was stored."""
    monkeypatch.setattr(committer, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(writer, "LOOK_SECONDS", 0.1)
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        with Proxy(sql_server_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                await it.send(send(cid, anna))
                await _lose(it, proxy, cid, anna, Cut.AFTER_COMMIT)
                proxy.closed = False
                await it.until_published(2)
                proxy.hold(True)
                monkeypatch.setattr(writer, "ANSWER_SECONDS", 0.5)
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(it.send(send(cid, anna)), 30)
                proxy.hold(False)

    asyncio.run(scenario())
    check(read(sql_server_url))
