"""Receipts gathered, shown and private; one suite over every database."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gochat.core.blocks import Block
from gochat.core.delta import Why
from gochat.core.errors import NotFound
from gochat.core.model import Extras, Mentions, MuteLevel
from gochat.core.receipts import AdvanceReceipts, Position, Receipt
from gochat.core.sides import FOREVER, Mute
from gochat.storage.dialects import Asked, Statement
from gochat.storage.load import Transaction
from gochat.storage.receipts import ReceiptGatherer
from tests.writing.stored import check, read
from tests.writing.world import direct, group, new_id, prepare, send, writing

MEMBERS = 256


def test_a_group_of_256_that_reads_one_message_costs_a_handful_of_revisions(database_url: str) -> None:
    users = prepare(database_url, MEMBERS)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(*users))
            sent = await it.send(send(cid, users[0]))
            receipts = ReceiptGatherer(it.writer)
            await asyncio.gather(*(receipts.advance(cid, user, Position(1, 0)) for user in users[1:]))
            answers = await asyncio.gather(
                *(receipts.advance(cid, user, Position(1, 1)) for user in users[1:])
            )
            assert set(answers) == {Receipt(1, 1, unread=0, total_unread=0)}
            changes = [change for batch in it.recorder.published for change in batch.changes]
            told = [change.delta for change in changes if change.why is Why.RECEIPT_ADVANCED]
            assert len(told[-1].members) == MEMBERS - 1
            assert told[-1].revision - sent.message.revision <= 6
            own = [me for batch in it.recorder.published for me in batch.me]
            assert len(own) == 2 * (MEMBERS - 1)

    asyncio.run(scenario())
    check(read(database_url))


def test_what_is_asked_of_the_database_does_not_grow_with_those_who_read(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are behind and told how many messages mean them, and half count nothing but those."""
    few, many = 4, 64
    users = prepare(database_url, few + many)
    asked: list[Statement] = []
    find_each = Transaction.find_each

    def noted(transaction: Transaction, *statements: Asked) -> list[Sequence[Any]]:
        asked.extend(statement for statement, keys in statements if keys)
        return find_each(transaction, *statements)

    monkeypatch.setattr(Transaction, "find_each", noted)

    async def scenario() -> None:
        async with writing(database_url) as it:
            counts = []
            for own in (users[:few], users[few:]):
                cid = await it.create(group(*own))
                for _ in range(3):
                    meant = Extras(mentions=Mentions(everyone=True))
                    await it.send(replace(send(cid, own[0]), extras=meant))
                await it.submit_all(Mute(cid, user, FOREVER, MuteLevel.MENTIONS) for user in own[1::2])
                asked.clear()
                advance = AdvanceReceipts(cid, {user: Position(2, 1) for user in own[1:]})
                answers = await it.writer.submit(advance)
                assert set(answers.values()) == {Receipt(2, 1, unread=2, total_unread=2)}
                counts.append(len(asked))
                private = [them.conversations[0].private for them in it.recorder.published[-1].me]
                assert [them.unread_mentions for them in private] == [2] * (len(own) - 1)
            assert counts[0] == counts[1]

    asyncio.run(scenario())


def test_a_private_receipt_moves_ones_own_position_and_shows_nothing(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna, ben))
            for _ in range(4):
                await it.send(send(cid, anna))
            receipts = ReceiptGatherer(it.writer)
            answer = await receipts.advance(cid, ben, Position(3, 3, private=True))
            assert answer == Receipt(3, 3, unread=1, total_unread=1)
            private = it.recorder.published[-1]
            assert (private.changes, [own.total_unread for own in private.me]) == ((), [1])
            again = await receipts.advance(cid, ben, Position(2, 2))
            assert again == answer
            (change,) = it.recorder.published[-1].changes
            (shown,) = change.delta.members
            assert (shown.shown_read_seq, shown.shown_delivered_seq, shown.read_seq) == (2, 2, 3)
            assert it.recorder.published[-1].me == ()

    asyncio.run(scenario())
    check(read(database_url))


def test_private_and_shown_in_one_moment_do_not_mix(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna, ben))
            for _ in range(4):
                await it.send(send(cid, anna))
            receipts = ReceiptGatherer(it.writer)
            answers = await asyncio.gather(
                receipts.advance(cid, ben, Position(1, 1)),
                receipts.advance(cid, ben, Position(4, 4, private=True)),
                receipts.advance(cid, ben, Position(2, 2)),
            )
            assert answers[-1] == Receipt(4, 4, unread=0, total_unread=0)
            changes = [change for batch in it.recorder.published for change in batch.changes]
            assert [m.shown_read_seq for change in changes for m in change.delta.members][-1] == 2

    asyncio.run(scenario())
    check(read(database_url))


def test_where_one_has_blocked_the_other_a_receipt_shows_nothing(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            for _ in range(4):
                await it.send(send(cid, anna))
            receipts = ReceiptGatherer(it.writer)
            await receipts.advance(cid, ben, Position(1, 1))
            await it.writer.submit(Block(new_id(), ben, anna, True))
            answer = await receipts.advance(cid, ben, Position(3, 3))
            assert answer == Receipt(3, 3, unread=1, total_unread=1)
            hidden = it.recorder.published[-1]
            assert (hidden.changes, [own.total_unread for own in hidden.me]) == ((), [1])
            await it.writer.submit(Block(new_id(), ben, anna, False))
            await receipts.advance(cid, ben, Position(4, 4))
            (change,) = it.recorder.published[-1].changes
            (shown,) = change.delta.members
            assert (shown.shown_read_seq, shown.shown_delivered_seq) == (4, 4)

    asyncio.run(scenario())
    check(read(database_url))


def test_a_stranger_is_refused_and_the_others_are_not(database_url: str) -> None:
    anna, ben, eve = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna, ben))
            await it.send(send(cid, anna))
            receipts = ReceiptGatherer(it.writer)
            theirs = asyncio.create_task(receipts.advance(cid, ben, Position(1, 1)))
            with pytest.raises(NotFound):
                await receipts.advance(cid, eve, Position(1, 1))
            assert (await theirs).read_seq == 1

    asyncio.run(scenario())
