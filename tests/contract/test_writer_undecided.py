"""A COMMIT without an answer: whether it happened is found out, and told once, whoever still waits."""

import asyncio

import pytest

from gochat.core.errors import Unavailable
from gochat.storage import committer
from tests.writing.proxy import Cut, Proxy
from tests.writing.stored import check, read
from tests.writing.world import Writing, direct, prepare, send, writing


@pytest.mark.parametrize("cut", Cut)
def test_it_is_answered_as_it_turns_out(mariadb_url: str, cut: Cut) -> None:
    anna, ben = prepare(mariadb_url, 2)

    async def scenario() -> None:
        with Proxy(mariadb_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                for n in range(1, 6):
                    proxy.cut = cut
                    sent = await it.send(send(cid, anna))
                    assert not sent.duplicate
                    assert sent.message.seq == n
                    assert proxy.cut is None
                assert it.seqs_published() == [1, 2, 3, 4, 5]

    asyncio.run(scenario())
    stored = read(mariadb_url)
    check(stored)
    assert len(stored.batches) == 6


async def _lose(it: Writing, proxy: Proxy, cid: int, user_id: int, cut: Cut) -> None:
    """Send a message whose commit gets no answer, to a database that then stays away."""
    proxy.cut, proxy.closed = cut, True
    with pytest.raises(Unavailable):
        await it.send(send(cid, user_id, "lost"))
    assert it.seqs_published() == [1]


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "busy"])
def test_it_is_published_though_it_was_given_up(
    mariadb_url: str, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    monkeypatch.setattr(committer, "PATIENCE_SECONDS", 0.2)
    anna, ben = prepare(mariadb_url, 2)

    async def scenario() -> None:
        with Proxy(mariadb_url) as proxy:
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
    check(read(mariadb_url))


def test_what_was_given_up_and_is_absent_stays_so(mariadb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "PATIENCE_SECONDS", 0.2)
    anna, ben = prepare(mariadb_url, 2)

    async def scenario() -> None:
        with Proxy(mariadb_url) as proxy:
            async with writing(proxy.url) as it:
                cid = await it.create(direct(anna, ben))
                await it.send(send(cid, anna))
                await _lose(it, proxy, cid, anna, Cut.BEFORE_COMMIT)
                proxy.closed = False
                sent = await it.send(send(cid, anna, "kept"))
                assert sent.message.seq == 2
                assert it.seqs_published() == [1, 2]

    asyncio.run(scenario())
    stored = read(mariadb_url)
    check(stored)
    assert [message.body for message in stored.messages.values()] == ["hi 👍", "kept"]


def test_a_database_that_stays_away_answers_all_who_wait(
    mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "PATIENCE_SECONDS", 0.2)
    anna, ben = prepare(mariadb_url, 2)

    async def scenario() -> None:
        with Proxy(mariadb_url) as proxy:
            async with writing(proxy.url, batch_rows=8) as it:
                cid = await it.create(direct(anna, ben))
                proxy.cut, proxy.closed = Cut.BEFORE_COMMIT, True
                answers = await it.submit_all([send(cid, anna) for _ in range(100)])
                assert all(isinstance(answer, Unavailable) for answer in answers)
                proxy.closed = False
                assert (await it.send(send(cid, anna))).message.seq == 1

    asyncio.run(scenario())
    check(read(mariadb_url))
