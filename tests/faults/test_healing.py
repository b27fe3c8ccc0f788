"""Whatever happens to Redis or to another process, who is online hears every change, in order, once."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from socketio.exceptions import TimeoutError as NoAck

from gochat.core.sync import MAX_CHANGES
from tests.faults.conftest import Place
from tests.faults.dies_before_publishing import LAST_WORDS
from tests.services.redis import Redis
from tests.wire.phone import Phone, message

pytestmark = pytest.mark.timeout(120)


ROUNDS = 3


@asynccontextmanager
async def phones(place: Place) -> AsyncIterator[tuple[Phone, Phone]]:
    ann, ben = Phone("ann"), Phone("ben")
    await ann.connect(place.urls[0], place.ann.token)
    await ben.connect(place.urls[1], place.ben.token)
    for phone in (ann, ben):
        await phone.expect_ok("sync", {})
    try:
        yield ann, ben
    finally:
        await ann.close()
        await ben.close()


async def say(phone: Phone, place: Place, body: str) -> int:
    """Send a message; its seq."""
    data = await phone.expect_ok("message:send", message(place.conversation, body))
    return int(data["message"]["seq"])


async def expect_seq(phone: Phone, seq: int) -> None:
    """The phone hears that message, in whichever event."""
    async with asyncio.timeout(30):
        while seq not in seqs(phone):
            await phone.expect_news()


def seqs(phone: Phone) -> list[int]:
    """Of all messages heard, in that order."""
    return [message["seq"] for _, delta in phone.heard for message in delta.get("messages", ())]


def heard_in(phone: Phone, cid: str) -> list[str]:
    """The bodies of what it heard in a conversation."""
    deltas = [delta for _, delta in phone.heard if delta.get("conversation_id") == cid]
    return [message["body"] for delta in deltas for message in delta.get("messages", ())]


def check_chain(phone: Phone, cid: str) -> None:
    """Each delta begins where the one before it ended."""
    deltas = [payload for _, payload in phone.heard if payload.get("conversation_id") == cid]
    for before, after in pairwise(deltas):
        assert before["revision"] == after["since"]


def break_subscriptions(redis: Redis) -> None:
    with redis.client() as client:
        client.client_kill_filter(_type="pubsub")


def stop(redis: Redis) -> None:
    redis.stop()


def freeze(redis: Redis) -> None:
    redis.process.signal(signal.SIGSTOP)


def restart(redis: Redis) -> None:
    redis.start()


def thaw(redis: Redis) -> None:
    redis.process.signal(signal.SIGCONT)


def nothing(redis: Redis) -> None:
    pass


@pytest.mark.parametrize(
    ("breaks", "mends"), [(break_subscriptions, nothing), (stop, restart), (freeze, thaw)]
)
async def test_a_fault_of_redis_loses_nothing(
    place: Place, breaks: Callable[[Redis], None], mends: Callable[[Redis], None]
) -> None:
    async with phones(place) as (ann, ben):
        await expect_seq(ben, await say(ann, place, "before"))
        breaks(place.redis)
        try:
            for n in range(20):
                await say(ann, place, f"meanwhile {n}")
            await expect_seq(ben, 21)
        finally:
            mends(place.redis)
        await expect_seq(ben, await say(ann, place, "afterwards"))
        assert seqs(ben) == list(range(1, 23))
        check_chain(ben, place.conversation)
        assert ben.connects == 1


async def test_what_a_process_committed_and_did_not_publish_is_heard(place: Place) -> None:
    async with phones(place) as (ann, ben):
        await say(ann, place, "before")
        await expect_seq(ben, 1)
        with contextlib.suppress(NoAck):
            await ann.client.call("message:send", message(place.conversation, LAST_WORDS), timeout=1)
        await expect_seq(ben, 2)
        assert ben.connects == 1


async def test_membership_and_own_changes_are_heard_without_redis(place: Place) -> None:
    stop(place.redis)
    try:
        async with phones(place) as (ann, ben):
            eve = Phone("eve")
            await eve.connect(place.urls[1], place.eve.token)
            await eve.expect_ok("sync", {})
            group: dict[str, Any] = {"kind": "group", "title": "Us", "member_ids": [place.ben.id]}
            created = await ann.expect_ok("conversation:create", group)
            cid = created["conversation"]["id"]

            def of_it(delta: Any) -> bool:
                return bool(delta["conversation_id"] == cid)

            await ben.expect_event("conversation:changes", of_it)
            await ann.expect_ok("member:add", {"conversation_id": cid, "user_ids": [place.eve.id]})
            await eve.expect_event("conversation:changes", of_it)
            await ann.expect_ok("message:send", message(cid, "to all"))
            for phone in (ben, eve):
                await phone.expect_event("conversation:changes", lambda it: of_it(it) and it.get("messages"))
            await ann.expect_ok("member:remove", {"conversation_id": cid, "user_id": place.eve.id})
            await eve.expect_event("conversation:changes", lambda it: of_it(it) and it.get("removed"))
            second = Phone("ben's second")
            await second.connect(place.urls[0], place.ben.token)
            await second.expect_ok("sync", {})
            await ben.expect_ok("receipt:read", {"conversation_id": cid, "seq": 1})
            await second.expect_event("me:changed")
            await eve.close()
            await second.close()
    finally:
        restart(place.redis)


async def test_who_was_out_hears_nothing_of_that_time_though_it_is_repaired_in_parts(place: Place) -> None:
    async with phones(place) as (ann, _):
        eve = Phone("eve")
        await eve.connect(place.urls[1], place.eve.token)
        await eve.expect_ok("sync", {})
        people = {"kind": "group", "member_ids": [place.ben.id], "history": "from_joining"}
        cid = (await ann.expect_ok("conversation:create", people))["conversation"]["id"]
        await ann.expect_ok("member:add", {"conversation_id": cid, "user_ids": [place.eve.id]})
        await ann.expect_ok("message:send", message(cid, "hello"))
        await eve.expect_message(lambda it: (it["conversation_id"], it["body"]) == (cid, "hello"))
        eve.heard.clear()
        freeze(place.redis)
        try:
            for n in range(ROUNDS):
                await ann.expect_ok("member:remove", {"conversation_id": cid, "user_id": place.eve.id})
                sends = (
                    ann.expect_ok("message:send", message(cid, "SECRET")) for _ in range(MAX_CHANGES + 9)
                )
                await asyncio.gather(*sends)
                await ann.expect_ok("member:add", {"conversation_id": cid, "user_ids": [place.eve.id]})
                await ann.expect_ok("message:send", message(cid, f"welcome {n}"))
                async with asyncio.timeout(60):
                    while f"welcome {n}" not in heard_in(eve, cid):
                        await eve.expect_news()
        finally:
            thaw(place.redis)
        assert set(heard_in(eve, cid)) == {f"welcome {n}" for n in range(ROUNDS)}
        await eve.close()


async def test_who_joined_is_told_though_another_member_came_before_the_log_was_read(place: Place) -> None:
    """Eve's coming opens the conversation at Ben's process as it is now; Ben is there already."""
    async with phones(place) as (ann, ben):
        stop(place.redis)
        try:
            for n in range(ROUNDS):
                people = [place.ben.id, place.eve.id]
                group: dict[str, Any] = {"kind": "group", "title": f"{n}", "member_ids": people}
                cid = (await ann.expect_ok("conversation:create", group))["conversation"]["id"]
                await ann.expect_ok("message:send", message(cid, "first"))
                eve = Phone("eve")
                await eve.connect(place.urls[1], place.eve.token)
                await eve.expect_ok("sync", {})
                await ann.expect_ok("message:send", message(cid, "second"))
                for phone, bodies in ((eve, {"second"}), (ben, {"first", "second"})):
                    async with asyncio.timeout(30):
                        while not bodies <= set(heard_in(phone, cid)):
                            await phone.expect_news()
                await eve.close()
        finally:
            restart(place.redis)
        assert ben.connects == 1


async def test_a_revoked_session_ends_everywhere_without_redis(place: Place) -> None:
    async with phones(place) as (_, ben):
        stop(place.redis)
        try:
            url = f"{place.urls[0]}/api/v1/auth/logout"
            response = await asyncio.to_thread(place.ann.http.post, url, headers=place.ben.headers)
            assert response.is_success, response.text
            await ben.expect_event("session:revoked")
        finally:
            restart(place.redis)
