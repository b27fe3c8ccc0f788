"""Members come and go while their phones connect: nobody hears what is not theirs, nobody misses what is."""

import asyncio
import random

from tests.wire.account import Account
from tests.wire.phone import Phone, message
from tests.wire.place import Place
from tests.wire.test_guarantees import group

ROUNDS = 15


async def expect_message(phone: Phone, cid: str, seq: int) -> None:
    """It is heard, or a delta that shows that it is missing."""
    async with asyncio.timeout(30):
        while not any(
            payload.get("conversation_id") == cid
            and any(m["seq"] == seq for m in payload.get("messages", ()))
            for _, payload in phone.heard
        ):
            await phone.expect_news()


async def expect_new_group(phone: Phone, ann: Account, ben: Account) -> None:
    """What Ben's phone hears of it proves that nothing is on its way any more."""
    marker = await asyncio.to_thread(group, ann, ben)
    await phone.expect_event("conversation:created", lambda delta: bool(delta["conversation_id"] == marker))


async def come(phone: Phone, url: str, account: Account, pause: float) -> dict[str, int]:
    """Connect and sync, a little later than something else; the revisions told."""
    await asyncio.sleep(pause)
    await phone.connect(url, account.token)
    synced = await phone.expect_ok("sync", {})
    return {it["conversation_id"]: it["revision"] for it in synced["conversations"]}


def test_who_is_removed_while_he_connects_hears_nothing_after_it(place: Place) -> None:
    ann, ben, cat = place.users("ann", "ben", "cat")
    chance = random.Random(20261122)

    async def scene() -> None:
        async with place.phones(ann) as (a,):
            for n in range(ROUNDS):
                cid = await asyncio.to_thread(group, ann, ben, cat)
                at = {"conversation_id": cid}
                b, c = Phone("ben"), Phone("cat")
                if n % 2:
                    await c.connect(place.there.url, cat.token)
                    await c.expect_ok("sync", {})
                pause = chance.uniform(0, 0.03)
                _, gone = await asyncio.gather(
                    come(b, place.there.url, ben, pause),
                    a.expect_ok("member:remove", {**at, "user_id": ben.id}),
                )
                last = gone["conversation"]["revision"]
                await a.expect_ok("message:send", message(cid, "secret"))
                await a.expect_ok("message:send", message(cid, "secret"))
                if n % 2:
                    await expect_message(c, cid, 2)
                await expect_new_group(b, ann, ben)
                mine = [p for _, p in b.heard if p.get("conversation_id") == cid]
                assert all(p["revision"] <= last and "secret" not in str(p) for p in mine), (n, mine)
                for phone in (b, c):
                    await phone.close()

    asyncio.run(scene())


def test_who_is_added_while_he_connects_hears_all_after_it(place: Place) -> None:
    ann, ben = place.users("ann", "ben")
    chance = random.Random(20261123)

    async def scene() -> None:
        async with place.phones(ann) as (a,):
            for _ in range(ROUNDS):
                cid = await asyncio.to_thread(group, ann)
                b = Phone("ben")
                pause = chance.uniform(0, 0.03)
                await asyncio.gather(
                    come(b, place.there.url, ben, pause),
                    a.expect_ok("member:add", {"conversation_id": cid, "user_ids": [ben.id]}),
                )
                sent = await a.expect_ok("message:send", message(cid, "hello"))
                await expect_message(b, cid, sent["message"]["seq"])
                await b.close()

    asyncio.run(scene())
