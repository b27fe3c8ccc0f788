"""Typing over two processes: told where the conversation is on screen, and ending by itself."""

import asyncio

import pytest

from tests.faults.conftest import Place
from tests.wire.phone import Phone

pytestmark = pytest.mark.timeout(120)


async def test_typing_is_heard_elsewhere_and_ends_with_its_process(place: Place) -> None:
    ann, ben = Phone("ann"), Phone("ben", reconnection=False)
    await ann.connect(place.urls[0], place.ann.token)
    await ben.connect(place.urls[1], place.ben.token)
    where = {"conversation_id": place.conversation}
    for phone in (ann, ben):
        await phone.expect_ok("conversation:join", where)
    await ben.expect_ok("typing:start", where)
    await ann.expect_event("typing:changed", lambda it: it["user_ids"] == [place.ben.id])
    await ben.expect_ok("typing:stop", where)
    await ann.expect_event("typing:changed", lambda it: it["user_ids"] == [])
    ann.heard.clear()
    await ben.expect_ok("typing:start", where)
    await ann.expect_event("typing:changed", lambda it: it["user_ids"] == [place.ben.id])
    await asyncio.to_thread(place.servers[1].kill)
    await ann.expect_event("typing:changed", lambda it: it["user_ids"] == [])
    await ben.close()
    await ann.close()
