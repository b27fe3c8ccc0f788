"""An outbox in which one message can never be sent: all the others are, and it is shown as failed."""

import asyncio
import uuid
from typing import Any

import httpx2

from tests.phone.outbox import Draft, Outbox
from tests.phone.phone import Phone
from tests.services.gochat import GoChatServer
from tests.wire.account import register

TOO_LARGE = "x" * 600_000


class Reporting(Phone):
    """Tells what became of each draft, and counts its connects."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.ended: dict[str, str] = {}
        self.connects = 0
        self.news = asyncio.Event()

    def on_connect(self) -> None:
        self.connects += 1

    def on_ack(self, draft: Draft, message: Any, *, duplicate: bool) -> None:
        self._end(draft, "stored")

    def on_refusal(self, draft: Draft, error: dict[str, Any]) -> None:
        self._end(draft, error["code"])

    def _end(self, draft: Draft, how: str) -> None:
        self.ended[draft.body[:20]] = how
        self.news.set()

    async def wait_ended(self, count: int) -> None:
        """Wait until so many drafts have left the outbox."""
        async with asyncio.timeout(60):
            while len(self.ended) < count:
                self.news.clear()
                await self.news.wait()


class Untold(Outbox):
    """Of an app that never learned how large a packet may be."""

    def give_up(self) -> list[Draft]:
        self.max_payload = 1 << 40
        return super().give_up()


def flushed(server: GoChatServer, bodies: list[str], *, told: bool = True) -> Reporting:
    """What became of an outbox that was filled offline; `told`: whether the phone heeds `max_payload`."""
    with httpx2.Client(base_url=server.url, timeout=30) as http:
        name = f"u{uuid.uuid4().hex[:12]}"
        ann, ben = register(http, name), register(http, f"{name}b")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        cid = created["conversation"]["id"]

        async def scene() -> Reporting:
            tokens: Any = {
                "access_token": ann.token,
                "refresh_token": ann.refresh_token,
                "user": {"id": ann.id},
            }
            phone = Reporting([server.url], tokens)
            phone.outbox = Outbox() if told else Untold()
            for body in bodies:
                phone.send(Draft(str(uuid.uuid4()), cid, body))
            phone.start()
            await phone.wait_ended(len(bodies))
            await phone.stop()
            return phone

        phone = asyncio.run(scene())
        stored = [body for body in bodies if phone.ended[body[:20]] == "stored"]
        assert [m["body"] for m in ann.history(cid)] == stored
        return phone


def test_half_an_emoji_is_refused_once_and_what_is_behind_it_goes(server: GoChatServer) -> None:
    phone = flushed(server, ["first", "cut \ud83d", "last"])
    assert phone.ended == {"first": "stored", "cut \ud83d": "invalid_payload", "last": "stored"}
    assert phone.connects == 1


def test_what_is_too_large_is_not_sent_at_all(server: GoChatServer) -> None:
    phone = flushed(server, ["first", TOO_LARGE, "last"])
    assert phone.ended == {"first": "stored", TOO_LARGE[:20]: "payload_too_large", "last": "stored"}
    assert phone.connects == 1


def test_who_can_t_tell_the_size_counts_the_closes(server: GoChatServer) -> None:
    phone = flushed(server, ["first", TOO_LARGE, "last"], told=False)
    assert phone.ended == {"first": "stored", TOO_LARGE[:20]: "payload_too_large", "last": "stored"}
    assert phone.connects == 3


def test_an_outbox_of_hundreds_goes_at_once(server: GoChatServer) -> None:
    phone = flushed(server, [f"number {number}" for number in range(300)])
    assert set(phone.ended.values()) == {"stored"}
    assert phone.connects == 1
