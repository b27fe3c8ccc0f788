"""Search, held against a look at every message, on every database."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, event

from gochat.core.errors import NotFound
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.messages import DeleteMessage, EditMessage, SendMessage, Sent
from gochat.core.model import Attachment, ConversationId, UserId
from gochat.core.search import BLOCK, Found, Has, SearchRequest, fold, holds, ranges
from gochat.storage import search as module
from gochat.storage import search_index
from gochat.storage.engines import write_engine
from gochat.storage.fetch import fetch, run
from gochat.storage.followers import Follower
from gochat.storage.reader import ConversationReader
from gochat.storage.search_index import SearchIndex
from tests.reading.world import NOBODY, newcomers_group, reading, send_many
from tests.writing.world import Writing, direct, group, new_key, prepare, send, writing

SCRIPTS = [
    'the quick brown fox jumps over lazy dogs and C++ "quotes" 100% of_the * time straße ＦＵＬＬ',
    "съешь ещё этих мягких французских булок да выпей чаю Ёлка",
    "مَرْحَبًا بالعالم كيف حالك اليوم يا صديقي العزيز",
    "שלום עולם מה שלומך היום חבר יקר",
    "สวัสดีชาวโลก วันนี้เป็นอย่างไรบ้าง",
    "你好世界今天天气怎么样我的朋友",
    "こんにちは世界今日の天気はどうですかカタカナ",
    "👍🏽 👎 ❤️ 🎉 👨‍👩‍👧 🇩🇪 😀",
]


def some_text(rng: random.Random) -> str:
    words = rng.choice(SCRIPTS).split()
    text = rng.choice([" ", "\n", "  "]).join(rng.choices(words, k=rng.randint(1, 8)))
    if rng.random() < 0.2:
        text += " " + rng.choice(rng.choice(SCRIPTS).split()).upper()
    return text


def some_query(rng: random.Random, texts: list[str]) -> str:
    text = rng.choice(texts)
    first = rng.randrange(len(text))
    query = text[first : first + rng.choice([1, 1, 2, 3, 5, 8, 20])]
    return query if fold(query) else "fox"


async def caught_up(follower: Follower) -> None:
    async with asyncio.timeout(60):
        while await asyncio.to_thread(follower.step):
            pass


async def scan(
    reader: ConversationReader, user_id: UserId, asked: SearchRequest
) -> list[tuple[int, int, int]]:
    """What is found by looking at all that the user sees, with no index."""
    query = fold(asked.query)
    found = []
    for membership in (await reader.memberships(user_id)).conversations:
        cid, after = membership.conversation_id, 0
        more = asked.conversation_id in (None, cid)
        while more:
            page = await reader.history(user_id, cid, after_seq=after, limit=100)
            for it in page.messages:
                if (
                    it.body is not None
                    and query in fold(it.body)
                    and asked.sender_id in (None, it.sender_id)
                    and (asked.before is None or it.created_at < asked.before)
                    and (asked.after is None or it.created_at > asked.after)
                    and (asked.has is None or holds(asked.has, it.body, it.attachments))
                ):
                    found.append((it.created_at, cid, it.seq))
            more = page.has_more_after
            after = page.messages[-1].seq if page.messages else 0
    return sorted(found, reverse=True)


async def search_all(reader: ConversationReader, user_id: UserId, asked: SearchRequest) -> list[Found]:
    """All pages."""
    found: list[Found] = []
    for _ in range(1000):
        page = await reader.search(user_id, asked)
        assert len(page.found) <= asked.limit
        assert page.complete or page.position is not None
        found += page.found
        if page.position is None:
            return found
        assert asked.position is None or page.position.created_at <= asked.position.created_at
        asked = replace(asked, position=page.position)
    raise AssertionError("the pages never end")


async def check(reader: ConversationReader, user_id: UserId, asked: SearchRequest) -> int:
    found = await search_all(reader, user_id, asked)
    keys = [(it.message.created_at, it.message.conversation_id, it.message.seq) for it in found]
    assert keys == await scan(reader, user_id, asked), asked
    for it in found:
        assert it.ranges == ranges(it.message.body or "", fold(asked.query))
        units = (it.message.body or "").encode("utf-16-le")
        for start, end in it.ranges:
            assert start < end <= len(units) // 2
    return len(keys)


async def chat(it: Writing, users: tuple[UserId, ...]) -> list[ConversationId]:
    """Some conversations; each user sees another part of them."""
    anna, ben, carl = users
    return [
        await it.create(direct(anna, ben)),
        await it.create(group(anna, ben, carl)),
        await it.create(newcomers_group(ben, anna)),
        await it.create(direct(ben, carl)),
    ]


@pytest.mark.parametrize("tight", [False, True])
def test_search_finds_what_a_scan_finds(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tight: bool
) -> None:
    """`tight`: each request may do so little that it has to be gone on with."""
    if tight:
        for name, value in {"BLOCKS": 6, "READ": 4_096, "_FIRST": 1, "_MOST": 2_048}.items():
            monkeypatch.setattr(module, name, value)
    rng = random.Random(7)
    users = prepare(database_url, 3)
    anna, ben, carl = users

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            cids = await chat(it, users)
            talk = {
                cids[0]: [anna, ben],
                cids[1]: [anna, ben, carl],
                cids[2]: [anna, ben],
                cids[3]: [ben, carl],
            }
            texts: list[str] = []
            sent: list[tuple[ConversationId, UserId, int]] = []
            for round_ in range(3):
                for cid, who in talk.items():
                    count = rng.randint(BLOCK // 2, 3 * BLOCK)
                    mine = [(rng.choice(who), some_text(rng)) for _ in range(count)]
                    answers = await it.submit_all([_message(rng, cid, *each) for each in mine])
                    texts += [text for _, text in mine]
                    for (sender, _), answer in zip(mine, answers, strict=True):
                        assert isinstance(answer, Sent)
                        sent.append((cid, sender, answer.message.seq))
                if round_ == 0:
                    await it.writer.submit(AddMembers(cids[2], ben, (carl,)))
                    talk[cids[2]].append(carl)
                if round_ == 1:
                    await it.writer.submit(RemoveMember(cids[1], carl, carl))
                    talk[cids[1]].remove(carl)
                if round_ != 2:
                    await caught_up(follower)
                for cid, sender, seq in rng.sample(sent, 10):
                    if sender in talk[cid]:
                        text = some_text(rng)
                        texts.append(text)
                        await it.writer.submit(EditMessage(cid, sender, seq, text))
                for cid, sender, seq in rng.sample(sent, 10):
                    if sender in talk[cid]:
                        await it.writer.submit(DeleteMessage(cid, sender, seq))
                        sent.remove((cid, sender, seq))
            hits = 0
            for _ in range(8 if tight else 24):
                asked = SearchRequest(some_query(rng, texts), rng.choice([1, 3, 50]))
                if rng.random() < 0.3:
                    asked = replace(asked, conversation_id=rng.choice(cids[:1]))
                if rng.random() < 0.3:
                    asked = replace(asked, sender_id=rng.choice(users))
                if rng.random() < 0.2:
                    asked = replace(asked, has=rng.choice(list(Has)))
                hits += await check(reader, anna, asked)
                if asked.conversation_id is None:
                    hits += await check(reader, rng.choice([ben, carl]), asked)
            assert hits > 50
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


def _message(rng: random.Random, cid: ConversationId, who: UserId, text: str) -> SendMessage:
    if rng.random() < 0.1:
        kind = rng.choice(["image/png", "video/mp4", "audio/ogg", "application/pdf"])
        return SendMessage(cid, who, new_key(), text, attachments=(Attachment("https://x.test/a", kind),))
    return send(cid, who, text if rng.random() > 0.05 else f"{text} https://x.test")


def test_times_bound_a_search(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            times = []
            for _ in range(3):
                times.append((await it.send(send(cid, anna, "tea"))).message.created_at)
                await asyncio.sleep(0.003)
            assert times[0] < times[1] < times[2]
            for asked, count in [
                (SearchRequest("tea", 10, after=times[0]), 2),
                (SearchRequest("tea", 10, before=times[2]), 2),
                (SearchRequest("tea", 10, after=times[0], before=times[2]), 1),
                (SearchRequest("tea", 10, before=times[0]), 0),
            ]:
                assert await check(reader, anna, asked) == count

    asyncio.run(scenario())


def test_nobody_finds_what_they_may_not_see(database_url: str) -> None:
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(newcomers_group(anna, ben))
            await it.send(send(cid, anna, "a secret"))
            await caught_up(follower)
            await it.writer.submit(AddMembers(cid, anna, (carl,)))
            await it.send(send(cid, anna, "no secret"))

            async def found(user_id: UserId) -> list[str | None]:
                return [
                    at.message.body for at in (await reader.search(user_id, SearchRequest("secret", 9))).found
                ]

            for _ in range(2):
                assert await found(ben) == ["no secret", "a secret"]
                assert await found(carl) == ["no secret"]
                assert await found(NOBODY) == []
                await caught_up(follower)
            await it.writer.submit(RemoveMember(cid, anna, ben))
            assert await found(ben) == []
            with pytest.raises(NotFound):
                await reader.search(ben, SearchRequest("secret", 9, cid))
            await it.writer.submit(DeleteMessage(cid, anna, 2))
            assert await found(carl) == []
            assert await found(anna) == ["a secret"]
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


def test_much_that_is_not_indexed_says_so(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNINDEXED", 3)
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            await send_many(it, cid, anna, 5)
            assert not (await reader.search(anna, SearchRequest("5", 10))).complete
            await caught_up(follower)
            page = await reader.search(anna, SearchRequest("5", 10))
            assert page.complete
            assert [at.message.seq for at in page.found] == [5]
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


def test_others_get_the_interpreter_between_a_few_that_are_indexed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many conversations no more is read without a pause than of one; all of it becomes known together."""
    did: list[str | int] = []
    work = search_index._texts

    def texts(
        connection: Connection, messages: Sequence[search_index._Message]
    ) -> Iterator[tuple[object, ...]]:
        did.append(len(messages))
        return work(connection, messages)

    monkeypatch.setattr(search_index, "AT_ONCE", 6)
    monkeypatch.setattr(search_index, "_texts", texts)
    monkeypatch.setattr(search_index, "sleep", lambda _: did.append("pause"))
    anna, ben, carl, dora = prepare(database_url, 4)

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            for other in (ben, carl, dora):
                cid = await it.create(direct(anna, other))
                await send_many(it, cid, anna, 5)
            await caught_up(follower)
            assert did == [5, "pause", 5, "pause", 5]
            assert await check(reader, anna, SearchRequest("5", 10)) == 3
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


def test_what_is_too_long_for_the_index_is_found(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            for text in ["tea", "long " * 1_500 + "tea", "ก" * 7_000 + "tea", "coffee"]:
                await it.send(send(cid, anna, text))
            await caught_up(follower)
            assert await check(reader, ben, SearchRequest("tea", 2)) == 3
            assert await check(reader, ben, SearchRequest("กtea", 2)) == 1
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


def texts_of(url: str) -> bytes:
    """All that the index holds."""
    engine = write_engine(url)
    with engine.connect() as connection:
        found = fetch(connection, "SELECT text FROM search_texts")
    engine.dispose()
    return b" ".join(row[0] for row in found)


def test_the_index_forgets_what_was_deleted_or_edited(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            for text in ["my secret", "another secret", "tea"]:
                await it.send(send(cid, anna, text))
            await caught_up(follower)
            assert b"secret" in texts_of(database_url)
            await it.writer.submit(DeleteMessage(cid, anna, 1))
            await it.writer.submit(EditMessage(cid, anna, 2, "coffee"))
            assert await check(reader, ben, SearchRequest("secret", 2)) == 0
            await caught_up(follower)
            assert b"secret" not in texts_of(database_url)
            assert await check(reader, ben, SearchRequest("coffee", 2)) == 1
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


def test_many_conversations_take_no_more_statements_than_one(database_url: str) -> None:
    """Statements of their own for each message would cost more than the message did."""
    anna, *others = prepare(database_url, 30)

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            cids = [await it.create(direct(anna, other)) for other in others]
            for round_ in range(2):
                await it.submit_all([send(cid, anna, "tea") for cid in cids])
                assert len(await asyncio.to_thread(statements_of_work, database_url, cids)) <= 5
                more = await asyncio.to_thread(follower.step)
                assert more == (round_ == 0)  # in one step; the first then goes on to compare all
                await caught_up(follower)
                assert await check(reader, anna, SearchRequest("tea", 50)) == 29 * (round_ + 1)
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


def statements_of_work(url: str, changed: Sequence[ConversationId]) -> list[str]:
    """What the index reads, and would write."""
    statements: list[str] = []
    engine = write_engine(url)
    event.listen(
        engine, "before_cursor_execute", lambda _, __, statement, *more: statements.append(statement)
    )
    with engine.connect() as connection:
        statements += [statement for statement, _ in SearchIndex().work(connection, changed).statements]
    engine.dispose()
    return statements


def test_an_index_that_is_lost_is_made_anew(database_url: str) -> None:
    """As after an update to a release that keeps another one."""
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            await it.send(send(cid, anna, "tea"))
            for _ in range(2):
                follower = Follower(database_url, SearchIndex())
                await asyncio.to_thread(empty, database_url)
                await caught_up(follower)
                assert texts_of(database_url) == b"tea"
                await asyncio.to_thread(follower.stop)
            assert await check(reader, ben, SearchRequest("tea", 2)) == 1

    asyncio.run(scenario())


def empty(url: str) -> None:
    engine = write_engine(url)
    with engine.connect() as connection:
        for table in ("search_texts", "search_marks"):
            run(connection, f"DELETE FROM {table}")
    engine.dispose()


@pytest.mark.slow
def test_two_thousand_searches(database_url: str) -> None:
    """Each of an indexed chat finds what a look at all that the user sees finds."""
    rng = random.Random(11)
    users = prepare(database_url, 3)

    async def scenario() -> None:
        follower = Follower(database_url, SearchIndex())
        async with writing(database_url) as it, reading(database_url) as reader:
            cids = await chat(it, users)
            talk = dict(zip(cids, (users[:2], users, users[:2], users[1:]), strict=True))
            texts = [some_text(rng) for _ in range(1_000)]
            for first in range(0, len(texts), 100):
                some = [(rng.choice(cids), text) for text in texts[first : first + 100]]
                await it.submit_all([send(cid, rng.choice(talk[cid]), text) for cid, text in some])
                await caught_up(follower)
            seen = {user: await look_at_all(reader, user) for user in users}
            for _ in range(2_000):
                query, user = some_query(rng, texts), rng.choice(users)
                found = await search_all(reader, user, SearchRequest(query, 50))
                keys = [(at.message.created_at, at.message.conversation_id, at.message.seq) for at in found]
                assert keys == [key for key, text in seen[user] if fold(query) in text], query
        await asyncio.to_thread(follower.stop)

    asyncio.run(scenario())


async def look_at_all(
    reader: ConversationReader, user_id: UserId
) -> list[tuple[tuple[int, ConversationId, int], str]]:
    """All messages that a user sees, folded, the newest first."""
    found = []
    for membership in (await reader.memberships(user_id)).conversations:
        after, more = 0, True
        while more:
            page = await reader.history(user_id, membership.conversation_id, after_seq=after, limit=100)
            for it in page.messages:
                found.append(((it.created_at, it.conversation_id, it.seq), fold(it.body or "")))
            more, after = page.has_more_after, page.messages[-1].seq if page.messages else 0
    return sorted(found, reverse=True)
