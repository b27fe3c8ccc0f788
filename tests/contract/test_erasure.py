"""Accounts that are deleted, and exports, over each database."""

import asyncio
import json
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, make_url, text

from gochat.contract.ids import id_in
from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.errors import ChatError
from gochat.core.messages import DeleteMessage, EditMessage, PinMessage, SendMessage
from gochat.core.model import Attachment, ConversationId, Extras, Mentions, MuteLevel, UserId
from gochat.core.profiles import UpdateProfile
from gochat.core.reactions import React
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.core.sides import FOREVER, Mark, Mute, Pin, SaveDraft
from gochat.storage import erasure
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.erasure import Erasure
from tests.contract.rest import PASSWORD, Rest, register, running
from tests.contract.test_rest_chat import message
from tests.reading.world import reading
from tests.writing.stored import check, read
from tests.writing.world import direct, group, new_key, prepare, send, writing

CANARY = "canary7f3a"


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no sockets here for whose end a deletion waits."""
    monkeypatch.setattr(erasure, "SETTLE_MS", 0)


def found(url: str) -> set[str]:
    """The columns in which the canary is still to be found, in any table."""
    engine = write_engine(url)
    places = set()
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            for row in connection.execute(text(f"SELECT * FROM {table}")).mappings():
                places |= {f"{table}.{name}" for name, value in row.items() if CANARY in str(value).lower()}
    engine.dispose()
    return places


def is_in_files(url: str) -> bool | None:
    """Whether the canary is anywhere in the files of SQLite; those of a server hold its own log."""
    at = make_url(url)
    if at.get_backend_name() != "sqlite":
        return None
    files = list(Path(str(at.database)).parent.glob(f"{Path(str(at.database)).name}*"))
    assert files
    return any(CANARY.encode() in file.read_bytes() for file in files)


async def told(rest: Rest) -> tuple[Any, Any, str, str]:
    """Someone who left traces wherever one can, a friend, and the conversations of both."""
    ann = await register(
        rest,
        f"{CANARY}",
        phone="+493012345678",
        display_name=f"Ann {CANARY}",
        device={"name": f"{CANARY} phone"},
    )
    ben = await register(rest, "ben")
    said = {"about": CANARY, "data": {CANARY: CANARY}, "avatar_url": f"https://{CANARY}.example/"}
    await ann.rest.ok("PATCH", "/me", said)
    await ann.rest.ok("PUT", "/me/blocks", {"user_id": ben.id})
    await ann.rest.ok("DELETE", f"/me/blocks?user_id={ben.id}")
    made = await ann.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": [ben.id]})
    other = await ann.rest.ok("POST", "/conversations", {"kind": "direct", "member_ids": [ben.id]})
    cids = made["conversation"]["id"], other["conversation"]["id"]
    for cid in cids:
        for n in range(3):
            await ann.rest.ok("POST", "/messages", message(cid, f"{CANARY} {n}"))
        await ben.rest.ok("POST", "/messages", message(cid, "mine"))
    return ann, ben, *cids


async def gone(rest: Rest, user_id: str) -> dict[str, Any]:
    """What others see once the account is deleted."""
    async with asyncio.timeout(30):
        while True:
            (user,) = (await rest.ok("GET", f"/users?ids={user_id}"))["users"]
            if user["deleted"]:
                return dict(user)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("messages", "left"), [("keep", {"messages.body", "search_texts.text"}), ("erase", set())]
)
async def test_what_is_left_of_a_deleted_account(database_url: str, messages: str, left: set[str]) -> None:
    async with running(database_url, delete_grace_s=0, deleted_messages=messages) as rest:
        ann, ben, group_id, direct_id = await told(rest)
        assert len(found(database_url)) > 5
        answer = await ann.rest.ok("DELETE", "/me")
        assert answer["deletes_at"]
        assert (await ann.rest.get("/me")).code in {"session_revoked", "token_invalid"}  # ended, then deleted
        user = await gone(ben.rest, ann.id)
        assert (user["display_name"], user["about"], user["data"]) == ("Deleted user", None, None)
        async with asyncio.timeout(30):
            while found(database_url) != left:  # noqa: ASYNC110 (the index for searching follows)
                await asyncio.sleep(0.1)
        for by in ({"username": CANARY}, {"phone": "+493012345678"}):
            refused = await rest.post("/auth/login", {**by, "password": PASSWORD})
            assert refused.code == "invalid_credentials"
        again = await register(rest, CANARY, phone="+493012345678")
        assert again.id != ann.id
        for kind in ("group", "direct"):
            refused = await again.rest.post("/conversations", {"kind": kind, "member_ids": [ann.id]})
            assert refused.code == "not_found", "nobody brings them in any more"
        members = (await ben.rest.ok("GET", f"/conversations/{group_id}/members"))["members"]
        assert [(it["user_id"], it["role"]) for it in members] == [(ben.id, "owner")]
        history = await ben.rest.ok("GET", f"/messages?conversation_id={direct_id}")
        assert [it["sender_id"] for it in history["messages"]] == [ann.id] * 3 + [ben.id]
        deleted = [it["deleted_at"] is not None for it in history["messages"]]
        assert deleted == [messages == "erase"] * 3 + [False]


@pytest.mark.parametrize("messages", ["keep", "erase"])
async def test_what_is_left_of_their_groups(database_url: str, messages: str) -> None:
    """The title that they gave to a group of others, and nothing of one in which they were the last."""
    async with running(database_url, delete_grace_s=0, deleted_messages=messages) as rest:
        ann, ben = await register(rest, "ann"), await register(rest, "ben")
        made = [
            await ann.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": ids, "title": "?"})
            for ids in ([], [ben.id])
        ]
        alone, shared = (id_in(it["conversation"]["id"]) for it in made)
        shown = {"title": CANARY, "avatar_url": f"https://{CANARY}.example/", "data": f'{{"x": "{CANARY}"}}'}
        async with writing(database_url) as it:
            await it.writer.submit(UpdateConversation(shared, id_in(ann.id), {"title": CANARY}))
            await it.writer.submit(UpdateConversation(alone, id_in(ann.id), shown))
        assert found(database_url) >= {"conversations.title", "conversations.extras"}
        await ann.rest.ok("DELETE", "/me")
        await gone(ben.rest, ann.id)
        assert found(database_url) == {"conversations.title"}
        group = await ben.rest.ok("GET", f"/conversations/{made[1]['conversation']['id']}")
        assert group["conversation"]["title"] == CANARY


async def test_logging_in_takes_it_back(rest: Rest) -> None:
    ann = await register(rest, "ann")
    await ann.rest.ok("DELETE", "/me")
    assert (await ann.rest.get("/me")).code == "session_revoked"
    back = await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD})
    assert back["user"] == ann.tokens["user"]


@pytest.mark.parametrize("messages", ["keep", "erase"])
def test_it_goes_on_wherever_it_was_killed(database_url: str, messages: Any) -> None:
    """Killed at 25 moments each, and begun anew; whoever does it at the same time does no harm."""
    ann, ben, carl = prepare(database_url, 3)
    rng = random.Random(7)

    async def scenario() -> None:
        database = Database(database_url, pool_size=4)
        async with writing(database_url) as it:
            await it.writer.submit(UpdateProfile(ann, {"display_name": CANARY, "about": CANARY}))
            places = [await it.create(group(ann, ben, carl)) for _ in range(20)]
            places += [await it.create(direct(ann, other)) for other in (ben, carl)]
            for cid in places:
                await asyncio.gather(*(it.send(send(cid, ann, f"{CANARY} {n}")) for n in range(5)))
                other = carl if cid == places[-1] else ben
                await it.send(send(cid, other))
                await it.writer.submit(React(cid, 6, {(ann, "👍"): True, (other, "👍"): True}))
            deletion = Erasure(database, it.writer, messages)
            await deletion.wish(ann, 1, time.time_ns() // 1_000_000)
            for _ in range(25):
                killed = asyncio.create_task(deletion.erase(ann))
                await asyncio.sleep(rng.uniform(0, 0.02))
                killed.cancel()
                with suppress(asyncio.CancelledError):
                    await killed
            await asyncio.gather(deletion.catch_up(), Erasure(database, it.writer, messages).catch_up())
        async with reading(database_url) as reader:
            for cid in places:
                (message,) = (
                    await reader.history(carl if cid == places[-1] else ben, cid, after_seq=5)
                ).messages
                assert (ann in message.reactions[0].user_ids) == (messages == "keep")
        await database.close()

    asyncio.run(scenario())
    assert found(database_url) == ({"messages.body"} if messages == "keep" else set())
    check(read(database_url))
    assert is_in_files(database_url) in {None, messages == "keep"}


async def set_all(url: str, user_id: UserId, other_id: UserId, *ids: ConversationId) -> None:
    """All that a message, a conversation and one's own side of it may hold."""
    async with writing(url) as it:
        for cid in ids:
            extras = Extras("custom:x", '{"a": [1]}', Mentions((user_id, other_id)))
            links = (Attachment("https://files.example.com/a", "image/png", 640, 480, 3, "a.png"),)
            whole = SendMessage(cid, other_id, new_key(), "all", 1, links, extras)
            commands: list[AnyCommand] = [
                whole,
                EditMessage(cid, user_id, 1, "edited"),
                DeleteMessage(cid, user_id, 2),
                React(cid, 3, {(user_id, "👍"): True, (other_id, "🎉"): True}),
                PinMessage(cid, user_id, 3, on=True),
                SaveDraft(cid, user_id, "a draft"),
                Mute(cid, user_id, FOREVER, MuteLevel.MENTIONS),
                Pin(cid, user_id, on=True),
                Mark(cid, user_id, unread=True),
                AdvanceReceipts(cid, {user_id: Position(2, 1)}),
            ]
            refused = [it for it in await it.submit_all(commands) if isinstance(it, ChatError)]
            assert not refused


async def test_an_export_is_what_a_sync_tells(rest: Rest, database_url: str) -> None:
    ann, ben, *cids = await told(rest)
    await set_all(database_url, id_in(ann.id), id_in(ben.id), *map(id_in, cids))
    response = await ann.rest.send("GET", "/api/v1/me/export")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    of: dict[str, list[Any]] = {}
    for line in lines:
        of.setdefault(line["type"], []).append(line["value"])
    me = await ann.rest.ok("GET", "/me")
    (account,) = of["account"]
    assert account == {name: me[name] for name in ("user", "settings", "standing")} | {
        "phone": "+493012345678"
    }
    synced = await ann.rest.ok("POST", "/sync", {"limit": 500})
    assert synced["more"] is False
    told_by_sync = {it["conversation_id"]: it for it in synced["conversations"]}
    views = [delta["conversation"] for delta in told_by_sync.values()]
    assert all(it["pinned_seqs"] and it["me"]["draft"] and it["me"]["muted"] for it in views)
    assert {it["id"]: it for it in of["conversation"]} == {
        cid: delta["conversation"] for cid, delta in told_by_sync.items()
    }
    messages = [it for delta in told_by_sync.values() for it in delta["messages"]]
    for name in ("reactions", "attachments", "mentions", "data", "edited_at", "deleted_at", "reply_to_seq"):
        assert any(it[name] for it in messages), name
    key = lambda it: (it["conversation_id"], it["seq"])  # noqa: E731
    assert sorted(of["message"], key=key) == sorted(messages, key=key)
    members = [
        {"conversation_id": cid, **it} for cid, delta in told_by_sync.items() for it in delta["members"]
    ]
    key = lambda it: (it["conversation_id"], it["user_id"])  # noqa: E731
    assert sorted(of["member"], key=key) == sorted(members, key=key)
    assert of["blocks"] == [{"users": []}]
    assert [it["id"] for it in of["sessions"][0]["sessions"]] == [me["session"]["id"]]
    assert ben.id != ann.id
    assert id_in(ann.id)
    assert (await rest.get("/me/export")).code == "token_missing"


async def test_an_export_ends_with_the_login_that_asked_for_it(rest: Rest) -> None:
    """Whoever reads slowly would else read on for as long as they like; an end that is none tells them."""
    ann, ben = await register(rest, "ann"), await register(rest, "ben")
    for _ in range(2):
        made = await ann.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": [ben.id]})
        await ann.rest.ok("POST", "/messages", message(made["conversation"]["id"]))
    response = await ann.rest.send("GET", "/api/v1/me/export")
    whole = response.text.splitlines()
    sent: list[Any] = []

    async def receive() -> Any:
        return await asyncio.Event().wait()

    async def send(part: Any) -> None:
        sent.append(part)
        if b'"conversation"' in part.get("body", b"") and len(sent) < len(whole):
            await ann.rest.send("POST", "/api/v1/auth/logout")

    headers = [(name.encode(), value.encode()) for name, value in ann.rest.headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/api/v1/me/export", "query_string": b""}
    await rest.app(scope | {"headers": headers, "client": ("192.0.2.1", 5)}, receive, send)
    lines = [json.loads(part["body"]) for part in sent if part.get("body")]
    assert [it["type"] for it in lines] == ["account", "sessions", "blocks", "conversation"]
    assert sent[-1]["more_body"], "it has no end"


async def test_exports_are_few(rest: Rest) -> None:
    ann = await register(rest, "ann")
    for _ in range(5):
        assert (await ann.rest.send("GET", "/api/v1/me/export")).status_code == 200
    assert (await ann.rest.get("/me/export")).code == "rate_limited"
