"""A name or an avatar that changes reaches everybody who sees it, with Redis and without."""

import asyncio
from typing import Any

import pytest

from tests.faults.conftest import Place, phone
from tests.faults.test_blocks import ask, maybe_redis
from tests.wire.account import Account, register

pytestmark = pytest.mark.timeout(120)
__all__ = ["maybe_redis"]


async def rename(account: Account, **said: object) -> int:
    """Change what is said of a user; return its revision."""
    return int((await ask(account, "PATCH", "/me", json=said))["user"]["revision"])


@pytest.mark.usefixtures("maybe_redis")
async def test_a_name_and_an_avatar_reach_all_who_see_them(place: Place) -> None:
    cleo = await asyncio.to_thread(register, place.ann.http, "cleo")
    body = {"kind": "group", "member_ids": [place.ben.id, cleo.id]}
    gid = (await ask(place.ann, "POST", "/conversations", json=body))["conversation"]["id"]
    before = (await ask(place.ben, "POST", "/sync", json={}))["server_time"]
    async with (
        phone(place, "ann", 1) as ann,
        phone(place, "ben", 1) as ben,
        phone(place, "ben", 0) as tablet,
        phone(place, "eve", 1) as eve,
    ):
        await rename(cleo, about="Hello")
        revision = await rename(cleo, display_name="Cleo C.", avatar_url="https://example.com/cleo.png")

        def is_that(said: Any) -> bool:
            return bool(said == {"user_id": cleo.id, "revision": revision})

        for it in (ann, ben, tablet):
            await it.expect_event("user:updated", is_that)
        (seen,) = (await ask(place.ben, "GET", "/users", params={"ids": cleo.id}))["users"]
        assert (seen["display_name"], seen["revision"]) == ("Cleo C.", revision)
        told = (await ben.expect_ok("sync", {"users_since": before}))["users"]
        assert told == [{"user_id": cleo.id, "revision": revision}]
        assert (await ask(place.ben, "POST", "/sync", json={"users_since": before}))["users"] == told

        await ask(cleo, "PATCH", "/me", json={"receipts_hidden": True})
        await ask(cleo, "POST", "/conversations/quit", json={"conversation_ids": [gid]})
        last = await rename(cleo, display_name="Cleo")
        assert last == revision + 1, "settings are nobody else's"
        for it in (ben, ann):  # what they wrote is there still
            await it.expect_event("user:updated", lambda said: said["revision"] == last)
        for it in (ann, ben, tablet):
            heard = [said["revision"] for said in it.payloads("user:updated")]
            assert heard == sorted(set(heard)), "each once, and none twice"
        assert (await eve.expect_ok("sync", {"users_since": before}))["users"] == []
        assert not list(eve.payloads("user:updated")), "a stranger"
