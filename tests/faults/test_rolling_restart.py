"""Processes are stopped and started one after the other under load: no ack is lost, and no message."""

import asyncio
import uuid

import pytest
from socketio.exceptions import SocketIOError

from tests.faults.conftest import Place
from tests.services.balancer import balancer
from tests.wire.phone import Phone, message

PHONES = 6

pytestmark = pytest.mark.timeout(180)


async def test_a_rolling_restart_loses_nothing(place: Place) -> None:
    acked: dict[str, int] = {}
    stopping = asyncio.Event()

    async def chat(phone: Phone) -> None:
        """As an app does: the same key again, until it is acked."""
        while not stopping.is_set():
            key = str(uuid.uuid4())
            while key not in acked:
                try:
                    ack = await phone.client.call(
                        "message:send", message(place.conversation, "on and on", key), timeout=5
                    )
                except SocketIOError:
                    await asyncio.sleep(0.05)
                    continue
                if ack["ok"]:
                    acked[key] = ack["data"]["message"]["seq"]
                else:
                    assert ack["error"]["retryable"], ack

    async with balancer([server.port for server in place.servers]) as port:
        accounts = [place.ann, place.ben] * (PHONES // 2)
        phones = [Phone(f"{account.name} {n}") for n, account in enumerate(accounts)]
        for phone, account in zip(phones, accounts, strict=True):
            await phone.connect(f"http://127.0.0.1:{port}", account.token)
        chats = [asyncio.create_task(chat(phone)) for phone in phones]
        for server in place.servers:
            before = len(acked)
            assert await asyncio.to_thread(server.stop) == 0
            await asyncio.to_thread(server.start)
            assert len(acked) > before
        stopping.set()
        await asyncio.gather(*chats)
        for phone in phones:
            await phone.close()
    history = await asyncio.to_thread(place.ann.history, place.conversation)
    assert {it["client_message_id"]: it["seq"] for it in history} == acked
    assert [it["seq"] for it in history] == list(range(1, len(acked) + 1))
    assert all(any(phone.payloads("server:draining")) for phone in phones)
