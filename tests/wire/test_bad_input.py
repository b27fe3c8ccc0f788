"""Whatever is wrong with an event: a stable code, nothing stored, and the connection lives."""

import asyncio
import json
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gochat.contract.events import CLIENT_EVENTS
from tests.services.gochat import GoChatServer
from tests.wire.account import API, Account
from tests.wire.phone import Phone, message

NOBODY = "0" * 15 + "7"
CID = "{direct}"
KEY = str(uuid.uuid4())


def send(**fields: Any) -> dict[str, Any]:
    return {"conversation_id": CID, "client_message_id": KEY, "body": "hi"} | fields


def react(**fields: Any) -> dict[str, Any]:
    return {"conversation_id": CID, "seq": 1, "emoji": "👍", "on": True} | fields


def without(name: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in payload.items() if field != name}


def linked(**fields: Any) -> dict[str, Any]:
    return send(attachments=[{"url": "https://a.example/b", "mime_type": "a/b"} | fields])


# (event, payload, code, field)
BAD: list[tuple[str, Any, str, str | None]] = [
    ("message:send", None, "invalid_payload", None),
    ("message:send", "text", "invalid_payload", None),
    ("message:send", [], "invalid_payload", None),
    ("message:send", 7, "invalid_payload", None),
    ("message:send", {}, "invalid_payload", "conversation_id"),
    ("message:send", without("client_message_id", send()), "invalid_payload", "client_message_id"),
    ("message:send", send(conversation_id=7), "invalid_payload", "conversation_id"),
    ("message:send", send(conversation_id=None), "invalid_payload", "conversation_id"),
    ("message:send", send(conversation_id=""), "invalid_payload", "conversation_id"),
    ("message:send", send(conversation_id="x" * 65), "invalid_payload", "conversation_id"),
    ("message:send", send(conversation_id="nope"), "not_found", "conversation_id"),
    ("message:send", send(conversation_id=NOBODY), "not_found", "conversation_id"),
    ("message:send", send(conversation_id="-" + NOBODY[1:]), "not_found", "conversation_id"),
    ("message:send", send(client_message_id="nope"), "invalid_payload", "client_message_id"),
    ("message:send", send(client_message_id=KEY + " "), "invalid_payload", "client_message_id"),
    ("message:send", send(client_message_id=KEY.replace("-", "")), "invalid_payload", "client_message_id"),
    ("message:send", send(client_message_id=7), "invalid_payload", "client_message_id"),
    ("message:send", send(body=7), "invalid_payload", "body"),
    ("message:send", send(body=None), "invalid_payload", "body"),
    ("message:send", send(body=""), "invalid_payload", "body"),
    ("message:send", send(body=" \n\t\u2003"), "invalid_payload", "body"),
    ("message:send", send(body="x" * 8_001), "invalid_payload", "body"),
    ("message:send", send(colour="red"), "invalid_payload", "colour"),
    ("message:send", send(reply_to_seq=0), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq=-1), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq=1.5), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq=True), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq="1"), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq=2**53), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq=99), "not_found", "reply_to_seq"),
    ("message:send", send(attachments="x"), "invalid_payload", "attachments"),
    ("message:send", send(attachments=[{}]), "invalid_payload", "attachments.0.url"),
    (
        "message:send",
        send(attachments=[{"url": "javascript:alert(1)", "mime_type": "a/b"}]),
        "invalid_payload",
        "attachments.0.url",
    ),
    (
        "message:send",
        send(attachments=[{"url": "https://a.example/b", "mime_type": "a/b"}] * 11),
        "limit_exceeded",
        "attachments",
    ),
    # What nobody sees, and what nobody should be shown.
    ("message:send", send(body="\u200b\u2060\ufeff"), "invalid_payload", "body"),
    ("message:send", send(body="\u0301\u3164 \u2800"), "invalid_payload", "body"),
    ("message:send", send(body="\0\x01"), "invalid_payload", "body"),
    ("message:send", linked(url="https:///path"), "invalid_payload", "attachments.0.url"),
    ("message:send", linked(url="https://a.example/a b"), "invalid_payload", "attachments.0.url"),
    ("message:send", linked(url="https://a.example/" + "é" * 1_500), "invalid_payload", "attachments.0.url"),
    ("message:send", linked(mime_type="audio/ogg; codecs"), "invalid_payload", "attachments.0.mime_type"),
    ("message:send", linked(mime_type="png"), "invalid_payload", "attachments.0.mime_type"),
    ("message:send", linked(name="photo\u202egpj.exe"), "invalid_payload", "attachments.0.name"),
    ("message:send", linked(name="a\nb.png"), "invalid_payload", "attachments.0.name"),
    ("message:send", linked(name="a\0.png"), "invalid_payload", "attachments.0.name"),
    ("conversation:create", {"kind": "group", "member_ids": [], "title": "a\nb"}, "invalid_payload", "title"),
    (
        "conversation:create",
        {"kind": "group", "member_ids": [], "title": "\u202ex"},
        "invalid_payload",
        "title",
    ),
    (
        "conversation:create",
        {"kind": "group", "member_ids": [], "title": "x\u200b"},
        "invalid_payload",
        "title",
    ),
    # What an app cut in the middle of an emoji, as the official clients send it.
    ("message:send", send(body="cut \ud83d"), "invalid_payload", "body"),
    ("message:send", send(body="\ude00 cut"), "invalid_payload", "body"),
    ("message:send", send(body="x" * 60_000 + "\ud83d"), "invalid_payload", None),
    ("message:send", send(conversation_id="\ud83d"), "invalid_payload", "conversation_id"),
    (
        "message:send",
        send(attachments=[{"url": "https://a.example/b", "mime_type": "a/b", "name": "\ud83d"}]),
        "invalid_payload",
        "attachments.0.name",
    ),
    ("message:send", send(**{"\ud83d": 1}), "invalid_payload", None),
    ("message:send", send(reply_to_seq=float("nan")), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq=float("inf")), "invalid_payload", "reply_to_seq"),
    ("message:send", send(reply_to_seq=2**80), "invalid_payload", "reply_to_seq"),
    ("message:send", send(body=[[]] * 20_000), "invalid_payload", None),
    ("sync", {"known": {"\ud83d": 1}}, "invalid_payload", "known"),
    ("auth:refresh", {"token": "\ud83d"}, "invalid_payload", "token"),
    ("\ud83d", {}, "unknown_event", "?"),
    ("message:edit", {"conversation_id": CID, "seq": 1}, "invalid_payload", "body"),
    ("message:edit", {"conversation_id": CID, "seq": 99, "body": "x"}, "not_found", "seq"),
    ("message:edit", {"conversation_id": NOBODY, "seq": 1, "body": "x"}, "not_found", "conversation_id"),
    ("message:edit", {"conversation_id": CID, "seq": 1, "body": "mine now"}, "forbidden", None),
    ("message:delete", {"conversation_id": CID, "seq": "1"}, "invalid_payload", "seq"),
    ("message:delete", {"conversation_id": CID, "seq": 99}, "not_found", "seq"),
    ("message:delete", {"conversation_id": CID, "seq": 1}, "forbidden", None),
    *(
        ("message:react", react(emoji=emoji), "invalid_payload", "emoji")
        for emoji in ("", "a", "1", "👍👍", "👍 ", "🇩", "custom:", "custom:A", "x" * 10_000, "\ud83d", None)
    ),
    ("message:react", react(on=1), "invalid_payload", "on"),
    ("message:react", react(seq=99), "not_found", "seq"),
    ("message:react", react(seq=0), "invalid_payload", "seq"),
    ("message:react", react(conversation_id=NOBODY), "not_found", "conversation_id"),
    ("message:pin", {"conversation_id": CID, "seq": 1}, "invalid_payload", "on"),
    ("message:pin", {"conversation_id": CID, "seq": 99, "on": True}, "not_found", "seq"),
    ("message:pin", {"conversation_id": NOBODY, "seq": 1, "on": True}, "not_found", "conversation_id"),
    ("messages:status", {"client_message_ids": []}, "invalid_payload", "client_message_ids"),
    ("messages:status", {"client_message_ids": [KEY] * 101}, "invalid_payload", "client_message_ids"),
    ("messages:status", {"client_message_ids": ["x"]}, "invalid_payload", "client_message_ids.0"),
    ("conversation:create", {"kind": "channel", "member_ids": []}, "invalid_payload", "kind"),
    ("conversation:create", {"kind": "direct", "member_ids": []}, "invalid_payload", "member_ids"),
    ("conversation:create", {"kind": "direct", "member_ids": ["{ann}"]}, "invalid_payload", "member_ids"),
    ("conversation:create", {"kind": "direct", "member_ids": [NOBODY]}, "not_found", "member_ids"),
    ("conversation:create", {"kind": "direct", "member_ids": ["nope"]}, "not_found", "member_ids"),
    (
        "conversation:create",
        {"kind": "direct", "member_ids": [NOBODY] * 501},
        "invalid_payload",
        "member_ids",
    ),
    (
        "conversation:create",
        {"kind": "direct", "member_ids": ["{ben}"], "title": "us"},
        "invalid_payload",
        "title",
    ),
    (
        "conversation:create",
        {"kind": "group", "member_ids": [], "title": "x" * 201},
        "invalid_payload",
        "title",
    ),
    ("conversation:join", {"conversation_id": NOBODY}, "not_found", "conversation_id"),
    ("conversation:join", {"conversation_id": CID, "revision": -1}, "invalid_payload", "revision"),
    ("conversation:mute", {"conversation_id": CID}, "invalid_payload", "until"),
    ("conversation:mute", {"conversation_id": CID, "until": "soon"}, "invalid_payload", "until"),
    (
        "conversation:mute",
        {"conversation_id": CID, "until": "2026-02-30T00:00:00Z"},
        "invalid_payload",
        "until",
    ),
    (
        "conversation:mute",
        {"conversation_id": CID, "until": "2020-01-01T00:00:00Z"},
        "invalid_payload",
        "until",
    ),
    ("conversation:mute", {"conversation_id": NOBODY, "until": "forever"}, "not_found", "conversation_id"),
    ("conversation:archive", {"conversation_id": CID, "on": 1}, "invalid_payload", "on"),
    ("conversation:pin", {"conversation_id": NOBODY, "on": True}, "not_found", "conversation_id"),
    ("conversation:mark", {"conversation_id": CID, "unread": "yes"}, "invalid_payload", "unread"),
    ("conversation:draft", {"conversation_id": CID, "text": "x" * 8_001}, "invalid_payload", "text"),
    ("conversation:update", {"conversation_id": CID, "title": "x"}, "forbidden", None),
    ("conversation:update", {"conversation_id": CID}, "invalid_payload", "title"),
    ("conversation:update", {"conversation_id": CID, "settings": {}}, "invalid_payload", "title"),
    ("conversation:update", {"conversation_id": CID, "settings": {"x": 1}}, "invalid_payload", "settings.x"),
    ("conversation:update", {"conversation_id": CID, "data": []}, "invalid_payload", "data"),
    ("conversation:update", {"conversation_id": CID, "avatar_url": 1}, "invalid_payload", "avatar_url"),
    ("member:add", {"conversation_id": CID, "user_ids": ["{eve}"]}, "forbidden", None),
    ("member:add", {"conversation_id": CID, "user_ids": []}, "invalid_payload", "user_ids"),
    ("member:remove", {"conversation_id": CID, "user_id": "{ben}"}, "forbidden", None),
    (
        "member:role",
        {"conversation_id": CID, "user_id": "{ben}", "role": "king"},
        "invalid_payload",
        "role",
    ),
    ("member:ban", {"conversation_id": CID, "user_id": "{ben}", "on": True}, "forbidden", None),
    ("member:ban", {"conversation_id": CID, "user_id": "{ben}"}, "invalid_payload", "on"),
    ("receipt:read", {"conversation_id": CID}, "invalid_payload", "seq"),
    ("receipt:read", {"conversation_id": CID, "seq": -1}, "invalid_payload", "seq"),
    ("receipt:read", {"conversation_id": NOBODY, "seq": 1}, "not_found", "conversation_id"),
    ("receipt:delivered", {"conversation_id": NOBODY, "seq": 1}, "not_found", "conversation_id"),
    ("typing:start", {"conversation_id": NOBODY}, "not_found", "conversation_id"),
    ("typing:stop", {}, "invalid_payload", "conversation_id"),
    ("presence:watch", None, "invalid_payload", None),
    ("presence:watch", [], "invalid_payload", None),
    ("presence:watch", {}, "invalid_payload", "user_ids"),
    ("presence:watch", {"user_ids": None}, "invalid_payload", "user_ids"),
    ("presence:watch", {"user_ids": "{ben}"}, "invalid_payload", "user_ids"),
    ("presence:watch", {"user_ids": {"{ben}": True}}, "invalid_payload", "user_ids"),
    ("presence:watch", {"user_ids": [7]}, "invalid_payload", "user_ids.0"),
    ("presence:watch", {"user_ids": ["{ben}", None]}, "invalid_payload", "user_ids.1"),
    ("presence:watch", {"user_ids": [["{ben}"]]}, "invalid_payload", "user_ids.0"),
    ("presence:watch", {"user_ids": [""]}, "invalid_payload", "user_ids.0"),
    ("presence:watch", {"user_ids": ["x" * 65]}, "invalid_payload", "user_ids.0"),
    ("presence:watch", {"user_ids": ["{ben}"] * 101}, "invalid_payload", "user_ids"),
    ("presence:watch", {"user_ids": ["{ben}"], "forever": True}, "invalid_payload", "forever"),
    ("sync", {"known": []}, "invalid_payload", "known"),
    ("sync", {"known": {CID: "1"}}, "invalid_payload", "known.{direct}"),
    ("sync", {"position": "nope"}, "position_lost", "position"),
    ("sync", {"position": ""}, "position_lost", "position"),
    ("sync", {"position": "x" * 401}, "invalid_payload", "position"),
    ("sync", {"position": "nope", "known": {CID: 1}}, "invalid_payload", "position"),
    ("sync", {"limit": 0}, "invalid_payload", "limit"),
    ("sync", {"limit": 501}, "invalid_payload", "limit"),
    ("sync", {"cursor": "nope"}, "cursor_invalid", "cursor"),
    ("sync", {"cursor": ""}, "cursor_invalid", "cursor"),
    ("auth:refresh", {"token": "nope"}, "token_invalid", None),
    ("auth:refresh", {}, "invalid_payload", "token"),
    ("nope", {}, "unknown_event", "nope"),
    ("connection", {}, "unknown_event", "connection"),
    ("__proto__", {}, "unknown_event", "__proto__"),
]


@pytest.fixture
def fill(direct: str, ann: Account, ben: Account, eve: Account) -> Callable[[Any], Any]:
    """Puts the ids of this test into a payload."""
    values = {"direct": direct, "ann": ann.id, "ben": ben.id, "eve": eve.id}

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {put(name): put(part) for name, part in value.items()}
        if isinstance(value, list):
            return [put(part) for part in value]
        if isinstance(value, str):
            for name, real in values.items():
                value = value.replace("{" + name + "}", real)
        return value

    return put


def test_each_has_its_code_and_stores_nothing(
    server: GoChatServer, ann: Account, ben: Account, direct: str, fill: Callable[[Any], Any]
) -> None:
    async def scene() -> None:
        phone = Phone("ann")
        await phone.connect(server.url, ann.token)
        await asyncio.to_thread(ben.post, "/messages", message(direct, "Ben's"))
        before = await asyncio.to_thread(ann.post, "/sync", {})
        for event, payload, code, field in BAD:
            error = await phone.expect_error(event, fill(payload), code)
            assert error["retryable"] is False
            assert error.get("field") == fill(field), (event, payload, error)
            assert "Traceback" not in str(error)
        after = await asyncio.to_thread(ann.post, "/sync", {})
        assert after | {"server_time": ""} == before | {"server_time": ""}
        assert phone.connects == 1
        await phone.close()

    asyncio.run(scene())
    assert "Traceback" not in server.process.log


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_half_an_emoji_costs_nothing_else_its_place(
    server: GoChatServer, ann: Account, direct: str, transport: str
) -> None:
    """What stands behind it in the outbox is sent, on the same connection."""

    async def scene() -> None:
        phone = Phone("ann", strict=False)
        await phone.connect(server.url, ann.token, [transport])
        bodies = ["before", "cut \ud83d", "after \U0001f600"]
        acks = await asyncio.gather(*(phone.emit("message:send", message(direct, body)) for body in bodies))
        assert [ack["ok"] for ack in acks] == [True, False, True]
        assert phone.connects == 1
        await phone.close()

    asyncio.run(scene())
    assert sorted(m["body"] for m in ann.history(direct)) == ["after \U0001f600", "before"]


class Again:
    """JSON in which the mark behind a key is left out, so that the key stands there again."""

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        return json.dumps(value, **options).replace(AGAIN, "")

    loads = staticmethod(json.loads)


AGAIN = "<again>"
TWICE = {"a": {"b": [1, {"c": 1, "c" + AGAIN: 2}]}}
LINK = {"url": "https://a.example/b", "mime_type": "a/b", "url" + AGAIN: "https://a.example/c"}
# (event, route, payload, field)
STANDING_TWICE: list[tuple[str, str, Any, str]] = [
    ("message:send", "POST messages", send(data={"a": 1, "b": 1, "a" + AGAIN: 2}), "data"),
    ("message:send", "POST messages", send(data={"a": 1, "a" + AGAIN: 1}), "data"),
    ("message:send", "POST messages", send(body=': "a": ', data=TWICE), "data.a.b.1"),
    ("message:send", "POST messages", send(data={}, **{"data" + AGAIN: {}}), "data"),
    ("message:send", "POST messages", send(attachments=[LINK]), "attachments.0"),
    ("message:edit", "", {"conversation_id": CID, "seq": 1, "data": {"a": 1, "a" + AGAIN: 2}}, "data"),
    ("conversation:update", "", {"conversation_id": CID, "data": {"": 1, AGAIN: 2}}, "data"),
    ("sync", "POST sync", {"known": {CID: 1, CID + AGAIN: 2}}, "known"),
    ("", "PATCH me", {"data": {"a": 1, "a" + AGAIN: 2}}, "data"),
    ("", "PATCH me", {"about": "one", "about" + AGAIN: "another"}, "about"),
]  # fmt: skip


def test_a_key_that_stands_twice_is_refused_and_stores_nothing(
    server: GoChatServer, ann: Account, ben: Account, direct: str, fill: Callable[[Any], Any]
) -> None:
    ben.post("/messages", message(direct, "Ben's"))
    before = [ann.post("/sync", {}), ann.get("/me")]

    async def scene() -> None:
        async with AsyncExitStack() as stack:
            phone = Phone("ann", json=Again)
            stack.push_async_callback(phone.close)
            await phone.connect(server.url, ann.token)
            for event, _, payload, field in STANDING_TWICE:
                if event:
                    error = await phone.expect_error(event, fill(payload), "invalid_payload")
                    assert (error["field"], error["details"]["errors"][0]["reason"]) == (field, "twice")
            whole = fill(send(data={"a": [{"b": 1}, {"b": 2}], "b": '"b":'}))
            assert (await phone.expect_ok("message:send", whole))["message"]["data"] == whole["data"]
            assert phone.connects == 1

    for _, route, payload, field in STANDING_TWICE:
        if route:
            method, path = route.split()
            headers = {**ann.headers, "Content-Type": "application/json"}
            body = Again.dumps(fill(payload))
            answer = ann.http.request(method, f"{API}/{path}", content=body, headers=headers)
            error = answer.json()
            assert (answer.status_code, error["code"], error["field"]) == (400, "invalid_payload", field)
    after = [ann.post("/sync", {}), ann.get("/me")]
    for answer in (before[0], after[0]):
        del answer["server_time"], answer["position"]
    assert after == before
    asyncio.run(scene())
    assert [it["body"] for it in ann.history(direct)] == ["Ben's", "hi"]


def test_a_stranger_gets_the_same_answer_as_for_what_is_not_there(
    server: GoChatServer, ann: Account, eve: Account, direct: str
) -> None:
    asks: list[tuple[str, dict[str, Any]]] = [
        ("message:send", {"client_message_id": KEY, "body": "hi"}),
        ("message:edit", {"seq": 1, "body": "x"}),
        ("message:delete", {"seq": 1}),
        ("message:react", {"seq": 1, "emoji": "👍", "on": True}),
        ("message:pin", {"seq": 1, "on": True}),
        ("conversation:join", {}),
        ("conversation:update", {"title": "x"}),
        ("member:add", {"user_ids": [eve.id]}),
        ("member:remove", {"user_id": ann.id}),
        ("member:role", {"user_id": ann.id, "role": "admin"}),
        ("member:ban", {"user_id": ann.id, "on": True}),
        ("receipt:read", {"seq": 1}),
        ("receipt:delivered", {"seq": 1}),
        ("typing:start", {}),
        ("typing:stop", {}),
        ("conversation:mute", {"until": "forever"}),
        ("conversation:archive", {"on": True}),
        ("conversation:pin", {"on": True}),
        ("conversation:mark", {"unread": True}),
        ("conversation:draft", {"text": "x"}),
    ]
    naming = {name for name, it in CLIENT_EVENTS.items() if "conversation_id" in it.request.model_fields}
    # Who looks no longer is answered the same whether they did or not.
    assert {event for event, _ in asks} == naming - {"conversation:leave"}

    async def scene() -> None:
        phone = Phone("eve")
        await phone.connect(server.url, eve.token)
        for event, payload in asks:
            theirs = await phone.expect_error(event, {"conversation_id": direct, **payload}, "not_found")
            nowhere = await phone.expect_error(event, {"conversation_id": NOBODY, **payload}, "not_found")
            assert theirs | {"request_id": ""} == nowhere | {"request_id": ""}
        await phone.close()

    asyncio.run(scene())


def test_a_key_used_for_another_request_is_a_conflict_and_a_retry_is_not(
    server: GoChatServer, ann: Account, direct: str
) -> None:
    key = str(uuid.uuid4())

    async def scene() -> None:
        phone = Phone("ann")
        await phone.connect(server.url, ann.token)
        first = await phone.expect_ok("message:send", message(direct, "hi", key))
        again = await phone.expect_ok("message:send", message(direct, "hi", key.upper()))
        assert (first["duplicate"], again["duplicate"]) == (False, True)
        assert again["message"] == first["message"]
        await phone.expect_error("message:send", message(direct, "other", key), "idempotency_conflict")
        by_rest = await asyncio.to_thread(ann.post, "/messages", message(direct, "hi", key))
        assert by_rest == again
        await phone.close()

    asyncio.run(scene())
    assert [m["body"] for m in ann.history(direct)] == ["hi"]


def test_one_more_than_is_allowed_is_refused_and_stores_nothing(
    server: GoChatServer, ann: Account, ben: Account, direct: str
) -> None:
    """The 21st kind of reaction of one user, and the 51st pin."""
    kinds, pins = 20, 50

    async def scene() -> None:
        async with AsyncExitStack() as stack:
            phone = Phone("ann")
            stack.push_async_callback(phone.close)
            await phone.connect(server.url, ann.token)
            for n in range(pins + 1):
                await phone.expect_ok("message:send", message(direct, f"{n}"))
            for n in range(kinds):
                await phone.expect_ok("message:react", the_first | {"emoji": f"custom:{n}", "on": True})
            for n in range(pins):
                await phone.expect_ok("message:pin", {"conversation_id": direct, "seq": n + 1, "on": True})
            before = await asyncio.to_thread(ben.post, "/sync", {})
            for event, payload, name, limit in [
                ("message:react", the_first | {"emoji": "👍"}, "reactions", kinds),
                ("message:pin", {"conversation_id": direct, "seq": pins + 1}, "pins", pins),
            ]:
                error = await phone.expect_error(event, payload | {"on": True}, "limit_exceeded")
                assert error["details"] == {"name": name, "limit": limit}
            after = await asyncio.to_thread(ben.post, "/sync", {})
            left_out = {"server_time": "", "position": ""}
            assert after | left_out == before | left_out
            assert phone.connects == 1

    the_first: dict[str, Any] = {"conversation_id": direct, "seq": 1}
    asyncio.run(scene())
