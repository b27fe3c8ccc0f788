"""Blocks and settings over two processes: what one stored holds at the other, with Redis and without."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.faults.conftest import Place, phone
from tests.faults.test_healing import expect_seq, say
from tests.faults.test_presence import expect, watch
from tests.wire.account import Account
from tests.wire.phone import Phone, message

pytestmark = pytest.mark.timeout(120)


async def ask(account: Account, method: str, path: str, **options: Any) -> Any:
    return await asyncio.to_thread(account.ask, method, path, **options)


async def block(account: Account, other: Account) -> None:
    await ask(account, "PUT", "/me/blocks", json={"user_id": other.id})


async def unblock(account: Account, other: Account) -> None:
    await ask(account, "DELETE", "/me/blocks", params={"user_id": other.id})


async def hide(account: Account, *, hidden: bool) -> None:
    await ask(account, "PATCH", "/me", json={"presence_hidden": hidden})


@pytest.fixture(params=["with Redis", "without"])
def maybe_redis(place: Place, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the doorbell can't tell is read from the log."""
    if request.param == "with Redis":
        yield
        return
    place.redis.stop()
    yield
    place.redis.start()


@asynccontextmanager
async def watching(place: Place) -> AsyncIterator[tuple[Phone, Phone]]:
    """Ann at the first process and Ben at the second, who see each other online."""
    async with phone(place, "ann", 0) as ann, phone(place, "ben", 1) as ben:
        for one, other in ((ann, place.ben), (ben, place.ann)):
            if not (await watch(one, other.id))[0]["online"]:
                await expect(one, other.id, online=True)
            one.heard.clear()
        yield ann, ben


@pytest.mark.usefixtures("maybe_redis")
async def test_a_block_holds_at_every_process_at_once(place: Place) -> None:
    async with phone(place, "ann", 0) as ann, phone(place, "ann", 1) as tablet, phone(place, "ben", 1) as ben:
        await ben.expect_ok("message:send", message(place.conversation, "before"))
        await block(place.ann, place.ben)
        for it in (ann, ben):
            error = await it.expect_error("message:send", message(place.conversation, "after"), "forbidden")
            assert error["details"] == {"reason": "blocked"}
        for it in (ann, tablet):
            own = await it.expect_event("me:changed", lambda me: "settings" in me)
            assert own["user"]["id"] == place.ann.id
        assert not list(ben.payloads("me:changed")), "he is not told"
        await unblock(place.ann, place.ben)
        await expect_seq(ann, await say(ben, place, "again"))


async def test_who_is_blocked_and_who_blocks_are_strangers_to_each_other(place: Place) -> None:
    async with watching(place) as (ann, ben):
        await block(place.ann, place.ben)
        for it, other in ((ann, place.ben), (ben, place.ann)):
            await expect_nothing_known(it, other)
        async with phone(place, "ann", 1):
            pass
        assert [one["online"] for one in ben.payloads("presence:changed")] == [False]
        assert (await watch(ben, place.ann.id))[0]["online"] is False
        await unblock(place.ann, place.ben)
        assert (await watch(ben, place.ann.id))[0]["online"] is True


async def test_a_block_that_no_doorbell_told_is_read_from_the_log(place: Place) -> None:
    async with watching(place) as (ann, ben):
        with place.redis.client() as client:
            client.client_kill_filter(_type="pubsub")
            await block(place.ann, place.ben)
        for it, other in ((ann, place.ben), (ben, place.ann)):
            await expect_nothing_known(it, other)


async def test_who_hides_looks_offline_and_sees_the_others(place: Place) -> None:
    async with watching(place) as (ann, ben):
        await hide(place.ann, hidden=True)
        await expect_nothing_known(ben, place.ann)
        assert (await watch(ben, place.ann.id))[0] == {
            "user_id": place.ann.id,
            "online": False,
            "last_seen_at": None,
        }
        assert (await watch(ann, place.ben.id))[0]["online"] is True
        await hide(place.ann, hidden=False)
        assert (await watch(ben, place.ann.id))[0]["online"] is True


async def expect_nothing_known(it: Phone, other: Account) -> None:
    """As of a stranger."""
    told = await it.expect_event("presence:changed", lambda one: one["user_id"] == other.id)
    assert told == {"user_id": other.id, "online": False, "last_seen_at": None}
