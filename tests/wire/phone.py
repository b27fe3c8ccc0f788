"""A phone on the official Python client."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import socketio

from tests.contract.schema import validate_ack, validate_event

ACK_TIMEOUT_S = 60
EVENT_TIMEOUT_S = 30
OWN_EVENTS = ("auth:expiring", "server:draining", "session:revoked")
"""What a socket is told as soon as it is connected."""


class Phone:
    """One socket; keeps all that it hears, in order. With `strict`, all is held against the contract."""

    def __init__(self, name: str, *, strict: bool = True, **options: Any) -> None:
        self.name = name
        self.heard: list[tuple[str, Any]] = []
        self.refusals: list[Any] = []
        self._sessions: list[aiohttp.ClientSession] = []
        self.client = socketio.AsyncClient(
            **{"reconnection_delay": 0.1, "http_session": self._open_session, **options}
        )
        self.connects = 0
        self.knows = False
        """Whether it has asked for what there was before it came, and so hears all that comes after."""
        self.client.on("*", self._hear)
        self.client.on("connect", self._connected)
        self.client.on("connect_error", self.refusals.append)
        self._strict = strict
        self._news = asyncio.Event()

    def _open_session(self) -> aiohttp.ClientSession:
        self._sessions = [it for it in self._sessions if not it.closed]
        self._sessions.append(session := aiohttp.ClientSession())
        return session

    def _hear(self, event: str, payload: Any) -> None:
        self.heard.append((event, payload))
        self._news.set()

    def _connected(self) -> None:
        self.connects += 1
        self._news.set()

    async def connect(
        self, url: str, token: str | None, transports: list[str] | None = None, **options: Any
    ) -> None:
        """Connect and wait for the CONNECT answer."""
        auth = None if token is None else {"token": token}
        options = {"auth": auth, "transports": transports or ["websocket"], **options}
        await self.client.connect(url, **options)

    async def emit(self, event: str, payload: Any) -> Any:
        """Send an event; return its ack."""
        ack = await self.client.call(event, payload, timeout=ACK_TIMEOUT_S)
        if self._strict:
            validate_ack(event, ack)
        self.knows |= event in ("sync", "conversation:join") and ack["ok"]
        return ack

    async def expect_ok(self, event: str, payload: Any) -> Any:
        """Send an event that succeeds; return the data of its ack."""
        ack = await self.emit(event, payload)
        assert ack["ok"], ack
        return ack["data"]

    async def insist(self, event: str, payload: Any) -> Any:
        """The same, sent again as an app does while the server has too much to do."""
        while not (ack := await self.emit(event, payload))["ok"]:
            assert ack["error"]["code"] == "overloaded", ack
            await asyncio.sleep(ack["error"]["retry_after_ms"] / 1000)
        return ack["data"]

    async def expect_error(self, event: str, payload: Any, code: str) -> Any:
        """Send an event that is refused with a code; return the error."""
        ack = await self.emit(event, payload)
        assert not ack["ok"], ack
        assert ack["error"]["code"] == code, ack
        return ack["error"]

    async def expect_event(self, event: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the payload of the first such event heard, before or from now on."""
        return await self._expect((event,), wanted)

    async def expect_message(self, wanted: Callable[[Any], bool]) -> Any:
        """The same of the first delta whose last message is wanted: `conversation:changes` if told late."""
        return await self._expect(
            ("message:created", "conversation:changes"),
            lambda delta: bool(delta.get("messages")) and wanted(delta["messages"][-1]),
        )

    async def _expect(self, events: tuple[str, ...], wanted: Callable[[Any], bool]) -> Any:
        assert self.knows or events[0] in OWN_EVENTS, "only a sync tells what was said before it"
        try:
            async with asyncio.timeout(EVENT_TIMEOUT_S):
                while True:
                    self._news.clear()
                    for event, payload in self.heard:
                        if event in events and wanted(payload):
                            if self._strict:
                                validate_event(event, payload)
                            return payload
                    await self._news.wait()
        except TimeoutError as error:
            error.add_note(f"{self.name} heard, last of all: {self.heard[-10:]}")
            raise

    async def expect_disconnect(self) -> None:
        """Wait until the server has said DISCONNECT."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            await self.client.wait()

    async def expect_news(self) -> None:
        """Wait until anything more is heard."""
        self._news.clear()
        await self._news.wait()

    def payloads(self, event: str) -> Iterator[Any]:
        """What was heard of one event."""
        return (payload for name, payload in self.heard if name == event)

    async def send(
        self, conversations: list[str], count: int, window: int
    ) -> list[tuple[str, str, int, bool]]:
        """Send messages with at most `window` unanswered: (conversation, key, seq, duplicate) of each."""
        acks = []
        numbers = iter(range(count))

        async def lane() -> None:
            for n in numbers:
                cid, key = conversations[n % len(conversations)], str(uuid.uuid4())
                data = await self.insist("message:send", message(cid, f"{self.name} says {n} 👋", key))
                acks.append((cid, key, data["message"]["seq"], data["duplicate"]))

        await asyncio.gather(*(lane() for _ in range(window)))
        return acks

    async def close(self) -> None:
        """Disconnect, or stop coming back; close what the library leaves open when it fails to."""
        await self.client.shutdown()
        await self.client.disconnect()
        for session in self._sessions:
            await session.close()


def message(cid: str, body: str, key: str | None = None) -> dict[str, Any]:
    """The payload of `message:send`."""
    return {"conversation_id": cid, "client_message_id": key or str(uuid.uuid4()), "body": body}
