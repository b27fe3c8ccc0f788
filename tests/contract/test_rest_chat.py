"""Conversations, messages, receipts and sync by REST alone, over each database."""

import asyncio
from typing import Any
from uuid import uuid4

from gochat.contract.ids import id_out
from tests.contract.rest import Rest, RestUser, register
from tests.contract.stored import stored


async def group(owner: RestUser, *others: RestUser, title: str | None = "Trip") -> str:
    body = {"kind": "group", "title": title, "member_ids": [other.id for other in others]}
    conversation = (await owner.rest.ok("POST", "/conversations", body))["conversation"]
    return str(conversation["id"])


async def say(user: RestUser, conversation_id: str, text: str, **fields: object) -> dict[str, Any]:
    answer = await user.rest.ok("POST", "/messages", message(conversation_id, text, **fields))
    told: dict[str, Any] = answer["message"]
    return told


def message(conversation_id: str, text: str = "hello", **fields: object) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "client_message_id": str(uuid4()),
        "body": text,
        **fields,
    }


async def page(user: RestUser, conversation_id: str, query: str = "") -> dict[str, Any]:
    told: dict[str, Any] = await user.rest.ok("GET", f"/messages?conversation_id={conversation_id}{query}")
    return told


def seqs(answer: dict[str, Any]) -> list[int]:
    return [message["seq"] for message in answer["messages"]]


# ---- users


async def test_users(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    ids = ",".join([bob.id, ann.id, bob.id, id_out(7), "no-such-id"])
    users = (await ann.rest.ok("GET", f"/users?ids={ids}"))["users"]
    assert sorted(user["username"] for user in users) == ["ann", "bob"]
    assert (await ann.rest.ok("GET", f"/users?ids={id_out(7)}"))["users"] == []
    found = (await ann.rest.ok("GET", "/users?prefix=B"))["users"]
    assert [user["username"] for user in found] == ["bob"]


# ---- conversations


async def test_a_direct_conversation_is_one_for_its_pair(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    created = await asyncio.gather(
        *(
            one.rest.ok("POST", "/conversations", {"kind": "direct", "member_ids": [other.id]})
            for one, other in [(ann, bob), (bob, ann)] * 3
        )
    )
    assert len({answer["conversation"]["id"] for answer in created}) == 1
    conversation = created[0]["conversation"]
    assert (conversation["kind"], conversation["member_count"]) == ("direct", 2)
    assert conversation["me"]["unread"] == 0
    assert conversation["last_message"] is None
    for user in (ann, bob):
        listed = await user.rest.ok("GET", "/conversations")
        assert [one["id"] for one in listed["conversations"]] == [conversation["id"]]


async def test_a_group_is_one_for_its_key(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    key = str(uuid4())
    body = {"kind": "group", "title": "Trip", "member_ids": [bob.id], "client_conversation_id": key}
    first = (await ann.rest.ok("POST", "/conversations", body))["conversation"]
    again = (await ann.rest.ok("POST", "/conversations", {**body, "client_conversation_id": key.upper()}))[
        "conversation"
    ]
    assert first == again
    assert (first["title"], first["created_by"], first["me"]["role"]) == ("Trip", ann.id, "owner")
    answer = await ann.rest.post("/conversations", {**body, "title": "Another"})
    assert (answer.status, answer.code) == (409, "idempotency_conflict")
    assert await group(ann, bob) != await group(ann, bob)


async def test_conversation_and_its_members(rest: Rest) -> None:
    users = [await register(rest, f"user{number}") for number in range(5)]
    cid = await group(users[0], *users[1:])
    seen = (await users[1].rest.ok("GET", f"/conversations/{cid}"))["conversation"]
    assert (seen["id"], seen["member_count"], seen["me"]["role"]) == (cid, 5, "member")
    found, cursor = [], ""
    while True:
        answer = await users[1].rest.ok("GET", f"/conversations/{cid}/members?limit=2{cursor}")
        assert len(answer["members"]) <= 2
        found += answer["members"]
        if answer["cursor"] is None:
            break
        cursor = f"&cursor={answer['cursor']}"
    assert [member["user_id"] for member in found] == sorted(user.id for user in users)
    assert {member["role"] for member in found} == {"owner", "member"}
    answer = await users[2].rest.get(f"/conversations/{cid}/members?limit=2{cursor}")
    assert answer.code == "cursor_invalid"


async def test_list_is_newest_first_and_pages(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    ids = [await group(ann, bob, title=f"Group {number}") for number in range(5)]
    news = {cid: await say(bob, cid, "news") for cid in (ids[3], ids[1])}
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await ann.rest.ok("GET", f"/conversations?limit=2{cursor}")
        found += answer["conversations"]
        if answer["cursor"] is None:
            break
        cursor = f"&cursor={answer['cursor']}"
    assert sorted(conversation["id"] for conversation in found) == sorted(ids)
    times = [conversation["last_message_at"] for conversation in found]
    assert times == sorted(times, reverse=True)
    for conversation in found:
        message = news.get(conversation["id"])
        assert conversation["last_message"] == message
        assert conversation["me"]["unread"] == (1 if message else 0)
        assert conversation["last_message_at"] == (message or conversation)["created_at"]
    assert (await bob.rest.get(f"/conversations?limit=2{cursor}")).code == "cursor_invalid"


# ---- messages


async def test_a_message_is_stored_once(rest: Rest, database_url: str) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann, bob)
    attachment = {"url": "https://files.example.com/a.png", "mime_type": "image/png", "size": 5, "width": 2}
    request = message(cid, "hello 👍", attachments=[attachment])
    first = await ann.rest.ok("POST", "/messages", request)
    before = stored(database_url)
    upper = {**request, "client_message_id": request["client_message_id"].upper()}
    again = await ann.rest.ok("POST", "/messages", upper)
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert first["message"] == again["message"]
    told = first["message"]
    assert (told["seq"], told["body"], told["sender_id"]) == (1, "hello 👍", ann.id)
    assert told["client_message_id"] == request["client_message_id"]
    assert told["attachments"] == [{**attachment, "height": None, "name": None}]
    after = stored(database_url)
    assert after["messages"] == before["messages"] == 1
    assert (await page(bob, cid))["messages"] == [told]


async def test_a_key_that_was_used_for_another_message(rest: Rest, database_url: str) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann, bob)
    request = message(cid)
    await ann.rest.ok("POST", "/messages", request)
    before = stored(database_url)
    for changed in ({"body": "other"}, {"conversation_id": await group(ann, bob)}, {"reply_to_seq": 1}):
        answer = await ann.rest.post("/messages", {**request, **changed})
        assert (answer.status, answer.code) == (409, "idempotency_conflict")
    await bob.rest.ok("POST", "/messages", request)
    assert stored(database_url)["messages"] == before["messages"] + 1


async def test_sends_at_once_are_gapless(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann, bob)
    told = await asyncio.gather(*(say(user, cid, f"{n}") for n in range(10) for user in (ann, bob)))
    assert sorted(message["seq"] for message in told) == list(range(1, 21))
    assert sorted((await page(ann, cid))["messages"], key=lambda one: one["seq"]) == sorted(
        told, key=lambda one: one["seq"]
    )


async def test_history_pages(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann, bob)
    for number in range(1, 11):
        await say(ann, cid, f"message {number}")

    for query, expected, before, after in [
        ("", list(range(1, 11)), False, False),
        ("&limit=3", [8, 9, 10], True, False),
        ("&before_seq=8&limit=3", [5, 6, 7], True, True),
        ("&before_seq=3&limit=3", [1, 2], False, True),
        ("&after_seq=0&limit=3", [1, 2, 3], False, True),
        ("&after_seq=8&limit=3", [9, 10], True, False),
        ("&after_seq=10", [], True, False),
        ("&around_seq=5&limit=3", [4, 5, 6], True, True),
    ]:
        answer = await page(bob, cid, query)
        assert seqs(answer) == expected, query
        assert (answer["has_more_before"], answer["has_more_after"]) == (before, after), query
    assert 5 in seqs(await page(bob, cid, "&around_seq=5&limit=1"))


async def test_receipts(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann, bob)
    for number in range(3):
        await say(ann, cid, f"{number}")
    path = f"/conversations/{cid}/receipts"
    told = await bob.rest.ok("POST", path, {"delivered_seq": 3, "read_seq": 1})
    assert told == {"delivered_seq": 3, "read_seq": 1, "unread": 2, "total_unread": 2}
    told = await bob.rest.ok("POST", path, {"read_seq": 99})
    assert told == {"delivered_seq": 3, "read_seq": 3, "unread": 0, "total_unread": 0}
    assert await bob.rest.ok("POST", path, {"delivered_seq": 1}) == told
    members = (await ann.rest.ok("GET", f"/conversations/{cid}/members"))["members"]
    assert {member["user_id"]: member["read_seq"] for member in members}[bob.id] == 3


# ---- sync


async def test_sync_tells_all_and_then_what_changed(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    ids = [await group(ann, bob) for _ in range(3)]
    for cid in ids:
        await say(bob, cid, "hello")
    known: dict[str, int] = {}
    cursor: str | None = None
    while True:
        answer = await ann.rest.ok("POST", "/sync", {"known": known, "cursor": cursor, "limit": 1})
        for delta in answer["conversations"]:
            assert delta["since"] <= known.get(delta["conversation_id"], 0) < delta["revision"]
            known[delta["conversation_id"]] = delta["revision"]
        cursor = answer["cursor"]
        assert answer["more"] is (cursor is not None)
        if cursor is None:
            break
        assert (await bob.rest.post("/sync", {"cursor": cursor})).code == "cursor_invalid"
    assert set(known) == set(ids)

    same = await ann.rest.ok("POST", "/sync", {"known": known, "epoch": answer["epoch"]})
    assert same["conversations"] == []
    news = await say(bob, ids[1], "news")
    (delta,) = (await ann.rest.ok("POST", "/sync", {"known": known, "epoch": answer["epoch"]}))[
        "conversations"
    ]
    assert (delta["conversation_id"], delta["since"]) == (ids[1], known[ids[1]])
    assert delta["messages"] == [news]


# ---- what is refused


async def test_a_conversation_one_is_not_in_is_as_one_that_is_not_there(
    rest: Rest, database_url: str
) -> None:
    ann, bob, eve = [await register(rest, name) for name in ("ann", "bob", "eve")]
    cid = await group(ann, bob)
    await say(ann, cid, "secret")
    before = stored(database_url)
    told = []
    for conversation_id in (cid, id_out(7), "no-id", "0" * 16, "x" * 64):
        path = f"/conversations/{conversation_id}"
        answers = [
            await eve.rest.get(path),
            await eve.rest.get(f"{path}/members"),
            await eve.rest.post(f"{path}/receipts", {"read_seq": 1}),
            await eve.rest.get(f"/messages?conversation_id={conversation_id}"),
            await eve.rest.post("/messages", message(conversation_id)),
        ]
        assert [(answer.status, answer.code) for answer in answers] == [(404, "not_found")] * 5
        told.append([{k: v for k, v in answer.body.items() if k != "request_id"} for answer in answers])
    assert all(one == told[0] for one in told)
    changed = await eve.rest.ok("POST", "/sync", {"known": {cid: 1, id_out(7): 1}})
    assert [delta.get("removed") for delta in changed["conversations"]] in ([True, True], [])
    assert stored(database_url) == before


async def test_messages_that_are_refused(rest: Rest, database_url: str) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    cid = await group(ann, bob)
    good = message(cid)
    link = {"url": "https://files.example.com/a", "mime_type": "image/png"}
    before = stored(database_url)
    refused: list[tuple[dict[str, Any], int, str, str]] = [
        ({"body": ""}, 400, "invalid_payload", "body"),
        ({"body": " \t\n\u2003"}, 400, "invalid_payload", "body"),
        ({"body": "x" * 8_001}, 400, "invalid_payload", "body"),
        ({"body": "👍" * 8_001}, 400, "invalid_payload", "body"),
        ({"body": "x" * 100_001}, 400, "invalid_payload", "body"),
        ({"body": 5}, 400, "invalid_payload", "body"),
        ({"body": None}, 400, "invalid_payload", "body"),
        ({"body": ["hello"]}, 400, "invalid_payload", "body"),
        ({"conversation_id": 5}, 400, "invalid_payload", "conversation_id"),
        ({"conversation_id": ""}, 400, "invalid_payload", "conversation_id"),
        ({"conversation_id": "x" * 65}, 400, "invalid_payload", "conversation_id"),
        ({"client_message_id": "1"}, 400, "invalid_payload", "client_message_id"),
        ({"client_message_id": str(uuid4()) + "\n"}, 400, "invalid_payload", "client_message_id"),
        ({"client_message_id": None}, 400, "invalid_payload", "client_message_id"),
        ({"reply_to_seq": 1}, 404, "not_found", "reply_to_seq"),
        ({"reply_to_seq": 0}, 400, "invalid_payload", "reply_to_seq"),
        ({"reply_to_seq": "1"}, 400, "invalid_payload", "reply_to_seq"),
        ({"reply_to_seq": 1.5}, 400, "invalid_payload", "reply_to_seq"),
        ({"reply_to_seq": True}, 400, "invalid_payload", "reply_to_seq"),
        ({"reply_to_seq": 2**53}, 400, "invalid_payload", "reply_to_seq"),
        ({"reply_to_seq": 10**30}, 400, "invalid_payload", "reply_to_seq"),
        ({"attachments": link}, 400, "invalid_payload", "attachments"),
        (
            {"attachments": [{**link, "url": "javascript:alert(1)"}]},
            400,
            "invalid_payload",
            "attachments.0.url",
        ),
        ({"attachments": [{**link, "size": -1}]}, 400, "invalid_payload", "attachments.0.size"),
        ({"attachments": [{**link, "hash": "x"}]}, 400, "invalid_payload", "attachments.0.hash"),
        ({"attachments": [link] * 11}, 422, "limit_exceeded", "attachments"),
        ({"sender_id": bob.id}, 400, "invalid_payload", "sender_id"),
        ({"seq": 1}, 400, "invalid_payload", "seq"),
    ]
    for changes, status, code, field in refused:
        answer = await ann.rest.post("/messages", {**good, **changes})
        assert (answer.status, answer.code, answer.body["field"]) == (status, code, field), changes
        assert answer.body["retryable"] is False
    for missing in ("conversation_id", "client_message_id"):
        answer = await ann.rest.post("/messages", {k: v for k, v in good.items() if k != missing})
        assert (answer.code, answer.body["field"]) == ("invalid_payload", missing)
    assert stored(database_url) == before
    assert (await say(ann, cid, "x" * 8_000))["seq"] == 1
    assert (await say(ann, cid, "👍" * 8_000))["seq"] == 2


async def test_conversations_that_are_refused(rest: Rest, database_url: str) -> None:
    ann, bob, eve = [await register(rest, name) for name in ("ann", "bob", "eve")]
    direct: dict[str, Any] = {"kind": "direct", "member_ids": [bob.id]}
    trip: dict[str, Any] = {"kind": "group", "title": "Trip", "member_ids": [bob.id]}
    before = stored(database_url)
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "kind"),
        ({**direct, "kind": "room"}, "kind"),
        ({**direct, "kind": None}, "kind"),
        ({"kind": "direct"}, "member_ids"),
        ({**direct, "member_ids": bob.id}, "member_ids"),
        ({**direct, "member_ids": []}, "member_ids"),
        ({**direct, "member_ids": [bob.id, eve.id]}, "member_ids"),
        ({**direct, "member_ids": [ann.id]}, "member_ids"),
        ({**direct, "member_ids": [5]}, "member_ids.0"),
        ({**trip, "member_ids": [bob.id, None]}, "member_ids.1"),
        ({**trip, "title": 5}, "title"),
        ({**trip, "title": "x" * 201}, "title"),
        ({**trip, "history": "none"}, "history"),
        ({**trip, "client_conversation_id": "1"}, "client_conversation_id"),
        ({**trip, "owner": eve.id}, "owner"),
    ]
    for request, field in refused:
        answer = await ann.rest.post("/conversations", request)
        assert (answer.status, answer.code, answer.body["field"]) == (400, "invalid_payload", field), request
    for unknown in (id_out(7), "no-id"):
        for request in (direct, trip):
            answer = await ann.rest.post("/conversations", {**request, "member_ids": [unknown]})
            assert (answer.status, answer.code) == (404, "not_found")
    assert stored(database_url) == before


async def test_syncs_that_are_refused(rest: Rest) -> None:
    ann = await register(rest, "ann")
    for request, field in [
        ({"known": []}, "known"),
        ({"known": {id_out(1): "5"}}, f"known.{id_out(1)}"),
        ({"known": {id_out(1): -1}}, f"known.{id_out(1)}"),
        ({"me": -1}, "me"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"since": 5}, "since"),
        ({"epoch": 5}, "epoch"),
    ]:
        answer = await ann.rest.post("/sync", request)
        assert (answer.status, answer.code, answer.body["field"]) == (400, "invalid_payload", field), request
    assert (await ann.rest.post("/sync", {"cursor": "abc"})).code == "cursor_invalid"
