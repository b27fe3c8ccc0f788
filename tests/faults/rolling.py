"""Phones that chat through a balancer while servers are replaced; and what they must have in the end."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from socketio.exceptions import SocketIOError

from tests.faults.conftest import Place
from tests.phone.compare import differences
from tests.phone.store import Store
from tests.services.balancer import balancer
from tests.wire.account import Account
from tests.wire.phone import Phone, message

PHONES = 6

Step = Callable[[], Awaitable[object]]


class App(Phone):
    """A phone that keeps what it hears."""

    def __init__(self, name: str, account: Account, *, strict: bool) -> None:
        self.store = Store(account.id)
        super().__init__(name, strict=strict)

    def _hear(self, event: str, payload: Any) -> None:
        super()._hear(event, payload)
        if event == "me:changed":
            self.store.apply_me(payload)
        elif "conversation_id" in payload and "revision" in payload:
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


async def _chat(phone: Phone, conversation: str, acked: dict[str, int], stopping: asyncio.Event) -> None:
    """As an app does: the same key again, until it is acked."""
    while not stopping.is_set():
        key = str(uuid.uuid4())
        while key not in acked:
            try:
                ack = await phone.client.call(
                    "message:send", message(conversation, "on and on", key), timeout=5
                )
            except SocketIOError:
                await asyncio.sleep(0.05)
                continue
            if ack["ok"]:
                acked[key] = ack["data"]["message"]["seq"]
            else:
                assert ack["error"]["retryable"], ack


@asynccontextmanager
async def chatting(place: Place, *, strict: bool = True) -> AsyncIterator[Callable[[Step], Awaitable[None]]]:
    """Phones that chat; do each step by what it hands out: more is acked by its end than before.

    In the end every ack is a message, every message was acked, and all phones have them all. `strict`: all
    servers are of this release, so that what they say is held against the contract.
    """
    acked: dict[str, int] = {}
    stopping = asyncio.Event()

    async def under_way(step: Step) -> None:
        before = len(acked)
        await step()
        async with asyncio.timeout(60):
            while len(acked) == before:  # noqa: ASYNC110 (several phones add to it)
                await asyncio.sleep(0.01)

    with balancer([server.port for server in place.servers]) as port:
        accounts = [place.ann, place.ben] * (PHONES // 2)
        phones = [App(f"{account.name} {n}", account, strict=strict) for n, account in enumerate(accounts)]
        for phone, account in zip(phones, accounts, strict=True):
            await phone.connect(f"http://127.0.0.1:{port}", account.token)
            await phone.catch_up()
        chats = [asyncio.create_task(_chat(phone, place.conversation, acked, stopping)) for phone in phones]
        yield under_way
        stopping.set()
        await asyncio.gather(*chats)
        fresh = [App(f"fresh {account.name}", account, strict=strict) for account in accounts]
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
