"""A phone on the official Python client."""

import asyncio
import uuid
from typing import Any

import socketio

ACK_TIMEOUT_S = 60


class Phone:
    """One socket; keeps all that it hears, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[tuple[str, Any]] = []
        self.client = socketio.AsyncClient(reconnection_delay=0.1)
        self.client.on("*", self._hear)

    def _hear(self, event: str, payload: Any) -> None:
        self.heard.append((event, payload))

    async def connect(self, url: str, token: str, transports: list[str] | None = None) -> None:
        """Connect and wait for the CONNECT answer."""
        await self.client.connect(url, auth={"token": token}, transports=transports or ["websocket"])

    async def emit(self, event: str, payload: Any) -> Any:
        """Send an event; return its ack."""
        return await self.client.call(event, payload, timeout=ACK_TIMEOUT_S)

    async def send(
        self, conversations: list[str], count: int, window: int
    ) -> list[tuple[str, str, int, bool]]:
        """Send messages with at most `window` unanswered: (conversation, key, seq, duplicate) of each."""
        acks = []
        numbers = iter(range(count))

        async def lane() -> None:
            for n in numbers:
                cid, key = conversations[n % len(conversations)], str(uuid.uuid4())
                body = f"{self.name} says {n} 👋"
                ack = await self.emit(
                    "message:send", {"conversation_id": cid, "client_message_id": key, "body": body}
                )
                assert ack["ok"], ack
                acks.append((cid, key, ack["data"]["message"]["seq"], ack["data"]["duplicate"]))

        await asyncio.gather(*(lane() for _ in range(window)))
        return acks

    async def close(self) -> None:
        """Disconnect."""
        await self.client.disconnect()
