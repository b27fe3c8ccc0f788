"""Kinds, data and mentions, stored and told, on every database."""

import asyncio
from typing import Any

from gochat.core.errors import IdempotencyConflict
from gochat.core.messages import KEEP, DeleteMessage, EditMessage, SendMessage
from gochat.core.model import Extras, Forwarded, Mentions
from gochat.core.receipts import AdvanceReceipts, Position
from tests.contract.rest import Rest, RestUser, register
from tests.contract.test_rest_chat import group, message, page, say
from tests.reading.world import asking, reading
from tests.writing.world import direct, new_key, prepare, send, writing
from tests.writing.world import group as group_of

ALL = Extras(
    "custom:order-card",
    '{"a":[1,2.5,null,"\\u00e9\\u0000😀"],"b":{}}',
    Mentions((1, 2), everyone=True),
    silent=True,
    forwarded_from=Forwarded(2**62, 7),
)


def test_extras_are_read_as_they_were_written(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            first = await it.send(send(cid, anna))
            extras = Extras(ALL.kind, ALL.data, Mentions((anna, ben), everyone=True), True, Forwarded(cid, 1))
            command = SendMessage(cid, anna, new_key(), "look", extras=extras)
            sent = await it.send(command)
            read = (await reader.history(anna, cid)).messages
            assert read == (first.message, sent.message)
            assert sent.message.extras == extras
            again = await it.send(command)
            assert again.duplicate
            assert again.message == sent.message
            (refused,) = await it.submit_all([SendMessage(cid, anna, command.client_message_id, "look")])
            assert isinstance(refused, IdempotencyConflict)
            edited = await it.writer.submit(EditMessage(cid, anna, 2, KEEP, data=None))
            assert (await reader.history(anna, cid)).messages[1] == edited
            await it.writer.submit(DeleteMessage(cid, anna, 2))
            assert (await reader.history(anna, cid)).messages[1].extras is None

    asyncio.run(scenario())


def test_mentions_that_are_not_read_are_counted(database_url: str) -> None:
    anna, ben, carl = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group_of(anna, ben, carl))

            async def mention(*user_ids: int, everyone: bool = False) -> int:
                extras = Extras(mentions=Mentions(user_ids, everyone))
                return (await it.send(SendMessage(cid, anna, new_key(), "hey", extras=extras))).message.seq

            async def unread(user_id: int) -> int:
                view = await reader.conversation(user_id, cid)
                listed = (await reader.conversations(user_id, None, 10)).views[0]
                (synced,) = (await reader.sync(user_id, asking())).conversations
                assert (
                    view.private.unread_mentions
                    == listed.private.unread_mentions
                    == synced.private.unread_mentions
                )
                own = (await reader.me(user_id, 0)).conversations
                assert [it.private.unread_mentions for it in own] in ([], [view.private.unread_mentions])
                return view.private.unread_mentions

            await it.send(send(cid, anna))
            one, two = await mention(ben), await mention(ben, carl, everyone=True)
            await mention(carl)
            assert [await unread(user_id) for user_id in (anna, ben, carl)] == [0, 2, 2]
            await it.writer.submit(EditMessage(cid, anna, two, KEEP, mentions=Mentions((ben,))))
            assert [await unread(user_id) for user_id in (ben, carl)] == [2, 1]
            it.recorder.published.clear()
            await it.writer.submit(AdvanceReceipts(cid, {ben: Position(one, one)}))
            ((told,),) = [committed.me for committed in it.recorder.published]
            assert [own.private.unread_mentions for own in told.conversations] == [1]
            assert await unread(ben) == 1
            await it.writer.submit(DeleteMessage(cid, anna, two))
            assert await unread(ben) == 0
            await it.send(send(cid, carl))
            assert await unread(carl) == 0

    asyncio.run(scenario())


def asked(cid: str, **fields: Any) -> dict[str, Any]:
    return message(cid, **fields)


async def test_extras_by_rest(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann, bob)
    data = {"price": 1.10, "items": [{"id": "é", "n": 3}], "note": None}
    plain = await say(ann, cid, "hi")
    nothing = {"kind": "text", "data": None, "mentions": None, "silent": False, "forwarded_from": None}
    assert {name: plain[name] for name in nothing} == nothing
    extras: dict[str, Any] = {
        "kind": "custom:card",
        "data": data,
        "mentions": {"user_ids": [bob.id], "everyone": False},
        "silent": True,
        "forwarded_from": {"conversation_id": cid, "seq": 1},
    }
    told = await say(ann, cid, "look", **extras)
    assert {name: told[name] for name in extras} == extras
    assert (await page(bob, cid))["messages"] == [plain, told]
    (listed,) = (await bob.rest.ok("GET", "/conversations"))["conversations"]
    assert listed["me"]["unread_mentions"] == 1


async def test_bad_extras_are_refused(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann)
    deep: dict[str, Any] = {}
    for _ in range(8):
        deep = {"a": deep}
    refused: list[tuple[dict[str, Any], str, str]] = [
        ({"kind": "system"}, "invalid_payload", "kind"),
        ({"kind": "custom:"}, "invalid_payload", "kind"),
        ({"kind": "custom:Card"}, "invalid_payload", "kind"),
        ({"kind": "custom:" + "x" * 33}, "invalid_payload", "kind"),
        ({"kind": "poem"}, "invalid_payload", "kind"),
        ({"data": []}, "invalid_payload", "data"),
        ({"data": "{}"}, "invalid_payload", "data"),
        ({"data": {"a": "x" * 4100}}, "invalid_payload", "data"),
        ({"data": deep}, "invalid_payload", "data"),
        ({"mentions": {"user_ids": [bob.id]}}, "invalid_payload", "mentions.user_ids"),
        ({"mentions": {"user_ids": [ann.id], "all": True}}, "invalid_payload", "mentions.all"),
        ({"forwarded_from": {"conversation_id": cid, "seq": 9}}, "not_found", "forwarded_from"),
        ({"silent": "yes"}, "invalid_payload", "silent"),
    ]
    for fields, code, field in refused:
        answer = await ann.rest.post("/messages", asked(cid, **fields))
        assert (answer.code, answer.body["field"]) == (code, field), fields
    assert (await page(ann, cid))["messages"] == []
    await _deep_enough(ann, cid)


async def _deep_enough(ann: RestUser, cid: str) -> None:
    data: dict[str, Any] = {}
    for _ in range(7):
        data = {"a": data}
    assert (await say(ann, cid, "deep", data=data))["data"] == data
