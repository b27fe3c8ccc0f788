"""What is too much is refused by name, costs the others nothing, and can be sent again."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.services.gochat import GoChatServer
from tests.wire.account import register
from tests.wire.conftest import SETTINGS
from tests.wire.phone import Phone, message

SENDS = 60


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[GoChatServer]:
    """A server whose writer lets few commands wait."""
    with GoChatServer(tmp_path, SETTINGS | {"WRITER_QUEUE_MAX": "4"}) as running:
        yield running


def test_what_is_too_much_is_refused_and_stored_when_it_is_sent_again(narrow: GoChatServer) -> None:
    with httpx2.Client(base_url=narrow.url, timeout=30) as http:
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        cid = created["conversation"]["id"]
        payloads = [message(cid, f"{n}") for n in range(SENDS)]
        refused: list[dict[str, Any]] = []

        async def send(phone: Phone, payload: dict[str, Any]) -> None:
            while not (ack := await phone.emit("message:send", payload))["ok"]:
                refused.append(ack["error"])

        async def scene() -> None:
            phone = Phone("ann")
            await phone.connect(narrow.url, ann.token)
            await asyncio.gather(*(send(phone, payload) for payload in payloads))
            await phone.close()

        asyncio.run(scene())
        assert refused
        assert {(error["code"], error["retryable"]) for error in refused} == {("overloaded", True)}
        assert all(error["retry_after_ms"] > 0 for error in refused)
        keys = [m["client_message_id"] for m in ann.history(cid)]
        assert sorted(keys) == sorted(payload["client_message_id"] for payload in payloads)


def test_an_address_may_have_no_more_sockets_than_it_is_given(tmp_path: Path) -> None:
    with (
        GoChatServer(tmp_path, SETTINGS | {"SOCKETS_PER_ADDRESS": "2"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        answers = [http.get("/socket.io/?EIO=4&transport=polling") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_a_user_may_have_no_more_sockets_than_they_are_given_and_the_oldest_goes(tmp_path: Path) -> None:
    with (
        GoChatServer(tmp_path, SETTINGS | {"SOCKETS_PER_USER": "2"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        ann, ben = register(http, "ann"), register(http, "ben")

        async def scene() -> None:
            phones = [Phone(f"ann {number}") for number in range(3)]
            other = Phone("ben")
            await other.connect(server.url, ben.token)
            for phone in phones:
                await phone.connect(server.url, ann.token)
            await phones[0].expect_disconnect()
            for phone in (*phones[1:], other):
                await phone.expect_ok("sync", {})
            for phone in (*phones, other):
                await phone.close()

        asyncio.run(scene())


def test_an_event_that_comes_too_often_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    with (
        GoChatServer(tmp_path, SETTINGS | {"RATES": "typing:start=5/60,sync=2/1"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        typing = {"conversation_id": created["conversation"]["id"]}

        async def scene() -> None:
            one, other, stranger = Phone("ann"), Phone("ann again"), Phone("ben")
            for phone, account in ((one, ann), (other, ann), (stranger, ben)):
                await phone.connect(server.url, account.token)
            for phone in (one, other, one, other, one):
                await phone.expect_ok("typing:start", typing)
            for phone in (one, other):  # they are counted together
                error = await phone.expect_error("typing:start", typing, "rate_limited")
                assert error["retryable"]
                assert 0 < error["retry_after_ms"] <= 12_000
            await stranger.expect_ok("typing:start", typing)
            await one.expect_ok("typing:stop", typing)
            for _ in range(2):
                await one.expect_ok("sync", {})
            error = await one.expect_error("sync", {}, "rate_limited")
            await asyncio.sleep(error["retry_after_ms"] / 1000)
            await one.expect_ok("sync", {})
            for phone in (one, other, stranger):
                await phone.close()

        asyncio.run(scene())
        answers = [http.post("/api/v1/sync", json={}, headers=ann.headers) for _ in range(4)]
        assert answers[-1].status_code == 429
        assert answers[-1].json()["code"] == "rate_limited"
        assert int(answers[-1].headers["retry-after"]) >= 1


def test_who_floods_is_read_no_faster_than_they_are_answered(tmp_path: Path) -> None:
    """64 refusals a second at most: the flood waits in the network, and costs the others nothing."""
    flood, passed = 20_000, 5
    with (
        GoChatServer(tmp_path, SETTINGS | {"RATES": f"typing:start={passed}/3600"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        cid = created["conversation"]["id"]
        address = server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"

        async def pour(socket: ClientConnection) -> None:
            for number in range(flood):
                await socket.send(f'42{number}["typing:start",{{"more":"{"x" * 2_000}"}}]')

        async def scene() -> None:
            acks: list[Any] = []
            other = Phone("ben")
            await other.connect(server.url, ben.token)
            async with connect(address, ping_interval=None, close_timeout=1) as socket:
                await socket.send(f'40{{"token":"{ann.token}"}}')
                flooding = asyncio.create_task(pour(socket))
                while len(acks) < 64 + passed:
                    text = str(await asyncio.wait_for(socket.recv(), 30))
                    if text.startswith("43"):
                        acks.append(json.loads(text[text.index("[") :])[0])
                for number in range(20):
                    await other.expect_ok("message:send", message(cid, f"{number}"))
                assert not flooding.done()
                flooding.cancel()
            codes = [ack["error"]["code"] for ack in acks]
            assert codes == ["invalid_payload"] * passed + ["rate_limited"] * 64
            await other.close()

        asyncio.run(scene())
