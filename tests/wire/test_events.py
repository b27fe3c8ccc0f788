"""Each event between phones: what is answered, and what the others hear."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from tests.services.gochat import GoChatServer
from tests.wire.account import Account
from tests.wire.phone import Phone, message

Scene = Callable[[Phone, Phone, Phone], Awaitable[None]]


@pytest.fixture
def stage(server: GoChatServer, ann: Account, ben: Account, eve: Account) -> Callable[[Scene], None]:
    """Plays a scene with a connected phone of each, all synced."""

    def play(scene: Scene) -> None:
        async def run() -> None:
            phones = [Phone(account.name) for account in (ann, ben, eve)]
            for phone, account in zip(phones, (ann, ben, eve), strict=True):
                await phone.connect(server.url, account.token)
                await phone.expect_ok("sync", {})
            try:
                await scene(phones[0], phones[1], phones[2])
            finally:
                for phone in phones:
                    await phone.close()

        asyncio.run(run())

    return play


def test_a_message_reaches_both_once_and_history(
    stage: Callable[[Scene], None], ann: Account, direct: str
) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        sent = (await a.expect_ok("message:send", message(direct, "hello")))["message"]
        for phone in (a, b):
            delta = await phone.expect_event("message:created")
            assert delta["messages"] == [sent]
            assert delta["revision"] == delta["since"] + 1 == sent["revision"]
        edited = {"conversation_id": direct, "seq": 1, "body": "hello, Ben"}
        changed = (await a.expect_ok("message:edit", edited))["message"]
        assert (changed["body"], changed["seq"]) == ("hello, Ben", 1)
        assert (await b.expect_event("message:edited"))["messages"] == [changed]
        again = (await a.expect_ok("message:edit", edited))["message"]
        assert again == changed
        gone = (await a.expect_ok("message:delete", {"conversation_id": direct, "seq": 1}))["message"]
        assert (gone["body"], gone["client_message_id"]) == (None, sent["client_message_id"])
        assert (await b.expect_event("message:deleted"))["messages"] == [gone]
        await a.expect_error("message:edit", edited, "message_deleted")
        assert [event for event, _ in b.heard] == ["message:created", "message:edited", "message:deleted"]
        assert e.heard == []

    stage(scene)
    assert [m["seq"] for m in ann.history(direct)] == [1]


def test_a_reaction_reaches_both_and_is_mine_to_one(
    stage: Callable[[Scene], None], ann: Account, ben: Account, direct: str
) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        await a.expect_ok("message:send", message(direct, "hello"))
        wish = {"conversation_id": direct, "seq": 1, "emoji": "❤", "on": True}
        told = (await b.expect_ok("message:react", wish))["message"]
        heart: dict[str, Any] = {"emoji": "❤️", "count": 1, "user_ids": [ben.id]}
        assert told["reactions"] == [{**heart, "mine": True}]
        for phone in (a, b):
            delta = await phone.expect_event("message:reacted")
            assert delta["revision"] == delta["since"] + 1
            assert delta["messages"] == [{**told, "reactions": [heart]}]
        for account, mine in ((ann, False), (ben, True)):
            (page,) = account.history(direct)
            assert page["reactions"] == [{**heart, "mine": mine}]
        path = f"/messages/{direct}/1/reactions"
        assert ann.get(path, emoji="❤")["reactions"] == [{"user_id": ben.id, "emoji": "❤️"}]
        assert (await b.expect_ok("message:react", wish))["message"] == told
        await b.expect_ok("message:react", {**wish, "on": False})
        assert ann.history(direct)[0]["reactions"] == []
        assert e.heard == []

    stage(scene)


def test_ones_own_side_is_told_to_ones_own_phones(
    stage: Callable[[Scene], None], server: GoChatServer, ben: Account, direct: str
) -> None:
    def has(field: str, value: object, told: Any) -> bool:
        return bool(told["conversations"][0][field] == value)

    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        other = Phone("ben, too")
        await other.connect(server.url, ben.token)
        await other.expect_ok("sync", {})
        await a.expect_ok("message:send", message(direct, "hello"))
        await b.expect_event("message:created")
        at = {"conversation_id": direct}
        settings: list[tuple[str, dict[str, Any], str, Any]] = [
            ("conversation:mute", {"until": "forever", "level": "mentions"}, "muted", None),
            ("conversation:archive", {"on": True}, "archived", True),
            ("conversation:pin", {"on": True}, "pinned", True),
            ("conversation:mark", {"unread": True}, "marked_unread", True),
            ("conversation:draft", {"text": "dear"}, "draft", None),
        ]
        for event, asked, field, value in settings:
            me = (await b.expect_ok(event, {**at, **asked}))["me"]
            expected = value or {"muted": {"until": "forever", "level": "mentions"}}.get(field) or me[field]
            assert me[field] == expected
            await other.expect_event("me:changed", partial(has, field, me[field]))
        assert me["draft"]["text"] == "dear"
        await other.close()
        assert [event for event, _ in a.heard] == ["message:created"]

    stage(scene)


def test_an_outbox_is_settled_by_status(stage: Callable[[Scene], None], direct: str) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        payload = message(direct, "hello")
        key = payload["client_message_id"]
        asked = {"client_message_ids": [key.upper(), "0" * 8 + key[8:]]}
        assert (await a.expect_ok("messages:status", asked))["messages"] == dict.fromkeys(
            asked["client_message_ids"]
        )
        sent = (await a.expect_ok("message:send", payload))["message"]
        answer = (await a.expect_ok("messages:status", asked))["messages"]
        assert answer == {key.upper(): sent, "0" * 8 + key[8:]: None}
        assert (await b.expect_ok("messages:status", {"client_message_ids": [key]}))["messages"] == {
            key: None
        }

    stage(scene)


def test_a_new_conversation_is_heard_by_all_its_members_from_zero(
    stage: Callable[[Scene], None], ben: Account, eve: Account
) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        key = "6f1c2d3e-0000-4000-8000-000000000001"
        payload = {"kind": "group", "member_ids": [ben.id], "title": "Us", "client_conversation_id": key}
        created = (await a.expect_ok("conversation:create", payload))["conversation"]
        assert created["me"]["role"] == "owner"
        for phone in (a, b):
            delta = await phone.expect_event("conversation:created")
            assert (delta["since"], delta["revision"]) == (0, 1)
            assert delta["conversation"]["title"] == "Us"
            assert len(delta["members"]) == 2
        again = (await a.expect_ok("conversation:create", payload))["conversation"]
        assert again["id"] == created["id"]
        await a.expect_error("conversation:create", payload | {"title": "Them"}, "idempotency_conflict")
        await b.expect_ok("message:send", message(created["id"], "hello"))
        await a.expect_event("message:created")
        assert e.heard == []

    stage(scene)


def test_a_direct_conversation_is_one_for_its_pair(
    stage: Callable[[Scene], None], ann: Account, ben: Account
) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        made = await asyncio.gather(
            a.expect_ok("conversation:create", {"kind": "direct", "member_ids": [ben.id]}),
            b.expect_ok("conversation:create", {"kind": "direct", "member_ids": [ann.id]}),
        )
        assert made[0]["conversation"]["id"] == made[1]["conversation"]["id"]
        for phone in (a, b):
            await phone.expect_event("conversation:created")
            assert len(list(phone.payloads("conversation:created"))) == 1

    stage(scene)


def test_members_come_and_go_and_hear_only_what_is_theirs(
    stage: Callable[[Scene], None], ann: Account, ben: Account, eve: Account
) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        payload = {"kind": "group", "member_ids": [ben.id], "history": "from_joining"}
        cid = (await a.expect_ok("conversation:create", payload))["conversation"]["id"]
        await a.expect_ok("message:send", message(cid, "before Eve"))
        await a.expect_ok("member:add", {"conversation_id": cid, "user_ids": [eve.id]})
        whole = await e.expect_event("member:added")
        assert (whole["since"], whole["revision"], whole.get("messages", [])) == (0, 3, [])
        assert whole["conversation"]["me"]["visible_from_seq"] == 3, "after the message that tells of it"
        heard = await b.expect_event("member:added")
        assert [m["user_id"] for m in heard["members"]] == [eve.id]
        assert heard["conversation"]["member_count"] == 3
        await a.expect_ok("message:send", message(cid, "hello, Eve"))
        assert (await e.expect_event("message:created"))["messages"][0]["body"] == "hello, Eve"
        old = {"conversation_id": cid, "seq": 1}
        await e.expect_error("message:delete", old, "not_found")
        await a.expect_ok("message:edit", {**old, "body": "before Eve, edited"})
        shown = await b.expect_event("message:edited")
        hidden = await e.expect_event("message:edited")
        assert (len(shown["messages"]), hidden["messages"]) == (1, [])
        assert shown["revision"] == hidden["revision"]
        await a.expect_ok("member:remove", {"conversation_id": cid, "user_id": eve.id})
        assert (await e.expect_event("member:removed"))["removed"] is True
        await b.expect_event("member:removed")
        count = len(e.heard)
        await a.expect_ok("message:send", message(cid, "without Eve"))
        await b.expect_event("message:created", lambda d: d["messages"][0]["body"] == "without Eve")
        await e.expect_error("message:send", message(cid, "let me in"), "not_found")
        assert len(e.heard) == count
        quit_ = await a.expect_ok("member:remove", {"conversation_id": cid, "user_id": ann.id})
        assert quit_["conversation"] is None
        heir = await b.expect_event(
            "member:removed", lambda d: any(m["role"] == "owner" for m in d["members"])
        )
        assert {m["user_id"] for m in heir["members"]} == {ann.id, ben.id}

    stage(scene)


def test_roles_and_titles(stage: Callable[[Scene], None], ann: Account, ben: Account) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        made = await a.expect_ok("conversation:create", {"kind": "group", "member_ids": [ben.id]})
        cid = made["conversation"]["id"]
        rename = {"conversation_id": cid, "title": "Ours"}
        await b.expect_error("conversation:update", rename, "forbidden")
        await a.expect_ok("member:role", {"conversation_id": cid, "user_id": ben.id, "role": "owner"})
        roles = (await b.expect_event("member:updated"))["members"]
        assert {m["user_id"]: m["role"] for m in roles} == {ann.id: "admin", ben.id: "owner"}
        await b.expect_ok("conversation:update", rename)
        assert (await a.expect_event("conversation:updated"))["conversation"]["title"] == "Ours"

    stage(scene)


def test_either_of_two_pins(stage: Callable[[Scene], None], direct: str) -> None:
    def pinned(seqs: list[int], told: Any) -> bool:
        return bool(told["conversation"]["pinned_seqs"] == seqs)

    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        for n in (1, 2):
            await a.expect_ok("message:send", message(direct, f"{n}"))
        at = {"conversation_id": direct, "on": True}
        assert (await b.expect_ok("message:pin", {**at, "seq": 2}))["conversation"]["pinned_seqs"] == [2]
        assert (await a.expect_ok("message:pin", {**at, "seq": 1}))["conversation"]["pinned_seqs"] == [1, 2]
        for phone in (a, b):
            for seqs in ([2], [1, 2]):
                await phone.expect_event("conversation:updated", partial(pinned, seqs))
        await a.expect_ok("message:delete", {"conversation_id": direct, "seq": 2})
        gone = await b.expect_event("message:deleted")
        assert gone["conversation"]["pinned_seqs"] == [1]
        await b.expect_ok("message:pin", {**at, "seq": 1, "on": False})
        await a.expect_event("conversation:updated", partial(pinned, []))

    stage(scene)


def test_a_group_is_set_up(stage: Callable[[Scene], None], ben: Account, eve: Account) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        made = await a.expect_ok("conversation:create", {"kind": "group", "member_ids": [ben.id]})
        at = {"conversation_id": made["conversation"]["id"]}
        setup: dict[str, Any] = {
            "avatar_url": "https://example.org/ä.png",
            "data": {"colour": "blue", "n": [1, None]},
            "settings": {"who_sends": "admins", "who_adds": "all"},
        }
        before = {name: made["conversation"][name] for name in setup}
        everybody = {"who_sends": "all", "who_adds": "admins"}
        assert before == {"avatar_url": None, "data": None, "settings": everybody}
        await b.expect_error("conversation:update", {**at, **setup}, "forbidden")
        await a.expect_error(
            "conversation:update", {**at, "avatar_url": "http://a.example"}, "invalid_payload"
        )
        told = (await a.expect_ok("conversation:update", {**at, **setup}))["conversation"]
        heard = (await b.expect_event("conversation:updated"))["conversation"]
        for conversation in (told, heard):
            assert {name: conversation[name] for name in setup} == setup
        refused = await b.expect_error("message:send", message(at["conversation_id"], "hi"), "forbidden")
        assert refused["details"] == {"reason": "who_sends"}
        await a.expect_ok("message:send", message(at["conversation_id"], "hi"))
        await b.expect_ok("member:add", {**at, "user_ids": [eve.id]})
        welcome = (await e.expect_event("member:added"))["conversation"]
        assert {name: welcome[name] for name in setup} == setup

    stage(scene)


def test_receipts_move_forward_and_are_told_to_others_and_to_oneself(
    stage: Callable[[Scene], None], server: GoChatServer, ben: Account, direct: str
) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        tablet = Phone("ben's tablet")
        await tablet.connect(server.url, ben.token)
        await tablet.expect_ok("sync", {})
        for n in range(3):
            await a.expect_ok("message:send", message(direct, f"{n}"))
        at = {"conversation_id": direct}
        answer = await b.expect_ok("receipt:delivered", {**at, "seq": 3})
        assert answer == {"delivered_seq": 3, "read_seq": 0, "unread": 3, "total_unread": 3}
        answer = await b.expect_ok("receipt:read", {**at, "seq": 2})
        assert answer == {"delivered_seq": 3, "read_seq": 2, "unread": 1, "total_unread": 1}
        shown = await a.expect_event("receipt:advanced", lambda d: d["members"][0]["read_seq"] == 2)
        assert shown["members"][0]["user_id"] == ben.id
        mine = await tablet.expect_event("me:changed", lambda d: d["total_unread"] == 1)
        assert mine["conversations"][0]["unread"] == 1
        heard = len(a.heard)
        assert await b.expect_ok("receipt:read", {**at, "seq": 1}) == answer
        assert await b.expect_ok("receipt:delivered", {**at, "seq": 0}) == answer
        assert (await b.expect_ok("receipt:read", {**at, "seq": 10**9}))["read_seq"] == 3
        await a.expect_event("receipt:advanced", lambda d: d["members"][0]["read_seq"] == 3)
        assert len(a.heard) == heard + 1
        await tablet.close()

    stage(scene)


def test_typing_is_for_those_who_look_and_ends_with_the_message(
    stage: Callable[[Scene], None], ann: Account, direct: str
) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        at = {"conversation_id": direct}
        await b.expect_ok("conversation:join", at)
        await a.expect_ok("typing:start", at)
        typing = await b.expect_event("typing:changed")
        assert typing["user_ids"] == [ann.id]
        assert 0 < typing["expires_in_ms"] <= 6_000
        await a.expect_ok("message:send", message(direct, "done"))
        await b.expect_event("typing:changed", lambda t: t["user_ids"] == [])
        await a.expect_ok("typing:start", at)
        await b.expect_event("typing:changed", lambda t: t is not typing and t["user_ids"] == [ann.id])
        await a.close()
        await b.expect_event("typing:changed", lambda _: len(list(b.payloads("typing:changed"))) == 4)
        assert [bool(t["user_ids"]) for t in b.payloads("typing:changed")] == [True, False, True, False]
        await b.expect_ok("conversation:leave", at)
        assert not list(a.payloads("typing:changed"))

    stage(scene)


def test_join_tells_what_was_missed(stage: Callable[[Scene], None], direct: str) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        for n in range(3):
            await a.expect_ok("message:send", message(direct, f"{n}"))
        whole = await b.expect_ok("conversation:join", {"conversation_id": direct})
        assert (whole["since"], whole["revision"], len(whole["messages"])) == (0, 4, 3)
        part = await b.expect_ok("conversation:join", {"conversation_id": direct, "revision": 3})
        assert (part["since"], part["revision"], len(part["messages"])) == (3, 4, 1)
        none = await b.expect_ok("conversation:join", {"conversation_id": direct, "revision": 4})
        assert (none["since"], none["revision"], none.get("messages", [])) == (4, 4, [])
        ahead = await b.expect_ok("conversation:join", {"conversation_id": direct, "revision": 99})
        assert (ahead["since"], ahead["revision"], ahead["gap"]) == (0, 4, True)

    stage(scene)


def test_rest_sends_through_the_same_door(stage: Callable[[Scene], None], ann: Account, direct: str) -> None:
    async def scene(a: Phone, b: Phone, e: Phone) -> None:
        sent = await asyncio.to_thread(ann.post, "/messages", message(direct, "by REST"))
        for phone in (a, b):
            assert (await phone.expect_event("message:created"))["messages"] == [sent["message"]]

    stage(scene)
