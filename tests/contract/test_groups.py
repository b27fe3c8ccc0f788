"""What a group is set up with: stored, told, and left as it is by whatever else happens in it."""

import asyncio
from dataclasses import replace

from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.delta import Why
from gochat.core.messages import DeleteMessage, PinMessage
from gochat.core.model import ConversationExtras, Who
from tests.reading.world import asking, reading
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
