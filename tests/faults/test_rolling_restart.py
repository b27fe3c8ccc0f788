"""Processes are stopped and started one after the other under load: no ack is lost, and no message."""

import asyncio
import uuid
from typing import Any

import pytest
from socketio.exceptions import SocketIOError

from tests.faults.conftest import Place
from tests.phone.compare import differences
from tests.phone.store import Store
from tests.services.balancer import balancer
from tests.wire.account import Account
from tests.wire.phone import Phone, message

PHONES = 6

pytestmark = pytest.mark.timeout(180)


class App(Phone):
    """A phone that keeps what it hears."""

    def __init__(self, name: str, account: Account) -> None:
        self.store = Store(account.id)
        super().__init__(name)

    def _hear(self, event: str, payload: Any) -> None:
        super()._hear(event, payload)
        if event == "me:changed":
            self.store.apply_me(payload)
        elif "revision" in payload:
            self.store.apply(payload)

    async def catch_up(self) -> None:
        """Sync: fetch all that was missed."""
        behind: set[str] = set()
        cursor, more = None, True
        while more:
            known = {"known": self.store.known, "me": self.store.me, "epoch": self.store.epoch}
            answer = await self.expect_ok("sync", known | {"cursor": cursor})
            behind |= self.store.apply_sync(answer)
            cursor, more = answer["cursor"], answer["more"]
        while behind:
            held = {"conversation_id": (cid := behind.pop()), "revision": self.store.revision(cid)}
            if not self.store.apply(await self.expect_ok("conversation:join", held)):
                behind.add(cid)


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

    with balancer([server.port for server in place.servers]) as port:
        accounts = [place.ann, place.ben] * (PHONES // 2)
        phones = [App(f"{account.name} {n}", account) for n, account in enumerate(accounts)]
        for phone, account in zip(phones, accounts, strict=True):
            await phone.connect(f"http://127.0.0.1:{port}", account.token)
            await phone.catch_up()
        chats = [asyncio.create_task(chat(phone)) for phone in phones]
        for server in place.servers:
            before = len(acked)
            assert await asyncio.to_thread(server.stop) == 0
            await asyncio.to_thread(server.start)
            assert len(acked) > before
        stopping.set()
        await asyncio.gather(*chats)
        fresh = [App(f"fresh {account.name}", account) for account in accounts]
        for phone, account in zip(fresh, accounts, strict=True):
            await phone.connect(f"http://127.0.0.1:{port}", account.token)
        for phone in (*phones, *fresh):
            await phone.catch_up()
        for phone in (*phones, *fresh):
            await phone.close()
    history: Any = await asyncio.to_thread(place.ann.history, place.conversation)
    assert {it["client_message_id"]: it["seq"] for it in history} == acked
    assert [it["seq"] for it in history] == list(range(1, len(acked) + 1))
    assert all(any(phone.payloads("server:draining")) for phone in phones)
    for phone, other in zip(phones, fresh, strict=True):
        assert list(differences(phone.store, other.store, lambda _: history)) == []
        assert phone.store.conversations[place.conversation].last_seq == len(acked)
