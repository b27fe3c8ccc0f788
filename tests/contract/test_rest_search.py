"""`GET messages/search` as an app uses it, over each database, with the follower that runs in the server."""

import asyncio
from urllib.parse import quote

import pytest

from gochat.contract.ids import id_out
from gochat.storage.engines import write_engine
from tests.contract.rest import Rest, register
from tests.contract.test_rest_chat import group, say


async def test_search(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    trip = await group(ann, bob)
    other = await group(ann, title="Mine")
    for text in ["Where is C++ taught?", "in\nthe sea", "👍🏽 100%"]:
        await say(bob, trip, text)
    await say(ann, other, "the sea, again")

    async def bodies(query: str) -> list[str]:
        answer = await ann.rest.ok("GET", f"/messages/search?{query}")
        assert answer["complete"]
        return [it["message"]["body"] for it in answer["results"]]

    assert await bodies("q=The%20Sea") == ["the sea, again", "in\nthe sea"]
    assert await bodies(f"q=sea&conversation_id={trip}") == ["in\nthe sea"]
    assert await bodies(f"q=sea&sender_id={ann.id}") == ["the sea, again"]
    assert await bodies("q=sea&before=2020-01-01T00:00:00.000Z") == []
    assert await bodies("q=sea&after=2020-01-01T00:00:00Z&has=link") == []
    for query, found in {"c++": 1, "%": 1, "👍": 1, "_": 0, "*": 0, '"': 0, "?": 1}.items():
        assert len(await bodies(f"q={quote(query)}")) == found, query
    answer = await ann.rest.ok("GET", f"/messages/search?q={quote('👍')}")
    assert answer["results"][0]["ranges"] == [{"start": 0, "end": 4}]


async def test_pages_of_a_search(rest: Rest) -> None:
    ann = await register(rest, "ann")
    cid = await group(ann)
    for n in range(5):
        await say(ann, cid, f"tea {n}")
    found, query = [], "/messages/search?q=tea&limit=2"
    cursor = ""
    for _ in range(3):
        answer = await ann.rest.ok("GET", query + cursor)
        found += [it["message"]["seq"] for it in answer["results"]]
        last = f"&cursor={answer['cursor']}"
        cursor = last if answer["cursor"] else cursor
    assert found == [5, 4, 3, 2, 1]
    bob = await register(rest, "bob")
    for user, path in [(bob, query + cursor), (ann, f"/messages/search?q=coffee&limit=2{cursor}")]:
        assert (await user.rest.get(path)).code == "cursor_invalid"


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("", 400, "invalid_payload", "q"),
        ("q=", 400, "invalid_payload", "q"),
        ("q=%20", 400, "invalid_payload", "q"),
        (f"q={'x' * 10_000}", 400, "invalid_payload", "q"),
        ("q=a&has=poem", 400, "invalid_payload", "has"),
        ("q=a&before=yesterday", 400, "invalid_payload", "before"),
        ("q=a&before=2026-02-30T00:00:00Z", 400, "invalid_payload", "before"),
        ("q=a&limit=51", 400, "invalid_payload", "limit"),
        ("q=a&cursor=AAAA", 400, "cursor_invalid", "cursor"),
        (f"q=a&conversation_id={id_out(7)}", 404, "not_found", "conversation_id"),
    ],
)
async def test_what_search_refuses(rest: Rest, query: str, status: int, code: str, field: str) -> None:
    ann = await register(rest, "ann")
    answer = await ann.rest.get(f"/messages/search?{query}")
    assert (answer.status, answer.code, answer.body["field"]) == (status, code, field)


async def test_the_server_keeps_the_index(rest: Rest, database_url: str) -> None:
    ann = await register(rest, "ann")
    cid = await group(ann)
    await say(ann, cid, "indexed")
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(indexed, database_url):  # noqa: ASYNC110  (a thread writes)
            await asyncio.sleep(0.1)


def indexed(url: str) -> int:
    engine = write_engine(url)
    with engine.connect() as connection:
        count = int(connection.exec_driver_sql("SELECT COUNT(*) FROM search_texts").scalar_one())
    engine.dispose()
    return count
