"""Presence over two processes: coming, going, several devices, strangers, and a process that dies."""

import asyncio
from typing import Any

import pytest

from tests.faults.conftest import Place, phone
from tests.wire.phone import Phone

pytestmark = pytest.mark.timeout(120)


async def watch(it: Phone, *user_ids: str) -> list[Any]:
    presences: list[Any] = (await it.expect_ok("presence:watch", {"user_ids": list(user_ids)}))["presences"]
    return presences


async def expect(it: Phone, user_id: str, *, online: bool, within: float = 30) -> None:
    """The newest word on a user is that."""
    async with asyncio.timeout(within):
        while True:
            told = [one for one in it.payloads("presence:changed") if one["user_id"] == user_id]
            if told and told[-1]["online"] is online:
                assert (told[-1]["last_seen_at"] is None) is online
                return
            await it.expect_news()


async def test_who_comes_and_goes_elsewhere_is_told(place: Place) -> None:
    ben, eve = place.ben.id, place.eve.id
    async with phone(place, "ann", 0) as ann:
        before = await watch(ann, ben, eve)
        assert before == [
            {"user_id": ben, "online": False, "last_seen_at": None},
            {"user_id": eve, "online": False, "last_seen_at": None},
        ]
        async with phone(place, "eve", 1), phone(place, "ben", 1):
            await expect(ann, ben, online=True)
            async with phone(place, "ben", 0):
                pass
            (now,) = await watch(ann, ben)
            assert now["online"]
        await expect(ann, ben, online=False)
        assert [one["online"] for one in ann.payloads("presence:changed")] == [True, False]
        (after,) = await watch(ann, eve)
        assert after == {"user_id": eve, "online": False, "last_seen_at": None}, "a stranger"


async def test_who_watches_no_more_hears_nothing(place: Place) -> None:
    async with phone(place, "ann", 0) as ann, phone(place, "ann", 0) as other:
        await watch(ann, place.ben.id)
        await watch(other, place.ben.id)
        await watch(ann)
        async with phone(place, "ben", 1):
            await expect(other, place.ben.id, online=True)
        assert not list(ann.payloads("presence:changed"))


async def test_a_killed_process_takes_its_users_with_it(place: Place) -> None:
    async with phone(place, "ann", 0) as ann:
        await watch(ann, place.ben.id)
        lonely = Phone("ben", reconnection=False)
        await lonely.connect(place.urls[1], place.ben.token)
        await expect(ann, place.ben.id, online=True)
        place.servers[1].kill()
        await expect(ann, place.ben.id, online=False, within=60)
        await lonely.close()


async def test_redis_that_forgot_is_told_again(place: Place) -> None:
    async with phone(place, "ann", 0) as ann, phone(place, "ben", 1):
        (now,) = await watch(ann, place.ben.id)
        assert now["online"]
        place.redis.restart()
        async with asyncio.timeout(30):
            while True:
                ack = await ann.emit("presence:watch", {"user_ids": [place.ben.id]})
                if ack["ok"] and ack["data"]["presences"][0]["online"]:
                    break
                await asyncio.sleep(0.2)
