"""Reactions stored, counted, paged and told; one suite over every database, and by REST."""

import asyncio

import orjson
import pytest

from gochat.contract.encode import delta_out
from gochat.contract.ids import id_out
from gochat.core.delta import Why
from gochat.core.errors import ChatError, NotFound
from gochat.core.members import AddMembers
from gochat.core.messages import DeleteMessage
from gochat.core.model import Message, Reaction, UserId
from gochat.core.queries import ReactionPosition
from gochat.core.reactions import SHOWN, React, Wish
from gochat.core.search import SearchRequest
from gochat.storage.reactions import ReactionGatherer
from tests.contract.rest import Rest, register
from tests.contract.test_rest_chat import group as group_by_rest
from tests.contract.test_rest_chat import say
from tests.reading.world import asking, newcomers_group, reading
from tests.writing.stored import check, read
from tests.writing.world import group, prepare, send, writing

KIB = 1024
THUMB, HEART, MANY = "👍", "❤️", "custom:many"


def mine(message: Message | None) -> dict[str, bool | None]:
    assert message is not None
    return {it.emoji: it.mine for it in message.reactions}


def test_a_reaction_is_told_wherever_its_message_is(database_url: str) -> None:
    anna, ben, *others = prepare(database_url, 2 + SHOWN)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben, *others))
            sent = (await it.send(send(cid, anna, "hello"))).message
            wanted = {(ben, THUMB): True, (ben, MANY): True, (anna, HEART): True}
            wanted |= {(user_id, MANY): True for user_id in others}
            answers = await it.writer.submit(React(cid, 1, wanted))
            told = answers[ben, THUMB]
            assert isinstance(told, Message)
            (stored,) = it.recorder.published[-1].changes[0].delta.messages
            assert [(one.emoji, one.count, one.mine) for one in stored.reactions] == [
                (THUMB, 1, None),
                (MANY, 1 + SHOWN, None),
                (HEART, 1, None),
            ]
            assert ben not in stored.reactions[1].user_ids
            for user_id in (anna, ben, others[0]):
                expected = {THUMB: user_id == ben, MANY: user_id != anna, HEART: user_id == anna}
                view = await reader.conversation(user_id, cid)
                listed = (await reader.conversations(user_id, None, 9)).views[0]
                first = (await reader.sync(user_id, asking())).conversations[0]
                later = (await reader.sync(user_id, asking({cid: 2}))).conversations[0]
                joined = await reader.changes(user_id, cid, 2)
                (page,) = (await reader.history(user_id, cid)).messages
                found = (*first.messages, *later.messages, *joined.messages, page)
                seen = (view.last_message, listed.last_message, first.last_message, *found)
                assert [mine(message) for message in seen] == [expected] * 7
            status = await reader.status(anna, [sent.client_message_id])
            assert mine(status[sent.client_message_id]) == {THUMB: False, MANY: False, HEART: True}
            repaired = await reader.repair(cid, 2)
            assert repaired.delta.messages == (stored,)
            await it.writer.submit(React(cid, 1, {(ben, THUMB): False, (others[-1], MANY): False}))
            (page,) = (await reader.history(ben, cid)).messages
            (many, heart) = page.reactions
            assert (heart.emoji, many.count, many.mine) == (HEART, SHOWN, True)
            assert set(many.user_ids) == {ben, *others[:-1]}
            await it.writer.submit(DeleteMessage(cid, anna, 1))
            assert (await reader.reactions(ben, cid, 1, None, None, 9)).reactions == ()

    asyncio.run(scenario())
    check(read(database_url))


def test_search_tells_ones_own(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            await it.send(send(cid, anna, "needle"))
            await it.writer.submit(React(cid, 1, {(ben, THUMB): True}))
            page = await reader.search(ben, SearchRequest("needle", 9))
            assert [mine(found.message) for found in page.found] == [{THUMB: True}]

    asyncio.run(scenario())


def test_all_reactions_are_paged_the_newest_first(database_url: str) -> None:
    users = prepare(database_url, 25)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(*users))
            await it.send(send(cid, users[0]))
            for n, emoji in enumerate((THUMB, HEART, MANY)):
                for part in (users[: 5 * n + 3], users[5 * n + 3 : 5 * n + 15]):
                    await it.writer.submit(React(cid, 1, {(user_id, emoji): True for user_id in part}))

            async def listed(emoji: str | None, limit: int) -> list[tuple[UserId, str]]:
                found: list[tuple[UserId, str]] = []
                position: ReactionPosition | None = None
                while True:
                    page = await reader.reactions(users[0], cid, 1, emoji, position, limit)
                    assert len(page.reactions) <= limit
                    found += page.reactions
                    if page.position is None:
                        return found
                    position = page.position

            def newest(n: int, emoji: str) -> list[tuple[UserId, str]]:
                parts = users[5 * n + 3 : 5 * n + 15], users[: 5 * n + 3]
                return [(user_id, emoji) for part in parts for user_id in sorted(part, reverse=True)]

            kinds = sorted(enumerate((THUMB, HEART, MANY)), key=lambda it: it[1].encode(), reverse=True)
            everything = [one for n, emoji in kinds for one in newest(n, emoji)]
            for limit in (1, 7, 100):
                assert await listed(None, limit) == everything
                assert await listed(HEART, limit) == newest(1, HEART)
            assert await listed("😂", 5) == []

    asyncio.run(scenario())


def test_what_one_does_not_see_has_no_reactions_to_list(database_url: str) -> None:
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(newcomers_group(anna))
            await it.send(send(cid, anna))
            await it.writer.submit(AddMembers(cid, anna, (ben,)))
            await it.writer.submit(React(cid, 1, {(anna, THUMB): True}))
            for user_id, seq in ((ben, 1), (carl, 1), (anna, 2)):
                with pytest.raises(NotFound):
                    await reader.reactions(user_id, cid, seq, None, None, 9)
            answers = await it.writer.submit(React(cid, 1, {(ben, THUMB): True, (carl, THUMB): True}))
            assert [isinstance(answer, NotFound) for answer in answers.values()] == [True, True]
            assert (await reader.reactions(anna, cid, 1, None, None, 9)).reactions == ((anna, THUMB),)

    asyncio.run(scenario())


def test_a_thousand_who_react_to_one_message_cost_few_revisions(database_url: str) -> None:
    """What goes to each phone stays small; one in five takes theirs back, one in ten changes their mind."""
    users = prepare(database_url, 1_200)
    reacting = users[:1_000]

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(users[0], *users[1:500]))
            for first in range(500, len(users), 500):
                await it.writer.submit(AddMembers(cid, users[0], users[first : first + 500]))
            sent = (await it.send(send(cid, users[0], "The winner is ..."))).message
            it.recorder.published.clear()
            gatherer = ReactionGatherer(it.writer)
            kinds = (THUMB, HEART, "😂", "😮", "custom:party")

            async def react(n: int, user_id: UserId) -> None:
                emoji = kinds[n % len(kinds)]
                message = await gatherer.react(Wish(cid, 1, user_id, emoji, True))
                assert mine(message)[emoji]

            await asyncio.gather(*(react(n, user_id) for n, user_id in enumerate(reacting)))
            told = [change for batch in it.recorder.published for change in batch.changes]
            assert {change.why for change in told} == {Why.MESSAGE_REACTED}
            assert told[-1].delta.revision - sent.revision <= 10
            assert sum(len(orjson.dumps(delta_out(change.delta))) for change in told) <= 64 * KIB
            (message,) = (await reader.history(users[-1], cid)).messages
            assert [(one.emoji, one.count, len(one.user_ids)) for one in message.reactions] == [
                (emoji, 200, SHOWN) for emoji in kinds
            ]
            back = [gatherer.react(Wish(cid, 1, user_id, THUMB, False)) for user_id in reacting[::5]]
            await asyncio.gather(*back[:150])
            (message,) = (await reader.history(users[-1], cid)).messages
            left = message.reactions[0]
            assert (left.emoji, left.count) == (THUMB, 50)
            assert len(left.user_ids) == SHOWN
            assert set(left.user_ids) <= set(reacting[750::5])
            for one in back[150:]:
                one.close()

    asyncio.run(scenario())
    check(read(database_url))


def test_a_refusal_is_of_one_alone(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna))
            await it.send(send(cid, anna))
            gatherer = ReactionGatherer(it.writer)
            wishes = [Wish(cid, 1, user_id, THUMB, True) for user_id in (anna, ben)]
            told, refused = await asyncio.gather(*map(gatherer.react, wishes), return_exceptions=True)
            assert isinstance(told, Message)
            assert told.reactions == (Reaction(THUMB, 1, (anna,), True),)
            assert isinstance(refused, ChatError)

    asyncio.run(scenario())


async def test_the_list_by_rest(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group_by_rest(ann, bob)
    told = await say(ann, cid, "hi")
    assert told["reactions"] == []
    path = f"/messages/{cid}/1/reactions"
    assert await ann.rest.ok("GET", path) == {"reactions": [], "cursor": None}
    answer = await ann.rest.get(f"{path}?emoji=ab")
    assert (answer.code, answer.body["field"]) == ("invalid_payload", "emoji")
    for wrong in (
        f"/messages/{cid}/2/reactions",
        f"/messages/{cid}/x/reactions",
        f"/messages/{id_out(9)}/1/reactions",
    ):
        assert (await ann.rest.get(wrong)).code == "not_found"
    assert (await ann.rest.get(f"{path}?cursor=abc")).code == "cursor_invalid"
