"""What goes on from a right that was there once ends with it, at every process: presence, and typing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.wire.account import Account
from tests.wire.phone import Phone, message
from tests.wire.place import Place
from tests.wire.test_guarantees import direct, group

pytestmark = pytest.mark.timeout(120)


def block(account: Account, other: Account) -> None:
    account.ask("PUT", "/me/blocks", json={"user_id": other.id})


def unblock(account: Account, other: Account) -> None:
    account.ask("DELETE", "/me/blocks", params={"user_id": other.id})


@asynccontextmanager
async def going_on(cid: str, *phones: Phone, kind: str = "text") -> AsyncIterator[None]:
    """They type and type, whether or not they may: so nothing ends by its time."""

    on = True

    async def go_on(phone: Phone) -> None:
        while on:
            await phone.emit("typing:start", {"conversation_id": cid, "kind": kind})
            await asyncio.sleep(0.5)

    typing = asyncio.gather(*(go_on(phone) for phone in phones))
    try:
        yield
    finally:
        on = False
        await typing


async def watch(phone: Phone, user: Account) -> bool:
    """Whether the user is online; heard of from now on."""
    (one,) = (await phone.expect_ok("presence:watch", {"user_ids": [user.id]}))["presences"]
    return bool(one["online"])


async def expect_presence(phone: Phone, user: Account, *, online: bool) -> None:
    """The next word on that user, which is taken off what the phone heard."""
    told = await phone.expect_event("presence:changed", lambda it: it["user_id"] == user.id)
    phone.heard.remove(("presence:changed", told))
    assert told == {"user_id": user.id, "online": online, "last_seen_at": None}


async def expect_typists(phone: Phone, *users: Account, kind: str = "text") -> None:
    """The next list is of these users; lists before it are taken off what the phone heard."""
    wanted = [{"user_id": user.id, "kind": kind} for user in users]
    told = await phone.expect_event("typing:changed", lambda it: it["typists"] == wanted)
    assert told["user_ids"] == [user.id for user in users]
    phone.heard = [it for it in phone.heard if it[0] != "typing:changed"]


def typings(phone: Phone) -> list[list[str]]:
    return [it["user_ids"] for it in phone.payloads("typing:changed")]


class TestPresence:
    """Who watches here, and who is watched there; the other way round; and both here."""

    def test_it_ends_with_the_last_shared_conversation_and_comes_back_with_another(
        self, place: Place
    ) -> None:
        ann, eve = place.users("ann", "eve")
        first = group(ann, eve)

        async def scene() -> None:
            async with place.phones(ann, eve, eve) as (a, e, other):
                for phone, user in ((a, eve), (e, ann), (other, ann)):
                    assert await watch(phone, user)
                what = {"conversation_id": first, "user_id": eve.id}
                await a.expect_ok("member:remove", what)
                for phone, user in ((a, eve), (e, ann), (other, ann)):
                    await expect_presence(phone, user, online=False)
                again = await a.expect_ok("conversation:create", {"kind": "group", "member_ids": [eve.id]})
                for phone, user in ((a, eve), (e, ann), (other, ann)):
                    await expect_presence(phone, user, online=True)
                cid = again["conversation"]["id"]
                await e.expect_ok("member:remove", {"conversation_id": cid, "user_id": eve.id})
                for phone, user in ((a, eve), (e, ann)):
                    await expect_presence(phone, user, online=False)
                await a.expect_ok("member:add", {"conversation_id": cid, "user_ids": [eve.id]})
                for phone, user in ((a, eve), (e, ann)):
                    await expect_presence(phone, user, online=True)

        asyncio.run(scene())

    def test_it_goes_on_while_another_conversation_is_shared(self, place: Place) -> None:
        ann, eve = place.users("ann", "eve")
        first = group(ann, eve)
        group(ann, eve)

        async def scene() -> None:
            async with place.phones(ann, eve) as (a, e):
                assert await watch(e, ann)
                await a.expect_ok("member:remove", {"conversation_id": first, "user_id": eve.id})
                await e.expect_event("member:removed")
                await a.close()
                told = await e.expect_event("presence:changed")
                assert (told["user_id"], told["online"]) == (ann.id, False)
                assert told["last_seen_at"] is not None

        asyncio.run(scene())

    def test_it_ends_with_a_block_and_comes_back_when_it_is_lifted(self, place: Place) -> None:
        ann, eve = place.users("ann", "eve")
        direct(ann, eve)

        async def scene() -> None:
            async with place.phones(ann, eve) as (a, e):
                for phone, user in ((a, eve), (e, ann)):
                    assert await watch(phone, user)
                for blocker, blocked in ((ann, eve), (eve, ann)):
                    await asyncio.to_thread(block, blocker, blocked)
                    for phone, user in ((a, eve), (e, ann)):
                        await expect_presence(phone, user, online=False)
                    assert not await watch(e, ann), "asked meanwhile"
                    await asyncio.to_thread(unblock, blocker, blocked)
                    for phone, user in ((a, eve), (e, ann)):
                        await expect_presence(phone, user, online=True)

        asyncio.run(scene())

    def test_a_stranger_is_shown_from_when_they_are_none_any_more(self, place: Place) -> None:
        ann, eve = place.users("ann", "eve")

        async def scene() -> None:
            async with place.phones(ann, eve) as (a, e):
                assert not await watch(e, ann)
                await a.expect_ok("conversation:create", {"kind": "direct", "member_ids": [eve.id]})
                await expect_presence(e, ann, online=True)

        asyncio.run(scene())


class TestTyping:
    @pytest.mark.parametrize("kind", ["text", "voice"])
    def test_it_ends_for_who_is_removed(self, place: Place, kind: str) -> None:
        ann, ben, cat = place.users("ann", "ben", "cat")
        cid = group(ann, ben, cat)
        at = {"conversation_id": cid}

        async def scene() -> None:
            async with place.phones(ann, cat, ben) as (a, c, b):
                for phone in (a, b):
                    await phone.expect_ok("conversation:join", at)
                async with going_on(cid, c, kind=kind):
                    for phone in (a, b):
                        await expect_typists(phone, cat, kind=kind)
                    await a.expect_ok("member:remove", {**at, "user_id": cat.id})
                    for phone in (a, b):
                        await expect_typists(phone)
                await c.expect_event("member:removed")
                await c.expect_error("typing:start", at, "not_found")
                await a.expect_ok("member:add", {**at, "user_ids": [cat.id]})
                await c.expect_event("member:added")
                await c.expect_ok("typing:start", at)
                for phone in (a, b):
                    await expect_typists(phone, cat)

        asyncio.run(scene())

    def test_it_ends_with_a_block_for_both_and_begins_again_after_it(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = direct(ann, ben)
        at = {"conversation_id": cid}

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                for phone in (a, b):
                    await phone.expect_ok("conversation:join", at)
                async with going_on(cid, a, b):
                    for phone in (a, b):
                        await phone.expect_event("typing:changed", lambda it: len(it["typists"]) == 2)
                    for blocker, phone, other in ((ann, a, ben), (ben, b, ann)):
                        for heard in (a, b):
                            heard.heard.clear()
                        await asyncio.to_thread(block, blocker, other)
                        await expect_typists(phone)
                        await phone.expect_ok("sync", {})
                        assert not typings(phone), "neither oneself nor who is blocked"
                        await asyncio.to_thread(unblock, blocker, other)
                        for heard in (a, b):
                            await heard.expect_event("typing:changed", lambda it: len(it["typists"]) == 2)

        asyncio.run(scene())

    def test_who_blocked_before_they_came_is_not_told(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = direct(ann, ben)
        at = {"conversation_id": cid}
        block(ann, ben)

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                for phone in (a, b):
                    await phone.expect_ok("conversation:join", at)
                    await phone.expect_ok("typing:start", at)
                await a.expect_ok("sync", {})
                assert not typings(a)
                assert all(ann.id not in told for told in typings(b))

        asyncio.run(scene())

    def test_a_message_ends_it_by_whichever_way_it_was_sent(self, place: Place) -> None:
        ann, ben = place.users("ann", "ben")
        cid = direct(ann, ben)
        at = {"conversation_id": cid}

        async def scene() -> None:
            async with place.phones(ann, ben) as (a, b):
                for phone in (a, b):
                    await phone.expect_ok("conversation:join", at)
                for account in (ann, place.at_there(ann)):
                    await a.expect_ok("typing:start", at)
                    for phone in (a, b):
                        await expect_typists(phone, ann)
                    await asyncio.to_thread(account.post, "/messages", message(cid, "sent over REST"))
                    for phone in (a, b):
                        await expect_typists(phone)

        asyncio.run(scene())
