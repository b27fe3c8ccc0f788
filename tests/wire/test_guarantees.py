"""The guarantees of docs/protocol.md, on real processes: each on one with SQLite, and on two with MariaDB."""

import asyncio
import json
import uuid
from itertools import pairwise
from typing import Any

from tests.phone.store import Store
from tests.wire.account import API, Account
from tests.wire.phone import Phone, message
from tests.wire.place import Place

SENDS = 20


def group(account: Account, *others: Account, **fields: Any) -> str:
    """A new group's id."""
    body = {"kind": "group", "member_ids": [other.id for other in others], **fields}
    return str(account.post("/conversations", body)["conversation"]["id"])


def direct(account: Account, other: Account) -> str:
    """The id of the conversation of two."""
    body = {"kind": "direct", "member_ids": [other.id]}
    return str(account.post("/conversations", body)["conversation"]["id"])


def code(account: Account, path: str, body: object) -> str:
    """The code with which a POST is refused."""
    answer = account.http.post(API + path, json=body, headers=account.headers)
    assert answer.status_code >= 400, answer.text
    return str(answer.json()["code"])


class TestIdempotency:
    def test_of_twenty_tries_at_once_on_two_processes_one_is_stored(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = direct(ann, ben)
        payload = message(cid, "once")

        async def scene() -> list[dict[str, Any]]:
            async with place.phones(ann, ann) as phones:
                tries = [phones[n % 2].expect_ok("message:send", payload) for n in range(SENDS)]
                posts = [
                    asyncio.to_thread(at.post, "/messages", payload)
                    for at in (ann, place.at_there(ann))
                    for _ in range(SENDS // 4)
                ]
                return list(await asyncio.gather(*tries, *posts))

        answers = asyncio.run(scene())
        assert [answer["duplicate"] for answer in answers].count(False) == 1
        assert all(answer["message"] == answers[0]["message"] for answer in answers)
        assert ann.history(cid) == [answers[0]["message"]]

    def test_a_retry_tells_the_present_state_after_an_edit_a_delete_and_quitting(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = group(ann, ben)
        payload = message(cid, "first")

        async def scene() -> None:
            async with place.phones(ben, ben) as (here, there):
                sent = (await here.expect_ok("message:send", payload))["message"]
                at = {"conversation_id": cid, "seq": sent["seq"]}
                edited = (await here.expect_ok("message:edit", {**at, "body": "second"}))["message"]
                again = await there.expect_ok("message:send", payload)
                assert again == {"message": edited, "duplicate": True}
                await there.expect_error("message:send", payload | {"body": "second"}, "idempotency_conflict")
                deleted = (await there.expect_ok("message:delete", at))["message"]
                again = await here.expect_ok("message:send", payload)
                assert again == {"message": deleted, "duplicate": True}
                await here.expect_ok("member:remove", {"conversation_id": cid, "user_id": ben.id})
                again = await there.expect_ok("message:send", payload)
                assert again["duplicate"] is True
                assert numbers(again["message"]) == numbers(sent) | {"revision": deleted["revision"]}
                status = {"client_message_ids": [payload["client_message_id"]]}
                (told,) = (await here.expect_ok("messages:status", status))["messages"].values()
                assert told == again["message"]
                assert (told["body"], told["deleted_at"], told["edited_at"]) == (None, None, None)
                await there.expect_error("message:send", payload | {"body": "x"}, "idempotency_conflict")

        asyncio.run(scene())
        assert [it["seq"] for it in ann.history(cid) if it["kind"] == "text"] == [1]

    def test_an_own_message_from_before_joining_again_is_told_as_to_an_ex_member(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = group(ann, ben, history="from_joining")
        payload = message(cid, "then")

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                sent = (await b.expect_ok("message:send", payload))["message"]
                await a.expect_ok("member:remove", {"conversation_id": cid, "user_id": ben.id})
                await a.expect_ok("member:add", {"conversation_id": cid, "user_ids": [ben.id]})
                again = await b.expect_ok("message:send", payload)
                status = {"client_message_ids": [payload["client_message_id"]]}
                (told,) = (await b.expect_ok("messages:status", status))["messages"].values()
                assert again == {"message": told, "duplicate": True}
                assert numbers(told) == numbers(sent)
                assert told["body"] is None

        asyncio.run(scene())

    def test_a_key_is_one_for_its_user_in_all_conversations(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        first, second = direct(ann, ben), group(ann, ben)
        key = str(uuid.uuid4())
        there = place.at_there(ann)
        sent = ann.post("/messages", message(first, "hi", key))
        assert code(there, "/messages", message(second, "hi", key)) == "idempotency_conflict"
        assert there.post("/messages", message(first, "hi", key)) == sent | {"duplicate": True}
        assert ben.post("/messages", message(first, "hi", key))["duplicate"] is False
        assert (len(ann.history(first)), ann.history(second)) == (2, [])

    def test_of_two_contents_at_once_for_one_key_one_is_stored(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        places = [direct(ann, ben), group(ann, ben)]

        async def scene() -> None:
            async with place.phones(ann, ann) as phones:
                for _ in range(10):
                    key = str(uuid.uuid4())
                    acks = await asyncio.gather(
                        *(
                            phone.emit("message:send", message(cid, "hi", key))
                            for phone, cid in zip(phones, places, strict=True)
                        )
                    )
                    assert sorted(ack["ok"] for ack in acks) == [False, True]
                    (refused,) = (ack["error"]["code"] for ack in acks if not ack["ok"])
                    assert refused == "idempotency_conflict"

        asyncio.run(scene())
        assert sum(len(ann.history(cid)) for cid in places) == 10


def numbers(sent: dict[str, Any]) -> dict[str, Any]:
    """What a sender may know of their message even as an ex-member."""
    return {
        name: sent[name]
        for name in ("conversation_id", "seq", "revision", "sender_id", "client_message_id", "created_at")
    }


def test_commands_of_one_connection_are_decided_in_the_order_sent(place: Place) -> None:
    ann, ben = place.users("ann", "ben")
    cid = direct(ann, ben)

    async def scene() -> None:
        async with place.phones(ann, ben) as (a, _):
            commands: list[tuple[str, dict[str, Any]]] = []
            for n in range(1, 16):
                commands += [
                    ("message:send", message(cid, f"{n}")),
                    ("message:edit", {"conversation_id": cid, "seq": n, "body": f"{n}, edited"}),
                    ("message:edit", {"conversation_id": cid, "seq": n, "body": f"{n}, edited again"}),
                    ("message:delete", {"conversation_id": cid, "seq": n}),
                ]
            acks = await asyncio.gather(*(a.expect_ok(*command) for command in commands))
            revisions = [ack["message"]["revision"] for ack in acks]
            assert revisions == list(range(2, len(commands) + 2))

    asyncio.run(scene())
    assert all(m["deleted_at"] and m["edited_at"] for m in ann.history(cid))


def test_two_who_write_to_each_other_at_once_find_one_conversation(place: Place) -> None:
    people = [place.users("ann", "ben") for _ in range(8)]

    async def scene() -> None:
        for ann, ben in people:
            async with place.phones(ann, ben) as phones:
                asked = [
                    phone.expect_ok("conversation:create", {"kind": "direct", "member_ids": [other.id]})
                    for phone, other in zip(phones, (ben, ann), strict=True)
                    for _ in range(3)
                ]
                made = await asyncio.gather(*asked)
                assert len({answer["conversation"]["id"] for answer in made}) == 1
                for phone in phones:
                    await phone.expect_event("conversation:created")
                    await phone.expect_ok("sync", {})
                    assert len(list(phone.payloads("conversation:created"))) == 1
            assert len(ann.get("/conversations")["conversations"]) == 1

    asyncio.run(scene())


class TestChanges:
    def test_every_kind_takes_one_revision_and_the_deltas_chain(self, place: Place) -> None:
        ann, ben, cat, dan = place.users("ann", "ben", "cat", "dan")
        cid = group(ann, ben, cat)
        at = {"conversation_id": cid}

        async def scene() -> None:
            async with place.phones(ann, ben, cat, dan) as (a, b, c, d):
                revision = 1
                for phone, event, payload in (
                    (a, "message:send", message(cid, "one")),
                    (b, "message:send", message(cid, "two")),
                    (b, "message:edit", {**at, "seq": 2, "body": "2"}),
                    (b, "message:react", {**at, "seq": 1, "emoji": "👍", "on": True}),
                    (a, "message:pin", {**at, "seq": 2, "on": True}),
                    (a, "message:delete", {**at, "seq": 2}),
                    (c, "receipt:delivered", {**at, "seq": 2}),
                    (b, "receipt:read", {**at, "seq": 2}),
                    (a, "conversation:update", {**at, "title": "Us"}),
                    (a, "member:role", {**at, "user_id": ben.id, "role": "admin"}),
                    (b, "member:add", {**at, "user_ids": [dan.id]}),
                    (d, "message:send", message(cid, "three")),
                    (b, "member:remove", {**at, "user_id": cat.id}),
                    (b, "member:ban", {**at, "user_id": cat.id, "on": True}),
                    (a, "member:ban", {**at, "user_id": cat.id, "on": False}),
                    (a, "member:ban", {**at, "user_id": dan.id, "on": True}),
                    (a, "member:role", {**at, "user_id": ben.id, "role": "owner"}),
                    (b, "member:remove", {**at, "user_id": ben.id}),
                ):
                    await phone.expect_ok(event, payload)
                    revision += 1
                    asked = {**at, "revision": revision - 1}
                    delta = await a.expect_ok("conversation:join", asked)
                    assert (delta["since"], delta["revision"]) == (revision - 1, revision), event
                await a.expect_event("member:removed", lambda delta: delta["revision"] == revision)
                await d.expect_event("member:removed", lambda delta: delta["revision"] == 17)
                for phone, first, last in ((a, 1, revision), (b, 1, revision), (c, 1, 14), (d, 0, 17)):
                    spans = [span for _, payload in phone.heard for span in spans_of(payload)]
                    assert all(one[1] == other[0] for one, other in pairwise(spans)), (phone.name, spans)
                    assert (spans[0][0], spans[-1][1]) == (first, last), phone.name

        asyncio.run(scene())

    def test_what_changes_nothing_takes_no_revision(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = group(ann, ben, title="Us")
        at = {"conversation_id": cid}
        sent = message(cid, "one")

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                await a.expect_ok("message:send", sent)
                await b.expect_ok("message:send", message(cid, "two"))
                await b.expect_ok("message:delete", {**at, "seq": 2})
                for phone in (a, b):
                    await phone.expect_ok("receipt:read", {**at, "seq": 2})
                await b.expect_ok("message:react", {**at, "seq": 1, "emoji": "❤️", "on": True})
                before = await a.expect_ok("sync", {})
                for phone, event, payload in (
                    (a, "message:send", sent),
                    (a, "message:edit", {**at, "seq": 1, "body": "one"}),
                    (b, "message:delete", {**at, "seq": 2}),
                    (b, "message:react", {**at, "seq": 1, "emoji": "❤", "on": True}),
                    (b, "message:react", {**at, "seq": 1, "emoji": "👍", "on": False}),
                    (a, "message:pin", {**at, "seq": 1, "on": False}),
                    (b, "receipt:read", {**at, "seq": 1}),
                    (b, "receipt:delivered", {**at, "seq": 0}),
                    (a, "receipt:read", {**at, "seq": 10**6}),
                    (a, "conversation:update", {**at, "title": " Us "}),
                    (a, "conversation:update", {**at, "data": None, "settings": {"who_sends": "all"}}),
                    (a, "member:role", {**at, "user_id": ben.id, "role": "member"}),
                    (a, "member:add", {**at, "user_ids": [ben.id, ann.id]}),
                    (a, "member:ban", {**at, "user_id": ben.id, "on": False}),
                ):
                    await phone.expect_ok(event, payload)
                after = await a.expect_ok("sync", {})
                told = (before, after)
                assert len({it["conversations"][0]["revision"] for it in told}) == 1

        asyncio.run(scene())


def spans_of(payload: dict[str, Any]) -> list[tuple[int, int]]:
    """What a delta of a conversation covers; nothing, if it is none."""
    return [(payload["since"], payload["revision"])] if {"conversation_id", "since"} <= payload.keys() else []


class TestStrangers:
    def test_a_removed_member_hears_and_reads_nothing_more(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = group(ann, ben)
        at = {"conversation_id": cid}

        async def scene() -> None:
            async with place.phones(ann, ben, ben) as (a, here, there):
                for phone in (here, there):
                    await phone.expect_ok("conversation:join", at)
                await a.expect_ok("conversation:join", at)
                await a.expect_ok("message:send", message(cid, "one"))
                await a.expect_ok("member:remove", {**at, "user_id": ben.id})
                for phone in (here, there):
                    gone = await phone.expect_event("member:removed")
                    assert gone == {**at, "since": 2, "revision": 3, "removed": True}
                heard = [len(phone.heard) for phone in (here, there)]
                await a.expect_ok("message:send", message(cid, "secret"))
                await a.expect_ok("message:edit", {**at, "seq": 1, "body": "secret too"})
                await a.expect_ok("conversation:update", {**at, "title": "Secret"})
                await a.expect_ok("receipt:read", {**at, "seq": 2})
                await a.expect_ok("typing:start", at)
                for phone in (here, there):
                    for event, more in (
                        ("conversation:join", {}),
                        ("conversation:join", {"revision": 2}),
                        ("typing:start", {}),
                        ("receipt:read", {"seq": 1}),
                        ("message:send", {"client_message_id": str(uuid.uuid4()), "body": "x"}),
                    ):
                        await phone.expect_error(event, {**at, **more}, "not_found")
                    synced = await phone.expect_ok("sync", {"known": {cid: 2}})
                    assert synced["conversations"] == [{**at, "since": 2, "revision": 3, "removed": True}]
                    assert (await phone.expect_ok("sync", {}))["conversations"] == []
                # What comes after proves that nothing came before it.
                other = await asyncio.to_thread(direct, ann, ben)
                for phone, count in zip((here, there), heard, strict=True):
                    made = await phone.expect_event("conversation:created")
                    assert made["conversation_id"] == other
                    assert len(phone.heard) == count + 1

        asyncio.run(scene())
        for path in (f"/conversations/{cid}", f"/conversations/{cid}/members"):
            assert ben.http.get(API + path, headers=ben.headers).status_code == 404
        query = {"conversation_id": cid}
        assert ben.http.get(f"{API}/messages", params=query, headers=ben.headers).status_code == 404

    def test_who_sees_it_from_joining_on_is_told_nothing_older_in_any_way(self, place: Place) -> None:
        ann, ben, cat = place.users("ann", "ben", "cat")
        cid = group(ann, ben, history="from_joining")
        at = {"conversation_id": cid}
        for n in range(1, 4):
            ann.post("/messages", message(cid, f"old {n}"))

        async def scene() -> None:
            async with place.phones(ann, ben, cat) as (a, b, c):
                await a.expect_ok("member:add", {**at, "user_ids": [cat.id]})
                await c.expect_event("member:added")
                for event, more in (
                    ("message:edit", {"seq": 1, "body": "x"}),
                    ("message:delete", {"seq": 1}),
                    ("message:react", {"seq": 1, "emoji": "👍", "on": True}),
                    ("message:pin", {"seq": 1, "on": True}),
                    ("message:send", {**message(cid, "re"), "reply_to_seq": 1}),
                ):
                    await c.expect_error(event, {**at, **more}, "not_found")
                await a.expect_ok("message:edit", {**at, "seq": 1, "body": "old 1, edited"})
                await a.expect_ok("message:react", {**at, "seq": 1, "emoji": "custom:old", "on": True})
                await a.expect_ok("message:delete", {**at, "seq": 2})
                await c.expect_event("message:deleted")
                for known in ({}, {"known": {cid: 5}}, {"known": {cid: 4}}, {"known": {cid: 99}}):
                    (told,) = (await c.expect_ok("sync", known))["conversations"]
                    assert "old" not in str(told), known
                    assert told["conversation"]["me"]["unread"] == 0
                for asked in ({}, {"revision": 5}, {"revision": 1}, {"revision": 99}):
                    joined = await c.expect_ok("conversation:join", {**at, **asked})
                    assert "old" not in str(joined)
                    assert joined["conversation"]["last_message"] is None
                await c.expect_ok("message:send", message(cid, "new"))
                await b.expect_event("message:created", lambda delta: delta["messages"][0]["body"] == "new")
                assert "old" not in str(c.heard)

        asyncio.run(scene())
        assert [m["body"] for m in cat.history(cid)] == ["new"]
        for query in ({"before_seq": 4}, {"around_seq": 1}, {"after_seq": 0, "limit": 1}):
            page = cat.get("/messages", conversation_id=cid, **query)
            assert "old" not in str(page)
            assert page["has_more_before"] is False
        (listed,) = cat.get("/conversations")["conversations"]
        assert "old" not in str(listed)

    def test_coming_back_is_a_new_beginning(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = group(ann, ben, history="from_joining")
        at = {"conversation_id": cid}

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                await a.expect_ok("message:send", message(cid, "one"))
                await a.expect_ok("member:remove", {**at, "user_id": ben.id})
                await b.expect_event("member:removed")
                removed = (await b.expect_ok("sync", {"known": {cid: 3}}))["conversations"]
                assert all(delta["removed"] for delta in removed)
                mine = max(3, *(delta["revision"] for delta in removed))
                await a.expect_ok("member:add", {**at, "user_ids": [ben.id]})
                back = await b.expect_event("member:added")
                assert (back["since"], back["gap"]) == (0, True)
                assert back["revision"] > mine, "the phone would ignore it"
                assert back.get("messages", []) == []
                for known in (2, 3):
                    (told,) = (await b.expect_ok("sync", {"known": {cid: known}}))["conversations"]
                    assert (told["since"], told["gap"]) == (0, True)
                await a.expect_ok("message:send", message(cid, "two"))
                heard = await b.expect_event("message:created", lambda d: d["messages"][0]["body"] == "two")
                assert heard["since"] == back["revision"]

        asyncio.run(scene())
        assert [m["body"] for m in ben.history(cid)] == ["two"]

    def test_broadcasts_hold_nothing_personal(self, place: Place) -> None:
        ann, ben, cat = place.users("ann", "ben", "cat")

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                cid = await asyncio.to_thread(group, ann, ben)
                at = {"conversation_id": cid}
                await b.expect_event("conversation:created")
                await a.expect_ok("message:send", message(cid, "one"))
                await a.expect_ok("conversation:update", {**at, "title": "Us"})
                await a.expect_ok("member:add", {**at, "user_ids": [cat.id]})
                await b.expect_ok("receipt:read", {**at, "seq": 1, "private": True})
                await b.expect_event("me:changed")
                await a.expect_ok("member:remove", {**at, "user_id": cat.id})
                await b.expect_event("member:removed")
                assert not list(a.payloads("me:changed"))
                for phone in (a, b):
                    for event, payload in phone.heard:
                        if event != "me:changed":
                            assert {"me", "last_message", "unread"}.isdisjoint(
                                payload.get("conversation", {})
                            )
                            members = {m["user_id"]: m for m in payload.get("members", ())}
                            assert ben.id not in members or members[ben.id]["read_seq"] == 0

        asyncio.run(scene())


class TestReceipts:
    def test_two_devices_on_two_processes_have_the_same_numbers(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid, other = direct(ann, ben), group(ann, ben)
        at = {"conversation_id": cid}
        for n in range(5):
            ann.post("/messages", message(cid, f"{n}"))
        ann.post("/messages", message(other, "and one"))

        async def scene() -> None:
            async with place.phones(ben, ben) as (phone, tablet):
                read = await phone.expect_ok("receipt:read", {**at, "seq": 2})
                assert read == {"delivered_seq": 2, "read_seq": 2, "unread": 3, "total_unread": 4}
                told = await tablet.expect_event("me:changed")
                (own,) = told["conversations"]
                expected = {**at, **without(read, "total_unread")}
                assert {name: own[name] for name in expected} == expected
                assert told["total_unread"] == 4
                await asyncio.to_thread(delete, ann, cid, 4)
                await tablet.expect_event("message:deleted")
                back = await tablet.expect_ok("receipt:read", {**at, "seq": 1})
                assert back == {"delivered_seq": 2, "read_seq": 2, "unread": 2, "total_unread": 3}
                for device in (phone, tablet):
                    synced = await device.expect_ok("sync", {})
                    mine = {it["conversation_id"]: it["unread"] for it in synced["me"]["conversations"]}
                    assert mine == {cid: 2, other: 1}
                    assert synced["me"]["total_unread"] == 3
                    whole = {
                        it["conversation_id"]: it["conversation"]["me"] for it in synced["conversations"]
                    }
                    assert (whole[cid]["unread"], whole[other]["unread"]) == (2, 1)
                sent = await tablet.expect_ok("message:send", message(cid, "read all"))
                now = await phone.expect_ok("receipt:delivered", {**at, "seq": 1})
                assert now == {
                    "delivered_seq": sent["message"]["seq"],
                    "read_seq": sent["message"]["seq"],
                    "unread": 0,
                    "total_unread": 1,
                }

        asyncio.run(scene())

    def test_they_never_go_back_nor_beyond_and_only_for_oneself(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = direct(ann, ben)
        at = {"conversation_id": cid}
        for n in range(3):
            ann.post("/messages", message(cid, f"{n}"))

        async def scene() -> None:
            async with place.phones(ann, ben, ben) as (a, here, there):
                jobs = [
                    phone.expect_ok(event, {**at, "seq": seq})
                    for phone in (here, there)
                    for event in ("receipt:read", "receipt:delivered")
                    for seq in (2, 0, 1, 10**12)
                ]
                answers = await asyncio.gather(*jobs)
                assert {it["read_seq"] for it in answers} <= {0, 2, 3}
                last = await here.expect_ok("receipt:read", {**at, "seq": 1})
                assert last == {"delivered_seq": 3, "read_seq": 3, "unread": 0, "total_unread": 0}
                await a.expect_event("receipt:advanced", lambda d: d["members"][0]["read_seq"] == 3)
                shown = [d["members"][0] for d in a.payloads("receipt:advanced")]
                assert all(it["user_id"] == ben.id for it in shown)
                for name in ("read_seq", "delivered_seq"):
                    assert [it[name] for it in shown] == sorted(it[name] for it in shown)

        asyncio.run(scene())
        members = {it["user_id"]: it for it in ann.get(f"/conversations/{cid}/members")["members"]}
        assert (members[ben.id]["read_seq"], members[ann.id]["read_seq"]) == (3, 0)

    def test_an_ex_member_has_none(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = group(ann, ben)
        ann.post("/messages", message(cid, "one"))

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                await a.expect_ok("member:remove", {"conversation_id": cid, "user_id": ben.id})
                await b.expect_error("receipt:read", {"conversation_id": cid, "seq": 1}, "not_found")
                synced = await b.expect_ok("sync", {})
                assert synced["me"] == {**synced["me"], "conversations": [], "total_unread": 0}

        asyncio.run(scene())
        assert code(ben, f"/conversations/{cid}/receipts", {"read_seq": 1}) == "not_found"


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def delete(account: Account, cid: str, seq: int) -> None:
    """By a socket of its own: REST has no such route."""

    async def run() -> None:
        phone = Phone(account.name)
        await phone.connect(str(account.http.base_url), account.token)
        await phone.expect_ok("message:delete", {"conversation_id": cid, "seq": seq})
        await phone.close()

    asyncio.run(run())


class TestHostileSync:
    def test_revisions_that_are_not_true_are_answered_whole_or_removed(self, place: Place) -> None:
        ann, ben, eve = place.users("ann", "ben", "eve")
        cid, foreign = direct(ann, ben), direct(ben, eve)
        at, nowhere = {"conversation_id": cid}, "0" * 15 + "7"
        ann.post("/messages", message(cid, "one"))

        async def scene() -> None:
            async with place.phones(ann) as (a,):
                for known in (3, 99, 2**53 - 1):
                    (told,) = (await a.expect_ok("sync", {"known": {cid: known}}))["conversations"]
                    assert (told["since"], told["revision"], told["gap"]) == (0, 2, True)
                    whole = await a.expect_ok("conversation:join", {**at, "revision": known})
                    assert (whole["since"], whole["revision"], whole["gap"]) == (0, 2, True)
                (told,) = (await a.expect_ok("sync", {"known": {cid: 0}}))["conversations"]
                assert (told["since"], "gap" in told) == (0, False)
                asked = {cid: 2, foreign: 1, nowhere: 5, "not an id": 3}
                answer = await a.expect_ok("sync", {"known": asked})
                told = {it["conversation_id"]: it for it in answer["conversations"]}
                assert told.keys() == {foreign, nowhere}
                for other, known in ((foreign, 1), (nowhere, 5)):
                    removed = {"since": known, "revision": known + 1, "removed": True}
                    assert told[other] == {"conversation_id": other, **removed}
                await a.expect_error("sync", {"known": {cid: -1}}, "invalid_payload")
                await a.expect_error("sync", {"known": {cid: 2**53}}, "invalid_payload")
                for me in (99, 2**53 - 1):
                    mine = (await a.expect_ok("sync", {"known": {cid: 2}, "me": me}))["me"]
                    assert (mine["since"], mine["gap"]) == (0, True)
                await a.expect_error("sync", {"me": -1}, "invalid_payload")
                lost = await a.expect_ok("sync", {"known": {cid: 2}, "epoch": "another"})
                assert lost["conversations"][0]["gap"] is True

        asyncio.run(scene())

    def test_ten_thousand_conversations_are_known_and_one_more_is_refused(self, place: Place) -> None:
        (ann,) = place.users("ann")
        known = {f"{n:016x}": 1_000_000 for n in range(1, 10_001)}

        async def scene() -> None:
            async with place.phones(ann, ann) as phones:
                for phone in phones:
                    asked: dict[str, Any] = {"known": known}
                    removed: list[str] = []
                    while True:
                        answer = await phone.expect_ok("sync", asked)
                        removed += [delta["conversation_id"] for delta in answer["conversations"]]
                        assert len(answer["conversations"]) <= 500
                        if not answer["more"]:
                            break
                        asked["cursor"] = answer["cursor"]
                    assert sorted(removed) == list(known)
                    refused = await phone.expect_error(
                        "sync", {"known": known | {"f" * 16: 1}}, "invalid_payload"
                    )
                    assert refused["field"] == "known"

        asyncio.run(scene())
        assert len(ann.post("/sync", {"known": known})["conversations"]) == 500
        assert code(ann, "/sync", {"known": known | {"f" * 16: 1}}) == "invalid_payload"

    def test_a_position_is_its_users_alone_and_stands_for_all_that_they_hold(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = direct(ann, ben)
        ann.post("/messages", message(cid, "one"))
        first = ann.post("/sync", {})
        assert len(first["position"]) <= 400
        asked = {"position": first["position"], "epoch": first["epoch"]}
        again = ann.post("/sync", asked)
        assert (again["conversations"], again["more"]) == ([], False)
        ben.post("/messages", message(cid, "two"))
        (delta,) = ann.post("/sync", asked)["conversations"]
        assert [m["body"] for m in delta["messages"]] == ["two"]
        assert code(ben, "/sync", asked) == "position_lost"
        assert code(ann, "/sync", asked | {"epoch": "another"}) == "position_lost"
        changed = asked["position"][:-3] + ("AAA" if asked["position"][-3:] != "AAA" else "BBB")
        assert code(ann, "/sync", asked | {"position": changed}) == "position_lost"
        assert code(ann, "/sync", asked | {"position": first["epoch"]}) == "position_lost"

    def test_a_cursor_is_its_users_alone_and_bears_no_change(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        for other in place.users("cat", "dan", "eli"):
            for user in (ann, ben):
                user.post("/messages", message(direct(user, other), "hi"))

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                first = await a.expect_ok("sync", {"limit": 1})
                cursor = first["cursor"]
                assert first["more"] is True
                for bad in (
                    cursor[:-1],
                    cursor[1:],
                    cursor + "A",
                    cursor[::-1],
                    f"{cursor[:-2]}__",
                    "0" * 500,
                ):
                    await a.expect_error("sync", {"cursor": bad}, "cursor_invalid")
                await b.expect_error("sync", {"cursor": cursor}, "cursor_invalid")
                assert code(place.at_there(ben), "/sync", {"cursor": cursor}) == "cursor_invalid"
                listed = await asyncio.to_thread(place.at_there(ann).get, "/conversations", limit=1)
                await a.expect_error("sync", {"cursor": listed["cursor"]}, "cursor_invalid")

        asyncio.run(scene())

    def test_an_old_cursor_with_other_known_revisions_tells_true_things(self, place: Place) -> None:
        ann, *others = place.users("ann", "ben", "cat", "dan")
        cids = [direct(ann, other) for other in others]
        for cid in cids:
            ann.post("/messages", message(cid, "hi"))

        async def scene() -> None:
            async with place.phones(ann) as (a,):
                cursor = (await a.expect_ok("sync", {"limit": 1}))["cursor"]
                for known in ({}, dict.fromkeys(cids, 1), dict.fromkeys(cids, 2), dict.fromkeys(cids, 99)):
                    asked: dict[str, Any] = {"known": known, "cursor": cursor, "limit": 1}
                    for _ in range(10):
                        page = await a.expect_ok("sync", asked)
                        for delta in page["conversations"]:
                            held = 0 if delta.get("gap") else known.get(delta["conversation_id"], 0)
                            assert (delta["since"], delta["revision"]) == (held, 2)
                        if not page["more"]:
                            break
                        asked["cursor"] = page["cursor"]
                    assert not page["more"]

        asyncio.run(scene())


class TestMuch:
    """What is much comes in parts, counted as it goes over the wire."""

    def test_live_deltas_and_answers_are_bounded(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = direct(ann, ben)
        body = '"' * 8_000  # twice as long as JSON
        count = 40

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                sends = [message(cid, body) for _ in range(count)]
                await asyncio.gather(*(a.expect_ok("message:send", it) for it in sends))
                await expect_seqs(b, count)
                deltas = [delta for _, delta in b.heard if delta.get("conversation_id") == cid]
                for before, after in pairwise(deltas):
                    assert before["revision"] == after["since"]
                for delta in deltas:
                    assert len(delta["messages"]) == 1 or len(json_of(delta)) <= 32 * 1024
                keys = [it["client_message_id"] for it in sends]
                told: dict[str, Any] = {}
                asked = 0
                while rest := [key for key in keys if key not in told]:
                    answer = await a.expect_ok("messages:status", {"client_message_ids": rest})
                    assert len(json_of(answer)) <= 256 * 1024
                    assert answer.get("more", False) is (len(answer["messages"]) < len(rest))
                    told |= answer["messages"]
                    asked += 1
                assert asked > 1
                assert sorted(it["seq"] for it in told.values()) == list(range(1, count + 1))
                for event, payload in (
                    ("sync", {}),
                    ("sync", {"known": {cid: 1}}),
                    ("conversation:join", {"conversation_id": cid}),
                    ("conversation:join", {"conversation_id": cid, "revision": 1}),
                ):
                    answer = await b.expect_ok(event, payload)
                    assert len(json_of(answer)) <= 257 * 1024

        asyncio.run(scene())


def json_of(shape: Any) -> bytes:
    return json.dumps(shape, ensure_ascii=False, separators=(",", ":")).encode()


async def expect_seqs(phone: Phone, last: int) -> None:
    """All messages up to that one were heard."""
    async with asyncio.timeout(30):
        while last not in {it["seq"] for _, delta in phone.heard for it in delta.get("messages", ())}:
            await phone.expect_news()


class TestLargeGroups:
    """Above 256 members a delta brings no member but oneself."""

    def test_a_delta_brings_ones_own_row_only(self, place: Place) -> None:
        ann, ben, cat, dan, eli = place.users("ann", "ben", "cat", "dan", "eli")
        first, second = place.extras(300), place.extras(300)

        async def scene() -> None:
            async with place.phones(ann, ben, cat, dan) as (a, b, c, d):
                members = [ben.id, cat.id, eli.id, *first]
                made = await a.expect_ok("conversation:create", {"kind": "group", "member_ids": members})
                cid = made["conversation"]["id"]
                at = {"conversation_id": cid}
                for phone, user in ((a, ann), (b, ben), (c, cat)):
                    await expect_own(phone, 1, user, "owner" if user is ann else "member")
                await b.expect_ok("message:send", message(cid, "hello"))
                for phone in (a, b, c):
                    assert "members" not in await expect_revision(phone, 2)
                read = await c.expect_ok("receipt:read", {**at, "seq": 1})
                assert read == {"delivered_seq": 1, "read_seq": 1, "unread": 0, "total_unread": 0}
                await a.expect_ok("member:role", {**at, "user_id": ben.id, "role": "admin"})
                await expect_own(b, 3, ben, "admin")
                for phone in (a, c):
                    assert "members" not in await expect_revision(phone, 3)
                await b.expect_ok("member:add", {**at, "user_ids": [dan.id, *second]})
                await expect_own(d, 4, dan, "member")
                for phone in (a, b, c):
                    delta = await expect_revision(phone, 4)
                    assert delta["conversation"]["member_count"] == 605
                    assert "members" not in delta
                await a.expect_ok("member:remove", {**at, "user_id": ann.id})
                assert (await expect_revision(a, 5))["removed"] is True
                await expect_own(b, 5, ben, "owner")
                assert "members" not in await expect_revision(c, 5)
                for phone in (a, b, c, d):
                    assert all(len(str(payload)) < 6_000 for _, payload in phone.heard)
                for phone in (b, c, d):
                    synced = await phone.expect_ok("sync", {})
                    assert len(synced["conversations"][0]["members"]) == 1
                page = await asyncio.to_thread(ben.get, f"/conversations/{cid}/members", limit=100)
                assert len(page["members"]) == 100

        asyncio.run(scene())

    def test_a_list_is_hidden_above_that_size_and_whole_below_it(self, place: Place) -> None:
        """Whoever holds the list gives it up, and has all of it again; what changed meanwhile too."""
        ann, ben, cat, dan = place.users("ann", "ben", "cat", "dan")
        extras = place.extras(254)
        stores = [Store(user.id) for user in (ann, ben)]

        async def scene() -> None:
            async with place.phones(ann, ben) as phones:
                a, b = phones
                what = {"kind": "group", "member_ids": [ben.id, *extras]}
                cid = (await a.expect_ok("conversation:create", what))["conversation"]["id"]
                at = {"conversation_id": cid}
                await a.expect_ok("member:add", {**at, "user_ids": [cat.id, dan.id]})
                for gone in (extras[0], cat.id):
                    await a.expect_ok("member:remove", {**at, "user_id": gone})
                for phone, store in zip(phones, stores, strict=True):
                    await expect_revision(phone, 4)
                    for _, delta in phone.heard:
                        assert store.apply(delta)
                    members = store.conversations[cid].members
                    assert members.keys() == {ann.id, ben.id, dan.id, *extras[1:]}
                fresh = Store(ben.id)
                fresh.apply_sync(await b.expect_ok("sync", {}))
                assert fresh.conversations[cid].members == stores[1].conversations[cid].members

        asyncio.run(scene())


async def expect_revision(phone: Phone, revision: int) -> Any:
    """The delta up to that revision, live."""
    while True:
        for _, payload in phone.heard:
            if payload.get("revision") == revision and "since" in payload:
                return payload
        async with asyncio.timeout(30):
            await phone.expect_news()


async def expect_own(phone: Phone, revision: int, user: Account, role: str) -> None:
    """A live delta with no member but oneself."""
    delta = await expect_revision(phone, revision)
    assert [(it["user_id"], it["role"]) for it in delta["members"]] == [(user.id, role)]
    assert delta["conversation"]["me"]["role"] == role
