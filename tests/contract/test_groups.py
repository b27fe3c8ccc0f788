"""What a group is set up with: stored, told, and left as it is by whatever else happens in it."""

import asyncio
import json
from dataclasses import replace

from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.delta import Why
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import DeleteMessage, PinMessage
from gochat.core.model import ConversationExtras, Role, Who
from gochat.core.receipts import AdvanceReceipts, Position
from tests.reading.world import asking, reading
from tests.writing.stored import check, read
from tests.writing.world import group, prepare, send, writing


def test_a_set_up_is_kept_by_what_does_not_change_it(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)
    data = '{"x":"\\u0000😀"}'
    setup = ConversationExtras("https://example.org/a?b=é", data, Who.ADMINS, Who.ALL)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            changes = {name: getattr(setup, name) for name in ("avatar_url", "data", "who_sends", "who_adds")}
            for name in ("data", "avatar_url", "who_sends", "who_adds"):
                await it.writer.submit(UpdateConversation(cid, anna, {name: changes[name]}))
            (change,) = it.recorder.published[-1].changes
            assert change.why is Why.CONVERSATION_UPDATED
            assert change.delta.conversation is not None
            assert change.delta.conversation.extras == setup
            both: list[AnyCommand] = [
                send(cid, anna),
                UpdateConversation(cid, anna, {"title": "New"}),
                send(cid, anna),
            ]
            alone: list[AnyCommand] = [send(cid, anna)]
            for commands in (alone, both):
                await it.submit_all(commands)
                for user_id in (anna, ben):
                    view = await reader.conversation(user_id, cid)
                    assert view.conversation.extras == setup
                    (told,) = (await reader.sync(user_id, asking())).conversations
                    assert told.conversation == view.conversation
            assert view.conversation.title == "New"
            assert (await reader.repair(cid, 1)).delta.conversation == view.conversation
            await it.submit_all([PinMessage(cid, anna, seq, True) for seq in (1, 3)])
            await it.writer.submit(UpdateConversation(cid, anna, {"data": None}))
            view = await reader.conversation(ben, cid)
            assert view.conversation.extras == replace(setup, data=None, pinned_seqs=(3, 1))
            await it.writer.submit(DeleteMessage(cid, anna, 3))
            (told,) = (await reader.sync(ben, asking())).conversations
            assert told.conversation is not None
            assert told.conversation.setup.pinned_seqs == (1,)

    asyncio.run(scenario())


def test_what_happens_is_told_and_unread_to_nobody(database_url: str) -> None:
    anna, ben, carl, dora = prepare(database_url, 4)
    limits = Limits(system_messages=True)

    async def scenario() -> None:
        async with writing(database_url, limits) as it, reading(database_url, limits) as reader:
            cid = await it.create(group(anna, ben, carl))

            async def unread() -> list[int]:
                views = [await reader.conversation(user_id, cid) for user_id in (anna, ben)]
                totals = [(await reader.me(user_id, 0)).total_unread for user_id in (anna, ben)]
                counted = [view.me.unread(view.conversation.last_seq) for view in views]
                assert counted == totals
                return counted

            await it.writer.submit(UpdateConversation(cid, anna, {"title": "New"}))
            assert await unread() == [0, 0]
            await it.send(send(cid, carl))
            together: list[AnyCommand] = [AddMembers(cid, anna, (dora,)), send(cid, dora)]
            await it.submit_all([*together, RemoveMember(cid, anna, carl)])
            assert await unread() == [2, 2]
            answers = await it.writer.submit(AdvanceReceipts(cid, {ben: Position(2, 2)}))
            assert answers[ben].unread == 1  # type: ignore[union-attr]
            await it.submit_all([SetRole(cid, anna, ben, Role.ADMIN), DeleteMessage(cid, anna, 4)])
            assert await unread() == [1, 0]
            page = (await reader.history(ben, cid)).messages
            told = [it.extras and json.loads(it.extras.data or "")["event"] for it in page if it.is_system]
            assert told == ["title_changed", "member_added", "member_removed", "role_changed"]
            assert [it.seq for it in page] == list(range(1, 7))
            newcomer = await reader.conversation(dora, cid)
            assert newcomer.me.unread(newcomer.conversation.last_seq) == 0

    asyncio.run(scenario())
    check(read(database_url))
