"""A process hears a conversation on Redis while a member is connected to it, and no longer."""

import asyncio

import pytest

from gochat.contract.ids import id_in
from gochat.events.sockets import conversation_room
from tests.faults.conftest import Place, phone

pytestmark = pytest.mark.timeout(120)

CHANNELS = "gochat:0:"
"""REDIS_PREFIX, unless set, and the number of the database."""


async def test_processes_hear_what_their_members_need(place: Place) -> None:
    created = await asyncio.to_thread(
        place.ann.post, "/conversations", {"kind": "group", "member_ids": [place.ben.id]}
    )
    cid = created["conversation"]["id"]
    channel = CHANNELS + conversation_room(id_in(cid))

    with place.redis.client() as redis:

        def hearing() -> int:
            ((_, processes),) = redis.pubsub_numsub(channel)
            return int(processes)

        async def expect(processes: int) -> None:
            async with asyncio.timeout(60):
                while True:
                    if hearing() == processes:
                        return
                    await asyncio.sleep(0.02)

        assert hearing() == 0
        async with phone(place, "ann", 0) as ann:
            await expect(1)
            async with phone(place, "ben", 0):
                assert hearing() == 1, "one process hears once, however many are there"
            assert hearing() == 1, "Ann is there still"
            async with phone(place, "eve", 1):
                assert hearing() == 1, "Eve is no member"
                await ann.expect_ok("member:add", {"conversation_id": cid, "user_ids": [place.eve.id]})
                await expect(2)
                await ann.expect_ok("member:remove", {"conversation_id": cid, "user_id": place.eve.id})
                await expect(1)
            async with phone(place, "ben", 1):
                await expect(2)
            await expect(1)
        await expect(0)
