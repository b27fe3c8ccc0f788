"""Conversations, members, history and retries, read on every database."""

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from gochat.core.errors import NotFound
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.messages import DeleteMessage, EditMessage, told_again
from gochat.core.model import UserId
from gochat.core.queries import ConversationView, HistoryPage, SyncPage, SyncRequest
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.storage import sync as sync_reading
from tests.reading.world import NOBODY, UNKNOWN, newcomers_group, reading, send_many
from tests.writing.world import direct, group, new_key, prepare, send, writing


def seqs(page: HistoryPage) -> tuple[list[int], bool, bool]:
    return [message.seq for message in page.messages], page.has_more_before, page.has_more_after


def test_a_conversation_as_its_member_sees_it(database_url: str) -> None:
    anna, ben, eve = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            view = await reader.conversation(ben, cid)
            assert view.last_message is None
            assert (view.conversation.revision, view.conversation.member_count) == (1, 2)
            sent = (await it.send(send(cid, anna))).message
            await it.writer.submit(AdvanceReceipts(cid, {ben: Position(1, 0)}))
            view = await reader.conversation(ben, cid)
            assert view.last_message == sent
            assert view.conversation.last_seq == 1
            assert view.conversation.last_message_at == sent.created_at
            assert (view.me.user_id, view.me.delivered_seq, view.me.unread(1)) == (ben, 1, 1)
            assert (await reader.conversation(anna, cid)).me.read_seq == 1
            for stranger in (eve, *UNKNOWN):
                with pytest.raises(NotFound):
                    await reader.conversation(stranger, cid)
            for unknown in UNKNOWN:
                with pytest.raises(NotFound):
                    await reader.conversation(anna, unknown)

    asyncio.run(scenario())


def test_the_last_message_is_hidden_from_who_joined_after_it(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(newcomers_group(anna))
            await it.send(send(cid, anna))
            await it.writer.submit(AddMembers(cid, anna, (ben,)))
            assert (await reader.conversation(ben, cid)).last_message is None
            assert (await reader.conversations(ben, None, 10)).views[0].last_message is None
            assert (await reader.conversation(anna, cid)).last_message is not None
            sent = (await it.send(send(cid, anna))).message
            assert (await reader.conversation(ben, cid)).last_message == sent

    asyncio.run(scenario())


def test_the_list_is_paged_newest_first(database_url: str) -> None:
    anna, *others = prepare(database_url, 13)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            assert (await reader.conversations(anna, None, 5)).views == ()
            cids = [await it.create(direct(anna, other)) for other in others]
            left = await it.create(group(anna))
            await it.writer.submit(RemoveMember(left, anna, anna))
            await it.submit_all([send(cid, anna) for cid in cids[3:9]])
            views: list[ConversationView] = []
            position, sizes = None, []
            while True:
                page = await reader.conversations(anna, position, 5)
                views += page.views
                sizes.append(len(page.views))
                position = page.position
                if position is None:
                    break
            assert sizes == [5, 5, 2]
            assert sorted(view.conversation.id for view in views) == sorted(cids)
            order = [(view.conversation.last_message_at, view.conversation.id) for view in views]
            assert order == sorted(order, reverse=True)
            assert views == [await reader.conversation(anna, view.conversation.id) for view in views]
            exact = await reader.conversations(anna, None, 12)
            assert (len(exact.views), exact.position) == (12, None)

    asyncio.run(scenario())


def test_members_and_memberships(database_url: str) -> None:
    anna, ben, carl, dora, eve = prepare(database_url, 5)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(newcomers_group(anna, ben, carl))
            await it.send(send(cid, anna))
            await it.writer.submit(AddMembers(cid, anna, (dora,)))
            await it.writer.submit(RemoveMember(cid, anna, carl))
            first = await reader.members(ben, cid, None, 2)
            assert [member.user_id for member in first.members] == [anna, ben]
            rest = await reader.members(ben, cid, first.position, 2)
            assert ([member.user_id for member in rest.members], rest.position) == ([dora], None)
            exact = await reader.members(ben, cid, None, 3)
            assert (len(exact.members), exact.position) == (3, None)
            for stranger in (carl, eve):
                with pytest.raises(NotFound):
                    await reader.members(stranger, cid, None, 10)
                assert (await reader.memberships(stranger)).conversations == ()
            (membership,) = (await reader.memberships(dora)).conversations
            assert (membership.conversation_id, membership.revision) == (cid, 4)
            assert membership.visible_from_seq == 2

    asyncio.run(scenario())


def test_history_is_paged_in_every_direction(database_url: str) -> None:
    anna, ben, eve = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            assert seqs(await reader.history(anna, cid)) == ([], False, False)
            assert seqs(await reader.history(anna, cid, around_seq=1)) == ([], False, False)
            await send_many(it, cid, anna, 25)
            of = {"user_id": ben, "conversation_id": cid}
            assert seqs(await reader.history(**of, limit=10)) == ([*range(16, 26)], True, False)
            assert seqs(await reader.history(**of, before_seq=16, limit=10)) == ([*range(6, 16)], True, True)
            assert seqs(await reader.history(**of, before_seq=6, limit=10)) == ([*range(1, 6)], False, True)
            assert seqs(await reader.history(**of, before_seq=1, limit=10)) == ([], False, True)
            assert seqs(await reader.history(**of, after_seq=0, limit=10)) == ([*range(1, 11)], False, True)
            assert seqs(await reader.history(**of, after_seq=20, limit=10)) == ([*range(21, 26)], True, False)
            assert seqs(await reader.history(**of, after_seq=25, limit=10)) == ([], True, False)
            assert seqs(await reader.history(**of, around_seq=12, limit=4)) == ([10, 11, 12, 13], True, True)
            assert seqs(await reader.history(**of, around_seq=1, limit=4)) == ([1, 2, 3, 4], False, True)
            assert seqs(await reader.history(**of, around_seq=25, limit=4)) == ([22, 23, 24, 25], True, False)
            beyond = 2**53 - 1
            assert seqs(await reader.history(**of, before_seq=beyond, limit=2)) == ([24, 25], True, False)
            assert seqs(await reader.history(**of, after_seq=beyond, limit=2)) == ([], True, False)
            assert seqs(await reader.history(**of, around_seq=beyond, limit=2)) == ([24, 25], True, False)
            page = await reader.history(ben, cid, limit=1)
            assert page.messages[0].body == "25"
            for user_id, unknown in ((eve, cid), (anna, NOBODY), (NOBODY, cid)):
                with pytest.raises(NotFound):
                    await reader.history(user_id, unknown)

    asyncio.run(scenario())


def test_history_begins_where_a_member_joined(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(newcomers_group(anna))
            await send_many(it, cid, anna, 10)
            await it.writer.submit(AddMembers(cid, anna, (ben,)))
            assert seqs(await reader.history(ben, cid)) == ([], False, False)
            assert seqs(await reader.history(ben, cid, before_seq=5)) == ([], False, False)
            await send_many(it, cid, anna, 3)
            assert seqs(await reader.history(ben, cid)) == ([11, 12, 13], False, False)
            assert seqs(await reader.history(ben, cid, before_seq=5)) == ([], False, True)
            assert seqs(await reader.history(ben, cid, after_seq=0, limit=2)) == ([11, 12], False, True)
            assert seqs(await reader.history(ben, cid, around_seq=3, limit=2)) == ([11, 12], False, True)
            assert seqs(await reader.history(ben, cid, before_seq=13, limit=1)) == ([12], True, True)

    asyncio.run(scenario())


def test_history_tells_edits_and_deletes(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            await send_many(it, cid, anna, 2)
            edited = await it.writer.submit(EditMessage(cid, anna, 1, "better"))
            deleted = await it.writer.submit(DeleteMessage(cid, anna, 2))
            page = await reader.history(ben, cid)
            assert page.messages == (edited, deleted)
            assert [message.body for message in page.messages] == ["better", None]

    asyncio.run(scenario())


def test_the_fate_of_what_was_sent(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            here, there = await it.create(group(anna, ben)), await it.create(group(anna, ben))
            one = (await it.send(send(here, ben))).message
            other = (await it.send(send(there, ben))).message
            await it.writer.submit(RemoveMember(there, anna, ben))
            foreign = (await it.send(send(here, anna))).message
            keys = [one.client_message_id, other.client_message_id, foreign.client_message_id, new_key()]
            status = await reader.status(ben, [*keys, *keys])
            assert status == {
                one.client_message_id: one,
                other.client_message_id: told_again(other, None),
            }
            assert await reader.status(ben, []) == {}

    asyncio.run(scenario())


def test_syncs_of_one_user_come_one_after_the_other_and_of_others_beside_them(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait, they take one thread: the others are for others."""
    running: list[UserId] = []
    most: Counter[UserId] = Counter()
    together = threading.Event()
    both = threading.Barrier(2)
    original = sync_reading.sync

    def watched(connection: Any, user_id: UserId, *asked: Any) -> SyncPage:
        running.append(user_id)
        most[user_id] = max(most[user_id], running.count(user_id))
        if not together.is_set():  # the first of each: neither goes on without the other
            both.wait(30)
            together.set()
        try:
            return original(connection, user_id, *asked)
        finally:
            running.remove(user_id)

    monkeypatch.setattr(sync_reading, "sync", watched)
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with reading(database_url) as reader:
            asked = SyncRequest({}, None, None, None, 200)
            await asyncio.gather(*(reader.sync(user_id, asked) for user_id in [anna] * 20 + [ben] * 20))

    asyncio.run(scenario())
    assert most == {anna: 1, ben: 1}
