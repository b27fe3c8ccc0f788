"""More than the writer may have waiting is refused at once, by name, and can be sent again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

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
