"""What users decide about themselves, from the writer to log and reader; one suite over every database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gochat.core.blocks import Block
from gochat.core.command import AnyCommand
from gochat.core.erasure import EraseUser
from gochat.core.errors import ChatError, Forbidden, InvalidPayload, LimitExceeded, NotFound
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.messages import DeleteMessage, EditMessage, Sent
from gochat.core.model import Conversation, Message, Settings, UserId
from gochat.core.profiles import UpdateProfile
from gochat.core.queries import ChangedUsers, SyncRequest
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database
from gochat.storage.epoch import EpochGuard
from gochat.storage.log import MAX_SAID, BatchLog
from gochat.storage.reader import ConversationReader
from tests.writing.stored import check, read
from tests.writing.world import (
    LIMITS,
    Writing,
    direct,
    group,
    new_id,
    new_key,
    prepare,
    send,
    writing,
)


def block(user_id: UserId, other_id: UserId, *, on: bool = True) -> Block:
    return Block(new_id(), user_id, other_id, on)


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[tuple[ConversationReader, StoredAccounts, BatchLog]]:
    database = Database(url, pool_size=1)
    try:
        yield ConversationReader(database, LIMITS), StoredAccounts(database), BatchLog(database, EpochGuard())
    finally:
        await database.close()


async def refused(it: Writing, command: AnyCommand) -> ChatError:
    with pytest.raises(ChatError) as refusal:
        await it.writer.submit(command)
    return refusal.value


def test_a_block_closes_the_direct_conversation_until_both_have_lifted_theirs(
    database_url: str,
) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            key = new_key()
            before = await it.send(send(cid, ben, "before", key))
            await it.writer.submit(block(anna, ben))
            for user_id in (anna, ben):
                error = await refused(it, send(cid, user_id))
                assert (type(error), error.details) == (Forbidden, {"reason": "blocked"})
            assert isinstance(await refused(it, EditMessage(cid, ben, 1, "after")), Forbidden)
            again = await it.send(send(cid, ben, "before", key))
            assert again == replace(before, duplicate=True), "what was acked stays so"
            assert await it.create(direct(ben, anna)) == cid, "it is still there"
            await it.writer.submit(block(ben, anna))
            await it.writer.submit(block(anna, ben, on=False))
            assert isinstance(await refused(it, send(cid, anna)), Forbidden)
            await it.writer.submit(block(ben, anna, on=False))
            assert (await it.send(send(cid, anna))).message.seq == 2
            changes = [change for batch in it.recorder.published for change in batch.changes]
            assert [change.delta.revision for change in changes] == [1, 2, 3], "a block is shown to nobody"

    asyncio.run(scenario())
    check(read(database_url))


def test_a_block_is_told_to_ones_own_devices_and_to_all_processes(database_url: str) -> None:
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as (reader, accounts, log):
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, ben))
            await it.writer.submit(block(anna, ben))
            (own,) = it.recorder.published[-1].me
            assert (own.user_id, own.since, own.revision, own.profile, own.total_unread) == (
                anna,
                0,
                1,
                True,
                1,
            )
            assert [user.id for user in await accounts.blocked(anna)] == [ben]
            assert await accounts.blocked(ben) == ()
            assert await reader.closed(anna) == {cid}
            assert await reader.closed(ben) == frozenset(), "he has not closed it"
            for user_id in (anna, ben):
                (membership,) = (await reader.memberships(user_id)).conversations
                assert membership.blocked
            me = await reader.me(anna, 0)
            assert (me.revision, me.profile) == (1, await accounts.profile(anna))
            assert (await reader.me(anna, 1)).profile is None
            assert (await reader.me(ben, 0)).profile is None
            page = await reader.sync(anna, SyncRequest({}, 0, None, None, 50))
            assert page.me == me
            heads = await log.heads()
            batches = await log.batches(dict.fromkeys(heads.numbers, 0))
            assert [batch.profiles for batch in batches] == [(), (), (anna,)]
            published = len(it.recorder.published)
            await it.writer.submit(block(anna, ben))
            await it.writer.submit(block(carl, ben, on=False))
            assert len(it.recorder.published) == published, "nothing changed"

    asyncio.run(scenario())


def test_who_is_blocked_cannot_begin_anew(database_url: str) -> None:
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it:
            await it.writer.submit(block(anna, ben))
            error = await refused(it, direct(ben, anna))
            stranger = await refused(it, direct(ben, new_id()))
            assert (type(error), error.message, error.field) == (NotFound, stranger.message, stranger.field)
            assert isinstance(await refused(it, direct(anna, ben)), Forbidden)
            assert isinstance(await refused(it, group(ben, carl, anna)), NotFound)
            theirs = await it.create(group(ben, carl))
            assert isinstance(await refused(it, AddMembers(theirs, ben, (anna,))), NotFound)
            ours = await it.create(group(carl, anna, ben))
            assert (await it.send(send(ours, ben))).message.seq == 1, "a group is of all its members"
            assert await it.create(group(anna, ben)), "who blocked may add whom they blocked"
            await it.writer.submit(block(anna, ben, on=False))
            assert await it.create(direct(ben, anna))

    asyncio.run(scenario())
    check(read(database_url))


def test_bad_blocks_are_refused(database_url: str) -> None:
    anna, ben, carl, dora = prepare(database_url, 4)

    async def scenario() -> None:
        async with writing(database_url, replace(LIMITS, blocks=2)) as it:
            assert isinstance(await refused(it, block(anna, anna)), InvalidPayload)
            assert isinstance(await refused(it, block(anna, new_id())), NotFound)
            answers = await it.submit_all([block(anna, other) for other in (ben, carl, dora)])
            assert [type(answer) for answer in answers] == [type(None), type(None), LimitExceeded]
            await it.writer.submit(block(anna, ben, on=False))
            await it.writer.submit(block(anna, dora))
            async with reading(database_url) as (_, accounts, _):
                assert [user.id for user in await accounts.blocked(anna)] == [carl, dora]

    asyncio.run(scenario())
    assert not read(database_url).conversations, "no place is kept for what was never made"


def test_blocks_and_sends_and_creations_of_two_processes_are_in_one_order(database_url: str) -> None:
    users = prepare(database_url, 26)

    async def scenario() -> None:
        async with writing(database_url) as one, writing(database_url) as other:

            async def meet(anna: UserId, ben: UserId, it: Writing, rival: Writing) -> None:
                making = it.writer.submit(direct(ben, anna))
                blocking = rival.writer.submit(block(anna, ben))
                await asyncio.gather(making, blocking, return_exceptions=True)
                await blocking
                try:
                    made = await making
                except NotFound:
                    return
                assert isinstance(await refused(it, send(made.id, ben)), Forbidden)

            for n in range(0, 24, 2):
                await meet(users[n], users[n + 1], *((one, other) if n % 4 else (other, one)))

            anna, ben = users[24:]
            cid = await one.create(direct(anna, ben))
            sends = [other.writer.submit(send(cid, ben)) for _ in range(200)]
            await one.writer.submit(block(anna, ben))
            stored = len(read(database_url).messages)
            answers = await asyncio.gather(*sends, return_exceptions=True)
            sent = [answer.message.seq for answer in answers if isinstance(answer, Sent)]
            assert sent == list(range(1, stored + 1)), "nothing is stored after the answer"

    asyncio.run(scenario())
    check(read(database_url))


def test_a_profile_is_changed_in_part(database_url: str) -> None:
    (anna,) = prepare(database_url, 1)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as (reader, accounts, _):
            await it.writer.submit(UpdateProfile(anna, {"display_name": " Anna 👩 "}))
            await it.submit_all(
                [
                    UpdateProfile(anna, settings={"presence_hidden": True}),
                    UpdateProfile(anna, {"display_name": "Anna B."}),
                    UpdateProfile(anna),
                ]
            )
            profile = await accounts.profile(anna)
            assert profile is not None
            assert (profile.user.display_name, profile.settings.presence_hidden) == ("Anna B.", True)
            assert (await reader.me(anna, 1)).profile == profile
            assert isinstance(await refused(it, UpdateProfile(anna, {"display_name": " \n"})), InvalidPayload)
            assert isinstance(
                await refused(it, UpdateProfile(new_id(), {"display_name": "Nobody"})), NotFound
            )
            await it.writer.submit(UpdateProfile(anna, settings={"presence_hidden": False}))
            assert await accounts.profile(anna) == replace(profile, settings=Settings(presence_hidden=False))

    asyncio.run(scenario())


def test_a_phone_is_told_who_changed_of_those_it_sees(database_url: str) -> None:
    anna, ben, carl, dora, eve = prepare(database_url, 5)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as (reader, accounts, log):
            gid = await it.create(group(anna, ben, carl))
            await it.create(direct(anna, dora))

            async def told(since: int | None = 1_000, **asked: Any) -> Any:
                request = SyncRequest({}, 0, None, None, 50, users_since=since)
                return (await reader.sync(anna, replace(request, **asked))).users

            assert await told(None) is None, "a phone that does not ask"
            assert await told() == ChangedUsers({})
            await it.submit_all(
                [
                    UpdateProfile(ben, {"display_name": "Ben B."}),
                    UpdateProfile(ben, {"avatar_url": "https://example.com/ben.png"}),
                    UpdateProfile(carl, settings={"receipts_hidden": True}),
                    UpdateProfile(eve, {"display_name": "Eve E."}),
                    UpdateProfile(dora, {"display_name": "Dora D."}),
                ]
            )
            await it.writer.submit(UpdateProfile(dora, {"display_name": "Dora D."}))
            assert [(me.user_id, me.said) for me in it.recorder.published[-1].me] == [
                (ben, 2), (carl, 0), (eve, 1), (dora, 1),
            ]  # fmt: skip
            heads = await log.heads()
            *_, last = await log.batches(dict.fromkeys(heads.numbers, 0))
            assert last.said == {ben: 2, eve: 1, dora: 1}
            assert await log.said(60_000) == last.said
            assert await told() == ChangedUsers({ben: 2, dora: 1})
            page = await reader.sync(anna, SyncRequest({}, None, None, None, 50))
            assert await told(standing=page.standing, me=None) == ChangedUsers({ben: 2, dora: 1})
            assert await told(page.server_time) == ChangedUsers({ben: 2, dora: 1}), "within the margin"
            assert await told(page.server_time + 60_000) == ChangedUsers({}), "as if it were later"
            assert await told(page.server_time + 600_000) == ChangedUsers(None), "of no server's clock"
            assert await told(epoch="another") == ChangedUsers(None)
            assert await told(epoch=page.epoch) == ChangedUsers({ben: 2, dora: 1})
            await it.writer.submit(RemoveMember(gid, ben, ben))
            await it.writer.submit(EraseUser(ben))
            assert await told() == ChangedUsers({ben: 3, dora: 1}), "what they wrote is there still"
            await it.writer.submit(EraseUser(ben))
            (left,) = await accounts.users([ben])
            assert (left.revision, left.deleted) == (3, True)
            assert set(await reader.places(ben)) == {gid}

    asyncio.run(scenario())


def test_where_too_many_changed_to_name_them_any_may_have(database_url: str) -> None:
    anna, *others = prepare(database_url, MAX_SAID + 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as (reader, _, log):
            await it.create(group(anna, *others[:20]))
            request = SyncRequest({}, 0, None, None, 50, users_since=1_000)
            await it.submit_all([UpdateProfile(other, {"about": "New"}) for other in others[1:]])
            page = await reader.sync(anna, request)
            assert page.users == ChangedUsers(dict.fromkeys(others[1:20], 1))
            await it.submit_all([UpdateProfile(others[0], {"about": "New"})])
            assert (await reader.sync(anna, request)).users == ChangedUsers(None)
            assert len(await log.said(60_000)) == MAX_SAID

    asyncio.run(scenario())


def test_who_may_see_whom(database_url: str) -> None:
    anna, ben, carl, dora, eve = prepare(database_url, 5)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as (reader, _, _):
            await it.create(group(anna, ben, carl, dora))
            await it.create(direct(anna, ben))
            all_ = (anna, ben, carl, dora, eve)

            async def both(user_id: UserId) -> tuple[set[UserId], set[UserId]]:
                return set(await reader.seen(user_id, all_)), set(await reader.seers(user_id, all_))

            assert await both(anna) == ({anna, ben, carl, dora}, {anna, ben, carl, dora})
            await it.writer.submit(block(anna, ben))
            await it.writer.submit(UpdateProfile(carl, settings={"presence_hidden": True}))
            assert await both(anna) == ({anna, dora}, {anna, carl, dora})
            assert await both(ben) == ({ben, dora}, {ben, carl, dora})
            assert await both(carl) == ({anna, ben, carl, dora}, {carl})
            assert await both(eve) == ({eve}, {eve})
            assert await reader.seen(anna, ()) == frozenset()

    asyncio.run(scenario())


def test_a_block_in_one_batch_with_the_creation(database_url: str) -> None:
    anna, ben, carl, dora = prepare(database_url, 4)

    async def scenario() -> None:
        async with writing(database_url) as it:
            made, _, late = await it.submit_all([direct(anna, ben), block(ben, anna), direct(anna, ben)])
            assert isinstance(made, Conversation)
            assert made == replace(late, blocked=False)
            assert isinstance(await refused(it, send(made.id, anna)), Forbidden)
            _, refusal = await it.submit_all([block(dora, carl), direct(carl, dora)])
            assert isinstance(refusal, NotFound)

    asyncio.run(scenario())
    check(read(database_url))


def test_who_is_blocked_may_still_delete_what_he_wrote(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, ben))
            await it.writer.submit(block(anna, ben))
            deleted = await it.writer.submit(DeleteMessage(cid, ben, 1))
            assert isinstance(deleted, Message)
            assert deleted.deleted_at is not None

    asyncio.run(scenario())
    check(read(database_url))
