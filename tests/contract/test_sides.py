"""One's own side of conversations: stored, told to one's own devices, counted and listed."""

import asyncio
import time

from gochat.core.messages import SendMessage
from gochat.core.model import ConversationId, Extras, Mentions, MuteLevel, Private
from gochat.core.queries import ListPosition
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.core.sides import FOREVER, Archive, Mark, Mute, Pin, SaveDraft
from tests.contract.rest import Rest, register
from tests.contract.test_rest_chat import group as group_by_rest
from tests.reading.world import asking, reading
from tests.writing.world import group, new_key, prepare, send, writing


def test_a_side_is_told_to_its_member_alone(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            await it.send(send(cid, ben))
            it.recorder.published.clear()
            until = time.time_ns() // 1_000_000 + 3_600_000
            for command in (
                Mute(cid, anna, until, MuteLevel.MENTIONS),
                Archive(cid, anna, True),
                Pin(cid, anna, True),
                Mark(cid, anna, True),
                SaveDraft(cid, anna, "to be 👍🏽 continued"),
                SaveDraft(cid, anna, "to be 👍🏽 continued"),
            ):
                await it.writer.submit(command)
            assert [len(committed.changes) for committed in it.recorder.published] == [0] * 5
            told = [me for committed in it.recorder.published for me in committed.me]
            assert [(me.user_id, me.since, me.revision) for me in told] == [
                (anna, n, n + 1) for n in range(5)
            ]
            private = told[-1].conversations[0].private
            assert private == Private(
                0, until, MuteLevel.MENTIONS, True, True, True, "to be 👍🏽 continued", private.draft_at
            )
            assert (await reader.conversation(anna, cid)).private == private
            assert (await reader.conversations(anna, None, 9)).views[0].private == private
            assert (await reader.sync(anna, asking())).conversations[0].private == private
            page = await reader.sync(anna, asking({cid: 2}, me=1))
            assert page.me is not None
            assert [own.private for own in page.me.conversations] == [private]
            assert (await reader.conversation(ben, cid)).private == Private()

    asyncio.run(scenario())


def test_a_message_that_was_written_before_all_was_read_tells_the_side_too(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna, ben))
            await it.writer.submit(Pin(cid, anna, True))
            await it.send(send(cid, ben))
            it.recorder.published.clear()
            await it.send(SendMessage(cid, anna, new_key(), "from a tunnel", extras=Extras(read_up_to=0)))
            ((told,),) = [committed.me for committed in it.recorder.published]
            (own,) = told.conversations
            assert (told.user_id, own.member.read_seq, own.unread, own.private.pinned) == (anna, 0, 1, True)

    asyncio.run(scenario())


def test_totals_follow_what_is_set(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cids = [await it.create(group(ben, anna)) for _ in range(4)]
            for cid in cids:
                for _ in range(3):
                    await it.send(send(cid, ben))
                extras = Extras(mentions=Mentions((anna,)))
                await it.send(SendMessage(cid, ben, new_key(), "anna", extras=extras))

            async def total() -> int:
                it.recorder.published.clear()
                await it.writer.submit(SaveDraft(cids[0], anna, new_key().hex()))
                ((told,),) = [committed.me for committed in it.recorder.published]
                read = await reader.me(anna, 0)
                assert read.total_unread == told.total_unread
                return told.total_unread

            assert await total() == 16
            await it.writer.submit(Mute(cids[0], anna, FOREVER, MuteLevel.NONE))
            assert await total() == 12
            await it.writer.submit(Mute(cids[1], anna, FOREVER, MuteLevel.MENTIONS))
            assert await total() == 9
            answers = await it.writer.submit(AdvanceReceipts(cids[2], {anna: Position(4, 4)}))
            assert answers[anna].total_unread == 5  # type: ignore[union-attr]
            await it.writer.submit(Mark(cids[2], anna, True))
            assert await total() == 6
            await it.writer.submit(AdvanceReceipts(cids[2], {anna: Position(4, 4)}))
            assert await total() == 5
            await it.writer.submit(Mute(cids[1], anna, 0, MuteLevel.NONE))
            assert await total() == 8

    asyncio.run(scenario())


def test_the_list_has_pinned_ones_first_and_archived_ones_apart(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cids = []
            for _ in range(6):
                cids.append(await it.create(group(anna, ben)))
                await it.send(send(cids[-1], anna))
                await asyncio.sleep(0.003)
            for cid in (cids[1], cids[3]):
                await it.writer.submit(Pin(cid, anna, True))
            for cid in (cids[0], cids[3], cids[4]):
                await it.writer.submit(Archive(cid, anna, True))

            async def listed(archived: bool | None, limit: int = 2) -> list[ConversationId]:
                found: list[ConversationId] = []
                position: ListPosition | None = None
                while True:
                    page = await reader.conversations(anna, position, limit, archived=archived)
                    found += [view.conversation.id for view in page.views]
                    position = page.position
                    if position is None:
                        return found

            assert await listed(None) == [cids[n] for n in (3, 1, 5, 4, 2, 0)]
            assert await listed(True) == [cids[n] for n in (3, 4, 0)]
            assert await listed(False, 1) == [cids[n] for n in (1, 5, 2)]
            await it.writer.submit(Mute(cids[0], anna, FOREVER, MuteLevel.NONE))
            for cid in (cids[0], cids[4]):
                await it.send(send(cid, ben))
            assert set(await listed(True)) == {cids[3], cids[0]}

    asyncio.run(scenario())


async def test_the_list_by_rest(rest: Rest) -> None:
    ann = await register(rest, "ann")
    for _ in range(3):
        await group_by_rest(ann)
    path = "/conversations?limit=2&archived=false"
    first = await ann.rest.ok("GET", path)
    rest_of_it = await ann.rest.ok("GET", f"{path}&cursor={first['cursor']}")
    assert len(first["conversations"]) == 2
    assert len(rest_of_it["conversations"]) == 1
    assert (await ann.rest.ok("GET", "/conversations?archived=true"))["conversations"] == []
    answer = await ann.rest.get("/conversations?archived=1")
    assert (answer.code, answer.body["field"]) == ("invalid_payload", "archived")
