"""SIGTERM: what was accepted is acked, phones are told and come back by themselves, and the status is 0."""

import asyncio
import signal
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from socketio.exceptions import SocketIOError

from tests.services.gochat import PLAIN_ASGI, GoChatServer
from tests.wire.account import register
from tests.wire.conftest import SETTINGS
from tests.wire.phone import Phone, message

DRAIN_S = 1
GRACE_S = DRAIN_S + 20
PHONES = 20


@pytest.fixture
def leaving(tmp_path: Path) -> Iterator[GoChatServer]:
    """A server that takes a second to leave."""
    settings = SETTINGS | {"DRAIN_SECONDS": str(DRAIN_S), "RATES": "message:send=off"}
    with GoChatServer(tmp_path, settings) as running:
        yield running


def test_every_message_that_is_stored_was_acked(leaving: GoChatServer) -> None:
    with httpx2.Client(base_url=leaving.url, timeout=30) as http:
        users = [register(http, name) for name in ("ann", "ben", "cat", "dan")]
        body = {"kind": "group", "member_ids": [user.id for user in users[1:]]}
        cid = users[0].post("/conversations", body)["conversation"]["id"]

        async def scene() -> dict[str, int]:
            acked: dict[str, int] = {}
            phones = [Phone(user.name, reconnection=False) for user in users]
            reasons: list[Any] = []
            gone = asyncio.Event()
            begun = asyncio.Event()

            async def chat(phone: Phone) -> None:
                while phone.client.connected:
                    key = str(uuid.uuid4())
                    try:
                        ack = await phone.client.call("message:send", message(cid, "x", key), timeout=5)
                    except SocketIOError:
                        return
                    assert ack["ok"], ack
                    acked[key] = ack["data"]["message"]["seq"]
                    if len(acked) > 100:
                        begun.set()

            def left(reason: Any) -> None:
                reasons.append(reason)
                if len(reasons) == len(phones):
                    gone.set()

            for phone, user in zip(phones, users, strict=True):
                phone.client.on("disconnect", left)
                await phone.connect(leaving.url, user.token)
            chats = [asyncio.create_task(chat(phone)) for phone in phones for _ in range(16)]
            await begun.wait()
            status = await asyncio.to_thread(stop, leaving)
            assert status == 0
            async with asyncio.timeout(30):
                await gone.wait()
                await asyncio.gather(*chats)
            assert set(reasons) == {phones[0].client.reason.TRANSPORT_ERROR}  # not DISCONNECT
            assert all(any(phone.payloads("server:draining")) for phone in phones)
            for phone in phones:
                await phone.close()
            return acked

        acked = asyncio.run(scene())
        leaving.start()
        assert {m["client_message_id"]: m["seq"] for m in users[0].history(cid)} == acked


def stop(server: GoChatServer) -> int:
    """The exit status; within the grace that the README tells to give."""
    began = time.monotonic()
    status = server.stop()
    assert time.monotonic() - began < GRACE_S
    return status


def test_a_phone_comes_back_by_itself(leaving: GoChatServer) -> None:
    with httpx2.Client(base_url=leaving.url, timeout=30) as http:
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        cid = created["conversation"]["id"]

        async def scene() -> None:
            phone = Phone("ann")
            await phone.connect(leaving.url, ann.token)
            await phone.expect_ok("sync", {})
            back = asyncio.Event()
            phone.client.on("connect", back.set)
            assert await asyncio.to_thread(leaving.stop) == 0
            await asyncio.to_thread(leaving.start)
            async with asyncio.timeout(30):
                await back.wait()
            assert (await phone.expect_ok("sync", {"known": {cid: 1}}))["conversations"] == []
            await phone.expect_ok("message:send", message(cid, "back"))
            await phone.close()

        asyncio.run(scene())


def test_closes_are_spread_over_the_time_to_leave(leaving: GoChatServer) -> None:
    with httpx2.Client(base_url=leaving.url, timeout=30) as http:
        ann = register(http, "ann")

        async def scene() -> list[int]:
            phones = [Phone(f"ann {n}", reconnection=False) for n in range(PHONES)]
            for phone in phones:
                await phone.connect(leaving.url, ann.token)
            assert await asyncio.to_thread(leaving.stop) == 0
            told = [(await phone.expect_event("server:draining"))["retry_after_ms"] for phone in phones]
            assert [len(list(phone.payloads("server:draining"))) for phone in phones] == [1] * PHONES
            for phone in phones:
                await phone.close()
            return told

        told = asyncio.run(scene())
    assert sorted(told) == [place * DRAIN_S * 1000 // PHONES for place in range(PHONES)]
    assert told != sorted(told), "by chance, not in the order in which they came"


def test_under_plain_asgi_a_phone_comes_back_too(tmp_path: Path) -> None:
    """There it is the ASGI server that closes the websockets, and that ends as it sees fit."""
    with GoChatServer(tmp_path, SETTINGS, PLAIN_ASGI) as running, httpx2.Client(base_url=running.url) as http:
        ann = register(http, "ann")
        cid = ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"]

        async def scene() -> None:
            phone = Phone("ann")
            await phone.connect(running.url, ann.token)
            await phone.expect_ok("message:send", message(cid, "before"))
            back = asyncio.Event()
            phone.client.on("connect", back.set)
            process = running.process
            assert await asyncio.to_thread(running.stop) in {0, -signal.SIGTERM}
            assert "Traceback" not in process.log
            assert process.log.count("stopped") == 1
            await asyncio.to_thread(running.start)
            async with asyncio.timeout(30):
                await back.wait()
            await phone.expect_ok("message:send", message(cid, "after"))
            await phone.close()

        asyncio.run(scene())
        assert [it["body"] for it in ann.history(cid)] == ["before", "after"]


@pytest.mark.parametrize("command", [None, PLAIN_ASGI], ids=["serve", "asgi"])
def test_it_ends_while_redis_takes_connections_and_says_nothing(
    tmp_path: Path, command: Sequence[str] | None
) -> None:
    """redis-py swallows a cancellation that comes while it connects, and this is all that it does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = SETTINGS | {
            "REDIS_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
            "DRAIN_SECONDS": "0",
        }
        with GoChatServer(tmp_path, settings, command, ready_path="/api/v1/health/live") as server:
            process = server.process
            assert server.stop() in {0, -signal.SIGTERM}
            assert "part_does_not_close" not in process.log
