"""Who was removed hears nothing of what is said after it, wherever they are and however they are told."""

import asyncio
from typing import Any

from tests.wire.account import Account
from tests.wire.phone import Phone, message
from tests.wire.place import Place
from tests.wire.test_guarantees import group

LONG = "\N{THUMBS UP SIGN}" * 8_000
"""With links over 32 KiB: of so much other processes are told the numbers alone, and read it themselves."""


def long_message(cid: str) -> dict[str, Any]:
    links = [{"url": f"https://example.com/{'x' * 1_000}", "mime_type": "text/plain"} for _ in range(2)]
    return {**message(cid, LONG), "attachments": links}


def said(phone: Phone, cid: str) -> list[str]:
    """The bodies of what it heard in a conversation, but the long ones."""
    deltas = [delta for _, delta in phone.heard if delta.get("conversation_id") == cid]
    bodies = [it["body"] for delta in deltas for it in delta.get("messages", ())]
    return [body for body in bodies if body != LONG]


async def cat_is_in(place: Place, a: Phone, cid: str, c: Phone, cat: Account) -> None:
    """From the fifth message on."""
    for n in range(4):
        await a.expect_ok("message:send", message(cid, f"old {n}"))
    await a.expect_ok("member:add", {"conversation_id": cid, "user_ids": [cat.id]})
    # It brings what follows at once, too.
    await c.expect_event("member:added", lambda it: it["conversation_id"] == cid)
    await a.expect_ok("message:send", message(cid, "hello"))
    await c.expect_event("message:created", lambda it: it["conversation_id"] == cid)
    c.heard.clear()


def test_a_removed_member_hears_nothing_of_what_is_said_after_it(place: Place) -> None:
    """An admin edits what is older than Cat's time, removes Cat, and goes on, all in one breath."""
    ann, ben, cat = place.users("ann", "ben", "cat")
    cid = group(ann, ben, history="from_joining")

    async def scene() -> None:
        async with place.phones(ann, cat) as (a, c):
            await cat_is_in(place, a, cid, c, cat)
            await asyncio.gather(
                a.expect_ok("message:send", long_message(cid)),
                a.expect_ok("message:edit", {"conversation_id": cid, "seq": 2, "body": "mended"}),
                a.expect_ok("member:remove", {"conversation_id": cid, "user_id": cat.id}),
                a.expect_ok("message:send", message(cid, "SECRET")),
            )
            async with asyncio.timeout(30):
                while not any(delta.get("removed") for _, delta in c.heard):
                    await c.expect_news()
            await c.expect_ok("sync", {})
            assert said(c, cid) == []

    asyncio.run(scene())


def test_who_was_removed_and_added_again_hears_nothing_of_what_was_between(place: Place) -> None:
    ann, ben, cat = place.users("ann", "ben", "cat")
    cid = group(ann, ben, history="from_joining")

    async def scene() -> None:
        async with place.phones(ann, cat) as (a, c):
            await cat_is_in(place, a, cid, c, cat)
            await asyncio.gather(
                a.expect_ok("message:send", long_message(cid)),
                a.expect_ok("message:edit", {"conversation_id": cid, "seq": 2, "body": "mended"}),
                a.expect_ok("member:remove", {"conversation_id": cid, "user_id": cat.id}),
                a.expect_ok("message:send", message(cid, "SECRET")),
                a.expect_ok("member:add", {"conversation_id": cid, "user_ids": [cat.id]}),
                a.expect_ok("message:send", message(cid, "welcome")),
            )
            async with asyncio.timeout(30):
                while "welcome" not in said(c, cid):
                    await c.expect_news()
            assert said(c, cid) == ["welcome"]

    asyncio.run(scene())
